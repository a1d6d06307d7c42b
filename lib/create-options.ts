import type { Precision } from './model/precision.ts';
import type { PresetName } from './model/presets.ts';
import type { ModelSpecInput } from './model/spec.ts';
import type { Variant } from './population/variants.ts';
import type { DeviceName } from './runtime/device.ts';

/** How to make a `VAE`: from a preset, from a spec, or from a preset with parts of its spec replaced. */
export interface CreateOptions {
  /** A built-in model, such as `mlp-400`, with the training settings that `VAE.fit` takes where it is given none. */
  preset?: PresetName;
  /** The model's description; its fields take precedence over the preset's. */
  spec?: ModelSpecInput;
  /** Default `auto`. */
  device?: DeviceName;
  /** Fixes the weights, the noise and the order of the data. Default 0. */
  seed?: number;
  /** Default `float32`. */
  precision?: Precision;
  /**
   * `auto` (default) uses fused kernels where there are any. `reference` computes with libtorch's operations and derivatives, which
   * is slower and serves for comparison.
   */
  kernels?: 'auto' | 'reference';
  /** Folder of libtorch; by default it is searched for. Only the first call of a process can choose. */
  libtorch?: string;
}

/** How to make a population: as one model, and who its members are. */
export interface PopulationOptions extends Omit<CreateOptions, 'seed'> {
  /** The seeds of the members, or how many there are: 0, 1 and so on. */
  seeds?: number | readonly number[];
  /** What each member has for itself. */
  variants?: readonly Variant[];
}
