/** Every part of a model against an independent VAE in PyTorch: values, gradients, moments, draws, training. */
import { describe, expect, test } from 'vitest';
import { Dataset, type Precision, VAE } from '../lib/index.ts';
import { relativeError } from './support/fixture.ts';
import { type PartCase, partCases } from './support/part-cases.ts';

const TOLERANCES = [
  ['float32', 1e-4],
  ['float64', 4e-6],
] as const;

async function create({ spec, seed, weights, tensors }: PartCase, precision: Precision) {
  // The fused kernels have fixtures of their own.
  const vae = await VAE.create({ spec, seed, precision, kernels: 'reference', device: 'cpu' });
  const values = tensors('weights', Object.keys(weights));
  expect([...(await vae.parameters()).keys()].sort()).toEqual([...values.keys()]);
  await vae.setParameters(values);
  return vae;
}

/** Each tensor alone, unless it is so small beside the others that it is rounding. */
function expectTensors(
  came: ReadonlyMap<string, { data: Float32Array }>,
  wanted: ReadonlyMap<string, Float32Array>,
  tolerance: number,
) {
  // In float32, a sum that should be zero is one of rounding.
  const least = tolerance > 1e-5 ? 1e-1 : 1e-2;
  const largest = Math.max(...[...wanted.values()].map((each) => each.reduce(magnitude, 0)));
  expect(largest).toBeGreaterThan(0);
  for (const [name, values] of wanted) {
    const error = relativeError(came.get(name)!.data, values) * values.reduce(magnitude, 0);
    const scale = Math.max(values.reduce(magnitude, 0), least * largest);
    if (values.some((value) => value !== 0)) expect(error / scale, name).toBeLessThan(tolerance);
    else expect(came.get(name)!.data.reduce(magnitude, 0) / scale, name).toBeLessThan(tolerance);
  }
}

const magnitude = (most: number, value: number) => Math.max(most, Math.abs(value));

describe.each(['posteriors', 'priors', 'objectives', 'networks'])('%s', (file) => {
  describe.each(partCases(file))('%s', (_, example) => {
    const { spec, seed, labels, batchSize, learningRate, values, tensors } = example;
    const options = { seed, ...(labels && { labels }) };
    const names = Object.keys(example.weights);
    const trained = names.filter((name) => !example.buffers.includes(name));

    test.each(TOLERANCES)('loss, terms and gradients, %s', async (precision, tolerance) => {
      using vae = await create(example, precision);
      const { loss, reconstruction, kl, terms, gradients } = await vae.gradients(values('x'), options);
      expect(Object.keys(terms)).toEqual(example.terms);
      const wanted = values('means');
      [loss, reconstruction, kl, ...Object.values(terms)].forEach((value, i) => {
        const error = Math.abs(value - wanted[i]!) / Math.max(0.1, Math.abs(wanted[i]!));
        expect(error, ['loss', 'reconstruction', 'kl', ...example.terms][i]).toBeLessThan(tolerance);
      });
      expect([...gradients.keys()].sort()).toEqual(trained.toSorted());
      expectTensors(gradients, tensors('gradient', trained), tolerance);
      // Asking changes nothing: neither running statistics nor codebooks.
      expectTensors(await vae.parameters(), tensors('weights', names), 1e-7);
    });

    test.each(TOLERANCES)('costs, moments and draws, %s', async (precision, tolerance) => {
      using vae = await create(example, precision);
      const { reconstruction, kl } = await vae.lossesPerExample(values('x'), options);
      expect(relativeError(reconstruction, values('reconstruction'))).toBeLessThan(tolerance);
      expect(relativeError(kl, values('kl'))).toBeLessThan(tolerance);
      const { mean, logVariance } = await vae.encode(values('x'), labels && { labels });
      expect(relativeError(mean.data, values('mean'))).toBeLessThan(tolerance);
      if (logVariance.data[0] !== -Infinity) {
        expect(relativeError(logVariance.data, values('logVariance'))).toBeLessThan(tolerance);
      }
      const drawn = await vae.sample(labels?.length ?? values('reconstruction').length, options);
      expect(relativeError(drawn.data, values('drawn'))).toBeLessThan(tolerance);
    });

    test.each(TOLERANCES)('two epochs of gradient descent, %s', async (precision, tolerance) => {
      using vae = await create(example, precision);
      const likelihood = JSON.stringify(spec.likelihood);
      const isReal = likelihood?.includes('identity');
      const kind = isReal ? 'real' : likelihood?.includes('tokens') ? 'categorical' : 'unit';
      const data = Dataset.from(values('x'), {
        shape: spec.inputShape!,
        kind,
        ...(labels && { labels: Int32Array.from(labels) }),
      });
      const settings = {
        epochs: 2,
        batchSize,
        shuffle: false,
        learningRate,
        optimizer: { type: 'sgd' },
      } as const;
      const came: number[][] = [];
      for await (const { train } of vae.fit(data, settings)) {
        came.push([train.reconstruction, train.kl, ...Object.values(train.terms ?? {})]);
      }
      came[1]!.forEach((value, i) => {
        const wanted = values('lastEpoch')[i]!;
        expect(Math.abs(value - wanted) / Math.max(0.1, Math.abs(wanted))).toBeLessThan(tolerance);
      });
      expectTensors(await vae.parameters(), tensors('trained', names), tolerance);
    });
  });
});
