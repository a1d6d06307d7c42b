// Checks of a device's numbers, for scripts/gpu-verify. Prints one line of JSON: {ok, ...}.
//   node scripts/gpu/check.mjs DEVICE fixtures|cpu|replays|epochs
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Dataset, mnist, sprites, VAE } from '../../dist/index.js';
import { decodeSafetensors } from '../../dist/model/safetensors.js';

const [device, what] = process.argv.slice(2);
const fixtures = fileURLToPath(new URL('../../test/fixtures', import.meta.url));

/** The largest difference, relative to the largest magnitude wanted. */
function relativeError(came, wanted) {
  if (came.length !== wanted.length) return Number.POSITIVE_INFINITY;
  let [difference, magnitude] = [0, 0];
  for (let i = 0; i < wanted.length; i++) {
    const distance = Math.abs(came[i] - wanted[i]);
    if (!(distance <= difference)) difference = distance;
    magnitude = Math.max(magnitude, Math.abs(wanted[i]));
  }
  return difference === 0 ? 0 : difference / magnitude;
}

/** Errors by name, each with the limit that it has to keep. */
class Verdict {
  ok = true;
  errors = {};
  add(name, error, limit) {
    this.errors[name] = error;
    if (!(error < limit)) {
      this.ok = false;
      this.failed = [...(this.failed ?? []), `${name}: ${error}, limit ${limit}`];
    }
  }
}

async function losses(vae, data, options) {
  const came = [];
  for await (const { train } of vae.fit(data, options)) came.push(train.loss);
  return came;
}

/** What PyTorch computed: forward, gradients, fifty Adam steps. */
async function againstFixtures() {
  const verdict = new Verdict();
  for (const file of readdirSync(fixtures).filter((name) => name.startsWith('pytorch-'))) {
    const name = file.replace('.safetensors', '');
    const { tensors, metadata } = decodeSafetensors(readFileSync(`${fixtures}/${file}`), name);
    const values = (key) => tensors.get(key).data;
    const group = (prefix) =>
      new Map(
        [...tensors]
          .filter(([key]) => key.startsWith(`${prefix}.`))
          .map(([key, { data }]) => [key.slice(prefix.length + 1), data]),
      );
    const spec = JSON.parse(metadata.spec);
    for (const precision of ['float32', 'float64']) {
      const label = `${name} ${precision}`;
      try {
        const vae = await VAE.create({ spec, seed: Number(metadata.seed), precision, device });
        await vae.setParameters(group('parameter'));
        const own = await vae.losses(values('x'), { noise: values('noise') });
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

const training = { epochs: 3, batchSize: 32 };
const pictures = () => sprites({ count: device === 'cpu' ? 500 : 4000 });

/** The same seeds on both devices: the same noise, the same order, so nearly the same losses. */
async function againstCpu() {
  const verdict = new Verdict();
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

/** Replays draw new noise each time; a run gives the same bits again, and however it is cut by aborts. */
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
  return verdict;
}

/** mlp-400 on MNIST where its files are, else on sprites. */
async function epochs() {
  const hasMnist = existsSync(`${process.env.TORCHVAE_DATA}/mnist`);
  const data = hasMnist ? (await mnist()).train : sprites({ count: 60000 });
  const train = device === 'cpu' ? sprites({ count: 2000 }) : data;
  const vae = await VAE.create({ preset: 'mlp-400', seed: 0, device });
  const started = performance.now();
  const came = await losses(vae, train, { epochs: 10, batchSize: 128 });
  return {
    ok: came.at(-1) < came[0],
    data: hasMnist && device !== 'cpu' ? 'MNIST' : 'sprites',
    examples: train.length,
    wallSeconds: (performance.now() - started) / 1000,
    losses: came,
  };
}

const checks = { fixtures: againstFixtures, cpu: againstCpu, replays, epochs };
console.log(JSON.stringify(await checks[what]()));
