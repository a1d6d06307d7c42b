import { types } from 'node:util';
import type { Dataset } from '../data/dataset.ts';
import { StreamedDataset } from '../data/streamed-dataset.ts';
import { type Field, widthOf } from '../data/tables/fields.ts';

/** The root mean square of all other values times this is far out. */
const FAR = 10;

/**
 * The value that is farthest out, if one is, and its place, as the end of a message: `; example 300 of sensors.csv has 9999 in
 * column "temp", 24 standard deviations from the mean`. One such value is enough to make numbers overflow.
 */
export async function farthestValue(data: Dataset | StreamedDataset): Promise<string> {
  const { size, kind } = data;
  let [farthest, at, squares, first] = [0, 0, 0, 0];
  for await (const { data: values } of data instanceof StreamedDataset ? data.parts() : [data]) {
    if (!types.isFloat32Array(values)) return '';
    for (let i = 0; i < values.length; i++) {
      const value = values[i]!;
      if (!Number.isFinite(value)) return inWords(data, value, first + i, '');
      squares += value ** 2;
      if (Math.abs(value) > Math.abs(farthest)) [farthest, at] = [value, first + i];
    }
    first += values.length;
  }
  if (kind !== 'real') return '';
  const others = Math.max(0, squares - farthest ** 2);
  const usual = Math.max(1, Math.sqrt(others / first));
  if (Math.abs(farthest) < FAR * usual) return '';
  const field = fieldAt(data, at % size);
  const isStandardized = field && field.type !== 'categorical' && field.scale !== 1;
  if (!isStandardized) return inWords(data, farthest, at, '');
  const distance = `, ${Number(Math.abs(farthest).toPrecision(3))} standard deviations from the mean`;
  return inWords(data, field.center + farthest * field.scale, at, distance);
}

function inWords(data: Dataset | StreamedDataset, value: number, at: number, distance: string): string {
  const { name, size } = data;
  const field = fieldAt(data, at % size);
  const place = field ? `column ${JSON.stringify(field.name)}` : `place ${at % size}`;
  const shown = Number(value.toPrecision(6));
  return `; example ${Math.floor(at / size)} of ${name} has ${shown} in ${place}${distance}`;
}

/** The column that a value of an example belongs to. */
function fieldAt({ schema }: Dataset | StreamedDataset, place: number): Field | undefined {
  if (schema?.type !== 'table') return undefined;
  let end = 0;
  return schema.fields.find((field) => {
    end += widthOf(field);
    // Windows of rows hold some rows each.
    return place % schema.size < end;
  });
}
