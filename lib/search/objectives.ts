import { TorchvaeError } from '../errors.ts';
import type { EpochRecord } from '../report/epochs.ts';

/**
 * What a trial is judged by, over the data that judge its epochs, in the best epoch: the evidence lower bound, to maximize; what training
 * minimizes; its parts; active dimensions of z, to maximize; the number of trained weights; seconds of training.
 */
export type ObjectiveName = keyof typeof OBJECTIVES;

interface Objective {
  direction: 'minimize' | 'maximize';
  /** For charts and tables, with its unit. */
  label: string;
  /** Of an epoch; undefined where the model has none. */
  of(epoch: EpochRecord, run: { parameters: number; seconds: number }): number | undefined;
}

const judged = ({ validation, test }: EpochRecord) => validation ?? test;

/** Numbers that a trial can be judged by, over the data that judge its epochs. */
export const OBJECTIVES = {
  elbo: { direction: 'maximize', label: 'ELBO (nats)', of: (epoch) => judged(epoch)?.elbo },
  loss: { direction: 'minimize', label: 'loss (nats)', of: (epoch) => judged(epoch)?.loss },
  reconstruction: {
    direction: 'minimize',
    label: 'reconstruction (nats)',
    of: (epoch) => judged(epoch)?.reconstruction,
  },
  kl: { direction: 'minimize', label: 'KL (nats)', of: (epoch) => judged(epoch)?.kl },
  activeUnits: {
    direction: 'maximize',
    label: 'active dimensions of z',
    of: ({ latentHealth }) => latentHealth?.activeUnits,
  },
  parameters: { direction: 'minimize', label: 'trained weights', of: (_, { parameters }) => parameters },
  seconds: { direction: 'minimize', label: 'training time (s)', of: (_, { seconds }) => seconds },
} as const satisfies Record<string, Objective>;

/** The names of {@link OBJECTIVES}. */
export const OBJECTIVE_NAMES = Object.keys(OBJECTIVES) as ObjectiveName[];

/**
 * The number of this name.
 *
 * @throws TorchvaeError ERR_STATE where the model has none
 */
export function objectiveOf(
  name: ObjectiveName,
  epoch: EpochRecord,
  run: { parameters: number; seconds: number },
): number {
  const value = OBJECTIVES[name].of(epoch, run);
  if (value !== undefined) return value;
  throw new TorchvaeError(
    'ERR_STATE',
    `Expected a model with ${name} to search by but this one has none; search by another objective, such as loss`,
  );
}

/** The values with the sign that makes less better. */
export function toMinimize(names: readonly ObjectiveName[], values: readonly number[]): number[] {
  return values.map((value, i) => (OBJECTIVES[names[i]!].direction === 'maximize' ? -value : value));
}
