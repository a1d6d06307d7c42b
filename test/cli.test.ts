/** The command line as its user has it: processes, files, exit codes. */
import { spawnSync } from 'node:child_process';
import {
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { decode } from 'fast-png';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { decodeSafetensors } from '../lib/model/safetensors.ts';
import { findNvidiaDriver } from '../lib/runtime/driver.ts';
import { type CommandOptions, type Outcome, torchvae } from './support/command.ts';

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'torchvae-cli-'));
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** A run in the test's folder. */
const at = (name: string) => join(folder, name);

async function succeed(args: readonly string[], options: CommandOptions = {}): Promise<Outcome> {
  const outcome = await torchvae(args, { cwd: folder, ...options });
  expect(outcome, outcome.stderr).toMatchObject({ code: 0, signal: null });
  return outcome;
}

/** The message of a command that refuses: exit code 1, one sentence, no stack. */
async function refused(args: readonly string[], options: CommandOptions = {}): Promise<string> {
  const outcome = await torchvae(args, { cwd: folder, ...options });
  expect(outcome, outcome.stderr).toMatchObject({ code: 1, signal: null, stdout: '' });
  expect(outcome.stderr).toMatch(/^error: /);
  expect(outcome.stderr).not.toMatch(/\n\s+at |node:internal|\.js:\d+/);
  return outcome.stderr;
}

function metricsOf(run: string): { epoch: number; step: number; seconds: number }[] {
  const lines = readFileSync(join(run, 'metrics.jsonl'), 'utf8').split('\n');
  expect(lines.pop()).toBe('');
  return lines.map((line) => JSON.parse(line));
}

/** Without the times, and to twelve digits: the chunks that an epoch's sums are added up in follow the clock. */
function lossesOf(run: string): unknown {
  return JSON.parse(
    JSON.stringify(metricsOf(run), (key, value) =>
      key === 'seconds' ? undefined : typeof value === 'number' ? Number(value.toPrecision(12)) : value,
    ),
  );
}

function checkpointOf(run: string, name = 'checkpoint'): Buffer {
  return readFileSync(join(run, `${name}.safetensors`));
}

function stepOf(run: string): { epoch: number; stepInEpoch: number; step: number } {
  const { metadata } = decodeSafetensors(checkpointOf(run), run);
  return JSON.parse(metadata.training!).position;
}

function pictureOf(path: string): ReturnType<typeof decode> {
  const picture = decode(readFileSync(path));
  const levels = new Set(picture.data);
  expect(levels.size).toBeGreaterThan(10);
  return picture;
}

const small = ['train', '--count', '600', '--batch-size', '64'];

const COMMANDS = [
  'train',
  'report',
  'sample',
  'reconstruct',
  'interpolate',
  'traverse',
  'plot',
  'encode',
  'setup',
  'doctor',
];

