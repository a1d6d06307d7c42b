/** Chunks of several models in one call of the addon, and the gathering of them on a GPU. */
import { describe, expect, test } from 'vitest';
import { TorchvaeError } from '../lib/errors.ts';
import { completeSpec, nativeSpec } from '../lib/model/spec.ts';
import { loadEngine } from '../lib/runtime/addon.ts';
import type { Addon, ModelHandle, TrainChunk, TrainResult } from '../lib/runtime/native.ts';
import { Together } from '../lib/runtime/together.ts';
import { refusal } from './refusal.ts';
import { NATIVE_ADAM } from './support/native-settings.ts';

describe('the addon', () => {
  const { addon } = loadEngine({ device: 'cpu' });
  const device = addon.device('cpu', 0);
  const spec = nativeSpec(completeSpec({ inputShape: [6], encoder: { hidden: [5] }, latentSize: 2 }));
  const newModel = (seed: number) => addon.createModel(device, spec, seed, 'float32', false);
  const chunkOf = async (rate = 1e-3): Promise<TrainChunk> => ({
    data: await addon.createDataset(
      device,
      Float32Array.from({ length: 48 }, (_, i) => i % 2),
      6,
      false,
    ),
    orderSeed: 0,
    epoch: 0,
    firstStep: 0,
    steps: 2,
    batchSize: 4,
    shuffle: true,
    sums: { loss: 0, reconstruction: 0, kl: 0, terms: [], examples: 0 },
    schedule: Float64Array.of(rate, 1, 0, 1, rate, 1, 0, 1),
    optimizer: NATIVE_ADAM,
    observe: false,
  });

  test('trains each model as it does alone', async () => {
    const chunks = [await chunkOf(), await chunkOf(1e-2)];
    const models = [await newModel(1), await newModel(2)];
    const results = (await addon.trainTogether({ models, chunks })) as TrainResult[];
    for (const [i, chunk] of chunks.entries()) {
      const alone = await newModel(i + 1);
      const { seconds: _, ...wanted } = await addon.train(alone, chunk);
      expect(results[i]).toMatchObject(wanted);
      expect(await addon.readState(models[i]!)).toEqual(await addon.readState(alone));
    }
  });

  test('refuses a model twice, none, chunks of another number, and a model that was disposed', async () => {
    const chunk = await chunkOf();
    const [model, gone] = [await newModel(1), await newModel(2)];
    addon.dispose(gone);
    const codeOf = (models: ModelHandle[], chunks: TrainChunk[]): unknown => {
      try {
        addon.trainTogether({ models, chunks });
      } catch (error) {
        return (error as { code: string }).code;
      }
      return 'none';
    };
    expect(codeOf([model, model], [chunk, chunk])).toBe('ERR_TYPE');
    expect(codeOf([], [])).toBe('ERR_TYPE');
    expect(codeOf([model], [chunk, chunk])).toBe('ERR_TYPE');
    expect(codeOf([model, gone], [chunk, chunk])).toBe('ERR_STATE');
    expect(codeOf([model, await newModel(3)], [chunk, { ...chunk, steps: 3 }])).toBe('ERR_RANGE');
  });
});

type Named = ModelHandle & { name: string };

/** An addon that notes what is handed over, and answers calls for several when it is told to. */
class Notes {
  readonly calls: string[][] = [];
  #answer: (() => void) | undefined;

  readonly addon = {
    trainTogether: ({ models }: { models: readonly ModelHandle[] }) => {
      const names = models.map((model) => (model as Named).name);
      if (names.includes('gone')) throw coded('ERR_STATE');
      this.calls.push([...names]);
      return new Promise<(TrainResult | Error)[]>((resolve) => {
        this.#answer = () => resolve(names.map(resultOf));
      });
    },
    train: async (model: ModelHandle) => {
      const { name } = model as Named;
      this.calls.push([name]);
      if (name === 'gone') throw coded('ERR_STATE');
      return resultOf(name) as TrainResult;
    },
  } as unknown as Pick<Addon, 'train' | 'trainTogether'>;

  /** Answers the call under way, once there is one. */
  async answer(): Promise<void> {
    while (!this.#answer) await new Promise(setImmediate);
    const answer = this.#answer;
    this.#answer = undefined;
    answer();
  }
}
const coded = (code: string) => Object.assign(new Error(code), { code });
const resultOf = (name: string) =>
  name === 'sick'
    ? coded('ERR_OUT_OF_MEMORY')
    : ({ isSideBySide: name !== 'large', seconds: name } as unknown as TrainResult);

describe('chunks that are asked for', () => {
  const chunk = {} as TrainChunk;
  const named = (name: string) => ({ name }) as unknown as Named;
  /** Models that have shown by a first chunk what they are. */
  async function shown(together: Together, ...names: string[]): Promise<Named[]> {
    const models = names.map(() => named('first'));
    for (const model of models) await together.train(model, chunk);
    for (const [i, model] of models.entries()) model.name = names[i]!;
    return models;
  }

  test('in one turn of the event loop go together, and stay so when one comes later', async () => {
    const notes = new Notes();
    const together = new Together(notes.addon);
    const [a, b, late] = await shown(together, 'a', 'b', 'late');
    notes.calls.length = 0;
    const trainTwice = async (model: Named) => {
      for (let i = 0; i < 2; i++)
        expect(await together.train(model, chunk)).toMatchObject({ seconds: model.name });
    };
    const ended = [trainTwice(a!), trainTwice(b!)];
    while (notes.calls.length === 0) await new Promise(setImmediate);
    ended.push(trainTwice(late!));
    for (let i = 0; i < 3; i++) await notes.answer();
    await Promise.all(ended);
    expect(notes.calls).toEqual([['a', 'b'], ['late', 'a', 'b'], ['late']]);
  });

  test('of models that no device takes side by side go one by one', async () => {
    const notes = new Notes();
    const together = new Together(notes.addon);
    const [large, other] = [named('large'), named('large')];
    for (let i = 0; i < 2; i++)
      await Promise.all([together.train(large, chunk), together.train(other, chunk)]);
    expect(notes.calls).toEqual(Array(4).fill(['large']));
  });

  test('fail alone', async () => {
    const notes = new Notes();
    const together = new Together(notes.addon);
    const [well, sick, gone] = await shown(together, 'well', 'sick', 'gone');
    const [good, bad] = [together.train(well!, chunk), together.train(sick!, chunk)];
    await notes.answer();
    expect(await good).toMatchObject({ seconds: 'well' });
    await refusal('ERR_OUT_OF_MEMORY', () => bad);
    // A model that was disposed is refused before anything is done.
    const [again, refused] = [together.train(well!, chunk), together.train(gone!, chunk)];
    await expect(refused).rejects.toBeInstanceOf(TorchvaeError);
    expect(await again).toMatchObject({ seconds: 'well' });
  });
});
