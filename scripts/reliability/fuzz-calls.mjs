/** What each function of the addon is called with, as lib/runtime/native.ts has it: the place that a fuzz starts from. */
import { completeSpec, nativeSpec } from '../../dist/model/spec.js';

const SIDE = 6;
/** Models of different sizes, whose data do not fit each other: fused ones and plain ones. */
const SPECS = [
  { inputShape: [12], encoder: { hidden: [8] }, latentSize: 3 },
  { inputShape: [24], encoder: { hidden: [] }, latentSize: 2, likelihood: 'gaussian' },
  { inputShape: [1, SIDE, SIDE], encoder: { type: 'conv', channels: [4] }, latentSize: 2 },
  { inputShape: [1, SIDE, SIDE], encoder: { type: 'residual', channels: [4], norm: 'batch' }, latentSize: 2 },
  {
    inputShape: [12],
    encoder: { hidden: [8], norm: 'layer' },
    latentSize: 3,
    condition: { classes: 3, prior: true },
  },
  {
    inputShape: [12],
    encoder: { hidden: [8] },
    posterior: { type: 'iaf', hidden: 4, context: 4 },
    latentSize: 2,
  },
  {
    inputShape: [12],
    encoder: { hidden: [8] },
    posterior: { type: 'vector-quantized', positions: 2, codes: 4 },
  },
  {
    inputShape: [12],
    encoder: { hidden: [8] },
    posterior: { type: 'gumbel-softmax', categories: 3 },
    latentSize: 2,
  },
  { inputShape: [12], encoder: { hidden: [8] }, objective: { type: 'vae-gan', hidden: [4] }, latentSize: 2 },
  { inputShape: [12], encoder: { hidden: [8] }, prior: { type: 'vamp', components: 4 }, latentSize: 2 },
  { inputShape: [12], encoder: { hidden: [8] }, objective: { type: 'iwae', samples: 3 }, latentSize: 2 },
];

const OPTIMIZERS = ['sgd', 'adam', 'adamw', 'adamax', 'rmsprop', 'adagrad'];
const WIDTHS = [12, 24, 36];

const optimizer = (random) => ({
  type: random.pick(OPTIMIZERS),
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 1e-8,
  momentum: 0,
  nesterov: false,
  weightDecay: 0,
  l1: 0,
  clipNorm: 0,
  clipValue: 0,
  accumulate: random.pick([1, 1, 2]),
  averageDecay: random.pick([0, 0, 0.9]),
  skipNonFinite: random.chance(0.5),
});

const values = (random, columns, rows) => {
  const make = random.chance(0.5) ? Float32Array : Uint8Array;
  return make.from({ length: rows * columns }, () => random.below(2));
};

const labels = (random, rows) =>
  random.chance(0.3)
    ? Int32Array.from({ length: rows }, () => random.below(random.chance(0.9) ? 3 : 9))
    : undefined;

/** A model, and the values in one example: mostly those that it takes. */
const asked = (random, bag) => {
  const model = random.pick(bag.models);
  return { model, width: random.chance(0.1) ? random.pick(WIDTHS) : (bag.widths.get(model) ?? 12) };
};

/** A data set, mostly of examples that the model takes. */
const fitting = (random, bag, model) => {
  const fit = bag.datasets.filter((data) => bag.widths.get(data) === bag.widths.get(model));
  return random.pick(fit.length > 0 && random.chance(0.9) ? fit : bag.datasets);
};

/** Of a model whose size of z is not known here: sometimes right. */
const codes = (random, rows) =>
  Float32Array.from({ length: rows * random.pick([2, 3, 4, 40]) }, () => random.next());
const seed = (random) => random.below(1000);

/**
 * Arguments of each function by its name.
 *
 * @param bag the handles that there are: a device, models, data sets; and how many values their examples have
 */
