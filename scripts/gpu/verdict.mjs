// What the checks of scripts/gpu-verify measure errors by.

/** The largest difference, relative to the largest magnitude wanted. */
export function relativeError(came, wanted) {
  if (came.length !== wanted.length) return Number.POSITIVE_INFINITY;
  let [difference, magnitude] = [0, 0];
  for (let i = 0; i < wanted.length; i++) {
    const distance = Math.abs(came[i] - wanted[i]);
    if (!(distance <= difference)) difference = distance;
    magnitude = Math.max(magnitude, Math.abs(wanted[i]));
  }
  return difference === 0 ? 0 : difference / magnitude;
}

/** Errors by name, each with the limit that it has to keep. */
export class Verdict {
  ok = true;
  errors = {};
  add(name, error, limit) {
    this.errors[name] = error;
    if (!(error < limit)) {
      this.ok = false;
      this.failed = [...(this.failed ?? []), `${name}: ${error}, limit ${limit}`];
    }
  }
}

/** Of each epoch. */
export async function losses(vae, data, options) {
  const came = [];
  for await (const { train } of vae.fit(data, options)) came.push(train.loss);
  return came;
}
