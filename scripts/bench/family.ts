import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Command } from './program.ts';
import { JAX_SCAN, PYTORCH_EAGER, TORCHVAE, TORCHVAE_WHOLE, WHOLE_PRODUCTS } from './programs.ts';
import { bestPeer, type ProgramResult, timesAsFast } from './results.ts';
import { runRounds } from './rounds.ts';

/** The models of family.mjs with what the programs came to on them. */
export interface FamilyResult {
  model: string;
  title: string;
  programs: ProgramResult[];
  /** How many times as fast as the fastest other program torchvae is: the median over the rounds, and the range. */
  timesBestPeer?: { median: number; low: number; high: number };
  bestPeer?: string;
}

/** [title, batch size, model] by name. */
export async function familyTitles(root: string): Promise<Map<string, string>> {
  const { FAMILY } = (await import(pathToFileURL(join(root, 'scripts/bench/family.mjs')).href)) as {
    FAMILY: Record<string, [string, number, object]>;
  };
  return new Map(Object.entries(FAMILY).map(([name, [title]]) => [name, title]));
}

/** The programs that train a model of family.mjs. */
export function familyCommands(root: string, model: string): Command[] {
  const bench = join(root, 'scripts/bench');
  const own = [process.execPath, join(bench, 'worker.mjs'), model];
  const { TORCHVAE_BENCH_TORCH: python, TORCHVAE_BENCH_JAX: jax } = process.env;
  const torch = (name: string, ...options: string[]): Command => ({
    name,
    precision: 'float32',
    command: [python!, join(bench, 'peers/torch_family.py'), model, ...options],
  });
  return [
    { name: TORCHVAE, precision: 'float32', command: own },
    { name: TORCHVAE_WHOLE, precision: 'float32', command: own, env: WHOLE_PRODUCTS },
    ...(python
      ? [
          torch(PYTORCH_EAGER),
          torch(`${PYTORCH_EAGER}, fused Adam`, 'fused'),
          torch('PyTorch compile, fused Adam', 'fused', 'compile'),
        ]
      : []),
    ...(jax
      ? [
          {
            name: JAX_SCAN,
            precision: 'float32' as const,
            command: [jax, join(bench, 'peers/jax_family.py'), model],
          },
        ]
      : []),
  ];
}

/** Trains the models with torchvae, PyTorch and JAX in turn. Programs of one model must have as many weights. */
export async function runFamily(
  root: string,
  models: ReadonlyMap<string, string>,
  options: { rounds: number; seconds: number },
  say: (line: string) => void,
): Promise<FamilyResult[]> {
  const results: FamilyResult[] = [];
  for (const [model, title] of models) {
    say(`\n${model}: ${title}`);
    const programs = await runRounds(familyCommands(root, model), options, say);
    const counts = new Set(programs.map(({ info }) => info.parameters));
    if (counts.size > 1) throw new Error(`${model}: the programs have ${[...counts].join(' and ')} weights`);
    const ours = programs.find(({ name }) => name === TORCHVAE);
    const peer = bestPeer(programs, 'float32', (name) => name.startsWith(TORCHVAE));
    results.push({
      model,
      title,
      programs,
      ...(ours && peer && { timesBestPeer: timesAsFast(ours, peer), bestPeer: peer.name }),
    });
  }
  return results;
}

/** One line a model, the worst one marked. */
export function familyTable(results: readonly FamilyResult[]): string {
  const worst = Math.min(
    ...results.map(({ timesBestPeer }) => timesBestPeer?.median ?? Number.POSITIVE_INFINITY),
  );
  const lines = results.map(({ title, programs, timesBestPeer, bestPeer: peer }) => {
    const time = (name: string | undefined) =>
      programs.find((program) => program.name === name)?.milliseconds.median.toPrecision(3) ?? '-';
    const ratio = timesBestPeer ? `${timesBestPeer.median.toFixed(2)}x` : '-';
    const cell = timesBestPeer?.median === worst ? `**${ratio}**` : ratio;
    return `| ${title} | ${time(TORCHVAE)} | ${time(TORCHVAE_WHOLE)} | ${time(peer)} (${peer ?? '-'}) | ${cell} |`;
  });
  return [
    '| model | torchvae, ms a step | with zeros multiplied | best peer | times as fast |',
    '|---|---|---|---|---|',
    ...lines,
  ].join('\n');
}