export const CALLS = {
  plan: (random) => [nativeSpec(completeSpec(random.pick(SPECS)))],
  device: (random) => [
    random.pick(['cpu', 'cpu', 'cuda:0', 'cuda', 'meta', 'cpu:1']),
    random.pick([0, 1, 2]),
  ],
  createDataset: (random, bag) => {
    const columns = random.pick(WIDTHS);
    const rows = 1 + random.below(40);
    return [bag.device, values(random, columns, rows), columns, random.chance(0.2), labels(random, rows)];
  },
  createModel: (random, bag) => [
    bag.device,
    nativeSpec(completeSpec(random.pick(SPECS))),
    seed(random),
    random.pick(['float32', 'float32', 'float64', 'bf16', 'tf32']),
    random.chance(0.2),
  ],
  dispose: (random, bag) => [random.pick(random.chance(0.6) ? bag.models : bag.datasets)],
  abort: (random, bag) => [random.pick(bag.models)],
  train: (random, bag) => {
    const { model } = asked(random, bag);
    const steps = random.pick([0, 1, 1, 2, 3]);
    return [
      model,
      {
        data: fitting(random, bag, model),
        orderSeed: seed(random),
        epoch: random.below(3),
        firstStep: random.pick([0, 0, 0, 1]),
        steps,
        batchSize: random.pick([1, 4, 7, 64]),
        shuffle: random.chance(0.5),
        sums: { loss: 0, reconstruction: 0, kl: 0, terms: random.chance(0.3) ? [0, 0, 0] : [], examples: 0 },
        schedule: Float64Array.from({ length: 4 * steps }, (_, i) => (i % 4 === 0 ? 1e-3 : 1)),
        optimizer: optimizer(random),
        observe: random.chance(0.5),
      },
    ];
  },
  trainTogether: (random, bag) => {
    const each = Array.from({ length: random.below(4) }, () => CALLS.train(random, bag));
    return [{ models: each.map(([model]) => model), chunks: each.map(([, chunk]) => chunk) }];
  },
  evaluate: (random, bag) => {
    const { model } = asked(random, bag);
    return [
      model,
      fitting(random, bag, model),
      1 + random.below(64),
      seed(random),
      Float64Array.of(0, 1, 0, 1),
    ];
  },
  encode: (random, bag) => {
    const { model, width } = asked(random, bag);
    const rows = random.below(5);
    return [model, values(random, width, rows), labels(random, rows)];
  },
  decode: (random, bag) => {
    const rows = random.below(5);
    const kind = random.pick(['mean', 'mode', 'sample']);
    return [random.pick(bag.models), codes(random, rows), kind, seed(random), labels(random, rows)];
  },
  samplePrior: (random, bag) => {
    const rows = 1 + random.below(5);
    return [random.pick(bag.models), rows, seed(random), labels(random, rows)];
  },
  importance: (random, bag) => {
    const { model, width } = asked(random, bag);
    const rows = random.below(5);
    const x = values(random, width, rows);
    return [model, x, 1 + random.below(50), seed(random), labels(random, rows)];
  },
  divergences: (random, bag) => {
    const { model, width } = asked(random, bag);
    const rows = random.below(5);
    return [model, values(random, width, rows), seed(random), labels(random, rows)];
  },
  latentStatistics: (random, bag) => {
    const { model, width } = asked(random, bag);
    const rows = random.below(9);
    return [model, values(random, width, rows), seed(random), labels(random, rows)];
  },
  fitMixture: (random, bag) => {
    const columns = random.pick([1, 2, 3]);
    const points = Float32Array.from({ length: columns * 20 }, () => random.next());
    return [bag.device, points, columns, 1 + random.below(4), 1 + random.below(20), seed(random)];
  },
  frechetDistance: (random, bag) => [
    bag.device,
    values(random, 3, random.below(20)),
    values(random, 3, random.below(20)),
    3,
    random.below(4),
  ],
  manifoldScores: (random, bag) => [
    bag.device,
    values(random, 3, random.below(20)),
    values(random, 3, random.below(20)),
    3,
    random.below(4),
    1 + random.below(4),
  ],
  structuralSimilarity: (random, bag) => {
    const [channels, height, width] = [random.pick([1, 3]), 11 + random.below(3), 11];
    const size = channels * height * width;
    return [bag.device, values(random, size, 2), values(random, size, 2), channels, height, width];
  },
  losses: (random, bag) => {
    const { model, width } = asked(random, bag);
    const rows = random.below(5);
    const noise = random.chance(0.5) ? codes(random, rows) : seed(random);
    return [model, values(random, width, rows), noise, labels(random, rows)];
  },
  gradients: (random, bag) => {
    const { model, width } = asked(random, bag);
    const rows = random.below(5);
    const noise = random.chance(0.5) ? codes(random, rows) : seed(random);
    const schedule = Float64Array.of(1e-3, 1, 0, 1);
    return [model, values(random, width, rows), noise, schedule, labels(random, rows)];
  },
  stateTensors: (random, bag) => [random.pick(bag.models)],
  termNames: (random, bag) => [random.pick(bag.models)],
  readState: (random, bag) => [random.pick(bag.models)],
  writeState: (random, bag) => {
    const name = random.pick([
      'encoder.0.weight',
      'encoder.0.bias',
      'average.encoder.0.bias',
      'optimizer.x',
      'no.such',
    ]);
    const tensors = { [name]: new Float32Array(random.pick([0, 1, 8, 96, 192])) };
    return [random.pick(bag.models), { step: random.below(10), tensors }];
  },
};
