import { ofAddon } from './addon.ts';
import type { Addon, ModelHandle, TrainChunk, TrainResult } from './native.ts';

interface Request {
  model: ModelHandle;
  chunk: TrainChunk;
  resolve: (result: TrainResult) => void;
  reject: (error: unknown) => void;
}

/**
 * Chunks of several models of one device, of which those go together that the device trains side by side: what is asked for while it is
 * busy, or before the event loop's turn ends, is one call, so that models that have come together stay so. A model's first chunk, which
 * shows whether it is such a one, goes by its own call, as do all of another model.
 */
export class Together {
  readonly #addon: Pick<Addon, 'train' | 'trainTogether'>;
  readonly #joining = new WeakSet<ModelHandle>();
  #waiting: Request[] = [];
  #isBusy = false;

  constructor(addon: Pick<Addon, 'train' | 'trainTogether'>) {
    this.#addon = addon;
  }

  /** As the addon's `train`, to the same bits. */
  train(model: ModelHandle, chunk: TrainChunk): Promise<TrainResult> {
    return new Promise((resolve, reject) => {
      const request = { model, chunk, resolve, reject };
      if (!this.#joining.has(model)) {
        void this.#handOverAlone(request);
        return;
      }
      this.#waiting.push(request);
      if (!this.#isBusy && this.#waiting.length === 1) setImmediate(() => this.#run());
    });
  }

  #answer({ model, resolve }: Request, result: TrainResult): void {
    if (result.isSideBySide) this.#joining.add(model);
    else this.#joining.delete(model);
    resolve(result);
  }

  async #run(): Promise<void> {
    const requests = this.#waiting;
    this.#waiting = [];
    this.#isBusy = true;
    await this.#handOver(requests);
    // By then those that have just been answered have asked for what comes next.
    setImmediate(() => {
      this.#isBusy = false;
      if (this.#waiting.length > 0) void this.#run();
    });
  }

  /** Ends when all are answered. */
  async #handOver(requests: readonly Request[]): Promise<void> {
    const models = requests.map(({ model }) => model);
    const chunks = requests.map(({ chunk }) => chunk);
    let work: ReturnType<Addon['trainTogether']>;
    try {
      work = this.#addon.trainTogether({ models, chunks });
    } catch {
      // What cannot be handed over, such as the chunk of a model that was disposed, is no other model's trouble.
      await Promise.all(requests.map((request) => this.#handOverAlone(request)));
      return;
    }
    try {
      for (const [i, result] of (await work).entries()) {
        if (result instanceof Error) requests[i]!.reject(ofAddon(result));
        else this.#answer(requests[i]!, result);
      }
    } catch (error) {
      for (const { reject } of requests) reject(ofAddon(error));
    }
  }

  async #handOverAlone(request: Request): Promise<void> {
    try {
      this.#answer(request, await this.#addon.train(request.model, request.chunk));
    } catch (error) {
      request.reject(ofAddon(error));
    }
  }
}
