import type { DataSchema } from '../data/schema.ts';
import { TorchvaeError } from '../errors.ts';
import { callAddon } from '../runtime/addon.ts';
import type { Device } from '../runtime/device.ts';
import { availableMemory } from '../runtime/memory.ts';
import type { Addon, LossSums, ModelHandle, NativeOptimizer, StateTensor } from '../runtime/native.ts';
import type { AnomalyThreshold } from './anomaly.ts';
import type { Precision } from './precision.ts';
import type { TrainingSettings } from './presets.ts';
import { inputSize, latentCodeSize, type ModelSpec, nativeSpec } from './spec.ts';

type OptimizerType = NativeOptimizer['type'];

/** What a schedule of the learning rate that waits for the loss to fall has seen. */
export interface Plateau {
  /** The lowest loss. */
  best: number;
  /** Epochs since. */
  waited: number;
  /** What the learning rate is multiplied by. */
  scale: number;
}

/** What the epochs' judged losses have been; see `EarlyStopping`. */
export interface Best {
  /** What was judged, such as `validation loss`. */
  of: string;
  /** The lowest. */
  value: number;
  /** The epoch that had it. */
  epoch: number;
  /** What the next has to fall below to count as an improvement. */
  reference: number;
  /** Epochs since the last improvement. */
  waited: number;
}

/** How far training has come; with the tensors, all that a checkpoint needs to go on with the same bits. */
export interface Position {
  /** Whole epochs done. */
  epoch: number;
  /** Batches done in the epoch under way. */
  stepInEpoch: number;
  /** Optimizer steps done in all: one for every batch, unless gradients of several are averaged. */
  step: number;
  /** The optimizer that the moments are of; `adam` where it is missing. */
  optimizer?: OptimizerType;
  /** What a `plateau` schedule of the learning rate has seen. */
  plateau?: Plateau;
  /** The epochs that the learning rate's usual schedule was made for, until they are done: from the first to before the last. */
  span?: readonly [first: number, last: number];
  /** The epoch that did best, and how long ago that was. */
  best?: Best;
  /** The epoch under way: sums of its losses so far, and the batches that its order was cut into. */
  partial?: {
    sums: LossSums;
    batchSize: number;
    examples: number;
    shuffle: boolean;
    /** Examples that a stream shuffles at a time, unless its order is that of a data set in memory. */
    window?: number;
  };
}

/**
 * How a model's training steps are computed: by kernels that fuse a layer's product with what follows it and have their
 * derivatives written out, or by libtorch's operations and derivatives, which are slower.
 */
export interface KernelChoice {
  kind: 'fused' | 'reference';
  /** Why they are not fused. */
  reason?: string;
}

/** A model on its device: what the user's VAE and the training loop share. */
export class Core {
  readonly spec: ModelSpec;
  readonly device: Device;
  readonly seed: number;
  readonly precision: Precision;
  /** Values in one example. */
  readonly dimensions: number;
  /** Values in one code z. */
  readonly codeSize: number;
  /** Weights that training changes. */
  readonly parameterCount: number;
  /** Values in each tensor of weights. */
  readonly parameterSizes: ReadonlyMap<string, number>;
  /** The objective's terms beside reconstruction and kl. */
  readonly termNames: readonly string[];
  /** How training steps are computed. */
  readonly kernels: KernelChoice;
  position: Position = { epoch: 0, stepInEpoch: 0, step: 0 };
  /** The preset's training settings, which are the defaults of fit(). */
  trainingSettings: Partial<TrainingSettings> = {};
  /** How the training data were made of rows or lines. */
  schema: DataSchema | undefined;
  /** The names of the training data's classes, by label, if they have names. */
  classes: readonly string[] | undefined;
  /** The score above which an example is an anomaly; training removes it. */
  threshold: AnomalyThreshold | undefined;
  /** Set while fit() runs. */
  training = false;
  #handle: ModelHandle | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  readonly #disposal = new AbortController();

  private constructor(
    spec: ModelSpec,
    device: Device,
    seed: number,
    precision: Precision,
    handle: ModelHandle,
    plan: readonly StateTensor[],
  ) {
    this.spec = spec;
    this.device = device;
    this.seed = seed;
    this.precision = precision;
    this.dimensions = inputSize(spec);
    this.codeSize = latentCodeSize(spec);
    this.parameterSizes = sizesOf(plan);
    this.parameterCount = trainedValues(plan);
    this.termNames = callAddon(() => device.addon.termNames(handle));
    const { isFused, reason } = callAddon(() => device.addon.kernels(handle));
    this.kernels = isFused ? { kind: 'fused' } : { kind: 'reference', reason };
    this.#handle = handle;
  }

