import type { NumericData } from '../../examples/pixels.ts';
import { allocate, badData, readAll, type SourceFile, withFile } from '../../files/source.ts';
import { fromHalf } from './half.ts';
import type { ArrayRows, NumericArray } from './numeric-array.ts';

/** What every file of the format begins with: \x93NUMPY. */
export const NPY_MAGIC = Uint8Array.of(0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59);

/** Magic, version and the longest length of a header. */
const MAX_PREFIX = 12;
/** NumPy itself reads no header of more than 10,000 bytes. */
const MAX_HEADER = 10_000;
const MAX_EXTENTS = 32;

/** Element types by the letter and the width of NumPy's `descr`, read from bytes in the order of the machine. */
const TYPES: Readonly<Record<string, { width: 1 | 2 | 4 | 8; read: (buffer: ArrayBuffer) => NumericData }>> =
  {
    b1: { width: 1, read: (buffer) => new Uint8Array(buffer) },
    u1: { width: 1, read: (buffer) => new Uint8Array(buffer) },
    i1: { width: 1, read: (buffer) => new Int8Array(buffer) },
    u2: { width: 2, read: (buffer) => new Uint16Array(buffer) },
    i2: { width: 2, read: (buffer) => new Int16Array(buffer) },
    u4: { width: 4, read: (buffer) => new Uint32Array(buffer) },
    i4: { width: 4, read: (buffer) => new Int32Array(buffer) },
    u8: { width: 8, read: (buffer) => new BigUint64Array(buffer) },
    i8: { width: 8, read: (buffer) => new BigInt64Array(buffer) },
    f2: { width: 2, read: (buffer) => fromHalf(new Uint16Array(buffer)) },
    f4: { width: 4, read: (buffer) => new Float32Array(buffer) },
    f8: { width: 8, read: (buffer) => new Float64Array(buffer) },
  };

/** The types of texts: characters of four bytes, or bytes, with the number of these. */
const TEXT = /^([US])(\d+)$/;

/** Bytes of an element. */
function widthOf(type: string): number {
  const [, kind, length] = TEXT.exec(type) ?? [];
  return kind === undefined ? TYPES[type]!.width : Number(length) * (kind === 'U' ? 4 : 1);
}

interface NpyHeader {
  /** Key of {@link TYPES}, or a type of texts. */
  readonly type: string;
  readonly isBigEndian: boolean;
  readonly isFortran: boolean;
  readonly shape: readonly number[];
  /** Bytes before the data. */
  readonly headerLength: number;
  /** Bytes of the whole file. */
  readonly fileLength: number;
}

/**
 * Reads an array in NumPy's .npy format, versions 1 to 3: truth values, integers of 8 to 64 bits, floats of 16 to 64, in
 * either byte order, C or Fortran arrangement. Objects (pickles) and text are refused. The header is validated with the length
 * of the file before anything of its size is allocated.
 *
 * @param source a path, or the bytes of a file
 * @param name what error messages call the file; the path if there is one
 * @throws TorchvaeError ERR_IO where the file cannot be read, ERR_DATA_FORMAT where it is truncated, too long, of another
 * format or of another element type, naming the byte offset
 */
export async function readNpy(source: string | Uint8Array, name?: string): Promise<NumericArray> {
  if (typeof source !== 'string') return parse(source, name ?? 'the given bytes');
  return withFile(source, async (file) => {
    const path = name ?? source;
    checkLength(
      readHeader(await file.read(0, Math.min(file.size, MAX_PREFIX + MAX_HEADER)), path),
      file.size,
      path,
    );
    return parse(await file.read(0, file.size), path);
  });
}

/**
 * Bytes of the numbers of an array in memory; undefined for one that {@link openNpy} cannot read a few rows at a time.
 *
 * @throws TorchvaeError as {@link readNpy} does
 */
export async function npyBytes(file: SourceFile): Promise<number | undefined> {
  const { type, shape, isFortran } = await headerOf(file);
  if (isFortran && shape.length > 1) return undefined;
  return shape.reduce((product, extent) => product * extent, type === 'u1' || type === 'b1' ? 1 : 4);
}

async function headerOf(file: SourceFile): Promise<NpyHeader> {
  const header = readHeader(await file.read(0, Math.min(file.size, MAX_PREFIX + MAX_HEADER)), file.path);
  checkLength(header, file.size, file.path);
  return header;
}

/**
 * The array that begins at the start of `file`; only its header is read here.
 *
 * @throws TorchvaeError as {@link readNpy} does, also ERR_DATA_FORMAT for the Fortran arrangement, whose rows do not lie together
 */
