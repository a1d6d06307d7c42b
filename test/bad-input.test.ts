/** What SPEC promises for bad input: a TorchvaeError with a code, and a message that names the argument. */
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as metrics from '../lib/evaluation/index.ts';
import {
  dci,
  frechetDistance,
  LatentMixture,
  mutualInformationGap,
  precisionRecall,
  sap,
  structuralSimilarity,
} from '../lib/evaluation/index.ts';
import * as torchvae from '../lib/index.ts';
import {
  Dataset,
  type ErrorCode,
  fashionMnist,
  loadDataset,
  loadImageFolder,
  mnist,
  preset,
  sprites,
  type TorchvaeError,
  VAE,
} from '../lib/index.ts';
import { decodeSafetensors, encodeSafetensors, type HostTensor } from '../lib/model/safetensors.ts';
import { nativePart } from '../lib/model/spec.ts';
import * as report from '../lib/report/index.ts';
import { encodePng, imageGrid, reconstructionGrid, traverse } from '../lib/report/index.ts';
import { findNvidiaDriver } from '../lib/runtime/driver.ts';
import { packageFolder, runNode } from './support/command.ts';

/** What a caller without types could pass. */
// biome-ignore lint/suspicious/noExplicitAny: the point of these tests
type Anything = any;

const spec = { inputShape: [6], encoder: { hidden: [5] }, latentSize: 2 } as const;
const rows = Dataset.from([
  [0, 0.5, 1, 0, 0.25, 0.75],
  [1, 0.5, 0, 1, 0.75, 0.25],
  [0.5, 0.5, 0.5, 1, 1, 1],
]);

let vae: VAE;
let folder: string;

beforeAll(async () => {
  vae = await VAE.create({ spec, device: 'cpu' });
  folder = mkdtempSync(join(tmpdir(), 'torchvae-bad-'));
});

afterAll(() => {
  vae.dispose();
  rmSync(folder, { recursive: true, force: true });
});

/** `action` must be refused with this code, in a message that says all of `parts`. */
async function refuses(code: ErrorCode, parts: readonly string[], action: () => unknown): Promise<void> {
  const error = (await Promise.resolve()
    .then(action)
    .then(
      (value) => {
        throw new Error(
          `Expected ${code} but the call succeeded with ${JSON.stringify(value)?.slice(0, 200)}`,
        );
      },
      (caught) => caught,
    )) as TorchvaeError;
  expect(error, error.stack ?? '').toMatchObject({ name: 'TorchvaeError', code });
  for (const part of parts) expect(error.message).toContain(part);
}

/** One epoch of training with these options. */
async function fit(options: Anything, data: Anything = rows): Promise<void> {
  using model = await VAE.create({ spec, device: 'cpu' });
  for await (const _ of model.fit(data, options));
}

type Case = [name: string, code: ErrorCode, parts: string[], action: () => unknown];

function each(cases: readonly Case[]): void {
  test.each(cases)('%s', async (_name, code, parts, action) => refuses(code, parts, action));
}

const create = (options: Anything) => VAE.create({ device: 'cpu', ...options });
const withSpec = (changes: Anything) => create({ spec: { ...spec, ...changes } });

describe('VAE.create', () => {
  each([
    ['no object', 'ERR_TYPE', ['VAE.create', 'null'], () => VAE.create(null as Anything)],
    ['an array', 'ERR_TYPE', ['VAE.create', 'Array'], () => VAE.create([] as Anything)],
    ['an unknown option', 'ERR_RANGE', ['latentsize', 'preset'], () => create({ latentsize: 3 })],
    ['an unknown preset', 'ERR_RANGE', ['preset', 'mlp-400', 'mlp-4'], () => create({ preset: 'mlp-4' })],
    ['a preset by inheritance', 'ERR_RANGE', ['preset', 'toString'], () => create({ preset: 'toString' })],
    ['a preset that is null', 'ERR_TYPE', ['preset', 'null'], () => create({ preset: null })],
    ['a fraction as seed', 'ERR_RANGE', ['seed', '0.5'], () => create({ seed: 0.5 })],
    ['a negative seed', 'ERR_RANGE', ['seed', '-1'], () => create({ seed: -1 })],
    ['a seed beyond 2^53', 'ERR_RANGE', ['seed'], () => create({ seed: 2 ** 53 })],
    ['a seed that is text', 'ERR_TYPE', ['seed', '"1"'], () => create({ seed: '1' })],
    ['a seed that is a BigInt', 'ERR_TYPE', ['seed', 'bigint'], () => create({ seed: 1n })],
    ['a seed that is null', 'ERR_TYPE', ['seed', 'null'], () => create({ seed: null })],
    ['an unknown precision', 'ERR_RANGE', ['precision', 'float16'], () => create({ precision: 'float16' })],
    ['an unknown device', 'ERR_DEVICE', ['device', 'tpu'], () => VAE.create({ device: 'tpu' as Anything })],
    ['a device that is a number', 'ERR_DEVICE', ['device', '0'], () => VAE.create({ device: 0 as Anything })],
    ['a device that is null', 'ERR_DEVICE', ['device'], () => VAE.create({ device: null as Anything })],
    [
      'a libtorch that is not there',
      'ERR_LIBTORCH',
      ['libtorch', '/nowhere'],
      () => create({ libtorch: '/nowhere' }),
    ],
    ['a libtorch that is a number', 'ERR_TYPE', ['libtorch', '5'], () => create({ libtorch: 5 })],
    [
      'a getter that throws',
      'ERR_TYPE',
      ['seed', 'VAE.create', 'boo'],
      () =>
        VAE.create({
          device: 'cpu',
          get seed(): number {
            throw new Error('boo');
          },
        }),
    ],
  ]);

  test.skipIf(findNvidiaDriver() !== undefined)('a GPU where there is none', () =>
    refuses('ERR_DEVICE', ['cuda:3', 'no NVIDIA driver', "'cpu'"], () => VAE.create({ device: 'cuda:3' })),
  );
});

