/** Priors and posteriors as distributions: densities integrate to one, draws follow them, divergences are the known ones. */
import { describe, expect, test } from 'vitest';
import { type ModelSpecInput, VAE } from '../lib/index.ts';
import { relativeError } from './support/fixture.ts';
import { identity, priorAlone, setWeights } from './support/probe.ts';

/** Values without a pattern, between -1 and 1. */
const wave = (size: number, scale = 1, from = 1) =>
  Float32Array.from({ length: size }, (_, i) => scale * Math.sin(12.9898 * (i + from) + 4.1 * from));
const mean = (values: ArrayLike<number>) => Array.from(values).reduce((sum, v) => sum + v, 0) / values.length;
const deviation = (values: ArrayLike<number>) => {
  const middle = mean(values);
  return Math.sqrt(mean(Array.from(values, (v) => (v - middle) ** 2)));
};
const sum = (values: ArrayLike<number>) => mean(values) * values.length;
/** `rows` copies of x. */
/** Rows that differ in their last bits alone: equal rows would have equal noise. */
const repeated = (x: ArrayLike<number>, rows: number) =>
  Float32Array.from(
    { length: rows * x.length },
    (_, i) => x[i % x.length]! * (1 + Math.floor(i / x.length) * 2 ** -23),
  );

/** A prior over two dimensions with weights that make it far from normal. */
const PRIORS: Record<string, () => Promise<{ vae: VAE; labels?: number }>> = {
  'standard-normal': async () => ({ vae: await priorAlone('standard-normal', 2) }),
  'a normal of each label': async () => {
    const vae = await priorAlone('standard-normal', 2, { condition: { classes: 3, prior: true } });
    const means = { 'prior.mean.weight': wave(6), 'prior.logVariance.weight': wave(6, 0.6, 5) };
    await vae.setParameters(new Map(Object.entries(means)));
    return { vae, labels: 2 };
  },
  mixture: async () => {
    const vae = await priorAlone({ type: 'mixture', components: 3 }, 2);
    const shapes = {
      'prior.mean': wave(6, 2),
      'prior.logVariance': wave(6, 1, 3),
      'prior.logits': wave(3, 1, 7),
    };
    await vae.setParameters(new Map(Object.entries(shapes)));
    return { vae };
  },
  vamp: async () => {
    const vae = await priorAlone({ type: 'vamp', components: 3 }, 2, { posterior: 'gaussian' });
    await setWeights(vae, {
      'posterior.mean.weight': identity(2),
      'posterior.logVariance.weight': wave(4, 0.5),
      'decoder.0.weight': identity(2),
      'prior.inputs': wave(6, 2, 2),
    });
    return { vae };
  },
  realnvp: async () => {
    const vae = await priorAlone({ type: 'realnvp', layers: 3, hidden: [5] }, 2);
    const couplings = [...(await vae.parameters())].filter(([name]) => name.startsWith('prior.'));
    await vae.setParameters(new Map(couplings.map(([name, { data }]) => [name, wave(data.length, 0.4)])));
    return { vae };
  },
};

/** log p(z) from the divergence of a posterior whose density at z is known. */
async function logDensity(vae: VAE, z: Float32Array, label?: number): Promise<Float32Array> {
  const labels = label === undefined ? {} : { labels: new Int32Array(z.length / 2).fill(label) };
  const isUniform = vae.spec.posterior.type === 'uniform-noise';
  const { kl } = await vae.lossesPerExample(z, {
    noise: new Float32Array(z.length).fill(isUniform ? 0.5 : 0),
    ...labels,
  });
  if (isUniform) return kl.map((value) => -value);
  // A normal at its own mean.
  const { logVariance } = await vae.encode(z, labels);
  return kl.map((value, i) => {
    const both = logVariance.data[2 * i]! + logVariance.data[2 * i + 1]!;
    return -0.5 * both - Math.log(2 * Math.PI) - value;
  });
}

