import type { LossSums } from '../runtime/native.ts';
import type { ModelSpec } from './spec.ts';

/**
 * The terms of the objective: summed over the dimensions of one example, averaged over the examples, in nats.
 * `loss` is what training minimizes: reconstruction + beta kl for the plain ELBO, and what other objectives add or put in its
 * place. elbo = -(reconstruction + kl) whatever the objective's weights, so that models of different objectives can be compared.
 */
export interface Losses {
  /** -log p(x|z). */
  reconstruction: number;
  /** KL(q(z|x) || p(z)). */
  kl: number;
  /** What training minimizes, each batch with the weights that were due. */
  loss: number;
  /** The evidence lower bound of log p(x); missing for deterministic posteriors and the objectives `wae-mmd` and `rae`, which aim at something else. */
  elbo?: number;
  /** The weight of the KL divergence in `loss`. */
  beta: number;
  /** -elbo divided by the dimensions of x; missing with it. */
  natsPerDimension?: number;
  /** The objective's further terms, by their names. */
  terms?: Record<string, number>;
  /** Of `VAE.loss`: rows of a table that these are not averaged over, since they cannot be read; missing where there are none. */
  leftOut?: number;
}

/**
 * Whether reconstruction + kl bounds -log p(x), which a code without a density does not, and is something that training aims at: the
 * Wasserstein and the regularized autoencoder have other aims.
 */
export function hasBound({ posterior, objective }: ModelSpec): boolean {
  return posterior.type !== 'deterministic' && objective.type !== 'wae-mmd' && objective.type !== 'rae';
}

/** Averages of sums over examples. */
export function toLosses(
  { spec, dimensions, termNames }: { spec: ModelSpec; dimensions: number; termNames: readonly string[] },
  sums: LossSums,
  beta: number,
): Losses {
  const reconstruction = sums.reconstruction / sums.examples;
  const kl = sums.kl / sums.examples;
  const elbo = -(reconstruction + kl);
  return {
    reconstruction,
    kl,
    loss: sums.loss / sums.examples,
    beta,
    ...(hasBound(spec) && { elbo, natsPerDimension: -elbo / dimensions }),
    ...(termNames.length > 0 &&
      sums.terms.length > 0 && {
        terms: Object.fromEntries(termNames.map((name, i) => [name, sums.terms[i]! / sums.examples])),
      }),
  };
}
