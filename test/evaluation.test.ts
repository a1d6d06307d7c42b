/** Measures of a model, against what others' implementations give (scripts/fixtures/evaluation.py), and put together. */
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { growForest } from '../lib/evaluation/forest.ts';
import {
  type Dci,
  dci,
  detection,
  frechetDistance,
  mutualInformationGap,
  precisionRecall,
  sap,
  structuralSimilarity,
} from '../lib/evaluation/index.ts';
import { Dataset, sprites, VAE } from '../lib/index.ts';
import { refusal } from './refusal.ts';

const fixture = JSON.parse(readFileSync(new URL('fixtures/evaluation.json', import.meta.url), 'utf8'));

describe('structural similarity', () => {
  const { shape, ssim } = fixture.similarity;
  const a = Float32Array.from(fixture.similarity.a);
  const b = Float32Array.from(fixture.similarity.b);

  test("is scikit-image's", async () => {
    const found = await structuralSimilarity(a, b, { shape });
    ssim.forEach((value: number, i: number) => {
      expect(found[i]).toBeCloseTo(value, 5);
    });
  });

  test('is 1 for equal images, bytes as well', async () => {
    const bytes = Uint8Array.from({ length: 2 * 11 * 13 }, (_, i) => (i * 37) % 256);
    expect([...(await structuralSimilarity(bytes, bytes, { shape: [11, 13] }))]).toEqual([1, 1]);
  });

  test('refuses anything but a pair of sets of images', async () => {
    expect(await refusal('ERR_SHAPE', () => structuralSimilarity(a, b))).toContain('shape');
    const small = { shape: [1, 10, 28] };
    expect(await refusal('ERR_SHAPE', () => structuralSimilarity(a, b, small))).toContain('11 pixels');
    expect(await refusal('ERR_SHAPE', () => structuralSimilarity(a, b.subarray(448), { shape }))).toContain(
      'others',
    );
    expect(await refusal('ERR_TYPE', () => structuralSimilarity(a, 'b' as never, { shape }))).toContain(
      'others',
    );
  });
});

describe('precision and recall', () => {
  const { columns, neighbors, components, whole, projected } = fixture.manifold;
  const real = Float32Array.from(fixture.manifold.real);
  const fake = Float32Array.from(fixture.manifold.fake);

  test('are those of the prdc package, on the values and on principal components', async () => {
    for (const [expected, used] of [
      [whole, 0],
      [projected, components],
    ]) {
      const found = await precisionRecall(real, fake, { columns, neighbors, components: used });
      for (const key of ['precision', 'recall', 'density', 'coverage'] as const) {
        expect(found[key]).toBeCloseTo(expected[key], 10);
      }
    }
  });

  test('refuse too few points and different sizes', async () => {
    const few = real.subarray(0, columns * neighbors);
    expect(await refusal('ERR_SHAPE', () => precisionRecall(real, few, { columns, neighbors }))).toContain(
      'at least 5 examples',
    );
    const others = { data: new Float32Array(40), shape: [10, 4] };
    expect(await refusal('ERR_SHAPE', () => precisionRecall(real, others, { columns }))).toContain(
      'examples of 4 values',
    );
    expect(await refusal('ERR_SHAPE', () => frechetDistance(real, fake))).toContain('columns');
  });
});

describe('detection', () => {
  const { scores, positive, auroc, auprc } = fixture.scores;

  test("is scikit-learn's, ties included", () => {
    const found = detection(scores, positive);
    expect(found.auroc).toBeCloseTo(auroc, 12);
    expect(found.auprc).toBeCloseTo(auprc, 12);
  });

  test('refuses one class alone, lengths that differ, and NaN', async () => {
    expect(await refusal('ERR_SHAPE', () => detection([1, 2], [true, true]))).toContain('both classes');
    expect(await refusal('ERR_SHAPE', () => detection([1, 2], [true]))).toContain('positive');
    expect(await refusal('ERR_RANGE', () => detection([1, Number.NaN], [true, false]))).toContain(
      'scores[1]',
    );
    expect(await refusal('ERR_TYPE', () => detection('ab' as never, [true, false]))).toContain('scores');
  });
});

