/** Processes that cannot train together, or no longer: every one of them says why, by a typed error. */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { type ModelSpecInput, type ObjectiveInput, sprites, VAE } from '../lib/index.ts';
import { completeSpec } from '../lib/model/spec.ts';
import { localRank } from '../lib/runtime/device.ts';
import { rankPlace } from '../lib/training/ranks/place.ts';
import { obstacleTo } from '../lib/training/ranks/shareable.ts';
import { refusal } from './refusal.ts';
import { type Outcome, packageFolder, runNode, torchvae } from './support/command.ts';
import { freePort, rankEnvironment, together, torchvaeRanks } from './support/ranks.ts';

const training = ['train', '--device', 'cpu', '--epochs', '1'];
const newRun = () => join(mkdtempSync(join(tmpdir(), 'torchvae-ranks-')), 'run');

/** Each process ended by this error, and said so in words that match. */
function expectRefused(outcomes: readonly Outcome[], code: string, words: RegExp): void {
  for (const outcome of outcomes) {
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toContain(`[${code}]`);
    expect(outcome.stderr).toMatch(words);
  }
}

describe('the environment', () => {
  const whole = { RANK: '1', WORLD_SIZE: '2', MASTER_ADDR: 'localhost', MASTER_PORT: '29500' };

  test('of a launcher gives a place', () => {
    expect(rankPlace(whole)).toEqual({
      rank: 1,
      size: 2,
      host: 'localhost',
      port: 29500,
      isServed: false,
      prefix: 'attempt-0',
      by: 'auto',
    });
  });

  test("of torchrun's agent names its store and the attempt", () => {
    const place = rankPlace({
      ...whole,
      TORCHELASTIC_USE_AGENT_STORE: 'True',
      TORCHELASTIC_RESTART_COUNT: '2',
    });
    expect(place).toMatchObject({ isServed: true, prefix: 'attempt-2' });
  });

  test.each([{}, { WORLD_SIZE: '' }, { WORLD_SIZE: '1' }])('of one process gives none: %j', (environment) => {
    expect(rankPlace(environment)).toBeUndefined();
  });

  test.each([
    [
      { WORLD_SIZE: 'two' },
      'Expected a whole number from 1 to 1048576 for the environment variable WORLD_SIZE',
    ],
    [{ WORLD_SIZE: '0' }, 'WORLD_SIZE but received "0"'],
    [{ WORLD_SIZE: '-2' }, 'WORLD_SIZE but received "-2"'],
    [{ WORLD_SIZE: '2.5' }, 'WORLD_SIZE but received "2.5"'],
    [
      { RANK: '2' },
      'Expected a whole number from 0 to 1, as WORLD_SIZE is 2, for the environment variable RANK',
    ],
    [{ RANK: '-1' }, 'RANK but received "-1"'],
    [{ RANK: undefined }, 'RANK, as WORLD_SIZE is 2, but it is not set'],
    [{ MASTER_ADDR: '' }, 'MASTER_ADDR, as WORLD_SIZE is 2, but it is not set'],
    [{ MASTER_PORT: '65536' }, 'MASTER_PORT but received "65536"'],
    [{ MASTER_PORT: 'http' }, 'MASTER_PORT but received "http"'],
    [
      { TORCHVAE_RANKS_BY: 'mpi' },
      "Expected 'auto', 'gloo' or 'nccl' for the environment variable TORCHVAE_RANKS_BY",
    ],
  ])('that does not fit together is refused: %j', async (change, message) => {
    expect(await refusal('ERR_DISTRIBUTED', () => rankPlace({ ...whole, ...change }))).toContain(message);
  });

  test('is refused by the command too, unless it is not to be looked at', async () => {
    const env = { ...whole, RANK: '7' };
    expectRefused(
      [await torchvae(training, { env })],
      'ERR_DISTRIBUTED',
      /for the environment variable RANK/,
    );
    const alone = [...training, '--distributed', 'off', '--count', '100', '--out', newRun()];
    expect(await torchvae(alone, { env })).toMatchObject({ code: 0 });
  });
});

