/** What lies between codes and along their dimensions, and codes in a plane. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Dataset, sprites, type Tensor, VAE } from '../lib/index.ts';
import { interpolate, latentChart, projectCodes, traverse } from '../lib/report/index.ts';
import { refusal } from './refusal.ts';
import { relativeError } from './support/fixture.ts';

let vae: VAE;
const data = sprites({ count: 12, seed: 4 });

beforeAll(async () => {
  vae = await VAE.create({ spec: { encoder: { hidden: [32] }, latentSize: 4 }, device: 'cpu', seed: 1 });
});
afterAll(() => vae.dispose());

/** The images of a row. */
const rowOf = ({ data: values, shape }: Tensor, row: number) => {
  const size = values.length / shape[0]!;
  return values.subarray(row * size, (row + 1) * size);
};

describe('interpolate', () => {
  test('goes from the reconstruction of an example to that of another, evenly', async () => {
    const [from, to] = [data.subset([0, 1]), data.subset([5, 6])];
    const images = await interpolate(vae, from, to, { steps: 5 });
    expect(images.shape).toEqual([2, 5, 1, 28, 28]);
    const [a, b] = [(await vae.encode(from)).mean.data, (await vae.encode(to)).mean.data];
    for (const pair of [0, 1]) {
      for (const step of [0, 1, 2, 3, 4]) {
        const t = step / 4;
        const code = Float32Array.from({ length: 4 }, (_, i) => {
          return (1 - t) * a[4 * pair + i]! + t * b[4 * pair + i]!;
        });
        const wanted = (await vae.decode(code)).data;
        const came = rowOf(images, pair).subarray(step * 784, (step + 1) * 784);
        expect(relativeError(came, wanted)).toBeLessThan(1e-6);
      }
    }
  });

  test('on a great circle, codes of one length keep it, and the ends are the same', async () => {
    // Encoder and decoder hand on what they are given.
    using plain = await identityModel();
    const ends = [Float32Array.of(3, 0), Float32Array.of(0, 3)] as const;
    const { data: points } = await interpolate(plain, ...ends, { steps: 7, path: 'spherical' });
    for (let step = 0; step < 7; step++) {
      const angle = (Math.PI / 2) * (step / 6);
      expect(points[2 * step]).toBeCloseTo(3 * Math.cos(angle), 5);
      expect(points[2 * step + 1]).toBeCloseTo(3 * Math.sin(angle), 5);
    }
    // Opposite directions have no circle of their own.
    const straight = await interpolate(plain, ends[0], Float32Array.of(-3, 0), {
      steps: 3,
      path: 'spherical',
    });
    expect([...straight.data]).toEqual([3, 0, 0, 0, -3, 0]);
  });

  test('with labels, all that lies between has that of the start', async () => {
    using labeled = await VAE.create({
      spec: { inputShape: [2], encoder: { hidden: [4] }, latentSize: 2, condition: { classes: 3 } },
      device: 'cpu',
    });
    const [from, to] = [0, 2].map((label) => Dataset.from([[0.2, 0.9]], { labels: [label] }));
    const images = await interpolate(labeled, from!, to!, { steps: 2 });
    const wanted = await labeled.decode((await labeled.encode(from!)).mean, { labels: [0] });
    expect([...images.data.subarray(0, 2)]).toEqual([...wanted.data]);
    const end = await labeled.decode((await labeled.encode(to!)).mean, { labels: [0] });
    expect(relativeError(images.data.subarray(2), end.data)).toBeLessThan(1e-6);
    const [bare, labels] = [Dataset.from([[0.2, 0.9]]), [1]];
    const same = await interpolate(labeled, bare, bare, { steps: 2, labels });
    expect([...same.data.subarray(0, 2)]).toEqual([...(await labeled.reconstruct(bare, { labels })).data]);
  });

  test('codes may be of any size', async () => {
    const spec = { inputShape: [1], encoder: { hidden: [1] }, latentSize: 300_000 };
    using wide = await VAE.create({ spec, device: 'cpu' });
    const ends = [Float32Array.of(0), Float32Array.of(1)] as const;
    const { data: came } = await interpolate(wide, ...ends, { steps: 2, path: 'spherical' });
    expect(came[1]).toBeCloseTo((await wide.reconstruct(ends[1])).data[0]!, 5);
  });

  test.each([
    [{ steps: 1 }, 'ERR_RANGE', /steps/],
    [{ path: 'curved' }, 'ERR_RANGE', /one of linear, spherical/],
    [{ step: 3 }, 'ERR_RANGE', /Unknown option step/],
  ] as const)('%j is refused', async (options, code, message) => {
    const given = options as never;
    expect(await refusal(code, () => interpolate(vae, data.take(1), data.take(1), given))).toMatch(message);
  });

  test('another number of ends than of starts is refused', async () => {
    expect(await refusal('ERR_SHAPE', () => interpolate(vae, data.take(2), data.take(3)))).toMatch(
      /in from, 2/,
    );
  });
});

