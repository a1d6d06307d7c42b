/** How a search chooses, against closed forms. */
import { describe, expect, test } from 'vitest';
import { importanceOf } from '../lib/search/report/importance.ts';
import { SAMPLERS, type SamplerName } from '../lib/search/samplers.ts';
import { GaussianProcess } from '../lib/search/sampling/gaussian-process.ts';
import { logExpectedImprovement } from '../lib/search/sampling/improvement.ts';
import type { Observation } from '../lib/search/sampling/sampler.ts';
import { sobolPoint } from '../lib/search/sampling/sobol.ts';
import type { Values } from '../lib/search/space/parameter.ts';
import { completeSpace } from '../lib/search/space/space.ts';

/** The best of so many trials, and all of them. */
function minimize(
  name: SamplerName,
  space: object,
  lossOf: (values: Values) => number,
  { trials = 40, seed = 0 } = {},
): { best: number; history: Observation[] } {
  const sampler = SAMPLERS[name](completeSpace(space as never), { seed, gridPoints: 5 });
  const history: Observation[] = [];
  for (let number = 0; number < trials; number++) {
    const values = sampler.propose(number, history);
    history.push({ values, state: 'complete', losses: [lossOf(values)] });
  }
  return { best: Math.min(...history.map(({ losses }) => losses[0]!)), history };
}

const number = (values: Values, name: string) => values[name] as number;

describe('the Sobol sequence', () => {
  test('is that of Joe and Kuo', () => {
    // By scipy.stats.qmc.Sobol(5, scramble=False).random(8).
    const known = [
      [0, 0, 0, 0, 0],
      [0.5, 0.5, 0.5, 0.5, 0.5],
      [0.75, 0.25, 0.25, 0.25, 0.75],
      [0.25, 0.75, 0.75, 0.75, 0.25],
      [0.375, 0.375, 0.625, 0.875, 0.375],
      [0.875, 0.875, 0.125, 0.375, 0.875],
      [0.625, 0.125, 0.875, 0.625, 0.625],
      [0.125, 0.625, 0.375, 0.125, 0.125],
    ];
    expect(known.map((_, i) => sobolPoint(i, 5))).toEqual(known);
  });

  test('scrambled, has a point in each of 64 stretches of every coordinate, also of many', () => {
    for (const seed of [0, 1, 2 ** 40]) {
      const points = Array.from({ length: 64 }, (_, i) => sobolPoint(i, 40, seed));
      for (let k = 0; k < 40; k++)
        expect(new Set(points.map((point) => Math.floor(64 * point[k]!))).size, `seed ${seed}, ${k}`).toBe(
          64,
        );
    }
    expect(sobolPoint(3, 2, 1)).not.toEqual(sobolPoint(3, 2, 2));
  });

  test('scrambled, is uniform over the seeds', () => {
    const counts = new Float64Array(16);
    for (let seed = 0; seed < 1600; seed++) counts[Math.floor(16 * sobolPoint(5, 3, seed)[2]!)]! += 1;
    // Chi-squared of 15 degrees of freedom is above 37.7 once in a thousand.
    expect(counts.reduce((sum, count) => sum + (count - 100) ** 2 / 100, 0)).toBeLessThan(37.7);
  });

  test('integrates better than independent draws', () => {
    const product = (point: readonly number[]) => point.reduce((value, x) => value * 2 * x, 1);
    const errors = Array.from({ length: 20 }, (_, seed) => {
      const sum = Array.from({ length: 256 }, (_, i) => product(sobolPoint(i, 3, seed))).reduce(
        (a, b) => a + b,
        0,
      );
      return Math.abs(sum / 256 - 1);
    });
    // The standard error of 256 independent draws is 0.073.
    expect(errors.reduce((a, b) => a + b, 0) / 20).toBeLessThan(0.02);
  });
});

describe('the grid', () => {
  const space = {
    'optimizer.type': ['adam', 'sgd'],
    'optimizer.momentum': { choices: [0, 0.5, 0.9], when: { 'optimizer.type': 'sgd' } },
    beta: { low: 1, high: 100, log: true },
  };

  test('has every combination once, and conditional parameters only where they are active', () => {
    const sampler = SAMPLERS.grid(completeSpace(space), { seed: 0, gridPoints: 3 });
    expect(sampler.size).toBe(3 + 3 * 3);
    const all = Array.from({ length: sampler.size }, (_, i) => sampler.propose(i, []));
    expect(new Set(all.map((values) => JSON.stringify(values))).size).toBe(12);
    expect(all.filter((values) => values['optimizer.type'] === 'adam')).toEqual(
      [1, 10, 100].map((beta) => ({ 'optimizer.type': 'adam', beta: expect.closeTo(beta, 9) })),
    );
  });

  test('takes all values of a short range', () => {
    const sampler = SAMPLERS.grid(completeSpace({ latentSize: '2..4:int' }), { seed: 0, gridPoints: 5 });
    expect([0, 1, 2].map((i) => sampler.propose(i, []).latentSize)).toEqual([2, 3, 4]);
    expect(sampler.size).toBe(3);
    const log = SAMPLERS.grid(completeSpace({ latentSize: '1..4:int:log' }), { seed: 0, gridPoints: 5 });
    expect([0, 1, 2, 3].map((i) => log.propose(i, []).latentSize)).toEqual([1, 2, 3, 4]);
  });
});

