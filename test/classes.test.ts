/** What labels mean: classes have names, by which a conditioned model takes labels of data whose classes have another order. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { compress, Dataset, type Labels, loadDataset, streamDataset, VAE } from '../lib/index.ts';
import { encodePng, interpolate, latentChart, traverse } from '../lib/report/index.ts';
import { refusal } from './refusal.ts';
import { torchvae } from './support/command.ts';

let folder: string;
const at = (name: string) => join(folder, name);
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'torchvae-classes-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** A folder for each class, whose images have its level. */
function images(name: string, levels: Record<string, number>): string {
  for (const [title, level] of Object.entries(levels)) {
    mkdirSync(at(`${name}/${title}`), { recursive: true });
    for (let i = 0; i < 4; i++) {
      const data = new Uint8Array(36).fill(level + i);
      writeFileSync(at(`${name}/${title}/${i}.png`), encodePng({ width: 6, height: 6, channels: 1, data }));
    }
  }
  return at(name);
}

const spec = { inputShape: [1, 6, 6], encoder: { hidden: [8] }, latentSize: 1, condition: { classes: 2 } };

describe('folders of another order', () => {
  test('have the labels that the model knows, in every question and in training', async () => {
    const data = await loadDataset(images('known', { cats: 20, dogs: 200 }));
    const moved = await loadDataset(images('moved', { birds: 90, cats: 20, dogs: 200 }));
    using vae = await VAE.create({ spec, device: 'cpu', seed: 1 });
    expect(vae.classes).toBeUndefined();
    await vae.fit(data, { epochs: 2 });
    expect(vae.classes).toEqual(['cats', 'dogs']);
    const pets = moved.subset([4, 5, 6, 7, 8, 9, 10, 11]);
    expect([...pets.labels!]).toEqual([1, 1, 1, 1, 2, 2, 2, 2]);
    const wanted = await vae.lossesPerExample(data);
    expect(await vae.lossesPerExample(pets)).toEqual(wanted);
    expect(await vae.score(pets)).toEqual(await vae.score(data));
    expect(await vae.loss(pets)).toEqual(await vae.loss(data));
    expect(await vae.latentHealth(pets)).toEqual(await vae.latentHealth(data));
    const path = at('vae.safetensors');
    await vae.save(path);
    using other = await VAE.load(path, { device: 'cpu' });
    expect(other.classes).toEqual(['cats', 'dogs']);
    const results = [
      await vae.fit(data, { epochs: 1, validation: pets }),
      await other.fit(pets, { epochs: 1, validation: data }),
    ];
    expect(results[1]!.train).toEqual(results[0]!.train);
    expect(results[1]!.validation).toEqual(results[0]!.validation);
    // Numbers that a caller gives are the model's.
    expect(await vae.lossesPerExample(pets, { labels: data.labels! })).toEqual(
      await vae.lossesPerExample(data),
    );
    const told = await refusal('ERR_STATE', () => vae.loss(moved));
    expect(told).toMatch(/classes cats, dogs .* example at 0 is of birds/);
    expect(await refusal('ERR_STATE', () => vae.fit(moved, { epochs: 1 }))).toContain('birds');
    const stream = await streamDataset(at('moved'));
    expect(await refusal('ERR_STATE', () => vae.score(stream))).toContain('birds');
  });

  test('streamed have the labels that the model knows', async () => {
    const data = await loadDataset(images('known', { cats: 20, dogs: 200 }));
    const only = await loadDataset(images('only', { dogs: 200 }));
    const stream = await streamDataset(at('only'));
    expect(stream.classes).toEqual(['dogs']);
    using vae = await VAE.create({ spec, device: 'cpu', seed: 1 });
    const judged = await vae.fit(data, { epochs: 1, validation: stream });
    const path = at('only.safetensors');
    await vae.save(path);
    using whole = await VAE.create({ spec, device: 'cpu', seed: 1 });
    expect((await whole.fit(data, { epochs: 1, validation: only })).validation).toEqual(judged.validation);
    expect(await vae.score(stream)).toEqual(await vae.score(only));
    expect(await vae.loss(stream)).toEqual(await vae.loss(only));
    expect((await vae.encode(stream)).mean).toEqual((await vae.encode(only)).mean);
    using again = await VAE.load(path, { device: 'cpu' });
    expect((await again.fit(stream, { epochs: 1 })).train).toEqual(
      (await vae.fit(only, { epochs: 1 })).train,
    );
  });

  test('do not matter to a model that is not conditioned', async () => {
    const { condition: _, ...plain } = spec;
    using vae = await VAE.create({ spec: plain, device: 'cpu' });
    await vae.fit(await loadDataset(images('known', { cats: 20, dogs: 200 })), { epochs: 1 });
    const moved = await loadDataset(images('moved', { birds: 90, cats: 20, dogs: 200 }));
    expect((await vae.score(moved)).length).toBe(12);
    const { detection } = await vae.evaluate(moved, { anomalous: ['birds'], samples: 0 });
    expect(detection!.anomalous).toBe(4);
  });

  test('labels may be names of classes', async () => {
    const data = await loadDataset(images('known', { cats: 20, dogs: 200 }));
    using vae = await VAE.create({ spec, device: 'cpu', seed: 1 });
    const early = await refusal('ERR_RANGE', () => vae.sample(1, { labels: ['dogs'] }));
    expect(early).toMatch(
      /an integer from 0 to 1, as the classes of the training data have no names.* "dogs"/,
    );
    await vae.fit(data, { epochs: 1 });
    const [names, numbers] = [
      ['dogs', 'cats', 1],
      [1, 0, 1],
    ];
    expect(await vae.sample(3, { labels: names })).toEqual(await vae.sample(3, { labels: numbers }));
    expect(await vae.sample(2, { labels: ['dogs', 'dogs'] })).not.toEqual(
      await vae.sample(2, { labels: ['cats', 'cats'] }),
    );
    const x = data.data.slice(0, 3 * 36);
    for (const ask of [
      (labels: Labels) => vae.encode(x, { labels }),
      (labels: Labels) => vae.decode(Float32Array.of(0.1, -1, 2), { labels }),
      (labels: Labels) => vae.reconstruct(x, { labels }),
      (labels: Labels) => vae.loss(x, { labels }),
      (labels: Labels) => vae.lossesPerExample(x, { labels }),
      (labels: Labels) => vae.score(x, { labels }),
      (labels: Labels) => compress(vae, x, { labels }),
      (labels: Labels) => interpolate(vae, x, x, { labels }),
      (labels: Labels) => traverse(vae, x.slice(0, 36), { labels: labels.slice(0, 1) }),
    ]) {
      expect(await ask(names)).toEqual(await ask(numbers));
    }
    expect(await latentChart(vae, x, { labels: names })).toContain('>dogs<');
    const stream = await streamDataset(at('known'));
    const eight = Array.from(data.labels!, (label) => vae.classes![label]!);
    expect(await vae.score(stream, { labels: eight })).toEqual(await vae.score(data));
    const told = await refusal('ERR_RANGE', () => vae.sample(2, { labels: ['cats', 'birds'] }));
    expect(told).toMatch(/one of the classes cats, dogs for the labels of .* at 1 but received "birds"/);
    expect(await refusal('ERR_TYPE', () => vae.sample(1, { labels: [true] as never }))).toMatch(/0 to 1/);
  });

  test('sample takes the name of a class', async () => {
    const data = images('known', { cats: 20, dogs: 200 });
    const small = ['--set', 'condition.classes=2', '--set', 'encoder.hidden=[8]', '--set', 'latentSize=1'];
    const trained = await torchvae([
      'train',
      '--data',
      data,
      '--epochs',
      '1',
      '--out',
      at('run'),
      '--device',
      'cpu',
      ...small,
    ]);
    expect(trained.code, trained.stderr).toBe(0);
    const drawn = await torchvae([
      'sample',
      at('run'),
      '--label',
      'dogs',
      '--count',
      '4',
      '--out',
      at('dogs.png'),
    ]);
    expect(drawn.code, drawn.stderr).toBe(0);
    const wrong = await torchvae(['sample', at('run'), '--label', 'birds', '--out', at('birds.png')]);
    expect(wrong.stderr).toMatch(/cats.*dogs.*--label.*birds/);
  });
});

