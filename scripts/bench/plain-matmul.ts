/** A matrix inside a flat array: element (i, j) lies at `i * rowStride + j * columnStride`. */
export interface Matrix {
  readonly data: Float32Array;
  readonly rowStride: number;
  readonly columnStride: number;
}

/** [rows, columns], row-major. */
export function rowMajor(data: Float32Array, columns: number): Matrix {
  return { data, rowStride: columns, columnStride: 1 };
}

/** The transpose of the [rows, columns] row-major matrix in `data`. */
export function transposed(data: Float32Array, columns: number): Matrix {
  return { data, rowStride: 1, columnStride: columns };
}

/** The largest inner extent that {@link matmul} takes. */
export const MAX_INNER = 16_384;

/**
 * A tile of the result is this high and wide. V8 computes all products of a turn of the loop before the first sum, so
 * 6 sums and 6 products must fit into 16 registers; a larger tile keeps sums in memory and waits for them every turn.
 */
const TILE_ROWS = 3;
const TILE_COLUMNS = 2;

/**
 * Operands are packed in the order in which the innermost loop reads them, a block of `a` that stays in the second
 * cache and a strip of `b` that stays in the first. They are float64 because V8 would round every float32 sum by a
 * separate conversion, and constants of fixed length because their addresses and limits then become part of the
 * machine code.
 */
const packedA = new Float64Array(1 << 16);
const packedB = new Float64Array(MAX_INNER * TILE_COLUMNS);

/**
 * c = a b, with sums in float64, rounded to float32 once.
 *
 * @param c [rows, columns], row-major
 * @param a [rows, inner]
 * @param b [inner, columns]
 */
export function matmul(
  c: Float32Array,
  a: Matrix,
  b: Matrix,
  rows: number,
  columns: number,
  inner: number,
): void {
  if (inner > MAX_INNER)
    throw new RangeError(`Expected an inner extent of at most ${MAX_INNER}, not ${inner}`);
  const blockRows = Math.floor(packedA.length / inner / TILE_ROWS) * TILE_ROWS;
  for (let top = 0; top < rows; top += blockRows) {
    const bottom = Math.min(top + blockRows, rows);
    packRows(a, top, bottom, inner);
    for (let left = 0; left < columns; left += TILE_COLUMNS) {
      const width = Math.min(TILE_COLUMNS, columns - left);
      packColumns(b, left, width, inner);
      for (let row = top; row < bottom; row += TILE_ROWS) {
        const height = Math.min(TILE_ROWS, bottom - row);
        multiplyTile((row - top) * inner, inner, c, row * columns + left, columns, height, width);
      }
    }
  }
}

/** Packs rows `top` to `bottom` of a, three at a time, by the inner extent; zeros fill up the last three. */
function packRows(
  { data, rowStride, columnStride }: Matrix,
  top: number,
  bottom: number,
  inner: number,
): void {
  let to = 0;
  for (let row = top; row < bottom; row += TILE_ROWS) {
    const height = bottom - row;
    let from = row * rowStride;
    for (let k = 0; k < inner; k++, from += columnStride, to += TILE_ROWS) {
      packedA[to] = data[from]!;
      packedA[to + 1] = height > 1 ? data[from + rowStride]! : 0;
      packedA[to + 2] = height > 2 ? data[from + 2 * rowStride]! : 0;
    }
  }
}

/** Packs the columns `left` and `left` + 1 of b by the inner extent; zeros stand for the second if `width` is 1. */
function packColumns(
  { data, rowStride, columnStride }: Matrix,
  left: number,
  width: number,
  inner: number,
): void {
  let from = left * columnStride;
  for (let to = 0; to < inner * TILE_COLUMNS; to += TILE_COLUMNS, from += rowStride) {
    packedB[to] = data[from]!;
    packedB[to + 1] = width > 1 ? data[from + columnStride]! : 0;
  }
}

/**
 * c[at ...] = the 3x2 products of the packed rows from `offset` on with the packed columns, of which `height` x `width`
 * are wanted. `| 0` spares V8 a check for overflow at every sum of integers.
 */
function multiplyTile(
  offset: number,
  inner: number,
  c: Float32Array,
  at: number,
  stride: number,
  height: number,
  width: number,
): void {
  let c00 = 0;
  let c01 = 0;
  let c10 = 0;
  let c11 = 0;
  let c20 = 0;
  let c21 = 0;
  const end = inner * TILE_COLUMNS;
  for (let p = 0, q = offset; p < end; p = (p + TILE_COLUMNS) | 0, q = (q + TILE_ROWS) | 0) {
    const b0 = packedB[p]!;
    const b1 = packedB[(p + 1) | 0]!;
    const a0 = packedA[q]!;
    const a1 = packedA[(q + 1) | 0]!;
    const a2 = packedA[(q + 2) | 0]!;
    c00 += a0 * b0;
    c01 += a0 * b1;
    c10 += a1 * b0;
    c11 += a1 * b1;
    c20 += a2 * b0;
    c21 += a2 * b1;
  }
  storeRow(c, at, width, c00, c01);
  if (height > 1) storeRow(c, at + stride, width, c10, c11);
  if (height > 2) storeRow(c, at + 2 * stride, width, c20, c21);
}

function storeRow(c: Float32Array, at: number, width: number, c0: number, c1: number): void {
  c[at] = c0;
  if (width > 1) c[at + 1] = c1;
}
