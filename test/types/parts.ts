// What the types of the public API accept and refuse; test/types.test.ts has the compiler read this.
import { expectTypeOf } from 'vitest';
import {
  type Encoding,
  type EpochResult,
  type Examples,
  type FitOptions,
  type LikelihoodSpec,
  type Losses,
  type LossesPerExample,
  type ModelSpecInput,
  type ObjectiveSpec,
  preset,
  sprites,
  type Tensor,
  type Training,
  VAE,
} from '../../lib/index.ts';

type Objective = NonNullable<ModelSpecInput['objective']>;
type Likelihood = NonNullable<ModelSpecInput['likelihood']>;
type Network = NonNullable<ModelSpecInput['encoder']>;

export const accepted = {
  objectives: [
    'elbo',
    {},
    { beta: 4 },
    { type: 'elbo', freeBits: 0.1 },
    { warmup: { shape: 'linear', steps: 10 } },
    { warmup: { steps: 10 } },
    { warmup: null },
    { capacity: { to: 5, steps: 10 } },
    { type: 'iwae', samples: 5 },
    { type: 'beta-tc', beta: 6, estimator: 'weighted' },
  ] satisfies Objective[],
  likelihoods: ['tokens', { type: 'gaussian', sigma: 0.1, scale: 'learned' }] satisfies Likelihood[],
  networks: ['conv', {}, { hidden: [8] }, { type: 'conv', channels: [8], norm: 'layer' }] satisfies Network[],
  fit: [
    preset('mlp-128').training,
    { optimizer: { type: 'sgd', momentum: 0.9 } },
    { schedule: { type: 'cosine', epochs: 3 } },
  ] satisfies FitOptions[],
};

export const refused: unknown[] = [
  // @ts-expect-error: of iwae
  { samples: 5 } satisfies Objective,
  // @ts-expect-error: of iwae
  { type: 'elbo', samples: 5 } satisfies Objective,
  // @ts-expect-error: of the elbo
  { type: 'iwae', beta: 2 } satisfies Objective,
  // @ts-expect-error: of beta-tc and factor
  { type: 'dip', gamma: 2 } satisfies Objective,
  // @ts-expect-error: misspelled
  { betta: 2 } satisfies Objective,
  // @ts-expect-error: no such objective
  { type: 'vae' } satisfies Objective,
  // @ts-expect-error: without its end
  { capacity: { from: 1, steps: 10 } } satisfies Objective,
  // @ts-expect-error: without its length
  { warmup: { shape: 'linear' } } satisfies Objective,
  // @ts-expect-error: of a density of real numbers
  { type: 'bernoulli', sigma: 1 } satisfies Likelihood,
  // @ts-expect-error: squared errors have no scale
  { type: 'squared-error', sigma: 1 } satisfies Likelihood,
  // @ts-expect-error: of convolutions
  { channels: [8] } satisfies Network,
  // @ts-expect-error: of convolutions
  { type: 'mlp', kernel: 3 } satisfies Network,
  // @ts-expect-error: of perceptrons
  { type: 'conv', hidden: [8] } satisfies Network,
  // @ts-expect-error: the optimizer's settings stand in `optimizer`
  { adam: { beta1: 0.5 } } satisfies FitOptions,
  // @ts-expect-error: of SGD
  { optimizer: { type: 'adam', momentum: 0.9 } } satisfies FitOptions,
  // @ts-expect-error: misspelled
  { epoch: 3 } satisfies FitOptions,
];

export async function answers(vae: VAE): Promise<void> {
  const images = await vae.sample(2);
  expectTypeOf(images).toEqualTypeOf<Tensor>();
  expectTypeOf(images).toExtend<Examples>();
  const encoding = await vae.encode(images);
  expectTypeOf(encoding).toEqualTypeOf<Encoding>();
  expectTypeOf(await vae.decode(encoding)).toEqualTypeOf<Tensor>();
  expectTypeOf(await vae.decode(encoding.mean)).toEqualTypeOf<Tensor>();
  expectTypeOf(await vae.loss(images)).toEqualTypeOf<Losses>();
  expectTypeOf(await vae.lossesPerExample(images)).toEqualTypeOf<LossesPerExample>();
  expectTypeOf(vae).not.toHaveProperty('elbo');
  expectTypeOf(vae).not.toHaveProperty('losses');
}

export async function trains(vae: VAE): Promise<void> {
  const training = vae.fit(sprites());
  expectTypeOf(training).toEqualTypeOf<Training>();
  expectTypeOf(await training).toEqualTypeOf<EpochResult>();
  for await (const epoch of vae.fit(sprites())) expectTypeOf(epoch).toEqualTypeOf<EpochResult>();
  // @ts-expect-error: no such preset
  await VAE.create({ preset: 'mlp-401' });
}

export function describes({
  objective,
  likelihood,
}: {
  objective: ObjectiveSpec;
  likelihood: LikelihoodSpec;
}) {
  if (objective.type === 'elbo') {
    expectTypeOf(objective.beta).toEqualTypeOf<number>();
    expectTypeOf(objective.warmup!.cycles).toEqualTypeOf<number>();
    expectTypeOf(objective.capacity!.from).toEqualTypeOf<number>();
  }
  // @ts-expect-error: not every likelihood has one
  expectTypeOf(likelihood.sigma).toBeNumber();
  if (likelihood.type === 'laplace') expectTypeOf(likelihood.sigma).toEqualTypeOf<number>();
}