describe('traverse', () => {
  test('replaces one value of the code at a time', async () => {
    const x = data.subset([3]);
    const images = await traverse(vae, x, { dimensions: [2, 0], steps: 3, from: -1, to: 2 });
    expect(images.shape).toEqual([2, 3, 1, 28, 28]);
    const code = (await vae.encode(x)).mean.data;
    for (const [row, dimension] of [2, 0].entries()) {
      for (const [step, value] of [-1, 0.5, 2].entries()) {
        const changed = Float32Array.from(code, (old, i) => (i === dimension ? value : old));
        const came = rowOf(images, row).subarray(step * 784, (step + 1) * 784);
        expect(relativeError(came, (await vae.decode(changed)).data)).toBeLessThan(1e-6);
      }
    }
    expect((await traverse(vae, x)).shape).toEqual([4, 11, 1, 28, 28]);
  });

  test.each([
    [{ dimensions: [4] }, 'ERR_RANGE', /dimensions\[0\]/],
    [{ dimensions: [] }, 'ERR_TYPE', /an array of dimensions/],
    [{ from: 2, to: 1 }, 'ERR_RANGE', /a number from 2 to 1000000 for to/],
    [{ steps: 0 }, 'ERR_RANGE', /steps/],
  ] as const)('%j is refused', async (options, code, message) => {
    expect(await refusal(code, () => traverse(vae, data.take(1), options))).toMatch(message);
  });

  test('several examples, and codes of categories, are refused', async () => {
    expect(await refusal('ERR_SHAPE', () => traverse(vae, data.take(2)))).toMatch(/one example.*received 2/);
    using categories = await VAE.create({
      spec: { encoder: { hidden: [8] }, posterior: 'gumbel-softmax', latentSize: 3 },
      device: 'cpu',
    });
    expect(await refusal('ERR_STATE', () => traverse(categories, data.take(1)))).toMatch(/categories/);
  });
});

