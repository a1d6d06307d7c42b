// What follows training in captured graphs (running statistics, codebooks, averages of the weights) against the same model in the
// loop, which waits at every step.
import { Dataset, sprites, VAE } from '../../dist/index.js';
import { table } from './population.mjs';
import { losses, relativeError } from './verdict.mjs';

const sgd = { optimizer: { type: 'sgd' }, learningRate: 1e-4 };
const images = {
  encoder: { type: 'residual', channels: [8, 16], norm: 'batch', dropout: 0.1 },
  latentSize: 8,
};
const codebook = { posterior: { type: 'vector-quantized', positions: 8, codes: 32 }, prior: 'categorical' };
const oneBlock = { encoder: { hidden: [24, 13] }, latentSize: 3 };

/**
 * [spec, options of fit, of pictures or a table]. Before a batch normalization a bias has no gradient but rounding, of which
 * Adam makes steps as large as others: such models are compared by plain gradient descent.
 */
const MODELS = {
  'batch norm': [{ encoder: { hidden: [64], norm: 'batch' }, latentSize: 8 }, sgd, 'pictures'],
  'batch norm of images': [images, sgd, 'pictures'],
  'batch norm of images, plain convolutions': [
    { encoder: { type: 'conv', channels: [8, 16], norm: 'batch' }, latentSize: 8 },
    sgd,
    'pictures',
  ],
  'a codebook': [{ encoder: { hidden: [64] }, latentSize: 4, ...codebook }, sgd, 'pictures'],
  'a codebook of images': [{ ...images, latentSize: 4, ...codebook }, sgd, 'pictures'],
  'a perceptron': [{ encoder: { hidden: [400] }, latentSize: 20 }, {}, 'pictures'],
  'a perceptron in one block': [oneBlock, {}, 'table'],
  convolutions: [{ encoder: { type: 'conv', channels: [8, 16] }, latentSize: 4 }, {}, 'pictures'],
  'a flow': [{ encoder: { hidden: [64] }, latentSize: 4, posterior: 'iaf' }, {}, 'pictures'],
};

/** With a batch amid the others that no model takes. */
function spoilt() {
  const values = Float32Array.from({ length: 320 * 20 }, (_, i) => ((i * 7919) % 1009) / 1009);
  values.fill(3e38, 100 * 20, 101 * 20);
  return Dataset.from(values, { shape: [20] });
}
const REFUSED = {
  'a batch refused, batch norm': {
    encoder: { hidden: [24], norm: 'batch' },
    latentSize: 3,
    likelihood: 'gaussian',
  },
  'a batch refused, a codebook': {
    encoder: { hidden: [24] },
    latentSize: 3,
    likelihood: 'gaussian',
    ...codebook,
  },
  'a batch refused, averages': { ...oneBlock, likelihood: 'gaussian' },
};

const flat = (tensors) => [...tensors.values()].flatMap(({ data }) => [...data]);

/** Running statistics and codebooks, each relative to its own magnitude, beside the weights. */
const isKept = (name) => /running_|codebook/.test(name);
function stateError(came, wanted) {
  const weights = (tensors) => flat(new Map([...tensors].filter(([name]) => !isKept(name))));
  const kept = [...wanted].filter(([name]) => isKept(name));
  return Math.max(
    relativeError(weights(came), weights(wanted)),
    ...kept.map(([name, { data }]) => relativeError(came.get(name).data, data)),
  );
}

/** Losses, weights with what else the model keeps, averages; milliseconds a step after the first epoch. */
async function run(device, spec, data, options, way) {
  if (way) process.env.TORCHVAE_GPU_STEP = way;
  const vae = await VAE.create({ spec, seed: 4, device });
  try {
    const given = { batchSize: 32, averageWeights: 0.9, gradientHealth: 'off', ...options };
    const [first] = await losses(vae, data, { ...given, epochs: 1 });
    const [steps, started] = [vae.step, performance.now()];
    const others = await losses(vae, data, { ...given, epochs: 2 });
    const milliseconds = (performance.now() - started) / (vae.step - steps);
    return {
      losses: [first, ...others],
      state: await vae.parameters(),
      average: flat(await vae.averagedParameters()),
      milliseconds,
    };
  } finally {
    vae.dispose();
    delete process.env.TORCHVAE_GPU_STEP;
  }
}

/** Adds errors to the verdict, and to its `milliseconds` what a step took in graphs and in the loop. */
export async function following(device, verdict) {
  const pictures = sprites({ count: device === 'cpu' ? 225 : 2017 });
  const kinds = { pictures, table: table(device === 'cpu' ? 225 : 2017, 21), spoilt: spoilt() };
  const all = [
    ...Object.entries(MODELS),
    ...Object.entries(REFUSED).map(([name, spec]) => [
      name,
      [spec, { ...sgd, onNonFinite: 'skip' }, 'spoilt'],
    ]),
  ];
  verdict.milliseconds = {};
  for (const [name, [spec, options, kind]] of all) {
    const data = kinds[kind];
    const own = { ...spec, inputShape: [...data.shape] };
    const graphs = await run(device, own, data, options);
    const loop = await run(device, own, data, options, 'loop');
    const again = await run(device, own, data, options);
    verdict.add(`${name}, losses of the loop`, relativeError(graphs.losses, loop.losses), 1e-4);
    verdict.add(`${name}, state of the loop`, stateError(graphs.state, loop.state), 1e-3);
    verdict.add(`${name}, averages of the loop`, relativeError(graphs.average, loop.average), 1e-3);
    const bits = ({ losses: epochs, state, average }) => [...epochs, ...flat(state), ...average];
    verdict.add(`${name}, the same bits again`, relativeError(bits(again), bits(graphs)), 1e-300);
    verdict.milliseconds[name] = { graphs: graphs.milliseconds, loop: loop.milliseconds };
  }
}
