import { expected } from '../check.ts';
import type { Dataset } from '../data/dataset.ts';
import { StreamedDataset } from '../data/streamed-dataset.ts';
import { TorchvaeError } from '../errors.ts';
import type { TrainingSettings } from '../model/presets.ts';
import type { EpochResult, FitOptions, StepProgress } from '../training/fit-options.ts';
import { usualEpochs } from '../training/usual.ts';

/** What a population asks of its members; a `VAE` has it. */
export interface Trainable {
  fit(data: Dataset | StreamedDataset, options?: FitOptions): AsyncIterable<EpochResult>;
  readonly epoch: number;
  dispose(): void;
}

/** How to train a population: as a single model, with one progress for all. */
export interface PopulationFitOptions
  extends Omit<FitOptions, 'onProgress' | 'distributed' | 'distributedTimeout'> {
  /** Called about twenty times a second. */
  onProgress?: (progress: PopulationProgress) => void;
  /** Called as a member ends an epoch; `false` ends its training there, as a pruner does. */
  onEpoch?: (member: number, epoch: EpochResult) => boolean | undefined;
}

/** Where the training of a population stands. */
export interface PopulationProgress {
  /** Members in all, those whose training has ended, and those that failed. */
  members: number;
  ended: number;
  failed: number;
  /** Epochs that were trained by all members together, and those that are to be if none ends early. */
  epochs: number;
  epochsInAll: number;
  /** Steps a second of all members together. */
  stepsPerSecond: number;
}

/** What became of a member: the last epoch of this call, if there was one, or why it failed. */
export type MemberResult =
  | { status: 'trained'; last: EpochResult | undefined; error?: undefined }
  | { status: 'failed'; error: TorchvaeError; last: EpochResult | undefined };

/** A member, with the settings of training that are its own. */
interface Place<M> {
  readonly member: M;
  readonly training: Partial<FitOptions>;
}

/** Models of one shape that are trained in one call; made by `VAE.population`. */
export class Population<M extends Trainable> {
  /** In the order of the seeds or variants. */
  readonly members: readonly M[];
  readonly #lanes: readonly (readonly Place<M>[])[];
  readonly #training: Partial<TrainingSettings>;
  readonly #isShared: boolean;

  /**
   * @internal
   * @param lanes the members that are trained one after the other, for each that is trained at a time
   * @param how.training the preset's settings
   * @param how.isShared whether all lanes are of one device
   */
  constructor(
    members: readonly M[],
    lanes: readonly (readonly Place<M>[])[],
    { training = {}, isShared = false }: { training?: Partial<TrainingSettings>; isShared?: boolean } = {},
  ) {
    this.members = members;
    this.#lanes = lanes;
    this.#training = training;
    this.#isShared = isShared;
  }

  /**
   * Trains all members over one data set, each as its own `fit` would alone, to the same bits. A member that fails, since its loss is
   * not finite for instance, leaves the others alone.
   *
   * @returns what became of each member, in their order
   * @throws TorchvaeError ERR_ABORTED by the signal, after which `fit` goes on where each member was; ERR_TYPE, ERR_RANGE for options
   */
  async fit(data: Dataset | StreamedDataset, options: PopulationFitOptions = {}): Promise<MemberResult[]> {
    const { onProgress, onEpoch, ...rest } = options;
    for (const [name, callback] of Object.entries({ onProgress, onEpoch })) {
      if (callback === undefined || typeof callback === 'function') continue;
      throw new TorchvaeError('ERR_TYPE', expected('a function', name, callback));
    }
    const results = new Map<M, MemberResult>();
    const { epochs, batchSize } = this.#training;
    const each = rest.epochs ?? usualEpochs(data, epochs, rest.batchSize ?? batchSize);
    const watch = new Watch(this.members.length, each, onProgress);
    const indices = new Map(this.members.map((member, i) => [member, i]));
    const train = async ({ member, training }: Place<M>): Promise<void> => {
      let last: EpochResult | undefined;
      try {
        const own = {
          ...rest,
          ...training,
          onProgress: (progress: StepProgress) => watch.step(member, progress),
        };
        for await (const epoch of member.fit(data, own)) {
          last = epoch;
          watch.epoch();
          if (onEpoch?.(indices.get(member)!, epoch) === false) break;
        }
        results.set(member, { status: 'trained', last });
        watch.end(member);
      } catch (error) {
        if (!(error instanceof TorchvaeError) || !isOfMember(error)) throw error;
        results.set(member, { status: 'failed', error, last });
        watch.end(member, true);
      }
    };
    // Each that is trained over a stream has a window of it on the device.
    const inTurn = this.#isShared && data instanceof StreamedDataset;
    const ends = (inTurn ? [this.#lanes.flat()] : this.#lanes).map(async (places) => {
      for (const place of places) await train(place);
    });
    // Whatever ends one lane, the others have ended too when this returns.
    const ended = await Promise.allSettled(ends);
    const refused = ended.find((each) => each.status === 'rejected');
    if (refused) throw refused.reason;
    return this.members.map((member) => results.get(member)!);
  }

  /** Frees the memory of all members. */
  dispose(): void {
    for (const member of this.members) member.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** Whether an error is about one member's numbers, and not about what all were given. */
function isOfMember({ code }: TorchvaeError): boolean {
  return code === 'ERR_NONFINITE' || code === 'ERR_OUT_OF_MEMORY';
}

/** Puts the progress of all members together. */
class Watch {
  readonly #members: number;
  readonly #epochsInAll: number;
  readonly #tell: PopulationFitOptions['onProgress'];
  readonly #speeds = new Map<unknown, number>();
  #ended = 0;
  #failed = 0;
  #epochs = 0;
  #told = 0;

  constructor(members: number, epochs: number, tell: PopulationFitOptions['onProgress']) {
    this.#members = members;
    this.#epochsInAll = members * epochs;
    this.#tell = tell;
  }

  step(member: unknown, { stepsPerSecond }: StepProgress): void {
    this.#speeds.set(member, stepsPerSecond);
    const now = performance.now();
    if (now - this.#told < 50) return;
    this.#told = now;
    this.#report();
  }

  epoch(): void {
    this.#epochs++;
  }

  end(member: unknown, isFailure = false): void {
    this.#ended++;
    if (isFailure) this.#failed++;
    this.#speeds.delete(member);
    this.#report();
  }

  #report(): void {
    this.#tell?.({
      members: this.#members,
      ended: this.#ended,
      failed: this.#failed,
      epochs: this.#epochs,
      epochsInAll: this.#epochsInAll,
      stepsPerSecond: [...this.#speeds.values()].reduce((sum, speed) => sum + speed, 0),
    });
  }
}
