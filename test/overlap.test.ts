/** Test data that are no others than the training data, and what is said of test data. */
import { expect, test } from 'vitest';
import { notesOnTest } from '../lib/cli/run-data.ts';
import { overlapNote } from '../lib/data/examples/overlap.ts';
import { Dataset, Random, sprites } from '../lib/data/index.ts';

const random = new Random(5);
const rows = (count: number, name: string, cell = () => random.normal()) =>
  Dataset.from(
    Array.from({ length: count }, () => [cell(), cell(), cell()]),
    { name },
  );

test('examples that are training examples too are noted, unless rows of few values come again everywhere', () => {
  const [train, other] = [rows(200, 'train'), rows(100, 'other')];
  expect(overlapNote(train, other)).toBeUndefined();
  const mixed = Dataset.from(
    [other.data.subarray(0, 240), train.data.subarray(0, 60)].flatMap((part) => {
      return Array.from(
        { length: part.length / 3 },
        (_, i) => [...part.subarray(3 * i, 3 * i + 3)] as number[],
      );
    }),
    { name: 'mixed' },
  );
  expect(overlapNote(train, mixed)).toMatch(
    /^20 of the 100 examples of mixed are among the training examples/,
  );
  const few = () => random.below(4);
  expect(overlapNote(rows(200, 'train', few), rows(100, 'other', few))).toBeUndefined();
  const pictures = sprites({ count: 400 });
  const { train: most, validation } = pictures.split({ validation: 0.2 });
  expect(overlapNote(most, validation)).toBeUndefined();
  expect(overlapNote(pictures, validation)).toMatch(/^80 of the 80 examples of sprites/);
});

test('test data say what the training data did not', () => {
  const [data, other] = [rows(50, 'train'), rows(50, 'later')];
  const noted = (set: Dataset, ...notes: string[]) => new Dataset({ ...set, notes } as never);
  expect(notesOnTest({ data })).toEqual([]);
  expect(notesOnTest({ data: noted(data, 'a'), test: noted(other, 'a', 'b') })).toEqual(['later: b']);
  expect(notesOnTest({ data, test: data })).toEqual([
    expect.stringMatching(/^50 of the 50 examples of train/),
  ]);
});