describe('disentanglement', () => {
  const { sizes } = fixture.disentanglement;
  const rows = fixture.disentanglement.factors.length / sizes.length;
  const withFactors = (values: ArrayLike<number>, factors: { name: string; size: number }[]) =>
    new Dataset({
      shape: [1],
      kind: 'real',
      data: new Float32Array(values.length / factors.length),
      factors,
      factorValues: Float32Array.from(values),
    });
  const data = withFactors(
    fixture.disentanglement.factors,
    sizes.map((size: number, k: number) => ({ name: `f${k}`, size })),
  );
  const codes = { data: Float32Array.from(fixture.disentanglement.codes), shape: [rows, 4] };

  test("DCI agrees with scikit-learn's forest, whose draws are other ones", async () => {
    const { halves, disentanglement, completeness, informativeness, importances } = fixture.disentanglement;
    const found = await Promise.all(Array.from({ length: halves }, (_, seed) => dci(codes, data, { seed })));
    const mean = (of: (one: Dci) => number) => found.reduce((sum, one) => sum + of(one), 0) / halves;
    importances.forEach((share: number, i: number) => {
      expect(Math.abs(mean((one) => one.importances[i]!) - share)).toBeLessThan(0.05);
    });
    expect(Math.abs(mean((one) => one.disentanglement) - disentanglement)).toBeLessThan(0.03);
    expect(Math.abs(mean((one) => one.completeness) - completeness)).toBeLessThan(0.03);
    expect(Math.abs(mean((one) => one.informativeness) - informativeness)).toBeLessThan(0.02);
    expect(await dci(codes, data, { seed: 3 })).toEqual(found[3]);
  });

  test("a tree is scikit-learn's", async () => {
    const { features, targets, importances, classes } = fixture.tree;
    const rows = Float32Array.from(features);
    const fit = { features: rows, targets: Int32Array.from(targets) };
    const grown = await growForest(
      { columns: 3, fit, judge: rows },
      { trees: 1, depth: 4, leaf: 50, seed: 0 },
    );
    importances.forEach((share: number, j: number) => {
      expect(grown.importances[j]).toBeCloseTo(share, 12);
    });
    expect(Array.from(grown.classes)).toEqual(classes);
  });

  test('a code that is the factors scores 1, and noise 0', async () => {
    const n = 600;
    const values = Float32Array.from({ length: 2 * n }, (_, i) => (i % 2 ? (i * 7) % 3 : (i * 13) % 5));
    const two = withFactors(values, [
      { name: 'a', size: 5 },
      { name: 'b', size: 3 },
    ]);
    const told = await dci({ data: values, shape: [n, 2] }, two);
    expect(told.disentanglement).toBeCloseTo(1, 6);
    expect(told.completeness).toBeCloseTo(1, 6);
    expect(told.informativeness).toBe(1);
    const { score } = await sap({ data: values, shape: [n, 2] }, two);
    expect(score).toBeGreaterThan(0.6);
    const noise = { data: Float32Array.from({ length: 2 * n }, (_, i) => Math.sin(i * i)), shape: [n, 2] };
    expect((await sap(noise, two)).score).toBeLessThan(0.15);
  });

  test('SAP of a factor of real numbers is the gap of squared correlations', async () => {
    const { real, line, squaredCorrelation } = fixture.disentanglement;
    const n = real.length;
    const both = Float32Array.from({ length: 2 * n }, (_, i) => (i % 2 ? 0.5 : line[i / 2]));
    const found = await sap({ data: both, shape: [n, 2] }, withFactors(real, [{ name: 'x', size: 0 }]));
    expect(found.factors.x).toBeCloseTo(squaredCorrelation, 5);
  });

  test('leaves the event loop its turns', async () => {
    const n = 10_000;
    const values = Float32Array.from({ length: 8 * n }, (_, i) => Math.sin(i * i));
    const factors = Float32Array.from({ length: 4 * n }, (_, i) => (i * 7919) % 10);
    const many = withFactors(
      factors,
      [0, 1, 2, 3].map((k) => ({ name: `f${k}`, size: 10 })),
    );
    const wide = { data: values, shape: [n, 8] };
    // The trees grow on other threads, which the loop waits for; what is counted here is done in slices of 10 ms.
    for (const [measure, fewest] of [
      [dci, 20],
      [sap, 5],
      [mutualInformationGap, 1],
    ] as const) {
      let turns = 0;
      let isDone = false;
      const count = () => {
        turns++;
        if (!isDone) setImmediate(count);
      };
      setImmediate(count);
      await measure(wide, many);
      isDone = true;
      expect(turns, measure.name).toBeGreaterThanOrEqual(fewest);
    }
  });

  test('refuses data without factors and codes of other examples', async () => {
    const plain = Dataset.from([[0], [1]]);
    expect(
      await refusal('ERR_STATE', () => dci({ data: new Float32Array(4), shape: [2, 2] }, plain)),
    ).toContain('factors');
    expect(
      await refusal('ERR_SHAPE', () => sap({ data: new Float32Array(4), shape: [2, 2] }, data)),
    ).toContain('codes');
  });
});