describe.each(Object.entries(PRIORS))('the prior: %s', (_, create) => {
  test('its density integrates to one, and its draws have the moments of it', {
    timeout: 60_000,
  }, async () => {
    const { vae, labels: label } = await create();
    const [reach, step] = [14, 0.1];
    const side = (2 * reach) / step;
    const z = new Float32Array(2 * side * side);
    for (let i = 0; i < side * side; i++) {
      z.set([-reach + step * (Math.floor(i / side) + 0.5), -reach + step * ((i % side) + 0.5)], 2 * i);
    }
    const density = (await logDensity(vae, z, label)).map((value) => Math.exp(value) * step * step);
    expect(sum(density)).toBeCloseTo(1, 4);

    const count = 20_000;
    const labels = label === undefined ? {} : { labels: new Int32Array(count).fill(label) };
    const { data } = await vae.sample(count, { seed: 5, ...labels });
    const moments: ((a: number, b: number) => number)[] = [
      (a) => a,
      (_a, b) => b,
      (a) => a * a,
      (_a, b) => b * b,
      (a, b) => a * b,
      (a, b) => Math.tanh(a) * Math.sin(b),
    ];
    moments.forEach((of, i) => {
      const drawn = Array.from({ length: count }, (_, j) => of(data[2 * j]!, data[2 * j + 1]!));
      const wanted = sum(density.map((p, j) => p * of(z[2 * j]!, z[2 * j + 1]!)));
      const error = Math.abs(mean(drawn) - wanted);
      expect(error, `moment ${i}`).toBeLessThan((4.5 * deviation(drawn)) / Math.sqrt(count));
    });
    vae.dispose();
  });
});

const LINEAR = { type: 'mlp', hidden: [] } as const;

/** A posterior whose features are x itself; a linear decoder. */
async function posteriorAlone(
  posterior: NonNullable<ModelSpecInput['posterior']>,
  inputs: number,
  latentSize: number,
  weights: Record<string, Float32Array>,
  more: ModelSpecInput = {},
): Promise<VAE> {
  const spec: ModelSpecInput = {
    inputShape: [inputs],
    encoder: LINEAR,
    decoder: LINEAR,
    latentSize,
    posterior,
    likelihood: 'gaussian',
    ...more,
  };
  const vae = await VAE.create({ spec, precision: 'float64', kernels: 'reference', device: 'cpu', seed: 2 });
  await setWeights(vae, weights);
  return vae;
}

/** One step of the flow, whose context is the last two values of x, the base's mean the first three. */
function flowWeights(hidden: number): Record<string, Float32Array> {
  return {
    'posterior.mean.weight': identity(3, 5),
    'posterior.context.weight': Float32Array.from([0, 0, 0, 1, 0, 0, 0, 0, 0, 1]),
    'posterior.flow.0.0.weight': wave(3 * hidden),
    'posterior.flow.0.0.bias': wave(hidden),
    'posterior.flow.0.context.weight': wave(2 * hidden, 1, 4),
    'posterior.flow.0.1.weight': wave(6 * hidden, 0.7, 2),
    'posterior.flow.0.1.bias': wave(6, 1, 3),
  };
}

describe('the inverse autoregressive flow', () => {
  const posterior = { type: 'iaf', steps: 1, hidden: 8, context: 2 } as const;

  test('its Jacobian is triangular, its diagonal the density, and each dimension sees the context', async () => {
    using vae = await posteriorAlone(posterior, 5, 3, flowWeights(8));
    const x = Float32Array.of(0.4, -0.7, 0.2, 0.3, -0.5);
    const z = async (at: Float32Array) => (await vae.encode(at)).mean.data;
    const step = 2 ** -7;
    const jacobian: number[][] = [];
    for (let j = 0; j < 5; j++) {
      const [high, low] = await Promise.all([step, -step].map((by) => z(x.with(j, x[j]! + by))));
      jacobian.push([...high!].map((value, i) => (value - low![i]!) / (2 * step)));
    }
    for (const [j, column] of jacobian.entries()) {
      for (const [i, slope] of column.entries()) {
        if (j < 3 && i < j) expect(slope, `d z${i} / d u${j}`).toBe(0);
        else expect(Math.abs(slope), `d z${i} / d x${j}`).toBeGreaterThan(1e-3);
      }
    }
    // At noise 0 and base variance 1: log q = log N(0; 0, I) - log |det|.
    const { kl } = await vae.lossesPerExample(x, { noise: new Float32Array(3) });
    const logP = (await z(x)).reduce((total, value) => total - 0.5 * value * value, 0);
    const logDeterminant = Math.log(jacobian[0]![0]! * jacobian[1]![1]! * jacobian[2]![2]!);
    expect(kl[0]).toBeCloseTo(-logDeterminant - logP, 3);
  });
});

