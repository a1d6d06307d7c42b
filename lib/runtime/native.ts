/** The functions of the addon (binding/addon.cpp). Each returns at once; the work runs on the device's own thread. */
declare const device: unique symbol;
declare const dataset: unique symbol;
declare const model: unique symbol;
declare const ranks: unique symbol;
/** An engine's device, opaque. */
export type DeviceHandle = { readonly [device]: true };
/** A data set on a device, opaque. */
export type DatasetHandle = { readonly [dataset]: true };
/** A model on a device, opaque. */
export type ModelHandle = { readonly [model]: true };

/** The processes that train one model together, opaque. */
export type RanksHandle = { readonly [ranks]: true };

/** What the engine says of itself. */
export interface EngineInfo {
  engineVersion: string;
  torchVersion: string;
  /** The instruction set that libtorch uses, such as `AVX512`. */
  cpuCapability: string;
  /** What multiplies the matrices of the CPU's dense layers, as `panels: ...`. */
  gemm: string;
  /** Default number of threads for CPU work: one for each core. */
  threads: number;
  cuda: {
    available: boolean;
    /** Why CUDA is off; empty when it is on. */
    reason: string;
    devices: { name: string; totalMemory: number; capability: string }[];
  };
}

/** Sums over `examples`, in nats. */
export interface LossSums {
  /** What training minimizes. */
  loss: number;
  reconstruction: number;
  kl: number;
  /** The objective's further terms, in the order of `termNames`. */
  terms: number[];
  examples: number;
}

/** Consecutive batches of one epoch, handed to the engine at a time. */
export interface TrainChunk {
  data: DatasetHandle;
  orderSeed: number;
  epoch: number;
  firstStep: number;
  steps: number;
  batchSize: number;
  shuffle: boolean;
  /** What the result's sums go on from. */
  sums: LossSums;
  /** For each step learning rate, beta, capacity and temperature. */
  schedule: Float64Array;
  optimizer: NativeOptimizer;
  /** Whether the result holds the norms of the last step. */
  observe: boolean;
  /** Each takes its part of every batch; all have the same chunk. */
  ranks?: RanksHandle | undefined;
}

/** Where a process stands among those that train one model together, and where they meet. */
export interface RanksSettings {
  rank: number;
  size: number;
  host: string;
  port: number;
  isServed: boolean;
  prefix: string;
  /** For all to come. */
  seconds: number;
  /** By what they exchange what lies on GPUs. */
  by: 'auto' | 'gloo' | 'nccl';
}

/** An optimizer's settings, in the meanings of torch.optim; limits of 0 are none. */
export interface NativeOptimizer {
  type: 'sgd' | 'adam' | 'adamw' | 'adamax' | 'rmsprop' | 'adagrad';
  beta1: number;
  beta2: number;
  epsilon: number;
  momentum: number;
  nesterov: boolean;
  weightDecay: number;
  l1: number;
  clipNorm: number;
  clipValue: number;
  accumulate: number;
  averageDecay: number;
  skipNonFinite: boolean;
}

/** What a chunk came to. */
export interface TrainResult extends LossSums {
  /** Whole steps taken. */
  steps: number;
  /** Of these, updates left out since their gradient was not finite. */
  skipped: number;
  seconds: number;
  reason: 'done' | 'aborted' | 'nonfinite';
  /** Of the last step, if it was to be observed; one for each parameter, from the input to the output. */
  norms: TensorNorms[];
  /** What was not finite in the first batch that was refused, in the order of computation. */
  faults: string[];
  /** Whether such chunks of several models run side by side where they are handed over together. */
  isSideBySide: boolean;
}

/** Of one tensor of weights over one step. */
export interface TensorNorms {
  name: string;
  gradient: number;
  update: number;
  weight: number;
}

/** What a model makes of its code, over some examples. */
export interface NativeLatentStatistics {
  meanVariance: Float32Array;
  divergence: Float32Array;
  /** NaN where q(z|x) is no normal. */
  mutualInformation: number;
}