describe('the Gaussian process', () => {
  test('passes through what it was told, and knows less far from it', () => {
    const xs = [0, 0.2, 0.4, 0.6, 0.8, 1];
    const f = (x: number) => Math.sin(6 * x);
    const process = GaussianProcess.fit(
      xs.map((x) => Float64Array.of(x)),
      Float64Array.from(xs, f),
      ['ordered'],
    );
    for (const x of xs) expect(process.predict(Float64Array.of(x)).mean).toBeCloseTo(f(x), 1);
    expect(process.predict(Float64Array.of(0.5)).mean).toBeCloseTo(f(0.5), 1);
    const [at, between, beyond] = [0.4, 0.5, 1.6].map((x) => process.predict(Float64Array.of(x)).deviation);
    expect(at!).toBeLessThan(between!);
    expect(between!).toBeLessThan(beyond!);
  });

  test('finds which coordinate matters, ordered or not', () => {
    const points = Array.from({ length: 40 }, (_, i) => {
      const [x, y, z] = sobolPoint(i, 3, 1) as [number, number, number];
      return Float64Array.of(x, y, Math.floor(3 * z));
    });
    const targets = Float64Array.from(points, ([x, , z]) => Math.sin(5 * x!) + [0, 1, -1][z!]!);
    const process = GaussianProcess.fit(points, targets, ['ordered', 'ordered', 'unordered']);
    const at = (...point: number[]) => process.predict(Float64Array.from(point)).mean;
    expect(Math.abs(at(0.5, 0.1, 0) - at(0.5, 0.9, 0))).toBeLessThan(0.1);
    expect(at(0.3, 0.5, 1) - at(0.3, 0.5, 2)).toBeGreaterThan(1.7);
    expect(at(0.3, 0.5, 0)).toBeCloseTo(Math.sin(1.5), 1);
  });

  test('its expected improvement is the integral', () => {
    for (const [best, mean, deviation] of [
      [0, 0, 1],
      [0.3, 1, 0.7],
      [0, 6, 1],
      [1, -2, 0.5],
    ] as const) {
      let sum = 0;
      const step = 1e-4 * deviation;
      for (let y = mean - 12 * deviation; y < best; y += step) {
        const density = Math.exp(-0.5 * ((y - mean) / deviation) ** 2) / (deviation * Math.sqrt(2 * Math.PI));
        sum += step * Math.max(0, best - y) * density;
      }
      expect(logExpectedImprovement(best, { mean, deviation })).toBeCloseTo(Math.log(sum), 3);
    }
    const far = [19.9, 20.1, 30].map((mean) => logExpectedImprovement(0, { mean, deviation: 1 }));
    expect(far[0]!).toBeGreaterThan(far[1]!);
    expect(far[0]! - far[1]!).toBeCloseTo((20.1 ** 2 - 19.9 ** 2) / 2 + 2 * Math.log(20.1 / 19.9), 1);
    expect(far[2]!).toBeGreaterThan(Number.NEGATIVE_INFINITY);
  });
});

