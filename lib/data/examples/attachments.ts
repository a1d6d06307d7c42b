import { expected } from '../../check.ts';
import { TorchvaeError } from '../../errors.ts';
import type { DataSchema } from '../schema.ts';

/** A frozen copy of the notes. */
export function checkNotes(notes: readonly string[]): readonly string[] {
  if (Array.isArray(notes) && notes.every((note) => typeof note === 'string'))
    return Object.freeze([...notes]);
  throw new TorchvaeError('ERR_TYPE', expected('an array of strings', 'notes', notes));
}

/** @throws TorchvaeError ERR_TYPE; ERR_SHAPE for the schema of examples of another size */
export function checkSchema(schema: DataSchema | undefined, size: number): DataSchema | undefined {
  if (schema === undefined) return undefined;
  if (typeof schema?.decode !== 'function' || typeof schema.toJSON !== 'function') {
    throw new TorchvaeError('ERR_TYPE', expected('a TableSchema or TextSchema', 'schema', schema));
  }
  // Windows of rows hold some rows each.
  if (schema.size === size || (schema.type === 'table' && size % schema.size === 0)) return schema;
  throw new TorchvaeError(
    'ERR_SHAPE',
    `Expected a schema of ${size} values for schema but its size is ${schema.size}`,
  );
}
