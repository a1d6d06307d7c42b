import { availableParallelism } from 'node:os';
import { checkInteger, expected } from '../check.ts';
import { TorchvaeError } from '../errors.ts';
import { callAddon, type LoadedEngine, loadEngine } from './addon.ts';
import { findNvidiaDriver } from './driver.ts';
import { unshared } from './memory.ts';
import type { Addon, DatasetHandle, DeviceHandle, ModelHandle, TrainChunk, TrainResult } from './native.ts';
import { Together } from './together.ts';

/**
 * Where a model computes: `auto` is the first GPU where there is one, else the CPU; of several processes that a launcher has started,
 * the GPU that `LOCAL_RANK` counts to, as `cuda` is. `cpu/0`, `cpu/1` and so on are lanes of the CPU: each
 * computes with one thread what `cpu` computes with all, to the same bits, so that as many models are trained at a time.
 */
export type DeviceName = 'auto' | 'cpu' | `cpu/${number}` | 'cuda' | `cuda:${number}`;

/** Examples as a device takes them. */
export interface Placeable {
  /** One after the other; a byte b means b/255. */
  readonly data: Uint8Array | Float32Array;
  readonly labels: Int32Array | undefined;
  /** Values in one example. */
  readonly size: number;
  /** `dynamic` means that every batch draws 0 and 1 with the values as chances. */
  readonly binarization: string;
}

/** A device of the engine, with the data sets that lie on it. */
export class Device {
  /** `cpu`, or `cuda:0` and so on. */
  readonly name: string;
  readonly addon: Addon;
  readonly handle: DeviceHandle;
  readonly versions: { torchvae: string; libtorch: string };
  /** A data set lies on the device for as long as its JavaScript object lives. */
  readonly #resident = new WeakMap<Placeable, Promise<DatasetHandle>>();

  /** Threads that work at a time; of the CPU. */
  readonly threads: number;
  /** The CPU, of a lane: data sets lie there once for all lanes. */
  readonly #whole: Device | undefined;
  /** Of a GPU. */
  readonly #together: Together | undefined;

  private constructor(
    name: string,
    { addon, info }: Pick<LoadedEngine, 'addon' | 'info'>,
    lane?: { of: Device; index: number },
  ) {
    this.name = name;
    this.addon = addon;
    this.versions = { torchvae: addon.version, libtorch: info.torchVersion };
    this.threads = threadCount() || info.threads;
    this.#whole = lane?.of;
    const engineName = lane ? `${name}/${lane.index}` : name;
    this.handle = callAddon(() => addon.device(engineName, threadCount()));
    if (name.startsWith('cuda')) this.#together = new Together(addon);
  }

  /** Trains a model of this device; on a GPU beside others that are being trained. */
  train(model: ModelHandle, chunk: TrainChunk): Promise<TrainResult> {
    return this.#together?.train(model, chunk) ?? callAddon(() => this.addon.train(model, chunk));
  }

  /**
   * A thread of the CPU that computes alone what the CPU computes with all of its threads, to the same bits: as many models are
   * trained at a time as there are lanes.
   */
  lane(index: number): Device {
    if (this.name !== 'cpu') throw new TorchvaeError('ERR_INTERNAL', `${this.name} has no lanes`);
    let lane = this.#lanes.get(index);
    if (!lane) {
      const { addon, threads, versions } = this;
      const info = { torchVersion: versions.libtorch, threads } as LoadedEngine['info'];
      lane = new Device('cpu', { addon, info }, { of: this, index });
      this.#lanes.set(index, lane);
    }
    return lane;
  }

  readonly #lanes = new Map<number, Device>();

  static readonly #open = new Map<string, Device>();

