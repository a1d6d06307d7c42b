import { element, escapeText } from '../charts/svg.ts';
import type { Exhibit } from '../exhibit.ts';
import { encodePng } from '../png.ts';

/** A part of the page that its list of contents names. */
export interface Section {
  id: string;
  title: string;
  /** Markup. */
  content: readonly string[];
}

export function section({ id, title, content }: Section): string {
  return element('section', { id }, element('h2', {}, escapeText(title)), ...content);
}

export function paragraph(text: string, className?: string): string {
  return element('p', { class: className }, escapeText(text));
}

/** Pictures and charts beside each other, as far as there is room. */
export function grid(...figures: readonly string[]): string {
  return element('div', { class: 'grid' }, ...figures);
}

/** A chart that says by itself what it is. */
export function chart(svg: string): string {
  return element('figure', {}, inline(svg));
}

/** What a report shows of a model, with its title and caption. */
export function exhibit({ title, caption, shown }: Exhibit): string {
  const heading = [element('h3', {}, escapeText(title)), element('figcaption', {}, escapeText(caption))];
  if (typeof shown === 'string') return element('figure', {}, ...heading, inline(shown));
  if ('columns' in shown) {
    return element('figure', { class: 'wide' }, ...heading, table(shown.columns, shown.rows));
  }
  const { width, height } = shown;
  const src = `data:image/png;base64,${Buffer.from(encodePng(shown)).toString('base64')}`;
  return element(
    'figure',
    {},
    ...heading,
    element('img', { src, alt: `${title}. ${caption}`, width, height }),
  );
}

export function table(columns: readonly string[], rows: readonly (readonly string[])[]): string {
  const cell = (name: string) => (text: string) => element(name, {}, escapeText(text));
  const head = element('thead', {}, element('tr', {}, ...columns.map(cell('th')), ''));
  const body = rows.map((row) => element('tr', {}, ...row.map(cell('td')), ''));
  return element('div', { class: 'scroll' }, element('table', {}, head, element('tbody', {}, ...body, '')));
}

/** Names with what they stand for, in plain words. */
export function facts(entries: Readonly<Record<string, unknown>>): string {
  const rows = Object.entries(entries)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) =>
      element(
        'tr',
        {},
        element('th', { scope: 'row' }, escapeText(name)),
        element('td', {}, escapeText(inWords(value))),
      ),
    );
  return element('table', { class: 'facts' }, element('tbody', {}, ...rows, ''));
}

/** A value of JSON for people: `mlp (hidden 400, activation relu)` for `{ type: 'mlp', hidden: [400], activation: 'relu' }`. */
function inWords(value: unknown): string {
  if (value === null) return 'none';
  if (Array.isArray(value)) return value.length > 0 ? value.map(inWords).join(', ') : 'none';
  if (typeof value === 'object') {
    const { type, ...rest } = value as Record<string, unknown>;
    const settings = Object.entries(rest)
      .filter(([, setting]) => setting !== undefined)
      .map(([name, setting]) => `${name} ${nested(setting)}`)
      .join('; ');
    if (type === undefined) return settings;
    return settings === '' ? inWords(type) : `${inWords(type)}; ${settings}`;
  }
  return typeof value === 'boolean' ? (value ? 'yes' : 'no') : String(value);
}

function nested(value: unknown): string {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? `(${inWords(value)})`
    : inWords(value);
}

/** HTML knows the name space of SVG. */
function inline(svg: string): string {
  return svg.replace(' xmlns="http://www.w3.org/2000/svg"', '');
}
