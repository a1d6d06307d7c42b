/**
 * The model, its training and its data.
 *
 * @module torchvae
 */
export { type CompressOptions, compress, decompress } from './codec/codec.ts';
export type { CreateOptions, PopulationOptions } from './create-options.ts';
export {
  type Binarization,
  type BinarizeOptions,
  type CellCounts,
  type CifarOptions,
  type ColumnSummary,
  type ColumnType,
  type CsvOptions,
  type DataKind,
  type DataSchema,
  Dataset,
  type DatasetOptions,
  type Factor,
  type FromOptions,
  fashionMnist,
  type ImageFolderOptions,
  type IterableOptions,
  type LearnedOptions,
  type LoadOptions,
  loadCifar,
  loadDataset,
  loadImageFolder,
  loadSplit,
  type MnistOptions,
  mnist,
  type NpzOptions,
  type PixelOptions,
  type RecordOptions,
  type SplitOptions,
  type SpritesOptions,
  StreamedDataset,
  type StreamItems,
  type StreamOptions,
  type StreamPathOptions,
  schemaFromJson,
  sprites,
  streamDataset,
  streamSplit,
  TableSchema,
  type TableSchemaOptions,
  TextSchema,
  type TextSchemaOptions,
} from './data/index.ts';
export { type ErrorCode, TorchvaeError } from './errors.ts';
export type { CollapseAlarm, LatentHealth } from './evaluation/collapse.ts';
export type { EvaluateOptions, Evaluation } from './evaluation/evaluate.ts';
export type { LatentMixture, MixtureOptions } from './evaluation/latent-mixture.ts';
export type { TableComparison } from './evaluation/table-comparison.ts';
export type { AnomalyThreshold, RowState, ScoreOptions, ThresholdOptions } from './model/anomaly.ts';
export type { Labels } from './model/classes.ts';
export type { Codes, DecodeOptions, Encoding, Labeled } from './model/codes.ts';
export type { KernelChoice } from './model/core.ts';
export type { LossesPerExample, NoiseOptions } from './model/densities.ts';
export type { Examples, Tensor } from './model/input.ts';
export type { Losses } from './model/losses.ts';
export type { LikelihoodInput, LikelihoodSpec } from './model/parts/likelihoods.ts';
export type { Activation, NetworkSpec, NetworkSpecInput } from './model/parts/networks.ts';
export type { Capacity, ObjectiveInput, ObjectiveSpec, Warmup } from './model/parts/objectives.ts';
export type { PosteriorInput, PosteriorSpec } from './model/parts/posteriors.ts';
export type { PriorInput, PriorSpec } from './model/parts/priors.ts';
export type { Precision } from './model/precision.ts';
export { type Preset, type PresetName, preset, presetNames, type TrainingSettings } from './model/presets.ts';
export type { Anomalies } from './model/scoring.ts';
export type { ConditionSpec, ModelSpec, ModelSpecInput } from './model/spec.ts';
export type {
  MemberResult,
  Population,
  PopulationFitOptions,
  PopulationProgress,
} from './population/population.ts';
export type { Variant } from './population/variants.ts';
export type { DeviceName } from './runtime/device.ts';
export type { BestEpoch, EarlyStopping } from './training/early-stopping.ts';
export type { EpochResult, FitOptions, StepProgress } from './training/fit-options.ts';
export type { GradientHealth, LayerHealth } from './training/gradient-health.ts';
export type { Gradients } from './training/gradients.ts';
export type { LearningRateSchedule } from './training/learning-rate.ts';
export type { Optimizer, OptimizerType } from './training/optimizer.ts';
export type { Training } from './training/training.ts';
export { VAE } from './vae.ts';
