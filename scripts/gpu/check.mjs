// Checks of a device's numbers, for scripts/gpu-verify. Prints one line of JSON: {ok, ...}.
//   node scripts/gpu/check.mjs DEVICE fixtures|optimizers|cpu|perceptrons|population|ranks|precisions|replays|small|starts|lost|memory|epochs|refusal
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Dataset, mnist, sprites, VAE } from '../../dist/index.js';
import { decodeSafetensors } from '../../dist/model/safetensors.js';
import { following } from './following.mjs';
import { population, table } from './population.mjs';
import { ranks } from './ranks.mjs';
import { starts } from './starts.mjs';
import { losses, relativeError, Verdict } from './verdict.mjs';

const [device, what] = process.argv.slice(2);
const fixtures = fileURLToPath(new URL('../../test/fixtures', import.meta.url));

function readFixture(name) {
  const { tensors, metadata } = decodeSafetensors(readFileSync(`${fixtures}/${name}.safetensors`), name);
  const values = (key) => tensors.get(key).data;
  const group = (prefix) =>
    new Map(
      [...tensors]
        .filter(([key]) => key.startsWith(`${prefix}.`))
        .map(([key, { data }]) => [key.slice(prefix.length + 1), data]),
    );
  return { metadata, values, group };
}

/** What PyTorch computed: forward, gradients, fifty Adam steps. */
async function againstFixtures() {
  const verdict = new Verdict();
  const names = readdirSync(fixtures)
    .map((file) => file.replace('.safetensors', ''))
    .filter((name) => name.startsWith('pytorch-') && name !== 'pytorch-optimizers');
  for (const name of names) {
    const { metadata, values, group } = readFixture(name);
    const spec = JSON.parse(metadata.spec);
    for (const precision of ['float32', 'float64']) {
      const label = `${name} ${precision}`;
      try {
        const vae = await VAE.create({ spec, seed: Number(metadata.seed), precision, device });
        await vae.setParameters(group('parameter'));
        const own = await vae.lossesPerExample(values('x'), { noise: values('noise') });
        verdict.add(
          `${label} reconstruction`,
          relativeError(own.reconstruction, values('reconstruction')),
          2e-5,
        );
        verdict.add(`${label} kl`, relativeError(own.kl, values('kl')), 2e-5);
        const { gradients } = await vae.gradients(values('x'), { noise: values('noise') });
        const wanted = group('gradient');
        const worst = Math.max(
          ...[...gradients].map(([key, { data }]) => relativeError(data, wanted.get(key))),
        );
        verdict.add(`${label} gradients`, worst, 2e-5);
        const data = Dataset.from(values('data'), { shape: spec.inputShape, kind: 'unit' });
        await losses(vae, data, { epochs: 25, batchSize: Number(metadata.batchSize), shuffle: false });
        const parameters = await vae.parameters();
        const trained = Math.max(
          ...[...group('trained')].map(([key, values]) => relativeError(parameters.get(key).data, values)),
        );
        verdict.add(`${label} fifty steps`, trained, precision === 'float32' ? 5e-4 : 5e-6);
        vae.dispose();
      } catch (error) {
        verdict.ok = false;
        verdict.failed = [...(verdict.failed ?? []), `${label}: ${error.message}`];
      }
    }
  }
  return verdict;
}

/** torch.optim's fifty batches by every optimizer, with clipping, penalties, accumulation and averages. */
async function optimizers() {
  const verdict = new Verdict();
  const { metadata, values, group } = readFixture('pytorch-optimizers');
  const spec = JSON.parse(metadata.spec);
  const data = Dataset.from(values('data'), { shape: spec.inputShape, kind: 'unit' });
  const batchSize = Number(metadata.batchSize);
  for (const [name, options] of Object.entries(JSON.parse(metadata.fits))) {
    const vae = await VAE.create({ spec, seed: Number(metadata.seed), device });
    await vae.setParameters(group('parameter'));
    await losses(vae, data, { epochs: 10, batchSize, shuffle: false, ...options });
    const parameters = await vae.parameters();
    const errors = [...group(name)].map(([key, wanted]) => relativeError(parameters.get(key).data, wanted));
    verdict.add(name, Math.max(...errors), 1e-4);
    vae.dispose();
  }
  return verdict;
}

const training = { epochs: 3, batchSize: 32 };
const pictures = () => sprites({ count: device === 'cpu' ? 500 : 4000 });

