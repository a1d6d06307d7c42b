import { expected } from '../check.ts';
import { badData } from './files/source.ts';
import { TableSchema } from './tables/schema.ts';
import { TextSchema } from './text/schema.ts';

/** How rows or lines become examples, learned from the training part, and how examples become rows or lines again. */
export type DataSchema = TableSchema | TextSchema;

/**
 * The schema from its JSON form.
 *
 * @throws TorchvaeError ERR_DATA_FORMAT
 */
export function schemaFromJson(value: unknown): DataSchema {
  const type = (value as { type?: unknown } | null | undefined)?.type;
  if (type === 'table') return TableSchema.fromJSON(value);
  if (type === 'text') return TextSchema.fromJSON(value);
  throw badData('schema', expected('table or text', 'type', type));
}
