import type { Dataset } from '../data/dataset.ts';
import { spread } from '../data/spread.ts';
import type { TableSchema } from '../data/table-schema.ts';
import type { VAE } from '../vae.ts';
import type { Exhibit } from './gallery.ts';

const ROWS = 8;

/** A few rows of a table, each above what the model makes of it. */
export async function reconstructedRows(vae: VAE, data: Dataset, schema: TableSchema): Promise<Exhibit> {
  const some = spread(data, ROWS);
  const originals = cells(schema, some.batch(Array.from({ length: some.length }, (_, i) => i)));
  const made = cells(schema, (await vae.reconstruct(some)).data);
  return {
    title: 'Reconstructions',
    caption: `Rows of ${data.name}, each with what the model makes of its code below it.`,
    shown: {
      columns: ['', ...namesOf(schema)],
      rows: originals.flatMap((row, i) => [
        ['original', ...row],
        ['reconstruction', ...made[i]!],
      ]),
    },
  };
}

/** A few draws from the prior, as rows. */
export async function sampledRows(vae: VAE, schema: TableSchema): Promise<Exhibit> {
  const classes = vae.spec.condition?.classes;
  const labels = classes && Int32Array.from({ length: ROWS }, (_, i) => i % classes);
  const { data } = await vae.sample(ROWS, labels ? { labels } : {});
  return {
    title: 'Samples',
    caption: 'Codes drawn from the prior, decoded.',
    shown: { columns: namesOf(schema), rows: cells(schema, data) },
  };
}

function namesOf({ fields }: TableSchema): string[] {
  return fields.map(({ name }) => name);
}

function cells(schema: TableSchema, values: Float32Array): string[][] {
  return schema.decode(values).map((row) =>
    namesOf(schema).map((name) => {
      const value = row[name]!;
      return typeof value === 'number' ? String(Number(value.toPrecision(4))) : value;
    }),
  );
}
