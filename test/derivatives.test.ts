/** Gradients of every objective and part against finite differences of the loss, in float64. */
import { describe, expect, test } from 'vitest';
import { VAE } from '../lib/index.ts';
import { type PartCase, partCases } from './support/part-cases.ts';

/** Weights whose gradient is meant to be another one than the derivative of the loss. */
function isMeantOtherwise({ spec }: PartCase, name: string): boolean {
  const objective = JSON.stringify(spec.objective);
  const posterior = JSON.stringify(spec.posterior);
  const isEncoder = name.startsWith('encoder.') || name.startsWith('posterior.');
  return (
    name.startsWith('adversary') || // goes by its own loss
    (isEncoder && objective.includes('dreg')) || // doubly reparameterized
    (isEncoder && objective.includes('vae-gan')) || // the game teaches the decoder alone
    (isEncoder && posterior.includes('vector-quantized')) // passed straight through
  );
}

async function create({ spec, seed, weights, tensors }: PartCase) {
  const vae = await VAE.create({ spec, seed, precision: 'float64', kernels: 'reference', device: 'cpu' });
  await vae.setParameters(tensors('weights', Object.keys(weights)));
  return vae;
}

/** Gradient and slope of the loss for three values of each weight. */
async function compare(example: PartCase) {
  const { seed, labels, values } = example;
  using vae = await create(example);
  const options = { seed, ...(labels && { labels }) };
  const loss = async () => (await vae.gradients(values('x'), options)).loss;
  const { gradients } = await vae.gradients(values('x'), options);
  const parameters = await vae.parameters();
  const largest = Math.max(...[...gradients.values()].flatMap(({ data }) => Array.from(data, Math.abs)));
  const found: { name: string; at: string; error: number }[] = [];
  for (const [name, { data: gradient }] of gradients) {
    const weight = parameters.get(name)!.data;
    const scale = Math.max(1e-2 * largest, ...gradient.map(Math.abs));
    for (const index of new Set([0, weight.length >> 1, weight.length - 1])) {
      const [high, low] = [2 ** -11, -(2 ** -11)].map((by) => weight.with(index, weight[index]! + by));
      await vae.setParameters(new Map([[name, high!]]));
      const above = await loss();
      await vae.setParameters(new Map([[name, low!]]));
      const slope = (above - (await loss())) / (high![index]! - low![index]!);
      await vae.setParameters(new Map([[name, weight]]));
      found.push({ name, at: `${name}[${index}]`, error: Math.abs(slope - gradient[index]!) / scale });
    }
  }
  return found;
}

describe.each(['posteriors', 'priors', 'objectives'])('%s', (file) => {
  test.each(partCases(file))('%s', async (_, example) => {
    const found = await compare(example);
    const checked = found.filter(({ name }) => !isMeantOtherwise(example, name));
    expect(checked.length).toBeGreaterThan(3);
    for (const { at, error } of checked) expect(error, at).toBeLessThan(5e-5);
  });
});

test('the doubly reparameterized gradient of the encoder is not the derivative of the bound', async () => {
  const [, example] = partCases('objectives').find(([name]) => name === 'dreg')!;
  const encoder = (await compare(example)).filter(({ name }) => isMeantOtherwise(example, name));
  expect(Math.max(...encoder.map(({ error }) => error))).toBeGreaterThan(0.05);
});
