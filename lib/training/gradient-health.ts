import type { ModelSpec } from '../model/spec.ts';
import type { LossSums, TensorNorms } from '../runtime/native.ts';

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

/** The gradients of one observed step, and a verdict on them and on the losses since the last one. */
export interface GradientHealth {
  /** From the input to the output. */
  layers: LayerHealth[];
  /** Of the whole gradient, before clipping. */
  norm: number;
  /**
   * `vanishing`: a layer's weights get next to nothing of the gradient that another's get, and hardly move; `exploding`: a step
   * changes a layer by more than half of its norm, or a loss jumped far above where it had been.
   */
  verdict: 'healthy' | 'vanishing' | 'exploding';
  /** The layer that the verdict is about; missing for `healthy`. */
  layer?: string;
  /** What to try; missing for `healthy`. */
  advice?: string;
}

/** The share of the largest gradient, by root mean square, below which a layer learns nothing under any optimizer. */
export const VANISHING_SHARE = 1e-5;
/** The share that is too little where the layer also hardly moves; adaptive optimizers make up for more. */
export const SMALL_SHARE = 1e-3;
/** The part of the others' relative updates from which on a layer hardly moves. */
export const SLOW_UPDATE = 1e-2;
/** The largest part of a layer's norm that one step should change. */
export const EXPLODING_STEP = 0.5;

/**
 * A verdict on one step. Root mean squares are compared, so that a wide layer counts no more than a narrow one.
 *
 * @param jump what a loss did since the last verdict, from {@link LossWatch}
 */
export function judgeGradients(
  norms: readonly TensorNorms[],
  sizes: ReadonlyMap<string, number>,
  spec: Pick<ModelSpec, 'encoder' | 'decoder'>,
  jump?: string,
): GradientHealth {
  const layers = norms.map(({ name, gradient, update, weight }) => ({ name, gradient, update, weight }));
  const health = { layers, norm: Math.hypot(...layers.map(({ gradient }) => gradient)) };
  const weights = layers.filter(({ name }) => name.endsWith('.weight'));
  const moved = ({ update, weight }: LayerHealth) => (weight > 0 ? update / weight : 0);
  const fastest = weights.reduce((most, layer) => (moved(layer) > moved(most) ? layer : most), weights[0]!);
  if (jump !== undefined || moved(fastest) > EXPLODING_STEP) {
    const advice =
      "clip the gradient (clip: { norm: 1 }), lower the learning rate, or normalize (encoder: { norm: 'layer' })";
    return {
      ...health,
      verdict: 'exploding',
      layer: fastest.name,
      advice: jump === undefined ? advice : `${jump}: ${advice}`,
    };
  }
  const rms = ({ name, gradient }: LayerHealth) => gradient / Math.sqrt(sizes.get(name) ?? 1);
  const largest = Math.max(...weights.map(rms));
  const usual = weights.map(moved).sort((a, b) => a - b)[Math.floor(weights.length / 2)]!;
  const biases = new Map(
    layers.filter(({ name }) => name.endsWith('.bias')).map((bias) => [bias.name, rms(bias)]),
  );
  const largestBias = Math.max(0, ...biases.values());
  // Where a layer's bias gets its share, its weights get little only because its inputs are next to 0, as of constant data.
  const isReached = ({ name }: LayerHealth) =>
    largestBias > 0 && (biases.get(name.replace(/weight$/, 'bias')) ?? 0) >= SMALL_SHARE * largestBias;
  const isVanishing = (layer: LayerHealth) =>
    !isReached(layer) &&
    (rms(layer) < VANISHING_SHARE * largest ||
      (rms(layer) < SMALL_SHARE * largest && moved(layer) < SLOW_UPDATE * usual));
  const weakest = weights.filter(isVanishing).sort((a, b) => rms(a) - rms(b))[0];
  if (!weakest) return { ...health, verdict: 'healthy' };
  return { ...health, verdict: 'vanishing', layer: weakest.name, advice: remedyFor(weakest, spec) };
}

const SATURATING: readonly string[] = ['sigmoid', 'tanh'];

/** What can help the layer, given what its network has already. */
function remedyFor(
  { name, gradient }: LayerHealth,
  { encoder, decoder }: Pick<ModelSpec, 'encoder' | 'decoder'>,
): string {
  if (gradient === 0)
    return 'its units no longer answer to any input: lower the learning rate, or use gelu or elu';
  const { activation, norm } = (name.startsWith('decoder') ? decoder : encoder) as {
    activation?: string;
    norm?: string;
  };
  const remedies = [
    ...(activation && SATURATING.includes(activation) ? [`use relu or gelu for ${activation}`] : []),
    ...(norm === undefined || norm === 'none' ? ['normalize (norm: batch or layer)'] : []),
    'take layers away',
  ];
  return remedies.join(', or ');
}

/** Nats above the lowest mean of a term so far that are a jump, at least, and as a multiple of its size. */
const JUMP = { nats: 1000, factor: 10 };

/** Looks for jumps of the losses, in all steps and not in those alone whose gradients are observed. */
export class LossWatch {
  readonly #dimensions: number;
  readonly #lowest = new Map<string, number>();

  /** @param dimensions of one example, as losses grow with them */
  constructor(dimensions: number) {
    this.#dimensions = dimensions;
  }

  /** What jumped in the steps between these sums over examples, in words; undefined where nothing did. */
  note(before: LossSums, after: LossSums): string | undefined {
    const examples = after.examples - before.examples;
    if (examples === 0) return undefined;
    let jump: string | undefined;
    for (const term of ['loss', 'reconstruction', 'kl'] as const) {
      const mean = (after[term] - before[term]) / examples;
      const lowest = this.#lowest.get(term) ?? mean;
      const size = Math.max(Math.abs(lowest), this.#dimensions);
      if (mean > lowest + Math.max(JUMP.nats, JUMP.factor * size)) {
        jump ??= `the ${term} jumped from ${lowest.toPrecision(3)} to ${mean.toPrecision(3)} nats`;
      }
      this.#lowest.set(term, Math.min(lowest, mean));
    }
    return jump;
  }
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