describe('codes in a plane', () => {
  test('two dimensions are shown as they are, one along a line', () => {
    const values = Float32Array.of(1, 2, 3, 4);
    expect([...projectCodes({ data: values, shape: [2, 2] }).points]).toEqual([1, 2, 3, 4]);
    expect([...projectCodes({ data: values, shape: [4, 1] }).points]).toEqual([1, 0, 2, 0, 3, 0, 4, 0]);
  });

  test('more are shown along the axes of the ellipsoid that they fill', () => {
    // Three orthogonal directions with deviations 5, 2 and 1/2, and points at their ends.
    const axes = [
      [2 / 3, 2 / 3, 1 / 3],
      [-2 / 3, 1 / 3, 2 / 3],
      [1 / 3, -2 / 3, 2 / 3],
    ];
    const sizes = [5, 2, 0.5];
    const center = [10, -20, 30];
    const ends = axes.flatMap((axis, k) =>
      [1, -1].map((sign) => axis.map((a, i) => center[i]! + sign * sizes[k]! * a)),
    );
    const { points, axes: names } = projectCodes({ data: Float32Array.from(ends.flat()), shape: [6, 3] });
    // The largest part of a direction points up.
    const wanted = [5, 0, -5, 0, 0, -2, 0, 2, 0, 0, 0, 0];
    for (const [i, value] of points.entries()) expect(Math.abs(value)).toBeCloseTo(Math.abs(wanted[i]!), 4);
    expect(points[0]).toBeCloseTo(5, 4);
    const total = 25 + 4 + 0.25;
    expect(names).toEqual([
      `first principal component (${((100 * 25) / total).toFixed(0)}% of the variance)`,
      `second principal component (${((100 * 4) / total).toFixed(0)}% of the variance)`,
    ]);
  });

  test('codes that do not say their shape are refused', async () => {
    const codes = { data: new Float32Array(4), shape: 4 };
    expect(await refusal('ERR_SHAPE', () => projectCodes(codes as never))).toMatch(/\[n, size of z\]/);
  });

  test('codes that are all the same are a point', () => {
    const { points } = projectCodes({ data: new Float32Array(12).fill(7), shape: [4, 3] });
    expect([...points]).toEqual(new Array(8).fill(0));
  });

  test('anything but a table of codes is refused', async () => {
    const values = new Float32Array(6);
    expect(await refusal('ERR_SHAPE', () => projectCodes({ data: values, shape: [4, 2] }))).toMatch(
      /size of z/,
    );
    expect(await refusal('ERR_SHAPE', () => projectCodes({ data: values, shape: [6] }))).toMatch(/size of z/);
    expect(await refusal('ERR_TYPE', () => projectCodes({ data: [1] as never, shape: [1, 1] }))).toMatch(
      /Float32/,
    );
  });

  test('a chart of anything but an example is refused', async () => {
    expect(await refusal('ERR_SHAPE', () => latentChart(vae, new Float32Array(5)))).toMatch(/784 values/);
    const two = new Float32Array(2 * 784);
    for (const label of ['a', 1n, Symbol('a')]) {
      const labels = [0, label] as never;
      expect(await refusal('ERR_TYPE', () => latentChart(vae, two, { labels }))).toMatch(/labels\[[01]\]/);
      // Which nothing but the colors of a chart would show.
      expect((await interpolate(vae, two, two, { labels, steps: 2 })).shape).toEqual([2, 2, 1, 28, 28]);
    }
  });

  test('a chart has a point for each example and a color for each class', async () => {
    const chart = await latentChart(vae, data);
    expect(chart.match(/<circle /g)).toHaveLength(12);
    const named = await latentChart(vae, data, {
      labels: Array.from(data.labels!, (label) => `class ${label}`),
    });
    for (const label of data.labels!) expect(named).toContain(`>class ${label}</text>`);
    const classes = new Set(data.labels);
    expect(new Set(chart.match(/(?<=<circle [^>]*fill=")[^"]+/g)).size).toBe(classes.size);
    for (const label of classes) expect(chart).toContain(`>${data.classes![label]}</text>`);
    expect(await latentChart(vae, Dataset.from(new Float32Array(784), { shape: [784] }))).toMatch(/<circle /);
  });
});

/** A model of two values that are their own code. */
async function identityModel(): Promise<VAE> {
  const { identity, setWeights } = await import('./support/probe.ts');
  const network = { type: 'mlp', hidden: [] } as const;
  const plain = await VAE.create({
    spec: { inputShape: [2], encoder: network, decoder: network, latentSize: 2, likelihood: 'gaussian' },
    device: 'cpu',
  });
  await setWeights(plain, { 'posterior.mean.weight': identity(2), 'decoder.0.weight': identity(2) });
  return plain;
}
