import { TorchvaeError } from '../../errors.ts';
import type { Core } from '../../model/core.ts';
import type { RanksHandle } from '../../runtime/native.ts';
import { checkSame, type Facts } from './facts.ts';
import { awaitListener } from './listener.ts';
import type { RankPlace } from './place.ts';

/** The processes that train one model together, while they do. */
export interface Ranks {
  readonly handle: RanksHandle;
  /** By what they exchange gradients, in words. */
  readonly exchange: string;
  /** To be called when the training ends. */
  leave(): void;
}

/** A process meets the others once, and stays with them. */
let met: { place: string; handle: RanksHandle } | undefined;
let isBusy = false;

/**
 * Comes together with the other processes, and makes sure that they are about to train the same: then all have the weights of rank 0.
 *
 * @param seconds for all to come
 * @throws TorchvaeError ERR_DISTRIBUTED where they do not come, or are about something else; ERR_STATE while the process trains another
 * model with them; ERR_ABORTED
 */
export async function joinRanks(
  core: Core,
  place: RankPlace,
  seconds: number,
  facts: Facts,
  signal: AbortSignal | undefined,
): Promise<Ranks> {
  if (isBusy) {
    throw new TorchvaeError(
      'ERR_STATE',
      `This process trains another model with the others already; train one after the other, or with distributed: 'off'`,
    );
  }
  isBusy = true;
  const leave = () => {
    isBusy = false;
  };
  try {
    met = await meet(core, place, seconds, signal);
    const { handle } = met;
    checkSame(await core.call((addon, model) => addon.exchange(model, handle, JSON.stringify(facts))));
    const exchange = await core.call((addon, model) => addon.synchronize(model, handle));
    return { handle, exchange, leave };
  } catch (error) {
    leave();
    throw error;
  }
}

async function meet(
  core: Core,
  place: RankPlace,
  seconds: number,
  signal: AbortSignal | undefined,
): Promise<NonNullable<typeof met>> {
  const wanted = JSON.stringify(place);
  if (!met) {
    const began = performance.now();
    if (place.rank > 0 || place.isServed) await awaitListener(place, seconds, signal);
    const left = seconds - (performance.now() - began) / 1000;
    const handle = await core.call((addon, model) =>
      addon.join(model, { ...place, seconds: Math.max(1, left) }),
    );
    return { place: wanted, handle };
  }
  if (met.place === wanted) return met;
  throw new TorchvaeError(
    'ERR_DISTRIBUTED',
    `Expected the environment by which this process met the others (${met.place}) but now it says ${wanted}; start another process`,
  );
}
