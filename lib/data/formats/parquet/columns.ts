import { types } from 'node:util';
import type { FileMetaData, SchemaTree } from 'hyparquet';
import { roundTo } from '../../tables/number-learner.ts';

/** What a row holds in a column: one value, a list of numbers, an encoded image with its name, or something else. */
export type ColumnShape = 'value' | 'vector' | 'image' | 'nested';

const NUMBERS: readonly (string | undefined)[] = ['FLOAT', 'DOUBLE', 'INT32', 'INT64'];

/** What a row holds in this column of the file. */
export function shapeOf({ element, children }: SchemaTree): ColumnShape {
  if (element.repetition_type === 'REPEATED')
    return children.length === 0 && isNumber(element) ? 'vector' : 'nested';
  if (children.length === 0) return 'value';
  const isList = element.converted_type === 'LIST' || element.logical_type?.type === 'LIST';
  if (isList) return isNumberList(children) ? 'vector' : 'nested';
  return isImage(children) ? 'image' : 'nested';
}

/** The repeated group of a list has one element; older writers repeat the element itself. */
function isNumberList(children: readonly SchemaTree[]): boolean {
  const [repeated] = children;
  if (children.length !== 1 || repeated?.element.repetition_type !== 'REPEATED') return false;
  const leaf = repeated.children.length === 1 ? repeated.children[0]! : repeated;
  return leaf.children.length === 0 && isNumber(leaf.element);
}

function isNumber({ type }: SchemaTree['element']): boolean {
  return NUMBERS.includes(type);
}

/** Makes a cell of what the parser gives for it; `fail` makes an error that names the cell. */
export type CellReader = (value: unknown, fail: (trouble: string) => Error) => unknown;

/** Ticks of a second in which columns of times of a day count. */
const TICKS: Readonly<Record<string, number>> = {
  MILLIS: 1e3,
  TIME_MILLIS: 1e3,
  MICROS: 1e6,
  TIME_MICROS: 1e6,
  NANOS: 1e9,
};

/**
 * How cells of a column are read whose values the parser gives otherwise; undefined for most. It multiplies decimal numbers by a power of ten
 * that is not exact, gives times of a day in ticks of any size, and takes all bytes for text, since older writers do not mark it.
 */
export function cellReader(element: SchemaTree['element']): CellReader | undefined {
  const { type, converted_type: converted, logical_type: logical, scale = 0 } = element;
  if (converted === 'DECIMAL' || logical?.type === 'DECIMAL')
    return (value) => (typeof value === 'number' ? roundTo(value, scale) : value);
  const ticks = TICKS[(logical?.type === 'TIME' && logical.unit) || (converted ?? '')];
  if (ticks !== undefined) return (value) => (value == null ? value : Number(value) / ticks);
  if (type === 'FIXED_LEN_BYTE_ARRAY')
    return (value, fail) => {
      if (!types.isUint8Array(value)) return value;
      throw fail('expected text or numbers but received bytes; ignore the column, or write it as text');
    };
  if (type !== 'BYTE_ARRAY' || converted !== undefined || logical !== undefined) return undefined;
  return (value, fail) => {
    if (typeof value !== 'string' || !value.includes('\ufffd')) return value;
    throw fail('expected text in UTF-8 but received other bytes; ignore the column, or write it as text');
  };
}

/** As the library datasets of Hugging Face writes images. */
function isImage(children: readonly SchemaTree[]): boolean {
  const types = new Map(children.map(({ element }) => [element.name, element.type]));
  return children.length === 2 && types.get('bytes') === 'BYTE_ARRAY' && types.get('path') === 'BYTE_ARRAY';
}

/** The names of the classes of a column, where the library datasets of Hugging Face has written them. */
export function classesOf(
  { key_value_metadata: entries }: FileMetaData,
  column: string,
): string[] | undefined {
  const text = entries?.find(({ key }) => key === 'huggingface')?.value;
  try {
    const names: unknown = JSON.parse(text ?? 'null')?.info?.features?.[column]?.names;
    const isGood = Array.isArray(names) && names.every((name) => typeof name === 'string');
    return isGood ? names : undefined;
  } catch {
    return undefined; // Another library's entry.
  }
}
