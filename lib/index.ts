export { type CompressOptions, compress, decompress } from './codec/codec.ts';
export {
  type Binarization,
  type BinarizeOptions,
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
  TableSchema,
  type TableSchemaOptions,
  TextSchema,
  type TextSchemaOptions,
} from './data/index.ts';
export { type ErrorCode, TorchvaeError } from './errors.ts';
export type { CollapseAlarm, LatentHealth } from './evaluation/collapse.ts';
export { type Dci, dci } from './evaluation/dci.ts';
export { type Detection, detection } from './evaluation/detection.ts';
export type { EvaluateOptions, Evaluation } from './evaluation/evaluate.ts';
export type { DisentanglementOptions } from './evaluation/factors.ts';
export { type FrechetOptions, frechetDistance } from './evaluation/frechet.ts';
export { LatentMixture, type MixtureOptions } from './evaluation/latent-mixture.ts';
export { type PrecisionRecall, type PrecisionRecallOptions, precisionRecall } from './evaluation/manifold.ts';
export { type MutualInformationGap, mutualInformationGap } from './evaluation/mutual-information-gap.ts';
export { type SeparatedAttributePredictability, sap } from './evaluation/sap.ts';
export { type SimilarityOptions, structuralSimilarity } from './evaluation/similarity.ts';
export type { AnomalyThreshold, ScoreOptions, ThresholdOptions } from './model/anomaly.ts';
export type { Examples, Tensor } from './model/input.ts';
export type { Losses } from './model/losses.ts';
export type { LikelihoodInput, LikelihoodSpec } from './model/parts/likelihoods.ts';
export type { Activation, NetworkSpec, NetworkSpecInput } from './model/parts/networks.ts';
export type { Capacity, ObjectiveInput, ObjectiveSpec, Warmup } from './model/parts/objectives.ts';
export type { PosteriorInput, PosteriorSpec } from './model/parts/posteriors.ts';
export type { PriorInput, PriorSpec } from './model/parts/priors.ts';
export type { Precision } from './model/precision.ts';
export { type Preset, type PresetName, preset, presetNames } from './model/presets.ts';
export type { ConditionSpec, ModelSpec, ModelSpecInput } from './model/spec.ts';
export { svgToPng } from './report/charts/rasterize.ts';
export type { EpochRecord, LossRecord } from './report/epochs.ts';
export { type Exhibit, gallery } from './report/gallery.ts';
export { type GridOptions, imageGrid, reconstructionGrid } from './report/grid.ts';
export { type InterpolateOptions, interpolate } from './report/latent/interpolation.ts';
export { type Projection, projectCodes } from './report/latent/projection.ts';
export { latentChart } from './report/latent/scatter.ts';
export { type TraverseOptions, traverse } from './report/latent/traversal.ts';
export { type ReportContent, renderReport } from './report/page/report.ts';
export { encodePng, type Picture } from './report/png.ts';
export { gradientChart, klChart, learningRateChart, lossChart } from './report/run-charts.ts';
export { TensorBoardWriter } from './report/tensorboard/writer.ts';
export { terminalPicture } from './report/terminal.ts';
export type { DeviceName } from './runtime/device.ts';
export type { BestEpoch, EarlyStopping } from './training/early-stopping.ts';
export type { EpochResult, FitOptions, StepProgress } from './training/fit.ts';
export type { GradientHealth, LayerHealth } from './training/gradient-health.ts';
export type { LearningRateSchedule } from './training/learning-rate.ts';
export type { Optimizer, OptimizerType } from './training/optimizer.ts';
export { type CreateOptions, type Encoding, type Labeled, VAE } from './vae.ts';