describe('a spec that cannot be built', () => {
  test('a setting that is unlike all others is answered without a guess', async () => {
    const error = await withSpec({ prior: { type: 'mixture', wings: 2 } }).catch((caught) => caught);
    expect(error.message).toBe(
      'Unknown option wings in spec.prior (mixture); known options are type, components',
    );
  });

  test('a setting that the engine cannot take is refused, not left out', () => {
    const part = { type: 'gaussian', sigma: 1, widths: [3], link: 'identity' };
    expect(nativePart('spec.likelihood', part)).toEqual(part);
    expect(() => nativePart('spec.likelihood', { ...part, sigma: { from: 1 } } as Anything)).toThrow(
      /spec\.likelihood\.sigma but received an instance of Object/,
    );
    // These become numbers of every step.
    const relaxed = { type: 'gumbel-softmax', categories: 3, temperature: 1, warmup: { steps: 1 } };
    expect(nativePart('spec.posterior', relaxed)).toEqual({ type: 'gumbel-softmax', categories: 3 });
  });

  const bad = (field: string, ...values: unknown[]): Case[] =>
    values.map((value) => {
      const path = field.split('.');
      const nested = path.reduceRight<unknown>((inner, key) => ({ [key]: inner }), value);
      return [
        `${field}: ${value === Infinity ? value : JSON.stringify(value)}`,
        'ERR_SPEC',
        [path.at(-1)!],
        () => withSpec(nested),
      ];
    });
  each([
    ['no object', 'ERR_SPEC', ['spec', '5'], () => create({ spec: 5 })],
    ['null', 'ERR_SPEC', ['spec', 'null'], () => create({ spec: null })],
    ['an array', 'ERR_SPEC', ['spec', 'Array'], () => create({ spec: [] })],
    ['an unknown field', 'ERR_SPEC', ['latent', 'latentSize'], () => withSpec({ latent: 3 })],
    ...bad('inputShape', 784, [], [0], [-3], [1.5], ['28'], [1, 2, 3, 4, 5], [2 ** 25], [[28]], [Number.NaN]),
    ...bad('latentSize', 0, -1, 2.5, '20', 2 ** 25, Number.NaN, Infinity, []),
    ...bad('posterior', 'laplace', 5, {}),
    ...bad('prior', 'flow', 5, []),
    ...bad('encoder', 5, 'rnn', [], { depth: 3 }),
    ...bad('encoder.type', 'transformer', 5),
    ...bad('encoder.hidden', 400, [0], [-1], ['400'], [1.5], [null], [2 ** 25], new Array(1001).fill(1)),
    ...bad('encoder.activation', 'gelu9', 5, 'toString'),
    ...bad('decoder', 5, { depth: 3 }),
    ...bad('decoder.hidden', 400, [0]),
    ...bad('decoder.activation', 'gelu9'),
    ...bad('likelihood', 5, 'poisson', {}, { type: 'poisson' }, { type: 'bernoulli', sigma: 1 }),
    ...[0, -1, 1e-9, Infinity, Number.NaN, '1'].map(
      (sigma): Case => [
        `likelihood.sigma: ${sigma}`,
        'ERR_SPEC',
        ['sigma'],
        () => withSpec({ likelihood: { type: 'gaussian', sigma } }),
      ],
    ),
    ...bad('objective', 5, { type: 'elbow' }),
    ...bad('objective.beta', -1, Number.NaN, Infinity, '1', 1e9),
    ...[
      { channels: 32 },
      { channels: [] },
      { channels: [0] },
      { channels: ['32'] },
      { channels: [2 ** 25] },
      { kernel: 0 },
      { kernel: 2.5 },
      { kernel: 99 },
      { stride: 0 },
      { stride: '2' },
      { activation: 'gelu9' },
      { hidden: [5] },
    ].map(
      (change): Case => [
        `a convolution of ${JSON.stringify(change)}`,
        'ERR_SPEC',
        [Object.keys(change)[0]!],
        () => create({ spec: { encoder: { type: 'conv', channels: [4], kernel: 3, stride: 2, ...change } } }),
      ],
    ),
    // What is misspelled is answered with this part's settings, and the one that was meant.
    [
      "a misspelled setting of a part: that part's alone, and the nearest",
      'ERR_SPEC',
      ['spec.objective (iwae)', 'known options are type, samples; did you mean samples?'],
      () => withSpec({ objective: { type: 'iwae', sampels: 5 } }),
    ],
    [
      'a misspelled part',
      'ERR_SPEC',
      ['spec.likelihood.type', 'did you mean gaussian?'],
      () => withSpec({ likelihood: 'guassian' }),
    ],
    [
      'a setting of a network in another spelling',
      'ERR_SPEC',
      ['spec.encoder (mlp)', 'did you mean dropout?'],
      () => withSpec({ encoder: { drop_out: 0.5 } }),
    ],
    [
      'a setting of a warm-up',
      'ERR_SPEC',
      ['spec.objective.warmup', 'did you mean cycles?'],
      () => withSpec({ objective: { warmup: { steps: 5, cycle: 2 } } }),
    ],
    [
      'a warm-up without its length',
      'ERR_SPEC',
      ['spec.objective.warmup.steps', 'undefined'],
      () => withSpec({ objective: { warmup: { shape: 'linear' } } }),
    ],
    [
      'a capacity without its end',
      'ERR_SPEC',
      ['spec.objective.capacity.to', 'undefined'],
      () => withSpec({ objective: { capacity: { steps: 5 } } }),
    ],
    [
      'a setting of another part',
      'ERR_SPEC',
      ['spec.objective.samples belongs to iwae, dreg, not to elbo'],
      () => withSpec({ objective: { samples: 5 } }),
    ],
    [
      'a convolution over vectors',
      'ERR_SPEC',
      ['conv', 'inputShape'],
      () => withSpec({ encoder: { type: 'conv', channels: [4] } }),
    ],
    [
      'more weights than any machine has',
      'ERR_SPEC',
      ['parameters', 'narrower'],
      () => withSpec({ inputShape: [2 ** 24], encoder: { hidden: [2 ** 24] } }),
    ],
    [
      'more weights than this machine has',
      'ERR_OUT_OF_MEMORY',
      ['GB', 'narrower'],
      // Its four copies come to 16 bytes for each of just less than 4e9 weights.
      () => withSpec({ inputShape: [2 ** 16], encoder: { hidden: [30_000] } }),
    ],
  ]);
});

describe('folders of images', () => {
  each([
    ['no folder', 'ERR_TYPE', ['folder', 'undefined'], () => loadImageFolder(undefined as Anything)],
    ['a number', 'ERR_TYPE', ['folder', '7'], () => loadImageFolder(7 as Anything)],
    [
      'no options',
      'ERR_TYPE',
      ['options of loadImageFolder', 'null'],
      () => loadImageFolder('.', null as Anything),
    ],
    ['another option', 'ERR_RANGE', ['size'], () => loadImageFolder('.', { size: 28 } as Anything)],
    ['two channels', 'ERR_RANGE', ['channels', '2'], () => loadImageFolder('.', { channels: 2 as Anything })],
    ['no pixels', 'ERR_RANGE', ['maxPixels', '0'], () => loadImageFolder('.', { maxPixels: 0 })],
  ]);
});

describe('use of z, mixtures, distances and gaps', () => {
  const codes = { data: new Float32Array(6), shape: [3, 2] };
  const numbers = { weights: [1], means: [0], factors: [1], logLikelihood: 0, iterations: 1 };
  const mixture = new LatentMixture({
    ...numbers,
    weights: Float64Array.of(1),
    means: Float64Array.of(0),
    factors: Float64Array.of(1),
  });
  const two = new Float32Array(12);
  const bad = new Float32Array(12).fill(Number.NaN);
  const some = sprites({ count: 3 });
  const similarity = (options: Anything) => structuralSimilarity(two, two, options);
  each([
    ['latentHealth: no data set', 'ERR_TYPE', ['data', 'Dataset'], () => vae.latentHealth(two as Anything)],
    [
      'latentHealth: another option',
      'ERR_RANGE',
      ['seeds'],
      () => vae.latentHealth(rows, { seeds: 1 } as Anything),
    ],
    ['latentHealth: a seed below 0', 'ERR_RANGE', ['seed', '-1'], () => vae.latentHealth(rows, { seed: -1 })],
    [
      'fitMixture: no components',
      'ERR_RANGE',
      ['components', '0'],
      () => vae.fitMixture(rows, { components: 0 }),
    ],
    [
      'fitMixture: more than examples',
      'ERR_SHAPE',
      ['components', '99'],
      () => vae.fitMixture(rows, { components: 99 }),
    ],
    [
      'fitMixture: half an iteration',
      'ERR_RANGE',
      ['iterations', '0.5'],
      () => vae.fitMixture(rows, { iterations: 0.5 }),
    ],
    ['fitMixture: text', 'ERR_TYPE', ['x'], () => vae.fitMixture('mnist' as Anything)],
    ['LatentMixture: no draws', 'ERR_RANGE', ['count', '0'], () => mixture.sample(0)],
    ['LatentMixture: all memory', 'ERR_RANGE', ['count'], () => mixture.sample(2 ** 52)],
    [
      'LatentMixture: a seed of text',
      'ERR_TYPE',
      ['seed'],
      () => mixture.sample(1, { seed: '1' } as Anything),
    ],
    [
      'LatentMixture: null as options',
      'ERR_TYPE',
      ['sample', 'null'],
      () => mixture.sample(1, null as Anything),
    ],
    [
      'LatentMixture: another option',
      'ERR_RANGE',
      ['sede'],
      () => mixture.sample(1, { sede: 1 } as Anything),
    ],
    ['frechetDistance: of what size', 'ERR_SHAPE', ['columns', 'undefined'], () => frechetDistance(two, two)],
    [
      'frechetDistance: one example',
      'ERR_SHAPE',
      ['at least 2 examples', 'samples'],
      () => frechetDistance(rows, new Float32Array(6)),
    ],
    [
      'frechetDistance: another size',
      'ERR_SHAPE',
      ['samples', '6 values'],
      () => frechetDistance(rows, new Float32Array(13)),
    ],
    ['frechetDistance: text', 'ERR_TYPE', ['reference'], () => frechetDistance('a' as Anything, rows)],
    [
      'frechetDistance: parts of components',
      'ERR_RANGE',
      ['components'],
      () => frechetDistance(rows, rows, { components: 1.5 }),
    ],
    [
      'frechetDistance: doubles',
      'ERR_TYPE',
      ['samples', 'Float64Array'],
      () => frechetDistance(rows, new Float64Array(12) as Anything),
    ],
    [
      'frechetDistance: a tensor without values',
      'ERR_TYPE',
      ['samples', 'Tensor'],
      () => frechetDistance(rows, { shape: [2, 6] } as Anything),
    ],
    ['frechetDistance: NaN', 'ERR_RANGE', ['samples', 'NaN', 'index 0'], () => frechetDistance(rows, bad)],
    [
      'precisionRecall: NaN',
      'ERR_RANGE',
      ['samples', 'NaN', 'index 0'],
      () => precisionRecall(rows, bad, { neighbors: 1 }),
    ],
    [
      'structuralSimilarity: NaN',
      'ERR_RANGE',
      ['others', 'NaN'],
      () =>
        structuralSimilarity(new Uint8Array(121), new Float32Array(121).fill(Number.NaN), {
          shape: [11, 11],
        }),
    ],
    ['structuralSimilarity: no shape', 'ERR_SHAPE', ['shape', '5'], () => similarity({ shape: 5 })],
    ['structuralSimilarity: texts', 'ERR_TYPE', ['shape[1]', '"a"'], () => similarity({ shape: ['a', 'b'] })],
    ['structuralSimilarity: BigInts', 'ERR_TYPE', ['shape[1]'], () => similarity({ shape: [11n, 11n] })],
    ...Object.entries({ mutualInformationGap, dci, sap }).flatMap(([name, measure]): Case[] => [
      [`${name}: no codes`, 'ERR_TYPE', ['codes', 'null'], () => measure(null as Anything, some)],
      [`${name}: no data set`, 'ERR_TYPE', ['data', 'null'], () => measure(codes, null as Anything)],
      [
        `${name}: NaN`,
        'ERR_RANGE',
        ['codes', 'NaN'],
        () => measure({ data: bad.slice(0, 6), shape: [3, 2] }, some),
      ],
    ]),
    ['mutualInformationGap: no factors', 'ERR_STATE', ['factors'], () => mutualInformationGap(codes, rows)],
    [
      'mutualInformationGap: other examples',
      'ERR_SHAPE',
      ['5 codes'],
      () => mutualInformationGap(codes, sprites({ count: 5 })),
    ],
    [
      'mutualInformationGap: one bin',
      'ERR_RANGE',
      ['bins', '1'],
      () => mutualInformationGap(codes, sprites({ count: 3 }), 1),
    ],
  ]);
});

