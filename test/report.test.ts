/** The page of HTML that tells of a run: what it holds, that it needs nothing else, and that text stays text. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decode } from 'fast-png';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type EpochRecord, renderReport } from '../lib/report/index.ts';
import { torchvae } from './support/command.ts';

const HOSTILE = `</style><script src="https://evil.example/x.js">alert('1')</script><img src=x onerror="y()">&`;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'torchvae-report-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** An element of a page that was taken apart. */
interface Tag {
  name: string;
  attributes: Record<string, string>;
}

const VOID = new Set(['meta', 'img']);

/** Takes a page apart, strictly: tags are nested and closed, attributes quoted, and no other < or > stands anywhere. */
function parse(html: string): { tags: Tag[]; text: string } {
  const tags: Tag[] = [];
  const open: string[] = [];
  let text = '';
  let rest = html.replace(/^<!doctype html>\n/, '');
  expect(rest.length).toBeLessThan(html.length);
  while (rest !== '') {
    const [words] = /^[^<]*/.exec(rest)!;
    if (open.at(-1) !== 'style') expect(words).not.toContain('>');
    text += plain(words);
    rest = rest.slice(words.length);
    if (rest === '') break;
    const tag = /^<(\/?)([a-z0-9]+)((?: [a-zA-Z0-9:-]+="[^"<>]*")*)(\/?)>/.exec(rest);
    expect(tag, rest.slice(0, 80)).not.toBeNull();
    const [whole, closing, name, attributes, alone] = tag as unknown as [
      string,
      string,
      string,
      string,
      string,
    ];
    rest = rest.slice(whole.length);
    if (closing) {
      expect(open.pop()).toBe(name);
      continue;
    }
    const pairs = [...attributes.matchAll(/ ([a-zA-Z0-9:-]+)="([^"]*)"/g)].map(([, key, value]) => [
      key!,
      plain(value!),
    ]);
    tags.push({ name, attributes: Object.fromEntries(pairs) });
    if (!alone && !VOID.has(name)) open.push(name);
  }
  expect(open).toEqual([]);
  return { tags, text };
}

