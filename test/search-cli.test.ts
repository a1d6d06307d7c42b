/** torchvae search as a user calls it: workers, kills, what it prints and refuses. */
import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Study } from '../lib/search/study/study.ts';
import { type CommandOptions, torchvae } from './support/command.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'torchvae-search-cli-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

const DATA = ['--data', 'sprites', '--count', '200', '--batch-size', '32', '--device', 'cpu'];
const SMALL = ['--set', 'encoder.hidden=[16]', '--set', 'decoder.hidden=[16]'];
const SPACE = ['--set', 'beta=0.5..8:log', '--set', 'latentSize=2..8:int'];

const search = (args: readonly string[], options: CommandOptions = {}) =>
  torchvae(['search', ...args], { cwd: folder, ...options });
const begin = (out: string, ...args: string[]) =>
  search([...DATA, ...SMALL, ...SPACE, '--out', out, ...args]);

/** Kills a search when its study's file has grown by so much. */
async function killed(args: readonly string[], bytes: number): Promise<void> {
  const path = join(folder, 'killed/study.log');
  const size = () => statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  const before = size();
  let timer: NodeJS.Timeout | undefined;
  const { signal } = await search(args, {
    onStderr: (child: ChildProcess) => {
      timer ??= setInterval(() => {
        if (size() >= before + bytes) child.kill('SIGKILL');
      }, 1);
    },
  });
  clearInterval(timer);
  expect(signal).toBe('SIGKILL');
}

describe('torchvae search', () => {
  test('says of a trial that failed what to do, by flags of the command', async () => {
    const rates = ['--set', 'learningRate=900,1000', '--sampler', 'grid', '--trials', '1'];
    const { stdout } = await search([...DATA, ...SMALL, ...rates, '--epochs', '1', '--out', 'failed']);
    expect(stdout).toMatch(/^trial 0 {2}failed .*became NaN or infinite.*\(--set clip\.norm=1\)/);
  });

  test('prints each trial, the best, and the command that trains it to the same weights', async () => {
    const { code, stdout, stderr } = await begin('one', '--epochs', '3', '--trials', '5', '--seed', '4');
    expect(code, stderr).toBe(0);
    const lines = stdout.split('\n');
    expect(lines.slice(0, 5)).toEqual(
      [0, 1, 2, 3, 4].map((i) =>
        expect.stringMatching(
          new RegExp(`^trial ${i}  complete  elbo -\\d+\\.\\d\\d  beta=.*  latentSize=\\d  \\(3 epochs\\)$`),
        ),
      ),
    );
    const best = /^ {2}trial (\d) {2}elbo /.exec(lines[6]!)![1]!;
    expect(lines[7]).toBe(`Train trial ${best} with:`);
    const command = lines.slice(8).join(' ').replaceAll('\\', '').replaceAll("'", '').trim().split(/\s+/);
    expect(command.slice(0, 3)).toEqual(['npx', 'torchvae', 'train']);
    const trained = await torchvae(command.slice(2), { cwd: folder });
    expect(trained.code, trained.stderr).toBe(0);
    for (const file of ['best.safetensors', 'checkpoint.safetensors']) {
      const bytes = (run: string) => readFileSync(join(folder, run, file));
      expect(bytes(`runs/trial-${best}`).equals(bytes(`one/trials/000${best}`)), file).toBe(true);
    }
    const page = readFileSync(join(folder, 'one/report.html'), 'utf8');
    expect(page).toContain('Search of mlp-400 on sprites');
    expect(page).toContain(`--out runs/trial-${best}`);
  });

  test('leaves trials that other commands take', async () => {
    const run = 'one/trials/0000';
    for (const args of [
      ['inspect', run],
      ['report', run],
      ['sample', run, '--out', 'drawn.png'],
      ['report', 'one'],
    ]) {
      const { code, stderr } = await torchvae(args, { cwd: folder });
      expect(code, `${args}: ${stderr}`).toBe(0);
    }
  });

  test('reads its space from a file, and has conditions and fronts', async () => {
    const space = {
      'optimizer.type': ['adam', 'sgd'],
      'optimizer.momentum': { low: 0, high: 0.9, when: { 'optimizer.type': 'sgd' } },
    };
    writeFileSync(join(folder, 'space.json'), JSON.stringify(space));
    const given = ['--space', 'space.json', '--epochs', '1', '--sampler', 'grid', '--grid-points', '2'];
    const objectives = ['--objective', 'reconstruction', '--objective', 'kl'];
    const { code, stdout, stderr } = await search([
      ...DATA,
      ...SMALL,
      ...given,
      ...objectives,
      '--out',
      'grid',
    ]);
    expect(code, stderr).toBe(0);
    expect(stdout.match(/^trial/gm)).toHaveLength(3);
    expect(stdout).toMatch(
      /reconstruction \d+\.\d\d {2}kl \d+\.\d\d {2}optimizer\.type=sgd {2}optimizer\.momentum=0\.9/,
    );
  });

  test('shares the trials between workers', async () => {
    const { code, stdout, stderr } = await begin(
      'shared',
      '--epochs',
      '2',
      '--trials',
      '8',
      '--workers',
      '2',
    );
    expect(code, stderr).toBe(0);
    expect(stdout.match(/^trial \d+ {2}complete/gm)).toHaveLength(8);
    const study = await Study.load(join(folder, 'shared'));
    expect(study.trials).toHaveLength(8);
    expect(new Set(study.trials.map(({ userAttributes }) => userAttributes.worker)).size).toBe(2);
  });

  test('killed at any moment, goes on to the trials of a search that nobody killed', {
    timeout: 120_000,
  }, async () => {
    const length = ['--epochs', '20', '--trials', '4', '--sampler', 'random'];
    await begin('whole', ...length);
    // Wherever the file is longer by so many bytes, in a line or behind it.
    await killed([...DATA, ...SMALL, ...SPACE, '--out', 'killed', ...length], 2000);
    for (const bytes of [1, 400, 777, 1500])
      await killed(['--resume', 'killed', '--trials', '4', '--device', 'cpu'], bytes);
    const { code, stderr } = await search(['--resume', 'killed', '--trials', '4', '--device', 'cpu']);
    expect(code, stderr).toBe(0);
    const results = async (name: string) => {
      const study = await Study.load(join(folder, name));
      return study.trials.map(({ state, values, parameters, intermediate }) => ({
        state,
        values,
        parameters,
        intermediate,
      }));
    };
    expect(await results('killed')).toEqual(await results('whole'));
  });

  test('interrupted, says how to go on, and does', async () => {
    const checkpoint = join(folder, 'broken/trials/0000/checkpoint.safetensors');
    let timer: NodeJS.Timeout | undefined;
    const long = ['--epochs', '5000', '--trials', '2'];
    const interrupted = await search([...DATA, ...SMALL, ...SPACE, '--out', 'broken', ...long], {
      onStderr: (child) => {
        timer ??= setInterval(() => {
          if (!existsSync(checkpoint)) return;
          clearInterval(timer);
          child.kill('SIGINT');
        }, 5);
      },
    });
    expect(interrupted).toMatchObject({ code: 130 });
    expect(interrupted.stderr).toMatch(
      /error: Interrupted\. Go on with: torchvae search --resume broken \[ERR_ABORTED\]/,
    );
    const study = await Study.load(join(folder, 'broken'));
    expect(study.trials.map(({ state }) => state)).toEqual(['waiting']);
    const resumed = await search(['--resume', 'broken', '--device', 'cpu'], {
      onStderr: (child, said) => {
        if (said.includes('goes on')) child.kill('SIGTERM');
      },
    });
    expect(resumed.stderr).toContain('trial 0 goes on from its last checkpoint');
  });
});

