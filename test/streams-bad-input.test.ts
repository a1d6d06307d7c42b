/** Streams that break while they are read: a typed error that names the place, and nothing left open. */
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import {
  Dataset,
  type FitOptions,
  type ModelSpecInput,
  StreamedDataset,
  type StreamPathOptions,
  streamDataset,
  VAE,
} from '../lib/index.ts';
import { encodePng } from '../lib/report/png.ts';
import { refusal } from './refusal.ts';
import { packageFolder } from './support/command.ts';
import { npy } from './support/npy.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'torchvae-bad-streams-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Files of the test's folder that this process has open, and processes that it has started. */
function heldOpen(): string[] {
  const links = readdirSync('/proc/self/fd').map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return ''; // the one that listed them
    }
  });
  return [...links.filter((path) => path.startsWith(folder)), ...children().map((pid) => `process ${pid}`)];
}

function children(): number[] {
  return readdirSync('/proc/self/task')
    .flatMap((task) => readFileSync(`/proc/self/task/${task}/children`, 'utf8').split(' '))
    .filter((pid) => pid !== '')
    .map(Number);
}

afterEach(() => {
  expect(heldOpen()).toEqual([]);
});

let count = 0;
function file(content: Uint8Array, extension = 'npy'): string {
  const path = join(folder, `${count++}.${extension}`);
  writeFileSync(path, content);
  return path;
}

const bytes = (examples: number) => npy('|u1', [examples, 30], new Uint8Array(examples * 30));

interface Attempt extends FitOptions {
  spec?: ModelSpecInput;
  /** Called after every epoch, and told which. */
  between?: (epoch: number, vae: VAE) => void | Promise<void>;
}

/** Trains until it ends; small windows, so that there are many. */
async function train(data: StreamedDataset, { spec, between, ...options }: Attempt = {}): Promise<void> {
  using vae = await VAE.create({
    spec: { encoder: { hidden: [8] }, latentSize: 2, inputShape: data.shape, ...spec },
    device: 'cpu',
  });
  for await (const { epoch } of vae.fit(data, { batchSize: 16, epochs: 4, ...options }))
    await between?.(epoch, vae);
}

