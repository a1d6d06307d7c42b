import { checkBoolean, checkInteger, checkNumber, checkOneOf, checkOptions, expected } from '../check.ts';
import { TorchvaeError } from '../errors.ts';
import type { Core } from '../model/core.ts';
import type { NativeOptimizer } from '../runtime/native.ts';

/** The optimizers; each computes as its namesake in `torch.optim` does. */
export type OptimizerType = NativeOptimizer['type'];

/**
 * An optimizer and its settings, which have PyTorch's defaults. `weightDecay` adds weightDecay * weight to the
 * gradient; `adamw` shrinks the weights beside its step instead.
 */
export type Optimizer =
  /** Stochastic gradient descent. Defaults: momentum 0, nesterov false, weightDecay 0; learning rate 1e-3. */
  | { type: 'sgd'; momentum?: number; nesterov?: boolean; weightDecay?: number }
  /**
   * Adam (Kingma and Ba 2015), AdamW (Loshchilov and Hutter 2019), Adamax (Kingma and Ba 2015). Defaults: beta1 0.9, beta2
   * 0.999, epsilon 1e-8, weightDecay 0 (adamw 0.01); learning rate 1e-3 (adamax 2e-3).
   */
  | {
      type: 'adam' | 'adamw' | 'adamax';
      beta1?: number;
      beta2?: number;
      epsilon?: number;
      weightDecay?: number;
    }
  /** RMSprop (Hinton 2012). Defaults: alpha 0.99, epsilon 1e-8, momentum 0, weightDecay 0; learning rate 1e-2. */
  | { type: 'rmsprop'; alpha?: number; epsilon?: number; momentum?: number; weightDecay?: number }
  /** AdaGrad (Duchi et al. 2011). Defaults: epsilon 1e-10, weightDecay 0; learning rate 1e-2. */
  | { type: 'adagrad'; epsilon?: number; weightDecay?: number };

/** How gradients become changes of the weights. */
export interface OptimizerOptions {
  /** Default Adam. A model goes on with the optimizer that it began with. */
  optimizer?: Optimizer;
  /** The optimizer's step size. Default the preset's where no optimizer is given, else PyTorch's for that optimizer: 1e-3 for Adam. */
  learningRate?: number;
  /**
   * `norm`: the Euclidean norm that the whole gradient is scaled down to where it is longer, as by
   * `torch.nn.utils.clip_grad_norm_`; then `value`: the magnitude that each of its values is cut to. Default: no limits.
   */
  clip?: { norm?: number; value?: number };
  /**
   * Penalties of the loss, in nats: l1 * sum |weight| + l2 / 2 * sum weight^2 over all weights and biases. Their gradients
   * are added after clipping; the losses that are reported leave them out. Default: none.
   */
  penalty?: { l1?: number; l2?: number };
  /**
   * Batches whose gradients are averaged for one update: batchSize * accumulate examples per optimizer step, in the
   * memory of batchSize. The last update of an epoch averages what is left. Default 1.
   */
  accumulate?: number;
  /**
   * Keeps an exponential moving average of the weights beside them (Polyak and Juditsky 1992), with this decay per step,
   * such as 0.999: `VAE.averagedParameters` reads it. Default: none is kept.
   */
  averageWeights?: number;
  /**
   * The reaction to a loss or gradient that is NaN or infinite: `stop` ends training with ERR_NONFINITE, with the weights before
   * that step; `skip` leaves that update out and goes on. Default `stop`.
   */
  onNonFinite?: 'stop' | 'skip';
}

/** The keys of {@link OptimizerOptions}. */
export const OPTIMIZER_OPTIONS = [
  'optimizer',
  'learningRate',
  'clip',
  'penalty',
  'accumulate',
  'averageWeights',
  'onNonFinite',
] as const;

/** Settings that PyTorch gives each optimizer; `keys` are what a caller may set. */
const KINDS = {
  sgd: { learningRate: 1e-3, keys: ['momentum', 'nesterov'] },
  adam: { learningRate: 1e-3, keys: ['beta1', 'beta2', 'epsilon'] },
  adamw: { learningRate: 1e-3, keys: ['beta1', 'beta2', 'epsilon'] },
  adamax: { learningRate: 2e-3, keys: ['beta1', 'beta2', 'epsilon'] },
  rmsprop: { learningRate: 1e-2, keys: ['alpha', 'epsilon', 'momentum'] },
  adagrad: { learningRate: 1e-2, keys: ['epsilon'] },
} as const;

const TYPES = Object.keys(KINDS) as OptimizerType[];

/** Checked settings, as the engine takes them. */
export interface OptimizerSettings {
  learningRate: number;
  native: NativeOptimizer;
}

/**
 * @param presetRate a learning rate for Adam, which another optimizer does not take
 * @throws TorchvaeError ERR_TYPE, ERR_RANGE naming the setting
 */
