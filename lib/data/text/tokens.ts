/** The tokens of a line, whatever the vocabulary. */
export function tokensOf(line: string, level: 'character' | 'word'): Iterable<string> {
  return level === 'character' ? line : line.split(/\s+/).filter((word) => word !== '');
}

/** How many there are. */
export function countTokens(line: string, level: 'character' | 'word'): number {
  let count = 0;
  for (const _ of tokensOf(line, level)) count++;
  return count;
}
