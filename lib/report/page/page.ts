import { element, escapeText } from '../charts/svg.ts';
import { paragraph, type Section, section } from './markup.ts';
import { STYLE } from './style.ts';

/** The page may fetch and run nothing, whatever text it contains. */
const POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'";

/** What a page of HTML consists of. */
export interface Page {
  title: string;
  /** Shown below the title. */
  subtitle: string;
  /** Markup of what matters most. */
  figures: string;
  sections: readonly Section[];
}

/** A page that holds all it shows, with a list of its sections. */
export function page({ title, subtitle, figures, sections }: Page): string {
  const contents = sections.map(({ id, title: name }) => element('a', { href: `#${id}` }, escapeText(name)));
  const head = [
    element('meta', { charset: 'utf-8' }),
    element('meta', { 'http-equiv': 'Content-Security-Policy', content: POLICY }),
    element('meta', { name: 'viewport', content: 'width=device-width, initial-scale=1' }),
    element('meta', { name: 'generator', content: 'torchvae' }),
    element('title', {}, escapeText(title)),
    element('style', {}, STYLE),
  ];
  const body = [
    element('h1', {}, escapeText(title)),
    paragraph(subtitle, 'soft'),
    figures,
    element('nav', { 'aria-label': 'Contents' }, ...contents),
    element('main', {}, ...sections.map(section)),
  ];
  return `<!doctype html>\n<html lang="en"><head>${head.join('\n')}</head>\n<body>${body.join('\n')}</body></html>\n`;
}

/** Names and values in large type. */
export function mainFigures(entries: Readonly<Record<string, string>>): string {
  const shown = Object.entries(entries).map(([name, value]) =>
    element('div', {}, element('dt', {}, escapeText(name)), element('dd', {}, escapeText(value))),
  );
  return element('dl', { class: 'figures' }, ...shown);
}

/** Shell commands, with a sentence before each. */
export function commandSection(commands: readonly { said: string; lines: readonly string[] }[]): Section {
  const content = commands.flatMap(({ said, lines }) => [
    paragraph(said),
    element('pre', {}, element('code', {}, escapeText(lines.join('\n')))),
  ]);
  return { id: 'reproduce', title: 'Reproduce it', content };
}
