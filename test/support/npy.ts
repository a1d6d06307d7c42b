/** A .npy file with this header and data, right or wrong. */
export function npy(
  descr: string,
  shape: readonly number[],
  data: Uint8Array,
  { fortran = false, version = 1 } = {},
): Buffer {
  const order = fortran ? 'True' : 'False';
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`;
  return npyOf(`{'descr': '${descr}', 'fortran_order': ${order}, 'shape': ${tuple}, }`, data, version);
}

/** A .npy file whose header is this text. */
export function npyOf(header: string, data: Uint8Array, version = 1): Buffer {
  const width = version === 1 ? 2 : 4;
  const start = 8 + width;
  const text = `${header.padEnd(64 * Math.ceil((start + header.length + 1) / 64) - start - 1)}\n`;
  const prefix = Buffer.alloc(start);
  prefix.set([0x93, ...Buffer.from('NUMPY'), version, 0]);
  prefix.writeUIntLE(text.length, 8, width);
  return Buffer.concat([prefix, Buffer.from(text, 'latin1'), data]);
}
