import type { LossSums } from '../runtime/native.ts';

/**
 * The terms of the objective: summed over the dimensions of one example, averaged over the examples, in nats.
 * `loss` is what training minimizes: reconstruction + beta kl for the plain ELBO, and what other objectives add or put in its
 * place. elbo = -(reconstruction + kl) whatever the objective, so that models of different objectives can be compared.
 */
export interface Losses {
  /** -log p(x|z). */
  reconstruction: number;
  /** KL(q(z|x) || p(z)). */
  kl: number;
  /** What training minimizes, each batch with the weights that were due. */
  loss: number;
  /** The evidence lower bound of log p(x). */
  elbo: number;
  /** The weight of the KL divergence in `loss`. */
  beta: number;
  /** -elbo divided by the dimensions of x. */
  natsPerDimension: number;
  /** The objective's further terms, by their names. */
  terms?: Record<string, number>;
}

/** Averages of sums over examples. */
export function toLosses(
  sums: LossSums,
  beta: number,
  dimensions: number,
  termNames: readonly string[] = [],
): Losses {
  const reconstruction = sums.reconstruction / sums.examples;
  const kl = sums.kl / sums.examples;
  const elbo = -(reconstruction + kl);
  return {
    reconstruction,
    kl,
    loss: sums.loss / sums.examples,
    elbo,
    beta,
    natsPerDimension: -elbo / dimensions,
    ...(termNames.length > 0 &&
      sums.terms.length > 0 && {
        terms: Object.fromEntries(termNames.map((name, i) => [name, sums.terms[i]! / sums.examples])),
      }),
  };
}