/** Models on libtorch's own operations, one for each kind of part that draws or keeps something. */
const GENERAL = {
  'reference mlp': { kernels: 'reference' },
  iwae: { spec: { objective: { type: 'iwae', samples: 3 } } },
  'residual conv, batch norm, dropout': {
    spec: { encoder: { type: 'residual', channels: [8, 16], norm: 'batch', dropout: 0.1 }, latentSize: 8 },
  },
  'vector-quantized': { spec: { posterior: 'vector-quantized', prior: 'categorical' } },
  'gumbel-softmax': { spec: { posterior: { type: 'gumbel-softmax' }, prior: 'categorical' } },
  'iaf, predicted scale': {
    spec: { posterior: 'iaf', likelihood: { type: 'gaussian', scale: 'predicted' } },
  },
  'vae-gan': { spec: { objective: { type: 'vae-gan' } } },
};

/** The same seeds on both devices: the same noise, the same order, so nearly the same losses. */
async function againstCpu() {
  const verdict = new Verdict();
  for (const [name, options] of Object.entries(GENERAL)) {
    const runs = [];
    for (const where of [device, 'cpu']) {
      const vae = await VAE.create({ seed: 4, ...options, device: where });
      runs.push(await losses(vae, pictures().take(320), { epochs: 2, batchSize: 32 }));
      vae.dispose();
    }
    verdict.add(name, relativeError(runs[0], runs[1]), 5e-3);
  }
  for (const preset of ['mlp-400', 'conv']) {
    for (const precision of ['float32', 'float64']) {
      const runs = [];
      for (const where of [device, 'cpu']) {
        const vae = await VAE.create({ preset, seed: 4, precision, device: where });
        runs.push(await losses(vae, pictures(), { ...training, epochs: preset === 'conv' ? 1 : 3 }));
        vae.dispose();
      }
      verdict.add(
        `${preset} ${precision}`,
        relativeError(runs[0], runs[1]),
        precision === 'float32' ? 1e-3 : 1e-6,
      );
    }
  }
  return verdict;
}

/** Perceptrons of all shapes, for their own kernels (native/kernels/perceptron.cu): [spec, options of fit, examples]. */
const PERCEPTRONS = {
  'W1 at 128': [{ encoder: { hidden: [400] }, latentSize: 20 }, { batchSize: 128 }, 1300],
  'W1 at 1,024': [{ encoder: { hidden: [400] }, latentSize: 20 }, { batchSize: 1024 }, 2500],
  'W1 at 2,048': [{ encoder: { hidden: [400] }, latentSize: 20 }, { batchSize: 2048 }, 4000],
  'W1 at 32, batches loaded ahead': [{ encoder: { hidden: [400] }, latentSize: 20 }, { batchSize: 32 }, 2000],
  'W1 at 256': [{ encoder: { hidden: [400] }, latentSize: 20 }, { batchSize: 256 }, 1300],
  'W1 at 512': [{ encoder: { hidden: [400] }, latentSize: 20 }, { batchSize: 512 }, 1300],
  'odd widths, one latent value': [
    { encoder: { hidden: [37, 500, 1] }, latentSize: 1 },
    { batchSize: 50 },
    330,
  ],
  'wide, two hidden layers': [{ encoder: { hidden: [1024, 512] }, latentSize: 64 }, { batchSize: 100 }, 330],
  'no hidden layers': [
    { encoder: { hidden: [] }, decoder: { hidden: [] }, latentSize: 9 },
    { batchSize: 30 },
    200,
  ],
  'batches of one': [{ encoder: { hidden: [33] }, latentSize: 5 }, { batchSize: 1 }, 40],
  'GELU, free bits, a norm that is cut': [
    {
      encoder: { hidden: [129, 65], activation: 'gelu' },
      latentSize: 12,
      objective: { type: 'elbo', freeBits: 0.05 },
    },
    { batchSize: 64, clip: { norm: 1 } },
    330,
  ],
  'a Gaussian, AdamW': [
    { encoder: { hidden: [100], activation: 'tanh' }, latentSize: 12, likelihood: 'gaussian' },
    { batchSize: 64, optimizer: { type: 'adamw' } },
    330,
  ],
};

/** The perceptron's step against the CPU in float32, and what tf32 and bf16 cost it; the same bits when repeated. */
async function perceptrons() {
  const verdict = new Verdict();
  for (const [name, [spec, options, count]] of Object.entries(PERCEPTRONS)) {
    const data = pictures().take(device === 'cpu' ? Math.min(count, 100) : count);
    const run = async (where, precision) => {
      const vae = await VAE.create({
        spec: { inputShape: [1, 28, 28], ...spec },
        seed: 6,
        precision,
        device: where,
      });
      const came = await losses(vae, data, { epochs: 2, ...options });
      vae.dispose();
      return came;
    };
    const first = await run(device, 'float32');
    const wanted = await run('cpu', 'float32');
    verdict.add(name, relativeError(first, wanted), 1e-4);
    verdict.add(`${name}, again`, relativeError(await run(device, 'float32'), first), 1e-300);
    process.env.TORCHVAE_GPU_STEP = 'strips';
    verdict.add(`${name}, in strips`, relativeError(await run(device, 'float32'), wanted), 1e-4);
    delete process.env.TORCHVAE_GPU_STEP;
    for (const precision of device === 'cpu' ? [] : ['tf32', 'bf16'])
      verdict.add(`${name}, ${precision}`, relativeError(await run(device, precision), wanted), 2e-2);
  }
  return verdict;
}

