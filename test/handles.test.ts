/** What crosses the border to the addon: handles, getters with side effects, calls at once, and the memory that V8 counts. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { runInNewContext } from 'node:vm';
import { MessageChannel } from 'node:worker_threads';
import { beforeAll, describe, expect, test } from 'vitest';
import { Dataset, VAE } from '../lib/index.ts';
import { completeSpec, nativeSpec } from '../lib/model/spec.ts';
import { loadEngine } from '../lib/runtime/addon.ts';
import { binaryFolders } from '../lib/runtime/binaries.ts';
import type { Addon, DatasetHandle, DeviceHandle, ModelHandle, TrainChunk } from '../lib/runtime/native.ts';
import { NATIVE_ADAM } from './support/native-settings.ts';

/** What a caller without types could pass. */
// biome-ignore lint/suspicious/noExplicitAny: the point of these tests
type Anything = any;

const SIZE = 6;
const spec = nativeSpec(completeSpec({ inputShape: [SIZE], encoder: { hidden: [5] }, latentSize: 2 }));
const values = (rows: number, size = SIZE) => Float32Array.from({ length: rows * size }, (_, i) => i % 2);

let addon: Addon;
let device: DeviceHandle;
let model: ModelHandle;
let data: DatasetHandle;

const newModel = () => addon.createModel(device, spec, 1, 'float32', false);
const newData = (rows: number, size = SIZE) => addon.createDataset(device, values(rows, size), size, false);

beforeAll(async () => {
  ({ addon } = loadEngine({ device: 'cpu' }));
  device = addon.device('cpu', 0);
  model = await newModel();
  data = await newData(8);
});

/** Learning rate, beta, capacity and temperature of one step. */
const weights = Float64Array.of(0, 1, 0, 1);

/** A step on the data, with other fields in place of some. */
const step = (fields: Anything = {}): TrainChunk => ({
  data,
  orderSeed: 0,
  epoch: 0,
  firstStep: 0,
  steps: 1,
  batchSize: 4,
  shuffle: true,
  sums: { loss: 0, reconstruction: 0, kl: 0, terms: [], examples: 0 },
  schedule: Float64Array.of(1e-3, 1, 0, 1),
  optimizer: NATIVE_ADAM,
  observe: false,
  ...fields,
});