describe('a .npy file', () => {
  const stream = (path: string) => streamDataset(path, { window: 32 });

  test('that is cut short while it is read', async () => {
    const path = file(bytes(400));
    const data = await stream(path);
    const cut = () => truncateSync(path, 5000);
    const message = await refusal('ERR_DATA_FORMAT', () => train(data, { between: cut }));
    expect(message).toContain(path);
    expect(message).toMatch(/the file ends at 5000; it was cut short|it has 5000 bytes and had 12128/);
    const short = await refusal('ERR_DATA_FORMAT', () => stream(path));
    expect(short).toMatch(/promises 400 x 30 elements of type u1, 12128 bytes in all, but the file has 5000/);
  });

  test('that is written to while it is read', async () => {
    const path = file(bytes(400));
    const data = await stream(path);
    const touch = () => utimesSync(path, new Date(), new Date(Date.now() + 5000));
    expect(await refusal('ERR_DATA_FORMAT', () => train(data, { between: touch }))).toMatch(
      /it was written to/,
    );
    const other = await stream(path);
    rmSync(path);
    expect(await refusal('ERR_IO', () => train(other))).toContain(path);
    writeFileSync(path, bytes(401));
    expect(await refusal('ERR_DATA_FORMAT', () => train(other))).toMatch(/it has 12158 bytes and had 12128/);
  });

  test('that cannot be streamed', async () => {
    const values = new Float32Array(3000);
    const floats = (at: number, value: number) => {
      const copy = values.slice();
      copy[at] = value;
      return file(npy('<f4', [100, 30], new Uint8Array(copy.buffer)));
    };
    const invalid = await streamDataset(floats(2000, Number.NaN), { window: 16 });
    expect(await refusal('ERR_RANGE', () => train(invalid))).toMatch(
      /finite numbers for train but example 66 of .* has NaN at number 20/,
    );
    // Without a pass before, it is found when it is due.
    const given = await streamDataset(floats(2000, Number.NaN), { kind: 'unit', window: 16 });
    expect(await refusal('ERR_RANGE', () => train(given))).toMatch(/example 66 of .* has NaN in place 20/);
    const wide = await streamDataset(floats(2000, 5), { kind: 'unit', window: 16 });
    expect(await refusal('ERR_DATA_FORMAT', () => train(wide))).toMatch(
      /expected numbers of kind unit but examples \d+ to \d+ are of kind real/,
    );
    const fortran = file(npy('<f4', [100, 30], new Uint8Array(values.buffer), { fortran: true }));
    expect(await refusal('ERR_DATA_FORMAT', () => stream(fortran))).toMatch(/numpy\.ascontiguousarray/);
    const records = file(new Uint8Array(3073), 'bin');
    expect(await refusal('ERR_DATA_FORMAT', () => streamDataset(records))).toMatch(
      /expected a \.npy file, .*Parquet file, .* or IDX file but it is a .*CIFAR.*read it whole/,
    );
    await refusal('ERR_RANGE', () => streamDataset(join(folder, 'nothing.npy')));
    await refusal('ERR_TYPE', () => streamDataset(7 as never));
  });

  test('with options that mean nothing', async () => {
    const path = file(bytes(50));
    for (const options of [
      { window: 0 },
      { imageSize: 8 },
      { labelColumn: 'a' },
      { kind: 'categorical' },
      { windows: 1 },
    ]) {
      await refusal('ERR_RANGE', () => streamDataset(path, options as StreamPathOptions));
    }
    expect(
      await refusal('ERR_RANGE', () => streamDataset(path, { member: 'x' } as StreamPathOptions)),
    ).toMatch(/The option member of streamDataset has no meaning for .*; leave it out/);
    await refusal('ERR_TYPE', () => streamDataset(path, { window: '5' as never }));
    const data = await stream(path);
    expect(await refusal('ERR_STATE', () => data.binarize({ mode: 'fixed' }))).toMatch(
      /'dynamic' or 'threshold'/,
    );
    expect(
      await refusal('ERR_STATE', () => data.binarize({ mode: 'dynamic' }).binarize({ mode: 'threshold' })),
    ).toMatch(/binarization dynamic/);
    await refusal('ERR_RANGE', () => data.head(51));
    await refusal('ERR_SHAPE', () => train(data, { spec: { inputShape: [31] } }));
    await refusal('ERR_SHAPE', () => train(data, { spec: { condition: { classes: 2 } } }));
    expect(
      await refusal('ERR_STATE', () => train(data, { spec: { objective: { type: 'beta-tc' } } })),
    ).toMatch(/a stream whose window holds all 50 examples/);
    await train(await streamDataset(path), { spec: { objective: { type: 'beta-tc' } }, epochs: 1 });
  });

  test('that is left in the midst of an epoch', async () => {
    const data = await stream(file(bytes(4000)));
    using vae = await VAE.create({ spec: { encoder: { hidden: [8] }, inputShape: [30] }, device: 'cpu' });
    const options = { batchSize: 16, epochs: 3, validation: data };
    for await (const _ of vae.fit(data, options)) break;
    expect(heldOpen()).toEqual([]);
    const error = new Error('on purpose');
    const onProgress = () => {
      throw error;
    };
    await expect(async () => {
      for await (const _ of vae.fit(data, { ...options, onProgress }));
    }).rejects.toBe(error);
    expect(heldOpen()).toEqual([]);
    const disposing = (async () => {
      for await (const _ of vae.fit(data, { ...options, onProgress: () => vae.dispose() }));
    })();
    await refusal('ERR_STATE', () => disposing);
  });
});