function plain(text: string): string {
  const entities: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'" };
  return text.replace(/&(#?\w+);/g, (_, name) => entities[name] ?? `unknown entity ${name}`);
}

/** Nothing that a browser would fetch or run. */
function expectSelfContained(html: string): void {
  const { tags } = parse(html);
  expect(html).not.toMatch(/@import|url\(/);
  for (const { name, attributes } of tags) {
    expect(['script', 'iframe', 'link', 'object', 'embed', 'base', 'form', 'image', 'use']).not.toContain(
      name,
    );
    for (const [key, value] of Object.entries(attributes)) {
      expect(key).not.toMatch(/^on|^style$|^xmlns/);
      if (/^(src|srcset|data|poster|action)$/.test(key)) expect(value).toMatch(/^data:image\/png;base64,/);
      if (/href$/.test(key)) expect(value).toMatch(/^#/);
      if (key !== 'alt' && key !== 'aria-label') expect(value).not.toMatch(/https?:|^\/\//);
    }
  }
}

const SECTIONS = ['training', 'codes', 'pictures', 'gradients', 'model', 'data', 'objective'];
const ALL = [...SECTIONS, 'optimizer-and-schedule', 'environment', 'reproduce'];

function sectionsOf({ tags }: ReturnType<typeof parse>): string[] {
  return tags.filter(({ name }) => name === 'section').map(({ attributes }) => attributes.id!);
}

function epoch(number: number, more: Partial<EpochRecord> = {}): EpochRecord {
  const train = { loss: 100 / number, reconstruction: 90 / number, kl: 10 / number, elbo: -100 / number };
  return { epoch: number, step: 10 * number, seconds: 2, train, learningRate: 1e-3, ...more };
}

describe('the page', () => {
  const layers = [{ name: `${HOSTILE}.weight`, gradient: 1, update: 1, weight: 1 }];
  const hostile = renderReport({
    title: HOSTILE,
    subtitle: HOSTILE,
    epochs: [1, 2, 3].map((number) =>
      epoch(number, {
        gradientHealth: {
          layers: [...layers, ...layers],
          norm: 1,
          verdict: HOSTILE,
          layer: HOSTILE,
          advice: HOSTILE,
        },
        latentHealth: {
          activeUnits: 1,
          meanVariance: [1, 0],
          klPerDimension: [2, 0],
          mutualInformation: 1,
          examples: 10,
          alarm: { degree: HOSTILE, message: HOSTILE },
        },
        best: { epoch: 1, value: 1, of: HOSTILE },
        ...(number === 2 && { skipped: 3, skippedBecause: HOSTILE }),
      }),
    ),
    gallery: [
      { title: HOSTILE, caption: HOSTILE, shown: { columns: [HOSTILE], rows: [[HOSTILE]] } },
      {
        title: HOSTILE,
        caption: HOSTILE,
        shown: { width: 1, height: 1, channels: 1, data: Uint8Array.of(7) },
      },
    ],
    notes: [HOSTILE],
    facts: { [HOSTILE]: { [HOSTILE]: { type: HOSTILE, [HOSTILE]: [HOSTILE, { [HOSTILE]: HOSTILE }] } } },
    commands: [{ said: HOSTILE, lines: [HOSTILE] }],
  });

  test('text from files stays text, wherever it comes from', () => {
    expectSelfContained(hostile);
    const { tags, text } = parse(hostile);
    expect(text.split(HOSTILE).length).toBeGreaterThan(15);
    expect(tags.filter(({ name }) => name === 'style')).toHaveLength(1);
    expect(tags.filter(({ name }) => name === 'img')).toHaveLength(1);
  });

  test('forbids by its policy what it does not do', () => {
    const policy = parse(hostile).tags.find(({ attributes }) => attributes['http-equiv']);
    expect(policy!.attributes.content).toMatch(
      /^default-src 'none'; img-src data:; style-src 'unsafe-inline'$/,
    );
  });

  test('says where gradients were not healthy, epochs in a row in one line', () => {
    const bad = {
      gradientHealth: { layers, norm: 1, verdict: 'vanishing', layer: 'encoder.0', advice: 'use relu' },
    };
    const good = { gradientHealth: { layers, norm: 1, verdict: 'healthy' } };
    const epochs = [
      epoch(1, bad),
      epoch(2, bad),
      epoch(3, good),
      epoch(4, { ...bad, skipped: 2, skippedBecause: 'kl' }),
    ];
    const { text } = parse(renderReport({ title: 'x', epochs }));
    expect(text).toContain('1 to 2vanishingencoder.0use relu');
    expect(text).toContain('4vanishingencoder.0use relu');
    expect(text).toContain('4updates left outkl');
    expect(parse(renderReport({ title: 'x', epochs: [epoch(1, good)] })).text).toContain(
      'Healthy in the epoch',
    );
  });

  test('says values of JSON in words', () => {
    const encoder = { type: 'mlp', hidden: [400, 20], norm: null, deep: { a: 1, b: true } };
    const { text } = parse(
      renderReport({ title: 'x', epochs: [], facts: { Model: { encoder, absent: undefined } } }),
    );
    expect(text).toContain('encodermlp; hidden 400, 20; norm none; deep (a 1; b yes)');
    expect(text).not.toContain('absent');
  });

  test('without any epoch or picture is still a page', () => {
    const html = renderReport({ title: 'x', epochs: [] });
    expectSelfContained(html);
    expect(html).not.toMatch(/NaN|undefined|Infinity/);
    expect(parse(html).text).toContain('No epoch has ended.');
  });
});

describe('torchvae report', () => {
  const run = async (...args: string[]) => {
    const outcome = await torchvae(args, { cwd: folder });
    expect(outcome, outcome.stderr).toMatchObject({ code: 0, stdout: '' });
    return outcome.stderr;
  };
  const page = (path: string) => readFileSync(join(folder, path), 'utf8');

  test('tells all of a run over images', async () => {
    await run(
      'train',
      '--count',
      '300',
      '--epochs',
      '1',
      '--set',
      'encoder.hidden=[16]',
      '--set',
      'latentSize=3',
      '--out',
      'runs/im ages',
    );
    await run('train', '--out', 'runs/im ages', '--resume', '--epochs', '2');
    expect(await run('report', 'runs/im ages')).toBe('Wrote runs/im ages/report.html\n');
    const html = page('runs/im ages/report.html');
    expectSelfContained(html);
    const parsed = parse(html);
    expect(sectionsOf(parsed)).toEqual(ALL);
    const images = parsed.tags.filter(({ name }) => name === 'img');
    for (const { attributes } of images) {
      const picture = decode(Buffer.from(attributes.src!.split(',')[1]!, 'base64'));
      expect(String(picture.width)).toBe(attributes.width);
      expect(new Set(picture.data).size).toBeGreaterThan(10);
    }
    for (const title of ['Reconstructions', 'Samples', 'Interpolation', 'Traversal', 'Latent space'])
      expect(parsed.text).toContain(title);
    const { date } = JSON.parse(page('runs/im ages/config.json')).invocations[0];
    for (const said of [date, 'latent size3', 'bernoulli', 'hidden 16', process.version, 'adam', 'constant'])
      expect(parsed.text, said).toContain(said);
    expect(parsed.text).toContain('The best epoch is 2, by its test loss');
    // One flag a line, so that it can be copied as it stands.
    expect(parsed.text).toContain(
      'npx torchvae train \\\n  --preset mlp-400 \\\n  --data sprites \\\n  --count 300 \\',
    );
    expect(parsed.text).toContain("npx torchvae train --out 'runs/im ages' --resume --epochs 2");
  });

  test('its command makes the run again, to the bit', async () => {
    const [, command] = /<pre><code>npx torchvae ([^<]*)<\/code>/.exec(page('runs/im ages/report.html'))!;
    const shell = spawnSync('sh', ['-c', `printf '%s\\0' ${plain(command!)}`], { encoding: 'utf8' });
    const args = shell.stdout.split('\0').slice(0, -1);
    expect(args).toContain('encoder.hidden=[16]');
    await run(...args, '--out', 'again');
    const weights = (path: string) => readFileSync(join(folder, path, 'checkpoint.safetensors'));
    expect(weights('again').equals(weights('runs/im ages'))).toBe(true);
  });

  test('shows the pictures that training left where the model cannot be opened', async () => {
    cpSync(join(folder, 'again'), join(folder, 'damaged'), { recursive: true });
    writeFileSync(join(folder, 'damaged', 'checkpoint.safetensors'), 'no checkpoint');
    writeFileSync(join(folder, 'damaged', 'samples.png'), 'no picture');
    expect(await run('report', 'damaged')).toMatch(
      /warning: Only the pictures that training left are shown: .*ERR_CHECKPOINT/,
    );
    const html = page('damaged/report.html');
    expectSelfContained(html);
    const images = parse(html).tags.filter(({ name }) => name === 'img');
    expect(images.map(({ attributes }) => attributes.alt)).toEqual([
      expect.stringMatching(/^Reconstructions/),
    ]);
  });

  test('shows rows of a table beside their reconstructions, and goes without the data', async () => {
    const rows = Array.from({ length: 60 }, (_, i) => `${i},${i % 2 ? '<b>x</b>' : 'y'},${i % 3}`);
    writeFileSync(join(folder, 'a&b.csv'), ['n,<i>,group', ...rows].join('\n'));
    const gaussian = [
      '--set',
      'likelihood.type=gaussian',
      '--set',
      'encoder.hidden=[8]',
      '--set',
      'latentSize=2',
    ];
    await run(
      'train',
      '--data',
      'a&b.csv',
      '--label-column',
      'group',
      '--holdout',
      '0.3',
      '--epochs',
      '2',
      ...gaussian,
      '--out',
      'table',
    );
    await run('report', 'table', '--best', '--out', 'table.html');
    const html = page('table.html');
    expectSelfContained(html);
    const parsed = parse(html);
    expect(sectionsOf(parsed)).toEqual(ALL);
    expect(parsed.tags.filter(({ name }) => name === 'img')).toEqual([]);
    expect(parsed.text).toMatch(/n<i>(original\d+(<b>x<\/b>|y)reconstruction-?[\d.]+(<b>x<\/b>|y)){8}/);
    expect(parsed.text).toContain('by its validation loss');

    rmSync(join(folder, 'a&b.csv'));
    expect(await run('report', 'table')).toMatch(
      /Wrote table\/report.html\nwarning: There are no pictures: .*a&b.csv/,
    );
    const without = parse(page('table/report.html'));
    expect(sectionsOf(without)).toEqual(ALL);
    expect(without.text).toContain('There are no pictures');
  });

  test.each([
    [['report', 'nowhere'], /Could not read nowhere\/config.json.*ERR_IO/],
    [['report', 'again', '--out', 'none/report.html'], /Could not write none\/report.html.*ERR_IO/],
    [['report', 'again/checkpoint.safetensors'], /Could not read .*config.json.*ERR_IO/],
    [['plot', 'again', 'losses'], /'losses' is invalid.*loss, reconstruction/],
    [['plot', 'again', 'loss', '--out', 'loss.pdf'], /ends with .svg or .png.*loss.pdf/],
    [['plot', 'nowhere', 'loss'], /Could not read nowhere\/metrics.jsonl/],
    [['interpolate', 'table', '--data', 'none.csv'], /none.csv.*does not exist/],
    [['traverse', 'again', '--example', '5000'], /an integer from 0 to 4999/],
  ] as const)('%j is refused', async (args, message) => {
    const outcome = await torchvae(args, { cwd: folder });
    expect(outcome).toMatchObject({ code: 1, stdout: '' });
    expect(outcome.stderr).toMatch(message);
    expect(outcome.stderr).not.toMatch(/\n\s+at /);
  });

  test('interpolate, traverse and plot take the data that the run was trained on', async () => {
    await run('interpolate', 'again', '--pairs', '2', '--steps', '4', '--show');
    const interpolation = decode(readFileSync(join(folder, 'interpolation.png')));
    expect(interpolation).toMatchObject({ width: 4 * 58 + 2, height: 2 * 58 + 2 });
    await run('traverse', 'again', '--steps', '5', '--out', 't.png');
    expect(decode(readFileSync(join(folder, 't.png')))).toMatchObject({
      width: 5 * 58 + 2,
      height: 3 * 58 + 2,
    });
    for (const kind of ['loss', 'elbo', 'learning-rate', 'gradients', 'dimensions']) {
      await run('plot', 'again', kind);
      expect(page(`${kind}.svg`)).toMatch(/^<svg xmlns="http:\/\/www.w3.org\/2000\/svg"/);
    }
    await run('plot', 'again', 'latent', '--count', '50', '--out', 'latent.png');
    expect(decode(readFileSync(join(folder, 'latent.png'))).width).toBe(960);
  });
});
