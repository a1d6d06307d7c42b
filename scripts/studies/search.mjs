// The Bayesian sampler beside Optuna's TPE and random search: 50 trials, the median and the quartiles of the best loss over 20
// seeds, on three functions and one small VAE. Writes docs/results/search.json and its table in docs/search.md. After: npm run build.
//   TORCHVAE_BENCH_OPTUNA=/path/to/python node scripts/studies/search.mjs [--seeds 20] [--first 0]
// The sampler was tuned on other functions. With other seeds than the 20 from 0 it writes nothing.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { sprites, VAE } from '../../dist/index.js';
import { SAMPLERS } from '../../dist/search/samplers.js';
import { completeSpace } from '../../dist/search/space/space.js';
import { markdown, record } from './record.mjs';

const { values: flags } = parseArgs({
  options: { seeds: { type: 'string', default: '20' }, first: { type: 'string', default: '0' } },
});
const [count, first] = [Number(flags.seeds), Number(flags.first)];
const TRIALS = 50;

/** Branin (Dixon and Szego 1978), less its minimum. */
function branin({ beta: x, 'clip.norm': y }) {
  const bend = y - (5.1 / (4 * Math.PI ** 2)) * x * x + (5 / Math.PI) * x - 6;
  return bend * bend + 10 * (1 - 1 / (8 * Math.PI)) * Math.cos(x) + 10 - 0.397887;
}

/** Hartmann in six dimensions (Dixon and Szego 1978), less its minimum. */
function hartmann(values) {
  const x = Object.values(values);
  const scales = [
    [10, 3, 17, 3.5, 1.7, 8],
    [0.05, 10, 17, 0.1, 8, 14],
    [3, 3.5, 1.7, 10, 17, 8],
    [17, 8, 0.05, 10, 0.1, 14],
  ];
  const centers = [
    [1312, 1696, 5569, 124, 8283, 5886],
    [2329, 4135, 8307, 3736, 1004, 9991],
    [2348, 1451, 3522, 2883, 3047, 6650],
    [4047, 8828, 8732, 5743, 1091, 381],
  ];
  const bumps = [1, 1.2, 3, 3.2].map((height, i) => {
    const squares = scales[i].map((scale, j) => scale * (x[j] - centers[i][j] / 1e4) ** 2);
    return height * Math.exp(-squares.reduce((sum, value) => sum + value, 0));
  });
  return 3.32237 - bumps.reduce((sum, value) => sum + value, 0);
}

/** Three branches, of which the second is the best for a good momentum, a whole number and a choice; its minimum is 0. */
function branches(values) {
  const { 'optimizer.type': type, 'optimizer.momentum': momentum = 0, latentSize, learningRate } = values;
  const rate = Math.log10(learningRate);
  const size = 0.2 * Math.log2(latentSize / 24) ** 2;
  const activation = { relu: 0.3, elu: 0, tanh: 0.5, silu: 0.1 }[values['encoder.activation']];
  const branch = {
    adam: 0.4 + 0.5 * (rate + 3) ** 2,
    sgd: (rate + 1 + 2 * (momentum - 0.5)) ** 2 + 3 * (momentum - 0.9) ** 2,
    adagrad: 0.7 + 0.3 * (rate + 2) ** 2,
  }[type];
  return branch + size + activation;
}

const train = sprites({ count: 400, seed: 1 });
const validation = sprites({ count: 100, seed: 2 });
let model;

/** -elbo of held-out sprites after three epochs; a training that diverges counts as a large loss. */
async function small({ beta, latentSize, learningRate, ...values }) {
  const spec = {
    latentSize,
    objective: { beta },
    encoder: { hidden: [values['encoder.width']], activation: values['encoder.activation'] },
    decoder: { hidden: [64] },
  };
  const optimizer =
    values['optimizer.type'] === 'sgd'
      ? { type: 'sgd', momentum: values['optimizer.momentum'] }
      : { type: values['optimizer.type'] };
  const vae = await VAE.create({ spec, seed: 1, device: 'cpu' });
  try {
    const last = await vae.fit(train, { epochs: 3, batchSize: 32, learningRate, optimizer, validation });
    return Math.min(2000, -last.validation.elbo);
  } catch (error) {
    if (error.code !== 'ERR_NONFINITE') throw error;
    return 2000;
  } finally {
    model = { device: vae.device, versions: vae.versions };
    vae.dispose();
  }
}