describe('a folder of images', () => {
  function images(name: string): string {
    const path = join(folder, name);
    mkdirSync(path);
    for (let i = 0; i < 60; i++) {
      const picture = { width: 5, height: 6, channels: 1, data: new Uint8Array(30).fill(i) };
      writeFileSync(join(path, `${i}.png`), encodePng(picture as never));
    }
    return path;
  }

  test('of which one vanishes, is damaged or changes its size in a later epoch', async () => {
    const path = images('changing');
    const one = join(path, '33.png');
    const good = readFileSync(one);
    for (const [code, harm, pattern] of [
      ['ERR_IO', () => rmSync(one), /33\.png: it does not exist/],
      ['ERR_DATA_FORMAT', () => writeFileSync(one, good.subarray(0, 50)), /33\.png: expected a whole image/],
      [
        'ERR_DATA_FORMAT',
        () =>
          writeFileSync(
            one,
            encodePng({ width: 6, height: 5, channels: 1, data: new Uint8Array(30) } as never),
          ),
        /33\.png: expected the size of .* \(6 x 5\) but it is 5 x 6/,
      ],
    ] as const) {
      writeFileSync(one, good);
      const data = await streamDataset(path, { window: 16 });
      expect(await refusal(code, () => train(data, { between: harm }))).toMatch(pattern);
    }
  });

  test('that is left in the midst of decoding', async () => {
    const data = await streamDataset(images('left'), { window: 16 });
    await refusal('ERR_ABORTED', () => train(data, { signal: AbortSignal.abort() }));
    const interruption = new AbortController();
    const onProgress = () => interruption.abort();
    await refusal('ERR_ABORTED', () => train(data, { signal: interruption.signal, onProgress }));
    const late = AbortSignal.abort();
    await refusal('ERR_ABORTED', () => streamDataset(join(folder, 'left'), { signal: late }));
  });
});

