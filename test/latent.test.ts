/** What is said of the use of z, and mixtures fitted to codes, against computations of their own. */
import { describe, expect, test } from 'vitest';
import { Random } from '../lib/data/index.ts';
import { LatentMixture } from '../lib/evaluation/index.ts';
import { Dataset, sprites, VAE } from '../lib/index.ts';
import { Device } from '../lib/runtime/device.ts';
import { refusal } from './refusal.ts';
import { identity, setWeights } from './support/probe.ts';

describe('latent health', () => {
  const data = sprites({ count: 300, seed: 5 });
  const create = () =>
    VAE.create({ spec: { encoder: { hidden: [16] }, latentSize: 3 }, device: 'cpu', seed: 2 });

  test('variances, divergences and mutual information are those of the posteriors', async () => {
    using vae = await create();
    for await (const _ of vae.fit(data, { epochs: 5, batchSize: 16 }));
    const health = await vae.latentHealth(data);
    const { mean, logVariance } = await vae.encode(data);
    const n = data.length;
    const column = (values: Float32Array, j: number) =>
      Array.from({ length: n }, (_, i) => values[i * 3 + j]!);
    const average = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / n;
    for (let j = 0; j < 3; j++) {
      const means = column(mean.data, j);
      const center = average(means);
      expect(health.meanVariance[j]).toBeCloseTo(average(means.map((m) => (m - center) ** 2)), 4);
      const kl = column(logVariance.data, j).map((v, i) => (Math.exp(v) + means[i]! ** 2 - 1 - v) / 2);
      expect(health.klPerDimension[j]).toBeCloseTo(average(kl), 4);
    }
    // I(x; z) = H(z) - H(z|x), each by many draws from the 300 posteriors.
    const random = new Random(9);
    let information = 0;
    const draws = 6;
    for (let draw = 0; draw < n * draws; draw++) {
      const i = draw % n;
      const z = [0, 1, 2].map(
        (j) => mean.data[i * 3 + j]! + Math.exp(logVariance.data[i * 3 + j]! / 2) * random.normal(),
      );
      const logs = Array.from({ length: n }, (_, m) =>
        z.reduce((sum, value, j) => {
          const v = logVariance.data[m * 3 + j]!;
          return sum - (v + (value - mean.data[m * 3 + j]!) ** 2 / Math.exp(v)) / 2;
        }, 0),
      );
      information += logs[i]! - Math.log(logs.reduce((sum, value) => sum + Math.exp(value), 0) / n);
    }
    expect(health.mutualInformation).toBeCloseTo(information / (n * draws), 0);
    expect(Math.abs(health.mutualInformation! - information / (n * draws))).toBeLessThan(0.15);
    expect(health).toMatchObject({ activeUnits: 3, examples: 300 });
    expect(health.alarm).toBeUndefined();
  });

  test('a dimension is active from a variance of its means of 0.01 on', async () => {
    const variances = [0.0102, 0.0098, 1, 0];
    const network = { type: 'mlp', hidden: [] } as const;
    const shape = { inputShape: [4], encoder: network, decoder: network, latentSize: 4 };
    using vae = await VAE.create({ spec: { ...shape, likelihood: 'gaussian' }, device: 'cpu' });
    await setWeights(vae, { 'posterior.mean.weight': identity(4) });
    // The means are x, half of it a root of its variance above zero and half of it below.
    const rows = Array.from({ length: 500 }, (_, i) => variances.map((v) => (i % 2 ? 1 : -1) * Math.sqrt(v)));
    const { activeUnits, meanVariance, alarm } = await vae.latentHealth(Dataset.from(rows));
    for (const [j, variance] of variances.entries()) expect(meanVariance[j]).toBeCloseTo(variance, 4);
    expect(activeUnits).toBe(2);
    expect(alarm).toBeUndefined();
  });

  test('a model that ignores x has collapsed, and is told what to try', async () => {
    using vae = await create();
    const zeros = [...(await vae.parameters())]
      .filter(([name]) => name.startsWith('posterior') || name.startsWith('encoder'))
      .map(([name, { data: values }]) => [name, values.fill(0)] as const);
    await vae.setParameters(new Map(zeros));
    const { activeUnits, mutualInformation, klPerDimension, alarm } = await vae.latentHealth(data);
    expect(activeUnits).toBe(0);
    expect(mutualInformation).toBeCloseTo(0, 5);
    expect([...klPerDimension]).toEqual([0, 0, 0]);
    expect(alarm).toMatchObject({ degree: 'collapsed', message: expect.stringMatching(/free bits/) });
  });

  test('it comes with every epoch where it is asked for', async () => {
    using vae = await create();
    const found = [];
    for await (const { latentHealth } of vae.fit(data, { epochs: 1, latentHealth: true }))
      found.push(latentHealth);
    expect(found).toEqual([expect.objectContaining({ examples: 300 })]);
  });
});

/** Three normals in the plane, with their shares. */
const TRUE = [
  { share: 0.5, center: [0, 0], factor: [0.5, 0, 0.3, 0.4] },
  { share: 0.3, center: [5, 1], factor: [0.2, 0, 0, 0.9] },
  { share: 0.2, center: [-3, 4], factor: [0.6, 0, -0.5, 0.3] },
];