describe('evaluate', () => {
  const train = sprites({ count: 600, seed: 1 });
  const held = sprites({ count: 300, seed: 2 ** 40 });
  let vae: VAE;
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'torchvae-evaluate-'));
    vae = await VAE.create({ spec: { encoder: { hidden: [32] }, latentSize: 3 }, device: 'cpu', seed: 4 });
    for await (const _ of vae.fit(train, { epochs: 4, batchSize: 32 }));
  });
  afterAll(async () => {
    vae.dispose();
    await rm(folder, { recursive: true });
  });

  test('puts together what the single questions give', async () => {
    const found = await vae.evaluate(held, {
      likelihoodSamples: 20,
      samples: 200,
      reference: train,
      anomalous: ['heart'],
      scoring: { draws: 2 },
      seed: 5,
    });
    expect(found.losses).toMatchObject(await vae.loss(held, { seed: 5 }));
    const nll = await vae.negativeLogLikelihood(held, { samples: 20, seed: 5 });
    const mean = nll.reduce((sum, value) => sum + value, 0) / held.length;
    expect(found.likelihood!.negativeLogLikelihood).toBeCloseTo(mean, 6);
    expect(found.likelihood!.bitsPerDimension).toBeCloseTo(mean / 784 / Math.LN2, 8);
    expect(found.likelihood!.negativeLogLikelihood).toBeLessThan(-found.losses.elbo!);
    const reconstructed = await vae.reconstruct(held);
    const pixels = held.batch(Array.from({ length: held.length }, (_, i) => i));
    const squares = pixels.reduce((sum, x, i) => sum + (x - reconstructed.data[i]!) ** 2, 0);
    expect(found.reconstruction!.meanSquaredError).toBeCloseTo(squares / pixels.length, 6);
    expect(found.reconstruction!.peakSignalToNoise).toBeCloseTo(-10 * Math.log10(squares / pixels.length), 4);
    expect(found.latent).toEqual(await vae.latentHealth(held, { seed: 5 }));
    expect(found.samples).toMatchObject({ examples: 200, reference: train.name });
    expect(found.detection).toMatchObject({
      anomalous: held.labels!.filter((l) => l === 2).length,
      draws: 2,
    });
    expect(found.disentanglement!.dci.informativeness).toBeGreaterThan(0);
    expect(found.data).toMatchObject({ examples: 300, kind: 'unit', binarization: 'none' });
  });

  test('leaves out what the data do not allow', async () => {
    const table = Dataset.from([
      [0.1, 0.2, 0.3],
      [0.4, 0.5, 0.6],
    ]);
    using small = await VAE.create({ spec: { inputShape: [3], latentSize: 2 }, device: 'cpu' });
    const found = await small.evaluate(table);
    expect(Object.keys(found).sort()).toEqual(['data', 'latent', 'losses', 'reconstruction', 'seed']);
    expect(found.reconstruction!.structuralSimilarity).toBeUndefined();
    expect((await vae.evaluate(held.take(1))).disentanglement).toBeUndefined();
  });

  test('scores anomalies as it is told, by the seed of all draws or one of their own', async () => {
    const some = held.take(60);
    const given = { samples: 0, anomalous: ['heart'] };
    const isHeart = Array.from(some.labels!, (label) => label === 2);
    const told = async (seed: number) => detection(await vae.score(some, { draws: 1, seed }), isHeart);
    const both = await vae.evaluate(some, { ...given, seed: 3, scoring: { draws: 1 } });
    expect(both.detection).toMatchObject({ ...(await told(3)), measure: 'elbo', draws: 1 });
    const own = await vae.evaluate(some, { ...given, seed: 3, scoring: { draws: 1, seed: 9 } });
    expect(own.detection).toMatchObject(await told(9));
    expect(await told(9)).not.toEqual(await told(3));
  });

  test('refuses labels that the data lack, and options that are none', async () => {
    const some = held.take(50);
    expect(await refusal('ERR_RANGE', () => vae.evaluate(some, { anomalous: ['moon'] }))).toContain(
      'square, ellipse, heart',
    );
    for (const anomalous of [[], null, 0] as never[])
      expect(await refusal('ERR_TYPE', () => vae.evaluate(some, { anomalous }))).toContain('anomalous');
    expect(await refusal('ERR_RANGE', () => vae.evaluate(some, { sample: 3 } as never))).toContain('sample');
    const asked = (options: object) => () => vae.evaluate(some, options);
    expect(await refusal('ERR_TYPE', asked({ reference: 3 }))).toContain('a Dataset for reference');
    const other = sprites({ count: 20, size: 32 });
    expect(await refusal('ERR_SHAPE', asked({ reference: other }))).toContain('784 values');
    expect(await refusal('ERR_RANGE', asked({ scoring: { measures: 'elbo' } }))).toContain('scoring');
    expect(await refusal('ERR_RANGE', asked({ scoring: { draws: 0 } }))).toContain('draws');
    const unlabeled = new Dataset({ shape: [1, 28, 28], kind: 'unit', data: new Uint8Array(784 * 3) });
    expect(await refusal('ERR_STATE', () => vae.evaluate(unlabeled, { anomalous: [1] }))).toContain('labels');
  });

  test.each(['none', 'dynamic'] as const)(
    'scores are averages of the losses (binarization %s)',
    async (mode) => {
      const some = mode === 'none' ? held.take(20) : held.take(20).binarize({ mode });
      const losses = [
        await vae.lossesPerExample(some, { seed: 3 }),
        await vae.lossesPerExample(some, { seed: 4 }),
      ];
      const elbo = await vae.score(some, { draws: 2, seed: 3 });
      const reconstruction = await vae.score(some, { measure: 'reconstruction', draws: 2, seed: 3 });
      for (let i = 0; i < 20; i++) {
        const terms = losses.map((each) => [each.reconstruction[i]!, each.kl[i]!] as const);
        expect(reconstruction[i]).toBeCloseTo((terms[0]![0] + terms[1]![0]) / 2, 3);
        expect(elbo[i]).toBeCloseTo(reconstruction[i]! + (terms[0]![1] + terms[1]![1]) / 2, 3);
      }
      const likelihood = await vae.score(some, { measure: 'likelihood', draws: 7, seed: 3 });
      expect(likelihood).toEqual(await vae.negativeLogLikelihood(some, { samples: 7, seed: 3 }));
    },
  );

  test('a threshold keeps to its rate, is saved, and goes with the weights', async () => {
    using own = await VAE.create({
      spec: { encoder: { hidden: [32] }, latentSize: 3 },
      device: 'cpu',
      seed: 4,
    });
    for await (const _ of own.fit(train, { epochs: 1 }));
    expect(await refusal('ERR_STATE', () => own.detect(held))).toContain('fitThreshold');
    const scores = (await own.score(held, { draws: 3 })).sort();
    const threshold = await own.fitThreshold(held, { falseAlarmRate: 0.1, draws: 3 });
    // ceil(301 * 0.9) = 271.
    expect(threshold).toEqual({
      value: scores[270],
      measure: 'elbo',
      draws: 3,
      seed: 0,
      falseAlarmRate: 0.1,
      examples: 300,
    });
    const { anomalous } = await own.detect(held);
    expect(anomalous.filter(Boolean).length).toBe(29);
    const median = await own.fitThreshold(held, { quantile: 0.5, draws: 3 });
    expect(median.value).toBeCloseTo((scores[149]! + scores[150]!) / 2, 3);
    const path = join(folder, 'threshold.safetensors');
    await own.save(path);
    using loaded = await VAE.load(path, { device: 'cpu' });
    expect(loaded.threshold).toEqual(median);
    expect(await loaded.detect(held)).toEqual(await own.detect(held));
    for await (const _ of loaded.fit(train, { epochs: 0 }));
    expect(loaded.threshold).toEqual(median);
    // One that is learned between two epochs is of weights that change in the second.
    for await (const { epoch } of loaded.fit(train, { epochs: 2 }))
      if (epoch === 2) await loaded.fitThreshold(held, { quantile: 0.5, draws: 1 });
    expect(loaded.threshold).toBeUndefined();
    await own.setParameters(await own.parameters());
    expect(own.threshold).toBeUndefined();
  });

  test('a threshold is refused that cannot keep to its rate', async () => {
    const some = held.take(9);
    expect(await refusal('ERR_SHAPE', () => vae.fitThreshold(some, { falseAlarmRate: 0.09 }))).toContain(
      'at least 11 examples',
    );
    expect(await refusal('ERR_SHAPE', () => vae.fitThreshold(held, { falseAlarmRate: 0 }))).toContain(
      'a rate above 0',
    );
    expect(await refusal('ERR_TYPE', () => vae.fitThreshold(held, {} as never))).toContain('quantile');
    expect(await refusal('ERR_RANGE', () => vae.fitThreshold(held, { quantile: 2 }))).toContain('quantile');
    expect(await refusal('ERR_RANGE', () => vae.score(held, { measure: 'loss' as never }))).toContain(
      'measure',
    );
  });
});

