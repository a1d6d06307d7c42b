import { checkBoolean, checkInteger, checkOptions, expected } from '../check.ts';
import { TorchvaeError } from '../errors.ts';
import type { NativePart, NativeSpec } from '../runtime/native.ts';
import { completePart, MAX_WIDTH } from './parts/fields.ts';
import { LIKELIHOODS, type LikelihoodInput, type LikelihoodSpec } from './parts/likelihoods.ts';
import { completeNetwork, type NetworkSpec, type NetworkSpecInput } from './parts/networks.ts';
import { completeObjective, type ObjectiveInput, type ObjectiveSpec } from './parts/objectives.ts';
import { codeSize, POSTERIORS, type PosteriorInput, type PosteriorSpec } from './parts/posteriors.ts';
import { PRIORS, type PriorInput, type PriorSpec } from './parts/priors.ts';

/** Labels that a model is conditioned on (CVAE, Sohn et al. 2015). */
export interface ConditionSpec {
  /** Labels are 0, ..., classes - 1. */
  classes: number;
  /** Whether the encoder sees the label. */
  encoder: boolean;
  /** Whether the decoder sees it. */
  decoder: boolean;
  /** Whether each label has a separate prior. */
  prior: boolean;
}

/** The complete description of a model, which a checkpoint carries. */
export interface ModelSpec {
  /** Of one example: `[channels, height, width]` for images, `[features]` for vectors. */
  inputShape: number[];
  /** x to the features that the posterior's parameters are linear in. */
  encoder: NetworkSpec;
  /** Dimensions of z, or its variables. */
  latentSize: number;
  posterior: PosteriorSpec;
  prior: PriorSpec;
  /** z to the features that the likelihood's parameters are linear in. */
  decoder: NetworkSpec;
  likelihood: LikelihoodSpec;
  objective: ObjectiveSpec;
  condition?: ConditionSpec;
}

/** A {@link ModelSpec} as a caller writes it: every field has a default. */
export interface ModelSpecInput {
  /** Default `[1, 28, 28]`. */
  inputShape?: readonly number[];
  /** Default: one hidden layer of 400, relu. */
  encoder?: NetworkSpecInput;
  /** Default 20. */
  latentSize?: number;
  /** Default `gaussian`. */
  posterior?: PosteriorInput;
  /** Default `standard-normal`, or `categorical` for a posterior of categories. */
  prior?: PriorInput;
  /** Default: the encoder mirrored. */
  decoder?: NetworkSpecInput;
  /** Default Bernoulli. */
  likelihood?: LikelihoodInput;
  /** Default the ELBO, beta 1. */
  objective?: ObjectiveInput;
  /** Default: no labels. By default the encoder and the decoder see the label, and the prior does not. */
  condition?: { classes: number; encoder?: boolean; decoder?: boolean; prior?: boolean };
}

/** The keys of {@link ModelSpec}. */
export const SPEC_KEYS = [
  'inputShape',
  'encoder',
  'latentSize',
  'posterior',
  'prior',
  'decoder',
  'likelihood',
  'objective',
  'condition',
] as const satisfies readonly (keyof ModelSpec)[];

/**
 * Fills in the defaults and checks every field.
 *
 * @throws TorchvaeError ERR_SPEC naming the field, what was expected and what came
 */
export function completeSpec(input: ModelSpecInput): ModelSpec {
  try {
    return complete(input);
  } catch (error) {
    if (error instanceof TorchvaeError && error.code !== 'ERR_SPEC') {
      throw new TorchvaeError('ERR_SPEC', error.message, { cause: error });
    }
    throw error;
  }
}

