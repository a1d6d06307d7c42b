import { checkOneOf, defined, expected } from '../../check.ts';
import { TorchvaeError } from '../../errors.ts';
import { completePart, type FieldsOf, integer, number, oneOf, type Whole, widths } from './fields.ts';

/** Elementwise nonlinearities. */
export type Activation =
  | 'relu'
  | 'identity'
  | 'tanh'
  | 'sigmoid'
  | 'elu'
  | 'softplus'
  | 'leaky-relu'
  | 'gelu'
  | 'silu';

/**
 * A network, as a caller writes it: its type, or the settings that differ from the defaults. Without a type it is an mlp, or, as a
 * decoder, what its encoder is.
 */
export type NetworkSpecInput =
  /** A multilayer perceptron. */
  | 'mlp'
  | {
      type?: 'mlp';
      /** Widths of the hidden layers, in the order of computation; none makes the network linear. Default [400]. */
      hidden?: readonly number[];
      /** After every hidden layer. Default relu. */
      activation?: Activation;
      /** Normalization before every activation, of batches (Ioffe and Szegedy 2015) or layers (Ba et al. 2016). Default none. */
      norm?: 'none' | 'batch' | 'layer';
      /** Probability with which a value is zeroed after an activation while training (Srivastava et al. 2014). Default 0. */
      dropout?: number;
    }
  /**
   * Convolutions of one kernel and stride. Padding is (kernel - 1) / 2, so n pixels become floor((n - 1) / stride) + 1. As
   * a decoder it is a dense layer to the smallest image and transposed convolutions, which undo the same sequence of sizes
   * whatever the size of x.
   */
  | 'conv'
  | {
      type: 'conv';
      /** Channels of the small image of each (transposed) convolution, in the order of computation. Default [32, 64]. */
      channels?: readonly number[];
      /** Odd, in pixels. Default 3. */
      kernel?: number;
      /** In pixels. Default 2. */
      stride?: number;
      /** After every hidden layer. Default relu. */
      activation?: Activation;
      /** Normalization before every activation, of batches (Ioffe and Szegedy 2015) or layers (Ba et al. 2016). Default none. */
      norm?: 'none' | 'batch' | 'layer';
      /** Probability with which a value is zeroed after an activation while training (Srivastava et al. 2014). Default 0. */
      dropout?: number;
    }
  /** The same with a residual block of two 3x3 convolutions (He et al. 2016) after each change of size. */
  | 'residual'
  | {
      type: 'residual';
      /** Channels of the small image of each (transposed) convolution, in the order of computation. Default [32, 64]. */
      channels?: readonly number[];
      /** Odd, in pixels. Default 3. */
      kernel?: number;
      /** In pixels. Default 2. */
      stride?: number;
      /** After every hidden layer. Default relu. */
      activation?: Activation;
      /** Normalization before every activation, of batches (Ioffe and Szegedy 2015) or layers (Ba et al. 2016). Default none. */
      norm?: 'none' | 'batch' | 'layer';
      /** Probability with which a value is zeroed after an activation while training (Srivastava et al. 2014). Default 0. */
      dropout?: number;
    };

/** A network with all its settings. */
export type NetworkSpec = Whole<NetworkSpecInput>;

const common = {
  activation: oneOf('relu', 'identity', 'tanh', 'sigmoid', 'elu', 'softplus', 'leaky-relu', 'gelu', 'silu'),
  norm: oneOf('none', 'batch', 'layer'),
  dropout: number(0, 0, 0.99),
} as const;

const images = {
  channels: widths([32, 64], 1),
  kernel: oddInteger(3, 31),
  stride: integer(2, 1, 16),
  ...common,
} as const;

const NETWORKS: FieldsOf<NetworkSpec> = {
  mlp: { hidden: widths([400]), ...common },
  conv: images,
  residual: images,
};

/** A decoder that is not given is its encoder mirrored, and one of the same type takes from it what it leaves out. */
export function completeNetwork(name: string, input: unknown, encoder?: NetworkSpec): NetworkSpec {
  if (typeof input !== 'string' && (typeof input !== 'object' || input === null || Array.isArray(input))) {
    throw new TorchvaeError('ERR_TYPE', expected('an object', name, input));
  }
  const given: Record<string, unknown> = typeof input === 'string' ? { type: input } : { ...input };
  const types = Object.keys(NETWORKS) as NetworkSpec['type'][];
  const type = checkOneOf(`${name}.type`, given.type ?? encoder?.type ?? 'mlp', types);
  const shared = encoder?.type === type ? mirrored(encoder) : encoder && pick(encoder);
  return completePart<NetworkSpec>(name, { ...shared, ...defined(given), type }, NETWORKS);
}

function mirrored(encoder: NetworkSpec): Record<string, unknown> {
  return encoder.type === 'mlp'
    ? { ...encoder, hidden: encoder.hidden.toReversed() }
    : { ...encoder, channels: encoder.channels.toReversed() };
}

/** What networks of different types have in common. */
function pick({ activation, norm, dropout }: NetworkSpec): Record<string, unknown> {
  return { activation, norm, dropout };
}

function oddInteger(standard: number, high: number) {
  const read = integer(standard, 1, high);
  return (name: string, value: unknown): number => {
    const n = read(name, value);
    if (n % 2 === 0) throw new TorchvaeError('ERR_RANGE', expected('an odd integer', name, n));
    return n;
  };
}
