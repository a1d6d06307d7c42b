/** The built-in models: what they are, and that each learns in a fraction of its training, from TypeScript and the command line. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { mnist, preset, presetNames, VAE } from '../lib/index.ts';
import { torchvae } from './support/command.ts';

/** From their published descriptions: the layers' weights, and all that are trained. */
const SHAPES: Record<string, { weights: Record<string, number[]>; parameters: number }> = {
  'mlp-128': {
    weights: {
      'encoder.0': [128, 784],
      'posterior.mean': [32, 128],
      'decoder.0': [128, 32],
      'decoder.1': [784, 128],
    },
    parameters: 784 * 128 + 128 + 2 * (128 * 32 + 32) + 32 * 128 + 128 + 128 * 784 + 784,
  },
  'sampling-network': {
    weights: {
      'encoder.0': [128, 784],
      'encoder.1': [64, 128],
      'posterior.code': [2, 64],
      'posterior.network.0': [128, 2],
      // The mean and the log-deviation.
      'posterior.network.1': [4, 128],
      'decoder.0': [256, 2],
      'decoder.1': [128, 256],
      'decoder.2': [784, 128],
    },
    parameters: 785 * 128 + 129 * 64 + 65 * 2 + 3 * 128 + 2 * 129 * 2 + 3 * 256 + 257 * 128 + 129 * 784,
  },
  linear: {
    weights: { 'posterior.mean': [20, 784], 'decoder.0': [784, 20] },
    parameters: 785 * 40 + 21 * 784,
  },
  'mlp-128-64': {
    weights: {
      'encoder.1': [64, 128],
      'decoder.0': [64, 20],
      'decoder.1': [128, 64],
      'decoder.2': [784, 128],
    },
    parameters: 785 * 128 + 129 * 64 + 65 * 40 + 21 * 64 + 65 * 128 + 129 * 784,
  },
  'deep-bottleneck': {
    weights: {
      'encoder.3': [16, 32],
      'posterior.code': [8, 16],
      'decoder.0': [16, 8],
      'decoder.4': [784, 128],
    },
    // And the scale and shift of the code's normalization.
    parameters:
      785 * 128 +
      129 * 64 +
      65 * 32 +
      33 * 16 +
      17 * 8 +
      16 +
      9 * 16 +
      17 * 32 +
      33 * 64 +
      65 * 128 +
      129 * 784,
  },
  'mlp-400': {
    weights: { 'encoder.0': [400, 784], 'decoder.1': [784, 400] },
    parameters: 785 * 400 + 401 * 40 + 21 * 400 + 401 * 784,
  },
  conv: {
    weights: { 'encoder.0': [32, 1, 3, 3], 'encoder.1': [64, 32, 3, 3] },
    parameters: 10 * 32 + (32 * 9 + 1) * 64 + 2 * 3137 * 16 + 17 * 3136 + (64 * 9 + 1) * 32 + 32 * 9 + 1,
  },
};

test('the table above is whole', () => {
  expect([...presetNames].sort()).toEqual(Object.keys(SHAPES).sort());
});

describe.each(presetNames)('%s', (name) => {
  test('has the layers that it is known by', async () => {
    using vae = await VAE.create({ preset: name, device: 'cpu' });
    const parameters = await vae.parameters();
    const { weights, parameters: wanted } = SHAPES[name]!;
    for (const [layer, shape] of Object.entries(weights)) {
      expect(parameters.get(`${layer}.weight`)?.shape, layer).toEqual(shape);
    }
    expect(vae.parameterCount).toBe(wanted);
  });

  test.skipIf(!process.env.TORCHVAE_DATA)(
    'learns MNIST: an epoch halves what can be known of the digits',
    async () => {
      const train = (await mnist({ split: 'train' })).take(20_000);
      const { batchSize, learningRate } = preset(name).training;
      using vae = await VAE.create({ preset: name, device: 'cpu', seed: 1 });
      const reconstruction = [];
      const options = { epochs: 2, batchSize, learningRate };
      const before = (await vae.loss(train)).reconstruction;
      for await (const epoch of vae.fit(train, options)) reconstruction.push(epoch.train.reconstruction);
      expect(reconstruction[1]).toBeLessThan(0.6 * before);
      expect(reconstruction[1]).toBeLessThan(reconstruction[0]!);
    },
  );
});