export function checkOptimizer(options: OptimizerOptions, presetRate?: number): OptimizerSettings {
  const { accumulate = 1, averageWeights = 0, onNonFinite = 'stop' } = options;
  const rule = checkRule(options);
  const clip = checkGroup('clip', options.clip, ['norm', 'value']);
  const { l1 = 0, l2 = 0 } = checkGroup('penalty', options.penalty, ['l1', 'l2']);
  const penalty = checkNumber('penalty.l2', l2, 0, 1e6);
  if (penalty > 0 && rule.type === 'adamw') {
    throw new TorchvaeError(
      'ERR_RANGE',
      'penalty.l2 has no place beside the optimizer adamw, which decays the weights by its weightDecay; set that, or ' +
        "use type 'adam'",
    );
  }
  const usual = KINDS[rule.type].learningRate;
  const standard = options.optimizer === undefined ? (presetRate ?? usual) : usual;
  return {
    learningRate: checkNumber('learningRate', options.learningRate ?? standard, 0, 1e3),
    native: {
      ...rule,
      weightDecay: rule.weightDecay + penalty,
      l1: checkNumber('penalty.l1', l1, 0, 1e6),
      clipNorm: checkLimit('clip.norm', clip.norm),
      clipValue: checkLimit('clip.value', clip.value),
      accumulate: checkInteger('accumulate', accumulate, 1, 1 << 20),
      averageDecay: checkNumber('averageWeights', averageWeights, 0, 1 - 1e-12),
      skipNonFinite: checkOneOf('onNonFinite', onNonFinite, ['stop', 'skip']) === 'skip',
    },
  };
}

type Rule = Pick<
  NativeOptimizer,
  'type' | 'beta1' | 'beta2' | 'epsilon' | 'momentum' | 'nesterov' | 'weightDecay'
>;

function checkRule({ optimizer = { type: 'adam' } }: OptimizerOptions): Rule {
  if (typeof optimizer !== 'object' || optimizer === null) {
    throw new TorchvaeError('ERR_TYPE', expected('an object', 'options.optimizer of fit', optimizer));
  }
  const type = checkOneOf('optimizer.type', optimizer.type, TYPES);
  const known = ['type', ...KINDS[type].keys, 'weightDecay'];
  return checkSettings({ ...checkOptions('options.optimizer of fit', optimizer, known), type });
}

/** All settings that some optimizer has. */
interface Given {
  type: OptimizerType;
  beta1?: number;
  beta2?: number;
  alpha?: number;
  epsilon?: number;
  momentum?: number;
  nesterov?: boolean;
  weightDecay?: number;
}

function checkSettings(given: Given): Rule {
  const { type, beta1 = 0.9, momentum = 0, nesterov = false } = given;
  const { weightDecay = type === 'adamw' ? 0.01 : 0, epsilon = type === 'adagrad' ? 1e-10 : 1e-8 } = given;
  // RMSprop's alpha is what the engine calls beta2.
  const [second, beta2] =
    type === 'rmsprop' ? ['alpha', given.alpha ?? 0.99] : ['beta2', given.beta2 ?? 0.999];
  checkBoolean(`optimizer.nesterov`, nesterov);
  checkNumber(`optimizer.momentum`, momentum, 0, 1 - 1e-12);
  if (nesterov && momentum === 0) {
    throw new TorchvaeError(
      'ERR_RANGE',
      expected('a momentum above 0, as nesterov needs,', `optimizer.momentum`, momentum),
    );
  }
  return {
    type,
    beta1: checkNumber(`optimizer.beta1`, beta1, 0, 1 - 1e-12),
    beta2: checkNumber(`optimizer.${second}`, beta2, 0, 1 - 1e-12),
    epsilon: checkNumber(`optimizer.epsilon`, epsilon, 0, 1),
    momentum,
    nesterov,
    weightDecay: checkNumber(`optimizer.weightDecay`, weightDecay, 0, 1e6),
  };
}

function checkGroup<T extends object>(name: string, value: T | undefined, known: readonly string[]): T {
  return value === undefined ? ({} as T) : checkOptions(`options.${name} of fit`, value, known);
}

/** A limit that is left out is 0 for the engine, which means no limit. */
function checkLimit(name: string, value: number | undefined): number {
  return value === undefined ? 0 : checkNumber(name, value, 1e-12, 1e12);
}

/**
 * A model's moments are of use only to the optimizer that made them.
 *
 * @throws TorchvaeError ERR_STATE
 */
export function checkSameOptimizer({ position }: Core, { native }: OptimizerSettings): void {
  const { optimizer: known = 'adam', step } = position;
  const moments = (type: OptimizerType) => (type === 'adamw' ? 'adam' : type);
  if (step === 0 || moments(known) === moments(native.type)) return;
  throw new TorchvaeError(
    'ERR_STATE',
    `Expected the optimizer ${known}, whose state this model holds after ${step} steps, for optimizer.type but received ` +
      `${native.type}; to change it, give the parameters to a new VAE with setParameters()`,
  );
}

/** The steps of the optimizer among `steps` batches of an epoch, the first of them number `first`. */
export function updatesIn(first: number, steps: number, stepsPerEpoch: number, accumulate: number): number {
  const before = (batches: number) =>
    batches === stepsPerEpoch ? Math.ceil(batches / accumulate) : Math.floor(batches / accumulate);
  return before(first + steps) - before(first);
}