function drawPoints(count: number): Float32Array {
  const random = new Random(11);
  const points = new Float32Array(2 * count);
  for (let i = 0; i < count; i++) {
    const share = random.uniform();
    const { center, factor } = TRUE[share < 0.5 ? 0 : share < 0.8 ? 1 : 2]!;
    const [a, b] = [random.normal(), random.normal()];
    points.set([center[0]! + factor[0]! * a, center[1]! + factor[2]! * a + factor[3]! * b], 2 * i);
  }
  return points;
}

describe('mixtures', () => {
  const device = Device.open('cpu');
  const fit = async (points: Float32Array, components: number) =>
    new LatentMixture(await device.addon.fitMixture(device.handle, points, 2, components, 200, 4));

  test('the normals that points were drawn from are found again', async () => {
    const points = drawPoints(6000);
    const fitted = await fit(points, 3);
    for (const { share, center, factor } of TRUE) {
      const k = [0, 1, 2].find(
        (i) => Math.hypot(fitted.means[2 * i]! - center[0]!, fitted.means[2 * i + 1]! - center[1]!) < 0.1,
      );
      expect(k).toBeDefined();
      expect(Math.abs(fitted.weights[k!]! - share)).toBeLessThan(0.03);
      factor.forEach((value, j) => {
        // A factor's sign is free, but for its diagonal.
        expect(Math.abs(fitted.factors[4 * k! + j]! - value)).toBeLessThan(0.06);
      });
    }
    // -log-likelihood against the entropy of the truth by its own draws.
    const logDensity = (x: number, y: number) =>
      Math.log(
        TRUE.reduce((sum, { share, center, factor: [a, , c, d] }) => {
          const u = (x - center[0]!) / a!;
          const v = (y - center[1]! - c! * u) / d!;
          return sum + (share * Math.exp(-(u * u + v * v) / 2)) / (2 * Math.PI * a! * d!);
        }, 0),
      );
    let truth = 0;
    for (let i = 0; i < 6000; i++) truth += logDensity(points[2 * i]!, points[2 * i + 1]!) / 6000;
    // At least as likely as the truth, and by little: 17 parameters for 6,000 points.
    expect(fitted.logLikelihood - truth).toBeGreaterThan(0);
    expect(fitted.logLikelihood - truth).toBeLessThan(0.01);
  });

  test('draws have the moments of the points, and are the same for the same seed', async () => {
    const points = drawPoints(6000);
    const fitted = await fit(points, 3);
    const { data, shape } = fitted.sample(6000, { seed: 8 });
    expect(shape).toEqual([6000, 2]);
    expect(fitted.sample(6000, { seed: 8 }).data).toEqual(data);
    expect(fitted.sample(6000, { seed: 9 }).data).not.toEqual(data);
    // The scale of the distance is the points' variance, about 13.
    expect(await device.addon.frechetDistance(device.handle, points, data, 2, 0)).toBeLessThan(0.02);
  });

  test('points that are all the same are survived', async () => {
    const fitted = await fit(new Float32Array(40).fill(2), 3);
    expect([...fitted.sample(1).data].every((value) => Math.abs(value - 2) < 1e-3)).toBe(true);
  });

  test('a VAE fits one to its codes, and refuses more components than examples', async () => {
    const data = sprites({ count: 60, seed: 5 });
    using vae = await VAE.create({ spec: { encoder: { hidden: [16] }, latentSize: 3 }, device: 'cpu' });
    const fitted = await vae.fitMixture(data, { components: 4 });
    expect(fitted).toMatchObject({ dimensions: 3 });
    expect((await vae.decode(fitted.sample(5))).shape).toEqual([5, 1, 28, 28]);
    expect(await refusal('ERR_SHAPE', () => vae.fitMixture(data, { components: 61 }))).toMatch(
      /61.*received 60/,
    );
  });
});

test('the Frechet distance of normals is its closed form', async () => {
  const device = Device.open('cpu');
  const random = new Random(3);
  // Coordinates that are independent: the distance is a sum over them of (m - m')^2 + (s - s')^2.
  const points = (center: number[], deviation: number[], count: number) =>
    Float32Array.from({ length: 3 * count }, (_, i) => center[i % 3]! + deviation[i % 3]! * random.normal());
  const a = points([0, 1, 2], [1, 2, 0.5], 40_000);
  const b = points([0.5, 1, 1], [1.5, 1, 0.5], 40_000);
  const distance = await device.addon.frechetDistance(device.handle, a, b, 3, 0);
  expect(distance).toBeGreaterThan(2.5 - 0.08);
  expect(distance).toBeLessThan(2.5 + 0.08);
  expect(await device.addon.frechetDistance(device.handle, a, a, 3, 0)).toBeLessThan(1e-9);
  // The first principal component of `a` is its second coordinate.
  const first = await device.addon.frechetDistance(device.handle, a, b, 3, 1);
  expect(Math.abs(first - 1)).toBeLessThan(0.06);
});
