// Processes that begin to train, one after another: the first compiles the kernels and keeps them, the second finds them, the third finds
// damaged ones. `node starts.mjs DEVICE` is one of the processes.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, rmSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cacheDirectory } from '../../dist/cache.js';
import { sprites, VAE } from '../../dist/index.js';
import { losses, relativeError, Verdict } from './verdict.mjs';

const folder = join(cacheDirectory(), 'kernels');

/** The kept programs: names, sizes and times of writing. */
function kept() {
  const names = existsSync(folder) ? readdirSync(folder).sort() : [];
  return names.map((name) => {
    const { size, mtimeMs } = statSync(join(folder, name));
    return `${name} ${size} ${mtimeMs}`;
  });
}

/** @returns the losses of a process, and its seconds from its begin to the first epoch's end */
function start(device) {
  const answer = execFileSync(process.execPath, [fileURLToPath(import.meta.url), device], {
    encoding: 'utf8',
  });
  return JSON.parse(answer);
}

export function starts(device) {
  const verdict = new Verdict();
  rmSync(folder, { recursive: true, force: true });
  const compiling = start(device);
  const first = kept();
  const finding = start(device);
  const second = kept();
  for (const name of existsSync(folder) ? readdirSync(folder) : []) {
    const path = join(folder, name);
    truncateSync(path, statSync(path).size - 1);
  }
  const damaged = kept();
  const again = start(device);
  const third = kept();
  const hasPrograms = device !== 'cpu';
  verdict.add('programs are kept', hasPrograms === first.length > 0 ? 0 : 1, 0.5);
  verdict.add('kept programs are not compiled again', String(first) === String(second) ? 0 : 1, 0.5);
  const isMended = third.length === first.length && third.every((file, i) => file !== damaged[i]);
  verdict.add('damaged programs are compiled again', isMended ? 0 : 1, 0.5);
  verdict.add('losses with kept programs', relativeError(finding.losses, compiling.losses), 1e-300);
  verdict.add('losses after damage', relativeError(again.losses, compiling.losses), 1e-300);
  verdict.seconds = { compiling: compiling.seconds, finding: finding.seconds, 'after damage': again.seconds };
  verdict.files = first;
  return verdict;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const vae = await VAE.create({ preset: 'mlp-400', seed: 0, device: process.argv[2] });
  const came = await losses(vae, sprites({ count: 512 }), { epochs: 1, batchSize: 128 });
  console.log(JSON.stringify({ losses: came, seconds: performance.now() / 1000 }));
}