async function codeOf(action: () => unknown): Promise<string | undefined> {
  try {
    await action();
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
  return undefined;
}

describe('a handle', () => {
  test('of another kind, or no handle, is refused wherever one is wanted', async () => {
    const wrong: Anything[] = [
      undefined,
      null,
      1,
      'model',
      {},
      [],
      () => {},
      new Proxy(model, {}),
      device,
      data,
    ];
    for (const value of wrong) {
      for (const call of [
        () => addon.encode(value, values(1)),
        () => addon.train(value, step()),
        () => addon.trainTogether({ models: [value], chunks: [step()] }),
        () => addon.abort(value),
        () => addon.readState(value),
        () => addon.termNames(value),
      ]) {
        expect(await codeOf(call), `${String(call)} of ${typeof value}`).toBe('ERR_TYPE');
      }
    }
    expect(await codeOf(() => addon.createModel(model as Anything, spec, 1, 'float32', false))).toBe(
      'ERR_TYPE',
    );
    expect(await codeOf(() => addon.evaluate(model, model as Anything, 4, 0, weights))).toBe('ERR_TYPE');
    expect(await codeOf(() => addon.train(model, step({ data: device })))).toBe('ERR_TYPE');
    expect(await codeOf(() => addon.dispose(device as Anything))).toBe('ERR_TYPE');
  });

  test('is one in another context of the same environment, and goes to no other environment', async () => {
    const encoding = runInNewContext('encode(model, x)', { encode: addon.encode, model, x: values(2) });
    expect((await encoding).mean).toHaveLength(4);
    const { port1, port2 } = new MessageChannel();
    expect(() => port1.postMessage(model)).toThrow(/could not be cloned/);
    expect(() => structuredClone(model)).toThrow(/could not be cloned/);
    port1.close();
    port2.close();
  });

  test('needs no `this`, and may be disposed twice', async () => {
    const { encode, dispose } = addon;
    const own = await newModel();
    expect((await encode.call(undefined as Anything, own, values(1))).mean).toHaveLength(2);
    dispose(own);
    dispose(own);
    expect(await codeOf(() => addon.encode(own, values(1)))).toBe('ERR_STATE');
    expect(await codeOf(() => addon.train(model, step({ data: model })))).toBe('ERR_TYPE');
  });

  test('data of another width never reach a model', async () => {
    const wide = await newData(8, 3 * SIZE);
    expect(await codeOf(() => addon.train(model, step({ data: wide })))).toBe('ERR_SHAPE');
    expect(await codeOf(() => addon.evaluate(model, wide, 4, 0, weights))).toBe('ERR_SHAPE');
  });
});

describe('an argument', () => {
  test('whose getter disposes of what is asked does no harm', async () => {
    for (const property of ['data', 'steps', 'schedule', 'optimizer', 'observe'] as const) {
      const own = await newModel();
      const chunk = step();
      const { [property]: held } = chunk;
      Object.defineProperty(chunk, property, {
        get() {
          addon.dispose(own);
          return held;
        },
      });
      // The call holds the model that it began with.
      const result = await addon.train(own, chunk);
      expect(result.reason).toMatch(/done|aborted/);
      expect(await codeOf(() => addon.termNames(own))).toBe('ERR_STATE');
    }
    const writing = await newModel();
    const state = {
      step: 0,
      get tensors() {
        addon.dispose(writing);
        return {};
      },
    };
    await addon.writeState(writing, state);
  });

  test('whose getter throws, throws through', () => {
    const chunk = step();
    Object.defineProperty(chunk, 'steps', {
      get() {
        throw new Error('from the getter');
      },
    });
    expect(() => addon.train(model, chunk)).toThrow('from the getter');
  });

  test('that is an object in place of a number is refused, not converted', async () => {
    const sly: Anything = {
      valueOf() {
        throw new Error('converted');
      },
    };
    expect(await codeOf(() => addon.samplePrior(model, sly, 0))).toBe('ERR_TYPE');
    expect(await codeOf(() => addon.evaluate(model, data, sly, 0, weights))).toBe('ERR_TYPE');
    expect(await codeOf(() => addon.importance(model, values(1), 1, sly))).toBe('ERR_TYPE');
    expect(await codeOf(() => addon.decode(model, values(1, 2), sly, 0))).toBe('ERR_TYPE');
    expect(await codeOf(() => addon.device(sly, 0))).toBe('ERR_TYPE');
  });

  test.each([Number.NaN, -1, 0.5, 2 ** 40, 2 ** 62, 2 ** 64, Infinity, -Infinity])(
    'of size %d',
    async (size) => {
      for (const call of [
        () => addon.samplePrior(model, size, 0),
        () => addon.createDataset(device, values(1), size, false),
        () => addon.evaluate(model, data, size, 0, weights),
        () => addon.train(model, step({ steps: size, schedule: new Float64Array(0) })),
        () => addon.train(model, step({ batchSize: size })),
        () => addon.train(model, step({ firstStep: size })),
        () => addon.train(model, step({ optimizer: { ...step().optimizer, accumulate: size } })),
        () => addon.createModel(device, { ...spec, latentSize: size }, 1, 'float32', false),
        () => addon.createModel(device, { ...spec, inputShape: [size, size] }, 1, 'float32', false),
        () => addon.fitMixture(device, values(4), size, 2, 2, 0),
        () => addon.frechetDistance(device, values(4), values(4), SIZE, size === 0.5 ? size : -1),
        () => addon.device('cpu', size),
      ]) {
        expect(await codeOf(call), String(call)).toMatch(/ERR_RANGE|ERR_SHAPE/);
      }
    },
  );

  test('that is out of range, or of another length, is refused by that name', async () => {
    const encoder = { ...spec.encoder, activation: 'cube' };
    for (const [code, call] of [
      ['ERR_RANGE', () => addon.createModel(device, { ...spec, encoder }, 1, 'float32', false)],
      ['ERR_RANGE', () => addon.plan({ ...spec, posterior: { ...spec.posterior, codeSize: 2 ** 25 } })],
      ['ERR_RANGE', () => addon.plan({ ...spec, inputShape: new Array(1001).fill(1) })],
      ['ERR_SHAPE', () => addon.plan({ ...spec, inputShape: [] })],
      ['ERR_TYPE', () => addon.plan({ ...spec, inputShape: 6 as Anything })],
      ['ERR_SHAPE', () => addon.encode(model, new Float32Array(SIZE + 1))],
      ['ERR_SHAPE', () => addon.encode(model, values(2), new Int32Array(3))],
      ['ERR_TYPE', () => addon.encode(model, values(2), new Uint8Array(2) as Anything)],
      ['ERR_SHAPE', () => addon.train(model, step({ schedule: new Float64Array(5) }))],
      ['ERR_TYPE', () => addon.train(model, step({ schedule: new Float32Array(4) }))],
    ] as const) {
      expect(await codeOf(call), String(call)).toBe(code);
    }
  });

  test('that names another libtorch, of the version that is open', async () => {
    const { libtorch } = loadEngine();
    const engine = binaryFolders()
      .map((folder) => join(folder, `libtorchvae-${libtorch.minor}.so`))
      .find((path) => existsSync(path))!;
    const others = libtorch.cpuLibraries.map((path) => join('/other', path));
    expect(await codeOf(() => addon.open({ libtorch: others, engine }))).toBe('ERR_STATE');
    expect(addon.open({ libtorch: libtorch.cpuLibraries, engine }).threads).toBeGreaterThan(0);
  });

  test('over memory that was given away, shared, or shrunk is read only where it still is', async () => {
    const gone = values(2);
    structuredClone(gone, { transfer: [gone.buffer] });
    expect((await addon.encode(model, gone)).mean).toHaveLength(0);
    const shared = new Float32Array(new SharedArrayBuffer(4 * SIZE));
    expect(await codeOf(() => addon.encode(model, shared))).toMatch(/ERR_|rror/);
    const shrinking = Reflect.construct(ArrayBuffer, [8 * SIZE, { maxByteLength: 16 * SIZE }]);
    const view = new Float32Array(shrinking, 4 * SIZE);
    shrinking.resize(4);
    expect((await addon.encode(model, view)).mean).toHaveLength(0);
    const offset = new Float32Array(new ArrayBuffer(12 * SIZE), 4 * SIZE, SIZE);
    expect((await addon.encode(model, offset)).mean).toHaveLength(2);
  });

  test('that is changed after the call is not what is computed with', async () => {
    const x = values(1);
    const right = await addon.encode(model, x);
    const asked = addon.encode(model, x);
    x.fill(1e30);
    expect((await asked).mean).toEqual(right.mean);
    const chunk = step();
    const own = await newModel();
    const training = addon.train(own, chunk);
    chunk.schedule.fill(Number.NaN);
    Object.assign(chunk, { steps: 1e9, data: undefined });
    expect((await training).reason).toBe('done');
  });

  test.each([
    '',
    'CPU',
    'meta',
    'cpu:1',
    'cuda',
    'cuda:x',
    'cuda:99',
    'cuda:9999999',
    'xpu',
    'x'.repeat(1e5),
  ])('that names the device %.20s', async (name) =>
    expect(await codeOf(() => addon.device(name, 0))).toBe('ERR_DEVICE'),
  );
});

describe('calls at once', () => {
  test('on one model, disposed in their midst, each settle', async () => {
    const own = await newModel();
    const settled = Promise.allSettled([
      addon.train(own, step()),
      addon.train(own, step({ epoch: 1 })),
      addon.evaluate(own, data, 2, 0, weights),
      addon.readState(own),
      addon.importance(own, values(8), 200_000, 0),
      addon.gradients(own, values(2), 0, Float64Array.of(0, 1, 0, 1)),
    ]);
    addon.abort(own);
    addon.dispose(own);
    const outcomes = (await settled).map((each) => (each.status === 'fulfilled' ? 'done' : each.reason.code));
    expect(outcomes).toEqual(['done', 'done', 'done', 'done', 'ERR_ABORTED', 'done']);
  });

  test('an abort of training leaves a likelihood beside it whole', async () => {
    const vae = await VAE.create({ spec: { inputShape: [SIZE], encoder: { hidden: [5] } }, device: 'cpu' });
    const many = Dataset.from(values(2000), { shape: [SIZE] });
    const controller = new AbortController();
    const training = (async () => {
      for await (const _ of vae.fit(many, { epochs: 1e6, batchSize: 8, signal: controller.signal }));
    })();
    await sleep(100);
    const likelihood = vae.negativeLogLikelihood(many, { samples: 3 });
    controller.abort();
    await expect(training).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    // What is left out would be 0.
    expect((await likelihood).every((each) => each !== 0)).toBe(true);
    const cut = vae.negativeLogLikelihood(many, { samples: 5000 });
    const after = vae.score(many, { draws: 5000 });
    await sleep(20);
    vae.dispose();
    for (const asked of [cut, after]) await expect(asked).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  });
});

test('what is dropped without dispose() is collected, since V8 counts its size', async () => {
  // Two layers of a million weights, each with a gradient and two moments: 32 MB a model.
  const wide = nativeSpec(completeSpec({ inputShape: [1000], encoder: { hidden: [1000] }, latentSize: 2 }));
  const before = process.memoryUsage.rss();
  let most = 0;
  for (let i = 0; i < 50; i++) {
    await addon.createModel(device, wide, 1, 'float32', false);
    await sleep(1);
    most = Math.max(most, process.memoryUsage.rss() - before);
  }
  expect(most).toBeLessThan(0.6 * 50 * 32e6);
});