describe('what is iterated', () => {
  const rows = Array.from({ length: 3000 }, (_, i) => ({ a: i % 10, b: 'x' }));
  const gaussian = { spec: { likelihood: 'gaussian' } } as const;

  test('in later passes with fewer or more examples', async () => {
    for (const [length, pattern] of [
      [
        2000,
        /expected 3000 examples, as the first pass gave, but there are only 2000 \(item 2000 of epoch 2\)/,
      ],
      [3001, /there are more \(item 3001 of epoch 2\)/],
      [4500, /there are more/],
      [0, /there are only 0 .*begin the same iteration anew/],
    ] as const) {
      let pass = 0;
      const make = () => (pass++ < 2 ? rows : Array.from({ length }, (_, i) => rows[i % 3000]!));
      const data = await StreamedDataset.from(make, { window: 500, name: 'rows' });
      expect(await refusal('ERR_DATA_FORMAT', () => train(data, gaussian))).toMatch(pattern);
    }
    const once = rows.values();
    const spent = await StreamedDataset.from(() => once);
    expect(await refusal('ERR_DATA_FORMAT', () => train(spent, gaussian))).toMatch(/there are only 0/);
  });

  test('that throws, in either pass', async () => {
    const failing = (passes: number) => {
      let pass = 0;
      return async function* () {
        const fails = pass++ >= passes;
        for (const [i, row] of rows.entries()) {
          if (fails && i === 1700) throw new Error('the connection was lost');
          yield row;
        }
      };
    };
    const pattern = /Could not read records: item 1700 of epoch [12]: the connection was lost/;
    expect(await refusal('ERR_IO', () => StreamedDataset.from(failing(0)))).toMatch(pattern);
    const data = await StreamedDataset.from(failing(2), { window: 500 });
    expect(await refusal('ERR_IO', () => train(data, gaussian))).toMatch(pattern);
    const make = () => {
      throw new Error('no such table');
    };
    expect(await refusal('ERR_IO', () => StreamedDataset.from(make))).toMatch(/no such table/);
  });

  test('that never comes back ends with an abort or with the model', async () => {
    let pass = 0;
    let left = 0;
    let onStuck = () => {};
    const make = () => {
      const isFirst = pass++ === 0;
      let i = 0;
      return {
        [Symbol.asyncIterator]: () => ({
          next: () => {
            if (!isFirst && i === 1700) {
              onStuck();
              return new Promise<never>(() => {});
            }
            const value = rows[i++];
            return Promise.resolve(value ? { done: false as const, value } : { done: true as const, value });
          },
          return: () => {
            left++;
            return new Promise<never>(() => {});
          },
        }),
      };
    };
    const data = await StreamedDataset.from(make as never, { window: 500 });
    const training = new AbortController();
    onStuck = () => void setTimeout(100).then(() => training.abort());
    const { signal } = training;
    expect(await refusal('ERR_ABORTED', () => train(data, { ...gaussian, signal }))).toMatch(
      /records was aborted/,
    );
    using vae = await VAE.create({
      spec: { encoder: { hidden: [8] }, inputShape: [2], likelihood: 'gaussian' },
      device: 'cpu',
    });
    const waiting = refusal('ERR_ABORTED', async () => {
      for await (const _ of vae.fit(data, { batchSize: 16 }));
    });
    onStuck = () => void setTimeout(100).then(() => vae.dispose());
    await waiting;
    expect(left).toBe(3);
    const opening = new AbortController();
    onStuck = () => void setTimeout(50).then(() => opening.abort());
    await refusal('ERR_ABORTED', () => StreamedDataset.from(make as never, { signal: opening.signal }));
  });

  test('in later passes without the labels of the first', async () => {
    let pass = 0;
    const make = () => (pass++ === 0 ? rows : rows.map(({ a }) => ({ a })));
    const data = await StreamedDataset.from(make, { labelColumn: 'b', name: 'rows' });
    expect(await refusal('ERR_DATA_FORMAT', () => data.head(9))).toMatch(
      /rows: expected a label for each example, as in the first pass, but there are none \(item \d+ of epoch 1\)/,
    );
  });

  test('with options that cannot be, before the first pass', async () => {
    let passes = 0;
    const make = () => {
      passes++;
      return rows;
    };
    expect(await refusal('ERR_RANGE', () => StreamedDataset.from(make, { window: 0 }))).toMatch(/window/);
    await refusal('ERR_TYPE', () => StreamedDataset.from(make, null as never));
    expect(await refusal('ERR_RANGE', () => StreamedDataset.from(make, { windows: 5 } as never))).toMatch(
      /windows/,
    );
    expect(passes).toBe(0);
    const data = await StreamedDataset.from(make);
    await refusal('ERR_TYPE', () => data.head(1, null as never));
    expect(await refusal('ERR_RANGE', () => data.head(1, { single: 1 } as never))).toMatch(/single/);
  });

  test('and is not what it should be', async () => {
    const from = (make: unknown, options = {}) => StreamedDataset.from(make as () => object[], options);
    await refusal('ERR_TYPE', () => from(rows));
    await refusal('ERR_TYPE', () => from(() => 7));
    await refusal('ERR_DATA_FORMAT', () => from(() => []));
    expect(await refusal('ERR_TYPE', () => from(() => [{ a: 1 }, 5]))).toMatch(/records, item 1 of epoch 1/);
    expect(await refusal('ERR_DATA_FORMAT', () => from(() => [{ a: 1 }, { b: 1 }]))).toMatch(
      /record 1: .*"b"/,
    );
    expect(await refusal('ERR_DATA_FORMAT', () => from(() => [...rows, { a: null, b: 'x' }]))).toMatch(
      /row 3001, column "a": expected a value but it is missing/,
    );
    await refusal('ERR_RANGE', () => from(() => rows, { onMissing: 'guess' }));
    await refusal('ERR_RANGE', () => from(() => rows, { labelColumn: 'c' }));
    await refusal('ERR_RANGE', () => from(() => rows, { stride: 2 }));
    const block = Dataset.from([[0, 1]]);
    for (const other of [
      { a: 1 },
      Dataset.from([[0, 1, 1]]),
      Dataset.from([[0, 1]], { labels: [1] }),
      Dataset.from([[0, 1]], { kind: 'categorical' }),
      Dataset.from([[0, 0.5]]).binarize({ mode: 'dynamic' }),
    ]) {
      expect(await refusal('ERR_DATA_FORMAT', () => from(() => [block, other]))).toMatch(
        /records, item 2 of epoch 1/,
      );
    }
    let pass = 0;
    const widening = await from(() => [pass++ === 0 ? block : Dataset.from([[0, 5]])]);
    expect(await refusal('ERR_DATA_FORMAT', () => train(widening))).toMatch(
      /values of kind binary, as in the first pass/,
    );
  });
});

