import { TorchvaeError } from '../errors.ts';
import { callAddon } from '../runtime/addon.ts';
import type { Device } from '../runtime/device.ts';
import { availableMemory } from '../runtime/memory.ts';
import type { Addon, LossSums, ModelHandle, NativeOptimiser } from '../runtime/native.ts';
import type { Precision } from './precision.ts';
import { inputSize, type ModelSpec, parameterCount } from './spec.ts';

type OptimizerType = NativeOptimiser['type'];

/** How far training has come; with the tensors, all that a checkpoint needs to go on with the same bits. */
export interface Position {
  /** Whole epochs done. */
  epoch: number;
  /** Batches done in the epoch under way. */
  stepInEpoch: number;
  /** Optimiser steps done in all: one for every batch, unless gradients of several are averaged. */
  step: number;
  /** The optimiser that the moments are of; `adam` where it is missing. */
  optimizer?: OptimizerType;
  /** The epoch under way: sums of its losses so far, and the batches that its order was cut into. */
  partial?: { sums: LossSums; batchSize: number; examples: number; shuffle: boolean };
}

/** A model on its device: what the user's VAE and the training loop share. */
export class Core {
  readonly spec: ModelSpec;
  readonly device: Device;
  readonly seed: number;
  readonly precision: Precision;
  /** Values in one example. */
  readonly dimensions: number;
  position: Position = { epoch: 0, stepInEpoch: 0, step: 0 };
  /** Set while fit() runs. */
  training = false;
  #handle: ModelHandle | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(
    spec: ModelSpec,
    device: Device,
    seed: number,
    precision: Precision,
    handle: ModelHandle,
  ) {
    this.spec = spec;
    this.device = device;
    this.seed = seed;
    this.precision = precision;
    this.dimensions = inputSize(spec);
    this.#handle = handle;
  }

  static async create(spec: ModelSpec, device: Device, seed: number, precision: Precision): Promise<Core> {
    checkMemory(spec, device, precision);
    const { objective: _, ...native } = spec;
    const handle = await callAddon(() => device.addon.createModel(device.handle, native, seed, precision));
    return new Core(spec, device, seed, precision, handle);
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
   * Runs `body` when no other exclusive body does: a checkpoint is never taken between a stretch of steps and the note
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

  dispose(): void {
    if (!this.#handle) return;
    this.device.addon.dispose(this.#handle);
    this.#handle = undefined;
  }
}

/** Systems promise memory that they do not have, and end the process that then uses it. */
function checkMemory(spec: ModelSpec, device: Device, precision: Precision): void {
  if (device.name !== 'cpu') return;
  // A weight has a gradient and two moments.
  const bytes = 4 * (precision === 'float64' ? 8 : 4) * parameterCount(spec);
  const available = availableMemory();
  if (bytes <= available) return;
  throw new TorchvaeError(
    'ERR_OUT_OF_MEMORY',
    `Expected a model that fits into ${(available / 1e9).toFixed(1)} GB but training the ${parameterCount(spec)} ` +
      `parameters of this spec takes ${(bytes / 1e9).toFixed(1)} GB; make its layers narrower`,
  );
}
