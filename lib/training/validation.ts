import type { Dataset } from '../data/dataset.ts';
import { StreamedDataset } from '../data/streamed-dataset.ts';
import { TorchvaeError } from '../errors.ts';
import type { Core } from '../model/core.ts';
import { type Losses, toLosses } from '../model/losses.ts';
import type { DatasetHandle, LossSums, RanksHandle } from '../runtime/native.ts';
import { forEachWindow, type KeepExamples } from './feed.ts';
import { farthestValue } from './odd-values.ts';
import { betaAt, weightsAt } from './schedule.ts';

/** Examples that validation takes at a time; objectives of a batch, such as MMD, are averaged over these. */
const BATCH = 256;

/**
 * Means over a data set of what training minimizes, with noise drawn from `seed`; in a stream, each window's from its own seed.
 *
 * @param how.step whose weights (beta, capacity, temperature) hold: that of the last update by default; Infinity for the end of all
 * schedules
 * @param how.ranks that share the examples, and are aborted together
 * @param how.keep the examples of a block of a stream that are counted; undefined for none. Default all
 * @throws TorchvaeError ERR_ABORTED when `signal` fires, ERR_NONFINITE for losses that are NaN or infinite
 */
export async function evaluate(
  core: Core,
  data: Dataset | StreamedDataset,
  seed: number,
  {
    signal,
    step = lastStep(core),
    ranks,
    keep,
  }: {
    signal?: AbortSignal | undefined;
    step?: number;
    ranks?: RanksHandle | undefined;
    keep?: KeepExamples;
  } = {},
): Promise<Losses> {
  const schedule = Float64Array.from([0, ...weightsAt(core.spec, step)]);
  const sums: LossSums = { loss: 0, reconstruction: 0, kl: 0, terms: [], examples: 0 };
  const add = async (handle: DatasetHandle, noise: number, examples: number) => {
    let part: LossSums;
    do {
      if (!ranks) throwIfAborted(signal);
      const work = core.call((addon, model) => addon.evaluate(model, handle, BATCH, noise, schedule, ranks));
      // Ranks find out together.
      if (ranks && signal?.aborted) core.abort();
      part = await work;
      if (ranks && part.examples < examples) throwIfAborted(signal, core);
      // An abort that was meant for a fit() under way has cut an evaluation beside it short: it is done again.
    } while (part.examples < examples);
    sums.loss += part.loss;
    sums.terms = part.terms.map((term, i) => term + (sums.terms[i] ?? 0));
    sums.reconstruction += part.reconstruction;
    sums.kl += part.kl;
    sums.examples += part.examples;
  };
  if (data instanceof StreamedDataset)
    await forEachWindow(core, data, seed, core.untilDisposed(ranks ? undefined : signal), add, keep);
  else await add(await core.device.upload(data), seed, data.length);
  const losses = toLosses(core, sums, betaAt(core.spec.objective, step));
  if (Number.isFinite(losses.loss)) return losses;
  throw new TorchvaeError(
    'ERR_NONFINITE',
    `The mean loss over ${data.name} is ${losses.loss} (reconstruction ${losses.reconstruction}, kl ${losses.kl}); ` +
      `check the weights and the data's scale${await farthestValue(data)}`,
  );
}

/** @throws TorchvaeError ERR_ABORTED when `signal` has fired, or a `core` says where it has */
export function throwIfAborted(signal: AbortSignal | undefined, core?: Core): void {
  if (!signal?.aborted && !core) return;
  const where = core ? ` after step ${core.position.step}` : '';
  throw new TorchvaeError('ERR_ABORTED', `Training was aborted${where}`, { cause: signal?.reason });
}

/** The step that was taken last, from 0. */
export function lastStep({ position }: Core): number {
  return Math.max(0, position.step - 1);
}

/** The weight of the divergence in that step. */
export function betaNow(core: Core): number {
  return betaAt(core.spec.objective, lastStep(core));
}
