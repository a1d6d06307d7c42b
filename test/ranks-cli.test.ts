/** Runs of `torchvae train` by several processes: who writes, what goes on from a checkpoint, and what ends them. */
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type Tensor, VAE } from '../lib/index.ts';
import { type Outcome, torchvae } from './support/command.ts';
import { interruptsBesideOneThatStops, torchvaeRanks } from './support/ranks.ts';

const folder = mkdtempSync(join(tmpdir(), 'torchvae-ranks-'));
const flags = ['train', '--device', 'cpu', '--data', 'sprites', '--count', '500', '--batch-size', '48'];
const trainArgs = (name: string, epochs: number, ...more: string[]) => [
  ...flags,
  ...['--out', join(folder, name), '--epochs', String(epochs), ...more],
];

const trained = (name: string) => VAE.load(join(folder, name, 'checkpoint.safetensors'), { device: 'cpu' });

function largestError(a: Map<string, Tensor>, b: Map<string, Tensor>): number {
  let most = 0;
  for (const [name, { data }] of a) {
    const other = b.get(name)!.data;
    data.forEach((value, i) => {
      most = Math.max(most, Math.abs(value - other[i]!));
    });
  }
  return most;
}

const codes = (outcomes: readonly Outcome[]) => outcomes.map(({ code }) => code);

describe('a run by two processes', () => {
  test('is written and told by the first alone, and goes on by three, and by one', async () => {
    const two = await torchvaeRanks(2, () => trainArgs('several', 1));
    expect(codes(two)).toEqual([0, 0]);
    expect(two[0]!.stderr).toMatch(/cpu in 2 processes.*\nepoch 1 /);
    expect(two[1]).toMatchObject({ stdout: '', stderr: '' });
    const three = await torchvaeRanks(3, () => trainArgs('several', 2, '--resume'));
    expect(codes(three)).toEqual([0, 0, 0]);
    expect(await torchvae(trainArgs('several', 3, '--resume'))).toMatchObject({ code: 0 });
    expect(await torchvae(trainArgs('whole', 3))).toMatchObject({ code: 0 });
    const [several, whole] = [await trained('several'), await trained('whole')];
    expect({ epoch: several.epoch, step: several.step }).toEqual({ epoch: 3, step: whole.step });
    expect(largestError(await several.parameters(), await whole.parameters())).toBeLessThan(2e-5);
    const losses = (name: string) =>
      readFileSync(join(folder, name, 'metrics.jsonl'), 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).train.loss as number);
    losses('several').forEach((loss, i) => {
      expect(loss / losses('whole')[i]! - 1).toBeCloseTo(0, 5);
    });
  });

  test('is interrupted as one, and goes on alone from that step', async () => {
    let isInterrupted = false;
    const outcomes = await torchvaeRanks(
      2,
      () => trainArgs('interrupted', 4000),
      () => ({
        onStderr: (child, stderr) => {
          if (isInterrupted || !stderr.includes('epoch 2 ')) return;
          isInterrupted = true;
          child.kill('SIGINT');
        },
      }),
    );
    expect(codes(outcomes)).toEqual([130, 130]);
    for (const { stderr } of outcomes) expect(stderr).toContain('Interrupted after step');
    const { step, epoch } = await trained('interrupted');
    expect(step).toBeGreaterThanOrEqual(2 * 11);
    expect(await torchvae(trainArgs('interrupted', epoch + 1, '--resume'))).toMatchObject({ code: 0 });
    expect(await torchvae(trainArgs('uninterrupted', epoch + 1))).toMatchObject({ code: 0 });
    const [parted, whole] = [await trained('interrupted'), await trained('uninterrupted')];
    expect(parted.step).toBe(whole.step);
    expect(largestError(await parted.parameters(), await whole.parameters())).toBeLessThan(1e-4);
  });

  test('ends within seconds when a process is killed, and goes on when all are started anew', async () => {
    const children: ChildProcess[] = [];
    let killedAt = 0;
    const outcomes = await torchvaeRanks(
      3,
      () => trainArgs('killed', 4000),
      (rank) => ({
        onStart: (child) => {
          children[rank] = child;
        },
        onStderr: (_, stderr) => {
          if (killedAt > 0 || !stderr.includes('epoch 2 ')) return;
          killedAt = performance.now();
          children[1]!.kill('SIGKILL');
        },
      }),
    );
    expect(performance.now() - killedAt).toBeLessThan(15_000);
    expect(outcomes[1]).toMatchObject({ signal: 'SIGKILL' });
    for (const rank of [0, 2]) {
      expect(outcomes[rank]).toMatchObject({ code: 1 });
      expect(outcomes[rank]!.stderr).toMatch(
        new RegExp(
          `Rank ${rank} of 3 lost rank 1: (.* by peer|the others have lost it).*\\[ERR_DISTRIBUTED\\]`,
        ),
      );
    }
    const { epoch } = await trained('killed');
    // As torchrun starts them: the same command once more.
    const anew = await torchvaeRanks(
      2,
      () => trainArgs('killed', epoch + 1),
      () => ({ env: { TORCHELASTIC_RESTART_COUNT: '1' } }),
    );
    expect(codes(anew)).toEqual([0, 0]);
    expect((await trained('killed')).epoch).toBe(epoch + 1);
  });

  test('leaves the others when it is interrupted and they do not answer', async () => {
    const outcomes = await torchvaeRanks(2, () => trainArgs('stopped', 4000), interruptsBesideOneThatStops());
    expect(outcomes[0]).toMatchObject({ code: 1 });
    expect(outcomes[0]!.stderr).toContain('Rank 0 of 2 was aborted, and the other ranks did not answer');
  });

  test('ends in one line of words when the first process is killed, where they met', async () => {
    const outcomes = await torchvaeRanks(
      2,
      () => trainArgs('headless', 4000),
      () => ({
        onStderr: (child, stderr) => {
          if (stderr.includes('epoch 2 ')) child.kill('SIGKILL');
        },
      }),
    );
    expect(outcomes[0]).toMatchObject({ signal: 'SIGKILL' });
    expect(outcomes[1]).toMatchObject({ code: 1 });
    expect(outcomes[1]!.stderr).toMatch(
      /^error: Rank 1 of 2 lost rank 0, where they met: .*\[ERR_DISTRIBUTED\]\n$/,
    );
  });
});
