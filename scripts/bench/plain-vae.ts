import { Random } from '../../lib/data/random.ts';
import { MAX_INNER, matmul, rowMajor, transposed } from './plain-matmul.ts';

/** The network and how it is trained. */
export interface PlainVaeOptions {
  /** Values in one example. */
  inputSize: number;
  /** Widths of the encoder's hidden layers; the decoder has the same in reverse. */
  hidden: readonly number[];
  /** Dimensions of z. */
  latentSize: number;
  /** Of the initial parameters; default 0. */
  seed?: number;
  /** Of Adam; default 1e-3. */
  learningRate?: number;
}

/** Loss terms in nats: summed over the dimensions of an example, mean over the batch. */
export interface PlainLosses {
  /** reconstruction + kl. */
  readonly loss: number;
  /** -log p(x|z). */
  readonly reconstruction: number;
  /** KL(q(z|x) || N(0, I)). */
  readonly kl: number;
}

/** y = x W + b, followed by max(0, y) in a hidden layer. */
interface Layer {
  readonly inputs: number;
  readonly outputs: number;
  readonly relu: boolean;
  /** [inputs, outputs]. */
  readonly weight: Float32Array;
  /** [outputs]. */
  readonly bias: Float32Array;
  readonly weightGradient: Float32Array;
  readonly biasGradient: Float32Array;
  /** [batch, outputs], of the last forward pass. */
  output: Float32Array;
  /** The loss's derivative by what `output` was before max(0, y); [batch, outputs]. */
  outputGradient: Float32Array;
}

const BETA1 = 0.9;
const BETA2 = 0.999;
const EPSILON = 1e-8;

/**
 * A variational autoencoder of dense layers in plain JavaScript (Kingma and Welling 2014): rectified hidden layers,
 * Gaussian q(z|x), prior N(0, I), Bernoulli p(x|z) from logits, Adam. One thread, no dependency, every derivative
 * written out. It is what torchvae's speed is compared with, and an oracle for its numbers.
 *
 * Parameters are named `encoder.0.weight`, `encoder.0.bias`, ..., `posterior.weight` (columns: mu, then log variance),
 * ..., `decoder.0.weight`, ... with weights as [inputs, outputs], which is the transpose of PyTorch's.
 */
export class PlainVae {
  /** By name; writing into an array changes the network. */
  readonly parameters: ReadonlyMap<string, Float32Array>;
  /** The derivatives that the last call of {@link gradients} left, by the same names. */
  readonly parameterGradients: ReadonlyMap<string, Float32Array>;

  readonly #latentSize: number;
  readonly #learningRate: number;
  readonly #encoder: readonly Layer[];
  readonly #posterior: Layer;
  readonly #decoder: readonly Layer[];
  /** All parameters one after the other, and beside them their gradients and Adam's two moments. */
  readonly #values: Float32Array;
  readonly #gradients: Float32Array;
  readonly #mean: Float32Array;
  readonly #square: Float32Array;
  #steps = 0;
  #batch = 0;
  /** [batch, latent]: the sample, the loss's derivative by it, and the standard deviation. */
  #z = new Float32Array(0);
  #zGradient = new Float32Array(0);
  #deviation = new Float32Array(0);

