import { checkOptions, defined } from '../check.ts';
import type { CreateOptions, PopulationOptions } from '../create-options.ts';
import { preset } from '../model/presets.ts';
import { checkSpecObject } from '../model/spec.ts';
import type { FitOptions } from '../training/fit-options.ts';
import { Population, type Trainable } from './population.ts';
import { membersOf } from './variants.ts';

const OPTIONS = ['preset', 'spec', 'device', 'precision', 'kernels', 'libtorch', 'seeds', 'variants'];

/**
 * Makes the members by `create`, in the lanes of the device where it has any.
 *
 * @throws TorchvaeError see `VAE.population`
 */
export async function createPopulation<
  M extends Trainable & { readonly lanes: number; readonly sideBySide: number },
>(options: PopulationOptions, create: (options: CreateOptions) => Promise<M>): Promise<Population<M>> {
  const { seeds, variants, ...common } = checkOptions('options of VAE.population', options, OPTIONS);
  const base = common.preset === undefined ? undefined : preset(common.preset);
  const given = defined(checkSpecObject(common.spec ?? {}));
  const members = membersOf({ ...base?.spec, ...given }, { seeds, variants });
  const make = (i: number, place: Pick<CreateOptions, 'device'> = {}) =>
    create({ ...common, spec: members[i]!.spec, seed: members[i]!.seed, ...place });
  // The first one says whether such models have lanes, or go side by side on one device.
  const first = await make(0);
  const count = Math.min(first.lanes, members.length);
  const made: M[] = count > 1 ? [] : [first];
  if (count > 1) first.dispose();
  try {
    while (made.length < members.length) {
      const i = made.length;
      made.push(await make(i, count > 1 ? { device: `cpu/${i % count}` } : {}));
    }
  } catch (error) {
    for (const member of made) member.dispose();
    throw error;
  }
  const { sideBySide } = made[0]!;
  const length = Math.max(count, Math.min(sideBySide, made.length));
  const lanes = Array.from({ length }, (): { member: M; training: Partial<FitOptions> }[] => []);
  for (const [i, member] of made.entries())
    lanes[i % length]!.push({ member, training: members[i]!.training });
  return new Population(made, lanes, { training: base?.training ?? {}, isShared: sideBySide > 1 });
}
