import { describe, expect, test } from 'vitest';
import { Random } from '../lib/data/random.ts';
import { sprites } from '../lib/data/sets/sprites.ts';
import { matmul, rowMajor, transposed } from '../scripts/bench/plain-matmul.ts';
import { PlainVae } from '../scripts/bench/plain-vae.ts';

function uniform(length: number, random: Random, low = -1, high = 1): Float32Array {
  return Float32Array.from({ length }, () => low + (high - low) * random.uniform());
}

/** Box-Muller. */
function normal(length: number, random: Random): Float32Array {
  return Float32Array.from(
    { length },
    () => Math.sqrt(-2 * Math.log(1 - random.uniform())) * Math.cos(2 * Math.PI * random.uniform()),
  );
}

describe('matmul', () => {
  test.each([
    [1, 1, 1],
    [3, 2, 5],
    [4, 3, 1],
    [7, 5, 3],
    [128, 33, 10],
    [50, 7, 4000],
  ])('is the sum of products for %i x %i over %i, also transposed', (rows, columns, inner) => {
    const random = new Random(rows);
    const a = uniform(rows * inner, random);
    const b = uniform(inner * columns, random);
    const wanted = Float32Array.from({ length: rows * columns }, (_, i) => {
      let sum = 0;
      for (let k = 0; k < inner; k++)
        sum += a[Math.floor(i / columns) * inner + k]! * b[k * columns + (i % columns)]!;
      return sum;
    });
    const aT = Float32Array.from(
      { length: a.length },
      (_, i) => a[(i % rows) * inner + Math.floor(i / rows)]!,
    );
    const bT = Float32Array.from(
      { length: b.length },
      (_, i) => b[(i % inner) * columns + Math.floor(i / inner)]!,
    );
    for (const left of [rowMajor(a, inner), transposed(aT, rows)]) {
      for (const right of [rowMajor(b, columns), transposed(bT, inner)]) {
        const c = new Float32Array(rows * columns);
        matmul(c, left, right, rows, columns, inner);
        expect(c).toEqual(wanted);
      }
    }
  });
});

describe('the losses', () => {
  /** The textbook, one example at a time in float64, from the parameters alone. */
  function textbook(
    vae: PlainVae,
    depth: number,
    x: Float32Array,
    noise: Float32Array,
    size: number,
    latent: number,
  ) {
    const dense = (name: string, input: number[], relu: boolean) => {
      const [weight, bias] = [vae.parameters.get(`${name}.weight`)!, vae.parameters.get(`${name}.bias`)!];
      return Array.from(bias, (b, j) => {
        const y = input.reduce((sum, value, i) => sum + value * weight[i * bias.length + j]!, b);
        return relu ? Math.max(0, y) : y;
      });
    };
    let [reconstruction, kl] = [0, 0];
    const batch = x.length / size;
    for (let n = 0; n < batch; n++) {
      const example = [...x.subarray(n * size, (n + 1) * size)];
      let h = example;
      for (let i = 0; i < depth; i++) h = dense(`encoder.${i}`, h, true);
      const q = dense('posterior', h, false);
      const [mu, logVariance] = [q.slice(0, latent), q.slice(latent)];
      h = mu.map((m, j) => m + Math.exp(logVariance[j]! / 2) * noise[n * latent + j]!);
      for (let i = 0; i <= depth; i++) h = dense(`decoder.${i}`, h, i < depth);
      example.forEach((value, i) => {
        const p = 1 / (1 + Math.exp(-h[i]!));
        reconstruction -= (value * Math.log(p) + (1 - value) * Math.log(1 - p)) / batch;
      });
      mu.forEach((m, j) => {
        kl -= (1 + logVariance[j]! - m * m - Math.exp(logVariance[j]!)) / 2 / batch;
      });
    }
    return { reconstruction, kl, loss: reconstruction + kl };
  }

  test.each([[[]], [[9]], [[11, 6]]])('are those of the textbook, hidden layers %j', (hidden) => {
    const random = new Random(2);
    const vae = new PlainVae({ inputSize: 13, hidden, latentSize: 3, seed: 1 });
    const [x, noise] = [uniform(5 * 13, random, 0, 1), normal(15, random)];
    const found = vae.gradients(x, 5, noise);
    const wanted = textbook(vae, hidden.length, x, noise, 13, 3);
    for (const name of ['loss', 'reconstruction', 'kl'] as const) {
      expect(Math.abs(found[name] / wanted[name] - 1), name).toBeLessThan(1e-6);
    }
  });

  test('stay finite for logits that would overflow', () => {
    const vae = new PlainVae({ inputSize: 2, hidden: [], latentSize: 1 });
    vae.parameters.get('decoder.0.bias')!.set([1e4, -1e4]);
    const { reconstruction } = vae.gradients(Float32Array.of(0, 1), 1, new Float32Array(1));
    expect(Math.abs(reconstruction / 2e4 - 1)).toBeLessThan(1e-3);
    expect([...vae.parameterGradients.get('decoder.0.bias')!]).toEqual([1, -1]);
  });
});

