const QUOTE = '"';

/**
 * The first key that occurs twice in one object of a JSON text, which `JSON.parse` passes over in silence.
 *
 * @param text valid JSON
 */
export function findDuplicateKey(text: string): string | undefined {
  const objects: Set<string>[] = [];
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (char === '{') objects.push(new Set());
    else if (char === '}') objects.pop();
    else if (char === QUOTE) {
      const end = endOfString(text, i);
      if (isKey(text, end)) {
        const key: string = JSON.parse(text.slice(i, end));
        const keys = objects.at(-1)!;
        if (keys.has(key)) return key;
        keys.add(key);
      }
      i = end - 1;
    }
  }
  return undefined;
}

/** One past the closing quote of the string that begins at `start`. */
function endOfString(text: string, start: number): number {
  let i = start + 1;
  while (text[i] !== QUOTE) i += text[i] === '\\' ? 2 : 1;
  return i + 1;
}

/** Whether the string before `end` is a key: a colon follows it. */
function isKey(text: string, end: number): boolean {
  let i = end;
  while (' \t\n\r'.includes(text[i]!)) i++;
  return text[i] === ':';
}
