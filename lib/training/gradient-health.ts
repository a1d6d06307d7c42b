import type { TensorNorms } from '../runtime/native.ts';

/** One tensor of weights in one step; Euclidean norms. */
export interface LayerHealth {
  /** The parameter's name. */
  name: string;
  /** Of its gradient, before clipping. */
  gradient: number;
  /** Of what the step added to it. */
  update: number;
  /** Of the tensor before the step. */
  weight: number;
}

/** The gradients of one observed step, and a verdict on them. */
export interface GradientHealth {
  /** From the input to the output. */
  layers: LayerHealth[];
  /** Of the whole gradient, before clipping. */
  norm: number;
  /**
   * `vanishing`: a layer's weights get less than a thousandth of the gradient that another's get; `exploding`: the
   * norm of the whole is above 10,000, or a step changes a layer by more than half of its norm.
   */
  verdict: 'healthy' | 'vanishing' | 'exploding';
  /** The layer that the verdict is about; missing for `healthy`. */
  layer?: string;
  /** What to try; missing for `healthy`. */
  advice?: string;
}

/**
 * The least share of the largest gradient that a layer's weights should get, by root mean square. A sigmoid's slope is at
 * most 1/4, so that four such layers and weights below 1 come to about this.
 */
export const VANISHING_SHARE = 1e-3;
/** A norm of the whole gradient, in nats, far above what a model of any size here begins with. */
export const EXPLODING_NORM = 1e4;
/** The largest part of a layer's norm that one step should change. */
export const EXPLODING_STEP = 0.5;

/** Root mean squares are compared, so that a wide layer counts no more than a narrow one. */
export function judgeGradients(
  norms: readonly TensorNorms[],
  sizes: ReadonlyMap<string, number>,
): GradientHealth {
  const layers = norms.map(({ name, gradient, update, weight }) => ({ name, gradient, update, weight }));
  const norm = Math.hypot(...layers.map(({ gradient }) => gradient));
  const health = { layers, norm };
  const weights = layers.filter(({ name }) => name.endsWith('.weight'));
  const jump = weights.find(({ update, weight }) => weight > 0 && update > EXPLODING_STEP * weight);
  if (norm > EXPLODING_NORM || jump) {
    const largest = weights.reduce(
      (most, layer) => (layer.gradient > most.gradient ? layer : most),
      weights[0]!,
    );
    return {
      ...health,
      verdict: 'exploding',
      layer: (jump ?? largest).name,
      advice: 'clip the gradient (clip: { norm: 1 }), lower the learning rate, or normalize (norm: layer)',
    };
  }
  const rms = ({ name, gradient }: LayerHealth) => gradient / Math.sqrt(sizes.get(name) ?? 1);
  const largest = Math.max(...weights.map(rms));
  const weakest = weights.reduce((least, layer) => (rms(layer) < rms(least) ? layer : least), weights[0]!);
  if (weights.length > 1 && rms(weakest) < VANISHING_SHARE * largest) {
    return {
      ...health,
      verdict: 'vanishing',
      layer: weakest.name,
      advice: 'use relu or elu for sigmoid or tanh, normalize (norm: batch or layer), or take layers away',
    };
  }
  return { ...health, verdict: 'healthy' };
}

/** Says where numbers ceased to be finite, from what the engine found in the order of computation. */
export function describeFaults(faults: readonly string[]): string {
  const [first, ...others] = faults;
  if (first === undefined) return 'The loss or a gradient';
  if (first === 'reconstruction') return 'The reconstruction term, in the decoder or the likelihood,';
  if (first === 'kl') return "The kl term, in the posterior's or the prior's densities,";
  const more = others.length > 0 ? ` and, from there on, of ${others.length} more` : '';
  return `The gradient of ${first}${more}`;
}