  /**
   * @param seed of the weights, and of the noise and the order of the data in training
   * @param reference whether libtorch's own operations are to take the place of the fused ones
   * @throws TorchvaeError ERR_SPEC, ERR_OUT_OF_MEMORY, ERR_DEVICE for a precision that the device does not have
   */
  static async create(
    spec: ModelSpec,
    device: Device,
    seed: number,
    precision: Precision,
    reference = false,
  ): Promise<Core> {
    const native = nativeSpec(spec);
    const plan = callAddon(() => device.addon.plan(native));
    checkMemory(trainedValues(plan), device, precision);
    const handle = await callAddon(() =>
      device.addon.createModel(device.handle, native, seed, precision, reference),
    );
    return new Core(spec, device, seed, precision, handle, plan);
  }

  /** @throws TorchvaeError ERR_STATE after dispose() */
  get handle(): ModelHandle {
    if (!this.#handle) throw new TorchvaeError('ERR_STATE', 'This VAE was disposed; create or load another');
    return this.#handle;
  }

  /** A call of the addon with this model's handle. */
  call<T>(body: (addon: Addon, handle: ModelHandle) => T): T {
    const { handle } = this;
    return callAddon(() => body(this.device.addon, handle));
  }

  /**
   * Runs `body` when no other exclusive body does: a checkpoint is never taken between a chunk of steps and the note
   * of it in `position`.
   */
  exclusive<T>(body: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(body);
    this.#turn = result.catch(() => {});
    return result;
  }

  /** Ends a train() or evaluate() under way at its next step. */
  abort(): void {
    if (this.#handle) this.call((addon, handle) => addon.abort(handle));
  }

  /** A signal for what is not the engine's work: it fires with the caller's, and when the model is disposed. */
  untilDisposed(signal: AbortSignal | undefined): AbortSignal {
    return signal ? AbortSignal.any([ofThisRealm(signal), this.#disposal.signal]) : this.#disposal.signal;
  }

  dispose(): void {
    if (!this.#handle) return;
    this.#disposal.abort();
    this.device.addon.dispose(this.#handle);
    this.#handle = undefined;
  }
}

const followers = new WeakMap<AbortSignal, AbortSignal>();

/** A signal that fires with one of another realm, such as a test runner's, which AbortSignal.any does not take. */
function ofThisRealm(signal: AbortSignal): AbortSignal {
  if (signal instanceof AbortSignal) return signal;
  const other = signal as AbortSignal;
  if (other.aborted) return AbortSignal.abort(other.reason);
  let follower = followers.get(other);
  if (!follower) {
    const controller = new AbortController();
    other.addEventListener('abort', () => controller.abort(other.reason), { once: true });
    follower = controller.signal;
    followers.set(other, follower);
  }
  return follower;
}

/** The number of weights that training changes. */
export function trainedValues(plan: readonly StateTensor[]): number {
  return [...sizesOf(plan).values()].reduce((sum, size) => sum + size, 0);
}

function sizesOf(plan: readonly StateTensor[]): Map<string, number> {
  const trained = plan.filter(({ isTrained }) => isTrained);
  return new Map(trained.map(({ name, shape }) => [name, shape.reduce((product, n) => product * n, 1)]));
}

/** A typing mistake in a width should not end as an allocation of all memory. */
const MAX_PARAMETERS = 4e9;

/** Systems promise memory that they do not have, and end the process that then uses it. */
function checkMemory(parameters: number, device: Device, precision: Precision): void {
  if (parameters > MAX_PARAMETERS) {
    throw new TorchvaeError(
      'ERR_SPEC',
      `Expected at most ${MAX_PARAMETERS} parameters for spec but its layers come to ${parameters}; make them narrower`,
    );
  }
  if (device.name !== 'cpu') return;
  // A weight has a gradient and two moments.
  const bytes = 4 * (precision === 'float64' ? 8 : 4) * parameters;
  const available = availableMemory();
  if (bytes <= available) return;
  throw new TorchvaeError(
    'ERR_OUT_OF_MEMORY',
    `Expected a model that fits into ${(available / 1e9).toFixed(1)} GB but training the ${parameters} ` +
      `parameters of this spec takes ${(bytes / 1e9).toFixed(1)} GB; make its layers narrower`,
  );
}
