import { checkOneOf, expected } from '../check.ts';
import { TorchvaeError } from '../errors.ts';
import { findDuplicateKey } from './json-keys.ts';

/** Element types, with the array that holds each: `BF16` as the raw upper halves of float32. */
export interface TensorArrays {
  F64: Float64Array;
  F32: Float32Array;
  BF16: Uint16Array;
  I64: BigInt64Array;
  I32: Int32Array;
  U8: Uint8Array;
}

/** Names of the element types, as the format spells them. */
export type TensorType = keyof TensorArrays;

/** A tensor on the host: `data` is row-major and has as many elements as `shape` says. */
export type HostTensor = {
  [T in TensorType]: { readonly dtype: T; readonly shape: readonly number[]; readonly data: TensorArrays[T] };
}[TensorType];

/** What a safetensors file holds. */
export interface SafetensorsFile {
  readonly tensors: Map<string, HostTensor>;
  /** Free text by name. Has no prototype, so that every name is safe. */
  readonly metadata: Record<string, string>;
}

/** In the order in which the reference implementation lays tensors out, wide elements first. */
const ARRAYS = {
  I64: BigInt64Array,
  F64: Float64Array,
  F32: Float32Array,
  I32: Int32Array,
  BF16: Uint16Array,
  U8: Uint8Array,
} as const;
const TYPES = Object.keys(ARRAYS) as TensorType[];

/** The limit of the reference implementation, so that every file written here can be read there. */
const MAX_HEADER_LENGTH = 100_000_000;
/** The key under which the header holds the free text, and which no tensor can have. */
const METADATA = '__metadata__';

/**
 * The bytes of a file in the safetensors format (https://huggingface.co/docs/safetensors), in pieces to be written one
 * after the other; the pieces with the data are views of the given arrays. Tensors are laid out as the reference
 * implementation does, by element type and then by name, so the same content gives the same bytes.
 *
 * @throws TorchvaeError ERR_TYPE for data of another array type, ERR_SHAPE where data and shape differ, ERR_RANGE for an
 * unknown element type, the reserved name or a header that is too long
 */
