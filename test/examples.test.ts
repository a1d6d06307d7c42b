/** The examples run as they stand, in their small setting, as a user starts them. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decode } from 'fast-png';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { packageFolder, runNode } from './support/command.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'torchvae-examples-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** What each has to say, and the pictures that it leaves. */
const EXAMPLES: Record<string, { says: RegExp; pictures: string[] }> = {
  'images.mjs': {
    says: /epoch 4, after loading: ELBO -\d+\.\d nats/,
    pictures: ['images-reconstructions.png', 'images-samples.png'],
  },
  'table-anomalies.mjs': {
    says: /: (9\d|100)% of the strange\npayments, and [0-3]% of the usual ones/,
    pictures: ['table-anomalies.png'],
  },
  'conditional-digits.mjs': {
    says: /\d classes.*\nepoch 1: [\s\S]*epoch 4: ELBO -\d+/,
    pictures: ['conditional-digits.png', 'conditional-styles.png'],
  },
  'latent-exploration.mjs': {
    says: /of 16 dimensions are in use[\s\S]*: around \(-?\d/,
    pictures: ['latent-between.png', 'latent-map.png'],
  },
  'own-data.mjs': {
    says: /Houses that nobody has built:[\s\S]*town[\s\S]*streamed in windows of 1,024\n[\s\S]*epoch 3: /,
    pictures: ['own-data-codes.png'],
  },
};

test('all are run here and told of in their README', () => {
  const found = readdirSync(join(packageFolder, 'examples')).filter((name) => name.endsWith('.mjs'));
  expect(found.sort()).toEqual(Object.keys(EXAMPLES).sort());
  const readme = readFileSync(join(packageFolder, 'examples/README.md'), 'utf8');
  for (const name of found) expect(readme).toContain(`node examples/${name}`);
});

test('their types are right', () => {
  const tsc = join(packageFolder, 'node_modules/typescript/bin/tsc');
  const { status, stdout } = spawnSync(process.execPath, [tsc, '-p', 'examples'], {
    cwd: packageFolder,
    encoding: 'utf8',
  });
  expect(stdout).toBe('');
  expect(status).toBe(0);
});

test.each(Object.entries(EXAMPLES))('%s', async (name, { says, pictures }) => {
  const out = join(folder, name);
  const { code, stdout, stderr } = await runNode(
    [join(packageFolder, 'examples', name), '--small', '--out', out],
    { cwd: folder },
  );
  expect(stderr).toBe('');
  expect(code).toBe(0);
  expect(stdout).toMatch(says);
  for (const picture of pictures) {
    const { data, width, height } = decode(readFileSync(join(out, picture)));
    expect(width * height).toBeGreaterThan(1000);
    expect(new Set(data).size).toBeGreaterThan(1);
  }
});
