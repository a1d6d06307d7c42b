/** Every likelihood against torch.distributions: log-densities, derivatives, means, modes, draws; and what x it refuses. */
import { describe, expect, test } from 'vitest';
import type { ModelSpecInput, VAE } from '../lib/index.ts';
import { readFixture, relativeError } from './support/fixture.ts';
import { likelihoodAlone } from './support/probe.ts';

const fixture = readFixture('likelihoods');
const cases: Record<string, NonNullable<ModelSpecInput['likelihood']>> = JSON.parse(fixture.metadata.cases!);

describe.each(Object.entries(cases))('%s', (name, likelihood) => {
  const values = (key: string) => fixture.values(`${name}.${key}`);
  const own = fixture.group(name);
  const rows = values('negativeLogProb').length;
  const size = values('y').length / rows;

  async function create(precision: 'float32' | 'float64'): Promise<VAE> {
    const vae = await likelihoodAlone(likelihood, size, precision);
    if (own.has('logSigma')) await vae.setParameters(new Map([['likelihood.logSigma', values('logSigma')]]));
    return vae;
  }

  test.each([
    ['float32', 1e-5],
    ['float64', 5e-6],
  ] as const)('log-density and its derivatives, %s', async (precision, tolerance) => {
    using vae = await create(precision);
    const { reconstruction } = await vae.lossesPerExample(values('x'), { noise: values('y') });
    reconstruction.forEach((value, i) => {
      const wanted = values('negativeLogProb')[i]!;
      expect(Math.abs(value - wanted) / Math.max(1, Math.abs(wanted)), `row ${i}`).toBeLessThan(tolerance);
    });
    let logSigma: number[] = [];
    for (let i = 0; i < rows; i++) {
      const x = values('x').slice(2 * i, 2 * i + 2);
      const noise = values('y').slice(size * i, size * (i + 1));
      const { gradients } = await vae.gradients(x, { noise });
      const wanted = values('gradient').subarray(size * i, size * (i + 1));
      // Of one row, the decoder's bias has the derivative by y.
      gradients.get('decoder.0.bias')!.data.forEach((value, j) => {
        const error = Math.abs(value - wanted[j]!) / Math.max(1, Math.abs(wanted[j]!));
        expect(error, `row ${i}, y ${j}`).toBeLessThan(tolerance);
      });
      const slope = gradients.get('likelihood.logSigma')?.data ?? [];
      logSigma = [...slope].map((value, j) => value + (logSigma[j] ?? 0));
    }
    if (own.has('logSigma')) {
      expect(relativeError(logSigma, values('logSigmaGradient'))).toBeLessThan(tolerance);
    }
  });

  test.each([
    ['float32', 1e-5],
    ['float64', 5e-6],
  ] as const)('mean and mode, %s', async (precision, tolerance) => {
    using vae = await create(precision);
    const mean = await vae.decode(values('y'));
    expect(relativeError(mean.data, values('mean'))).toBeLessThan(tolerance);
    mean.data.forEach((value, i) => {
      if (own.has('meanOfLevels')) {
        expect(Math.abs(value - values('meanOfLevels')[i]!)).toBeLessThan(0.5 / 255);
      }
    });
    if (!own.has('mode')) return;
    const mode = await vae.decode(values('y'), { kind: 'mode' });
    expect(relativeError(mode.data, values('mode'))).toBeLessThan(tolerance);
  });

  test('draws have its moments and distribution', async () => {
    using vae = await create('float32');
    const count = 4000;
    const mean = own.get('meanOfLevels') ?? values('mean');
    for (let row = 0; row < rows; row += 3) {
      const y = values('y').subarray(size * row, size * (row + 1));
      const z = Float32Array.from({ length: count * size }, (_, i) => y[i % size]!);
      const { data } = await vae.decode(z, { kind: 'sample', seed: row });
      for (const column of [0, 1]) {
        const at = 2 * row + column;
        const x = Array.from({ length: count }, (_, i) => data[2 * i + column]!);
        const point = values('point')[at]!;
        const average = (of: (value: number) => number) => x.reduce((sum, v) => sum + of(v), 0) / count;
        const deviation = Math.sqrt(values('variance')[at]!);
        const square = average((value) => (value - mean[at]!) ** 2);
        const fourth = average((value) => (value - mean[at]!) ** 4);
        const within = (error: number, spread: number) =>
          expect(Math.abs(error), `${row}, ${column}`).toBeLessThan(4.5 * spread + 1e-6);
        within(average((value) => value) - mean[at]!, deviation / Math.sqrt(count));
        within(square - deviation ** 2, Math.sqrt(Math.max(0, fourth - square ** 2) / count));
        // Not on a level, where float32 decides.
        const below = values('below')[at]!;
        if (below < 1e-6 || below > 1 - 1e-6) continue;
        within(average((value) => (value < point ? 1 : 0)) - below, Math.sqrt((below * (1 - below)) / count));
      }
    }
  });

  test('x outside of its support is refused, and what is not finite has no losses', async () => {
    using vae = await create('float32');
    const y = values('y').slice(0, size);
    const isReal = ['gaussian', 'laplace', 'squared-error'].some((real) => name.startsWith(real));
    for (const value of isReal ? [] : [-1e-6, 1.001]) {
      await expect(vae.lossesPerExample(Float32Array.of(0.5, value), { noise: y })).rejects.toMatchObject({
        code: 'ERR_RANGE',
        message: `Expected values in [0, 1] for x but received ${Math.fround(value)} at index 1`,
      });
    }
    for (const value of [Number.NaN, Infinity, -Infinity]) {
      const losses = await vae.lossesPerExample(Float32Array.of(0.5, value), { noise: y });
      expect(losses.reconstruction).toEqual(Float32Array.of(Number.NaN));
    }
    if (isReal) await vae.lossesPerExample(Float32Array.of(-3, 40), { noise: y });
  });
});

test.each([
  ['categorical', 256],
  [{ type: 'logistic-mixture', components: 4 } as const, 12],
] as const)('the probabilities of 256 levels sum to one: %o', async (likelihood, parameters) => {
  const size = 2 * parameters;
  for (const [precision, tolerance] of [
    ['float32', 2e-5],
    ['float64', 5e-6],
  ] as const) {
    using vae = await likelihoodAlone(likelihood, size, precision);
    for (const spread of [0.3, 3]) {
      // The same parameters for each row; the second value stays at level 0, and its log-probability is taken off.
      const y = Float32Array.from({ length: size }, (_, i) => spread * Math.sin(7 * i + spread));
      const x = Float32Array.from({ length: 512 }, (_, i) => (i % 2 === 0 ? i / 510 : 0));
      const noise = Float32Array.from({ length: 256 * size }, (_, i) => y[i % size]!);
      const joint = (await vae.lossesPerExample(x, { noise })).reconstruction;
      const swapped = x.map((_, i) => (i % 2 === 0 ? 0 : Math.floor(i / 2) / 255));
      const other = (await vae.lossesPerExample(swapped, { noise })).reconstruction;
      // p(k, 0) summed over k is p(0) of the second value; both sums together give the product of the marginals.
      const sum = (all: Float32Array) => all.reduce((total, value) => total + Math.exp(-value), 0);
      expect((sum(joint) * sum(other)) / Math.exp(-joint[0]!)).toBeCloseTo(1, -Math.log10(tolerance));
    }
  }
});