const momentum = { low: 0, high: 0.99, when: { 'optimizer.type': 'sgd' } };
const PROBLEMS = [
  { name: 'Branin, 2 dimensions', loss: branin, space: { beta: '-5..10', 'clip.norm': '0..15' } },
  {
    name: 'Hartmann, 6 dimensions',
    loss: hartmann,
    space: Object.fromEntries(
      ['beta', 'clip.norm', 'clip.value', 'penalty.l1', 'penalty.l2', 'averageWeights'].map((name) => [
        name,
        '0..1',
      ]),
    ),
  },
  {
    name: 'branches, mixed and conditional',
    loss: branches,
    space: {
      'optimizer.type': 'adam,sgd,adagrad',
      'optimizer.momentum': momentum,
      learningRate: '1e-5..1:log',
      latentSize: '2..128:int:log',
      'encoder.activation': 'relu,elu,tanh,silu',
    },
  },
  {
    name: 'a VAE of sprites, nats',
    loss: small,
    space: {
      beta: '0.1..10:log',
      latentSize: '2..32:int:log',
      learningRate: '1e-4..1e-1:log',
      'encoder.width': '8..128:int:log',
      'encoder.activation': 'relu,elu,tanh,silu',
      'optimizer.type': 'adam,sgd',
      'optimizer.momentum': momentum,
    },
  },
];

/** Optuna in its process: each message in is answered by one out. */
async function startOptuna() {
  const python = process.env.TORCHVAE_BENCH_OPTUNA;
  if (!python) throw new Error('Expected TORCHVAE_BENCH_OPTUNA to name a Python with Optuna');
  const script = fileURLToPath(new URL('search.py', import.meta.url));
  const child = spawn(python, [script], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const read = async () => JSON.parse((await lines.next()).value);
  const { version } = await read();
  const call = (message) => {
    child.stdin.write(`${JSON.stringify(message)}\n`);
    return read();
  };
  return { version, call, end: () => child.stdin.end() };
}

/** The best loss of 50 trials by one of our samplers. */
async function ours(sampler, parameters, loss, seed) {
  const { propose } = SAMPLERS[sampler](parameters, { seed, gridPoints: 5 });
  const history = [];
  for (let number = 0; number < TRIALS; number++) {
    const values = propose(number, history);
    history.push({ values, state: 'complete', losses: [await loss(values)] });
  }
  return Math.min(...history.map(({ losses }) => losses[0]));
}

async function theirs({ call }, parameters, loss, seed) {
  await call({ space: Object.fromEntries(parameters.map((parameter) => [parameter.name, parameter])), seed });
  let best = Infinity;
  for (let trial = 0; trial < TRIALS; trial++) {
    const { number, values } = await call({});
    const reached = await loss(values);
    best = Math.min(best, reached);
    await call({ number, loss: reached });
  }
  return best;
}

/** Quartiles, rounded to four digits. */
function quartiles(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share) => {
    const place = share * (sorted.length - 1);
    const [low, high] = [sorted[Math.floor(place)], sorted[Math.ceil(place)]];
    return Number((low + (high - low) * (place - Math.floor(place))).toPrecision(4));
  };
  return { median: at(0.5), lower: at(0.25), upper: at(0.75) };
}

const optuna = await startOptuna();
const rows = [];
for (const { name, loss, space } of PROBLEMS) {
  const parameters = completeSpace(space);
  const bests = { bayesian: [], optuna: [], random: [] };
  for (let seed = first; seed < first + count; seed++) {
    bests.bayesian.push(await ours('bayesian', parameters, loss, seed));
    bests.optuna.push(await theirs(optuna, parameters, loss, seed));
    bests.random.push(await ours('random', parameters, loss, seed));
  }
  const found = Object.fromEntries(Object.entries(bests).map(([who, values]) => [who, quartiles(values)]));
  rows.push({ name, ...found });
  console.log(JSON.stringify(rows.at(-1)));
}
optuna.end();
const shown = ({ median }) => median.toFixed(4);
if (count === 20 && first === 0) {
  const versions = { torchvae: model.versions.torchvae, libtorch: model.versions.libtorch };
  record(
    'search',
    model,
    {
      what: `The best loss of ${TRIALS} trials, less the minimum where it is known: quartiles over the seeds 0 to 19`,
      command: 'node scripts/studies/search.mjs',
      trials: TRIALS,
      versions: { ...versions, node: process.version, optuna: optuna.version },
      rows,
    },
    'docs/search.md',
    markdown(rows, [
      ['median of the best loss in 50 trials', (row) => row.name],
      ['Gaussian process', (row) => shown(row.bayesian)],
      ["Optuna's TPE", (row) => shown(row.optuna)],
      ['Sobol', (row) => shown(row.random)],
    ]),
  );
}