  constructor({ inputSize, hidden, latentSize, seed = 0, learningRate = 1e-3 }: PlainVaeOptions) {
    const down = [inputSize, ...hidden];
    const up = [latentSize, ...hidden.toReversed(), inputSize];
    if (Math.max(...down, ...up) > MAX_INNER) throw new RangeError(`Layers are at most ${MAX_INNER} wide`);
    const shapes: [name: string, inputs: number, outputs: number, relu: boolean][] = [
      ...hidden.map((width, i): (typeof shapes)[0] => [`encoder.${i}`, down[i]!, width, true]),
      ['posterior', down.at(-1)!, 2 * latentSize, false],
      ...up
        .slice(1)
        .map((width, i): (typeof shapes)[0] => [`decoder.${i}`, up[i]!, width, i < hidden.length]),
    ];
    const total = shapes.reduce((sum, [, inputs, outputs]) => sum + (inputs + 1) * outputs, 0);
    this.#values = new Float32Array(total);
    this.#gradients = new Float32Array(total);
    this.#mean = new Float32Array(total);
    this.#square = new Float32Array(total);
    this.#latentSize = latentSize;
    this.#learningRate = learningRate;

    const parameters = new Map<string, Float32Array>();
    const parameterGradients = new Map<string, Float32Array>();
    let offset = 0;
    const take = (name: string, length: number): [Float32Array, Float32Array] => {
      const value = this.#values.subarray(offset, offset + length);
      const gradient = this.#gradients.subarray(offset, offset + length);
      offset += length;
      parameters.set(name, value);
      parameterGradients.set(name, gradient);
      return [value, gradient];
    };
    const layers = shapes.map(([name, inputs, outputs, relu]): Layer => {
      const [weight, weightGradient] = take(`${name}.weight`, inputs * outputs);
      const [bias, biasGradient] = take(`${name}.bias`, outputs);
      const empty = new Float32Array(0);
      const buffers = { output: empty, outputGradient: empty };
      return { inputs, outputs, relu, weight, bias, weightGradient, biasGradient, ...buffers };
    });
    this.parameters = parameters;
    this.parameterGradients = parameterGradients;
    this.#encoder = layers.slice(0, hidden.length);
    this.#posterior = layers[hidden.length]!;
    this.#decoder = layers.slice(hidden.length + 1);
    initialize(layers, new Random(seed));
  }

  /**
   * One step of Adam on a batch.
   *
   * @param x [batch, inputSize], in [0, 1]
   * @param noise [batch, latentSize], drawn from N(0, I)
   * @returns the losses before the step
   */
  step(x: Float32Array, batch: number, noise: Float32Array): PlainLosses {
    const losses = this.gradients(x, batch, noise);
    this.#adam();
    return losses;
  }

