// Members of populations: small perceptrons, each by one block of a device, and larger ones in lanes; for scripts/gpu-verify. Checks first,
// then how many steps a second all members take.
import { Dataset, sprites, VAE } from '../../dist/index.js';
import { losses, relativeError, Verdict } from './verdict.mjs';

/** Rows of numbers in [0, 1] with labels of three classes. */
export function table(rows, columns) {
  const data = Float32Array.from({ length: rows * columns }, (_, i) => ((i * 2654435761) >>> 0) / 2 ** 32);
  const labels = Int32Array.from({ length: rows }, (_, i) => i % 3);
  return new Dataset({ shape: [columns], kind: 'unit', data, labels });
}

const MEMBER = { inputShape: [20], encoder: { hidden: [64] }, latentSize: 8 };

/** [spec, options of fit, examples]; the last batch of most has fewer rows. */
const MODELS = {
  '20-64-8-64-20 at 64': [MEMBER, { batchSize: 64 }, 1000],
  'odd widths, one latent value': [
    { inputShape: [37], encoder: { hidden: [51, 5] }, latentSize: 1 },
    { batchSize: 33 },
    300,
  ],
  'batches of one': [{ inputShape: [9], encoder: { hidden: [13] }, latentSize: 2 }, { batchSize: 1 }, 50],
  'batches of 256': [{ inputShape: [9], encoder: { hidden: [16] }, latentSize: 2 }, { batchSize: 256 }, 1000],
  'no hidden layers': [
    { inputShape: [43], encoder: { hidden: [] }, decoder: { hidden: [] }, latentSize: 5 },
    { batchSize: 20 },
    150,
  ],
  'labels, GELU, free bits, a norm that is cut': [
    {
      inputShape: [31],
      encoder: { hidden: [24, 17], activation: 'gelu' },
      latentSize: 4,
      condition: { classes: 3 },
      objective: { type: 'elbo', beta: 2, freeBits: 0.05 },
    },
    { batchSize: 40, clip: { norm: 0.5 } },
    300,
  ],
  'a Gaussian, tanh, AdamW': [
    { ...MEMBER, encoder: { hidden: [40], activation: 'tanh' }, likelihood: 'gaussian' },
    { batchSize: 32, optimizer: { type: 'adamw' } },
    300,
  ],
  'Laplace, momentum': [
    { ...MEMBER, likelihood: { type: 'laplace', sigma: 0.5 } },
    { batchSize: 32, optimizer: { type: 'sgd', momentum: 0.9 }, learningRate: 1e-4 },
    300,
  ],
  '784-400-20, in lanes': [
    { inputShape: [784], encoder: { hidden: [400] }, latentSize: 20 },
    { batchSize: 128 },
    5000,
  ],
  'odd widths, GELU, a norm that is cut, in lanes': [
    { inputShape: [301], encoder: { hidden: [261, 70], activation: 'gelu' }, latentSize: 23 },
    { batchSize: 100, clip: { norm: 0.5 } },
    2030,
  ],
};

/** More than there are lanes. */
const MEMBERS = 10;

const valuesOf = async (vae) => [...(await vae.parameters()).values()].flatMap(({ data }) => [...data]);

/** What `body` makes of a model or a population, which is freed after it. */
async function withMade(made, body) {
  const object = await made;
  try {
    return await body(object);
  } finally {
    object.dispose();
  }
}

/** Alone against the CPU, once more, and by the kernels of many blocks; then as a member among others. */
async function check(device, verdict, name, [spec, options, rows]) {
  const data = table(device === 'cpu' ? Math.min(rows, 100) : rows, spec.inputShape[0]);
  const given = { epochs: 3, ...options };
  const run = (where) =>
    withMade(VAE.create({ spec, seed: 1, device: where }), async (vae) => ({
      losses: await losses(vae, data, given),
      weights: await valuesOf(vae),
    }));
  const alone = await run(device);
  const again = await run(device);
  verdict.add(`${name}, again`, relativeError(again.weights, alone.weights), 1e-300);
  verdict.add(name, relativeError(alone.losses, (await run('cpu')).losses), 1e-4);
  process.env.TORCHVAE_GPU_STEP = 'fused';
  const others = await run(device);
  delete process.env.TORCHVAE_GPU_STEP;
  verdict.add(`${name}, many blocks`, relativeError(alone.losses, others.losses), 1e-4);
  await withMade(VAE.population({ spec, seeds: MEMBERS, device }), async (population) => {
    const [, { last }] = await population.fit(data, given);
    const loss = relativeError([last.train.loss], [alone.losses.at(-1)]);
    verdict.add(`${name}, a member's loss`, loss, 1e-300);
    const weights = relativeError(await valuesOf(population.members[1]), alone.weights);
    verdict.add(`${name}, a member's weights`, weights, 1e-300);
  });
}

