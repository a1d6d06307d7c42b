import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { fashionMnist, loadDataset, mnist } from '../lib/data/index.ts';
import { download } from '../lib/data/sets/download.ts';
import { FASHION_MNIST, MNIST } from '../lib/data/sets/mnist-files.ts';
import { refusal } from './refusal.ts';

const real = process.env.TORCHVAE_DATA ?? '';
const CONTENT = Buffer.from('a file of known hash');
const SHA256 = createHash('sha256').update(CONTENT).digest('hex');

let folder: string;
let server: Server;
let address: string;
/** What was asked of the server, in order. */
let asked: string[];

function* endless() {
  for (;;) yield CONTENT;
}

/** Serves /good, /wrong (same length), /short, /long, /endless, /stalled, /busy (which never ends either) and, below /real, the real data sets. */
beforeAll(async () => {
  const answers: Record<string, Buffer> = {
    '/good': CONTENT,
    '/wrong': Buffer.alloc(CONTENT.length),
    '/short': CONTENT.subarray(1),
    '/long': Buffer.concat([CONTENT, CONTENT]),
  };
  server = createServer((request, response) => {
    const path = request.url!;
    asked.push(path);
    if (path === '/stalled') response.write('a');
    else if (path === '/busy') response.writeHead(503).write('a');
    else if (path === '/elsewhere') response.writeHead(302, { location: 'http://192.0.2.1/good' }).end();
    else if (path === '/endless') Readable.from(endless()).pipe(response);
    else if (path === '/circle') response.writeHead(302, { location: '/circle' }).end();
    else if (path.startsWith('/real/') && existsSync(join(real, path.slice(6)))) {
      response.end(readFileSync(join(real, path.slice(6))));
    } else response.writeHead(answers[path] ? 200 : 404).end(answers[path]);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

beforeEach(() => {
  asked = [];
  folder = mkdtempSync(join(tmpdir(), 'torchvae-mnist-'));
  vi.stubEnv('TORCHVAE_CACHE', join(folder, 'cache'));
  vi.stubEnv('TORCHVAE_DATA', undefined);
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

describe('download', () => {
  const fetchFrom = (...names: string[]) =>
    download({
      urls: names.map((name) => (name.includes(':') ? name : `${address}/${name}`)),
      path: join(folder, 'new', 'file'),
      sha256: SHA256,
      length: CONTENT.length,
      patience: 1000,
    });

  test('takes the first address that has the right file', async () => {
    await fetchFrom('missing', 'wrong', 'short', 'long', 'endless', 'stalled', 'good', 'never');
    expect(readFileSync(join(folder, 'new', 'file')).equals(CONTENT)).toBe(true);
    expect(asked).toEqual(['/missing', '/wrong', '/short', '/long', '/endless', '/stalled', '/good']);
    expect(readdirSync(join(folder, 'new'))).toEqual(['file']);
  });

  test('leaves no answer open that it has no use for', async () => {
    const closed = new Promise((resolve) => {
      server.once('request', (_, response) => response.once('close', () => resolve('closed')));
    });
    expect(await refusal('ERR_DOWNLOAD', () => fetchFrom('busy'))).toContain('503');
    expect(await Promise.race([closed, sleep(2000, 'open', { ref: false })])).toBe('closed');
  });

  test('says what was wrong at each address and leaves nothing behind', async () => {
    const refused = 'http://127.0.0.1:1/good';
    const told = await refusal('ERR_DOWNLOAD', () =>
      fetchFrom(
        'missing',
        'wrong',
        'short',
        'long',
        'stalled',
        'elsewhere',
        refused,
        'http://example.org/good',
        'circle',
      ),
    );
    expect(told).toContain(join(folder, 'new', 'file'));
    const lines = told.split('\n').slice(1);
    const wanted = [
      /404/,
      /expected the SHA-256/,
      /but received 19/,
      /but more came/,
      /nothing came for 1 s/,
      /expected an https address but received http:\/\/192/,
      /ECONNREFUSED|bad port/,
      /expected an https/,
      /redirected more than 5 times/,
    ];
    expect(lines.length).toBe(wanted.length);
    for (const [i, pattern] of wanted.entries()) expect(lines[i]).toMatch(pattern);
    expect(existsSync(join(folder, 'new'))).toBe(false);
  });
});

describe('files that are nowhere', () => {
  test('are listed with every place looked into, and nothing is put in their stead', async () => {
    vi.stubEnv('TORCHVAE_DATA', join(folder, 'data'));
    const told = await refusal('ERR_IO', () => mnist({ split: 'test', download: false }));
    expect(told).toMatch(/^Could not find t10k-images-idx3-ubyte of mnist/);
    const folders = ['data/mnist', 'data', 'cache/mnist', 'cache'].map((name) => join(folder, name));
    const files = ['t10k-images-idx3-ubyte.gz', 't10k-images-idx3-ubyte'];
    const places = folders.flatMap((name) => files.map((file) => `  ${join(name, file)}`));
    expect(told.split('\n').slice(1)).toEqual(places);
  });

  test('are not downloaded where a folder was named', async () => {
    const told = await refusal('ERR_IO', () => mnist({ directory: folder, mirrors: [address] }));
    expect(told).toMatch(/Name the folder that has it/);
    expect(told).not.toContain('cache');
    expect(asked).toEqual([]);
  });

  test('are asked of every mirror', async () => {
    const mirrors = [`${address}/one`, `${address}/two/`];
    const told = await refusal('ERR_DOWNLOAD', () => fashionMnist({ mirrors }));
    expect(told).toMatch(/404[\s\S]*404/);
    expect(asked).toEqual(['/one/train-images-idx3-ubyte.gz', '/two/train-images-idx3-ubyte.gz']);
  });

  test('public mirrors are all https', () => {
    for (const url of [...MNIST.mirrors, ...FASHION_MNIST.mirrors]) expect(url).toMatch(/^https:\/\/.*\/$/);
  });
});

test('another file of the same name is refused', async () => {
  const header = Buffer.from('0000080300000002000000020000000200000000ffffffff', 'hex');
  writeFileSync(join(folder, 't10k-images-idx3-ubyte'), header);
  const told = await refusal('ERR_DATA_FORMAT', () => mnist({ split: 'test', directory: folder }));
  expect(told).toMatch(/expected 10000 x 28 x 28 elements but received 2 x 2 x 2/);
});

test('unknown options and splits are refused', async () => {
  expect(await refusal('ERR_RANGE', () => mnist({ split: 'valid' as never }))).toMatch(
    /one of train, test for split/,
  );
  expect(await refusal('ERR_RANGE', () => mnist({ dir: '/' } as never))).toMatch(/dir/);
});

describe.skipIf(!real)('the real files', () => {
  test('the sizes and hashes are those of the published list', () => {
    const list = readFileSync(join(real, 'SHA256SUMS'), 'utf8');
    for (const set of [MNIST, FASHION_MNIST]) {
      for (const { images, labels } of Object.values(set.splits)) {
        for (const file of [images, labels]) {
          expect(list).toContain(`${file.sha256}  ./${set.name}/${file.name}.gz`);
          expect(readFileSync(join(real, set.name, `${file.name}.gz`)).length).toBe(file.length);
        }
      }
    }
  });

  // Means and deviations of the training pixels as they are quoted everywhere for normalizing these sets.
  test.each<[string, () => ReturnType<typeof mnist>, number, number, number]>([
    ['mnist', () => mnist({ directory: real }), 0.1307, 0.3081, 5],
    ['fashion-mnist', () => fashionMnist({ directory: join(real, 'fashion-mnist') }), 0.286, 0.353, 9],
  ])(
    '%s: 60,000 training images with the known mean, deviation and first label',
    async (name, load, mean, deviation, first) => {
      const data = await load();
      expect(data.describe()).toBe(`${name} (train): 60,000 examples of 1x28x28, unit, uint8, 10 classes`);
      let [sum, squares] = [0, 0];
      for (const byte of data.data) {
        sum += byte / 255;
        squares += (byte / 255) ** 2;
      }
      const average = sum / data.data.length;
      expect(average).toBeCloseTo(mean, 3);
      expect(Math.sqrt(squares / data.data.length - average ** 2)).toBeCloseTo(deviation, 3);
      expect(data.labels![0]).toBe(first);
    },
  );

  test('TORCHVAE_DATA is looked into first, for the test split as well', async () => {
    vi.stubEnv('TORCHVAE_DATA', real);
    const digits = await loadDataset('mnist', { split: 'test', download: false });
    expect([digits.length, [...digits.labels!.slice(0, 5)]]).toEqual([10_000, [7, 2, 1, 0, 4]]);
    const clothes = await loadDataset('fashion-mnist', { split: 'test', download: false });
    expect(clothes.classes![clothes.labels![0]!]).toBe('Ankle boot');
  });

  test('uncompressed and recompressed files are the same files', async () => {
    const { images, labels } = MNIST.splits.test;
    const raw = gunzipSync(readFileSync(join(real, 'mnist', `${images.name}.gz`)));
    writeFileSync(join(folder, images.name), raw);
    const labelBytes = gunzipSync(readFileSync(join(real, 'mnist', `${labels.name}.gz`)));
    writeFileSync(join(folder, `${labels.name}.gz`), gzipSync(labelBytes, { level: 1 }));
    expect((await mnist({ split: 'test', directory: folder })).length).toBe(10_000);
  });

  test('clothes are not taken for digits although their files have the same names', async () => {
    const directory = join(real, 'fashion-mnist');
    const told = await refusal('ERR_DATA_FORMAT', () => mnist({ split: 'test', directory }));
    expect(told).toMatch(/not the original file of mnist/);
  });

  test('are downloaded into the cache once', async () => {
    const mirrors = [`${address}/nothing/here`, `${address}/real/mnist`];
    const data = await mnist({ split: 'test', mirrors });
    expect(data.length).toBe(10_000);
    expect(asked.length).toBe(4);
    const cached = join(folder, 'cache', 'mnist');
    expect(readdirSync(cached).sort()).toEqual(['t10k-images-idx3-ubyte.gz', 't10k-labels-idx1-ubyte.gz']);
    await mnist({ split: 'test', mirrors });
    expect(asked.length).toBe(4);
  });

  test('a damaged file in the cache is refused, not used', async () => {
    const cached = join(folder, 'cache', 'mnist');
    mkdirSync(cached, { recursive: true });
    const { images, labels } = MNIST.splits.test;
    copyFileSync(join(real, 'mnist', `${images.name}.gz`), join(cached, `${images.name}.gz`));
    const swapped = gunzipSync(readFileSync(join(real, 'mnist', `${labels.name}.gz`)));
    swapped[100]! ^= 1;
    writeFileSync(join(cached, labels.name), swapped);
    const told = await refusal('ERR_DATA_FORMAT', () => mnist({ split: 'test', download: false }));
    expect(told).toMatch(/t10k-labels-idx1-ubyte: expected data with the SHA-256/);
  });
});