describe('samples are compared with like', () => {
  const noise = (n: number) =>
    Array.from({ length: n }, (_, i) => Math.abs(Math.sin(i * 12.9898) * 43758.5453) % 1);
  const spec = { inputShape: [16], encoder: { hidden: [8] }, latentSize: 2 } as const;

  test('draws of 0 and 1 with data of 0 and 1, and rows with draws of p(x|z)', async () => {
    using vae = await VAE.create({ spec, device: 'cpu' });
    const values = Float32Array.from(noise(16 * 200), (value) => (value < 0.5 ? 0 : 1));
    const binary = Dataset.from(values, { shape: [16] });
    const { samples } = await vae.evaluate(binary, { samples: 200 });
    // The untrained model's draws are those of fair coins, as the data are; its means are all gray.
    expect(samples).toMatchObject({ kind: 'sample' });
    expect(samples!.alarm).toBeUndefined();
    expect(samples!.density).toBeGreaterThan(0.5);
    expect(samples!.density).toBeLessThan(2);
    expect(samples!.coverage).toBeGreaterThan(0.6);
    const records = Array.from({ length: 60 }, (_, i) => ({ a: noise(99)[i]!, b: noise(99)[98 - i]! }));
    const rows = await Dataset.fromRecords(records);
    using other = await VAE.create({
      spec: { ...spec, inputShape: [2], likelihood: 'gaussian' },
      device: 'cpu',
    });
    expect((await other.evaluate(rows, { samples: 60 })).samples!.kind).toBe('sample');
  });

  test('a density far above 1 is flagged: gray smears lie amid all data', async () => {
    using vae = await VAE.create({ spec, device: 'cpu' });
    // Nearly 0 and 1, so that means are what to compare with.
    const values = Float32Array.from(noise(16 * 200), (value) => (value < 0.5 ? 0.01 : 0.99));
    const { samples } = await vae.evaluate(Dataset.from(values, { shape: [16] }), { samples: 200 });
    expect(samples!.kind).toBe('mean');
    expect(samples!.density).toBeGreaterThan(2);
    expect(samples!.alarm).toMatch(/^A density of \d+.* far above 1/);
  });

  test('sample draws from p(x|z) where it is asked to', async () => {
    using vae = await VAE.create({ spec, device: 'cpu' });
    const drawn = await vae.sample(50, { kind: 'sample', seed: 4 });
    expect(new Set(drawn.data)).toEqual(new Set([0, 1]));
    expect(await vae.sample(50, { kind: 'sample', seed: 4 })).toEqual(drawn);
    expect(new Set((await vae.sample(50)).data).size).toBeGreaterThan(100);
  });
});
