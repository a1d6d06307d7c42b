// How long a step of a member takes in a population, beside the step of the same model trained alone with all threads, in rounds of each in
// turn:  node build/bench/scripts/bench/population.js [--out FILE] [--rounds N]
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { type ModelSpecInput, sprites, VAE } from '../../lib/index.ts';
import { describeMachine } from './machine.ts';

const { values } = parseArgs({
  options: {
    out: { type: 'string', default: 'docs/results/population-cpu.json' },
    rounds: { type: 'string', default: '5' },
    members: { type: 'string', default: '8' },
  },
});

/** Models from that of W2 down. */
const MODELS: Record<string, { spec: ModelSpecInput; batchSize: number }> = {
  'W2: 784-128-64-8, batch 32': { spec: { encoder: { hidden: [128, 64] }, latentSize: 8 }, batchSize: 32 },
  '784-32-2, batch 32': { spec: { encoder: { hidden: [32] }, latentSize: 2 }, batchSize: 32 },
};
const EXAMPLES = 6400;
const members = Number(values.members);
const data = sprites({ count: EXAMPLES });

/** Milliseconds for each step that is done in all. */
async function timed(steps: number, train: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await train();
  return (performance.now() - started) / steps;
}

const median = (list: number[]) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)]!;

const rows = [];
for (const [name, { spec, batchSize }] of Object.entries(MODELS)) {
  const steps = EXAMPLES / batchSize;
  const alone = await VAE.create({ spec, device: 'cpu' });
  const population = await VAE.population({ spec, seeds: members, device: 'cpu' });
  const options = { epochs: 1, batchSize, gradientHealth: 'off' } as const;
  await alone.fit(data, options);
  await population.fit(data, options);
  const times = { alone: [] as number[], together: [] as number[] };
  for (let round = 0; round < Number(values.rounds); round++) {
    times.alone.push(await timed(4 * steps, async () => alone.fit(data, { ...options, epochs: 4 })));
    times.together.push(await timed(members * steps, async () => population.fit(data, options)));
  }
  const [one, each] = [median(times.alone), median(times.together)];
  rows.push({ model: name, members, aloneMs: one, memberStepMs: each, share: each / one });
  console.log(
    `${name}: ${one.toFixed(3)} ms alone, ${each.toFixed(3)} ms a member's step of ${members}: ${(each / one).toFixed(2)}`,
  );
  alone.dispose();
  population.dispose();
}
writeFileSync(
  values.out,
  `${JSON.stringify({ date: new Date().toISOString().slice(0, 10), machine: describeMachine(), rows }, null, 2)}\n`,
);
