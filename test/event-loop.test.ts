/** Training leaves the threads of Node alone, and ends with them. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { sprites, VAE } from '../lib/index.ts';

const built = new URL('../dist/index.js', import.meta.url).href;

test('the event loop stays free while the engine trains', async () => {
  using vae = await VAE.create({ preset: 'mlp-400', device: 'cpu' });
  const data = sprites({ count: 10_000 });
  await vae.fit(data, { epochs: 1 });
  // The share of the time in which the loop had work. A machine that is busy with other programs makes all of it longer, and
  // leaves the share; training on JavaScript's thread would make it 1.
  const before = performance.eventLoopUtilization();
  await vae.fit(data, { epochs: 3 });
  const { utilization } = performance.eventLoopUtilization(before);
  expect(utilization).toBeLessThan(0.5);
});

/** Runs a program of the built package; resolves with its exit code, signal and output. */
function run(program: string): Promise<{ code: number | null; signal: string | null; output: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
      cwd: fileURLToPath(new URL('..', import.meta.url)),
    });
    let output = '';
    child.stdout.on('data', (chunk) => {
      output += chunk;
    });
    child.stderr.on('data', (chunk) => {
      output += chunk;
    });
    child.on('close', (code, signal) => resolve({ code, signal, output }));
  });
}

const endless = `
  import { sprites, VAE } from ${JSON.stringify(built)};
  const vae = await VAE.create({ preset: 'mlp-400', device: 'cpu' });
  const training = (async () => { for await (const _ of vae.fit(sprites({ count: 5000 }), { epochs: 1e6 })); })();
  await new Promise((resolve) => setTimeout(resolve, 300));
`;

test('process.exit in the midst of training is clean', async () => {
  expect(await run(`${endless} process.exit(7);`)).toEqual({ code: 7, signal: null, output: '' });
});

test('an uncaught exception in the midst of training is reported, without a crash', async () => {
  const { code, signal, output } = await run(`${endless} throw new Error('on purpose');`);
  expect({ code, signal }).toEqual({ code: 1, signal: null });
  expect(output).toContain('on purpose');
});

test('a process that has nothing left to do ends', async () => {
  const program = `
    import { sprites, VAE } from ${JSON.stringify(built)};
    const vae = await VAE.create({ preset: 'mlp-400', device: 'cpu' });
    for await (const { epoch } of vae.fit(sprites({ count: 300 }), { epochs: 1 })) console.log('epoch', epoch);
  `;
  expect(await run(program)).toEqual({ code: 0, signal: null, output: 'epoch 1\n' });
});

test('several worker threads train at once, each to the same bits, and one may be terminated', async () => {
  const program = `
    import { parentPort, workerData } from 'node:worker_threads';
    const { sprites, VAE } = await import(workerData.built);
    const vae = await VAE.create({ spec: { encoder: { hidden: [64] } }, device: 'cpu', seed: 1 });
    if (workerData.endless) parentPort.postMessage('started');
    for await (const _ of vae.fit(sprites({ count: 1000 }), { epochs: workerData.endless ? 1e6 : 3 }));
    const { data } = (await vae.parameters()).get('decoder.0.weight');
    parentPort.postMessage(Buffer.from(data.buffer).toString('base64'));
  `;
  const source = new URL(`data:text/javascript,${encodeURIComponent(program)}`);
  const start = (options: object) => new Worker(source, { workerData: { built, ...options } });
  const message = (worker: Worker) =>
    new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
  const endlessWorker = start({ endless: true });
  await message(endlessWorker);
  const workers = [start({}), start({}), start({})];
  const finished = Promise.all(workers.map(message));
  await endlessWorker.terminate();
  const [first, ...others] = await finished;
  for (const other of others) expect(other).toBe(first);
  await Promise.all(workers.map((worker) => worker.terminate()));
});