  /**
   * @throws TorchvaeError ERR_DEVICE for a device that this machine or this libtorch does not have, with the reason, and
   * what `loadEngine` throws
   */
  static open(name: DeviceName, libtorch?: string): Device {
    const match = /^(auto|cpu(?:\/(\d+))?|cuda(?::(\d+))?)$/.exec(typeof name === 'string' ? name : '');
    if (!match)
      throw new TorchvaeError(
        'ERR_DEVICE',
        expected("'auto', 'cpu', 'cpu/N', 'cuda' or 'cuda:N'", 'device', name),
      );
    if (name.startsWith('cuda') && !findNvidiaDriver()) throw unusable(name, 'no NVIDIA driver was found');
    if (match[2] !== undefined)
      return Device.open('cpu', libtorch).lane(
        checkInteger('the lane of the device', Number(match[2]), 0, MOST_LANES - 1),
      );
    // A process that begins with the CPU may go on with a GPU.
    const kind = name === 'cpu' ? 'any' : name === 'auto' ? 'auto' : 'cuda';
    const engine = loadEngine({ device: kind, ...(libtorch !== undefined && { libtorch }) });
    const resolved = resolveName(name, match[3] === undefined ? undefined : Number(match[3]), engine);
    const known = Device.#open.get(resolved) ?? new Device(resolved, engine);
    Device.#open.set(resolved, known);
    return known;
  }

  /** A copy of the examples on this device, which lies there until it is released. */
  place({ data, labels, size, binarization }: Placeable): Promise<DatasetHandle> {
    return callAddon(() =>
      this.addon.createDataset(this.handle, unshared(data), size, binarization === 'dynamic', labels),
    );
  }

  /** Frees what {@link place} copied, after the work that was asked for before. */
  release(data: DatasetHandle): void {
    callAddon(() => this.addon.dispose(data));
  }

  /** The data set on this device, copied there the first time. */
  upload(data: Placeable): Promise<DatasetHandle> {
    if (this.#whole) return this.#whole.upload(data);
    const known = this.#resident.get(data);
    if (known) return known;
    const made = this.place(data);
    this.#resident.set(data, made);
    made.catch(() => this.#resident.delete(data));
    return made;
  }
}

/** Each lane is a thread. */
const MOST_LANES = 1024;

function resolveName(name: DeviceName, index: number | undefined, { info }: LoadedEngine): string {
  const { available, devices, reason } = info.cuda;
  if (name === 'cpu' || (name === 'auto' && !available)) return 'cpu';
  if (!available) throw unusable(name, reason);
  if (index === undefined) return `cuda:${localRank() % devices.length}`;
  if (index >= devices.length) {
    throw new TorchvaeError(
      'ERR_DEVICE',
      expected(`one of ${devices.map((_, i) => `cuda:${i}`).join(', ')}`, 'device', name),
    );
  }
  return `cuda:${index}`;
}

/** Which of the processes of this machine this is, where a launcher has started several: each takes a GPU. */
export function localRank(): number {
  const { LOCAL_RANK, WORLD_SIZE } = process.env;
  return LOCAL_RANK && Number(WORLD_SIZE) > 1 ? checkInteger('LOCAL_RANK', Number(LOCAL_RANK), 0) : 0;
}

function unusable(name: DeviceName, reason: string): TorchvaeError {
  return new TorchvaeError(
    'ERR_DEVICE',
    `The device ${name} cannot be used: ${reason}. Use device 'cpu', or see what \`npx torchvae doctor\` advises`,
  );
}

/**
 * `TORCHVAE_THREADS`, else the cores divided among the processes that torchrun has started on this machine, or 0 for the engine's
 * choice of one per core.
 */
function threadCount(): number {
  const { TORCHVAE_THREADS, LOCAL_WORLD_SIZE } = process.env;
  if (TORCHVAE_THREADS) return checkInteger('TORCHVAE_THREADS', Number(TORCHVAE_THREADS), 1, 1024);
  const processes = Number(LOCAL_WORLD_SIZE);
  return processes > 1 ? Math.max(1, Math.floor(availableParallelism() / processes)) : 0;
}