describe('encode, reconstruct, losses per example, gradients, likelihoods and divergences', () => {
  const methods = [
    'encode',
    'reconstruct',
    'lossesPerExample',
    'gradients',
    'negativeLogLikelihood',
    'divergences',
  ] as const;
  each([
    [
      'gradients: NaN',
      'ERR_RANGE',
      ['x', '[0, 1]', 'NaN', 'index 3'],
      () => vae.gradients(Float32Array.of(0, 0, 0, Number.NaN, 0, 0)),
    ],
  ]);
  each(
    methods.flatMap((method): Case[] => {
      const call = (x: Anything) => () => vae[method](x);
      const set = (index: number, value: number) => {
        const x = new Float32Array(12);
        x[index] = value;
        return x;
      };
      const detached = new Float32Array(6);
      structuredClone(detached.buffer, { transfer: [detached.buffer] });
      return [
        [
          `${method}: null as options`,
          'ERR_TYPE',
          [method, 'null'],
          () => vae[method](rows, null as Anything),
        ],
        [
          `${method}: an unknown option`,
          'ERR_RANGE',
          ['lables', method, 'labels'],
          () => vae[method](rows, { lables: [1] } as Anything),
        ],
        [`${method}: nothing`, 'ERR_TYPE', ['x', 'undefined'], call(undefined)],
        [`${method}: null`, 'ERR_TYPE', ['x', 'null'], call(null)],
        [`${method}: numbers`, 'ERR_TYPE', ['x', 'Array of length 6'], call([0, 0, 0, 0, 0, 0])],
        [`${method}: doubles`, 'ERR_TYPE', ['x', 'Float64Array'], call(new Float64Array(6))],
        [`${method}: a DataView`, 'ERR_TYPE', ['x'], call(new DataView(new ArrayBuffer(24)))],
        [`${method}: a mock Dataset`, 'ERR_SHAPE', ['x', '3 x 6', 'shape 6'], call({ ...rows })],
        [`${method}: a tensor of numbers`, 'ERR_TYPE', ['x', 'Tensor'], call({ data: [0], shape: [1, 6] })],
        [
          `${method}: a tensor of codes`,
          'ERR_SHAPE',
          ['x', '2 x 6', '6 x 2'],
          call({ data: new Float32Array(12), shape: [6, 2] }),
        ],
        [`${method}: no examples`, 'ERR_SHAPE', ['x', '6 values', '0'], call(new Float32Array(0))],
        [`${method}: half an example`, 'ERR_SHAPE', ['x', '6 values', '9'], call(new Float32Array(9))],
        [`${method}: a detached array`, 'ERR_SHAPE', ['x', 'received 0'], call(detached)],
        [`${method}: above 1`, 'ERR_RANGE', ['x', 'index 11'], call(set(11, 1.0001))],
        [`${method}: below 0`, 'ERR_RANGE', ['x', 'index 1'], call(set(1, -0.5))],
        [`${method}: other images`, 'ERR_SHAPE', ['x', '1 x 28 x 28'], call(sprites({ count: 2 }))],
        [
          `${method}: real data`,
          'ERR_RANGE',
          ['x', 'bernoulli', 'real'],
          call(Dataset.from([[3, 0, 0, 0, 0, 0]])),
        ],
      ];
    }),
  );

  each([
    [
      'noise that is short',
      'ERR_SHAPE',
      ['noise', '6 values'],
      () => vae.lossesPerExample(rows, { noise: new Float32Array(4) }),
    ],
    [
      'noise that is uneven',
      'ERR_SHAPE',
      ['noise', 'latentSize'],
      () => vae.lossesPerExample(rows, { noise: new Float32Array(5) }),
    ],
    [
      'noise that is text',
      'ERR_TYPE',
      ['noise'],
      () => vae.lossesPerExample(rows, { noise: 'white' as Anything }),
    ],
    ['noise that is null', 'ERR_TYPE', ['noise'], () => vae.gradients(rows, { noise: null as Anything })],
    [
      'noise that is NaN',
      'ERR_RANGE',
      ['noise', 'NaN'],
      () => vae.lossesPerExample(rows, { noise: new Float32Array(6).fill(Number.NaN) }),
    ],
    [
      'a seed that is not an integer',
      'ERR_TYPE',
      ['seed'],
      () => vae.lossesPerExample(rows, { seed: 'x' as Anything }),
    ],
    ['an unknown option', 'ERR_RANGE', ['sed'], () => vae.lossesPerExample(rows, { sed: 1 } as Anything)],
    ['options that are none', 'ERR_TYPE', ['options'], () => vae.gradients(rows, 3 as Anything)],
  ]);
});

describe('decode, sample and elbo', () => {
  const nan = Float32Array.of(0, Number.NaN);
  each([
    ['decode: nothing', 'ERR_TYPE', ['z', 'undefined'], () => vae.decode(undefined as Anything)],
    ['decode: numbers', 'ERR_TYPE', ['z', 'Array'], () => vae.decode([0, 0] as Anything)],
    ['decode: bytes', 'ERR_TYPE', ['z', 'Uint8Array'], () => vae.decode(new Uint8Array(2) as Anything)],
    ['decode: half a code', 'ERR_SHAPE', ['z', 'latentSize', '3'], () => vae.decode(new Float32Array(3))],
    ['decode: nothing in it', 'ERR_SHAPE', ['z', '0'], () => vae.decode(new Float32Array(0))],
    ['decode: NaN', 'ERR_RANGE', ['z', 'NaN', 'index 1'], () => vae.decode(nan)],
    [
      'decode: a tensor whose shape is another',
      'ERR_SHAPE',
      ['z', '2 x 2', '1 x 4'],
      () => vae.decode({ data: new Float32Array(4), shape: [1, 4] }),
    ],
    [
      'decode: a tensor without shape',
      'ERR_TYPE',
      ['z'],
      () => vae.decode({ data: new Float32Array(4) } as Anything),
    ],
    ['sample: none', 'ERR_RANGE', ['count', '0'], () => vae.sample(0)],
    ['sample: text', 'ERR_TYPE', ['count', '"8"'], () => vae.sample('8' as Anything)],
    ['sample: a fraction', 'ERR_RANGE', ['count', '1.5'], () => vae.sample(1.5)],
    ['sample: more than memory', 'ERR_RANGE', ['count', 'several calls'], () => vae.sample(2 ** 30)],
    ['sample: an unknown option', 'ERR_RANGE', ['sede'], () => vae.sample(1, { sede: 1 } as Anything)],
    ['sample: a bad seed', 'ERR_RANGE', ['seed'], () => vae.sample(1, { seed: -4 })],
    ['loss: no data', 'ERR_TYPE', ['x', 'undefined'], () => vae.loss(undefined as Anything)],
    ['loss: numbers', 'ERR_TYPE', ['x', 'Array'], () => vae.loss([0, 0, 0, 0, 0, 0] as Anything)],
    ['loss: half an example', 'ERR_SHAPE', ['x', '9'], () => vae.loss(new Float32Array(9))],
    ['loss: NaN alone', 'ERR_STATE', ['none of the 1'], () => vae.loss(new Float32Array(6).fill(Number.NaN))],
    ['loss: other data', 'ERR_SHAPE', ['x', '28'], () => vae.loss(sprites({ count: 2 }))],
    ['loss: a bad seed', 'ERR_TYPE', ['seed'], () => vae.loss(rows, { seed: null as Anything })],
  ]);
});