test('each process of a machine takes the GPU of its number', async () => {
  vi.stubEnv('LOCAL_RANK', '3');
  vi.stubEnv('WORLD_SIZE', undefined);
  expect(localRank()).toBe(0);
  vi.stubEnv('WORLD_SIZE', '8');
  expect(localRank()).toBe(3);
  vi.stubEnv('LOCAL_RANK', undefined);
  expect(localRank()).toBe(0);
  vi.stubEnv('LOCAL_RANK', '-1');
  expect(await refusal('ERR_RANGE', async () => localRank())).toContain('LOCAL_RANK');
});

describe('models that several processes would train to other numbers are refused', () => {
  afterEach(() => {
    vi.unstubAllEnvs();
  });

  const rae = { type: 'rae', gradientPenalty: 0.1 } as const;
  const penalized: ModelSpecInput = { posterior: 'deterministic', objective: rae };

  test.each<[string, ModelSpecInput, string]>([
    [
      'a penalty that is differentiated beside batch normalization',
      { ...penalized, encoder: { norm: 'batch' } },
      'gradientPenalty differentiates batch normalization',
    ],
  ])('%s', async (_, spec, message) => {
    const vae = await VAE.create({ spec, device: 'cpu' });
    for (const [name, value] of Object.entries(rankEnvironment(0, 2, 1))) vi.stubEnv(name, value);
    const fit = () => vae.fit(sprites({ count: 10 }), { distributed: 'auto' });
    expect(await refusal('ERR_STATE', fit)).toContain(message);
    vi.unstubAllEnvs();
    await vae.fit(sprites({ count: 10 }), { epochs: 1, distributed: 'auto' });
  });

  test.each<[string, ObjectiveInput, string]>([
    ['free bits', { freeBits: 0.1 }, 'freeBits count by'],
    ['a capacity', { capacity: { to: 5, steps: 10 } }, 'a capacity holds the mean'],
    ['codes that are compared', 'wae-mmd', 'the objective wae-mmd compares all codes'],
  ])('bf16 beside %s', (_, objective, message) => {
    const spec = completeSpec({ objective });
    expect(obstacleTo(spec, 'bf16', [])).toContain(message);
    expect(obstacleTo(spec, 'float32', [])).toBeUndefined();
  });
});

describe('processes that do not come together', () => {
  let server: Server | undefined;
  afterEach(() => {
    server?.close();
    server = undefined;
  });

  test('say whom they missed', async () => {
    const port = await freePort();
    const args = [...training, '--distributed-timeout', '5', '--out', newRun()];
    const start = (rank: number) => torchvae(args, { env: rankEnvironment(rank, 4, port) });
    const outcomes = await Promise.all([start(0), start(2)]);
    expectRefused(outcomes, 'ERR_DISTRIBUTED', /missed ranks 1, 3|did not reach rank 0|lost the meeting/);
    expect(outcomes[0]!.stderr).toContain('missed ranks 1, 3');
  });

  test('without rank 0 say where they looked for it', async () => {
    const port = await freePort();
    const args = [...training, '--distributed-timeout', '1'];
    const outcome = await torchvae(args, { env: rankEnvironment(1, 2, port) });
    expectRefused([outcome], 'ERR_DISTRIBUTED', new RegExp(`did not reach rank 0 at 127.0.0.1:${port}`));
  });

  test('since the port is in use say so', async () => {
    const port = await freePort();
    server = createServer().listen(port, '0.0.0.0');
    const outcome = await torchvae(training, { env: rankEnvironment(0, 2, port) });
    expectRefused([outcome], 'ERR_DISTRIBUTED', new RegExp(`${port}.*address already in use`));
  });

  test('since two are the same rank say so', async () => {
    const port = await freePort();
    const args = [...training, '--distributed-timeout', '6'];
    const start = (rank: number) => torchvae(args, { env: rankEnvironment(rank, 3, port) });
    const outcomes = await Promise.all([start(0), start(1), start(1)]);
    expectRefused(outcomes, 'ERR_DISTRIBUTED', /Two processes say that they are rank 1|missed rank|lost/);
    expect(outcomes.map(({ stderr }) => stderr).join('')).toContain(
      'Two processes say that they are rank 1 of 3',
    );
  });
});