export function encodeSafetensors(
  tensors: ReadonlyMap<string, HostTensor>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array[] {
  const ordered = [...tensors].sort(
    ([nameA, a], [nameB, b]) => TYPES.indexOf(a.dtype) - TYPES.indexOf(b.dtype) || (nameA < nameB ? -1 : 1),
  );
  const entries: [string, unknown][] = Object.keys(metadata).length > 0 ? [[METADATA, metadata]] : [];
  const pieces: Uint8Array[] = [];
  let offset = 0;
  for (const [name, tensor] of ordered) {
    const { dtype, shape, data } = checkTensor(name, tensor);
    entries.push([name, { dtype, shape, data_offsets: [offset, offset + data.byteLength] }]);
    pieces.push(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    offset += data.byteLength;
  }
  return [encodeHeader(entries), ...pieces];
}

function checkTensor(name: string, tensor: HostTensor): HostTensor {
  const { dtype, shape, data } = tensor;
  checkOneOf(`dtype of tensor ${name}`, dtype, TYPES);
  if (name === METADATA) throw new TorchvaeError('ERR_RANGE', expected('another name', 'a tensor', name));
  if (data?.[Symbol.toStringTag] !== ARRAYS[dtype].name) {
    throw new TorchvaeError(
      'ERR_TYPE',
      expected(`a ${ARRAYS[dtype].name} (${dtype})`, `tensor ${name}`, data),
    );
  }
  if (data.length !== elements(shape)) {
    const what = `${elements(shape)} elements (shape [${shape.join(', ')}])`;
    throw new TorchvaeError('ERR_SHAPE', expected(what, `tensor ${name}`, data));
  }
  return tensor;
}

/**
 * The length of the header in eight bytes and the header, padded with spaces so that the data begin at a multiple of
 * eight. Object.fromEntries makes own properties only, `__proto__` among them, as JSON.stringify wants.
 */
function encodeHeader(entries: readonly [string, unknown][]): Uint8Array {
  const json = Buffer.from(JSON.stringify(Object.fromEntries(entries)));
  const length = Math.ceil(json.length / 8) * 8;
  if (length > MAX_HEADER_LENGTH) {
    throw new TorchvaeError(
      'ERR_RANGE',
      expected(`at most ${MAX_HEADER_LENGTH} bytes`, 'names and metadata', length),
    );
  }
  const header = Buffer.alloc(8 + length, ' ');
  header.writeBigUInt64LE(BigInt(length));
  json.copy(header, 8);
  return header;
}

/**
 * Reads a file in the safetensors format. Everything that the header says is checked against the file: it allocates no
 * more than the file's own size, and tensors are views of `bytes` where their place allows it.
 *
 * @param fileName what error messages call the file
 * @throws TorchvaeError ERR_CHECKPOINT naming the file, the place and what was expected there
 */
export function decodeSafetensors(bytes: Uint8Array, fileName: string): SafetensorsFile {
  const { header, dataStart } = readHeader(bytes, fileName);
  const metadata = readMetadata(header, fileName);
  const entries = Object.entries(header)
    .filter(([name]) => name !== METADATA)
    .map(([name, value]) => readEntry(name, value, fileName));
  checkLayout(entries, bytes.length - dataStart, fileName);
  const tensors = new Map<string, HostTensor>();
  for (const { name, dtype, shape, begin, end } of entries) {
    const data = viewOrCopy(dtype, bytes.subarray(dataStart + begin, dataStart + end));
    tensors.set(name, { dtype, shape, data } as HostTensor);
  }
  return { tensors, metadata };
}

interface Entry {
  readonly name: string;
  readonly dtype: TensorType;
  readonly shape: readonly number[];
  /** First byte, counted from the end of the header. */
  readonly begin: number;
  /** One past the last byte. */
  readonly end: number;
}

function readHeader(bytes: Uint8Array, file: string): { header: object; dataStart: number } {
  if (bytes.length < 8)
    fail(file, `expected the header's length in 8 bytes but the file has ${bytes.length}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = view.getBigUint64(0, true);
  const limit = Math.min(bytes.length - 8, MAX_HEADER_LENGTH);
  if (length > BigInt(limit)) {
    fail(file, `expected a header of at most ${limit} bytes but offset 0 says ${length}`);
  }
  const dataStart = 8 + Number(length);
  const text = decodeUtf8(bytes.subarray(8, dataStart), file);
  if (!text.startsWith('{')) fail(file, 'expected a JSON object at offset 8');
  const header = parseJson(text, file);
  const duplicate = findDuplicateKey(text);
  if (duplicate !== undefined)
    fail(file, `the header names ${JSON.stringify(duplicate)} twice in one object`);
  return { header, dataStart };
}

function decodeUtf8(bytes: Uint8Array, file: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    return fail(file, 'expected UTF-8 text in the header at offset 8', cause);
  }
}

function parseJson(text: string, file: string): object {
  try {
    return JSON.parse(text);
  } catch (cause) {
    return fail(file, `expected JSON in the header at offset 8 (${(cause as Error).message})`, cause);
  }
}

function readMetadata(header: object, file: string): Record<string, string> {
  const metadata: Record<string, string> = Object.create(null);
  const given: unknown = Object.hasOwn(header, METADATA) ? (header as Record<string, unknown>)[METADATA] : {};
  if (!isObject(given)) fail(file, `expected an object for ${METADATA}`);
  for (const [key, value] of Object.entries(given)) {
    if (typeof value !== 'string') fail(file, `expected a string for ${METADATA} ${JSON.stringify(key)}`);
    metadata[key] = value;
  }
  return metadata;
}

function readEntry(name: string, value: unknown, file: string): Entry {
  const at = `tensor ${JSON.stringify(name)}`;
  if (!isObject(value)) fail(file, `expected an object for ${at}`);
  const { dtype, shape, data_offsets: offsets } = value;
  if (typeof dtype !== 'string' || !Object.hasOwn(ARRAYS, dtype)) {
    fail(file, expected(`one of ${TYPES.join(', ')}`, `dtype of ${at}`, dtype));
  }
  if (!Array.isArray(shape) || !shape.every(isCount)) {
    fail(file, expected('an array of whole numbers', `shape of ${at}`, shape));
  }
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount)) {
    fail(file, expected('two whole numbers', `data_offsets of ${at}`, offsets));
  }
  const [begin, end] = offsets as [number, number];
  const size = elements(shape) * ARRAYS[dtype as TensorType].BYTES_PER_ELEMENT;
  if (end - begin !== size) {
    const kind = `${dtype} of shape [${shape.join(', ')}]`;
    fail(
      file,
      `expected ${size} bytes for ${at} (${kind}) but data_offsets [${begin}, ${end}] have ${end - begin}`,
    );
  }
  return { name, dtype: dtype as TensorType, shape, begin, end };
}

/** The tensors must follow one another without overlap or hole, from the end of the header to the end of the file. */
function checkLayout(entries: readonly Entry[], dataLength: number, file: string): void {
  let next = 0;
  for (const { name, begin, end } of [...entries].sort((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (begin !== next) {
      const trouble = begin < next ? 'it overlaps with another tensor' : 'the bytes before it belong to none';
      fail(
        file,
        `expected tensor ${JSON.stringify(name)} to begin at data byte ${next}, not ${begin}; ${trouble}`,
      );
    }
    next = end;
  }
  if (next !== dataLength) {
    const trouble = dataLength < next ? 'it is truncated' : 'something follows';
    fail(file, `expected ${next} bytes of data after the header but the file has ${dataLength}; ${trouble}`);
  }
}

/** Typed arrays begin at multiples of their element's width only. */
function viewOrCopy(dtype: TensorType, bytes: Uint8Array): TensorArrays[TensorType] {
  const ArrayType = ARRAYS[dtype];
  const aligned = bytes.byteOffset % ArrayType.BYTES_PER_ELEMENT === 0 ? bytes : new Uint8Array(bytes);
  return new ArrayType(
    aligned.buffer as ArrayBuffer,
    aligned.byteOffset,
    bytes.length / ArrayType.BYTES_PER_ELEMENT,
  );
}

function elements(shape: readonly number[]): number {
  return shape.reduce((product, extent) => product * extent, 1);
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function fail(file: string, trouble: string, cause?: unknown): never {
  const message = `${file} is no usable safetensors file: ${trouble}. Restore it from a copy or save it again.`;
  throw new TorchvaeError('ERR_CHECKPOINT', message, { cause });
}