/** A mixture of normals fitted to points. */
export interface NativeMixture {
  weights: Float64Array;
  means: Float64Array;
  factors: Float64Array;
  logLikelihood: number;
  iterations: number;
}

/** Noise of one row per example, or the seed to draw it from. */
export type Noise = Float32Array | number;

export interface Addon {
  readonly version: string;
  /** @param options `programs` is a folder where the CUDA part keeps compiled kernels */
  open(options: { libtorch: string[]; engine: string; cudaPart?: string; programs?: string }): EngineInfo;
  device(name: string, threads: number): DeviceHandle;
  /** The tensors of a model, without making it. */
  plan(spec: NativeSpec): StateTensor[];
  createDataset(
    device: DeviceHandle,
    values: Float32Array | Uint8Array,
    columns: number,
    isDrawn: boolean,
    labels?: Int32Array,
  ): Promise<DatasetHandle>;
  createModel(
    device: DeviceHandle,
    spec: NativeSpec,
    seed: number,
    precision: string,
    reference: boolean,
  ): Promise<ModelHandle>;
  dispose(handle: ModelHandle | DatasetHandle): void;
  abort(model: ModelHandle): void;
  train(model: ModelHandle, chunk: TrainChunk): Promise<TrainResult>;
  /**
   * The same of several models of one device, a chunk each: side by side where the device can, else in turn. Brings of each its result, or
   * the error in its place.
   */
  trainTogether(work: {
    models: readonly ModelHandle[];
    chunks: readonly TrainChunk[];
  }): Promise<(TrainResult | Error)[]>;
  /** `schedule` is that of one step: the loss is weighed by it. */
  evaluate(
    model: ModelHandle,
    data: DatasetHandle,
    batchSize: number,
    seed: number,
    schedule: Float64Array,
    ranks?: RanksHandle,
  ): Promise<LossSums>;
  /** Comes together with the other processes; an abort of the model ends the waiting. */
  join(model: ModelHandle, settings: RanksSettings): Promise<RanksHandle>;
  /** The texts of all ranks, by rank. */
  exchange(model: ModelHandle, ranks: RanksHandle, text: string): Promise<string[]>;
  /** Gives all ranks the weights and moments of rank 0. Brings by what they exchange them, in words. */
  synchronize(model: ModelHandle, ranks: RanksHandle): Promise<string>;
  encode(
    model: ModelHandle,
    x: Float32Array | Uint8Array,
    labels?: Int32Array,
  ): Promise<{ mean: Float32Array; logVariance: Float32Array }>;
  decode(
    model: ModelHandle,
    z: Float32Array,
    kind: 'mean' | 'mode' | 'sample',
    seed: number,
    labels?: Int32Array,
  ): Promise<Float32Array>;
  samplePrior(model: ModelHandle, rows: number, seed: number, labels?: Int32Array): Promise<Float32Array>;
  /** The importance-weighted estimate of -log p(x) for each example. */
  importance(
    model: ModelHandle,
    x: Float32Array | Uint8Array,
    samples: number,
    seed: number,
    labels?: Int32Array,
  ): Promise<Float32Array>;
  /** KL(q(z|x) || p(z)) for each example and dimension. */
  divergences(
    model: ModelHandle,
    x: Float32Array | Uint8Array,
    seed: number,
    labels?: Int32Array,
  ): Promise<{ values: Float32Array; groups: number }>;
  latentStatistics(
    model: ModelHandle,
    x: Float32Array | Uint8Array,
    seed: number,
    labels?: Int32Array,
  ): Promise<NativeLatentStatistics>;
  fitMixture(
    device: DeviceHandle,
    points: Float32Array,
    columns: number,
    components: number,
    iterations: number,
    seed: number,
  ): Promise<NativeMixture>;
  /** On the first `components` principal components of `a`; 0 for the values themselves. */
  frechetDistance(
    device: DeviceHandle,
    a: Float32Array | Uint8Array,
    b: Float32Array | Uint8Array,
    columns: number,
    components: number,
  ): Promise<number>;
  manifoldScores(
    device: DeviceHandle,
    real: Float32Array | Uint8Array,
    generated: Float32Array | Uint8Array,
    columns: number,
    components: number,
    neighbors: number,
  ): Promise<{ precision: number; recall: number; density: number; coverage: number }>;
  /** Of each pair of images. */
  structuralSimilarity(
    device: DeviceHandle,
    a: Float32Array | Uint8Array,
    b: Float32Array | Uint8Array,
    channels: number,
    height: number,
    width: number,
  ): Promise<Float32Array>;
  /** Bagged decision trees for the classes `targets`, and the likeliest class of each row of `judged`. */
  growForest(
    device: DeviceHandle,
    features: Float32Array,
    targets: Int32Array,
    judged: Float32Array,
    columns: number,
    options: NativeForestOptions,
  ): Promise<{ importances: Float64Array; classes: Int32Array }>;
  losses(
    model: ModelHandle,
    x: Float32Array | Uint8Array,
    noise: Noise,
    labels?: Int32Array,
  ): Promise<{ reconstruction: Float32Array; kl: Float32Array }>;
  /** Averaged over draws of z, with the noise of `seed`, `seed` + 1 and so on. */
  meanLosses(
    model: ModelHandle,
    x: Float32Array | Uint8Array,
    seed: number,
    draws: number,
    labels?: Int32Array,
  ): Promise<{ reconstruction: Float64Array; kl: Float64Array }>;
  gradients(
    model: ModelHandle,
    x: Float32Array | Uint8Array,
    noise: Noise,
    schedule: Float64Array,
    labels?: Int32Array,
  ): Promise<LossSums & { gradients: Float32Array[] }>;
  stateTensors(model: ModelHandle): StateTensor[];
  /** Of the terms that the losses' sums have beside reconstruction and kl. */
  termNames(model: ModelHandle): string[];
  /** How the model's steps are computed, and why not by fused kernels. */
  kernels(model: ModelHandle): { isFused: boolean; reason: string };
  /** In the model's precision. */
  readState(model: ModelHandle): Promise<{ step: number; tensors: (Float32Array | Float64Array)[] }>;
  writeState(
    model: ModelHandle,
    state: { step: number; tensors: Record<string, Float32Array | Float64Array> },
  ): Promise<void>;
}

