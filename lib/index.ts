export {
  type DataKind,
  Dataset,
  type DatasetOptions,
  type Factor,
  type FromOptions,
  fashionMnist,
  type LoadOptions,
  loadDataset,
  type MnistOptions,
  mnist,
  type SplitOptions,
  type SpritesOptions,
  sprites,
} from './data/index.ts';
export { type ErrorCode, TorchvaeError } from './errors.ts';
export type { Examples, Tensor } from './model/input.ts';
export type { Losses } from './model/losses.ts';
export type { Precision } from './model/precision.ts';
export { type Preset, type PresetName, preset, presetNames } from './model/presets.ts';
export type {
  Activation,
  ConvSpec,
  LikelihoodSpec,
  MlpSpec,
  ModelSpec,
  ModelSpecInput,
  NetworkSpec,
  NetworkSpecInput,
  ObjectiveSpec,
} from './model/spec.ts';
export { type GridOptions, imageGrid, reconstructionGrid } from './report/grid.ts';
export { encodePng, type Picture } from './report/png.ts';
export type { DeviceName } from './runtime/device.ts';
export type { EpochResult, FitOptions, StepProgress } from './training/fit.ts';
export type { Optimizer, OptimizerType } from './training/optimiser.ts';
export { type CreateOptions, type Encoding, VAE } from './vae.ts';
