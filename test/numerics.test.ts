/** Losses, gradients and training against PyTorch, finite differences, and the plain TypeScript VAE. */
import { describe, expect, test } from 'vitest';
import { Dataset, type ModelSpecInput, type Precision, VAE } from '../lib/index.ts';
import { readFixture, relativeError } from './support/fixture.ts';

const CASES = ['bernoulli', 'gaussian', 'linear', 'elu', 'sigmoid', 'softplus', 'conv', 'conv-wide'];

async function modelOf(name: string, precision: Precision = 'float32') {
  const fixture = readFixture(`pytorch-${name}`);
  const spec: ModelSpecInput = JSON.parse(fixture.metadata.spec!);
  const vae = await VAE.create({ spec, seed: Number(fixture.metadata.seed), precision, device: 'cpu' });
  await vae.setParameters(fixture.group('parameter'));
  return { ...fixture, spec, vae };
}

describe.each(CASES)('against PyTorch: %s', (name) => {
  test.each(['float32', 'float64'] as const)('forward and every loss term, %s', async (precision) => {
    const { vae, values } = await modelOf(name, precision);
    const { mean, logVariance } = await vae.encode(values('x'));
    expect(relativeError(mean.data, values('mean'))).toBeLessThan(1e-5);
    expect(relativeError(logVariance.data, values('logVariance'))).toBeLessThan(1e-5);
    const { reconstruction, kl } = await vae.lossesPerExample(values('x'), { noise: values('noise') });
    expect(relativeError(reconstruction, values('reconstruction'))).toBeLessThan(1e-5);
    expect(relativeError(kl, values('kl'))).toBeLessThan(1e-5);
  });

  test.each(['float32', 'float64'] as const)('every gradient, %s', async (precision) => {
    const { vae, values, group } = await modelOf(name, precision);
    const { gradients } = await vae.gradients(values('x'), { noise: values('noise') });
    const wanted = group('gradient');
    expect([...gradients.keys()].sort()).toEqual([...wanted.keys()].sort());
    for (const [key, { data }] of gradients) {
      expect(relativeError(data, wanted.get(key)!), key).toBeLessThan(1e-5);
    }
  });

  test.each([
    ['float32', 2e-4],
    ['float64', 2e-6],
  ] as const)('fifty Adam steps, the last batch of an epoch smaller, %s', async (precision, tolerance) => {
    const { vae, spec, metadata, values, group } = await modelOf(name, precision);
    const data = Dataset.from(values('data'), { shape: spec.inputShape!, kind: 'unit' });
    const batchSize = Number(metadata.batchSize);
    const came: number[] = [];
    for await (const { train } of vae.fit(data, { epochs: 25, batchSize, shuffle: false }))
      came.push(train.loss);
    const losses = values('losses');
    const wanted = came.map((_, i) => {
      const sum = losses[2 * i]! * batchSize + losses[2 * i + 1]! * (batchSize - 1);
      return sum / (2 * batchSize - 1);
    });
    expect(relativeError(came, wanted)).toBeLessThan(tolerance / 10);
    const parameters = await vae.parameters();
    for (const [key, trained] of group('trained')) {
      expect(relativeError(parameters.get(key)!.data, trained), key).toBeLessThan(tolerance);
    }
  });
});

test.each(CASES)('gradients are those of finite differences in float64: %s', async (name) => {
  const { vae, spec, values, group } = await modelOf(name, 'float64');
  const { beta } = spec.objective as { beta: number };
  const x = values('x');
  const noise = values('noise');
  const loss = async () => {
    const { reconstruction, kl } = await vae.gradients(x, { noise });
    return reconstruction + beta * kl;
  };
  const { gradients } = await vae.gradients(x, { noise });
  for (const [key, parameter] of group('parameter')) {
    const gradient = gradients.get(key)!.data;
    const scale = gradient.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    for (const index of [0, parameter.length >> 1, parameter.length - 1]) {
      const moved = parameter.slice();
      moved[index] = parameter[index]! + 2 ** -18;
      await vae.setParameters(new Map([[key, moved]]));
      const above = await loss();
      const high = moved[index]!;
      moved[index] = parameter[index]! - 2 ** -18;
      await vae.setParameters(new Map([[key, moved]]));
      const slope = (above - (await loss())) / (high - moved[index]!);
      await vae.setParameters(new Map([[key, parameter]]));
      expect(Math.abs(slope - gradient[index]!) / scale, `${key}[${index}]`).toBeLessThan(2e-5);
    }
  }
});

test('the tiled float32 kernels agree with float64 on sizes that fill no tile', async () => {
  for (const [size, hidden, latent, batch] of [
    [784, [400], 20, 128],
    [131, [67, 129], 7, 33],
    [16, [1], 1, 1],
    [65, [64, 63], 64, 65],
  ] as const) {
    const spec: ModelSpecInput = { inputShape: [size], encoder: { hidden: [...hidden] }, latentSize: latent };
    const x = new Float32Array(batch * size).map((_, i) => ((i * 7919) % 1009) / 1009);
    const results = [];
    for (const precision of ['float32', 'float64'] as const) {
      using vae = await VAE.create({ spec, seed: 3, precision, device: 'cpu' });
      results.push(await vae.gradients(x, { seed: 5 }));
    }
    const [single, double] = results as [(typeof results)[0], (typeof results)[0]];
    expect(Math.abs(single.reconstruction / double.reconstruction - 1)).toBeLessThan(1e-6);
    expect(Math.abs(single.kl / double.kl - 1)).toBeLessThan(1e-5);
    for (const [key, { data }] of single.gradients) {
      expect(relativeError(data, double.gradients.get(key)!.data), `${size} ${key}`).toBeLessThan(2e-5);
    }
  }
});

test('the tiled convolutions agree with libtorch own in float64, at full size', async () => {
  const x = new Float32Array(23 * 784).map((_, i) => ((i * 7919) % 1009) / 1009);
  const results = [];
  for (const precision of ['float32', 'float64'] as const) {
    using vae = await VAE.create({ preset: 'conv', seed: 3, precision, device: 'cpu' });
    expect([...(await vae.parameters()).values()].reduce((sum, { data }) => sum + data.length, 0)).toBe(
      vae.parameterCount,
    );
    results.push(await vae.gradients(x, { seed: 5 }));
  }
  const [single, double] = results as [(typeof results)[0], (typeof results)[0]];
  expect(Math.abs(single.reconstruction / double.reconstruction - 1)).toBeLessThan(1e-6);
  for (const [key, { data }] of single.gradients) {
    expect(relativeError(data, double.gradients.get(key)!.data), key).toBeLessThan(2e-5);
  }
});
