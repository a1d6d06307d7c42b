/** The values as a line of CSV, as RFC 4180 has it; undefined is an empty cell. */
export function csvLine(values: readonly unknown[]): string {
  return values
    .map((value) => {
      const text = value === undefined ? '' : String(value);
      return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
    })
    .join(',');
}
