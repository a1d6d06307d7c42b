/** A field of a message in the encoding of protocol buffers, by its number. */
export type Field = Uint8Array;

const VARINT = 0;
const FIXED64 = 1;
const LENGTH = 2;
const FIXED32 = 5;

/** A message: its fields, one after the other. */
export function message(...fields: readonly Field[]): Uint8Array {
  return Buffer.concat(fields);
}

/** An integer from 0 to 2^53 - 1. */
export function integer(number: number, value: number): Field {
  return Buffer.concat([tag(number, VARINT), varint(value)]);
}

export function float(number: number, value: number): Field {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return Buffer.concat([tag(number, FIXED32), bytes]);
}

export function double(number: number, value: number): Field {
  return Buffer.concat([tag(number, FIXED64), doublesOf([value])]);
}

/** Doubles, packed. */
export function doubles(number: number, values: ArrayLike<number>): Field {
  return bytes(number, doublesOf(values));
}

/** Bytes, a text as UTF-8, or a message within this one. */
export function bytes(number: number, value: Uint8Array | string): Field {
  const content = typeof value === 'string' ? Buffer.from(value) : value;
  return Buffer.concat([tag(number, LENGTH), varint(content.length), content]);
}

function tag(number: number, type: number): Uint8Array {
  return varint(8 * number + type);
}

/** Seven bits per byte, the lowest first. JavaScript's shifts end at 2^31, hence the division. */
function varint(value: number): Uint8Array {
  const written: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) written.push((rest % 0x80) | 0x80);
  written.push(rest);
  return Uint8Array.from(written);
}

function doublesOf(values: ArrayLike<number>): Uint8Array {
  const written = Buffer.alloc(8 * values.length);
  for (let i = 0; i < values.length; i++) written.writeDoubleLE(values[i]!, 8 * i);
  return written;
}
