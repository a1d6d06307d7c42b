/** Several processes that train one model, beside one process that trains it alone. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as torchvae from '../../lib/index.ts';
import { VAE } from '../../lib/index.ts';
import type { Outcome } from './command.ts';
import { type RankCase, train } from './rank-cases.mjs';
import { trainInRanks } from './ranks.ts';

/** How far the numbers of several processes may be from those of one, relative to their size. */
const TOLERANCE = { float32: 1e-5, float64: 1e-12 };

/** Milliseconds that all models of one set of processes may take, on a busy machine too. */
const LONGEST = 170_000;

/** The numbers of a result, in their order. */
function numbersOf(value: unknown): number[] {
  if (typeof value === 'number') return [value];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(numbersOf) : [];
}

/** The texts of a result, in their order. */
function textsOf(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsOf) : [];
}

/** The largest error among numbers, relative to their size. */
function errorOf(found: unknown, wanted: unknown): number {
  const [a, b] = [numbersOf(found), numbersOf(wanted)];
  expect(a.length).toBe(b.length);
  return Math.max(0, ...a.map((x, i) => Math.abs(x - b[i]!) / Math.max(Math.abs(b[i]!), 1e-3)));
}

type Tensors = Awaited<ReturnType<VAE['parameters']>>;

/** The Euclidean norm of the difference of all weights, relative to theirs. Adam makes whole steps of gradients that are next to 0. */
function distanceOf(theirs: Tensors, wanted: Tensors): number {
  let [difference, size] = [0, 0];
  for (const [name, { data }] of wanted) {
    const other = theirs.get(name)!.data;
    data.forEach((value, i) => {
      difference += (value - other[i]!) ** 2;
      size += value ** 2;
    });
  }
  return Math.sqrt(difference / size);
}

interface How {
  /** rank.mjs, perhaps of a copy of the package. */
  program?: string;
  env?: Record<string, string>;
  /** By what they exchange. */
  exchange?: string;
}

/** Tests that `size` processes come to what one does. */
export function testRanks(size: number, cases: readonly RankCase[], how: How = {}): void {
  const { program, env = {}, exchange = 'Gloo' } = how;
  describe(`${size} processes`, () => {
    const folder = mkdtempSync(join(tmpdir(), 'torchvae-ranks-'));
    let outcomes: Outcome[];
    beforeAll(async () => {
      outcomes = await trainInRanks(size, cases, folder, program, () => ({ env, timeout: LONGEST }));
    }, LONGEST);
    afterAll(() => rmSync(folder, { recursive: true }));

    test('end well, each with the same results', () => {
      for (const { code, stderr } of outcomes) expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      for (const { stdout } of outcomes) expect(stdout).toBe(outcomes[0]!.stdout);
    });

    test('exchange as they say', () => {
      const results = Object.values<{ error: string; exchange: string }>(JSON.parse(outcomes[0]!.stdout));
      for (const { exchange: said, error } of results) if (!error) expect(said).toBe(exchange);
    });

    test.each(cases)('$name', async (each) => {
      const tolerance = TOLERANCE[each.create.precision === 'float64' ? 'float64' : 'float32'];
      const alone = await train(torchvae, each, 'off');
      const { epochs, error } = JSON.parse(outcomes[0]!.stdout)[each.name] as Omit<typeof alone, 'vae'>;
      expect(error).toBe(alone.error);
      expect(epochs).toHaveLength(alone.epochs.length);
      expect(errorOf(epochs, alone.epochs)).toBeLessThan(tolerance);
      expect(textsOf(epochs)).toEqual(textsOf(alone.epochs));
      const { vae } = alone;
      const together = await VAE.load(join(folder, `${each.name}.safetensors`), { device: 'cpu' });
      expect({ epoch: together.epoch, step: together.step }).toEqual({ epoch: vae.epoch, step: vae.step });
      expect(distanceOf(await together.parameters(), await vae.parameters())).toBeLessThan(tolerance);
      if (!('averageWeights' in each.fit)) return;
      const averages = [await together.averagedParameters(), await vae.averagedParameters()] as const;
      expect(distanceOf(...averages)).toBeLessThan(tolerance);
    });
  });
}
