/** Cells as people write them: each is read as what it means, or refused with the way out; none becomes something else in silence. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Dataset, type LoadOptions, loadDataset, StreamedDataset, TableSchema } from '../lib/data/index.ts';
import { Random } from '../lib/data/random.ts';
import { isCode, numberIn, plainNumberIn } from '../lib/data/tables/cells.ts';
import { standInNotes } from '../lib/data/tables/number-notes.ts';
import { refusal } from './refusal.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'torchvae-cells-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function load(name: string, content: string | Uint8Array, options: LoadOptions = {}): Promise<Dataset> {
  const path = join(folder, name);
  writeFileSync(path, content);
  return loadDataset(path, options);
}
const schemaOf = (data: Dataset) => data.schema as TableSchema;
const typesOf = (data: Dataset) => schemaOf(data).fields.map(({ name, type }) => `${name} ${type}`);
const rowsOf = (data: Dataset) => schemaOf(data).decode(data.data as Float32Array);
const column = (cell: (i: number) => string, count = 60) =>
  `a;v\n${Array.from({ length: count }, (_, i) => `${cell(i)};${i}`).join('\n')}\n`;

describe('quantities in forms that are not read are errors, also where they come again', () => {
  test.each<[string, (i: number) => string, RegExp]>([
    ['months before years', (i) => `0${1 + (i % 9)}/2026`, /dates in another form.*2026-01/],
    ['quarters of a year', (i) => `202${i % 5}Q${1 + (i % 4)}`, /dates in another form/],
    ['weeks of a year', (i) => `2026-W${10 + (i % 9)}`, /dates in another form/],
    ['days with the names of months', (i) => `${1 + (i % 28)}-Jan-26`, /dates in another form/],
    ['months in words', (i) => `March 202${i % 9}`, /dates in another form/],
    ['dates of letters', (i) => `Mon, ${1 + (i % 9)} Jan 2026 10:00:00 +0100`, /dates in another form/],
    ['hours of two halves of a day', (i) => `2026-01-0${1 + (i % 9)} 6:30 PM`, /dates in another form/],
    [
      'hours in a zone with a name',
      (i) => `2026-01-0${1 + (i % 9)} 10:00:00 Europe/Rome`,
      /dates in another form/,
    ],
    ['hours in a zone with letters', (i) => `2026-01-0${1 + (i % 9)}T10:00 CET`, /dates in another form/],
    [
      'hours in a zone of Java',
      (i) => `2026-01-0${1 + (i % 9)}T10:00:00.5+01:00[Europe/Rome]`,
      /dates in another form/,
    ],
    ['two forms of dates', (i) => (i % 2 ? '2026-01-02' : `0${1 + (i % 5)}/01/2026`), /day and month/],
    ['durations of pandas', (i) => `${i % 3} days 0${i % 8}:00:00`, /durations/],
    ['currencies', (i) => `${i % 9},50 EUR`, /a sign such as %/],
    ['currencies before the number', (i) => `USD ${i % 9}`, /a sign such as %/],
    ['about', (i) => `~${i % 9}`, /a sign such as %/],
    ['debts of accountants', (i) => (i % 2 ? `(${i % 5})` : `${i % 5}`), /minus is written in another way/],
    ['groups with spaces', (i) => `${1 + (i % 9)} 500`, /groups of digits/],
    ['groups with apostrophes', (i) => `${1 + (i % 9)}'500.00`, /groups of digits/],
    ['groups of India', (i) => `${1 + (i % 9)},50,000`, /groups of digits/],
    ['units', (i) => `${i % 15}.5 kg`, /numbers with a unit/],
    ['degrees', (i) => `${i % 15}°C`, /numbers with a unit/],
    ['degrees and minutes', (i) => `59°${10 + i}'N`, /degrees of latitude or longitude.*-59\.907/],
    ['degrees to the second', (i) => `W 10° ${10 + i}′ 26.5″`, /degrees of latitude or longitude/],
    [
      'degrees with a letter',
      (i) => `59.${10 + i}N`,
      /a unit, or of latitude or longitude.*S and W with a minus/,
    ],
    ['a letter before degrees', (i) => `N 59.${10 + i}`, /are degrees of latitude or longitude/],
    ['watts', (i) => `${i}.5W`, /the letter of a unit/],
    ['millions', (i) => `${i % 15}.5M`, /numbers with a unit/],
    ['pairs', (i) => `${110 + (i % 15)}/80`, /several numbers in one/],
    ['lists', (i) => `[0.${i % 15}, 1.5]`, /several numbers in one/],
    ['lists of NumPy', (i) => `[0.${i % 15} 1.5]`, /several numbers in one/],
    ['tuples', (i) => `(0.${i % 15}, 1.5)`, /several numbers in one/],
    ['arrays of Postgres', (i) => `{0.${i % 15},1.5}`, /several numbers in one/],
    ['errors of measurement', (i) => `1.${i % 15} ± 0.1`, /several numbers in one/],
    ['days and months before years of two digits', (i) => `${1 + (i % 28)}.3.26`, /day and month/],
    ['months in other languages', (i) => `${1 + (i % 28)} janvier 2026`, /dates in another form/],
    ['months in Spanish', (i) => `${1 + (i % 28)} de enero de 2026`, /dates in another form/],
    ['dates in Japanese', (i) => `2026年${1 + (i % 12)}月5日`, /dates in another form/],
    ['dates of a web server', (i) => `[${10 + (i % 9)}/Jan/2026:10:00:00 +0000]`, /dates in another form/],
    ['durations in ISO 8601', (i) => `PT${i % 9}H30M`, /durations/],
    ['exponents of Fortran', (i) => `0.${i % 15}D+02`, /exponent in another form/],
    ['powers of ten', (i) => `1.${i % 15}×10^3`, /exponent in another form/],
    ['numbers after an apostrophe', (i) => `'${i % 15}`, /numbers in quotes/],
    ['Arabic digits', (i) => String.fromCharCode(0x661 + (i % 8)), /digits of another script/],
  ])('%s', async (_, cell, message) => {
    const told = await refusal('ERR_DATA_FORMAT', () => load('u.csv', column(cell), { delimiter: ';' }));
    expect(told).toMatch(message);
    expect(told).toMatch(/row [12], column "a": .*'ignore'.*'categorical'/);
    const kept = await load('u.csv', column(cell), { delimiter: ';', columns: { a: 'categorical' } });
    expect(kept.length).toBe(60);
  });

  test.each<[string, (i: number) => string]>([
    ['two terms of months', (i) => `${36 + 24 * (i % 2)} months`],
    ['grades of schools', (i) => `${1 + (i % 12)}th`],
    ['ranges', (i) => `${10 * (i % 12)}-${10 * (i % 12) + 9}`],
    ['addresses', (i) => `10.0.${i % 3}.${i % 4}`],
    ['versions', (i) => `1.${i % 4}.${i % 3}`],
    ['intervals of pandas', (i) => `(${i % 15}.5, ${1 + (i % 15)}.5]`],
    ['parts of an inch', (i) => ['1/2', '3/4', '1 1/2'][i % 3]!],
    ['days of the week', (i) => ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'][i % 7]!],
    ['months alone', (i) => ['Jan', 'Feb', 'Mar', 'May'][i % 4]!],
    ['numbers of parts that are no months', (i) => `471${i % 5}-13`],
    ['answers', (i) => (i % 2 ? 'yes' : 'no')],
  ])('%s are categories', async (_, cell) => {
    expect(typesOf(await load('k.csv', column(cell)))[0]).toBe('a categorical');
  });
});

test('numbers of the usual form are those of all forms, and no names of digits', () => {
  const random = new Random(4);
  const characters = '0123456789.-+e,';
  let found = 0;
  for (let i = 0; i < 50_000; i++) {
    const text = Array.from({ length: 1 + random.below(8) }, () => characters[random.below(15)]).join('');
    const value = plainNumberIn(text);
    if (value === undefined) continue;
    found++;
    expect(value).toBe(numberIn(text));
    expect(isCode(text), text).toBe(false);
  }
  expect(found).toBeGreaterThan(1000);
  expect(['0123', '1234567890123456', '1e5', ' 1', '-', '.5', ''].map(plainNumberIn)).toEqual(
    Array(7).fill(undefined),
  );
});

describe('months', () => {
  const month = (i: number) => `${2018 + Math.floor(i / 12)}-${String(1 + (i % 12)).padStart(2, '0')}`;

  test('are dates with the year as their period, and come back as months', async () => {
    const data = await load('months.csv', column(month));
    expect(schemaOf(data).fields[0]).toMatchObject({ type: 'date', precision: 'month', periods: ['year'] });
    expect(rowsOf(data).map(({ a }) => a)).toEqual(Array.from({ length: 60 }, (_, i) => month(i)));
    const later = await load('later.csv', 'a;v\n2023/02;1\n', { schema: data.schema });
    expect(schemaOf(data).decode(later.data as Float32Array, { bounded: false })[0]!.a).toBe('2023-02');
    const kept = TableSchema.fromJSON(JSON.parse(JSON.stringify(data.schema)));
    expect(kept.fields[0]).toEqual(schemaOf(data).fields[0]);
  });

  test('beside days are days', async () => {
    const data = await load('both.csv', 'a;v\n2026-01;1\n2026-02-14;2\n');
    expect(rowsOf(data).map(({ a }) => a)).toEqual(['2026-01-01', '2026-02-14']);
  });

  test('as names of columns of numbers are a header', async () => {
    for (const first of ['', 'shop', '2019-12']) {
      const data = await load('wide.csv', `${first},2020-01,2020-02\n7,5,6\n9,7,8\n7,1,2\n`);
      expect([data.length, typesOf(data).slice(-2)]).toEqual([3, ['2020-01 numeric', '2020-02 numeric']]);
    }
  });
});

test.each([
  ['2026-1-5', '2026-01-05'],
  ['2026/1/15 9:05', '2026-01-15T09:05Z'],
  ['2026-11-05 9:05:30', '2026-11-05T09:05:30Z'],
])('%s is a date', async (cell, decoded) => {
  expect(rowsOf(await load('one.csv', `a;v\n${cell};1\n`))).toEqual([{ a: decoded, v: 1 }]);
});

test('the minus of typography is a minus', async () => {
  expect(rowsOf(await load('m.csv', 'a;v\n\u22125;1\n3;2\n'))[0]).toEqual({ a: -5, v: 1 });
});

test('words that look the same are the same', async () => {
  const cells = [
    'Bogotá',
    'Bogota\u0301',
    ' Bogotá',
    '\u200bBogotá',
    'New York',
    'New  York',
    'New\u00a0York',
  ];
  const data = await load('same.csv', `v,city\n${cells.map((cell, i) => `${i},${cell}`).join('\n')}\n`);
  expect(schemaOf(data).fields[1]).toMatchObject({ categories: ['Bogotá', 'New York'] });
});

describe('the decimal mark', () => {
  test('of whole numbers with and without groups by points is a comma', async () => {
    const prices = ['950', '1.250', '12.500', '3.100', '800', '20'];
    const data = await load(
      'de.csv',
      column((i) => prices[i % 6]!),
    );
    expect(rowsOf(data).slice(0, 3)).toEqual([
      { a: 950, v: 0 },
      { a: 1250, v: 1 },
      { a: 12500, v: 2 },
    ]);
    const measured = await load(
      'three.csv',
      column((i) => `${1 + (i % 9)}.${125 + i}`),
    );
    expect(rowsOf(measured)[1]!.a).toBe(2.126);
  });

  test('of the training data is that of later ones that do not show theirs', async () => {
    const later = async (training: string, row: string) => {
      const { schema } = await load('training.csv', training);
      const kept = TableSchema.fromJSON(JSON.parse(JSON.stringify(schema)));
      const data = await load('row.csv', row, { schema: kept });
      return kept.decode(data.data as Float32Array, { bounded: false })[0]!.a;
    };
    expect(await later('a\tb\n0,5\t1\n12,75\t2\n', 'a\tb\n1,250\t1\n')).toBe(1.25);
    expect(await later('a;b\n950;1\n1.250,5;2\n', 'a;b\n1.250;1\n')).toBe(1250);
    expect(await later('a;b\n0.5;1\n12.75;2\n', 'a;b\n1.25;1\n')).toBe(1.25);
    expect(await later('a;b\n0.5;1\n12.75;2\n', 'a;b\n1,5;1\n')).toBe(1.5);
  });
});

describe('missing values', () => {
  const cells = Array.from({ length: 40 }, (_, i) => i / 2);
  const asLines = (odd: unknown) =>
    cells.map((a, i) => JSON.stringify({ a: i === 7 ? odd : a, b: i })).join('\n');

  test.each(['NaN', 'n/a', '', ' - '])('are written %j in JSON lines and records too', async (odd) => {
    const told = await refusal('ERR_DATA_FORMAT', () => load('m.jsonl', asLines(odd)));
    expect(told).toMatch(/row 8, column "a": expected a value but it is missing/);
    expect(typesOf(await load('m.jsonl', asLines(odd), { onMissing: 'impute' }))[0]).toBe('a numeric');
    const records = cells.map((a, i) => ({ a: i === 7 ? odd : a }));
    const data = await Dataset.fromRecords(records, { onMissing: 'impute' });
    expect(data.cells?.imputed[7]).toBe(1);
  });

  test('can be named for every table, numbers in whatever form', async () => {
    const given = { missing: ['-999', 'broken'], onMissing: 'impute' } as const;
    for (const odd of [-999, '-999.0', 'broken']) {
      const table = `a,b\n${cells.map((a, i) => `${i === 7 ? odd : a},${i}`).join('\n')}\n`;
      for (const data of [
        await load('n.jsonl', asLines(odd), given),
        await load('n.csv', table, given),
        await Dataset.fromRecords(JSON.parse(`[${asLines(odd).replaceAll('\n', ',')}]`), given),
      ]) {
        expect(schemaOf(data).describe()[0]!.became).toBe('number, 0 to 19.5, 1 decimal');
        expect(Array.from(data.cells!.imputed).indexOf(1)).toBe(7);
      }
    }
    expect(await refusal('ERR_TYPE', () => load('n.jsonl', '{"a":1}', { missing: 'x' } as never))).toMatch(
      /an array of strings for missing/,
    );
  });

  test('an object in a cell is an error that says what to do', async () => {
    const content = `${JSON.stringify({ a: 1, geo: { lat: 2 } })}\n`;
    expect(await refusal('ERR_DATA_FORMAT', () => load('o.jsonl', content))).toMatch(
      /row 1, column "geo": .* object; .*columns: { "geo": 'ignore' }/,
    );
    expect(typesOf(await load('o.jsonl', content, { columns: { geo: 'ignore' } }))).toEqual(['a numeric']);
  });
});

describe('what may be a mistake is noted, and kept', () => {
  test.each<[string, string, (i: number) => string, RegExp | undefined]>([
    ['a number of the row', 'row', (i) => String(1000 + i), /column row seems to number the rows/],
    [
      'different whole numbers under such a name',
      'user_id',
      (i) => String((i * 37) % 101),
      /column user_id seems/,
    ],
    [
      'dates without marks',
      'day',
      (i) => `202601${10 + (i % 20)}`,
      /column day seems to hold dates.*2026-01-31/,
    ],
    [
      'milliseconds since 1970',
      'v1',
      (i) => String(1_767_225_600_000 + i * 60_000),
      /column v1 seems to hold dates/,
    ],
    [
      'seconds since 1970',
      'created_at',
      (i) => String(1_767_225_600 + i * 60),
      /column created_at seems to hold dates/,
    ],
    [
      'days of spreadsheets',
      'Order Date',
      (i) => String(46_000 + i),
      /column Order Date seems to hold dates/,
    ],
    ['as many of something else', 'sold', (i) => String(46_000 + ((i * 37) % 101)), undefined],
    ['capitals', 'city', (i) => ['Rome', 'ROME', 'Oslo'][i % 3]!, /column city .* such as Rome and ROME/],
    ['digits under the name of labels', 'label', (i) => String(i % 10), /column label seems to hold labels/],
    ['what a detector is to find', 'is_fraud', (i) => String(i % 9 ? 0 : 1), /is_fraud seems to hold labels/],
    ['the same of machines', 'Machine failure', (i) => String(i % 9 ? 0 : 1), /failure seems to hold labels/],
    ['kinds of it', 'attack_cat', (i) => ['none', 'dos', 'scan'][i % 3]!, /attack_cat seems to hold labels/],
    ['counts of it', 'failures', (i) => String(i % 9), undefined],
    ['rates of it', 'fault', (i) => String(i / 7), undefined],
    [
      'a number for a missing one',
      'temp',
      (i) => String(i % 15 === 7 ? -999 : i / 4),
      /column temp has -999, .*missing/,
    ],
    [
      '-1 for a missing one',
      'days',
      (i) => String(i % 3 ? -1 : (7 * i) % 41),
      /column days has -1, .*missing/,
    ],
    [
      '0 for a missing one',
      'bmi',
      (i) => (i % 15 ? (20 + (i % 31) / 3).toFixed(1) : '0'),
      /bmi has 0, .*missing/,
    ],
    [
      'two such numbers',
      'age',
      (i) => (i % 9 ? String(20 + i) : i % 2 ? '-999' : '9999'),
      /age has .*9999?, .*mis/,
    ],
    [
      'a number far out',
      'size',
      (i) => String(i === 30 ? 1e9 : (i * 37) % 101),
      /size has .* as far out as 1000000000/,
    ],
    [
      'numbers of cards',
      'card',
      (i) => String(4e15 + i * 7919e9),
      /card has another whole number in each row/,
    ],
    ['longer numbers', 'post', (i) => `${9e15 + i}${i % 9}`, /post has another whole number in each row/],
    [
      'whole numbers that rounding makes one',
      'hash',
      (i) => `12345678901234567${String(i).padStart(3, '0')}`,
      /hash has whole numbers beyond 2\^53, whose last digits are lost/,
    ],
    [
      'hashes with a sign',
      'hash',
      (i) => `${i % 2 ? '-' : ''}${123457 * (i + 1)}12345678901`,
      /hash has whole numbers beyond 2\^53, whose last digits are lost/,
    ],
    ['numbers of atoms', 'mol', (i) => `${i + 1}.5e23`, undefined],
    ['one negative number among others', 'at', (i) => String((i % 12) - 1), undefined],
    ['zeros near others', 'cost', (i) => String(i % 9 ? 5 + ((i * 37) % 101) : 0), undefined],
    ['a long tail', 'sales', (i) => Math.exp(((i * 37) % 60) / 10).toFixed(2), undefined],
    ['such a number amid others', 'price', (i) => String(i % 15 === 7 ? 999 : 900 + 7 * (i % 31)), undefined],
    ['measures under such a name', 'target', (i) => String(i / 7), undefined],
    ['whole numbers', 'count', (i) => String((i * 37) % 101), undefined],
    ['numbers of eight digits', 'part', (i) => `2026${1000 + i * 100}`, undefined],
  ])('%s', async (_, name, cell, note) => {
    const content = `${name},v\n${Array.from({ length: 60 }, (_, i) => `${cell(i)},0.${i}`).join('\n')}\n`;
    const data = await load('note.csv', content);
    if (note) expect(data.notes.join()).toMatch(note);
    else expect(data.notes).toEqual([]);
    if (name === 'label') expect((await load('note.csv', content, { labelColumn: name })).notes).toEqual([]);
    expect(schemaOf(data).fields[0]!.name).toBe(name);
    const later = await load('note.csv', content, { schema: data.schema });
    expect(later.notes).toEqual([]);
    const records = Array.from({ length: 60 }, (_, i) => ({
      [name]: Number.isNaN(Number(cell(i))) ? cell(i) : Number(cell(i)),
    }));
    expect((await Dataset.fromRecords(records)).notes).toEqual(data.notes);
  });

  test('a stand-in among more numbers than a call takes arguments', () => {
    const values = Float64Array.from({ length: 300_000 }, (_, i) => (i % 100_000 === 0 ? -1 : 1 + i / 7));
    expect(standInNotes({ type: 'numeric', name: 'v', values })).toEqual([
      'column v has -1, which may stand for a missing value; list it in `missing` if so',
    ]);
  });

  test('the last day for a missing one, also of a stream in which one piece has it', async () => {
    const end = (i: number) => (i === 2500 ? '9999-12-31' : `2026-01-${10 + (i % 20)}`);
    const records = Array.from({ length: 3000 }, (_, i) => ({ end: end(i), v: i % 7 }));
    const note = 'column end has 9999-12-31, which may stand for a missing value; list it in `missing` if so';
    expect((await Dataset.fromRecords(records)).notes).toEqual([note]);
    expect((await StreamedDataset.from(() => records)).notes).toEqual([note]);
    const far = Array.from({ length: 3000 }, (_, i) => ({ size: i === 2500 ? 1e9 : i % 31, v: i % 7 }));
    const said = [expect.stringMatching(/^column size has numbers as far out as 1000000000/)];
    expect((await Dataset.fromRecords(far)).notes).toEqual(said);
    expect((await StreamedDataset.from(() => far)).notes).toEqual(said);
    const { notes } = await Dataset.fromRecords(records, { missing: ['9999-12-31'], onMissing: 'impute' });
    expect(notes).toEqual(['1 missing cell was imputed']);
  });
});

describe('encodings', () => {
  const text = '\ufeffa\tstadt\n1\tKöln\n2\tBern\n3\tKöln\n';
  const little = Buffer.from(text, 'utf16le');

  test('UTF-16 with a byte order mark, as Excel writes it', async () => {
    for (const bytes of [little, Buffer.from(little).swap16()]) {
      for (const name of ['u.csv', 'u.dat']) {
        expect(rowsOf(await load(name, bytes))[0]).toEqual({ a: 1, stadt: 'Köln' });
      }
    }
    expect((await load('u.txt', Buffer.from('\ufeffone\ntwo', 'utf16le'))).schema!.type).toBe('text');
  });

  test('UTF-16 that is cut or has no mark, and Latin-1, are errors that say what to do', async () => {
    const told = (bytes: Uint8Array) => refusal('ERR_DATA_FORMAT', () => load('bad.csv', bytes));
    expect(await told(little.subarray(0, -1))).toMatch(/UTF-16LE.*save it as UTF-8/);
    expect(await told(Buffer.from('a\n1\n', 'utf16le'))).toMatch(/characters of code 0.*save it as UTF-8/);
    expect(await told(Buffer.from(text.slice(1), 'latin1'))).toMatch(/offset 11 .*save it as UTF-8/);
  });
});

test('a title above the table, and a name that comes twice, say what to do', async () => {
  expect(await refusal('ERR_DATA_FORMAT', () => load('t.csv', 'Sales of 2026\n\na,b\n1,2\n3,4\n'))).toMatch(
    /lines with a title or comments out of the file.* line 3/,
  );
  expect(await refusal('ERR_DATA_FORMAT', () => load('d.csv', 'a,a\n1,2\n'))).toMatch(/rename one/);
});
