/** Attributes of an element; numbers are rounded to hundredths, what is undefined is left out. */
type Attributes = Readonly<Record<string, string | number | undefined>>;

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/**
 * Escapes text for element content and quoted attributes of XML and HTML. Characters that XML forbids (control characters, halves
 * of surrogate pairs) become U+FFFD.
 */
export function escapeText(text: string): string {
  return (
    text
      // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters to replace
      .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|[\ud800-\udfff]/gu, '\ufffd')
      .replace(/[&<>"']/g, (character) => ENTITIES[character]!)
  );
}

/** An element of SVG or HTML; its children are markup already. */
export function element(name: string, attributes: Attributes = {}, ...children: readonly string[]): string {
  const written = Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}="${typeof value === 'number' ? rounded(value) : escapeText(value!)}"`);
  return children.length === 0
    ? `<${name}${written.join('')}/>`
    : `<${name}${written.join('')}>${children.join('')}</${name}>`;
}

/** Text at a place, by default in the size of charts' labels. */
export function label(text: string, x: number, y: number, attributes: Attributes = {}): string {
  return element('text', { x, y, 'font-size': 12, fill: 'currentColor', ...attributes }, escapeText(text));
}

/** A complete SVG document, which can also stand within a page; `currentColor` is the page's text color. */
export function svg(width: number, height: number, title: string, ...children: readonly string[]): string {
  const attributes = {
    xmlns: 'http://www.w3.org/2000/svg',
    viewBox: `0 0 ${rounded(width)} ${rounded(height)}`,
    width,
    height,
    role: 'img',
    'aria-label': title,
    'font-family': 'system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif',
  };
  return element('svg', attributes, ...children);
}

function rounded(value: number): string {
  return String(Math.round(value * 100) / 100);
}