describe('importance weights average to one, E_q[p(z) / q(z|x)] = 1', () => {
  const wide = { 'posterior.logVariance.bias': Float32Array.of(1.2, 1.1, 1.3) };
  test.each([
    ['gaussian', 'gaussian', { 'posterior.mean.weight': wave(15, 0.5), ...wide }],
    ['iaf', { type: 'iaf', steps: 1, hidden: 8, context: 2 }, { ...flowWeights(8), ...wide }],
    [
      'sampling-network',
      { type: 'sampling-network', codeSize: 2, hidden: [4] },
      {
        'posterior.code.weight': wave(10),
        'posterior.network.0.weight': wave(8),
        'posterior.network.1.weight': wave(24, 0.3),
        'posterior.network.1.bias': Float32Array.of(0.1, 0.2, -0.3, 0.5, 0.5, 0.6),
      },
    ],
  ] as const)('%s', async (_, posterior, weights) => {
    const prior = { type: 'mixture', components: 2 } as const; // for which the divergence is one of draws
    using vae = await posteriorAlone(posterior as never, 5, 3, weights as never, { prior });
    await vae.setParameters(new Map([['prior.mean', wave(6, 0.5)]]));
    const rows = 40_000;
    const { data, shape } = await vae.divergences(repeated([0.4, -0.7, 0.2, 0.3, -0.5], rows), { seed: 4 });
    expect(shape).toEqual([rows, 1]);
    const each = data.map((value) => Math.exp(-value));
    const error = deviation(each) / Math.sqrt(rows);
    expect(error).toBeLessThan(0.05);
    expect(Math.abs(mean(each) - 1)).toBeLessThan(4.5 * error);
  });

  test('uniform-noise: to the probability of the box that z is drawn from', async () => {
    using vae = await priorAlone('standard-normal', 2);
    const x = [0.3, -1.1];
    const rows = 20_000;
    const { data } = await vae.divergences(repeated(x, rows), { seed: 4 });
    const weights = data.map((value) => Math.exp(-value));
    const normal = (t: number) => Math.exp(-0.5 * t * t) / Math.sqrt(2 * Math.PI);
    const box = x.map((center) =>
      mean(Array.from({ length: 1000 }, (_, i) => normal(center - 0.5 + (i + 0.5) / 1000))),
    );
    const error = deviation(weights) / Math.sqrt(rows);
    expect(Math.abs(mean(weights) - box[0]! * box[1]!)).toBeLessThan(4.5 * error);
  });
});

describe('divergences in closed form', () => {
  const x = wave(20);
  const heads = { 'posterior.mean.weight': wave(15, 0.8), 'posterior.logVariance.weight': wave(15, 0.9, 3) };

  test.each(['gaussian', 'bernoulli-mixed'] as const)(
    '%s from N(0, I), each dimension',
    async (posterior) => {
      using gaussian = await posteriorAlone('gaussian', 5, 3, heads);
      using vae = await posteriorAlone(posterior, 5, 3, heads);
      const { mean: m, logVariance: v } = await gaussian.encode(x);
      const wanted = m.data.map((mu, i) => 0.5 * (mu * mu + Math.exp(v.data[i]!) - 1 - v.data[i]!));
      const { data, shape } = await vae.divergences(x);
      expect(shape).toEqual([4, 3]);
      expect(relativeError(data, wanted)).toBeLessThan(1e-6);
    },
  );

  test('categories from the uniform distribution: log K less the entropy, each variable', async () => {
    const posterior = { type: 'gumbel-softmax', categories: 4 } as const;
    using vae = await posteriorAlone(posterior, 5, 2, { 'posterior.logits.weight': wave(40) });
    const { mean: p } = await vae.encode(x);
    const wanted = Array.from({ length: 8 }, (_, i) => {
      const own = p.data.subarray(4 * i, 4 * i + 4);
      return Math.log(4) + own.reduce((total, q) => total + q * Math.log(q), 0);
    });
    const { data, shape } = await vae.divergences(x);
    expect(shape).toEqual([4, 2]);
    expect(relativeError(data, wanted)).toBeLessThan(1e-6);
  });

  test('a codebook: log(codes) for each vector, and a point: nothing', async () => {
    const book = { type: 'vector-quantized', positions: 3, codes: 6 } as const;
    using quantized = await posteriorAlone(book, 5, 2, {});
    expect([...(await quantized.divergences(x)).data]).toEqual(Array(12).fill(Math.fround(Math.log(6))));
    using point = await posteriorAlone('deterministic', 5, 2, {});
    expect([...(await point.divergences(x)).data]).toEqual([0, 0, 0, 0]);
  });

  test('the mean of sampled divergences is the one between two normals', async () => {
    const prior = { type: 'mixture', components: 1 } as const;
    using vae = await posteriorAlone('gaussian', 5, 3, heads, { prior });
    const [m, v] = [wave(3), wave(3, 0.5, 2)];
    await vae.setParameters(
      new Map([
        ['prior.mean', m],
        ['prior.logVariance', v],
      ]),
    );
    const one = x.slice(0, 5);
    const q = await vae.encode(one);
    const wanted = sum(
      m.map((mu, i) => {
        const ratio = Math.exp(q.logVariance.data[i]! - v[i]!);
        return 0.5 * (ratio + (q.mean.data[i]! - mu) ** 2 / Math.exp(v[i]!) - 1 - Math.log(ratio));
      }),
    );
    const { data } = await vae.divergences(repeated(one, 40_000), { seed: 9 });
    expect(Math.abs(mean(data) - wanted)).toBeLessThan((4.5 * deviation(data)) / Math.sqrt(data.length));
  });
});