describe('labels of a table that no training row has', () => {
  const rows = (labels: readonly string[]) =>
    ['a,kind', ...labels.map((label, i) => `${i % 5}.5,${label}`)].join('\n');

  test('are classes behind the known ones, so that anomalies may have names', async () => {
    writeFileSync(at('usual.csv'), rows(Array(40).fill('normal')));
    writeFileSync(at('mixed.csv'), rows([...Array(20).fill('normal'), 'smurf', 'attack', '', 'attack']));
    const data = await loadDataset(at('usual.csv'), { labelColumn: 'kind' });
    using vae = await VAE.create({
      spec: { inputShape: [1], encoder: { hidden: [4] }, latentSize: 1, likelihood: 'gaussian' },
      device: 'cpu',
    });
    await vae.fit(data, { epochs: 1 });
    const mixed = await loadDataset(at('mixed.csv'), { schema: vae.schema });
    expect(mixed.classes).toEqual(['normal', '(none)', 'attack', 'smurf']);
    expect([...mixed.labels!].slice(18)).toEqual([0, 0, 3, 2, 1, 2]);
    const { detection } = await vae.evaluate(mixed, { anomalous: ['attack', 'smurf'], samples: 0 });
    expect(detection!.anomalous).toBe(3);
    expect((await vae.score(mixed)).every(Number.isFinite)).toBe(true);
  });

  test('fail alone in a model that is conditioned on them', async () => {
    writeFileSync(at('grades.csv'), rows(['x', 'y', 'x', 'y', 'x', 'y']));
    writeFileSync(at('other.csv'), rows(['y', 'z']));
    const data = await loadDataset(at('grades.csv'), { labelColumn: 'kind' });
    using vae = await VAE.create({
      spec: { inputShape: [1], latentSize: 1, likelihood: 'gaussian', condition: { classes: 3 } },
      device: 'cpu',
    });
    await vae.fit(data, { epochs: 1 });
    // There is room for a class that no row was of.
    expect(await refusal('ERR_RANGE', () => vae.sample(1, { labels: [2] }))).toMatch(/integer from 0 to 1 /);
    const other = await loadDataset(at('other.csv'), { schema: vae.schema });
    const [known, unknown] = await vae.score(other);
    expect([known, unknown]).toEqual([(await vae.score(other.subset([0])))[0], Infinity]);
    await vae.save(at('grades.safetensors'));
    const scored = ['score', at('grades.safetensors'), '--data', at('other.csv'), '--out', '-'];
    const { stdout, stderr } = await torchvae(scored);
    expect(stdout, stderr).toMatch(/^example,.*\n0,[\d.]+,scored,0,0,y\n1,Infinity,unseen,0,1,z\n$/);
    expect(await refusal('ERR_STATE', async () => void (await vae.fit(other)))).toMatch(
      /classes x, y .* example at 1 is of z/,
    );
    // A table alone has its own order, which names put right.
    writeFileSync(at('alone.csv'), rows(['y', 'y']));
    const alone = await loadDataset(at('alone.csv'), { schema: vae.schema });
    expect([...alone.labels!]).toEqual([1, 1]);
  });
});

test('a signal of another realm ends training', async () => {
  const [controller, signal] = runInNewContext(`
    const listeners = [];
    const signal = { aborted: false, reason: undefined, addEventListener: (_, f) => listeners.push(f), removeEventListener() {} };
    [{ abort(reason) { signal.aborted = true; signal.reason = reason; for (const f of listeners) f(); } }, signal]`);
  using vae = await VAE.create({ spec: { inputShape: [2], latentSize: 1 }, device: 'cpu' });
  const data = Dataset.from([
    [0, 1],
    [1, 0],
  ]);
  const ended = vae.fit(data, { epochs: 1_000_000, signal, onProgress: () => controller.abort('enough') });
  expect(await refusal('ERR_ABORTED', async () => ended)).toContain('aborted');
  expect(await refusal('ERR_ABORTED', async () => vae.fit(data, { epochs: 1, signal }))).toContain('aborted');
});
