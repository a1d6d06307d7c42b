import type { Dataset } from '../data/dataset.ts';
import type { StreamedDataset } from '../data/streamed-dataset.ts';
import { TorchvaeError } from '../errors.ts';
import type { Core } from '../model/core.ts';
import { describeFaults } from './gradient-health.ts';
import { farthestValue } from './odd-values.ts';

interface Rate {
  learningRate: number;
}

/** The error of a step that was refused: what was not finite, where, and the value of `train` that is farthest out. */
export async function nonFinite(
  core: Core,
  rate: Rate,
  train: Dataset | StreamedDataset,
  faults: readonly string[],
): Promise<TorchvaeError> {
  const { step, epoch } = core.position;
  return new TorchvaeError(
    'ERR_NONFINITE',
    `${describeFaults(faults)} became NaN or infinite at step ${step + 1} (epoch ${epoch + 1}); the weights are those of step ${step}. ` +
      (await remedyOf(rate, train)),
  );
}

/**
 * The error of an epoch of which every update was skipped. It changed nothing and would come again and again, so the model goes back to the
 * beginning of the epoch; the next fit() begins it anew, as its options may differ.
 */
export async function allSkipped(
  core: Core,
  rate: Rate,
  train: Dataset | StreamedDataset,
  because: string | undefined,
): Promise<TorchvaeError> {
  const { partial: _, ...position } = core.position;
  core.position = { ...position, stepInEpoch: 0 };
  const what = because ?? `${describeFaults([])} became NaN or infinite`;
  return new TorchvaeError(
    'ERR_NONFINITE',
    `Every update of epoch ${position.epoch + 1} was left out: ${what}. ${await remedyOf(rate, train)}`,
  );
}

async function remedyOf({ learningRate }: Rate, train: Dataset | StreamedDataset): Promise<string> {
  const remedy = `Lower the learning rate (now ${learningRate}), clip the gradient (clip: { norm: 1 }), or check the data's scale`;
  return remedy + (await farthestValue(train));
}