export async function openNpy(file: SourceFile): Promise<ArrayRows> {
  const { path } = file;
  const header = await headerOf(file);
  const { type, shape, headerLength } = header;
  if (header.isFortran && shape.length > 1) {
    throw badData(
      path,
      'expected the arrangement C, whose examples lie together, but it has fortran_order; write it anew from ' +
        'numpy.ascontiguousarray',
    );
  }
  const rowLength = TYPES[type]!.width * shape.slice(1).reduce((product, extent) => product * extent, 1);
  const isBoolean = type === 'b1';
  return {
    shape,
    rowLength,
    read: async (first, count) => {
      const offset = headerLength + first * rowLength;
      const raw = await readAll(file, offset, count * rowLength);
      return { shape: [count, ...shape.slice(1)], data: elementsOf(raw, header, offset, path), isBoolean };
    },
  };
}

/** Takes the bytes over: their order is reversed in place where that is needed. */
function elementsOf(
  raw: Uint8Array<ArrayBuffer>,
  { type, isBigEndian }: NpyHeader,
  offset: number,
  file: string,
): NumericData {
  const { width, read } = TYPES[type]!;
  if (isBigEndian) swap(Buffer.from(raw.buffer), width);
  const data = allocate(file, raw.length, () => read(raw.buffer));
  if (type === 'b1') checkBits(data as Uint8Array, offset, file);
  return data;
}

/** Texts in an arrangement, such as the names of classes. */
export interface TextArray {
  /** The extents, slowest first. */
  readonly shape: readonly number[];
  /** Row-major. */
  readonly texts: readonly string[];
}

/**
 * Reads an array of numbers as {@link readNpy} does, or one of texts: Unicode (`<U7`) or bytes in UTF-8 (`|S7`).
 *
 * @throws TorchvaeError as {@link readNpy} does
 */
export function readNpyLabels(bytes: Uint8Array, file: string): NumericArray | TextArray {
  const header = readHeader(bytes, file, true);
  const [, kind] = TEXT.exec(header.type) ?? [];
  if (kind === undefined) return parse(bytes, file);
  checkLength(header, bytes.length, file);
  const { shape, headerLength, isBigEndian, isFortran } = header;
  if (isFortran && shape.length > 1)
    throw badData(file, 'expected the arrangement C but it has fortran_order; write it anew');
  const raw = Buffer.from(bytes.subarray(headerLength));
  if (kind === 'U' && isBigEndian) raw.swap32();
  const width = widthOf(header.type);
  const count = shape.reduce((product, extent) => product * extent, 1);
  const texts = Array.from({ length: count }, (_, i) => {
    const cell = raw.subarray(i * width, (i + 1) * width);
    return (kind === 'U' ? fromCodePoints(cell, file) : cell.toString('utf8')).replace(/\0+$/, '');
  });
  return { shape, texts };
}

function fromCodePoints(cell: Buffer, file: string): string {
  try {
    return String.fromCodePoint(
      ...Array.from({ length: cell.length / 4 }, (_, i) => cell.readUInt32LE(4 * i)),
    );
  } catch (cause) {
    throw badData(file, 'expected texts but a character has a code that Unicode does not have', cause);
  }
}

function parse(bytes: Uint8Array, file: string): NumericArray {
  const header = readHeader(bytes, file);
  checkLength(header, bytes.length, file);
  const { type, shape, headerLength, isFortran } = header;
  const raw = allocate(file, bytes.length, () => new Uint8Array(bytes.subarray(headerLength)));
  const data = elementsOf(raw, header, headerLength, file);
  return {
    shape,
    data: isFortran && shape.length > 1 ? allocate(file, data.byteLength, () => rowMajor(data, shape)) : data,
    isBoolean: type === 'b1',
  };
}

function checkLength({ shape, type, fileLength }: NpyHeader, length: number, file: string): void {
  if (length === fileLength) return;
  const trouble = length < fileLength ? 'it is truncated' : 'it is too long';
  const promise = `${shape.join(' x ') || 'one'} elements of type ${type}, ${fileLength} bytes in all`;
  throw badData(file, `the header at offset 0 promises ${promise}, but the file has ${length}; ${trouble}`);
}

