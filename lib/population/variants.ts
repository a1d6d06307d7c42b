import { isDeepStrictEqual } from 'node:util';
import { checkInteger, checkOptions, expected } from '../check.ts';
import { TorchvaeError } from '../errors.ts';
import type { TrainingSettings } from '../model/presets.ts';
import { completeSpec, type ModelSpec, type ModelSpecInput } from '../model/spec.ts';

/** What one member of a population has for itself. */
export interface Variant {
  /** Of its weights, its noise and its order of the data. Default 0. */
  seed?: number;
  /**
   * The parts of the model that are its own: numbers of the objective, such as beta, free bits or the warm-up's length, and the
   * likelihood's sigma. The layers and the kinds of parts are the same for all members.
   */
  spec?: Pick<ModelSpecInput, 'objective'> & {
    likelihood?: ModelSpecInput['likelihood'] | { sigma: number };
  };
  /** Settings of training that are its own. Default those that `fit` is given. */
  training?: Partial<Pick<TrainingSettings, 'learningRate'>>;
}

/** A member that is to be made. */
export interface Member {
  readonly seed: number;
  readonly spec: ModelSpec;
  readonly training: Partial<Pick<TrainingSettings, 'learningRate'>>;
}

/** The most members of one population. */
const MOST = 4096;

/**
 * The members that seeds or variants of a model stand for.
 *
 * @throws TorchvaeError ERR_TYPE, ERR_RANGE unless exactly one of them is given; ERR_SPEC for a variant whose model has other layers
 * or other kinds of parts than the first
 */
export function membersOf(
  base: ModelSpecInput,
  {
    seeds,
    variants,
  }: { seeds?: number | readonly number[] | undefined; variants?: readonly Variant[] | undefined },
): Member[] {
  if ((seeds === undefined) === (variants === undefined)) {
    throw new TorchvaeError('ERR_TYPE', 'Expected either seeds or variants for VAE.population, and not both');
  }
  const given = variants ?? seedsOf(seeds!).map((seed) => ({ seed }));
  if (!Array.isArray(given) || given.length === 0 || given.length > MOST) {
    const what = `an array of 1 to ${MOST} members`;
    throw new TorchvaeError('ERR_RANGE', expected(what, variants ? 'variants' : 'seeds', variants ?? seeds));
  }
  const members = given.map((variant: Variant, i): Member => {
    const {
      seed = 0,
      spec = {},
      training = {},
    } = checkOptions(`variants[${i}]`, variant, ['seed', 'spec', 'training']);
    checkOptions(`variants[${i}].spec`, spec, ['objective', 'likelihood']);
    checkOptions(`variants[${i}].training`, training, ['learningRate']);
    return {
      seed: checkInteger(`variants[${i}].seed`, seed, 0),
      spec: completeSpec(mergedSpec(base, spec)),
      training,
    };
  });
  const [first] = members;
  for (const [i, { spec }] of members.entries()) checkAlike(i, spec, first!.spec);
  return members;
}

function seedsOf(seeds: number | readonly number[]): number[] {
  if (Array.isArray(seeds)) return seeds.map((seed, i) => checkInteger(`seeds[${i}]`, seed, 0));
  return Array.from({ length: checkInteger('seeds', seeds, 1, MOST) }, (_, seed) => seed);
}

/** The variant's numbers take precedence within a part of the same kind. */
function mergedSpec(base: ModelSpecInput, own: NonNullable<Variant['spec']>): ModelSpecInput {
  const merged: Record<string, unknown> = { ...base };
  for (const name of ['objective', 'likelihood'] as const) {
    if (own[name] === undefined) continue;
    const [before, after] = [asPart(base[name]), asPart(own[name])];
    const isSame = after.type === undefined || before.type === after.type;
    merged[name] = isSame ? { ...before, ...after } : after;
  }
  return merged as ModelSpecInput;
}

function asPart(part: unknown): Record<string, unknown> {
  return typeof part === 'string' ? { type: part } : { ...(part as object | undefined) };
}

/** Members may differ in numbers of the objective and in the likelihood's sigma. */
function checkAlike(index: number, spec: ModelSpec, first: ModelSpec): void {
  const kinds = (each: ModelSpec): Record<string, unknown> => {
    const { sigma: _sigma, ...likelihood } = each.likelihood as { sigma?: number };
    return { ...each, likelihood, objective: each.objective.type };
  };
  const [own, wanted] = [kinds(spec), kinds(first)];
  for (const name of Object.keys({ ...wanted, ...own })) {
    if (isDeepStrictEqual(own[name], wanted[name])) continue;
    throw new TorchvaeError(
      'ERR_SPEC',
      `Expected the ${name} of variants[0] for variants[${index}], but for its numbers, since members of a population have one shape; ` +
        'train models of another shape in another population',
    );
  }
}