describe('a Parquet file', () => {
  const source = join(packageFolder, 'test/fixtures/rows.parquet');
  const reading = { onMissing: 'impute', window: 32 } as const;
  const gaussian = { spec: { likelihood: 'gaussian' } } as const;
  const copy = (name: string) => {
    const path = join(folder, name);
    copyFileSync(source, path);
    return path;
  };

  test('that changes or vanishes between epochs, or is damaged', async () => {
    const path = copy('changing.parquet');
    const data = await streamDataset(path, reading);
    const touch = () => utimesSync(path, new Date(), new Date(Date.now() + 5000));
    expect(await refusal('ERR_DATA_FORMAT', () => train(data, { ...gaussian, between: touch }))).toMatch(
      /changing\.parquet: expected the file as it was .* but it was written to/,
    );
    rmSync(path);
    expect(await refusal('ERR_IO', () => train(data, gaussian))).toMatch(/changing\.parquet/);
    const whole = readFileSync(source);
    const damaged = Uint8Array.from(whole);
    damaged.fill(255, 3000, 3300);
    for (const content of [whole.subarray(0, 4000), damaged, whole.subarray(0, 5)]) {
      expect(
        await refusal('ERR_DATA_FORMAT', () => streamDataset(file(content, 'parquet'), reading)),
      ).toMatch(/\d+\.parquet: /);
    }
  });

  test('whose rows or options are not what they should be', async () => {
    expect(
      await refusal('ERR_DATA_FORMAT', () => streamDataset(source).then((data) => train(data, gaussian))),
    ).toMatch(/rows\.parquet: row \d+, column "a": expected a value but it is missing/);
    await refusal('ERR_RANGE', () => streamDataset(source, { labelColumn: 'nothing' }));
    await refusal('ERR_RANGE', () => streamDataset(source, { columns: { nothing: 'ignore' } }));
    await refusal('ERR_RANGE', () => streamDataset(source, { timeLimit: 0 }));
    await refusal('ERR_RANGE', () => streamDataset(source, { onMissing: 'guess' as never }));
    await refusal('ERR_RANGE', () => streamDataset(source, { imageSize: 3 }));
  });

  test('whose process is killed, is stopped or stands still', async () => {
    for (const [signal, pattern, timeLimit] of [
      ['SIGKILL', /reading it ended with SIGKILL/, 60],
      ['SIGSTOP', /read within 0\.8 s but it was not/, 0.8],
    ] as const) {
      const data = await streamDataset(source, { ...reading, timeLimit });
      let present: number[] | undefined;
      const onProgress = () => {
        present ??= children();
      };
      const others = () => children().filter((pid) => !present!.includes(pid));
      const harm = async () => {
        // The process of the next epoch is on its way.
        while (others().length === 0) await setTimeout(2);
        for (const pid of others()) process.kill(pid, signal);
      };
      const options = { ...gaussian, epochs: 3, onProgress, between: harm };
      expect(await refusal('ERR_DATA_FORMAT', () => train(data, options))).toMatch(pattern);
      expect(children()).toEqual([]);
    }
  });

  test('that is left in the midst of reading', async () => {
    const data = await streamDataset(source, reading);
    const interruption = new AbortController();
    const onProgress = () => interruption.abort();
    await refusal('ERR_ABORTED', () => train(data, { ...gaussian, signal: interruption.signal, onProgress }));
    expect(children()).toEqual([]);
    const opening = new AbortController();
    setTimeout(20).then(() => opening.abort());
    await refusal('ERR_ABORTED', () => streamDataset(source, { ...reading, signal: opening.signal }));
  });
});
