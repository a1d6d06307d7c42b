import { checkInteger, checkNumber, checkOneOf, checkOptions } from '../check.ts';
import { TorchvaeError } from '../errors.ts';
import type { Best } from '../model/core.ts';
import { hasBound, type Losses } from '../model/losses.ts';
import type { ModelSpec } from '../model/spec.ts';

const MONITORS = ['loss', 'elbo', 'reconstruction'] as const;

/** Ends training before its last epoch when the judged number has not improved for some epochs (Prechelt 1998). */
export interface EarlyStopping {
  /** Training ends after so many epochs in a row without an improvement. */
  patience: number;
  /** The number must fall by more than this, in nats, to count as improved. Default 0. */
  minDelta?: number;
  /**
   * What is judged, over the validation set, else over the training epoch: `loss` (default), what training minimizes, with the
   * weights that all warm-ups end with, so that epochs can be compared; `elbo`, of which the negative is judged; or `reconstruction`.
   */
  monitor?: (typeof MONITORS)[number];
}

/** The epoch that did best so far. */
export interface BestEpoch {
  epoch: number;
  /** The judged number, in nats: the lower the better. */
  value: number;
  /** What was judged, such as `validation loss`. */
  of: string;
}

/** {@link EarlyStopping} with its defaults; the patience is Infinity where training is not to end early. */
export interface CompleteStopping extends Required<EarlyStopping> {
  /** The judged number in words. Numbers with other words are not compared with it. */
  of: string;
}

/** @throws TorchvaeError ERR_TYPE, ERR_RANGE naming the setting; ERR_STATE for the elbo of a model that has none */
export function checkStopping(
  given: EarlyStopping | undefined,
  isValidated: boolean,
  spec: ModelSpec,
): CompleteStopping {
  const known = ['patience', 'minDelta', 'monitor'];
  const options =
    given === undefined ? undefined : checkOptions('options.earlyStopping of fit', given, known);
  const monitor = checkOneOf('earlyStopping.monitor', options?.monitor ?? 'loss', MONITORS);
  if (monitor === 'elbo' && !hasBound(spec)) {
    throw new TorchvaeError(
      'ERR_STATE',
      'Expected a model with an evidence lower bound for the monitor elbo but this one has none; monitor its loss',
    );
  }
  return {
    patience: options
      ? checkInteger('earlyStopping.patience', options.patience, 1)
      : Number.POSITIVE_INFINITY,
    minDelta: checkNumber('earlyStopping.minDelta', options?.minDelta ?? 0, 0),
    monitor,
    of: `${isValidated ? 'validation' : 'training'} ${monitor}`,
  };
}

/** The best epoch after this one; the count begins again where another number was judged before. */
export function noteBest(
  { minDelta, monitor, of }: CompleteStopping,
  best: Best | undefined,
  losses: Losses,
  epoch: number,
): Best {
  const value = judged(monitor, losses);
  if (best?.of !== of) return { of, value, epoch, reference: value, waited: 0 };
  const lowest = value < best.value ? { value, epoch } : { value: best.value, epoch: best.epoch };
  const isImproved = value < best.reference - minDelta;
  return {
    of,
    ...lowest,
    reference: isImproved ? value : best.reference,
    waited: isImproved ? 0 : best.waited + 1,
  };
}

/** Whether so many epochs have passed without an improvement that training is over. */
export function hasStopped({ patience, of }: CompleteStopping, best: Best | undefined): boolean {
  return best?.of === of && best.waited >= patience;
}

function judged(monitor: CompleteStopping['monitor'], { loss, reconstruction, elbo }: Losses): number {
  // Where it is missing, checkStopping has refused to judge by it.
  if (monitor === 'elbo') return -elbo!;
  return monitor === 'reconstruction' ? reconstruction : loss;
}