describe('fit', () => {
  const bad = (option: string, code: ErrorCode, ...values: unknown[]): Case[] =>
    values.map((value) => [
      `${option}: ${typeof value === 'object' ? JSON.stringify(value) : String(value)}`,
      code,
      [option.split('.').at(-1)!],
      () => fit(option.split('.').reduceRight<unknown>((inner, key) => ({ [key]: inner }), value)),
    ]);
  each([
    ['no data', 'ERR_TYPE', ['train', 'undefined'], () => vae.fit(undefined as Anything)],
    ['an array as data', 'ERR_TYPE', ['train', 'Float32Array'], () => fit({}, new Float32Array(6))],
    [
      'data of another shape',
      'ERR_SHAPE',
      ['train', '6 values', '784'],
      () => fit({}, sprites({ count: 4 })),
    ],
    [
      'data of another kind',
      'ERR_RANGE',
      ['train', 'bernoulli', 'real'],
      () => fit({}, Dataset.from([[9, 0, 0, 0, 0, 0]])),
    ],
    ['options that are none', 'ERR_TYPE', ['fit'], () => fit(null)],
    ['an unknown option', 'ERR_RANGE', ['epoch', 'epochs'], () => fit({ epoch: 3 })],
    ...bad('epochs', 'ERR_RANGE', -1, 1.5, Number.NaN, Infinity),
    ...bad('epochs', 'ERR_TYPE', '3', null),
    ...bad('batchSize', 'ERR_RANGE', 0, -1, 2.5, 2 ** 21),
    ...bad('batchSize', 'ERR_TYPE', '3', {}),
    ...bad('learningRate', 'ERR_RANGE', -1e-3, Number.NaN, Infinity, 1e4),
    ...bad('learningRate', 'ERR_TYPE', '1e-3'),
    ...bad('optimizer', 'ERR_TYPE', 'adam', null, 5),
    ...bad('optimizer.type', 'ERR_RANGE', 'lion'),
    ...bad('optimizer', 'ERR_RANGE', { type: 'sgd', beta1: 0.9 }, { type: 'adam', alpha: 0.9 }),
    ...bad('clip', 'ERR_TYPE', 1, null),
    ...bad('clip', 'ERR_RANGE', { norms: 1 }),
    ...bad('clip.norm', 'ERR_RANGE', 0, -1, Number.NaN),
    ...bad('clip.value', 'ERR_TYPE', '1'),
    ...bad('penalty.l1', 'ERR_RANGE', -1, Infinity),
    ...bad('penalty.l2', 'ERR_RANGE', -1),
    ...bad('accumulate', 'ERR_RANGE', 0, 1.5),
    ...bad('averageWeights', 'ERR_RANGE', 1, -0.1),
    ...bad('onNonFinite', 'ERR_RANGE', 'ignore'),
    ...bad('shuffle', 'ERR_TYPE', 'yes', 1, null),
    ...bad('validation', 'ERR_TYPE', 0.1, new Float32Array(6)),
    ...bad('signal', 'ERR_TYPE', {}, 5),
    ...bad('onProgress', 'ERR_TYPE', 5, {}),
    [
      'validation data of another shape',
      'ERR_SHAPE',
      ['validation'],
      () => fit({ validation: sprites({ count: 4 }) }),
    ],
    ['a signal that fired before', 'ERR_ABORTED', ['aborted'], () => fit({ signal: AbortSignal.abort() })],
  ]);

  test('a signal that fires after dispose() ends nothing but the training', async () => {
    const model = await VAE.create({ spec, device: 'cpu' });
    const controller = new AbortController();
    const training = (async () => {
      for await (const _ of model.fit(rows, { epochs: 1e6, signal: controller.signal }));
    })();
    await new Promise((resolve) => setTimeout(resolve, 20));
    model.dispose();
    controller.abort();
    await expect(training).rejects.toMatchObject({ code: expect.stringMatching(/ERR_ABORTED|ERR_STATE/) });
  });

  test('an abort in the midst of validation leaves the epoch to be finished', async () => {
    using model = await VAE.create({ preset: 'mlp-400', device: 'cpu' });
    using calm = await VAE.create({ preset: 'mlp-400', device: 'cpu' });
    const train = sprites({ count: 256 });
    const validation = sprites({ count: 20_000, seed: 1 });
    const controller = new AbortController();
    const options = { epochs: 1, validation };
    const onProgress = ({ stepInEpoch }: { stepInEpoch: number }) => {
      if (stepInEpoch === 2) setTimeout(() => controller.abort(), 30);
    };
    const interrupted = model.fit(train, { ...options, signal: controller.signal, onProgress });
    await expect(interrupted).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    expect([model.epoch, model.step]).toEqual([0, 2]);
    const path = join(folder, 'in-validation.safetensors');
    await model.save(path);
    using resumed = await VAE.load(path, { device: 'cpu' });
    const value = await resumed.fit(train, options);
    expect(value).toMatchObject({ epoch: 1, step: 2 });
    const whole = await calm.fit(train, options);
    expect(value.validation).toEqual(whole.validation);
    expect(value.train.loss).toBeCloseTo(whole.train.loss, 9);
  });

  test('an evaluation beside a fit that is aborted is whole', async () => {
    using model = await VAE.create({ preset: 'mlp-400', device: 'cpu' });
    const data = sprites({ count: 10_000 });
    const { elbo } = await model.loss(data);
    const controller = new AbortController();
    const options = { epochs: 1000, learningRate: 0, signal: controller.signal };
    const training = model.fit(data, options).then(undefined, (error) => error);
    const evaluations = [1, 2, 3].map(() => model.loss(data));
    setTimeout(() => controller.abort(), 100);
    for (const losses of await Promise.all(evaluations)) expect(losses.elbo).toBe(elbo);
    expect(await training).toMatchObject({ code: 'ERR_ABORTED' });
  });

  test('what onProgress throws ends the training and comes through', async () => {
    const onProgress = () => {
      throw new RangeError('from the callback');
    };
    await expect(fit({ onProgress })).rejects.toThrow('from the callback');
  });
});

describe('parameters', () => {
  const set = (name: string, value: Anything) => () => vae.setParameters(new Map([[name, value]]));
  each([
    ['no Map', 'ERR_TYPE', ['values', 'Map'], () => vae.setParameters({} as Anything)],
    ['nothing', 'ERR_TYPE', ['values'], () => vae.setParameters(undefined as Anything)],
    [
      'an unknown name',
      'ERR_SHAPE',
      ['decoder.9.bias', 'decoder.0.bias'],
      set('decoder.9.bias', new Float32Array(1)),
    ],
    [
      'the optimizer',
      'ERR_SHAPE',
      ['optimizer'],
      set('optimizer.decoder.0.bias.exp_avg', new Float32Array(5)),
    ],
    [
      'another length',
      'ERR_SHAPE',
      ['decoder.0.bias', '5 values', '4'],
      set('decoder.0.bias', new Float32Array(4)),
    ],
    ['null', 'ERR_TYPE', ['decoder.0.bias', 'null'], set('decoder.0.bias', null)],
    ['numbers', 'ERR_TYPE', ['decoder.0.bias', 'Array'], set('decoder.0.bias', [1, 2, 3, 4, 5])],
    [
      'another shape',
      'ERR_SHAPE',
      ['decoder.0.bias', '5', '1 x 5'],
      set('decoder.0.bias', { data: new Float32Array(5), shape: [1, 5] }),
    ],
    [
      'NaN',
      'ERR_RANGE',
      ['decoder.0.bias', 'NaN', '2'],
      set('decoder.0.bias', Float32Array.of(0, 0, Number.NaN, 0, 0)),
    ],
  ]);

  test('results that overflow are refused, but for losses of single rows', async () => {
    using model = await VAE.create({ spec: { ...spec, likelihood: { type: 'gaussian' } }, device: 'cpu' });
    const huge = await model.parameters();
    for (const { data } of huge.values()) data.fill(3e38);
    await model.setParameters(huge);
    const x = new Float32Array(6).fill(1);
    await refuses('ERR_NONFINITE', ['mean of q(z|x)', 'Infinity'], () => model.encode(x));
    await refuses('ERR_NONFINITE', ['q(z|x)'], () => model.reconstruct(x));
    await refuses('ERR_NONFINITE', ['mean of p(x|z)'], () => model.decode(new Float32Array(2).fill(9)));
    await refuses('ERR_NONFINITE', ['mean of p(x|z)'], () => model.sample(9));
    // Of a density that vanishes, -log is infinite.
    expect((await model.lossesPerExample(x)).reconstruction[0]).toBe(Infinity);
    await refuses('ERR_NONFINITE', ['gradient of'], () => model.gradients(x));
    await refuses('ERR_NONFINITE', ['mean loss'], () => model.loss(rows));
    await refuses('ERR_NONFINITE', ['step 1', 'step 0'], () => model.fit(rows));
  });
});