function complete(given: ModelSpecInput): ModelSpec {
  const input = checkOptions('spec', given, SPEC_KEYS);
  const encoder = completeNetwork('spec.encoder', input.encoder ?? {});
  const posterior = completePart<PosteriorSpec>('spec.posterior', input.posterior ?? 'gaussian', POSTERIORS);
  const isCategorical = posterior.type === 'gumbel-softmax' || posterior.type === 'vector-quantized';
  const spec: ModelSpec = {
    inputShape: completeShape(input.inputShape ?? [1, 28, 28]),
    encoder,
    latentSize: checkInteger('spec.latentSize', input.latentSize ?? 20, 1, MAX_WIDTH),
    posterior,
    prior: completePart<PriorSpec>(
      'spec.prior',
      input.prior ?? (isCategorical ? 'categorical' : 'standard-normal'),
      PRIORS,
    ),
    decoder: completeNetwork('spec.decoder', input.decoder ?? {}, encoder),
    likelihood: completePart<LikelihoodSpec>('spec.likelihood', input.likelihood ?? 'bernoulli', LIKELIHOODS),
    objective: completeObjective('spec.objective', input.objective ?? {}),
  };
  if (input.condition !== undefined) spec.condition = completeCondition(input.condition);
  checkInteger('the size of z in spec', latentCodeSize(spec), 1, MAX_WIDTH);
  return spec;
}

function completeShape(shape: readonly number[]): number[] {
  if (!Array.isArray(shape) || shape.length === 0 || shape.length > 4) {
    throw new TorchvaeError('ERR_SPEC', expected('one to four positive integers', 'spec.inputShape', shape));
  }
  const complete = Array.from(shape, (n, i) => checkInteger(`spec.inputShape[${i}]`, n, 1, MAX_WIDTH));
  checkInteger('the size of x in spec', inputSize({ inputShape: complete }), 1, MAX_WIDTH);
  return complete;
}

function completeCondition(input: NonNullable<ModelSpecInput['condition']>): ConditionSpec {
  const known = ['classes', 'encoder', 'decoder', 'prior'];
  const {
    classes,
    encoder = true,
    decoder = true,
    prior = false,
  } = checkOptions('spec.condition', input, known);
  for (const [name, value] of Object.entries({ encoder, decoder, prior })) {
    checkBoolean(`spec.condition.${name}`, value);
  }
  return { classes: checkInteger('spec.condition.classes', classes, 2, 1 << 20), encoder, decoder, prior };
}

/** The number of values in one example. */
export function inputSize(spec: Pick<ModelSpec, 'inputShape'>): number {
  return spec.inputShape.reduce((product, n) => product * n, 1);
}

/** The number of values in a code z. */
export function latentCodeSize({ posterior, latentSize }: ModelSpec): number {
  return codeSize(posterior, latentSize);
}

/** A model's description as the engine takes it, without what changes from step to step. */
export function nativeSpec(spec: ModelSpec): NativeSpec {
  const { inputShape, encoder, latentSize, posterior, prior, decoder, likelihood, objective, condition } =
    spec;
  const hasCapacity = 'capacity' in objective && objective.capacity !== null;
  return {
    inputShape,
    encoder,
    latentSize,
    posterior: nativePart('spec.posterior', posterior),
    prior: nativePart('spec.prior', prior),
    decoder,
    likelihood: nativePart('spec.likelihood', likelihood),
    objective: { ...nativePart('spec.objective', objective), hasCapacity },
    ...(condition && { condition }),
  };
}

/** Settings that become numbers of every step, in `lib/training/schedule.ts`. */
const STEPWISE = ['temperature', 'finalTemperature', 'temperatureSteps', 'warmup', 'capacity'];

/**
 * A part's settings as the engine takes them.
 *
 * @throws TorchvaeError ERR_SPEC for a setting that the engine cannot take, such as an object
 */
export function nativePart(name: string, { type, ...settings }: { type: string }): NativePart {
  const part: NativePart = { type };
  for (const [key, value] of Object.entries(settings)) {
    if (STEPWISE.includes(key)) continue;
    if (!isPlain(value)) {
      const what = 'a number, boolean, string or array of integers, as the engine takes,';
      throw new TorchvaeError('ERR_SPEC', expected(what, `${name}.${key}`, value));
    }
    part[key] = value;
  }
  return part;
}

function isPlain(value: unknown): value is string | number | boolean | readonly number[] {
  if (Array.isArray(value)) return value.every(Number.isInteger);
  return ['string', 'number', 'boolean'].includes(typeof value);
}

/** @throws TorchvaeError ERR_SPEC unless it is an object */
export function checkSpecObject(spec: ModelSpecInput): ModelSpecInput {
  if (typeof spec === 'object' && spec !== null && !Array.isArray(spec)) return spec;
  throw new TorchvaeError('ERR_SPEC', expected('an object', 'spec', spec));
}