/** What rounded products cost: three epochs against float32's. Refused where the device does not have them. */
async function precisions() {
  const verdict = new Verdict();
  for (const preset of ['mlp-400', 'conv']) {
    const runs = {};
    for (const precision of ['float32', 'tf32', 'bf16']) {
      try {
        const vae = await VAE.create({ preset, seed: 4, precision, device });
        runs[precision] = await losses(vae, pictures(), { ...training, epochs: preset === 'conv' ? 1 : 3 });
        vae.dispose();
      } catch (error) {
        if (error.code !== 'ERR_DEVICE') throw error;
        verdict.refused = { ...verdict.refused, [precision]: error.message };
      }
    }
    for (const precision of ['tf32', 'bf16']) {
      if (!runs[precision]) continue;
      verdict.add(`${preset} ${precision}`, relativeError(runs[precision], runs.float32), 2e-2);
    }
  }
  return verdict;
}

/** What asking for a GPU comes to where there is none. */
async function refusal() {
  try {
    (await VAE.create({ device: 'cuda' })).dispose();
    return { ok: false, error: 'a model was made on a GPU where there is none' };
  } catch (error) {
    return { ok: error.code === 'ERR_DEVICE', code: error.code, message: error.message };
  }
}

/** Replays draw new noise each time; a run gives the same bits again, and however it is cut by aborts; graphs come to what the loop does. */
async function replays() {
  const verdict = new Verdict();
  const data = pictures();
  const create = () => VAE.create({ preset: 'mlp-400', seed: 9, device });
  const still = await create();
  // Nothing but the noise differs between epochs in order and at a learning rate of 0.
  const frozen = await losses(still, data, { epochs: 4, batchSize: 32, learningRate: 0, shuffle: false });
  verdict.add('distinct epochs at rest', new Set(frozen).size === 4 ? 0 : 1, 0.5);
  const whole = await create();
  const straight = await losses(whole, data, training);
  const again = await create();
  verdict.add('the same bits again', relativeError(await losses(again, data, training), straight), 1e-300);
  process.env.TORCHVAE_GPU_STEP = 'loop';
  const loop = await create();
  const looped = await losses(loop, data, training);
  delete process.env.TORCHVAE_GPU_STEP;
  verdict.add("the loop's losses", relativeError(straight, looped), 1e-4);
  const cut = await create();
  const pieces = [];
  while (pieces.length < training.epochs) {
    const stop = new AbortController();
    try {
      const left = { ...training, epochs: training.epochs - pieces.length };
      for await (const { train } of cut.fit(data, {
        ...left,
        signal: stop.signal,
        onProgress: () => stop.abort(),
      })) {
        pieces.push(train.loss);
      }
    } catch (error) {
      if (error.code !== 'ERR_ABORTED') throw error;
    }
  }
  verdict.add('the same bits in pieces', relativeError(pieces, straight), 1e-300);
  await following(device, verdict);
  return verdict;
}

/** mlp-400 on MNIST where its files are, else on sprites. */
async function epochs() {
  const isMnist = device !== 'cpu' && existsSync(`${process.env.TORCHVAE_DATA}/mnist`);
  const train = isMnist ? await mnist() : sprites({ count: device === 'cpu' ? 2000 : 60000 });
  const vae = await VAE.create({ preset: 'mlp-400', seed: 0, device });
  const started = performance.now();
  const came = await losses(vae, train, { epochs: 10, batchSize: 128 });
  return {
    ok: came.at(-1) < came[0],
    data: isMnist ? 'MNIST' : 'sprites',
    examples: train.length,
    wallSeconds: (performance.now() - started) / 1000,
    losses: came,
  };
}