const EPOCHS = 2;
/** Seconds of some epochs, after one that warms up; `onProgress` hears of these. */
async function timed(trainable, data, options, onProgress) {
  const given = { ...options, gradientHealth: 'off' };
  await trainable.fit(data, { ...given, epochs: 1 });
  const started = performance.now();
  await trainable.fit(data, { ...given, epochs: EPOCHS, onProgress });
  return (performance.now() - started) / 1000;
}
const stepsOf = (data, { batchSize }) => EPOCHS * Math.ceil(data.length / batchSize);

/** Steps of all members a second by the wall's clock, and by the device's. */
function together(spec, data, options, members, device) {
  return withMade(VAE.population({ spec, seeds: members, device }), async (population) => {
    let ofDevice = 0;
    const onProgress = ({ ended, stepsPerSecond }) => {
      if (ended === 0) ofDevice = stepsPerSecond;
    };
    const seconds = await timed(population, data, options, onProgress);
    const memberStepsPerSecond = (members * stepsOf(data, options)) / seconds;
    return { members, batch: options.batchSize, memberStepsPerSecond, ofDevice };
  });
}

/** Of some of the same models one after another. */
async function inTurn(spec, data, options, count, device) {
  let seconds = 0;
  for (let seed = 0; seed < count; seed++)
    seconds += await withMade(VAE.create({ spec, seed, device }), (vae) => timed(vae, data, options));
  return { memberStepsPerSecond: (count * stepsOf(data, options)) / seconds };
}

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

/** Of models that go in lanes: steps of all members a second by numbers of lanes, beside some of them one after another, in rounds of each in turn. */
async function contest(spec, data, options, { members, ofThese, rounds }, device) {
  const rates = {};
  const note = (way, rate) => {
    rates[way] ??= [];
    rates[way].push(rate);
  };
  await withMade(VAE.population({ spec, seeds: members, device }), async (population) => {
    for (let round = 0; round < rounds; round++) {
      for (const lanes of [8, 1, 4, 16]) {
        process.env.TORCHVAE_GPU_LANES = String(lanes);
        const seconds = await timed(population, data, options);
        note(`${lanes} lanes`, (members * stepsOf(data, options)) / seconds);
      }
      delete process.env.TORCHVAE_GPU_LANES;
      note('in turn', (await inTurn(spec, data, options, ofThese, device)).memberStepsPerSecond);
    }
  });
  const medians = Object.fromEntries(Object.entries(rates).map(([way, all]) => [way, median(all)]));
  const timesInTurn = medians['8 lanes'] / medians['in turn'];
  return { members, batch: options.batchSize, memberStepsPerSecond: medians, timesInTurn };
}

export async function population(device) {
  const verdict = new Verdict();
  for (const [name, model] of Object.entries(MODELS)) await check(device, verdict, name, model);
  const isDry = device === 'cpu';
  // Long epochs: between two of them the host has each member's to end.
  const rows = table(isDry ? 500 : 2 ** 18, 20);
  const pictures = sprites({ count: isDry ? 200 : 20_000 });
  const w1 = { encoder: { hidden: [400] }, latentSize: 20 };
  const small = isDry ? 3 : 128;
  const wide = isDry ? { members: 2, ofThese: 1, rounds: 1 } : { members: 64, ofThese: 4, rounds: 3 };
  verdict.speeds = {
    '20-64-8-64-20': {
      together: await together(MEMBER, rows, { batchSize: 64 }, small, device),
      inTurn: await inTurn(MEMBER, rows, { batchSize: 64 }, isDry ? 2 : 4, device),
    },
    '784-400-20': await contest(w1, pictures, { batchSize: 128 }, wide, device),
  };
  return verdict;
}
