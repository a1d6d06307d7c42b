/**
 * Worker threads that are terminated at random moments of training, evaluating, uploading and being refused, several at a
 * time, while the main thread trains: nothing may crash, hang or change what the main thread computes.
 *   node scripts/reliability/environments.mjs [--terminations 200] [--seed 1]
 */
import { parseArgs } from 'node:util';
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import { Dataset, VAE } from '../../dist/index.js';
import { Random } from './random.mjs';

const SPEC = { inputShape: [64], encoder: { hidden: [32] }, latentSize: 4 };
const examples = (rows) =>
  Dataset.from(
    Float32Array.from({ length: rows * 64 }, (_, i) => (i * 7) % 2),
    { shape: [64] },
  );

/** What a worker does until it is ended: all at once, without waiting for one before the next. */
async function busy(seed) {
  const random = new Random(seed);
  const jobs = [
    async (vae) => {
      await vae.fit(examples(2000), { epochs: 1000, batchSize: 16 });
    },
    (vae) => vae.loss(examples(500)),
    (vae) => vae.negativeLogLikelihood(examples(50), { samples: 500 }),
    (vae) => vae.encode(new Float32Array(3)),
    (vae) => vae.sample(100),
    (vae) => vae.parameters(),
    async (vae) => vae.dispose(),
  ];
  for (;;) {
    const vae = await VAE.create({ spec: SPEC, device: 'cpu', seed });
    const some = Array.from({ length: 6 }, () =>
      random
        .pick(jobs)(vae)
        .catch(() => {}),
    );
    await Promise.race([...some, new Promise((resolve) => setTimeout(resolve, random.below(50)))]);
    if (random.chance(0.5)) vae.dispose();
  }
}

/** What the main thread's model comes to; the same, whatever goes on beside it. */
async function weights() {
  const vae = await VAE.create({ spec: SPEC, device: 'cpu', seed: 3 });
  await vae.fit(examples(300), { epochs: 3, batchSize: 16 });
  const { data } = (await vae.parameters()).get('decoder.0.weight');
  vae.dispose();
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64');
}

if (!isMainThread) {
  await busy(workerData);
} else {
  const { values: flags } = parseArgs({
    options: { terminations: { type: 'string', default: '200' }, seed: { type: 'string', default: '1' } },
  });
  const random = new Random(Number(flags.seed));
  const calm = await weights();
  const before = process.memoryUsage.rss();
  let checks = 0;
  const start = (i) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: i });
    worker.on('error', (error) => {
      console.error(error);
      process.exit(1);
    });
    return worker;
  };
  const workers = [start(1), start(2), start(3)];
  for (let done = 0; done < Number(flags.terminations); done++) {
    await new Promise((resolve) => setTimeout(resolve, random.below(300)));
    const place = random.below(workers.length);
    await workers[place].terminate();
    workers[place] = start(done + 4);
    if (done % 10 !== 0) continue;
    if ((await weights()) !== calm) throw new Error('The main thread came to other weights');
    checks++;
  }
  await Promise.all(workers.map((worker) => worker.terminate()));
  const growthMB = Math.round((process.memoryUsage.rss() - before) / 1e6);
  console.log(JSON.stringify({ terminations: Number(flags.terminations), checks, growthMB }));
}