describe('the gradients', () => {
  test.each([[[]], [[10]], [[12, 7]]])('are the slopes of the loss, hidden layers %j', (hidden) => {
    const random = new Random(7);
    const vae = new PlainVae({ inputSize: 17, hidden, latentSize: 4, seed: 3 });
    const [batch, x] = [6, uniform(6 * 17, random, 0, 1)];
    const noise = normal(batch * 4, random);
    vae.gradients(x, batch, noise);
    const analytic = new Map([...vae.parameterGradients].map(([name, values]) => [name, values.slice()]));
    for (const [name, values] of vae.parameters) {
      const direction = normal(values.length, random);
      const kept = values.slice();
      const lossAt = (step: number) => {
        for (let i = 0; i < values.length; i++) values[i] = kept[i]! + step * direction[i]!;
        return vae.gradients(x, batch, noise).loss;
      };
      const slope = (lossAt(1e-3) - lossAt(-1e-3)) / 2e-3;
      values.set(kept);
      const wanted = analytic.get(name)!.reduce((sum, value, i) => sum + value * direction[i]!, 0);
      expect(Math.abs(slope - wanted), name).toBeLessThan(2e-3 * (1 + Math.abs(slope)));
    }
  });

  test('are the mean over the batch: doubling the batch changes nothing', () => {
    const random = new Random(1);
    const vae = new PlainVae({ inputSize: 8, hidden: [6], latentSize: 2 });
    const [x, noise] = [uniform(24, random, 0, 1), normal(6, random)];
    const once = vae.gradients(x, 3, noise);
    const gradient = vae.parameterGradients.get('encoder.0.weight')!.slice();
    const twice = vae.gradients(Float32Array.of(...x, ...x), 6, Float32Array.of(...noise, ...noise));
    expect(twice.loss).toBeCloseTo(once.loss, 6);
    vae.parameterGradients.get('encoder.0.weight')!.forEach((value, i) => {
      expect(value).toBeCloseTo(gradient[i]!, 6);
    });
  });
});

test('steps are those of Adam as it was published', () => {
  const random = new Random(9);
  const vae = new PlainVae({ inputSize: 6, hidden: [5], latentSize: 2, learningRate: 0.01 });
  const name = 'decoder.1.weight';
  const wanted = Float64Array.from(vae.parameters.get(name)!);
  const [m, v] = [new Float64Array(wanted.length), new Float64Array(wanted.length)];
  for (let t = 1; t <= 5; t++) {
    vae.step(uniform(24, random, 0, 1), 4, normal(8, random));
    const gradient = vae.parameterGradients.get(name)!;
    for (let i = 0; i < wanted.length; i++) {
      m[i] = 0.9 * m[i]! + 0.1 * gradient[i]!;
      v[i] = 0.999 * v[i]! + 0.001 * gradient[i]! ** 2;
      wanted[i]! -= (0.01 * (m[i]! / (1 - 0.9 ** t))) / (Math.sqrt(v[i]! / (1 - 0.999 ** t)) + 1e-8);
    }
  }
  vae.parameters.get(name)!.forEach((value, i) => {
    expect(value).toBeCloseTo(wanted[i]!, 6);
  });
});

test('it learns sprites: the loss falls below a third', () => {
  const data = sprites({ count: 512 });
  const random = new Random(4);
  const vae = new PlainVae({ inputSize: 784, hidden: [64], latentSize: 4 });
  const losses: number[] = [];
  for (let epoch = 0; epoch < 6; epoch++) {
    const order = random.permutation(512);
    for (let i = 0; i < 512; i += 32) {
      losses.push(vae.step(data.batch(order.subarray(i, i + 32)), 32, normal(32 * 4, random)).loss);
    }
  }
  expect(losses.at(-1)!).toBeLessThan(losses[0]! / 3);
});