/** @param takesTexts whether elements may be texts */
function readHeader(bytes: Uint8Array, file: string, takesTexts = false): NpyHeader {
  if (bytes.length < 10 || NPY_MAGIC.some((byte, i) => bytes[i] !== byte)) {
    const found = Buffer.from(bytes.subarray(0, 6)).toString('hex') || 'nothing';
    throw badData(file, `expected \\x93NUMPY at offset 0 but received ${found}; it is not a .npy file`);
  }
  const version = bytes[6]!;
  if (version < 1 || version > 3)
    throw badData(file, `expected version 1, 2 or 3 at offset 6 but received ${version}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const start = version === 1 ? 10 : 12;
  const length = version === 1 ? view.getUint16(8, true) : bytes.length < 12 ? 0 : view.getUint32(8, true);
  if (length > MAX_HEADER) {
    throw badData(file, `expected a header of at most ${MAX_HEADER} bytes but offset 8 says ${length}`);
  }
  if (bytes.length < start + length) {
    throw badData(
      file,
      `expected a header of ${start + length} bytes but the file has ${bytes.length}; it is truncated`,
    );
  }
  const text = Buffer.from(bytes.subarray(start, start + length)).toString('latin1');
  return parseHeader(text, start + length, start, file, takesTexts);
}

const ENTRY = /\s*'(\w+)'\s*:\s*(?:'([^']*)'|(True|False)|\(([\d\s,L]*)\))\s*(,|$)/y;

/** The entries of a Python dictionary of strings, truth values and tuples of integers; nothing is evaluated. */
function parseDictionary(text: string): Map<string, string> {
  const entries = new Map<string, string>();
  const body = text.trim();
  if (!body.startsWith('{') || !body.endsWith('}')) return entries;
  const inner = body.slice(1, -1).trimEnd();
  ENTRY.lastIndex = 0;
  while (ENTRY.lastIndex < inner.length) {
    const found = ENTRY.exec(inner);
    if (!found) return new Map();
    const [, key, word, flag, tuple] = found;
    entries.set(key!, word ?? flag ?? tuple ?? '');
  }
  return entries;
}

function parseHeader(
  text: string,
  headerLength: number,
  start: number,
  file: string,
  takesTexts: boolean,
): NpyHeader {
  const entries = parseDictionary(text);
  const [descr, order, extents] = ['descr', 'fortran_order', 'shape'].map((key) => entries.get(key));
  if (
    descr === undefined ||
    (order !== 'True' && order !== 'False') ||
    extents === undefined ||
    entries.size !== 3
  ) {
    const what = "{'descr': TYPE, 'fortran_order': True or False, 'shape': (...)}";
    const advice = 'only plain arrays of numbers are read';
    throw badData(
      file,
      `expected ${what} at offset ${start} but received ${JSON.stringify(text.trim().slice(0, 80))}; ${advice}`,
    );
  }
  const [, byteOrder, type] = /^([<>|=])([a-zA-Z]\d*)$/.exec(descr) ?? [];
  const isKnown = type !== undefined && (Object.hasOwn(TYPES, type) || (takesTexts && TEXT.test(type)));
  if (!isKnown) {
    const known = `b1, u1 to u8, i1 to i8, f2, f4 or f8${takesTexts ? ', or texts' : ''}`;
    const advice = `convert the array (${takesTexts ? 'array.astype(str)' : "array.astype('float32')"})`;
    throw badData(
      file,
      `expected the element type ${known} at offset ${start} but received '${descr}'; ${advice}`,
    );
  }
  const shape = extents
    .split(',')
    .flatMap((part) => (part.trim() === '' ? [] : [Number(part.trim().replace(/L$/, ''))]));
  const count = shape.reduce((product, extent) => product * extent, 1);
  if (shape.length > MAX_EXTENTS || !shape.every(Number.isSafeInteger) || !Number.isSafeInteger(count)) {
    throw badData(
      file,
      `expected extents that a file can hold at offset ${start} but received (${extents.slice(0, 80)})`,
    );
  }
  const fileLength = headerLength + count * widthOf(type);
  return {
    type,
    isBigEndian: byteOrder === '>',
    isFortran: order === 'True',
    shape,
    headerLength,
    fileLength,
  };
}

function swap(bytes: Buffer, width: 1 | 2 | 4 | 8): void {
  if (width === 2) bytes.swap16();
  else if (width === 4) bytes.swap32();
  else if (width === 8) bytes.swap64();
}

function checkBits(data: Uint8Array, offset: number, file: string): void {
  const bad = data.findIndex((byte) => byte > 1);
  if (bad >= 0)
    throw badData(
      file,
      `expected the truth values 0 or 1 but received ${data[bad]} at offset ${offset + bad}`,
    );
}

/** Rearranges an array whose first extent is fastest so that its last extent is fastest. */
function rowMajor(data: NumericData, shape: readonly number[]): NumericData {
  const strides: number[] = [];
  let stride = 1;
  for (const extent of shape) {
    strides.push(stride);
    stride *= extent;
  }
  const result = new (data.constructor as new (length: number) => Float64Array)(data.length);
  const source = data as unknown as Float64Array;
  const index = shape.map(() => 0);
  let at = 0;
  for (let i = 0; i < result.length; i++) {
    result[i] = source[at]!;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      at += strides[axis]!;
      if (++index[axis]! < shape[axis]!) break;
      at -= strides[axis]! * shape[axis]!;
      index[axis] = 0;
    }
  }
  return result;
}