describe('the Bayesian sampler', () => {
  /** Branin's function (Dixon and Szego 1978), whose minimum is 0.397887. */
  const branin = (values: Values) => {
    const [x, y] = [number(values, 'beta'), number(values, 'clip.norm')];
    const bend = y - (5.1 / (4 * Math.PI ** 2)) * x * x + (5 / Math.PI) * x - 6;
    return bend * bend + 10 * (1 - 1 / (8 * Math.PI)) * Math.cos(x) + 10;
  };
  const plane = { beta: '-5..10', 'clip.norm': '0..15' };

  test('finds the minimum of Branin', () => {
    const bests = [0, 1, 2].map((seed) => minimize('bayesian', plane, branin, { seed }).best);
    for (const best of bests) expect(best - 0.397887).toBeLessThan(0.05);
    expect(minimize('random', plane, branin).best - 0.397887).toBeGreaterThan(0.05);
  });

  test('finds the best branch of a conditional space of mixed kinds', () => {
    const space = {
      'optimizer.type': 'adam,sgd,rmsprop',
      learningRate: '1e-5..1:log',
      'optimizer.momentum': '0..0.99@optimizer.type=sgd|rmsprop',
      latentSize: '2..128:int:log',
    };
    const loss = (values: Values) => {
      const rate = Math.log10(number(values, 'learningRate'));
      const size = 0.3 * (Math.log2(number(values, 'latentSize')) - 5) ** 2;
      if (values['optimizer.type'] === 'adam') return 0.3 + (rate + 3) ** 2 + size;
      const momentum = number(values, 'optimizer.momentum');
      const branch = values['optimizer.type'] === 'sgd' ? 0 : 0.5;
      return branch + (rate + 1.2 + 1.2 * momentum) ** 2 + 2 * (momentum - 0.8) ** 2 + size;
    };
    for (const seed of [0, 1]) {
      const { best, history } = minimize('bayesian', space, loss, { seed });
      expect(best).toBeLessThan(0.1);
      for (const { values } of history)
        expect('optimizer.momentum' in values).toBe(values['optimizer.type'] !== 'adam');
    }
  });

  test('gives the same values for the same seed and history, and others for another seed', () => {
    const [one, same, other] = [3, 3, 4].map(
      (seed) => minimize('bayesian', plane, branin, { seed, trials: 8 }).history,
    );
    expect(same).toEqual(one);
    expect(other).not.toEqual(one);
  });

  test('does not repeat a trial, nor what others are at', () => {
    const space = { latentSize: '1..6:int', 'encoder.activation': 'relu,elu' };
    for (const name of ['bayesian', 'random'] as const) {
      const { history } = minimize(name, space, ({ latentSize }) => latentSize as number, { trials: 12 });
      expect(new Set(history.map(({ values }) => JSON.stringify(values))).size, name).toBe(12);
      expect(SAMPLERS[name](completeSpace(space), { seed: 0, gridPoints: 5 }).size).toBe(12);
    }
    const parameters = completeSpace(plane);
    const sampler = SAMPLERS.bayesian(parameters, { seed: 0, gridPoints: 5 });
    const told = minimize('bayesian', plane, branin, { trials: 12 }).history;
    const first = sampler.propose(12, told);
    const second = sampler.propose(13, [...told, { values: first, state: 'running', losses: [] }]);
    const apart = Math.hypot(
      (number(first, 'beta') - number(second, 'beta')) / 15,
      (number(first, 'clip.norm') - number(second, 'clip.norm')) / 15,
    );
    expect(apart).toBeGreaterThan(0.02);
  });

  test('keeps away from where trials were pruned or diverged', () => {
    const sampler = SAMPLERS.bayesian(completeSpace({ beta: '0..1' }), { seed: 0, gridPoints: 5 });
    const history = Array.from({ length: 12 }, (_, i): Observation => {
      const beta = (i + 0.5) / 12;
      // Nothing but the trials below a half ended; one of them as badly as can be.
      if (beta > 0.5)
        return { values: { beta }, state: 'pruned', losses: [], reported: { epochs: 1, loss: 9 } };
      return { values: { beta }, state: 'complete', losses: [i === 0 ? 1e12 : Math.abs(beta - 0.3)] };
    });
    const proposed = [12, 13, 14].map((i) => number(sampler.propose(i, history), 'beta'));
    for (const beta of proposed) expect(Math.abs(beta - 0.3)).toBeLessThan(0.15);
  });

  test('covers a front of two objectives', () => {
    // Best between 0 and 1, where one loss can only fall where the other rises.
    const parameters = completeSpace({ beta: '-4..4', 'clip.norm': '-4..4' });
    const sampler = SAMPLERS.bayesian(parameters, { seed: 1, gridPoints: 5 });
    const history: Observation[] = [];
    for (let trial = 0; trial < 40; trial++) {
      const values = sampler.propose(trial, history);
      const [x, y] = [number(values, 'beta'), number(values, 'clip.norm')];
      history.push({ values, state: 'complete', losses: [x * x + y * y, (x - 1) ** 2 + y * y] });
    }
    const onFront = history
      .slice(8)
      .map(({ values }) => [number(values, 'beta'), number(values, 'clip.norm')] as const)
      .filter(([x, y]) => x > -0.2 && x < 1.2 && Math.abs(y) < 0.3);
    // Of points anywhere, one in 76 would lie here.
    expect(onFront.length).toBeGreaterThan(10);
    expect(onFront.some(([x]) => x < 0.3)).toBe(true);
    expect(onFront.some(([x]) => x > 0.7)).toBe(true);
  });
});

test('importance is the share of the variance', () => {
  const parameters = completeSpace({ beta: '0..1', 'clip.norm': '0..1', 'encoder.activation': 'relu,elu' });
  const trials = Array.from({ length: 60 }, (_, i): Observation => {
    const [x, y] = sobolPoint(i, 2, 3) as [number, number];
    const values = { beta: x, 'clip.norm': y, 'encoder.activation': i % 2 === 0 ? 'relu' : 'elu' };
    return { values, state: 'complete', losses: [2 * x + y] };
  });
  const shares = importanceOf(parameters, trials);
  // Of 2 x + y the variances are 4 and 1 parts, but the worse half counts by its order alone.
  expect(shares.map(({ name }) => name)).toEqual(['beta', 'clip.norm', 'encoder.activation']);
  expect(shares[0]!.share).toBeCloseTo(0.8, 1);
  expect(shares[1]!.share).toBeCloseTo(0.2, 1);
  expect(shares[2]!.share).toBeLessThan(0.05);
  expect(importanceOf(parameters, trials.slice(0, 5))).toEqual([]);
});
