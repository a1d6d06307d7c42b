/**
 * Arithmetic of the engine. `bf16` rounds the factors of matrix products to bfloat16 and keeps their sums, the weights, the
 * optimizer and the losses in float32: faster where the processor has avx512_bf16 or the GPU tensor cores, at the cost
 * of three digits in gradients. `tf32` is the same with 10-bit fractions, on CUDA devices. `float64` serves to check
 * derivatives and is slow.
 */
export type Precision = 'float32' | 'float64' | 'bf16' | 'tf32';

export const PRECISIONS: readonly Precision[] = ['float32', 'float64', 'bf16', 'tf32'];
