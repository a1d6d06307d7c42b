/** What multiplies the dense layers' matrices: a choice by the processor alone, and the same numbers whichever it is. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { jsonOf, runNode } from './support/command.ts';
import { relativeError } from './support/fixture.ts';

/** Gradients of a small model and losses of three epochs, in another process with this choice. */
const PROGRAM = `
import { Dataset, VAE } from 'torchvae';
const x = new Float32Array(33 * 131).map((_, i) => ((i * 7919) % 1009) / 1009);
const spec = { inputShape: [131], encoder: { hidden: [67, 129] }, latentSize: 7 };
const vae = await VAE.create({ spec, seed: 3, device: 'cpu' });
const { gradients } = await vae.gradients(x, { seed: 5 });
const losses = [];
for await (const { train } of vae.fit(Dataset.from(x, { shape: [131] }), { epochs: 3, batchSize: 16 })) {
  losses.push(train.loss);
}
console.log(JSON.stringify({ losses, gradients: [...gradients.values()].map(({ data }) => [...data]) }));
`;

const run = (env: Record<string, string>): Promise<{ losses: number[]; gradients: number[][] }> =>
  jsonOf(PROGRAM, env);

const wanted = await run({ TORCHVAE_GEMM: 'tiles' });

test.each([
  [{ TORCHVAE_GEMM: 'library' }],
  [{}],
  // Processors without AVX-512, and without AVX2, as far as libtorch can play them.
  [{ ONEDNN_MAX_CPU_ISA: 'AVX2', ATEN_CPU_CAPABILITY: 'avx2' }],
  [{ ONEDNN_MAX_CPU_ISA: 'AVX', ATEN_CPU_CAPABILITY: 'default' }],
])('the same numbers with %j', async (env) => {
  const came = await run(env);
  expect(relativeError(came.losses, wanted.losses)).toBeLessThan(1e-5);
  came.gradients.forEach((gradient, i) => {
    expect(relativeError(gradient, wanted.gradients[i]!)).toBeLessThan(2e-5);
  });
});

test.runIf(/avx2/.test(readFileSync('/proc/cpuinfo', 'utf8')))('panels are for AVX2 at least', async () => {
  const came = await run({ TORCHVAE_GEMM: 'panels' });
  expect(relativeError(came.losses, wanted.losses)).toBeLessThan(1e-5);
  const { code, stderr } = await runNode(['--input-type=module', '-e', PROGRAM], {
    env: { TORCHVAE_GEMM: 'panels', ATEN_CPU_CAPABILITY: 'default' },
  });
  expect(code).not.toBe(0);
  expect(stderr).toContain('has no AVX2 for TORCHVAE_GEMM=panels');
});

test('an unknown name is refused', async () => {
  const { code, stderr } = await runNode(['--input-type=module', '-e', PROGRAM], {
    env: { TORCHVAE_GEMM: 'blas' },
  });
  expect(code).not.toBe(0);
  expect(stderr).toContain('Expected panels, tiles or library for TORCHVAE_GEMM but received "blas"');
});

test('bf16 without its instructions is refused with the reason', async () => {
  const program = `
    import { VAE } from 'torchvae';
    await VAE.create({ precision: 'bf16', device: 'cpu' }).catch(({ code, message }) => console.log(code, message));`;
  const { stdout } = await runNode(['--input-type=module', '-e', program], {
    env: { ONEDNN_MAX_CPU_ISA: 'AVX2' },
  });
  expect(stdout).toMatch(/ERR_DEVICE .*'bf16' does not run on this processor: .*use 'float32'/);
});
