/** Below this z the two terms of the expected improvement cancel, and the first term of its expansion is exact enough. */
const FAR = -20;

/**
 * The logarithm of the expected improvement of a normal below `best` (Jones et al. 1998), which keeps its order where the
 * improvement itself would round to 0 (Ament et al. 2023).
 */
export function logExpectedImprovement(
  best: number,
  { mean, deviation }: { mean: number; deviation: number },
): number {
  const z = (best - mean) / deviation;
  const logDensity = -0.5 * z * z - 0.5 * Math.log(2 * Math.PI);
  if (z < FAR) return Math.log(deviation) + logDensity - 2 * Math.log(-z);
  return Math.log(deviation) + Math.log(Math.exp(logDensity) + z * normalCdf(z));
}

/** The distribution function of N(0, 1), to a relative error of 1.2e-7 also in the tails (Press et al. 1992, erfcc). */
function normalCdf(z: number): number {
  const x = Math.abs(z) / Math.SQRT2;
  const t = 1 / (1 + 0.5 * x);
  const series = [
    -1.26551223, 1.00002368, 0.37409196, 0.09678418, -0.18628806, 0.27886807, -1.13520398, 1.48851587,
    -0.82215223, 0.17087277,
  ];
  const exponent = series.reduceRight((sum, coefficient) => coefficient + t * sum, 0);
  const tail = 0.5 * t * Math.exp(-x * x + exponent);
  return z < 0 ? tail : 1 - tail;
}