describe('memory that is not plain', () => {
  const values = Float32Array.from({ length: 12 }, (_, i) => i / 12);

  test('shared memory, subclasses, views and resizable buffers give the same codes', async () => {
    const wanted = (await vae.encode(values)).mean.data;
    const shared = new Float32Array(new SharedArrayBuffer(48));
    shared.set(values);
    class Pixels extends Float32Array {}
    const resizable = new Float32Array(
      new (ArrayBuffer as Anything)(48, { maxByteLength: 96 }) as ArrayBuffer,
      0,
      12,
    );
    resizable.set(values);
    const inside = new Float32Array(40);
    inside.set(values, 9);
    for (const x of [shared, Pixels.from(values), resizable, inside.subarray(9, 21)]) {
      expect((await vae.encode(x)).mean.data).toEqual(wanted);
    }
    const data = (x: Float32Array) => new Dataset({ shape: [6], kind: 'unit', data: x });
    expect((await vae.loss(data(shared))).elbo).toBe((await vae.loss(data(values))).elbo);
    expect(data(Pixels.from(values) as Float32Array).subset([1]).data).toEqual(values.slice(6));
  });

  test('a Buffer is bytes', async () => {
    const bytes = Buffer.from([0, 51, 102, 153, 204, 255]);
    const wanted = (await vae.encode(Uint8Array.from(bytes))).mean.data;
    expect((await vae.encode(bytes)).mean.data).toEqual(wanted);
    const data = new Dataset({ shape: [6], kind: 'unit', data: bytes }).subset([0]);
    expect(data.data.constructor).toBe(Uint8Array);
    expect((await vae.encode(data)).mean.data).toEqual(wanted);
  });

  test('a data set whose memory was given away is refused', async () => {
    const data = new Dataset({ shape: [6], kind: 'unit', data: values.slice() });
    structuredClone(data.data.buffer, { transfer: [data.data.buffer as ArrayBuffer] });
    await refuses('ERR_STATE', ['x', 'detached'], () => vae.encode(data));
    await refuses('ERR_STATE', ['data', 'detached'], () => vae.loss(data));
    await refuses('ERR_STATE', ['train', 'detached'], () => fit({}, data));
  });
});

describe('arrays with places left out', () => {
  const holes = (length: number): Anything => Object.assign([], { length });
  const conditioned = (labels: Anything) => async () => {
    using model = await withSpec({ condition: { classes: 3 } });
    return model.encode(rows, { labels });
  };
  const made = () => new Dataset({ shape: holes(2), kind: 'unit', data: new Float32Array(4) });
  const multistep = { type: 'multistep', at: holes(1) };
  each([
    ['inputShape', 'ERR_SPEC', ['inputShape[0]', 'undefined'], () => withSpec({ inputShape: holes(1) })],
    ['widths', 'ERR_SPEC', ['hidden[0]', 'undefined'], () => withSpec({ encoder: { hidden: holes(2) } })],
    ['labels', 'ERR_TYPE', ['labels of x at 0', 'undefined'], conditioned(holes(3))],
    ['the shape of a data set', 'ERR_TYPE', ['shape[0]', 'undefined'], made],
    ['epochs of a schedule', 'ERR_TYPE', ['at[0]', 'undefined'], () => fit({ schedule: multistep })],
    [
      'dimensions',
      'ERR_TYPE',
      ['dimensions[0]'],
      () => traverse(vae, rows.take(1), { dimensions: holes(1) }),
    ],
  ]);
});

describe('data sets', () => {
  const floats = (...numbers: number[]) => Float32Array.from(numbers);
  const made = (options: Anything) => () =>
    new Dataset({ shape: [2], kind: 'unit', data: floats(0, 1), ...options });
  each([
    ['Dataset: nothing', 'ERR_TYPE', ['Dataset'], () => new (Dataset as Anything)()],
    ['Dataset: an unknown option', 'ERR_RANGE', ['kinds'], made({ kinds: 'unit' })],
    ['Dataset: no shape', 'ERR_TYPE', ['shape'], made({ shape: undefined })],
    ['Dataset: a shape of nothing', 'ERR_RANGE', ['shape', '0'], made({ shape: [0] })],
    ['Dataset: an unknown kind', 'ERR_RANGE', ['kind', 'gray'], made({ kind: 'gray' })],
    ['Dataset: numbers', 'ERR_TYPE', ['data', 'Array'], made({ data: [0, 1] })],
    ['Dataset: half an example', 'ERR_SHAPE', ['data', '3'], made({ data: floats(0, 1, 1) })],
    ['Dataset: no example', 'ERR_SHAPE', ['data', '0'], made({ data: floats() })],
    ['Dataset: above 1', 'ERR_RANGE', ['[0, 1]', '2', 'example 0'], made({ data: floats(0, 2) })],
    ['Dataset: real bytes', 'ERR_TYPE', ['data', 'bytes'], made({ data: new Uint8Array(2), kind: 'real' })],
    ['Dataset: labels of another length', 'ERR_SHAPE', ['labels'], made({ labels: new Int32Array(3) })],
    ['Dataset: a name that is not a string', 'ERR_TYPE', ['name'], made({ name: 5 })],
    [
      'Dataset: factors that are none',
      'ERR_TYPE',
      ['factors'],
      made({ factors: 5, factorValues: floats(1) }),
    ],
    [
      'Dataset: a factor without a name',
      'ERR_TYPE',
      ['factors[0]'],
      made({ factors: [null], factorValues: floats(1) }),
    ],
    ['from: nothing', 'ERR_TYPE', ['values', 'undefined'], () => Dataset.from(undefined as Anything)],
    ['from: no rows', 'ERR_SHAPE', ['values'], () => Dataset.from([])],
    ['from: null rows', 'ERR_TYPE', ['values[1]', 'null'], () => Dataset.from([[1], null] as Anything)],
    ['from: uneven rows', 'ERR_SHAPE', ['values[1]'], () => Dataset.from([[1, 2], [3]])],
    ['from: text', 'ERR_TYPE', ['values[0][1]', '"b"'], () => Dataset.from([[1, 'b']] as Anything)],
    ['from: no shape', 'ERR_TYPE', ['shape'], () => Dataset.from(floats(1, 2))],
    [
      'from: labels that are none',
      'ERR_TYPE',
      ['labels', '5'],
      () => Dataset.from([[1]], { labels: 5 as Anything }),
    ],
    ['subset: nothing', 'ERR_TYPE', ['indices'], () => rows.subset(undefined as Anything)],
    ['subset: empty', 'ERR_SHAPE', ['indices'], () => rows.subset([])],
    ['subset: outside', 'ERR_RANGE', ['indices[1]', '3'], () => rows.subset([0, 3])],
    ['batch: a fraction', 'ERR_RANGE', ['indices[0]', '0.5'], () => rows.batch([0.5])],
    ['take: too many', 'ERR_RANGE', ['count', '4'], () => rows.take(4)],
    ['from: a BigInt', 'ERR_TYPE', ['values[0][1]', 'bigint'], () => Dataset.from([[1, 1n as Anything]])],
    [
      'from: rows of BigInts',
      'ERR_TYPE',
      ['values[0][0]', 'bigint'],
      () => Dataset.from([new BigInt64Array(1) as Anything]),
    ],
    [
      'split: null as seed',
      'ERR_TYPE',
      ['seed', 'null'],
      () => rows.split({ validation: 0.5, seed: null as Anything }),
    ],
    [
      'split: a list as seed',
      'ERR_TYPE',
      ['seed', 'Array'],
      () => rows.split({ validation: 0.5, seed: [] as Anything }),
    ],
    [
      'loadDataset: a split',
      'ERR_RANGE',
      ['split', '"tset"'],
      () => loadDataset('sprites', { split: 'tset' as Anything }),
    ],
    [
      'sprites: a list as seed',
      'ERR_TYPE',
      ['seed', 'Array'],
      () => sprites({ seed: [0, 0, 0, 0] as Anything }),
    ],
    [
      'split: a word for stratified',
      'ERR_TYPE',
      ['stratified', '"no"'],
      () => rows.split({ validation: 0.5, stratified: 'no' as Anything }),
    ],
    ['split: nothing', 'ERR_TYPE', ['split'], () => rows.split(undefined as Anything)],
    ['split: everything', 'ERR_RANGE', ['example'], () => rows.split({ validation: 1 })],
    [
      'split: without labels',
      'ERR_STATE',
      ['labels'],
      () => rows.split({ validation: 0.5, stratified: true }),
    ],
    ['sprites: another size', 'ERR_RANGE', ['size', '30'], () => sprites({ size: 30 as Anything })],
    ['sprites: none', 'ERR_RANGE', ['count', '0'], () => sprites({ count: 0 })],
    ['sprites: more than memory', 'ERR_RANGE', ['count'], () => sprites({ count: 2 ** 24, size: 64 })],
    ['sprites: a bad seed', 'ERR_RANGE', ['seed'], () => sprites({ seed: -1 })],
    ['loadDataset: nothing', 'ERR_TYPE', ['data'], () => loadDataset(undefined as Anything)],
    ['loadDataset: an unknown name', 'ERR_RANGE', ['data', 'mnits', 'mnist'], () => loadDataset('mnits')],
    ['loadDataset: inherited names', 'ERR_RANGE', ['data', 'toString'], () => loadDataset('toString')],
    ['mnist: an unknown split', 'ERR_RANGE', ['split', 'dev'], () => mnist({ split: 'dev' as Anything })],
    [
      'mnist: a folder that is not a string',
      'ERR_TYPE',
      ['directory'],
      () => mnist({ directory: 5 as Anything }),
    ],
    ['mnist: mirrors that are none', 'ERR_TYPE', ['mirrors'], () => mnist({ mirrors: 'here' as Anything })],
    [
      'fashionMnist: an unknown option',
      'ERR_RANGE',
      ['train', 'split'],
      () => fashionMnist({ train: 1 } as Anything),
    ],
    [
      'mnist: an empty folder',
      'ERR_IO',
      ['train-images', '/nowhere'],
      () => mnist({ directory: '/nowhere' }),
    ],
    ['preset: unknown', 'ERR_RANGE', ['preset', 'mlp'], () => preset('mlp' as Anything)],
    ['preset: nothing', 'ERR_TYPE', ['preset'], () => preset(undefined as Anything)],
  ]);
});