describe('help', () => {
  test('the program names its commands and a first run', async () => {
    const { stdout } = await succeed(['--help']);
    for (const name of COMMANDS) {
      expect(stdout).toMatch(new RegExp(`^  ${name} `, 'm'));
    }
    expect(stdout).toContain('torchvae train --preset mlp-400 --data sprites');
    expect((await succeed(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  test.each(COMMANDS)('%s shows examples', async (name) => {
    const { stdout } = await succeed([name, '--help']);
    expect(stdout).toMatch(/\nExample[\s\S]*torchvae /);
    expect(stdout).toContain(`torchvae ${name}`);
    const options = stdout.split('\n').filter((line) => /^ {2}-/.test(line));
    expect(options.length).toBeGreaterThanOrEqual(3);
  });

  test('ends without a word where its reader has closed the pipe', async () => {
    const { code, stderr } = await torchvae(['--help'], { onStart: (child) => child.stdout!.destroy() });
    expect({ code, stderr }).toEqual({ code: 141, stderr: '' });
  });

  test.skipIf(process.platform !== 'linux')('says so where its output cannot be written', () => {
    const main = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));
    const full = openSync('/dev/full', 'w');
    const { status, stderr } = spawnSync(process.execPath, [main, '--help'], {
      stdio: ['ignore', full, 'pipe'],
      encoding: 'utf8',
    });
    closeSync(full);
    expect(status).toBe(1);
    expect(stderr).toMatch(/^error: Could not write standard output: no space is left.*\[ERR_IO\]\n$/);
  });

  test('a mistake names what there is', async () => {
    expect(await refused(['trian'])).toContain("unknown command 'trian'");
    expect(await refused(['train', '--epoch', '3'])).toContain("unknown option '--epoch'");
  });
});

describe('train', () => {
  test('goes on where nobody reads what it says', async () => {
    const run = at('unheard');
    const { code } = await torchvae([...small, '--epochs', '1', '--out', run], {
      onStart: (child) => child.stderr!.destroy(),
    });
    expect(code).toBe(0);
    expect(readdirSync(run)).toContain('checkpoint.safetensors');
  });

  test('leaves a run directory', async () => {
    const run = at('whole');
    const { stderr, stdout } = await succeed([...small, '--epochs', '2', '--seed', '3', '--out', run]);
    expect(stdout).toBe('');
    expect(stderr).toMatch(/epoch 1 .*\nepoch 2 /);
    expect(stderr).toContain(join(run, 'samples.png'));
    expect(readdirSync(run).sort()).toEqual([
      'best.safetensors',
      'checkpoint.safetensors',
      'config.json',
      'metrics.jsonl',
      'reconstructions.png',
      'samples.png',
    ]);
    expect(JSON.parse(readFileSync(join(run, 'config.json'), 'utf8'))).toMatchObject({
      preset: 'mlp-400',
      data: { name: 'sprites', count: 600, examples: 600, shape: [1, 28, 28], kind: 'unit' },
      training: { epochs: 2, batchSize: 64, learningRate: 1e-3 },
      seed: 3,
      device: 'cpu',
      spec: { latentSize: 20 },
      versions: { torchvae: expect.any(String), libtorch: expect.any(String), node: process.version },
    });
    const terms = { reconstruction: expect.any(Number), kl: expect.any(Number), loss: expect.any(Number) };
    const losses = expect.objectContaining({ ...terms, elbo: expect.any(Number), beta: 1 });
    const health = {
      gradientHealth: expect.objectContaining({ verdict: 'healthy', norm: expect.any(Number) }),
      latentHealth: expect.objectContaining({ activeUnits: expect.any(Number), examples: 1000 }),
    };
    const line = { seconds: expect.any(Number), train: losses, test: losses, learningRate: 1e-3, ...health };
    const best = (epoch: number) => ({ epoch, value: expect.any(Number), of: 'validation loss' });
    expect(metricsOf(run)).toEqual([
      { epoch: 1, step: 10, ...line, best: best(1) },
      { epoch: 2, step: 20, ...line, best: best(2) },
    ]);
    expect(pictureOf(join(run, 'reconstructions.png'))).toMatchObject({
      width: 8 * 58 + 2,
      height: 4 * 58 + 2,
    });
    expect(pictureOf(join(run, 'samples.png'))).toMatchObject({ width: 8 * 58 + 2, height: 8 * 58 + 2 });
    expect(stepOf(run)).toMatchObject({ epoch: 2, stepInEpoch: 0, step: 20, best: { epoch: 2, waited: 0 } });
    expect(checkpointOf(run, 'best').equals(checkpointOf(run))).toBe(true);
  });

  test('without --out the run is named after the preset, the data and the time', async () => {
    await succeed([...small, '--epochs', '1']);
    expect(readdirSync(at('runs'))).toEqual([expect.stringMatching(/^mlp-400-sprites-\d{8}-\d{6}$/)]);
  });

  test('--resume goes on to more epochs, with the bits of a run in one go', async () => {
    await succeed([...small, '--epochs', '3', '--out', at('in-one')]);
    await succeed([...small, '--epochs', '1', '--out', at('in-two')]);
    // The run knows how it was started; --epochs is what changes.
    await succeed(['train', '--out', at('in-two'), '--resume', '--epochs', '3']);
    expect(checkpointOf(at('in-two')).equals(checkpointOf(at('in-one')))).toBe(true);
    expect(lossesOf(at('in-two'))).toEqual(lossesOf(at('in-one')));
    const { stderr } = await succeed(['train', '--out', at('in-two'), '--resume']);
    expect(stderr).toContain('3 epochs already');
    expect(checkpointOf(at('in-two')).equals(checkpointOf(at('in-one')))).toBe(true);
  });

  test('Ctrl-C in mid-epoch leaves an exact step, and --resume ends at the same bits', async () => {
    const slow = ['train', '--preset', 'mlp-128', '--count', '16000', '--batch-size', '4', '--epochs', '2'];
    await succeed([...slow, '--out', at('calm')]);
    const run = at('interrupted');
    /** Sends SIGINT a while after what is waited for was said. */
    const interruptAfter = (text: string, milliseconds: number): CommandOptions => {
      let sent = false;
      return {
        cwd: folder,
        onStderr: (child, stderr) => {
          if (sent || !stderr.includes(text)) return;
          sent = true;
          setTimeout(() => child.kill('SIGINT'), milliseconds);
        },
      };
    };
    const first = await torchvae([...slow, '--out', run], interruptAfter('parameters', 150));
    expect(first).toMatchObject({ code: 130, signal: null, stdout: '' });
    expect(first.stderr).toMatch(/Interrupted after step \d+.*--resume \[ERR_ABORTED\]\n$/);
    const { epoch, step, stepInEpoch } = stepOf(run);
    expect(epoch).toBe(0);
    expect(step).toBe(stepInEpoch);
    expect(step).toBeGreaterThan(0);
    expect(step).toBeLessThan(4000);
    expect(first.stderr).toContain(`after step ${step},`);
    expect(metricsOf(run)).toEqual([]);
    expect(readdirSync(run).filter((name) => name.startsWith('.'))).toEqual([]);
    expect(await refused(['train', '--out', run, '--resume', '--batch-size', '8'])).toMatch(
      /batches of 4, and can go on only over the same.*--batch-size 8.*ERR_STATE/,
    );
    expect(JSON.parse(readFileSync(join(run, 'config.json'), 'utf8')).training.batchSize).toBe(4);
    const second = await torchvae(['train', '--out', run, '--resume'], interruptAfter('epoch 1 ', 100));
    expect(second.code).toBe(130);
    expect(stepOf(run).epoch).toBe(1);
    await succeed(['train', '--out', run, '--resume']);
    expect(checkpointOf(run).equals(checkpointOf(at('calm')))).toBe(true);
    expect(lossesOf(run)).toEqual(lossesOf(at('calm')));
  });

  test('kill -9 at any moment loses nothing before the last checkpoint', async () => {
    const start = ['train', '--count', '3000', '--batch-size', '32', '--epochs', '6'];
    await succeed([...start, '--out', at('unharmed')]);
    const run = at('killed');
    let epochs = 0;
    for (const milliseconds of [250, 520, 610, 700, 830, 950]) {
      const begun = existsSync(join(run, 'checkpoint.safetensors'));
      const args = begun ? ['train', '--out', run, '--resume'] : [...start, '--out', run];
      let timer: NodeJS.Timeout | undefined;
      const onStderr: CommandOptions['onStderr'] = (child) => {
        timer ??= setTimeout(() => child.kill('SIGKILL'), milliseconds - 200);
      };
      await torchvae(args, { cwd: folder, onStderr });
      clearTimeout(timer);
      const names = existsSync(run) ? readdirSync(run).filter((name) => !name.startsWith('.')) : [];
      if (names.includes('config.json')) JSON.parse(readFileSync(join(run, 'config.json'), 'utf8'));
      for (const name of names.filter((other) => other.endsWith('.png'))) pictureOf(join(run, name));
      if (!names.includes('checkpoint.safetensors')) continue;
      const { epoch } = stepOf(run);
      expect(epoch).toBeGreaterThanOrEqual(epochs);
      epochs = epoch;
      expect(metricsOf(run).length).toBeGreaterThanOrEqual(epoch);
    }
    writeFileSync(join(run, '.checkpoint.safetensors.0123456789ab.tmp'), 'cut short');
    await succeed(
      existsSync(join(run, 'checkpoint.safetensors'))
        ? ['train', '--out', run, '--resume']
        : [...start, '--out', run],
    );
    expect(readdirSync(run).sort()).toEqual(readdirSync(at('unharmed')).sort());
    for (const name of ['checkpoint', 'best'])
      expect(checkpointOf(run, name).equals(checkpointOf(at('unharmed'), name)), name).toBe(true);
    expect(lossesOf(run)).toEqual(lossesOf(at('unharmed')));
  });

  test('--patience ends a run that does not improve, also when it is resumed; --best is its best epoch', async () => {
    const run = at('patient');
    // Nothing is learned at a rate of 0, so that no epoch is better than the first.
    const still = [...small, '--learning-rate', '0', '--patience', '3', '--out', run];
    await succeed([...still, '--epochs', '2']);
    const { stderr } = await succeed(['train', '--out', run, '--resume', '--epochs', '9']);
    expect(stderr).toMatch(
      /epoch 3 [\s\S]*\nepoch 4 .*\nEnded early, at epoch 4: the last 3 epochs were no better/,
    );
    expect(stepOf(run)).toMatchObject({ epoch: 4, best: { epoch: 1, waited: 3 } });
    expect(metricsOf(run).map(({ epoch }) => epoch)).toEqual([1, 2, 3, 4]);
    const best = decodeSafetensors(checkpointOf(run, 'best'), run);
    expect(JSON.parse(best.metadata.training!).position.epoch).toBe(1);
    const again = await succeed(['train', '--out', run, '--resume']);
    expect(again.stderr).toContain('Ended early, at epoch 4');
    const more = await succeed(['train', '--out', run, '--resume', '--patience', '4']);
    expect(more.stderr).toContain('Ended early, at epoch 5');
    await succeed(['sample', run, '--best', '--count', '4', '--out', 'best.png']);
    expect(existsSync(at('best.png'))).toBe(true);
  });
});

describe('train refuses', () => {
  test('a run that is there already', async () => {
    const before = checkpointOf(at('whole'));
    const message = await refused([...small, '--epochs', '1', '--out', at('whole')]);
    expect(message).toMatch(/holds a finished or interrupted run; add --resume/);
    expect(checkpointOf(at('whole')).equals(before)).toBe(true);
  });

  test('to resume where there is nothing', async () => {
    expect(await refused(['train', '--resume'])).toContain('Expected --out beside --resume');
    expect(await refused(['train', '--resume', '--out', 'nowhere'])).toContain('there is no such directory');
    expect(existsSync(at('nowhere'))).toBe(false);
    mkdirSync(at('empty'));
    expect(await refused(['train', '--resume', '--out', 'empty'])).toContain('it holds no checkpoint');
  });

  test('to resume another run than it was', async () => {
    const resume = ['train', '--out', at('whole'), '--resume'];
    expect(await refused([...resume, '--data', 'mnist'])).toContain('started with --data sprites');
    expect(await refused([...resume, '--count', '700'])).toContain('started with --count 600');
    expect(await refused([...resume, '--size', '32'])).toContain('started with --size (not given)');
    expect(await refused([...resume, '--seed', '4'])).toContain('started with --seed 3');
    const config = JSON.parse(readFileSync(join(at('whole'), 'config.json'), 'utf8'));
    mkdirSync(at('changed'));
    copyFileSync(join(at('whole'), 'checkpoint.safetensors'), join(at('changed'), 'checkpoint.safetensors'));
    const resumeChanged = (changes: object) => {
      writeFileSync(join(at('changed'), 'config.json'), JSON.stringify({ ...config, ...changes }));
      return refused(['train', '--out', at('changed'), '--resume']);
    };
    expect(await resumeChanged({ data: { ...config.data, examples: 599 } })).toContain(
      'began with 599 examples',
    );
    expect(await resumeChanged({ preset: 'mlp-4' })).toContain('damaged config.json');
    expect(await resumeChanged({ data: 5 })).toContain('damaged config.json');
    writeFileSync(join(at('changed'), 'config.json'), '{');
    expect(await refused(['train', '--out', at('changed'), '--resume'])).toContain('Expected a JSON object');
  });

  test.each([
    [['--preset', 'mlp-4000'], /'mlp-4000' is invalid.*Allowed choices are mlp-128, .*, mlp-400, conv/],
    [['--data', 'spirtes'], /"spirtes".*does not exist.*ERR_RANGE/],
    [['--data', '.'], /expected .*ERR_DATA_FORMAT/],
    [['--data', 'mnist', '--data-dir', '.'], /Could not find train-images.*ERR_IO/s],
    [['--data', 'mnist', '--count', '10'], /--count is for --data sprites/],
    [['--size', '30'], /Expected 28, 32 or 64 for --size but received 30/],
    [['--count', '0'], /'0' is invalid. Expected an integer of at least 1/],
    [['--patience', '0'], /'0' is invalid. Expected an integer of at least 1/],
    [['--epochs', '0'], /'0' is invalid. Expected an integer of at least 1/],
    [['--epochs', '1.5'], /Expected an integer of at least 1/],
    [['--epochs', 'many'], /Expected an integer of at least 1/],
    [['--epochs', '-3'], /Expected an integer of at least 1/],
    [['--batch-size', '99999999'], /Expected an integer from 1 to 1048576/],
    [['--learning-rate', 'NaN'], /Expected a number from 0 to 1000/],
    [['--learning-rate', '1e9'], /Expected a number from 0 to 1000/],
    [['--seed', '-1'], /Expected an integer of at least 0/],
    [['--device', 'gpu'], /Expected 'auto', 'cpu', 'cpu\/N', 'cuda' or 'cuda:N' for --device.*ERR_DEVICE/],
    [['--out', '/dev/null/run'], /Could not create .*ERR_IO/],
  ] as const)('%j', async (args, message) => {
    expect(await refused(['train', '--out', at('refused'), ...args])).toMatch(message);
    const left = existsSync(at('refused')) ? readdirSync(at('refused')) : [];
    expect(left).not.toContain('checkpoint.safetensors');
  });

  test.skipIf(findNvidiaDriver() !== undefined)('a GPU where there is none, and says why', async () => {
    const message = await refused([...small, '--device', 'cuda', '--out', at('gpu')]);
    expect(message).toMatch(/device cuda cannot be used: no NVIDIA driver.*Use device 'cpu'.*ERR_DEVICE/);
    expect(existsSync(at('gpu'))).toBe(false);
  });

  test('an engine without libtorch, and says how to get one', async () => {
    const env = { TORCHVAE_LIBTORCH: at('no-libtorch') };
    expect(await refused([...small, '--out', at('gpu')], { env })).toMatch(
      /TORCHVAE_LIBTORCH.*does not exist/,
    );
    const none = { TORCHVAE_LIBTORCH: undefined, TORCHVAE_CACHE: folder, TORCHVAE_PYTHON: at('no-python') };
    const message = await refused([...small, '--out', at('gpu')], { env: none });
    expect(message).toMatch(/What to do: run `npx torchvae setup`.*ERR_LIBTORCH/s);
  });
});

describe('what is made of a run', () => {
  test('sample draws pictures, the same from the same seed', async () => {
    const sample = (out: string, seed: string) =>
      succeed(['sample', at('whole'), '--count', '9', '--seed', seed, '--out', out]);
    await sample('one.png', '1');
    await sample('again.png', '1');
    await sample('two.png', '2');
    expect(pictureOf(at('one.png'))).toMatchObject({ width: 3 * 58 + 2, height: 3 * 58 + 2 });
    expect(readFileSync(at('again.png')).equals(readFileSync(at('one.png')))).toBe(true);
    expect(readFileSync(at('two.png')).equals(readFileSync(at('one.png')))).toBe(false);
  });

  test('reconstruct draws pairs', async () => {
    await succeed([
      'reconstruct',
      join(at('whole'), 'checkpoint.safetensors'),
      '--count',
      '12',
      '--out',
      'pairs.png',
    ]);
    expect(pictureOf(at('pairs.png'))).toMatchObject({ width: 8 * 58 + 2, height: 4 * 58 + 2 });
  });

  test('encode writes the posterior of every example', async () => {
    await succeed(['encode', at('whole'), '--out', 'codes.safetensors']);
    const { tensors } = decodeSafetensors(readFileSync(at('codes.safetensors')), 'codes');
    expect(tensors.get('mean')).toMatchObject({ dtype: 'F32', shape: [5000, 20] });
    expect(tensors.get('logVariance')).toMatchObject({ dtype: 'F32', shape: [5000, 20] });
  });

  test.each([
    [['sample', 'nowhere'], /nowhere does not exist; train one with: torchvae train.*ERR_CHECKPOINT/],
    [['sample', 'empty', '--best'], /best.safetensors does not exist/],
    [['sample', 'whole/best.safetensors', '--best'], /--best is for a run directory.*ERR_RANGE/],
    [['sample', 'whole', '--count', '500000'], /at most 10000 for --count of a picture/],
    [['sample', 'whole', '--out', 'none/samples.png'], /Could not write none.*ERR_IO/],
    [['sample', 'whole/config.json'], /config.json is another file; if it holds data.*ERR_CHECKPOINT/],
    [['sample', 'whole', '--device', 'cuda:x'], /for --device.*ERR_DEVICE/],
    [['sample'], /missing required argument 'run'/],
    [['reconstruct', 'whole', '--count', '6000'], /Expected an integer from 1 to 5000 for --count/],
    [['reconstruct', 'whole', '--size', '32'], /Expected examples of 784 values .*ERR_SHAPE/],
    [['reconstruct', 'whole', '--data', 'nothing'], /"nothing".*does not exist/],
    [['encode', 'whole', '--split', 'validation'], /'validation' is invalid.*train, test/],
    [['encode', 'empty'], /checkpoint.safetensors does not exist/],
  ] as const)('%j is refused', async (args, message) => {
    expect(await refused(args)).toMatch(message);
  });
});
