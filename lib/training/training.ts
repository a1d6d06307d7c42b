import { TorchvaeError } from '../errors.ts';
import type { EpochResult } from './fit-options.ts';

/**
 * Training that begins when it is iterated or awaited: `for await` brings each epoch as it ends, `await` trains to the end and
 * gives the last epoch. It runs once, in one of the two ways. After the iteration has ended, awaiting gives the last epoch that
 * it brought, or rejects with the error that ended it.
 *
 * Since it can be awaited, an async function that returns it trains to the end first; return an object that holds it instead.
 */
export class Training implements AsyncIterable<EpochResult>, PromiseLike<EpochResult> {
  readonly #epochs: AsyncGenerator<EpochResult, void, undefined>;
  #use: 'none' | 'iterated' | 'awaited' | 'ended' = 'none';
  #last: EpochResult | undefined;
  #failure: { error: unknown } | undefined;
  #result: Promise<EpochResult> | undefined;

  /** @internal */
  constructor(epochs: AsyncGenerator<EpochResult, void, undefined>) {
    this.#epochs = this.#watched(epochs);
  }

  /** @throws TorchvaeError ERR_STATE, by the iteration, where this training is awaited already */
  [Symbol.asyncIterator](): AsyncGenerator<EpochResult, void, undefined> {
    if (this.#use === 'awaited') return refused();
    if (this.#use === 'none') this.#use = 'iterated';
    return this.#epochs;
  }

  /**
   * The promise of the last epoch.
   *
   * @throws TorchvaeError ERR_STATE, by rejecting, while this training is iterated, and where no epoch was trained; and what
   * `VAE.fit` throws
   */
  // biome-ignore lint/suspicious/noThenProperty: it is awaited
  then<Result = EpochResult, Refusal = never>(
    onFulfilled?: ((epoch: EpochResult) => Result | PromiseLike<Result>) | null,
    onRejected?: ((reason: unknown) => Refusal | PromiseLike<Refusal>) | null,
  ): Promise<Result | Refusal> {
    if (this.#use === 'iterated') return Promise.reject(underWay('iterated')).then(onFulfilled, onRejected);
    this.#result ??= this.#finish();
    return this.#result.then(onFulfilled, onRejected);
  }

  async #finish(): Promise<EpochResult> {
    if (this.#use === 'none') this.#use = 'awaited';
    while (!(await this.#epochs.next()).done);
    if (this.#failure) throw this.#failure.error;
    if (this.#last) return this.#last;
    throw new TorchvaeError(
      'ERR_STATE',
      'Expected at least one epoch to train but there was none: epochs is 0, or earlyStopping had ended this training before; ' +
        'iterate over fit() where that may be',
    );
  }

  async *#watched(
    epochs: AsyncGenerator<EpochResult, void, undefined>,
  ): AsyncGenerator<EpochResult, void, undefined> {
    try {
      for await (const epoch of epochs) {
        this.#last = epoch;
        yield epoch;
      }
    } catch (error) {
      this.#failure = { error };
      throw error;
    } finally {
      this.#use = 'ended';
    }
  }
}

// biome-ignore lint/correctness/useYield: it ends before its first value
async function* refused(): AsyncGenerator<EpochResult, void, undefined> {
  throw underWay('awaited');
}

function underWay(how: 'iterated' | 'awaited'): TorchvaeError {
  return new TorchvaeError(
    'ERR_STATE',
    `This training is being ${how} already; either iterate over fit() or await it, and call fit() again for more epochs`,
  );
}
