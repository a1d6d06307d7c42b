// Asks judge.py, with the Python that TORCHVAE_BENCH_TORCH names, what is in images.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** For each set of MNIST-like images (bytes or values in [0, 1]): the classes, and the Frechet distance to the first set. */
export function judge(train, sets) {
  const python = process.env.TORCHVAE_BENCH_TORCH;
  if (!python) throw new Error('Expected TORCHVAE_BENCH_TORCH to name a Python with PyTorch and NumPy');
  const folder = mkdtempSync(join(tmpdir(), 'judge-'));
  // The classifier is trained once.
  const kept = fileURLToPath(new URL('../../build/judge', import.meta.url));
  mkdirSync(kept, { recursive: true });
  try {
    const write = (name, values) => {
      const path = join(folder, name);
      writeFileSync(
        path,
        values instanceof Uint8Array ? values : Uint8Array.from(values, (v) => Math.round(255 * v)),
      );
      return path;
    };
    const files = [
      write('images', train.data),
      write('labels', Uint8Array.from(train.labels)),
      join(kept, 'classifier.pt'),
      ...sets.map((values, i) => write(`set-${i}`, values)),
    ];
    const script = fileURLToPath(new URL('judge.py', import.meta.url));
    // PyTorch's threads spin while they wait, which beside any other work takes many times as long.
    const env = { OMP_WAIT_POLICY: 'PASSIVE', ...process.env };
    const text = execFileSync(python, [script, ...files], { encoding: 'utf8', maxBuffer: 1 << 28, env });
    return text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The share of classes that are the wanted ones. */
export function accuracy(classes, labels) {
  return classes.filter((found, i) => found === labels[i]).length / classes.length;
}
