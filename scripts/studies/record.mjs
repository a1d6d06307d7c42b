// What all studies share: training to the end, and a result file with the machine, the versions and the date.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { VAE } from '../../dist/index.js';

const ROOT = new URL('../../', import.meta.url);

/** Four digits after the point: more than anybody reads. */
export const round = (value) => (value === undefined ? undefined : Number(value.toFixed(4)));

/** Trains a new model and gives it back with its last epoch and the seconds that training took. */
export async function trained(create, data, options, say = console.log) {
  const vae = await VAE.create(create);
  let last;
  let seconds = 0;
  for await (last of vae.fit(data, options)) {
    seconds += last.seconds;
    const { epoch, train, validation, latentHealth, gradientHealth } = last;
    const parts = [`  epoch ${epoch}`, `loss ${train.loss.toFixed(2)}`];
    if (validation) parts.push(`test ${validation.loss.toFixed(2)} (kl ${validation.kl.toFixed(2)})`);
    if (latentHealth) parts.push(`z ${latentHealth.activeUnits}`);
    if (gradientHealth) parts.push(gradientHealth.verdict);
    say(parts.join('  '));
  }
  return { vae, last, seconds };
}

/** A data set's examples from `first` on, `count` of them. */
export function stretch(data, first, count) {
  return data.subset(Uint32Array.from({ length: count }, (_, i) => first + i));
}

/** When, where and with which versions a result was obtained. */
export function environment({ device, versions }) {
  const { version } = JSON.parse(readFileSync(new URL('package.json', ROOT), 'utf8'));
  return {
    date: new Date().toISOString().slice(0, 10),
    machine: {
      processor: cpus()[0].model.trim(),
      cores: availableParallelism(),
      memoryGB: Math.round(totalmem() / 2 ** 30),
      // Over the last minute; above the number of cores, times are those of a busy machine.
      load: round(loadavg()[0]),
      device,
    },
    versions: { torchvae: version, libtorch: versions.libtorch, node: process.version },
  };
}

/** Writes docs/results/NAME.json and puts the table between the markers of that name in `document`. */
export function record(name, vae, { what, command, ...result }, document, table) {
  const report = { what, command, ...environment(vae), ...result };
  const file = fileURLToPath(new URL(`docs/results/${name}.json`, ROOT));
  mkdirSync(fileURLToPath(new URL('docs/results', ROOT)), { recursive: true });
  writeFileSync(file, `${JSON.stringify(report, null, 2)}\n`);
  const path = fileURLToPath(new URL(document, ROOT));
  const text = readFileSync(path, 'utf8');
  const [begin, end] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`Expected ${begin} and ${end} in ${document}`);
  writeFileSync(path, `${text.slice(0, from + begin.length)}\n${table}\n${text.slice(to)}`);
  console.log(`\n${table}\n\nWrote docs/results/${name}.json and the table in ${document}`);
}

/** A table of Markdown: columns are [heading, value of a row]; all but the first align right. */
export function markdown(rows, columns) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  return [
    line(columns.map(([heading]) => heading)),
    line(columns.map((_, i) => (i === 0 ? '---' : '---:'))),
    ...rows.map((row) => line(columns.map(([, value]) => value(row) ?? ''))),
  ].join('\n');
}
