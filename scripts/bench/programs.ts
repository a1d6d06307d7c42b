import { join } from 'node:path';
import type { Command } from './program.ts';
import type { Workload } from './workloads.ts';

/** The names that results are looked up by. */
export const TORCHVAE = 'torchvae';
/** torchvae as on data without zeros: what the other programs compute. */
export const TORCHVAE_WHOLE = 'torchvae, zeros multiplied';
export const WHOLE_PRODUCTS = { TORCHVAE_ZEROS: 'multiply' };
export const PLAIN = 'plain JavaScript, one thread';
export const PYTORCH_EAGER = 'PyTorch eager';
export const JAX_SCAN = 'JAX, lax.scan over many steps';

/** Variables that name the other programs' environments; see setup-peers.sh. */
const { TORCHVAE_BENCH_TORCH, TORCHVAE_BENCH_JAX, TORCHVAE_BENCH_KERAS, TORCHVAE_BENCH_TFJS } = process.env;

/** Has glibc keep large blocks instead of returning them to the system: half of PyTorch's time on convolutions. */
const LARGE_BLOCKS = {
  MALLOC_MMAP_THRESHOLD_: '2000000000',
  MALLOC_TRIM_THRESHOLD_: '2000000000',
  MALLOC_TOP_PAD_: '67108864',
};

/** The programs that can run here, and the variables of those that cannot. */
export function findPrograms(
  root: string,
  { name: workload }: Workload,
): {
  commands: Command[];
  missing: string[];
} {
  const bench = join(root, 'scripts/bench');
  const missing: string[] = [];
  const needs = (variable: string, value: string | undefined, make: (value: string) => Command[]) => {
    if (!value) missing.push(variable);
    return value ? make(value) : [];
  };
  const node = (name: string, file: string, ...args: string[]): Command => ({
    name,
    precision: args.includes('bf16') ? 'bf16' : 'float32',
    command: [process.execPath, join(bench, file), workload, ...args],
  });
  const commands = [
    node(TORCHVAE, 'worker.mjs'),
    // A convolution takes all pixels in either case.
    ...(workload === 'W3' ? [] : [{ ...node(TORCHVAE_WHOLE, 'worker.mjs'), env: WHOLE_PRODUCTS }]),
    node(`${TORCHVAE}, bf16`, 'worker.mjs', '--precision', 'bf16'),
    ...needs('TORCHVAE_BENCH_TORCH', TORCHVAE_BENCH_TORCH, (python) =>
      torchVariants(workload).map(({ name, options, env }) => ({
        name: `PyTorch ${name}`,
        precision: options.includes('bf16') ? 'bf16' : 'float32',
        command: [python, join(bench, 'peers/torch_peer.py'), workload, ...options],
        ...(env && { env }),
      })),
    ),
    ...needs('TORCHVAE_BENCH_JAX', TORCHVAE_BENCH_JAX, (python) =>
      [
        { name: 'JAX, one step a call', mode: 'step' },
        { name: JAX_SCAN, mode: 'scan' },
      ].map(({ name, mode }) => ({
        name,
        precision: 'float32',
        command: [python, join(bench, 'peers/jax_peer.py'), workload, mode],
      })),
    ),
    ...needs('TORCHVAE_BENCH_KERAS', TORCHVAE_BENCH_KERAS, (python) => [
      {
        name: 'Keras on TensorFlow, fit, jit',
        precision: 'float32',
        command: [python, join(bench, 'peers/keras_peer.py'), workload],
      },
    ]),
    // Neither has a convolutional form.
    ...(workload === 'W3'
      ? []
      : [
          ...needs('TORCHVAE_BENCH_TFJS', TORCHVAE_BENCH_TFJS, () => [
            node('TensorFlow.js, WebAssembly', 'peers/tfjs.mjs'),
          ]),
          node(PLAIN, 'plain-worker.mjs'),
        ]),
  ];
  return { commands, missing };
}

interface TorchVariant {
  name: string;
  options: string[];
  env?: Record<string, string>;
}

function torchVariants(workload: string): TorchVariant[] {
  const common: TorchVariant[] = [
    { name: 'eager', options: [] },
    { name: 'eager, fused Adam', options: ['fused'] },
    { name: 'eager, fused Adam, large blocks kept', options: ['fused'], env: LARGE_BLOCKS },
    { name: 'compile, fused Adam', options: ['compile', 'fused'] },
    { name: 'compile, fused Adam, bf16', options: ['compile', 'fused', 'bf16'] },
  ];
  if (workload === 'W2')
    common.push({ name: 'eager, fused Adam, one thread', options: ['fused', 'one_thread'] });
  if (workload !== 'W3') return common;
  return [
    ...common,
    {
      name: 'eager, fused Adam, channels last, large blocks kept',
      options: ['fused', 'channels_last'],
      env: LARGE_BLOCKS,
    },
    {
      name: 'eager, fused Adam, channels last, large blocks kept, bf16',
      options: ['fused', 'channels_last', 'bf16'],
      env: LARGE_BLOCKS,
    },
  ];
}