/** A few steps of small models, for a sanitizer: every kernel runs, and the losses are the CPU's. */
async function small() {
  const verdict = new Verdict();
  const data = sprites({ count: 96 });
  const narrow = { encoder: { hidden: [37, 24] }, latentSize: 5 };
  const models = {
    plain: { spec: narrow },
    'labels, free bits, gelu': {
      spec: {
        ...narrow,
        encoder: { hidden: [37], activation: 'gelu' },
        condition: { classes: 3 },
        objective: { type: 'elbo', beta: 2, freeBits: 0.1 },
      },
    },
    laplace: { spec: { ...narrow, likelihood: { type: 'laplace', sigma: 0.5 } } },
    'one block': {
      spec: { inputShape: [21], encoder: { hidden: [24, 13], activation: 'elu' }, latentSize: 3 },
      rows: table(96, 21),
    },
    bf16: { spec: narrow, precision: 'bf16' },
    conv: { spec: { encoder: { type: 'conv', channels: [8, 16] }, latentSize: 4 } },
  };
  const labels = Int32Array.from({ length: 96 }, (_, i) => i % 3);
  const labeled = new Dataset({ shape: data.shape, kind: data.kind, data: data.data, labels });
  for (const [name, { rows = labeled, ...options }] of Object.entries(models)) {
    if (options.precision && device === 'cpu') continue;
    const runs = [];
    // In the order of a process that begins with the CPU and goes on with a GPU.
    for (const where of ['cpu', device]) {
      const precision = where === 'cpu' ? 'float32' : (options.precision ?? 'float32');
      const vae = await VAE.create({ seed: 4, ...options, precision, device: where });
      runs.push(await losses(vae, rows, { epochs: 2, batchSize: 40 }));
      vae.dispose();
    }
    verdict.add(name, relativeError(runs[1], runs[0]), options.precision ? 2e-2 : 1e-3);
  }
  return verdict;
}

/** Devices that are not there or have no room are refused in words, after which training goes on; a checkpoint goes on elsewhere. */
async function lost() {
  const verdict = new Verdict();
  const codeOf = async (body) => {
    try {
      await body();
      return 'none';
    } catch (error) {
      return error.code;
    }
  };
  const data = pictures();
  const vae = await VAE.create({ preset: 'mlp-400', seed: 2, device });
  await losses(vae, data, { epochs: 1 });
  const missing = await codeOf(() => VAE.create({ device: 'cuda:99' }));
  verdict.add(`cuda:99 gives ERR_DEVICE (${missing})`, missing === 'ERR_DEVICE' ? 0 : 1, 0.5);
  // A batch's activations and gradients of some 200 GB.
  const wide = await VAE.create({
    spec: { inputShape: [1, 28, 28], encoder: { hidden: [200_000] } },
    device,
  });
  const whole = sprites({ count: 60_000 });
  const full = await codeOf(() => losses(wide, whole, { epochs: 1, batchSize: whole.length }));
  wide.dispose();
  verdict.add(
    `batches of 200 GB give ERR_OUT_OF_MEMORY (${full})`,
    full === 'ERR_OUT_OF_MEMORY' ? 0 : 1,
    0.5,
  );
  const path = join(tmpdir(), `torchvae-lost-${process.pid}.safetensors`);
  await vae.save(path);
  const [here] = await losses(vae, data, { epochs: 1 });
  const other = await VAE.load(path, { device: 'cpu' });
  const [there] = await losses(other, data, { epochs: 1 });
  rmSync(path);
  verdict.add('a checkpoint goes on on the CPU', relativeError([there], [here]), 1e-3);
  return verdict;
}

/** MiB that this process has on the device, by nvidia-smi. */
function deviceMemory() {
  const query = ['--query-compute-apps=pid,used_memory', '--format=csv,noheader,nounits'];
  const lines = execFileSync('nvidia-smi', query, { encoding: 'utf8' }).trim().split('\n');
  const own = lines.map((line) => line.split(',').map(Number)).find(([pid]) => pid === process.pid);
  return own?.[1];
}

/** What training holds on the device, and that models that are disposed of leave nothing behind. */
async function memory() {
  const verdict = new Verdict();
  const data = pictures();
  const used = {};
  for (let i = 0; i < 4; i++) {
    const vae = await VAE.create({ preset: 'mlp-400', device });
    await losses(vae, data, { epochs: 1, batchSize: 1024 });
    used[`training ${i + 1}`] = deviceMemory();
    vae.dispose();
  }
  verdict.mebibytes = used;
  // In a container nvidia-smi may not see the process.
  if (used['training 2'] === undefined) return { ...verdict, note: 'nvidia-smi does not list this process' };
  verdict.add('growth from the second model to the fourth, MiB', used['training 4'] - used['training 2'], 1);
  return verdict;
}

const checks = {
  small,
  starts: () => starts(device),
  lost,
  memory,
  fixtures: againstFixtures,
  optimizers,
  cpu: againstCpu,
  perceptrons,
  population: () => population(device),
  ranks: () => ranks(device),
  precisions,
  replays,
  epochs,
  refusal,
};
console.log(JSON.stringify(await checks[what]()));