describe('torchvae search refuses', () => {
  const refused = async (args: readonly string[]) => {
    const { code, stderr } = await search(args);
    expect(code, stderr).toBe(1);
    return stderr;
  };

  test('a wrong space, in the words of its flags', async () => {
    expect(await refused(DATA)).toMatch(
      /^error: Expected at least one parameter for --space but received none/,
    );
    expect(await refused([...DATA, '--set', 'beta=8..0.5'])).toMatch(
      /^error: Expected a range from low to high for --set beta but received 8\.\.0\.5; write 0\.5\.\.8 \[ERR_RANGE\]/,
    );
    expect(await refused([...DATA, '--set', 'betta=1..2'])).toMatch(
      /for --set but received betta; .*did you mean beta\?/,
    );
    expect(await refused([...DATA, '--set', 'beta=0..2:log'])).toMatch(
      /above 0 for --set beta, as log needs/,
    );
    expect(await refused([...DATA, '--set', 'beta=1..2@optimizer.type=sgd'])).toMatch(
      /received optimizer\.type/,
    );
    expect(await refused([...DATA, '--set', 'beta'])).toMatch(/KEY=VALUES for --set but received beta/);
    expect(await refused([...DATA, '--set', 'latentSize=0..4:int'])).toMatch(
      /latentSize has the value 0, which cannot be trained/,
    );
    writeFileSync(join(folder, 'bad.json'), '[1]');
    expect(await refused([...DATA, '--space', 'bad.json'])).toMatch(
      /object of settings .* bad\.json, the file of --space/,
    );
    writeFileSync(join(folder, 'bad.json'), '{');
    expect(await refused([...DATA, '--space', 'bad.json'])).toMatch(
      /Expected JSON in bad\.json.*ERR_DATA_FORMAT/,
    );
    expect(await refused([...DATA, '--space', 'none.json'])).toMatch(/Could not read none\.json.*ERR_IO/);
  });

  test('a study that is there, and flags that belong to it', async () => {
    await begin('there', '--epochs', '1', '--trials', '1');
    const { stderr } = await begin('there', '--epochs', '1', '--trials', '1');
    expect(stderr).toMatch(/^error: there holds a study; go on with it by --resume there/m);
    expect(await refused(['--resume', 'there', '--epochs', '3'])).toMatch(
      /^error: --epochs belongs to the study in there/,
    );
    expect(await refused(['--resume', 'there', '--set', 'beta=1..2'])).toMatch(
      /^error: --set belongs to the study/,
    );
    expect(await refused(['--resume', 'nowhere'])).toMatch(/^error: Expected a study in nowhere/);
  });

  test('unknown names of flags', async () => {
    const { stderr } = await search([...DATA, ...SPACE, '--objective', 'elbow']);
    expect(stderr).toMatch(/Allowed choices are elbo, loss,/);
    expect((await search([...DATA, ...SPACE, '--sampler', 'tpe'])).stderr).toMatch(/bayesian, random, grid/);
  });
});