  /** The losses on a batch, leaving their derivatives in {@link parameterGradients}; arguments as for {@link step}. */
  gradients(x: Float32Array, batch: number, noise: Float32Array): PlainLosses {
    this.#resize(batch);
    let h = x;
    for (const layer of this.#encoder) h = forward(layer, h, batch);
    const kl = this.#sample(forward(this.#posterior, h, batch), noise) / batch;
    h = this.#z;
    for (const layer of this.#decoder) h = forward(layer, h, batch);
    const reconstruction = bernoulli(h, x, this.#decoder.at(-1)!.outputGradient, batch) / batch;

    backward(this.#decoder, this.#z, this.#zGradient, batch);
    this.#sampleBackward(noise);
    backward([...this.#encoder, this.#posterior], x, undefined, batch);
    return { loss: reconstruction + kl, reconstruction, kl };
  }

  #resize(batch: number): void {
    if (batch === this.#batch) return;
    this.#batch = batch;
    for (const layer of [...this.#encoder, this.#posterior, ...this.#decoder]) {
      layer.output = new Float32Array(batch * layer.outputs);
      layer.outputGradient = new Float32Array(batch * layer.outputs);
    }
    this.#z = new Float32Array(batch * this.#latentSize);
    this.#zGradient = new Float32Array(batch * this.#latentSize);
    this.#deviation = new Float32Array(batch * this.#latentSize);
  }

  /** z = mu + sigma noise; returns the sum of KL(q || N(0, I)) = (mu^2 + sigma^2 - 1 - log sigma^2) / 2. */
  #sample(q: Float32Array, noise: Float32Array): number {
    const width = this.#latentSize;
    let kl = 0;
    for (let i = 0, row = 0; i < this.#z.length; row += 2 * width) {
      for (let j = row; j < row + width; j++, i++) {
        const mu = q[j]!;
        const logVariance = q[j + width]!;
        const deviation = Math.exp(logVariance / 2);
        this.#deviation[i] = deviation;
        this.#z[i] = mu + deviation * noise[i]!;
        kl += (mu * mu + deviation * deviation - 1 - logVariance) / 2;
      }
    }
    return kl;
  }

  /** Derivatives by mu: dz + mu; by log variance: dz noise sigma / 2 + (sigma^2 - 1) / 2; the KL's share over the batch. */
  #sampleBackward(noise: Float32Array): void {
    const { output: q, outputGradient: gradient } = this.#posterior;
    const width = this.#latentSize;
    for (let i = 0, row = 0; i < this.#z.length; row += 2 * width) {
      for (let j = row; j < row + width; j++, i++) {
        const deviation = this.#deviation[i]!;
        const dz = this.#zGradient[i]!;
        gradient[j] = dz + q[j]! / this.#batch;
        gradient[j + width] = (dz * noise[i]! * deviation + (deviation * deviation - 1) / this.#batch) / 2;
      }
    }
  }

  /** Kingma and Ba 2015, in float64 between loading and storing, where V8 needs no conversions. */
  #adam(): void {
    this.#steps++;
    const values = this.#values;
    const gradients = this.#gradients;
    const means = this.#mean;
    const squares = this.#square;
    const correction = Math.sqrt(1 - BETA2 ** this.#steps);
    const rate = (this.#learningRate * correction) / (1 - BETA1 ** this.#steps);
    const epsilon = EPSILON * correction;
    for (let i = 0; i < values.length; i++) {
      const gradient = gradients[i]!;
      const mean = BETA1 * means[i]! + (1 - BETA1) * gradient;
      const square = BETA2 * squares[i]! + (1 - BETA2) * gradient * gradient;
      means[i] = mean;
      squares[i] = square;
      values[i]! -= (rate * mean) / (Math.sqrt(square) + epsilon);
    }
  }
}

/** Uniform in +-1/sqrt(inputs), weights and biases, as PyTorch's linear layers begin. */
function initialize(layers: readonly Layer[], random: Random): void {
  for (const { inputs, weight, bias } of layers) {
    const bound = 1 / Math.sqrt(inputs);
    for (const values of [weight, bias]) {
      for (let i = 0; i < values.length; i++) values[i] = (2 * random.uniform() - 1) * bound;
    }
  }
}

function forward(layer: Layer, x: Float32Array, batch: number): Float32Array {
  const { inputs, outputs, relu, weight, bias, output } = layer;
  matmul(output, rowMajor(x, inputs), rowMajor(weight, outputs), batch, outputs, inputs);
  for (let i = 0; i < output.length; ) {
    for (let j = 0; j < outputs; j++, i++) {
      const y = output[i]! + bias[j]!;
      output[i] = relu && y < 0 ? 0 : y;
    }
  }
  return output;
}

/**
 * From the gradient at the last layer's output to the gradients of all parameters and, if wanted, of `input`, which the
 * first layer saw.
 */
function backward(
  layers: readonly Layer[],
  input: Float32Array,
  inputGradient: Float32Array | undefined,
  batch: number,
): void {
  for (let i = layers.length - 1; i >= 0; i--) {
    const { inputs, outputs, weight, weightGradient, biasGradient, outputGradient } = layers[i]!;
    const below = layers[i - 1];
    const x = below?.output ?? input;
    matmul(weightGradient, transposed(x, inputs), rowMajor(outputGradient, outputs), inputs, outputs, batch);
    sumRows(outputGradient, biasGradient);
    const xGradient = below?.outputGradient ?? inputGradient;
    if (!xGradient) return;
    matmul(xGradient, rowMajor(outputGradient, outputs), transposed(weight, outputs), batch, inputs, outputs);
    if (below?.relu) for (let j = 0; j < x.length; j++) if (x[j] === 0) xGradient[j] = 0;
  }
}

function sumRows(rows: Float32Array, sum: Float32Array): void {
  sum.fill(0);
  for (let i = 0; i < rows.length; ) {
    for (let j = 0; j < sum.length; j++, i++) sum[j]! += rows[i]!;
  }
}

/**
 * The sum of -log p(x|z) = log(1 + exp(y)) - x y over all logits y, in the form that cannot overflow, leaving its
 * derivative (sigmoid(y) - x) / batch in `gradient`.
 */
function bernoulli(logits: Float32Array, x: Float32Array, gradient: Float32Array, batch: number): number {
  let sum = 0;
  for (let i = 0; i < logits.length; i++) {
    const y = logits[i]!;
    const e = Math.exp(-Math.abs(y));
    const sigmoid = (y < 0 ? e : 1) / (1 + e);
    sum += Math.max(y, 0) - x[i]! * y + Math.log(1 + e);
    gradient[i] = (sigmoid - x[i]!) / batch;
  }
  return sum;
}