describe('from the command line', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'torchvae-presets-'));
  });
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  const train = async (name: string, ...args: string[]) => {
    const out = join(folder, name);
    const outcome = await torchvae(['train', '--count', '400', '--out', out, ...args]);
    expect(outcome, outcome.stderr).toMatchObject({ code: 0 });
    const read = (file: string) => readFileSync(join(out, file), 'utf8');
    const lines = read('metrics.jsonl').trim().split('\n');
    return {
      config: JSON.parse(read('config.json')),
      metrics: lines.map((line) => JSON.parse(line)),
      outcome,
      out,
    };
  };

  test.each(presetNames)('%s', async (name) => {
    const { config, metrics } = await train(name, '--preset', name, '--epochs', '2');
    expect(config).toMatchObject({
      preset: name,
      training: preset(name).validation ? { holdout: 0.1 } : {},
    });
    expect(metrics.length).toBe(2);
    expect(metrics[1].train.reconstruction).toBeLessThan(metrics[0].train.reconstruction);
    // What is held out is judged in place of the test set.
    expect('validation' in metrics[0]).toBe(preset(name).validation !== undefined);
  });

  test('--set puts other parts in, a resumed run has them still, and samples have labels', async () => {
    const set = [
      'objective.type=beta-tc',
      'objective.beta=3',
      'posterior=gaussian',
      'condition.classes=3',
      'encoder.activation=tanh',
      'schedule={"type":"step","every":1,"factor":0.5}',
      'clip.norm=50',
    ];
    const args = [
      '--binarize',
      'threshold',
      '--holdout',
      '0.25',
      ...set.flatMap((assignment) => ['--set', assignment]),
    ];
    const { config, metrics, out } = await train('set', '--epochs', '1', ...args);
    expect(config).toMatchObject({
      data: { binarize: 'threshold', examples: 400 },
      training: { set, holdout: 0.25 },
      spec: {
        objective: { type: 'beta-tc', beta: 3 },
        condition: { classes: 3 },
        encoder: { hidden: [400], activation: 'tanh' },
      },
    });
    const outcome = await torchvae(['train', '--out', out, '--resume', '--epochs', '2']);
    expect(outcome, outcome.stderr).toMatchObject({ code: 0 });
    const resumed = readFileSync(join(out, 'metrics.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(resumed[0]).toEqual(metrics[0]);
    expect(resumed.map(({ learningRate }) => learningRate)).toEqual([1e-3, 5e-4]);
    expect(resumed[1].train.terms).toMatchObject({ totalCorrelation: expect.any(Number) });
    const sampled = await torchvae([
      'sample',
      out,
      '--label',
      '2',
      '--count',
      '4',
      '--out',
      join(folder, 'a.png'),
    ]);
    expect(sampled, sampled.stderr).toMatchObject({ code: 0 });
    const mixed = [
      'sample',
      out,
      '--mixture',
      '3',
      '--data',
      'sprites',
      '--count',
      '4',
      '--out',
      join(folder, 'b.png'),
    ];
    const drawn = await torchvae(mixed);
    expect(drawn, drawn.stderr).toMatchObject({ code: 0 });
    const other = await torchvae(['train', '--out', out, '--resume', '--set', 'objective.beta=4']);
    expect(other.stderr).toMatch(/was started with --set .* cannot be resumed with --set objective.beta=4/);
  });

  test.each([
    ['nonsense', /Expected KEY=VALUE for --set but received nonsense/],
    ['posteriors.type=iaf', /key that begins with one of encoder, .*received posteriors/],
    ['objective.bata=4', /Unknown option bata in --set objective/],
    ['posterior=uniform', /--set posterior/],
    ['clip.norm=no', /clip.norm/],
  ])('--set %s is refused', async (assignment, message) => {
    const { code, stderr } = await torchvae([
      'train',
      '--count',
      '100',
      '--set',
      assignment,
      '--out',
      join(folder, 'no'),
    ]);
    expect(code).toBe(1);
    expect(stderr).toMatch(message);
  });
});

test('a collapse is told on the command line, once', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'torchvae-presets-'));
  try {
    const set = ['objective.beta=1000', 'encoder.hidden=[8]'].flatMap((assignment) => ['--set', assignment]);
    const { stderr } = await torchvae([
      'train',
      '--count',
      '2000',
      '--epochs',
      '5',
      '--out',
      join(folder, 'run'),
      ...set,
    ]);
    expect(stderr.match(/warning: Posterior collapse: none of 20 dimensions .* free bits/g)?.length).toBe(1);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('what a caller changes in a preset is its own; what is undefined in a spec is as in the preset', async () => {
  const own = preset('mlp-128');
  own.training.epochs = 1;
  Object.assign(own.spec.encoder as object, { hidden: [3] });
  expect(preset('mlp-128')).toMatchObject({
    training: { epochs: 100 },
    spec: { encoder: { hidden: [128] } },
  });
  const replaced = { encoder: undefined, latentSize: 3 } as object;
  using vae = await VAE.create({ preset: 'conv', spec: replaced, device: 'cpu' });
  expect(vae.spec).toMatchObject({ encoder: { type: 'conv', channels: [32, 64] }, latentSize: 3 });
});
