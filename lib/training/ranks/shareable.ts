import { TorchvaeError } from '../../errors.ts';
import type { Core } from '../../model/core.ts';
import type { ObjectiveSpec } from '../../model/parts/objectives.ts';

/** Why a batch of this objective cannot be cut: it is no mean over examples. */
const WHOLE: Readonly<Record<ObjectiveSpec['type'], string | undefined>> = {
  elbo: undefined,
  iwae: undefined,
  dreg: undefined,
  rae: undefined,
  'beta-tc': 'estimates q(z) from all codes of a batch',
  factor: 'has an opponent that sees all codes of a batch',
  dip: 'measures the covariance of all codes of a batch',
  info: 'compares all codes of a batch with each other',
  'wae-mmd': 'compares all codes of a batch with each other',
  'vae-gan': 'has an opponent that is trained beside the model',
};

/** @throws TorchvaeError ERR_STATE for a model whose batches cannot be cut into parts for several processes */
export function checkShareable(core: Core, size: number): void {
  const reason =
    obstacleOf(core.spec.objective) ?? followed(core.call((addon, model) => addon.stateTensors(model)));
  if (reason === undefined) return;
  throw new TorchvaeError(
    'ERR_STATE',
    `Expected a model whose loss is a mean over examples to train by ${size} processes, but ${reason}, and each process sees a ` +
      `part of the batch alone; train with distributed: 'off'`,
  );
}

function obstacleOf(objective: ObjectiveSpec): string | undefined {
  const { type } = objective;
  const reason = WHOLE[type];
  if (reason !== undefined) return `the objective ${type} ${reason}`;
  if (type !== 'elbo') return undefined;
  if (objective.freeBits > 0) return "freeBits count by each dimension's mean over a batch";
  return objective.capacity ? 'a capacity holds the mean over a batch' : undefined;
}

/** Tensors that follow each batch, beside the weights. */
function followed(tensors: readonly { name: string; isTrained: boolean }[]): string | undefined {
  const found = tensors.find(({ name, isTrained }) => !isTrained && !/^(optimizer|average)\./.test(name));
  if (!found) return undefined;
  const what = found.name.includes('running_') ? 'the statistics of batch normalization' : 'codebooks';
  return `${what} (${found.name}) follow all of a batch`;
}
