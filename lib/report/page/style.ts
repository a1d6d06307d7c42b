/** The report's one style sheet: light and dark, wide and narrow, and for paper. */
export const STYLE = `
:root { color-scheme: light dark; --ground: #ffffff; --text: #1c2024; --soft: #5f6872; --line: #e1e5ea; --panel: #f6f8fa;
  --accent: #2f6fab; --warning: #8a4b00; --warning-ground: #fff4e0; }
@media (prefers-color-scheme: dark) { :root { --ground: #14171a; --text: #e4e7ea; --soft: #9aa4ae; --line: #2c3238;
  --panel: #1c2126; --accent: #7db4e6; --warning: #ffca80; --warning-ground: #33260f; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0 auto; padding: 2.5rem clamp(1rem, 4vw, 3rem) 4rem; max-width: 80rem; background: var(--ground);
  color: var(--text); font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", sans-serif; overflow-wrap: anywhere; }
h1 + p { max-width: none; }
h1 { font-size: clamp(1.6rem, 4vw, 2.2rem); line-height: 1.2; margin: 0 0 0.25rem; letter-spacing: -0.01em; }
h2 { font-size: 1.35rem; margin: 3rem 0 1rem; padding-top: 0.75rem; border-top: 1px solid var(--line); }
h3 { font-size: 1.05rem; margin: 0 0 0.25rem; }
p { margin: 0.5rem 0; max-width: 70ch; }
a { color: var(--accent); }
nav { margin: 1.25rem 0; display: flex; flex-wrap: wrap; gap: 0.25rem 1.1rem; }
nav a { text-decoration: none; }
nav a:hover { text-decoration: underline; }
.soft, figcaption { color: var(--soft); }
.figures { display: grid; gap: 0.75rem; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); margin: 1.5rem 0; padding: 0; }
.figures div { display: flex; flex-direction: column; justify-content: space-between; background: var(--panel);
  border-radius: 0.5rem; padding: 0.75rem 1rem; }
.figures dt { color: var(--soft); font-size: 0.85rem; }
.figures dd { margin: 0; font-size: 1.35rem; font-weight: 600; font-variant-numeric: tabular-nums; }
.grid { display: grid; gap: 1.75rem 2rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 27rem), 1fr)); align-items: start; }
figure { margin: 0; min-width: 0; }
svg { display: block; width: 100%; height: auto; max-width: 44rem; }
figure.wide { grid-column: 1 / -1; overflow-x: auto; }
figure.wide svg { max-width: none; min-width: 44rem; }
figcaption { font-size: 0.9rem; margin-bottom: 0.6rem; max-width: 70ch; }
img { display: block; max-width: 100%; height: auto; image-rendering: pixelated; border-radius: 0.25rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.92rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; vertical-align: top; padding: 0.35rem 1.25rem 0.35rem 0; border-bottom: 1px solid var(--line);
  overflow-wrap: normal; }
th { font-weight: 600; white-space: nowrap; }
table.facts { width: 100%; }
table.facts th { width: 11rem; color: var(--soft); font-weight: 400; }
table.facts td { overflow-wrap: anywhere; }
.warning { background: var(--warning-ground); color: var(--warning); border-radius: 0.5rem; padding: 0.7rem 1rem; max-width: none; }
pre { background: var(--panel); border-radius: 0.5rem; padding: 0.9rem 1rem; overflow-x: auto; font-size: 0.9rem; line-height: 1.5;
  white-space: pre-wrap; }
code { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
@media (max-width: 34rem) { table.facts th { width: 7.5rem; padding-right: 0.75rem; } h2 { margin-top: 2.25rem; } }
@media print { nav { display: none; } figure, .figures { break-inside: avoid; } }
`;
