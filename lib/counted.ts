/** `1 example`, `2,000 examples`, for people. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString('en-US')} ${count === 1 ? one : many}`;
}

/** A number in three digits, for people. */
export function short(value: number): string {
  return String(Number(value.toPrecision(3)));
}
