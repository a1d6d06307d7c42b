/** Adam with its defaults, as the addon takes an optimizer. */
export const NATIVE_ADAM = {
  type: 'adam',
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 1e-8,
  momentum: 0,
  nesterov: false,
  weightDecay: 0,
  l1: 0,
  clipNorm: 0,
  clipValue: 0,
  accumulate: 1,
  averageDecay: 0,
  skipNonFinite: false,
} as const;