describe('pictures', () => {
  const image = new Float32Array(4);
  each([
    ['imageGrid: nothing', 'ERR_TYPE', ['shape'], () => (imageGrid as Anything)()],
    ['imageGrid: no images', 'ERR_TYPE', ['images'], () => imageGrid(undefined as Anything, [2, 2])],
    ['imageGrid: a vector', 'ERR_SHAPE', ['shape'], () => imageGrid(image, [4])],
    ['imageGrid: sides below 0', 'ERR_SHAPE', ['shape', '-2'], () => imageGrid(image, [-2, -2])],
    ['imageGrid: half a pixel', 'ERR_SHAPE', ['shape', '0.5'], () => imageGrid(image, [0.5, 4])],
    ['imageGrid: two channels', 'ERR_SHAPE', ['shape', 'channels'], () => imageGrid(image, [2, 1, 2])],
    ['imageGrid: half an image', 'ERR_SHAPE', ['images'], () => imageGrid(image, [3, 2])],
    [
      'imageGrid: NaN',
      'ERR_NONFINITE',
      ['images'],
      () =>
        imageGrid(
          image.map(() => Number.NaN),
          [2, 2],
        ),
    ],
    [
      'imageGrid: an unknown option',
      'ERR_RANGE',
      ['column'],
      () => imageGrid(image, [2, 2], { column: 1 } as Anything),
    ],
    ['imageGrid: a bad scale', 'ERR_RANGE', ['scale'], () => imageGrid(image, [2, 2], { scale: 0 })],
    [
      'imageGrid: too large',
      'ERR_RANGE',
      ['pixels'],
      () => imageGrid(new Float32Array(2 ** 16), [1, 1], { scale: 100 }),
    ],
    [
      'reconstructionGrid: one side',
      'ERR_TYPE',
      ['reconstructions'],
      () => (reconstructionGrid as Anything)(image, undefined, [2, 2]),
    ],
    [
      'reconstructionGrid: uneven',
      'ERR_SHAPE',
      ['reconstructions'],
      () => reconstructionGrid(image, new Float32Array(8), [2, 2]),
    ],
    ['encodePng: nothing', 'ERR_TYPE', ['picture'], () => (encodePng as Anything)()],
    [
      'encodePng: a length that does not fit',
      'ERR_SHAPE',
      ['data', '2 x 2 x 3'],
      () => encodePng({ width: 2, height: 2, channels: 3, data: new Uint8Array(4) }),
    ],
    [
      'encodePng: a side of nothing',
      'ERR_RANGE',
      ['width'],
      () => encodePng({ width: 0, height: 2, channels: 1, data: new Uint8Array(0) }),
    ],
  ]);
});

