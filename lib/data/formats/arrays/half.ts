/** The numbers that IEEE 754 half-precision patterns stand for. */
export function fromHalf(patterns: Uint16Array): Float32Array<ArrayBuffer> {
  const values = new Float32Array(patterns.length);
  for (let i = 0; i < patterns.length; i++) {
    const bits = patterns[i]!;
    const exponent = (bits >>> 10) & 31;
    const fraction = bits & 1023;
    const size =
      exponent === 31
        ? fraction
          ? Number.NaN
          : Infinity
        : exponent === 0
          ? fraction * 2 ** -24
          : (1024 + fraction) * 2 ** (exponent - 25);
    values[i] = bits & 0x8000 ? -size : size;
  }
  return values;
}
