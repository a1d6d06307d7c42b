import type { Dataset } from '../data/dataset.ts';
import { StreamedDataset } from '../data/streamed-dataset.ts';
import { TorchvaeError } from '../errors.ts';
import type { Core } from '../model/core.ts';
import { type Losses, toLosses } from '../model/losses.ts';
import type { DatasetHandle, LossSums } from '../runtime/native.ts';
import { forEachWindow } from './feed.ts';
import { betaAt } from './schedule.ts';

/**
 * Means over a data set with one z for each example, drawn from `seed`; each window of a stream has another seed.
 *
 * @throws TorchvaeError ERR_ABORTED when `signal` fires, ERR_NONFINITE for losses that are NaN or infinite
 */
export async function evaluate(
  core: Core,
  data: Dataset | StreamedDataset,
  seed: number,
  signal?: AbortSignal,
): Promise<Losses> {
  const sums: LossSums = { reconstruction: 0, kl: 0, terms: [], examples: 0 };
  const add = async (handle: DatasetHandle, noise: number, examples: number) => {
    let part: LossSums;
    do {
      throwIfAborted(signal);
      part = await core.call((addon, model) => addon.evaluate(model, handle, 256, noise));
      // An abort that was meant for a fit() under way has cut an evaluation beside it short: it is done again.
    } while (part.examples < examples);
    sums.reconstruction += part.reconstruction;
    sums.kl += part.kl;
    sums.examples += part.examples;
  };
  if (data instanceof StreamedDataset) await forEachWindow(core, data, seed, core.untilDisposed(signal), add);
  else await add(await core.device.upload(data), seed, data.length);
  const losses = toLosses(sums, betaNow(core), core.dimensions);
  if (Number.isFinite(losses.loss)) return losses;
  throw new TorchvaeError(
    'ERR_NONFINITE',
    `The mean loss over ${data.name} is ${losses.loss} (reconstruction ${losses.reconstruction}, kl ${losses.kl}); ` +
      "check the weights and the data's scale",
  );
}

/** @throws TorchvaeError ERR_ABORTED when `signal` has fired, or a `core` says where it has */
export function throwIfAborted(signal: AbortSignal | undefined, core?: Core): void {
  if (!signal?.aborted && !core) return;
  const where = core ? ` after step ${core.position.step}` : '';
  throw new TorchvaeError('ERR_ABORTED', `Training was aborted${where}`, { cause: signal?.reason });
}

/** The weight of the divergence in the step that was taken last. */
export function betaNow({ spec, position }: Core): number {
  return betaAt(spec.objective, Math.max(0, position.step - 1));
}
