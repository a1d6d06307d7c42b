/** Lines of text become tokens of a fixed number and lines again. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type Dataset,
  loadDataset,
  loadSplit,
  schemaFromJson,
  streamDataset,
  TextSchema,
  type TextSchemaOptions,
} from '../lib/data/index.ts';
import { refusal } from './refusal.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'torchvae-text-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function file(content: string | Uint8Array, name = 'lines.txt'): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

const schemaOf = (data: Dataset) => data.schema as TextSchema;
const linesOf = (data: Dataset) => schemaOf(data).decode(data.data as Float32Array);

describe('reading', () => {
  test('characters are tokens by their frequency; shorter lines are filled up', async () => {
    const data = await loadDataset(file('aab\n\nac\r\n😀'));
    expect(data.describe()).toBe(
      'lines.txt: 3 examples of 3, categorical, float32; 1 blank line was passed over; examples count the others',
    );
    expect([schemaOf(data).vocabulary, schemaOf(data).categories]).toEqual([['a', 'b', 'c', '😀'], 6]);
    expect([...data.data]).toEqual([2, 2, 3, 2, 4, 0, 5, 0, 0]);
    expect(linesOf(data)).toEqual(['aab', 'ac', '😀']);
  });

  test('words, of which the most frequent are kept', async () => {
    const path = file(' the cat  the mat \nthe dog\n');
    const data = await loadDataset(path, { level: 'word', vocabularySize: 2 });
    expect(schemaOf(data).vocabulary).toEqual(['the', 'cat']);
    expect(linesOf(data)).toEqual(['the cat the \ufffd', 'the \ufffd']);
  });

  test('a schema that was kept as JSON reads other lines', async () => {
    const data = await loadDataset(file('abc\nab\n'));
    const schema = schemaFromJson(JSON.parse(JSON.stringify(data.schema))) as TextSchema;
    const other = file('cz\n', 'other.txt');
    expect(linesOf(await loadDataset(other, { schema }))).toEqual(['c\ufffd']);
    const long = file('ok\nabcabc\n', 'long.txt');
    expect(await refusal('ERR_DATA_FORMAT', () => loadDataset(long, { schema }))).toMatch(
      /long\.txt: line 2: expected at most 3 tokens but it has 6/,
    );
    expect(linesOf(await loadDataset(long, { length: 3, onLong: 'cut' }))).toEqual(['ok', 'abc']);
  });

  test('one line that is far longer than the others is noted, unless a length is given', async () => {
    const path = file([...Array<string>(60).fill('short line'), 'x'.repeat(900)].join('\n'), 'long.txt');
    expect((await loadDataset(path)).notes).toEqual([
      expect.stringMatching(
        /longest line has 900 characters, nearly all others at most 10, .* give a length/,
      ),
    ]);
    expect((await loadDataset(path, { length: 10, onLong: 'cut' })).notes).toEqual([]);
    expect((await loadDataset(file('aab\nac\n'))).notes).toEqual([]);
  });

  test.each<[string, string[], RegExp | undefined, TextSchemaOptions?]>([
    ['objects of JSON', ['{"a": 1}', '{"a": 2}'], /object of JSON, .* name the file \.jsonl/],
    ['braces', ['{"a": 1}', '{a, b}'], undefined],
    [
      'a text without ends of lines',
      ['word '.repeat(300)],
      /one line of 1500 characters, and each line is an ex/,
    ],
    ['lines that are all one', Array(30).fill('same'), /all lines are the same, which says nothing/],
    [
      'a script without spaces between words',
      Array.from({ length: 30 }, (_, i) => `今天天气${String.fromCodePoint(0x4e00 + i)}很好`),
      /30 of 30 words come once, .* take characters if so \(level: 'character'\)/,
      { level: 'word' },
    ],
    [
      'words that come again',
      Array.from({ length: 30 }, (_, i) => `the ${i}th of them`),
      undefined,
      { level: 'word' },
    ],
  ])('%s: what may be meant otherwise is noted, of streams too', async (_, lines, note, options = {}) => {
    const path = file(lines.join('\n'), 'meant.txt');
    const { notes } = await loadDataset(path, options);
    expect(notes).toEqual(note ? [expect.stringMatching(note)] : []);
    expect((await streamDataset(path, options)).notes).toEqual(notes);
  });

  test('the vocabulary is that of the training part', async () => {
    const lines = Array.from({ length: 20 }, (_, i) => `${String.fromCharCode(97 + i)}-`);
    const { train, validation } = await loadSplit(file(lines.join('\n')), { validation: 0.5, seed: 1 });
    expect(schemaOf(train).vocabulary.length).toBe(11);
    expect(linesOf(validation)).toEqual(Array(10).fill('\ufffd-'));
    expect([...linesOf(train)].every((line) => lines.includes(line))).toBe(true);
  });

  test.skipIf(!process.env.TORCHVAE_DATA)('the Penn treebank by words, molecules by characters', async () => {
    const ptb = await loadDataset(join(process.env.TORCHVAE_DATA!, 'ptb/ptb.test.txt'), { level: 'word' });
    expect([ptb.length, schemaOf(ptb).vocabulary[0]]).toEqual([3761, '<unk>']);
    expect(linesOf(ptb)[0]).toBe("no it was n't black monday");
    const path = join(process.env.TORCHVAE_DATA!, 'smiles/zinc_test.txt');
    const { train, validation } = await loadSplit(path, { validation: 0.1 });
    expect([train.length, validation.length, train.size]).toEqual([4500, 500, validation.size]);
    expect([...linesOf(train), ...linesOf(validation)]).toContain('CC(C)(C)c1ccc2occ(CC(=O)Nc3ccccc3F)c2c1');
  });
});

describe('refusing', () => {
  test.each<[string, string | Uint8Array, object, RegExp]>([
    ['nothing', '', {}, /at least one line that is not empty/],
    ['empty lines', '\n \n\r\n', {}, /at least one line that is not empty/],
    ['Latin-1', Buffer.from('ab\ncaf\xe9\n', 'latin1'), {}, /UTF-8 but the bytes at offset 6 /],
    ['a picture', Buffer.from('89504e470d0a1a0a', 'hex'), {}, /UTF-8 but the bytes at offset 0 /],
    [
      'a line that is too long',
      'ab\n\nabc\n',
      { length: 2 },
      /line 3: expected at most 2 tokens but it has 3/,
    ],
    [
      'one line of a whole file',
      Buffer.alloc(5_000_000, 'x'),
      {},
      /line 1: expected at most 4194304 characters/,
    ],
    [
      'one long line among many',
      `${'x'.repeat(4_000_000)}\n${'y\n'.repeat(500)}`,
      {},
      /tokens, as the longest has, are more/,
    ],
  ])('%s', async (_, content, options, message) => {
    const path = file(content);
    const told = await refusal('ERR_DATA_FORMAT', () => loadDataset(path, options));
    expect(told).toMatch(message);
    expect(told).toContain(path);
  });

  test('characters that are cut by the reading in pieces are whole', async () => {
    const line = '€'.repeat(1000);
    const data = await loadDataset(file(`a${`${line}\n`.repeat(200)}`), { vocabularySize: 5 });
    expect(linesOf(data)[199]).toBe(line);
    const bad = Buffer.concat([Buffer.from(`a${`${line}\n`.repeat(200)}`), Buffer.of(0xff)]);
    expect(await refusal('ERR_DATA_FORMAT', () => loadDataset(file(bad)))).toContain(
      `offset ${bad.length - 1} `,
    );
  });

  test('what are no lines', async () => {
    const schema = TextSchema.learn({ name: 't', lines: ['abc'] });
    for (const [text, pattern] of [
      [null, /{ name, lines } for text but received null/],
      [['abc'], /{ name, lines } for text but received Array/],
      [{ name: 't', lines: 'abc' }, /{ name, lines } for text/],
      [{ name: 't', lines: ['abc', 5] }, /a text for text.lines\[1\]/],
    ] as const) {
      expect(await refusal('ERR_TYPE', () => TextSchema.learn(text as never))).toMatch(pattern);
      expect(await refusal('ERR_TYPE', () => schema.encode(text as never))).toMatch(pattern);
    }
    expect(await refusal('ERR_DATA_FORMAT', () => schemaFromJson({ type: 1n }))).toMatch(
      /table or text for type/,
    );
  });

  test('options, tokens and schemas that cannot be', async () => {
    const path = file('ab\n');
    await refusal('ERR_RANGE', () => loadDataset(path, { level: 'byte' as never }));
    await refusal('ERR_RANGE', () => loadDataset(path, { length: 0 }));
    await refusal('ERR_RANGE', () => loadDataset(path, { vocabularySize: 0 }));
    const schema = schemaOf(await loadDataset(path));
    await refusal('ERR_RANGE', () => schema.decode(Float32Array.of(2, 9)));
    await refusal('ERR_SHAPE', () => schema.decode(Float32Array.of(2)));
    const good = schema.toJSON();
    for (const broken of [{ vocabulary: [] }, { vocabulary: ['a', 'a'] }, { length: 0 }, { level: 'byte' }]) {
      await refusal('ERR_DATA_FORMAT', () => schemaFromJson({ ...good, ...broken }));
    }
    const table = await loadDataset(file('a\n1\n2\n', 'table.csv'));
    expect(await refusal('ERR_TYPE', () => loadDataset(path, { schema: table.schema }))).toMatch(
      /lines\.txt: expected a table, .* but it holds lines of text/,
    );
  });
});
