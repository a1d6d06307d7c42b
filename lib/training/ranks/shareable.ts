import { TorchvaeError } from '../../errors.ts';
import type { Core } from '../../model/core.ts';
import type { ObjectiveSpec } from '../../model/parts/objectives.ts';
import type { Precision } from '../../model/precision.ts';
import type { ModelSpec } from '../../model/spec.ts';

/**
 * Checks that several processes come to what one does. Where the loss of an example depends on the others of its batch (by batch
 * normalization, codebooks, terms over all codes), each process's part of a batch knows of the others'.
 *
 * @throws TorchvaeError ERR_STATE for a model of which that does not hold
 */
export function checkShareable(core: Core, size: number): void {
  const tensors = core.call((addon, model) => addon.stateTensors(model));
  const reason = obstacleTo(core.spec, core.precision, tensors);
  if (reason === undefined) return;
  throw new TorchvaeError(
    'ERR_STATE',
    `Expected a model that ${size} processes can train to the numbers of one, but ${reason}; train with distributed: 'off'`,
  );
}

/** Why several processes would come to other numbers with a model of these tensors; undefined where they do not. */
export function obstacleTo(
  { objective }: Pick<ModelSpec, 'objective'>,
  precision: Precision,
  tensors: readonly { name: string; isTrained: boolean }[],
): string | undefined {
  const hasNorms = tensors.some(({ name, isTrained }) => !isTrained && name.includes('running_'));
  if (objective.type === 'rae' && objective.gradientPenalty > 0 && hasNorms) {
    return `gradientPenalty differentiates batch normalization, whose statistics are those of all processes; leave either out`;
  }
  // Such parts go by libtorch's derivatives, which know no bf16.
  if (precision !== 'bf16') return undefined;
  const coupling = couplingOf(objective);
  return coupling && `${coupling}, which several processes do in float32 and float64 alone`;
}

/** What of the objective looks at all examples of a batch. */
function couplingOf(objective: ObjectiveSpec): string | undefined {
  switch (objective.type) {
    case 'elbo':
      if (objective.freeBits > 0) return "freeBits count by each dimension's mean over a batch";
      return objective.capacity ? 'a capacity holds the mean over a batch' : undefined;
    case 'beta-tc':
    case 'dip':
    case 'factor':
    case 'info':
    case 'wae-mmd':
      return `the objective ${objective.type} compares all codes of a batch`;
    default:
      return undefined;
  }
}