describe('processes that are about different things all say so', () => {
  test.each<[string, string[], RegExp]>([
    ['data', ['--count', '201'], /rank 1 has another training data \([0-9a-f]{16}, rank 0 [0-9a-f]{16}\)/],
    ['seeds', ['--seed', '2'], /rank 1 has another seed \(2, rank 0 0\)/],
    ['settings', ['--learning-rate', '0.01'], /rank 1 has another settings of training/],
    ['models', ['--set', 'latentSize=3'], /rank 1 has another model/],
  ])('%s', async (_, flags, words) => {
    const args = [...training, '--count', '200', '--out', newRun()];
    const outcomes = await torchvaeRanks(2, (rank) => (rank === 1 ? [...args, ...flags] : args));
    expectRefused(outcomes, 'ERR_DISTRIBUTED', words);
  });
});

test('a process trains one model with the others at a time', async () => {
  const program = `
    import { sprites, VAE } from ${JSON.stringify(join(packageFolder, 'dist/index.js'))};
    const spec = { encoder: { hidden: [8] }, latentSize: 2 };
    const [a, b] = [await VAE.create({ spec, device: 'cpu' }), await VAE.create({ spec, device: 'cpu' })];
    const options = { epochs: 1, distributed: 'auto' };
    const data = sprites({ count: 100 });
    // Between two epochs of the first.
    for await (const { epoch } of a.fit(data, { ...options, epochs: 2 })) {
      if (epoch > 1) continue;
      const refused = await b.fit(data, options).then(() => 'trained', (reason) => reason);
      console.log(refused.code + ' ' + refused.message);
    }
    console.log((await b.fit(data, options)).epoch);`;
  const outcomes = await together(2, (options) => runNode(['--input-type=module', '-e', program], options));
  for (const { stdout, stderr } of outcomes) {
    expect(stdout, stderr).toMatch(
      /^ERR_STATE This process trains another model with the others already; .*\n1\n$/,
    );
  }
});

test('a libtorch without c10d is named, and trains alone', async () => {
  const copy = mkdtempSync(join(tmpdir(), 'torchvae-c10d-'));
  for (const name of ['dist', 'package.json'])
    cpSync(join(packageFolder, name), join(copy, name), { recursive: true });
  symlinkSync(join(packageFolder, 'node_modules'), join(copy, 'node_modules'));
  const binaries = 'build/Release';
  mkdirSync(join(copy, binaries), { recursive: true });
  cpSync(join(packageFolder, binaries, 'torchvae.node'), join(copy, binaries, 'torchvae.node'));
  // An engine that asks for symbols which no libtorch has.
  const engine = 'libtorchvae-2.13.so';
  const bytes = readFileSync(join(packageFolder, binaries, engine));
  for (const [name, other] of [
    ['_ZN4c10d', '_ZN4c10x'],
    ['_ZNK4c10d', '_ZNK4c10x'],
  ] as const) {
    for (let at = bytes.indexOf(name); at >= 0; at = bytes.indexOf(name, at)) bytes.write(other, at);
  }
  writeFileSync(join(copy, binaries, engine), bytes);
  const train = (env: Record<string, string>) =>
    runNode([join(copy, 'dist/cli/main.js'), ...training, '--count', '50', '--out', newRun()], { env });
  expectRefused(
    [await train(rankEnvironment(0, 2, 1))],
    'ERR_DISTRIBUTED',
    /libtorch_cpu.so, was built without c10d/,
  );
  expect(await train({})).toMatchObject({ code: 0 });
});