describe('checkpoints', () => {
  let whole: Buffer;
  let tensors: Map<string, HostTensor>;
  let metadata: Record<string, string>;

  beforeAll(async () => {
    using model = await VAE.create({ spec, device: 'cpu', seed: 1 });
    for await (const _ of model.fit(rows, { epochs: 2, batchSize: 2 }));
    const path = join(folder, 'whole.safetensors');
    await model.save(path);
    whole = readFileSync(path);
    ({ tensors, metadata } = decodeSafetensors(whole, 'whole'));
  });

  /** Loads a checkpoint of these bytes; undefined if it loads, else the error. */
  async function load(bytes: Uint8Array): Promise<TorchvaeError | undefined> {
    const path = join(folder, 'damaged.safetensors');
    writeFileSync(path, bytes);
    try {
      using model = await VAE.load(path, { device: 'cpu' });
      // What loads must be of use.
      const { elbo } = await model.loss(rows).catch((error) => {
        expect(error.code).toBe('ERR_NONFINITE');
        return { elbo: 0 };
      });
      expect(Number.isFinite(elbo)).toBe(true);
    } catch (error) {
      expect(error).toMatchObject({ name: 'TorchvaeError', code: 'ERR_CHECKPOINT' });
      expect((error as Error).message).toContain(path);
      return error as TorchvaeError;
    }
    return undefined;
  }

  const build = (changed: Iterable<[string, HostTensor]>, meta: Record<string, string>) =>
    Buffer.concat(encodeSafetensors(new Map(changed), meta));

  test('cut short at every fiftieth', async () => {
    for (let part = 0; part < 50; part++) {
      const error = await load(whole.subarray(0, Math.floor((part * whole.length) / 50)));
      expect(error, `cut after ${part}/50`).toBeDefined();
    }
    expect(await load(Buffer.concat([whole, Buffer.from('x')]))).toBeDefined();
    expect(await load(whole)).toBeUndefined();
  });

  test('more than 2 GiB are read whole', async () => {
    const path = join(folder, 'large.safetensors');
    const length = 2 ** 31 + 4;
    const entry = { dtype: 'F32', shape: [length / 4], data_offsets: [0, length] };
    const json = JSON.stringify({ x: entry });
    const header = Buffer.from(json.padEnd(8 * Math.ceil(json.length / 8)));
    const start = Buffer.alloc(8);
    start.writeBigUInt64LE(BigInt(header.length));
    writeFileSync(path, Buffer.concat([start, header]));
    // A hole takes no room on the disk.
    truncateSync(path, 8 + header.length + length);
    await refuses('ERR_CHECKPOINT', [path, 'format'], () => VAE.load(path));
    rmSync(path);
  });

  test('200 random bytes changed: it loads, or is refused', async () => {
    let state = 12345;
    const random = (below: number) => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    let refusals = 0;
    for (let i = 0; i < 200; i++) {
      const bytes = Buffer.from(whole);
      const at = random(bytes.length);
      bytes[at] = bytes[at]! ^ (1 << random(8));
      if (await load(bytes)) refusals++;
    }
    expect(refusals).toBeGreaterThan(50);
  });

  test('random text for each of the metadata', async () => {
    const texts = [
      '',
      '{',
      'null',
      '[]',
      '5',
      '{}',
      '{"__proto__":{"a":1}}',
      '{"constructor":null}',
      '1e999',
    ];
    for (const field of ['format', 'spec', 'training']) {
      for (const text of texts) {
        const error = await load(build(tensors, { ...metadata, [field]: text }));
        expect(error, `${field} = ${text}`).toBeDefined();
      }
      const { [field]: _, ...rest } = metadata;
      expect(await load(build(tensors, rest))).toBeDefined();
    }
    expect(({} as Anything).a).toBeUndefined();
  });

  test('names, shapes and types that do not fit', async () => {
    const bias = tensors.get('decoder.0.bias')!;
    const change = (name: string, tensor: HostTensor | undefined) => {
      const changed = new Map(tensors);
      if (tensor) changed.set(name, tensor);
      else changed.delete(name);
      return load(build(changed, metadata));
    };
    expect((await change('decoder.0.bias', undefined))!.message).toContain('weights');
    expect((await change('optimizer.decoder.0.bias.exp_avg', undefined))!.message).toContain('there is none');
    const renamed = new Map(tensors).set('decoder.7.bias', bias);
    renamed.delete('decoder.0.bias');
    expect((await load(build(renamed, metadata)))!.message).toContain('decoder.0.bias');
    expect((await change('optimizer.extra', bias))!.message).toContain('optimizer.extra');
    expect((await change('__proto__', bias))!.message).toMatch(/weights|__proto__/);
    const flat = { ...bias, shape: [1, 5] } as HostTensor;
    expect((await change('decoder.0.bias', flat))!.message).toContain('1 x 5');
    const halves = { dtype: 'BF16', shape: [5], data: new Uint16Array(5) } as const;
    expect((await change('decoder.0.bias', halves))!.message).toContain('F32');
    for (const value of [Number.NaN, Infinity, -Infinity]) {
      const data = Float32Array.of(0, 0, value, 0, 0);
      const error = await change('decoder.0.bias', { dtype: 'F32', shape: [5], data });
      expect(error!.message).toContain(`decoder.0.bias has ${value} at 2`);
    }
    const negative = { dtype: 'F32', shape: [5], data: Float32Array.of(0, 0, 0, 0, -1) } as const;
    expect((await change('optimizer.decoder.0.bias.exp_avg_sq', negative))!.message).toContain('-1 at 4');
  });

  test('a spec that does not fit, or would take all memory', async () => {
    const saved = JSON.parse(metadata.spec!);
    const changes = [
      { latentSize: 3 },
      { latentSize: 1e7 },
      { latentSize: 1e300 },
      { inputShape: [16777216, 16777216] },
      { inputShape: [7] },
      { encoder: { ...saved.encoder, hidden: [5, 5] } },
      { encoder: { ...saved.encoder, hidden: new Array(1000).fill(16777216) } },
      { likelihood: { type: 'unknown' } },
      { extra: 1 },
    ];
    for (const change of changes) {
      const text = JSON.stringify({ ...saved, ...change });
      expect(await load(build(tensors, { ...metadata, spec: text })), text).toBeDefined();
    }
  });

  test('a position that cannot be', async () => {
    const saved = JSON.parse(metadata.training!);
    const { position } = saved;
    const partial = {
      sums: { loss: 2, reconstruction: 1, kl: 1, examples: 2 },
      batchSize: 2,
      examples: 3,
      shuffle: true,
    };
    const bad: object[] = [
      { seed: -1 },
      { seed: 2 ** 60 },
      { seed: '1' },
      { precision: 'float8' },
      { settings: null },
      { settings: 5 },
      { settings: { epochs: -1 } },
      { settings: { batchSize: '128' } },
      { settings: { batchSize: 0 } },
      { settings: { learningRate: '1e-3' } },
      { settings: { learningRate: -1 } },
      { position: null },
      { position: [] },
      { position: { ...position, epoch: -1 } },
      { position: { ...position, step: 0.5 } },
      { position: { ...position, step: '4' } },
      { position: { ...position, best: 1 } },
      { position: { ...position, span: [3] } },
      { position: { ...position, span: [3, 1] } },
      { position: { ...position, span: [0, -1] } },
      { position: { ...position, best: { of: 'x', value: null, epoch: 1, reference: 1, waited: 0 } } },
      { position: { ...position, best: { of: 'x', value: 1, epoch: 1, reference: 1, waited: 0.5 } } },
      { position: { ...position, stepInEpoch: 1 } },
      { position: { ...position, stepInEpoch: 1, partial: null } },
      { position: { ...position, stepInEpoch: 1, partial: { ...partial, batchSize: -1 } } },
      { position: { ...position, stepInEpoch: 1, partial: { ...partial, shuffle: 1 } } },
      { position: { ...position, stepInEpoch: 1, partial: { ...partial, sums: null } } },
    ];
    for (const change of bad) {
      const training = JSON.stringify({ ...saved, ...change });
      expect(await load(build(tensors, { ...metadata, training })), training).toBeDefined();
    }
    const infinite = JSON.stringify({
      ...saved,
      position: { ...position, stepInEpoch: 1, partial: { ...partial, sums: { ...partial.sums, kl: 7777 } } },
    }).replace('7777', '1e999');
    expect(await load(build(tensors, { ...metadata, training: infinite }))).toBeDefined();
  });

  each([
    ['load: nothing', 'ERR_TYPE', ['path', 'undefined'], () => VAE.load(undefined as Anything)],
    ['load: a number', 'ERR_TYPE', ['path', '5'], () => VAE.load(5 as Anything)],
    ['load: an empty path', 'ERR_TYPE', ['path', '""'], () => VAE.load('')],
    ['load: a file that is not there', 'ERR_IO', ['/nowhere/a'], () => VAE.load('/nowhere/a')],
    ['load: a folder', 'ERR_IO', ['a folder'], () => VAE.load(folder)],
    ['load: a device that never ends', 'ERR_IO', ['/dev/zero', 'device'], () => VAE.load('/dev/zero')],
    ['load: a NUL in the path', 'ERR_IO', [], () => VAE.load('a\0b')],
    ['load: an unknown option', 'ERR_RANGE', ['seed'], () => VAE.load('a', { seed: 1 } as Anything)],
    ['save: nothing', 'ERR_TYPE', ['path', 'undefined'], () => vae.save(undefined as Anything)],
    ['save: an empty path', 'ERR_TYPE', ['path'], () => vae.save('')],
    ['save: a missing folder', 'ERR_IO', ['/nowhere/a', 'missing directory'], () => vae.save('/nowhere/a')],
    ['save: into a file', 'ERR_IO', ['package.json'], () => vae.save('package.json/a')],
    ['save: onto a folder', 'ERR_IO', ['directory'], () => vae.save(folder)],
    ['save: a NUL in the path', 'ERR_IO', [], () => vae.save('a\0b')],
  ]);

  test.skipIf(process.getuid?.() === 0)('save: a folder that is read-only', async () => {
    const locked = join(folder, 'locked');
    mkdirSync(locked);
    chmodSync(locked, 0o500);
    await refuses('ERR_IO', ['locked', 'permission'], () => vae.save(join(locked, 'a')));
    chmodSync(locked, 0o700);
  });

  test.skipIf(!existsSync('/proc/self'))('save: a file system that takes no files', () =>
    refuses('ERR_IO', ['/proc/self/a'], () => vae.save('/proc/self/a')),
  );

  test('save: a disk that is full keeps the old file and leaves nothing behind', async () => {
    const full = join(folder, 'full');
    mkdirSync(full);
    const path = join(full, 'vae.safetensors');
    writeFileSync(path, 'the old content');
    // A limit of the file's size stands for the end of the disk: writing fails in the same place.
    const program = `
      import { VAE } from ${JSON.stringify(new URL('../dist/index.js', import.meta.url).href)};
      process.on('SIGXFSZ', () => {});
      const vae = await VAE.create({ spec: { encoder: { hidden: [64] } }, device: 'cpu' });
      const error = await vae.save(${JSON.stringify(path)}).catch((caught) => caught);
      console.log(JSON.stringify({ code: error?.code, message: error?.message }));`;
    const file = join(folder, 'full.mjs');
    writeFileSync(file, program);
    const shell = `import { spawnSync } from 'node:child_process';
      const run = spawnSync('bash', ['-c', 'ulimit -f 64; exec "$0" "$@"', process.execPath, ${JSON.stringify(file)}], { encoding: 'utf8' });
      process.stdout.write(run.stdout); process.stderr.write(run.stderr + ' ' + run.signal + run.status);`;
    const { stdout, stderr } = await runNode(['--input-type=module', '-e', shell]);
    expect(stdout, stderr).not.toBe('');
    expect(JSON.parse(stdout), stderr).toMatchObject({
      code: 'ERR_IO',
      message: expect.stringContaining(path),
    });
    expect(readFileSync(path, 'utf8')).toBe('the old content');
    expect(readdirSync(full)).toEqual(['vae.safetensors']);
  });
});

