import { PLAIN, PYTORCH_EAGER, TORCHVAE } from './programs.ts';
import {
  bestPeer,
  isUnreliable,
  type ProgramResult,
  type Report,
  type Spread,
  timesAsFast,
  type WorkloadResult,
} from './results.ts';

const BEGIN = '<!-- bench:begin -->';
const END = '<!-- bench:end -->';

/** Follows what was measured on a busy machine. */
const MARK = ' (!)';

/** `text` with `table` in place of what stands between the two markers. */
export function insertTable(text: string, table: string): string {
  const [begin, end] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`Expected the lines ${BEGIN} and ${END}, in this order`);
  return `${text.slice(0, begin + BEGIN.length)}\n${table.trim()}\n${text.slice(end)}`;
}

/** The report in Markdown: milliseconds a step of every program, then how torchvae compares. */
export function markdown(report: Report): string {
  const { machine, date, workloads } = report;
  const anyUnreliable = workloads.some(({ programs }) => programs.some(isUnreliable));
  const extensions = machine.flags.length > 0 ? ` (${machine.flags.join(', ')})` : '';
  return [
    `Milliseconds a training step on ${machine.cpu}, ${machine.cores} cores${extensions}, ${date.slice(0, 10)}: the ` +
      'median of rounds in which the programs took turns, and the lowest and highest round. MNIST, Bernoulli, Adam.',
    '',
    ...timesTable(workloads),
    '',
    ...comparisonTable(workloads),
    '',
    ...workloads.map(({ workload, title }) => `- ${workload}: ${title}`),
    ...(anyUnreliable ? [`-${MARK}: the machine was busy in every round; not to be relied on`] : []),
    ...report.notes.map((note) => `- ${note}`),
    '',
  ].join('\n');
}

/** What else the summary names: what people come from, and what runs in Node without a build. */
const KNOWN = [PYTORCH_EAGER, 'TensorFlow.js, WebAssembly', PLAIN];

/** The README's table: medians of torchvae, of the best other program, and of those that readers know. */
export function summary({ machine, date, workloads }: Report): string {
  const median = (program: ProgramResult | undefined) =>
    program ? digits(program.milliseconds.median) + (isUnreliable(program) ? MARK : '') : '';
  const best = workloads.map(({ programs }) =>
    bestPeer(programs, 'float32', (name) => name.startsWith(TORCHVAE) || name === PLAIN),
  );
  return [
    ...header(['milliseconds a training step', ...workloads.map(({ title }) => title)]),
    row([`**${TORCHVAE}**`, ...workloads.map(({ programs }) => median(find(programs, TORCHVAE)))]),
    row(['the best other program', ...best.map((peer) => (peer ? `${median(peer)}, ${peer.name}` : ''))]),
    ...KNOWN.map((name) => row([name, ...workloads.map(({ programs }) => median(find(programs, name)))])),
    '',
    `Medians on ${machine.cpu}, ${machine.cores} cores, ${date.slice(0, 10)}, by \`npm run bench\`: MNIST, Bernoulli, Adam, float32.`,
    '',
  ].join('\n');
}

function row(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}

function header(cells: readonly string[]): string[] {
  return [row(cells), row(cells.map((_, i) => (i === 0 ? '---' : '---:')))];
}

function timesTable(workloads: readonly WorkloadResult[]): string[] {
  const names = new Set(workloads.flatMap(({ programs }) => programs.map(({ name }) => name)));
  const lines = [...names].map((name) => {
    const cells = workloads.map(({ programs }) => {
      const program = find(programs, name);
      if (!program) return '';
      return withRange(program.milliseconds, (value) => digits(value)) + (isUnreliable(program) ? MARK : '');
    });
    return row([name.startsWith(TORCHVAE) ? `**${name}**` : name, ...cells]);
  });
  const floors = workloads.map(({ floor }) => (floor ? digits(floor.float32) : ''));
  const hasFloor = floors.some((text) => text !== '');
  return [
    ...header(['', ...workloads.map(({ workload }) => workload)]),
    ...lines,
    ...(hasFloor ? [row(["floor: all cores' multiply-add peak, then Adam's bytes", ...floors])] : []),
  ];
}

/** torchvae against the best other program of the same precision, plain JavaScript, and the floor. */
function comparisonTable(workloads: readonly WorkloadResult[]): string[] {
  const lines = workloads.flatMap((result) => {
    const own = find(result.programs, TORCHVAE);
    return own ? [row([result.workload, ...comparison(own, result)])] : [];
  });
  if (lines.length === 0) return [];
  return [
    ...header([
      'torchvae',
      'times the best other',
      'times plain JavaScript',
      'of the floor',
      'peak memory, MB (PyTorch eager)',
      'first step of a new process, s (PyTorch eager)',
    ]),
    ...lines,
  ];
}

function comparison(own: ProgramResult, { programs, floor }: WorkloadResult): string[] {
  const best = bestPeer(programs, 'float32', (name) => name.startsWith(TORCHVAE) || name === PLAIN);
  const plain = find(programs, PLAIN);
  const eager = find(programs, PYTORCH_EAGER);
  const times = (other: ProgramResult) =>
    withRange(timesAsFast(own, other), (value) => digits(value, 2)) +
    (isUnreliable(own) || isUnreliable(other) ? MARK : '');
  const beside = (mine: string, theirs: string | undefined) => (theirs ? `${mine} (${theirs})` : mine);
  return [
    best ? `${times(best)}, ${best.name}` : '',
    plain ? times(plain) : '',
    floor ? `${Math.round((100 * floor.float32) / own.milliseconds.median)}%` : '',
    beside(own.memory.toFixed(0), eager?.memory.toFixed(0)),
    beside(own.firstStep.toFixed(1), eager?.firstStep.toFixed(1)),
  ];
}

function find(programs: readonly ProgramResult[], name: string): ProgramResult | undefined {
  return programs.find((program) => program.name === name);
}

function withRange({ median, low, high }: Spread, format: (value: number) => string): string {
  return `${format(median)} [${format(low)}, ${format(high)}]`;
}

/** With three significant digits or as many, but never an exponent. */
function digits(value: number, significant = 3): string {
  const places = Math.max(0, significant - 1 - Math.floor(Math.log10(value)));
  return value.toFixed(places);
}
