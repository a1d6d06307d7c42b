import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { mnist } from '../../lib/data/sets/mnist.ts';
import { familyCommands, familyTable, familyTitles, runFamily } from './family.ts';
import { waitForQuiet } from './load.ts';
import { describeMachine, measurePeaks } from './machine.ts';
import { type Manners, runManners } from './manners.ts';
import { findPrograms, PYTORCH_EAGER, TORCHVAE } from './programs.ts';
import {
  floor,
  highestPeaks,
  isUnreliable,
  type ProgramResult,
  type Report,
  type WorkloadResult,
} from './results.ts';
import { runRounds } from './rounds.ts';
import { insertTable, markdown, summary } from './table.ts';
import { WORKLOADS, type Workload } from './workloads.ts';

const USAGE = `npm run bench -- [W1 W2 W3] [--rounds 5] [--seconds 1.5] [--only NAME ...] [--readme]
npm run bench -- family [MODEL ...] [--rounds 5] [--seconds 1.5]
npm run bench -- manners [MODEL ...]
  [--out FILE.json]

Trains the same models on MNIST (TORCHVAE_DATA, the cache, or a download) with torchvae, with plain JavaScript, and with
what TORCHVAE_BENCH_TORCH, _JAX, _KERAS (paths of a Python) and _TFJS (a folder with node_modules) name: see
scripts/bench/setup-peers.sh. Writes docs/results/bench-cpu.json; --readme puts the table into docs/speed.md and a summary
into README.md. --only keeps the
programs whose name contains NAME. manners: torchvae and PyTorch beside a busy loop, and their memory over 10,000 steps, by W1 and the models named;
writes docs/results/manners-cpu.json. family: models beside the plain VAE, with torchvae, PyTorch and JAX; writes
docs/results/bench-family-cpu.json. --out: another name in docs/results (a name, not a path), for another machine.`;

const ROOT = fileURLToPath(new URL('../../../../', import.meta.url));
const say = (line: string) => console.error(line);

const { positionals, values: flags } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '1.5' },
    only: { type: 'string', multiple: true },
    readme: { type: 'boolean', default: false },
    out: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

const family = await familyTitles(ROOT);
const unknown = positionals.filter(
  (name) =>
    !['manners', 'family'].includes(name) && !family.has(name) && !WORKLOADS.some((w) => w.name === name),
);
const [rounds, seconds] = [Number(flags.rounds), Number(flags.seconds)];
const isName = flags.out === undefined || basename(flags.out) === flags.out;
if (flags.help || unknown.length > 0 || !(rounds >= 1) || !(seconds > 0) || !isName) {
  say(USAGE);
  process.exit(flags.help ? 0 : 2);
}
await writeImages();
if (positionals.includes('manners')) await manners();
else if (positionals.includes('family')) await benchFamily();
else await bench(WORKLOADS.filter(({ name }) => positionals.length === 0 || positionals.includes(name)));

/** MNIST's training images as bare bytes, for the programs that cannot read IDX files. */
async function writeImages(): Promise<void> {
  const file = join(ROOT, 'build/bench/mnist-images.bytes');
  mkdirSync(join(ROOT, 'build/bench'), { recursive: true });
  const data = await mnist();
  writeFileSync(file, data.data as Uint8Array);
  process.env.TORCHVAE_BENCH_IMAGES = file;
  const labels = join(ROOT, 'build/bench/mnist-labels.bytes');
  writeFileSync(labels, Uint8Array.from(data.labels!));
  process.env.TORCHVAE_BENCH_LABELS = labels;
}

function commandsFor(workload: Workload) {
  const { commands, missing } = findPrograms(ROOT, workload);
  for (const variable of missing) say(`left out: ${variable} is not set`);
  return commands.filter(({ name }) => flags.only?.some((part) => name.includes(part)) ?? true);
}

async function bench(workloads: readonly Workload[]): Promise<void> {
  const date = new Date().toISOString();
  await waitForQuiet(30);
  let peaks = measurePeaks(ROOT, workloads);
  if (!peaks) say('left out: the floor, as peak.c cannot be compiled here');
  const results: WorkloadResult[] = [];
  for (const workload of workloads) {
    say(`\n${workload.name}: ${workload.title}`);
    const programs = await runRounds(commandsFor(workload), { rounds, seconds }, say);
    results.push({ workload: workload.name, title: workload.title, programs });
    if (peaks) peaks = highestPeaks(peaks, measurePeaks(ROOT, workloads)!);
  }
  if (peaks)
    for (const [i, result] of results.entries()) result.floor = floor(workloads[i]!, peaks.at(-1)!, i);
  const report: Report = {
    date,
    machine: describeMachine(),
    notes: [loadNote(results.flatMap(({ programs }) => programs))],
    ...(peaks && { peaks }),
    workloads: results,
  };
  writeResult('bench-cpu.json', report);
  const table = markdown(report);
  console.log(table);
  if (!flags.readme) return;
  if (results.some(({ programs }) => programs.some(isUnreliable))) {
    say('The documents stay as they are: the machine was too busy. Run this again on an idle one.');
    process.exitCode = 1;
    return;
  }
  for (const [document, text] of [
    ['docs/speed.md', table],
    ['README.md', summary(report)],
  ] as const) {
    const path = join(ROOT, document);
    writeFileSync(path, insertTable(readFileSync(path, 'utf8'), text));
  }
}

/** How much of the measuring was undisturbed. */
function loadNote(programs: readonly ProgramResult[]): string {
  const turns = programs.flatMap((program) => program.turns);
  const quiet = turns.filter((turn) => turn.quiet).length;
  const foreign = Math.max(0, ...turns.map((turn) => turn.foreign));
  const disturbances =
    quiet === turns.length
      ? ''
      : `; in the others, which count only where a program has no undisturbed one, up to ${foreign.toFixed(1)} cores ` +
        'were busy with something else';
  return `${rounds} rounds of ${seconds} s; ${quiet} of ${turns.length} turns undisturbed${disturbances}`;
}

async function benchFamily(): Promise<void> {
  const chosen = [...family].filter(([name]) => positionals.length === 1 || positionals.includes(name));
  const date = new Date().toISOString();
  await waitForQuiet(30);
  const models = await runFamily(ROOT, new Map(chosen), { rounds, seconds }, say);
  const notes = [loadNote(models.flatMap(({ programs }) => programs))];
  writeResult('bench-family-cpu.json', { date, machine: describeMachine(), notes, models });
  console.log(familyTable(models));
}

async function manners(): Promise<void> {
  const wanted = [TORCHVAE, PYTORCH_EAGER, `${PYTORCH_EAGER}, fused Adam`];
  const loadBefore = loadavg()[0]!;
  const programs: (Manners & { workload: string })[] = [];
  for (const workload of ['W1', ...positionals.filter((name) => family.has(name))]) {
    say(`\n${workload}`);
    const all = workload === 'W1' ? commandsFor(WORKLOADS[0]!) : familyCommands(ROOT, workload);
    const commands = all.filter(({ name }) => wanted.includes(name));
    programs.push(...(await runManners(commands, seconds, say)).map((found) => ({ workload, ...found })));
  }
  const date = new Date().toISOString();
  writeResult('manners-cpu.json', { date, machine: describeMachine(), loadBefore, programs });
}

function writeResult(usual: string, result: object): void {
  const name = flags.out ?? usual;
  const folder = join(ROOT, 'docs/results');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, name), `${JSON.stringify(result, undefined, 1)}\n`);
  say(`Wrote docs/results/${name}`);
}