/** How decision trees are grown. */
export interface NativeForestOptions {
  /** Each on a draw with replacement of as many rows as there are. One alone takes all rows as they are. */
  trees: number;
  /** Decisions between the root and a leaf, at most. */
  depth: number;
  /** Rows that a leaf has at least, however often they were drawn. */
  leaf: number;
  seed: number;
}

/** A part of a model by its name in the engine's table, with its settings. */
export interface NativePart {
  type: string;
  [setting: string]: string | number | boolean | readonly number[];
}

/** A network as the engine builds it. */
export interface NativeNetwork {
  type: string;
  hidden?: readonly number[];
  channels?: readonly number[];
  kernel?: number;
  stride?: number;
  activation: string;
  norm: string;
  dropout: number;
}

/** A model's description as the engine builds it. */
export interface NativeSpec {
  inputShape: readonly number[];
  encoder: NativeNetwork;
  latentSize: number;
  posterior: NativePart;
  prior: NativePart;
  decoder: NativeNetwork;
  likelihood: NativePart;
  objective: NativePart;
  condition?: { classes: number; encoder: boolean; decoder: boolean; prior: boolean };
}

/** A tensor of a model's state. */
export interface StateTensor {
  name: string;
  shape: number[];
  /** Whether the optimizer changes it. */
  isTrained: boolean;
}