describe('-log p(x) of a linear Gaussian model, x = W z + b + 0.5 noise', () => {
  // Columns at right angles make the exact posterior a diagonal normal.
  const w = [
    [0.8, 0.5],
    [0.8, -0.5],
    [0, 0],
  ];
  const b = [0.1, -0.2, 0.3];
  const variance = 0.25;
  const rows = 300;
  const x = wave(3 * rows, 1.5);
  /** log N(x; b, W W^T + variance I), along the columns of W and across them. */
  const exact = Float32Array.from({ length: rows }, (_, i) => {
    const difference = b.map((value, j) => x[3 * i + j]! - value);
    const axes = [Math.SQRT1_2, Math.SQRT1_2, 0, Math.SQRT1_2, -Math.SQRT1_2, 0, 0, 0, 1];
    const spread = [2 * 0.8 ** 2 + variance, 2 * 0.5 ** 2 + variance, variance];
    return -spread.reduce((total, v, k) => {
      const along = difference.reduce((dot, value, j) => dot + value * axes[3 * k + j]!, 0);
      return total - 0.5 * (along ** 2 / v + Math.log(2 * Math.PI * v));
    }, 0);
  });
  const precision = [0, 1].map((k) => 1 + w.reduce((square, row) => square + row[k]! ** 2, 0) / variance);
  /** Of q, whose mean and log-variance are wrong by `shift`. */
  const weights = (shift: number) => {
    const toMean = [0, 1].map((k) => w.map((row) => row[k]! / variance / precision[k]!));
    return {
      'decoder.0.weight': Float32Array.from(w.flat()),
      'decoder.0.bias': Float32Array.from(b),
      'posterior.mean.weight': Float32Array.from(toMean.flat()),
      'posterior.mean.bias': Float32Array.from(
        toMean.map((row) => shift - row.reduce((dot, value, j) => dot + value * b[j]!, 0)),
      ),
      'posterior.logVariance.bias': Float32Array.from(precision, (value) => shift - Math.log(value)),
    };
  };
  const likelihood = { type: 'gaussian', sigma: Math.sqrt(variance) } as const;

  test('with the exact posterior one draw is enough', async () => {
    using vae = await posteriorAlone('gaussian', 3, 2, weights(0), { likelihood });
    for (const samples of [1, 7]) {
      expect(relativeError(await vae.negativeLogLikelihood(x, { samples }), exact)).toBeLessThan(1e-6);
    }
    // And the bound on it is the thing itself, on average.
    const { reconstruction, kl } = await vae.lossesPerExample(x, { seed: 1 });
    const excess = reconstruction.map((value, i) => value + kl[i]! - exact[i]!);
    expect(Math.abs(mean(excess))).toBeLessThan((4.5 * deviation(excess)) / Math.sqrt(rows));
  });

  test.each([
    ['gaussian', 'gaussian'],
    ['iaf', { type: 'iaf', steps: 3, hidden: 4, context: 2 }],
  ] as const)('with another posterior, %s, many draws come to it', async (_, posterior) => {
    const flow = Object.fromEntries(
      [0, 1, 2].map((step) => [`posterior.flow.${step}.1.bias`, Float32Array.of(0.4, -0.3, 2, 1.5)]),
    );
    const hidden = Object.fromEntries(
      [0, 1, 2].map((step) => [`posterior.flow.${step}.1.weight`, wave(16, 0.2)]),
    );
    const own = posterior === 'gaussian' ? {} : { ...flow, ...hidden };
    using vae = await posteriorAlone(posterior, 3, 2, { ...weights(0.5), ...own }, { likelihood });
    const few = x.slice(0, 30);
    const wanted = exact.subarray(0, 30);
    const single = await vae.negativeLogLikelihood(few, { samples: 1 });
    expect(deviation(single.map((value, i) => value - wanted[i]!))).toBeGreaterThan(0.2);
    const many = await vae.negativeLogLikelihood(few, { samples: 10_000, seed: 3 });
    many.forEach((value, i) => {
      expect(Math.abs(value - wanted[i]!)).toBeLessThan(0.06);
    });
    expect(Math.abs(mean(many) - mean(wanted))).toBeLessThan(0.01);
  });
});
