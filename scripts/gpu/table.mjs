// The README's table of a GPU, from the reports of scripts/gpu-verify that are kept.
//   node scripts/gpu/table.mjs
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const at = (path) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const FOLDER = 'docs/results/gpu-h100';
const [BEGIN, END] = ['<!-- gpu:begin -->', '<!-- gpu:end -->'];

/** File, contest, what the row says, precision. */
const ROWS = [
  ['w1-128', 'w1-128', 'MLP 784-400-20, batch 128', 'float32'],
  ['w1-1024', 'w1-1024', 'the same, batch 1,024', 'float32'],
  ['conv28-128', 'conv28-128', 'conv 32-64 of 28x28, latent 16, batch 128', 'float32'],
  ['conv64-512', 'conv64-512', 'conv 32-64-128-256 of 64x64x3, latent 128, batch 512', 'bf16'],
];
const PROGRAMS = [
  ['torchvae', 'torchvae'],
  ['jax scan', 'JAX, lax.scan'],
  ['torch compiled', 'torch.compile'],
  ['torch eager', 'PyTorch eager'],
  ['plain JavaScript', 'plain JavaScript'],
];

/** Three digits, or all that stand before the point. */
const digits = (x) => (x >= 100 ? x.toFixed(0) : x.toPrecision(3));

const row = (cells) => `| ${cells.join(' | ')} |`;

/** The table in Markdown. */
export function gpuTable() {
  const reports = ROWS.map(([file]) => JSON.parse(readFileSync(at(`${FOLDER}/${file}.json`), 'utf8')));
  const lines = ROWS.map(([, contest, title, precision], i) => {
    const { programs } = reports[i].stages[contest];
    const times = PROGRAMS.map(([name]) => programs[`${name} ${precision}`] ?? programs[name]);
    return row([
      `${title}, ${precision}`,
      ...times.map((found) => (found ? digits(found.median_wall_ms) : '')),
    ]);
  });
  const [{ machine, date }] = reports;
  const commits = [...new Set(reports.map(({ pack }) => pack.commit))].join(', ');
  const [gpu] = machine.gpu.split(',');
  return [
    row(['milliseconds a training step', ...PROGRAMS.map(([, title]) => title)]),
    row(['---', ...PROGRAMS.map(() => '---:')]),
    ...lines,
    '',
    `Medians on ${gpu}, ${date.slice(0, 10)}, by \`scripts/gpu-verify\` (of commits ${commits}): PyTorch ${machine.torch}, JAX ${machine.jax}.`,
  ].join('\n');
}

/** `text` with the table between its markers. */
export function withGpuTable(text) {
  const [begin, end] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`Expected the lines ${BEGIN} and ${END}, in this order`);
  return `${text.slice(0, begin + BEGIN.length)}\n${gpuTable()}\n${text.slice(end)}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const readme = at('README.md');
  writeFileSync(readme, withGpuTable(readFileSync(readme, 'utf8')));
}
