import { readCsv } from '../data/formats/csv/reader.ts';
import { TorchvaeError } from '../errors.ts';
import type { DataOptions } from './options.ts';

/** The values as a line of CSV, as RFC 4180 has it; undefined is an empty cell. */
export function csvLine(values: readonly unknown[]): string {
  return values
    .map((value) => {
      const text = value === undefined ? '' : String(value);
      return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
    })
    .join(',');
}

/**
 * The texts of these columns of the table at `--data`, by column and row.
 *
 * @throws TorchvaeError ERR_STATE unless `--data` is a table of text, ERR_RANGE for a column that it does not have
 */
export async function cellsOf({ data }: Partial<DataOptions>, names: readonly string[]): Promise<string[][]> {
  if (data === undefined || !/\.(csv|tsv|dat|data|txt)(\.gz)?$/i.test(data)) {
    throw new TorchvaeError(
      'ERR_STATE',
      `Expected a table of text as --data, whose columns --keep names, but received ${data ?? 'none'}`,
    );
  }
  const columns = Object.fromEntries(names.map((name) => [name, 'categorical'] as const));
  const table = await readCsv(data, { columns });
  return names.map((name) => {
    const column = table.columns.find((found) => found.name === name);
    if (column?.type !== 'categorical') return Array<string>(table.length).fill('');
    return Array.from(column.values, (code) => column.categories[code] ?? '');
  });
}
