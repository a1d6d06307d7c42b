import type { Dataset } from '../data/dataset.ts';
import { readableRows } from '../data/readable.ts';
import type { DataSchema } from '../data/schema.ts';
import { spread } from '../data/spread.ts';
import type { VAE } from '../vae.ts';
import type { Exhibit } from './exhibit.ts';

const ROWS = 8;

/** A few rows of a table or lines of text, each above its reconstruction. */
export async function reconstructedRows(vae: VAE, data: Dataset, schema: DataSchema): Promise<Exhibit> {
  const some = spread(readableRows(data), ROWS);
  const originals = cells(schema, some.batch(Array.from({ length: some.length }, (_, i) => i)), false);
  const made = cells(schema, (await vae.reconstruct(some)).data);
  return {
    title: 'Reconstructions',
    caption: `Rows of ${data.name}, each above its reconstruction.`,
    shown: {
      columns: ['', ...namesOf(schema)],
      rows: originals.flatMap((row, i) => [
        ['original', ...row],
        ['reconstruction', ...made[i]!],
      ]),
    },
  };
}

/** A few draws from the prior, as rows or lines. */
export async function sampledRows(vae: VAE, schema: DataSchema): Promise<Exhibit> {
  const classes = vae.spec.condition?.classes;
  const labels = classes && Int32Array.from({ length: ROWS }, (_, i) => i % classes);
  const { data } = await vae.sample(ROWS, labels ? { labels } : {});
  return {
    title: 'Samples',
    caption: 'Codes drawn from the prior, decoded.',
    shown: { columns: namesOf(schema), rows: cells(schema, data) },
  };
}

function namesOf(schema: DataSchema): string[] {
  return schema.type === 'text' ? ['text'] : schema.fields.map(({ name }) => name);
}

/** @param bounded whether numbers are kept within those of the training rows, which originals may exceed */
function cells(schema: DataSchema, values: Float32Array, bounded = true): string[][] {
  if (schema.type === 'text') return schema.decode(values).map((line) => [line]);
  return schema.decode(values, { bounded }).map((row) =>
    namesOf(schema).map((name) => {
      const value = row[name]!;
      return typeof value === 'number' ? String(Number(value.toPrecision(4))) : value;
    }),
  );
}
