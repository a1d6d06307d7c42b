/** Tables of text as people have them: how they are written is found, and no column changes its kind without a word. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type Dataset,
  type LoadOptions,
  loadDataset,
  streamDataset,
  type TableSchema,
} from '../lib/data/index.ts';
import { refusal } from './refusal.ts';
import { fuzz } from './support/fuzz.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'torchvae-dialects-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

const load = (name: string, content: string | Uint8Array, options: LoadOptions = {}) =>
  loadDataset(file(name, content), options);
const schemaOf = (data: Dataset) => data.schema as TableSchema;
const typesOf = (data: Dataset) => schemaOf(data).fields.map(({ name, type }) => `${name} ${type}`);
const rowsOf = (data: Dataset) => schemaOf(data).decode(data.data as Float32Array);
const lines = (count: number, line: (i: number) => string) =>
  Array.from({ length: count }, (_, i) => line(i));

describe('the dialect is found', () => {
  const expected = [
    { a: 1.5, b: 2, c: 'x' },
    { a: 12.25, b: 3, c: 'y' },
  ];

  test.each([
    ['commas', 'a,b,c\n1.5,2,x\n12.25,3,y\n'],
    ['semicolons', 'a;b;c\n1.5;2;x\n12.25;3;y\n'],
    ['semicolons with decimal commas', 'a;b;c\n1,5;2;x\n12,25;3;y\n'],
    ['tabs', 'a\tb\tc\n1.5\t2\tx\n12.25\t3\ty\n'],
    ['tabs with decimal commas', 'a\tb\tc\n1,5\t2\tx\n12,25\t3\ty\n'],
    ['bars', 'a|b|c\n1.5|2|x\n12.25|3|y\n'],
    ['decimal commas in quotes', 'a,b,c\n"1,5",2,x\n"12,25",3,y\n'],
    ['spaces after commas', 'a, b, c\n1.5, 2, "x"\n12.25, 3, "y"\n'],
    ['a byte order mark and CR LF', '\ufeffa,b,c\r\n1.5,2,x\r\n12.25,3,y\r\n'],
    ['line ends of two systems', 'a,b,c\r\n1.5,2,x\n12.25,3,y'],
    ['a line that tells Excel the delimiter', 'sep=;\r\na;b;c\r\n1,5;2;x\r\n12,25;3;y\r\n'],
    ['CR alone', 'a,b,c\r1.5,2,x\r12.25,3,y\r'],
    ['semicolons in the cells of another delimiter', 'a,b,c\n1.5,2,x \n12.25,3, y\n\n'],
  ])('%s', async (_, content) => {
    expect(rowsOf(await load('d.csv', content))).toEqual(expected);
  });

  test.each([
    ['semicolons between words of a cell', 'k,v\nx;y,1\nz;w,2\n', ['k', 'v']],
    ['bars between words of a cell, as those of genres', 'k,v\naction|drama,1\ndrama,2\n', ['k', 'v']],
    [
      'rows of a length that another delimiter has by chance',
      '0,5;1\n0,7;2\n0,8;3\n',
      ['column1', 'column2'],
    ],
  ])('%s do not hide it', async (_, content, names) => {
    const { fields } = (await load('d.csv', content)).schema as TableSchema;
    expect(fields.map(({ name, type }) => [name, type])[1]).toEqual([names[1], 'numeric']);
    expect(fields.map(({ name }) => name)).toEqual(names);
  });

  test('a row too long does not make another delimiter the one that is meant', async () => {
    const told = await refusal('ERR_DATA_FORMAT', () => load('d.csv', '0,5;1\n0,7;2\n0,8;2;3\n0,9;4\n'));
    expect(told).toMatch(/expect 2, got 3 on line 3/);
    const groups = await refusal('ERR_DATA_FORMAT', () => load('d.csv', 'v,w\n1\u00a0000,1\n2\u00a0000,2\n'));
    expect(groups).toMatch(/numbers in groups of digits/);
  });

  test('thousands in groups, signs, exponents and leading zeros before a point', async () => {
    const data = await load('n.csv', 'a;b\n1,250.5;+07.25\n-12,000;1e-1\n.5;0.5E1\n');
    expect(rowsOf(data).map(({ a }) => a)).toEqual([1250.5, -12000, 0.5]);
    expect(rowsOf(data).map(({ b }) => b)).toEqual([7.25, 0.1, 5]);
    const german = await load('g.csv', 'a;b\n1.250,5;2\n-12.000;3\n');
    expect(rowsOf(german).map(({ a }) => a)).toEqual([1250.5, -12000]);
  });

  test('numbers that may be others are noted, unless it is said or shown what they are', async () => {
    const notesOf = async (text: string, options = {}) => (await load('d.csv', text, options)).notes;
    const between = (mark: string, delimiter: string, more = '') =>
      `a${delimiter}b\n1${mark}125${delimiter}x\n7${mark}204${delimiter}y\n${more}`;
    expect(await notesOf(between(',', '\t'))).toEqual([
      "numbers such as 1,125 are read as 1125, and none shows its decimal mark; if 1.125 is meant, give decimal: ','",
    ]);
    expect(await notesOf(between(',', ';'))).toEqual([
      expect.stringMatching(/as 1.125, .* if 1125 is meant/),
    ]);
    expect(await notesOf(between('.', ';'))).toEqual([
      expect.stringMatching(/as 1.125, .* if 1125 is meant/),
    ]);
    for (const text of [
      between('.', '\t'),
      between(',', '\t', '0,5\tx\n'),
      between('.', ';', '0.5;x\n'),
      'a,b\n"1,125",x\n"7,204",y\n',
    ])
      expect(await notesOf(text)).toEqual([]);
    expect(await notesOf(between(',', '\t'), { decimal: ',' })).toEqual([]);
    const { schema } = await load('d.csv', between(',', '\t'));
    expect(await notesOf(between(',', '\t'), { schema })).toEqual([]);
    expect((await streamDataset(join(folder, 'd.csv'))).notes).toHaveLength(1);
  });

  test('blank lines among those of a single column, or of a text, are counted', async () => {
    const passed = '2 blank lines between rows were passed over; write NA where a value is missing';
    const gaps = await load('gaps.csv', '\na\n1\n\n2\n \n3\n\n\n');
    expect([rowsOf(gaps).map(({ a }) => a), ...gaps.notes]).toEqual([[1, 2, 3], passed]);
    expect((await streamDataset(join(folder, 'gaps.csv'))).notes).toEqual([passed]);
    const quoted = await load('quoted.csv', 'a\n1\n""\n3\n', { onMissing: 'impute' });
    expect([quoted.length, ...quoted.notes]).toEqual([3, '1 missing cell was imputed']);
    const text = await load('gaps.txt', 'one\n\ntwo\n\n');
    expect([text.length, ...text.notes]).toEqual([
      2,
      '1 blank line was passed over; examples count the others',
    ]);
    expect((await load('even.txt', 'one\ntwo\n\n')).notes).toEqual([]);
  });

  test('three digits after a comma are decimals between semicolons, and thousands between tabs, unless it is said', async () => {
    expect(rowsOf(await load('s.csv', 'a;b\n1,250;2\n3,500;4\n'))[0]).toEqual({ a: 1.25, b: 2 });
    expect(rowsOf(await load('t.tsv', 'a\tb\n1,250\t2\n3,500\t4\n'))[0]).toEqual({ a: 1250, b: 2 });
    const said = await load('s.csv', 'a;b\n1,250;2\n3,500;4\n', { decimal: '.' });
    expect(rowsOf(said)[0]).toEqual({ a: 1250, b: 2 });
    await refusal('ERR_RANGE', () => load('s.csv', 'a\n1\n', { decimal: "'" as never }));
  });

  test('numbers divided by white space, whatever the extension', async () => {
    const aligned = lines(30, (i) => `  ${i}   ${i / 4}\t-1.5e+00`).join('\n');
    for (const name of ['m.txt', 'm.dat', 'm.data', 'm.csv']) {
      const data = await load(name, aligned);
      expect([data.length, ...typesOf(data)]).toEqual([
        30,
        'column1 numeric',
        'column2 numeric',
        'column3 numeric',
      ]);
    }
    const named = await load('h.txt', '# x y\n1 2\n3 4\n');
    expect(rowsOf(named)[1]).toEqual({ x: 3, y: 4 });
    const commas = await load('c.txt', '1,5 2,5\n2,5 3\n');
    expect(rowsOf(commas)[0]).toEqual({ column1: 1.5, column2: 2.5 });
    expect(await refusal('ERR_DATA_FORMAT', () => load('r.csv', `${aligned}\n1 2\n`))).toMatch(
      /line 31 .* has 2/,
    );
  });

  test('numbers and categories between delimiters are a table, whatever the extension', async () => {
    const people = 'age,city\n30,Rome\n40,New York City\n50,Rome\n';
    expect(typesOf(await load('people.txt', people))).toEqual(['age numeric', 'city categorical']);
    const iris = '5.1\tsetosa\n4.9\tsetosa\n6.0\tvirginica\n';
    expect((await load('iris.txt', iris)).length).toBe(3);
    const comma = await load('comma.txt', 'name;value\nAnna;0,5\nBert;1,5\n');
    expect(rowsOf(comma)[1]).toEqual({ name: 'Bert', value: 1.5 });
  });

  test('a schema says whether a file is a table or text where both may be', async () => {
    const { schema } = await load('people.txt', 'age,city\n30,Rome\n40,Oslo\n50,Rome\n');
    const one = await load('one.txt', 'age,city\n35,Oslo\n', { schema });
    expect(rowsOf(one)).toEqual([{ age: 35, city: 'Oslo' }]);
    const lines = await load('lines.txt', 'a1\nb2\n');
    const digits = await load('digits.txt', '1,2\n2,1\n', { schema: lines.schema, onLong: 'cut' });
    expect([digits.length, digits.schema!.type]).toEqual([2, 'text']);
  });

  test('text stays text, also with numbers in it', async () => {
    for (const content of [
      'it is 5 o clock\nit is 6 o clock\n',
      '12345\n67890\n',
      'Chapter 1\n\nA day.\n',
      'In 1999, we left\nIn 2000, we came\n',
      'I liked this film very much\t1\nI did not like that one\t0\nSo so and no more\t1\n',
    ])
      expect((await load('prose.txt', content)).schema!.type).toBe('text');
  });

  test('the tables of the UCI repository: no header, spaces after commas, question marks', async () => {
    const iris = lines(30, (i) => `${4 + i / 10},3.5,${i % 2 ? 'setosa' : 'virginica'}`).join('\n');
    const data = await load('iris.data', iris);
    expect([data.length, ...typesOf(data)]).toEqual([
      30,
      'column1 numeric',
      'column2 numeric',
      'column3 categorical',
    ]);
    const adult = await load(
      'adult.data',
      lines(8, (i) => `${i}, ${i % 3 ? 'Private' : '?'}, <=50K`).join('\n'),
      {
        onMissing: 'impute',
      },
    );
    expect(schemaOf(adult).fields[1]).toMatchObject({ categories: ['Private'] });
  });

  test('compressed with gzip', async () => {
    const text = lines(20_000, (i) => `${i},${i % 2 ? 'x' : 'y'}`).join('\n');
    const data = await load('big.csv.gz', gzipSync(`v,w\n${text}\n`));
    expect([data.length, ...typesOf(data)]).toEqual([20_000, 'v numeric', 'w categorical']);
    expect((await load('p.txt.gz', gzipSync('ab\ncd\n'))).schema!.type).toBe('text');
    const cut = gzipSync(`v,w\n${text}\n`).subarray(0, 2000);
    expect(await refusal('ERR_DATA_FORMAT', () => load('cut.csv.gz', cut))).toMatch(
      /cut\.csv\.gz: .*decompression/,
    );
  });
});

describe('the first row', () => {
  test.each<[string, string, number]>([
    ['of numbers is data', '18.7,61.5\n31.5,41.8\n14.7,69.1\n', 3],
    ['of names is none', 'temp,hum\n18.7,61.5\n31.5,41.8\n', 2],
    ['of a word that comes again is data', 'red,round\nblue,square\nred,square\n', 3],
    ['of words that do not come again is none', 'color,shape\nblue,square\nred,square\n', 2],
    ['of a word and numbers is data', 'Rome,1.5\nOslo,2.5\nRome,3.5\n', 3],
    ['of a date and a number is data', '2026-01-01,1\n2026-01-02,2\n', 2],
    ['of years beside a name is none', 'value,2019\n1,5\n2,6\n', 2],
    ['that counts the columns is none', ',0,1\n0,5,6\n1,7,8\n', 2],
    ['of years in a row is none', '2019,2020,2021\n5,6,1\n7,8,2\n', 2],
    ['of numbers in a row is data where the next ones are too', '1,2,3\n4,5,6\n7,8,9\n', 3],
    ['of numbers with a gap is data', '1,\n2,5\n3,6\n', 3],
  ])('%s', async (_, content, count) => {
    expect((await load('h.csv', content, { onMissing: 'impute' })).length).toBe(count);
  });

  test.each<[string, string, string, string[]]>([
    [
      'before the names of rows that R counts',
      'r.csv',
      '"a","b"\n"1",1.5,2\n"2",2.5,4\n',
      ['1 names', 'a', 'b'],
    ],
    [
      'with words as names of rows',
      'r.txt',
      '"a" "b"\n"Fiat 128" 1.5 2\n"Mazda RX4" 2.5 4\n',
      ['1 names', 'a', 'b'],
    ],
    ['before rows that end with a delimiter', 'e.csv', 'a;b\n1.5;2;\n2.5;4;\n', ['3 no values', 'a', 'b']],
    ['before rows of names, by tabs', 'r.dat', 'a\tb\nx\t1,5\t2\ny\t2,5\t4\n', ['1 names', 'a', 'b']],
  ])('lacks a name %s', async (_, name, content, [leftOut, ...columns]) => {
    const data = await load(name, content);
    expect(typesOf(data)).toEqual(columns.map((column) => `${column} numeric`));
    const { schema } = data;
    expect(rowsOf(data)).toEqual([
      { a: 1.5, b: 2 },
      { a: 2.5, b: 4 },
    ]);
    const [place, ...reason] = leftOut!.split(' ');
    expect(data.notes.join()).toMatch(
      new RegExp(
        `column${place} was left out: it has no name and .*${reason.join(' ').replace('names', '(names|numbers)')}`,
      ),
    );
    expect((await load(name, content, { schema })).data).toEqual(data.data);
    expect([...(await streamDataset(file(name, content)).then((stream) => stream.head(2))).data]).toEqual([
      ...data.data,
    ]);
  });

  test.each([
    ['a title is above the table', 'Report\nname,v\nbob,1\nann,2\n'],
    ['a title with a comma is above it', 'Report, 2026\nname,kind,v\nbob,x,1\nann,y,2\n'],
    ['it is not known which name is missing', 'a,b\n1.5,2.5,3.5\n2.5,1.5,7.25\n'],
    ['one row alone is longer', 'a,b\n1,2\n1,2,3\n'],
  ])('is of another length where %s, which is refused', async (_, content) => {
    expect(await refusal('ERR_DATA_FORMAT', () => load('t.csv', content))).toMatch(
      /as many cells in every row/,
    );
  });

  test.each([
    ['numbers', 'a,b\n1,2\n', '3,4\n'],
    ['words', 'color,shape\nred,round\nblue,square\n', 'red,square\n'],
  ])('that comes again between %s is refused', async (_, start, end) => {
    const names = start.slice(0, start.indexOf('\n') + 1);
    const told = await refusal('ERR_DATA_FORMAT', () => load('again.csv', start + names + end));
    expect(told).toMatch(/again\.csv: row [23]: .* names of the columns again; take it out, .*`header`/);
    const { schema } = await load('start.csv', start);
    const other = await load('again.csv', start + names + end, { schema, onMissing: 'impute' });
    expect([...other.cells!.unseen].filter((count) => count > 0)).toEqual([2]);
  });

  test('can be said', async () => {
    expect((await load('again.csv', 'red,round\nblue,square\nred,round\n', { header: false })).length).toBe(
      3,
    );
    expect((await load('y.csv', '2019,2020\n1,2\n3,4\n', { header: true })).length).toBe(2);
    expect((await load('w.csv', 'color,shape\nblue,square\n', { header: false })).length).toBe(2);
  });

  test('is that of a schema where it has its names', async () => {
    const { schema } = await load('c.csv', 'city,kind\nRome,a\nOslo,b\nRome,b\n');
    const row = await load('row.csv', 'kind,city\na,Oslo\n', { schema });
    expect(rowsOf(row)).toEqual([{ city: 'Oslo', kind: 'a' }]);
    expect(await refusal('ERR_RANGE', () => load('bare.csv', 'Oslo,a\n', { schema }))).toMatch(
      /bare\.csv: expected the columns of the training data but "city" is not among Oslo, a/,
    );
  });
});

describe('a column keeps its kind', () => {
  test.each(['n/a', '#N/A', '<NA>', 'NaN', '-', '?', '', 'null', ' NA '])(
    'missing is written %j',
    async (cell) => {
      const content = `a,b\n${lines(40, (i) => `${i},${i === 7 ? cell : i / 2}`).join('\n')}\n`;
      expect(await refusal('ERR_DATA_FORMAT', () => load('m.csv', content))).toMatch(
        /row 8, column "b": .* missing/,
      );
      expect(typesOf(await load('m.csv', content, { onMissing: 'impute' }))).toEqual([
        'a numeric',
        'b numeric',
      ]);
    },
  );

  test('one odd cell among numbers or dates is an error with the ways out, each of which works', async () => {
    const content = `a,b\n${lines(40, (i) => `${i === 9 ? 'broken' : i},${i}`).join('\n')}\n`;
    expect(await refusal('ERR_DATA_FORMAT', () => load('odd.csv', content))).toMatch(
      /odd\.csv: row 10, column "a": expected a number, as most cells of the column are, .*"broken"; .*missing: \['', 'NA', "broken"\].*columns: { "a": 'categorical' }/,
    );
    const imputed = await load('odd.csv', content, { missing: ['', 'NA', 'broken'], onMissing: 'impute' });
    expect(typesOf(imputed)).toEqual(['a numeric', 'b numeric']);
    const words = await load('odd.csv', content, { columns: { a: 'categorical' } });
    expect(words.shape).toEqual([41]);
    const days = `day\n${lines(30, (i) => (i === 3 ? 'soon' : `2026-01-${String(i + 1).padStart(2, '0')}`)).join('\n')}\n`;
    expect(await refusal('ERR_DATA_FORMAT', () => load('days.csv', days))).toMatch(
      /row 4, column "day": expected a date/,
    );
  });

  test('many other cells among many numbers are an error too, and few numbers among words are names', async () => {
    const cell = (i: number) => (i % 4 === 0 ? 'unknown' : String(i / 8));
    expect(
      await refusal('ERR_DATA_FORMAT', () => load('u.csv', `a\n${lines(80, cell).join('\n')}\n`)),
    ).toMatch(/row 1, column "a": expected a number, as most cells .* "unknown"; .*missing: .*"unknown"\]/);
    const rooms = await load(
      'r.csv',
      `room\n${lines(80, (i) => (i % 4 ? String(i % 4) : '1a')).join('\n')}\n`,
    );
    expect(schemaOf(rooms).fields[0]).toMatchObject({ categories: ['1', '2', '3', '1a'] });
  });

  test.each<[string, (i: number) => string, RegExp]>([
    [
      'days and months that can be mistaken',
      (i) => `${1 + (i % 9)}/11/2026`,
      /dates whose day and month .*2026-01-31/,
    ],
    ['days with points', (i) => `${1 + (i % 9)}.11.2026 12:00`, /dates whose day and month/],
    ['times of a day', (i) => `${i % 12}:30 pm`, /times of a day/],
    ['percents', (i) => `${i % 7}.5 %`, /numbers with a sign/],
    ['prices', (i) => `$${i % 7},500`, /numbers with a sign/],
  ])('%s are an error, also where they come again', async (_, cell, message) => {
    const content = `a;b\n${lines(200, (i) => `${cell(i)};${i}`).join('\n')}\n`;
    const told = await refusal('ERR_DATA_FORMAT', () => load('q.csv', content));
    expect(told).toMatch(message);
    expect(told).toMatch(/row 1, column "a": .*'ignore'.*'categorical'/);
    expect((await load('q.csv', content, { columns: { a: 'categorical' } })).length).toBe(200);
  });

  test('half as many words as rows are still names', async () => {
    const content = `who,v\n${lines(400, (i) => `person ${i >> 1},${i}`).join('\n')}\n`;
    expect(await refusal('ERR_DATA_FORMAT', () => load('half.csv', content))).toMatch(
      /200 of 400 are different/,
    );
  });

  test('infinite numbers are errors with their place', async () => {
    for (const cell of ['inf', '-Infinity'])
      expect(await refusal('ERR_DATA_FORMAT', () => load('i.csv', `a\n1\n${cell}\n`))).toMatch(
        /row 2, column "a": expected a finite number but received -?[iI]nf/,
      );
  });

  test('words that are nearly all different are an error', async () => {
    const content = `name,v\n${lines(50, (i) => `person ${i},${i}`).join('\n')}\n`;
    expect(await refusal('ERR_DATA_FORMAT', () => load('names.csv', content))).toMatch(
      /column "name": expected words that come again but 50 of 50 .*\(row 1, .*'ignore'/,
    );
    const data = await load('names.csv', content, { columns: { name: 'ignore' } });
    expect(schemaOf(data).describe()).toEqual([
      { column: 'v', became: 'number, 0 to 49, whole' },
      { column: 'name', became: 'left out: as asked' },
    ]);
  });

  test('whole numbers of many digits are numbers, those with leading zeros names', async () => {
    const stamps = lines(30, (i) => `17000000000000000${String(i).padStart(2, '0')},0${1000 + (i % 3)}`).join(
      '\n',
    );
    const data = await load('stamps.csv', `t,zip\n${stamps}\n`);
    expect(typesOf(data)).toEqual(['t numeric', 'zip categorical']);
    expect(schemaOf(data).fields[1]).toMatchObject({ categories: ['01000', '01001', '01002'] });
    const cards = 'card\n1234567890123456789\nnone of these\n';
    expect(await refusal('ERR_DATA_FORMAT', () => load('cards.csv', cards))).toMatch(/row 2, .*columns/);
    const kept = await load('cards.csv', cards, { columns: { card: 'categorical' } });
    expect(schemaOf(kept).fields[0]).toMatchObject({ categories: ['1234567890123456789', 'none of these'] });
  });

  test('words are trimmed, in a table and in what is read for its schema', async () => {
    const data = await load('t.csv', 'v,city\n1,Rome\n2,Rome \n3, Oslo\n4,Oslo\n');
    expect(schemaOf(data).fields[1]).toMatchObject({ categories: ['Oslo', 'Rome'] });
    const later = await load('l.csv', 'v,city\n5,Oslo   \n', { schema: data.schema });
    expect(rowsOf(later)).toEqual([{ v: 4, city: 'Oslo' }]);
  });

  test('columns without a name that number the rows, or are empty, are left out', async () => {
    const data = await load('p.csv', `,a,\n${lines(9, (i) => `${8 - i},${i},`).join('\n')}\n`);
    expect(schemaOf(data).describe()).toEqual([
      { column: 'a', became: 'number, 0 to 8, whole' },
      { column: 'column1', became: 'left out: it has no name and numbers the rows' },
      { column: 'column3', became: 'left out: it has no name and no values' },
    ]);
    const again = await load('again.csv', 'Unnamed: 0,a\n0,1\n1,2\n');
    expect(typesOf(again)).toEqual(['a numeric']);
    const meant = await load('meant.csv', ',a\n5,1\n5,2\n');
    expect(typesOf(meant)).toEqual(['column1 numeric', 'a numeric']);
    const wanted = await load('p.csv', ',a\n0,1\n1,2\n', { columns: { column1: 'numeric' } });
    expect(typesOf(wanted)).toEqual(['column1 numeric', 'a numeric']);
  });

  test('a column for a schema has the kind that the schema says', async () => {
    const { schema } = await load('k.csv', 'code,v\n1,0.5\nx,0.25\n');
    const data = await load('later.csv', 'code,v,extra\n1,7,\n1,8,whatever\n', { schema });
    expect(schemaOf(data).decode(data.data as Float32Array, { bounded: false })).toEqual([
      { code: '1', v: 7 },
      { code: '1', v: 8 },
    ]);
    expect(await refusal('ERR_DATA_FORMAT', () => load('bad.csv', 'code,v\n1,red\n', { schema }))).toMatch(
      /bad\.csv: row 1, column "v": expected a number but received "red"/,
    );
  });
});

describe('dates', () => {
  const hour = (i: number) => new Date(Date.UTC(2026, 0, 1, i)).toISOString();

  test('are seconds, with the periods that show', async () => {
    const data = await load(
      'hours.csv',
      `at,v\n${lines(24 * 20, (i) => `${hour(i)},${i % 7}`).join('\n')}\n`,
    );
    expect(schemaOf(data).fields[0]).toMatchObject({ type: 'date', periods: ['day', 'week'] });
    expect(data.shape).toEqual([6]);
    const [, sine, cosine] = data.data.subarray(6 * 6, 7 * 6);
    expect([sine, cosine]).toEqual([1, expect.closeTo(0, 6)]);
    expect(rowsOf(data)[30]!.at).toBe('2026-01-02T06:00Z');
    const later = await load('later.csv', 'at,v\n2026-03-01T00:00:00.000Z,3\n', { schema: data.schema });
    expect(schemaOf(data).decode(later.data as Float32Array, { bounded: false })[0]!.at).toBe(
      '2026-03-01T00:00Z',
    );
  });

  test('of days show weeks and years, and nothing shows where they cover less than two', async () => {
    const day = (i: number) => new Date(Date.UTC(2020, 0, 1 + i)).toISOString().slice(0, 10);
    const days = await load('days.csv', `day\n${lines(900, day).join('\n')}\n`);
    expect(schemaOf(days).fields[0]).toMatchObject({ precision: 'day', periods: ['week', 'year'] });
    expect(schemaOf(days).describe()[0]!.became).toBe(
      'date, 2020-01-01 to 2022-06-18, with the week and the year',
    );
    const short = await load('short.csv', `day\n${lines(10, day).join('\n')}\n`);
    expect(schemaOf(short).fields[0]).toMatchObject({ periods: [] });
  });

  test.each([
    ['2026-01-31', '2026-01-31'],
    ['2026-01-31T12:30Z', '2026-01-31T12:30Z'],
    ['2026-01-31 12:30:05', '2026-01-31T12:30:05Z'],
    ['2026/01/31 12:30:05 UTC', '2026-01-31T12:30:05Z'],
    ['2026.01.31', '2026-01-31'],
    ['2026-01-31T12:30:05.250+02:00', '2026-01-31T10:30:05.250Z'],
    ['2026-01-31 12:30:05,250 -0100', '2026-01-31T13:30:05.250Z'],
    ['2026-01-31T12:30:05.123456789Z', '2026-01-31T12:30:05.123Z'],
  ])('%s', async (cell, decoded) => {
    const data = await load('one.csv', `at;v\n${cell};1\n`);
    expect(rowsOf(data)).toEqual([{ at: decoded, v: 1 }]);
  });

  test('keep parts of milliseconds apart', async () => {
    const cells = lines(10, (i) => `2026-01-31T12:00:00.0000${i}`).join('\n');
    const { data } = await load('micro.csv', `at\n${cells}\n`);
    expect(new Set(data).size).toBe(10);
    expect(data[9]).toBeCloseTo(-data[0]!, 1);
  });

  test('that are not in the calendar are words', async () => {
    const data = await load('no.csv', 'at\n2026-02-30\n2026-13-01\n2026-02-30\n');
    expect(typesOf(data)).toEqual(['at categorical']);
  });

  test('can be taken for categories, or asked for', async () => {
    const content = 'day,v\n2026-01-01,1\n2026-01-02,2\n';
    const data = await load('c.csv', content, { columns: { day: 'categorical' } });
    expect(schemaOf(data).fields[0]).toMatchObject({ categories: ['2026-01-01', '2026-01-02'] });
    expect(
      await refusal('ERR_DATA_FORMAT', () => load('c.csv', content, { columns: { v: 'date' } })),
    ).toMatch(/row 1, column "v": expected a date in ISO 8601 but received "1"/);
  });
});

test('mutations of any dialect are read or refused', async () => {
  const rows = lines(30, (i) => `${i},5;${i % 3};2026-01-${String(i + 1).padStart(2, '0')};"a b"`);
  const spaced = lines(30, (i) => `${i}.5  ${i % 3}\t-1e${i % 9}`);
  const json = lines(30, (i) => JSON.stringify({ a: i, b: [1, i], c: i % 2 ? 'x' : null, d: new Date(0) }));
  const codes = ['ERR_DATA_FORMAT', 'ERR_RANGE'];
  const read = (name: string) => (bytes: Uint8Array) => load(name, bytes, { onMissing: 'impute' });
  await fuzz([Buffer.from(`w;x;y;z\n${rows.join('\r\n')}`)], read('f.csv'), { codes });
  await fuzz([Buffer.from(spaced.join('\n'))], read('f.dat'), { codes });
  await fuzz([Buffer.from(json.join('\n'))], read('f.jsonl'), { codes });
  await fuzz([gzipSync(rows.join('\n'))], read('f.csv.gz'), { codes });
});

describe('a column of numbers alone', () => {
  test.each([
    ['lines of numbers.txt', '20.5\n3\n-1e3\n', undefined, [20.5, 3, -1000]],
    ['lines of numbers below a name.txt', 'load\n20.5\n3\n', undefined, [20.5, 3]],
    ['decimal commas below a name.txt', 'load\n20,5\n3,0\n', undefined, [20.5, 3]],
    ['decimal commas below a name.csv', 'load\r\n20,5\r\n3,0\r\n', undefined, [20.5, 3]],
    ['what is missing first.txt', 'nan\n20.5\n3\n', 'impute', [11.8, 20.5, 3]],
    ['nan in each column of the first row.csv', 'nan,nan\n20.5,1\n3,2\n', 'impute', [11.8, 20.5, 3]],
  ] as const)('%s', async (name, content, onMissing, expected) => {
    const rows = rowsOf(await load(name, content, onMissing ? { onMissing } : {}));
    expect(rows.map((row) => Object.values(row)[0])).toEqual(expected);
  });

  test('is read for its schema, also of one row', async () => {
    const { schema } = await load('column.txt', '20.5\n3\n-1e3\n');
    expect(rowsOf(await load('one.txt', '4.5\n', { schema }))).toEqual([{ column1: 4.5 }]);
  });

  test('is text where all lines are digits, which stand for themselves in codes', async () => {
    expect((await load('digits.txt', '0110\n1001\n')).kind).toBe('categorical');
  });
});

test('a row of totals, and truth values in several ways, are noted', async () => {
  const rows = lines(30, (i) => `${'ab'[i % 2]},${i + 0.5}`);
  const { notes } = await load('totals.csv', ['name,sales', ...rows, 'Total,450'].join('\n'));
  expect(notes).toContain(
    'column name has Total in the last row alone, which may sum up the others; take it out if so',
  );
  const often = await load(
    'often.csv',
    ['name,sales', ...rows, 'total,1.5', ...rows, 'total,2.5'].join('\n'),
  );
  expect(often.notes).toEqual([]);
  const truth = lines(30, (i) => `${['TRUE', 'FALSE', '1', '0'][i % 4]},${i + 0.5}`);
  expect((await load('truth.csv', ['ok,sales', ...truth].join('\n'))).notes).toEqual([
    'column ok has true and false written in several ways (TRUE, FALSE, 1, 0), which are categories apart',
  ]);
});

test('a file without the columns of a schema is refused with those that it has', async () => {
  const { schema } = await load('named.csv', 'a,b,ok\n1.5,2,Ja\n2.5,3,Nein\n');
  const of = (content: string) => refusal('ERR_RANGE', () => load('unlike.csv', content, { schema }));
  expect(await of('A,B,OK\n1.5,2,Ja\n2.5,3,Nein\n')).toMatch(/"a" is not among A, B, OK; name it so, or/);
  expect(await of('1.5,2,Ja\n2.5,3,Nein\n')).toMatch(
    /"a" is not among column1, column2, column3; write the names of the columns into the first line/,
  );
});