describe('a disposed VAE', () => {
  test('says so, whatever is asked of it', async () => {
    const gone = await VAE.create({ spec, device: 'cpu' });
    gone.dispose();
    gone.dispose();
    const calls: [string, () => unknown][] = [
      ['encode', () => gone.encode(rows)],
      ['decode', () => gone.decode(new Float32Array(2))],
      ['reconstruct', () => gone.reconstruct(rows)],
      ['sample', () => gone.sample(1)],
      ['loss', () => gone.loss(rows)],
      ['lossesPerExample', () => gone.lossesPerExample(rows)],
      ['gradients', () => gone.gradients(rows)],
      ['parameters', () => gone.parameters()],
      ['setParameters', () => gone.setParameters(new Map())],
      ['save', () => gone.save(join(folder, 'gone'))],
      ['fit', () => gone.fit(rows)],
    ];
    for (const [name, call] of calls) {
      const error = await Promise.resolve()
        .then(call)
        .catch((caught) => caught);
      expect(error, name).toMatchObject({ name: 'TorchvaeError', code: 'ERR_STATE' });
    }
  });
});

describe('the native half', () => {
  const program = (options: string) => `
    const { VAE } = await import(process.env.ENTRY);
    const error = await VAE.create(${options}).catch((caught) => caught);
    console.log(JSON.stringify({ name: error?.name, code: error?.code, message: error?.message }));`;

  async function errorIn(
    options: string,
    env: Record<string, string | undefined>,
    entry = new URL('../dist/index.js', import.meta.url).href,
  ): Promise<{ name: string; code: string; message: string }> {
    const args = ['--input-type=module', '-e', program(options)];
    const { code, signal, stdout, stderr } = await runNode(args, { env: { ...env, ENTRY: entry } });
    expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' });
    return JSON.parse(stdout);
  }

  /** A folder that looks like a libtorch of this version, with libraries of these bytes. */
  function fakeLibtorch(name: string, version: string, bytes: string | Buffer): string {
    const lib = join(folder, name, 'torch', 'lib');
    mkdirSync(lib, { recursive: true });
    writeFileSync(join(folder, name, 'torch', 'version.py'), `__version__ = '${version}'\n`);
    for (const library of ['libc10.so', 'libtorch_cpu.so']) writeFileSync(join(lib, library), bytes);
    return join(folder, name);
  }

  test('no libtorch anywhere', async () => {
    const env = {
      TORCHVAE_LIBTORCH: undefined,
      TORCHVAE_CACHE: join(folder, 'cache'),
      TORCHVAE_PYTHON: '/nowhere/python',
    };
    const error = await errorIn('', env);
    expect(error).toMatchObject({ name: 'TorchvaeError', code: 'ERR_LIBTORCH' });
    for (const part of [
      'TORCHVAE_LIBTORCH: not set',
      join(folder, 'cache'),
      '/nowhere/python',
      'torchvae setup',
    ]) {
      expect(error.message).toContain(part);
    }
  });

  test('a folder without libtorch, by variable and by option', async () => {
    const byVariable = await errorIn('', { TORCHVAE_LIBTORCH: folder });
    expect(byVariable).toMatchObject({ code: 'ERR_LIBTORCH' });
    expect(byVariable.message).toContain(`TORCHVAE_LIBTORCH but ${folder} holds no lib/libtorch_cpu`);
    const byOption = await errorIn(`{ libtorch: ${JSON.stringify(folder)} }`, {});
    expect(byOption.message).toContain(`the option libtorch but ${folder} holds no lib/libtorch_cpu`);
  });

  test('a libtorch of a version that has no engine', async () => {
    const error = await errorIn('', { TORCHVAE_LIBTORCH: fakeLibtorch('old', '1.13.1', '') });
    expect(error).toMatchObject({ code: 'ERR_LIBTORCH' });
    expect(error.message).toMatch(/Expected libtorch 2\.\d+.* is version 1\.13\.1/);
  });

  test('libraries that are none', async () => {
    const minor = readdirSync(join(packageFolder, 'build/Release'))
      .map((name) => /^libtorchvae-(\d+\.\d+)\.so$/.exec(name)?.[1])
      .find((found) => found !== undefined);
    for (const [name, bytes] of [
      ['empty', ''],
      ['text', 'not a library'],
      ['cut', readFileSync(process.execPath).subarray(0, 5000)],
    ] as const) {
      const error = await errorIn('', { TORCHVAE_LIBTORCH: fakeLibtorch(name, `${minor}.0`, bytes) });
      expect(error).toMatchObject({ name: 'TorchvaeError', code: 'ERR_LIBTORCH' });
      expect(error.message).toMatch(/Cannot open .*libc10\.so.*torchvae doctor/);
    }
  });

  test('a bad number of threads', async () => {
    for (const threads of ['many', '0', '-2', '1.5', '99999']) {
      const error = await errorIn('', { TORCHVAE_THREADS: threads });
      expect(error).toMatchObject({ name: 'TorchvaeError', code: 'ERR_RANGE' });
      expect(error.message).toContain('TORCHVAE_THREADS');
    }
  });

  /** The package without its binaries. */
  function bare(name: string): { entry: string; binaries: string } {
    const root = join(folder, name);
    const binaries = join(root, 'build', 'Release');
    mkdirSync(binaries, { recursive: true });
    copyFileSync(join(packageFolder, 'package.json'), join(root, 'package.json'));
    symlinkSync(join(packageFolder, 'node_modules'), join(root, 'node_modules'));
    for (const file of readdirSync(join(packageFolder, 'dist'), { recursive: true, encoding: 'utf8' })) {
      if (!file.endsWith('.js')) continue;
      mkdirSync(join(root, 'dist', file, '..'), { recursive: true });
      copyFileSync(join(packageFolder, 'dist', file), join(root, 'dist', file));
    }
    return { entry: join(root, 'dist', 'index.js'), binaries };
  }

  test('no addon, a broken addon, an addon without engines, a broken engine', async () => {
    const { entry, binaries } = bare('bare');
    const missing = await errorIn('', {}, entry);
    expect(missing).toMatchObject({ name: 'TorchvaeError', code: 'ERR_ADDON' });
    expect(missing.message).toMatch(/torchvae\.node: does not exist[\s\S]*npm run build/);
    writeFileSync(join(binaries, 'torchvae.node'), 'not an addon');
    const broken = await errorIn('', {}, entry);
    expect(broken).toMatchObject({ code: 'ERR_ADDON' });
    expect(broken.message).toMatch(/torchvae\.node: .*(ELF|file too short|header)/);
    copyFileSync(join(packageFolder, 'build/Release/torchvae.node'), join(binaries, 'torchvae.node'));
    const alone = await errorIn('', {}, entry);
    expect(alone).toMatchObject({ code: 'ERR_ADDON' });
    expect(alone.message).toContain('libtorchvae-VERSION.so');
    const { minor } = torchvaeLibtorch();
    writeFileSync(join(binaries, `libtorchvae-${minor}.so`), 'not an engine');
    const engine = await errorIn("{ device: 'cpu' }", {}, entry);
    expect(engine).toMatchObject({ code: 'ERR_ADDON' });
    expect(engine.message).toContain(`libtorchvae-${minor}.so`);
    copyFileSync(join(binaries, 'torchvae.node'), join(binaries, `libtorchvae-${minor}.so`));
    const other = await errorIn("{ device: 'cpu' }", {}, entry);
    expect(other).toMatchObject({ code: 'ERR_ADDON' });
  });

  test('another libtorch in the same process', async () => {
    const { minor } = torchvaeLibtorch();
    const other = fakeLibtorch('other', `${minor}.0`, '');
    await refuses('ERR_STATE', ['libtorch', other, 'another process'], () =>
      VAE.create({ spec, device: 'cpu', libtorch: other }),
    );
  });

  function torchvaeLibtorch(): { minor: string } {
    return { minor: vae.versions.libtorch.split('.').slice(0, 2).join('.') };
  }
});

test('averagedParameters: a model that keeps none', async () => {
  await refuses('ERR_STATE', ['averageWeights'], () => vae.averagedParameters());
});

// What reads files or draws has its bad input beside its good one.
test('every public function appears here, with the formats or with the pictures', () => {
  const everything = { ...torchvae, ...metrics, ...report };
  const functions = Object.entries(everything).filter(([, value]) => typeof value === 'function');
  const formats = ['array-files', 'image-folder', 'tables', 'text', 'streams-bad-input', 'stream-splits'];
  const files = ['bad-input', ...formats, 'charts', 'latent-pictures', 'tensorboard', 'evaluation', 'codec'];
  const source = files
    .map((name) => readFileSync(join(packageFolder, 'test', `${name}.test.ts`), 'utf8'))
    .join('');
  for (const [name] of functions) expect(source).toContain(name);
  const methods = Object.entries(Object.getOwnPropertyDescriptors(VAE.prototype)).filter(
    ([, { value }]) => value,
  );
  for (const [name] of methods) expect(source).toContain(name);
});
