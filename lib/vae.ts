import { types } from 'node:util';
import { checkInteger, checkOneOf, checkOptions, checkPath, defined, expected } from './check.ts';
import { Dataset } from './data/dataset.ts';
import type { DataSchema } from './data/schema.ts';
import type { StreamedDataset } from './data/streamed-dataset.ts';
import { TorchvaeError } from './errors.ts';
import { type LatentHealth, surveyLatents } from './evaluation/collapse.ts';
import { type EvaluateOptions, type Evaluation, evaluateModel } from './evaluation/evaluate.ts';
import { LatentMixture, type MixtureOptions } from './evaluation/latent-mixture.ts';
import {
  type AnomalyThreshold,
  completeScoring,
  SCORE_OPTIONS,
  type ScoreOptions,
  type Scoring,
  type ThresholdOptions,
  thresholdOf,
} from './model/anomaly.ts';
import { readCheckpoint, writeCheckpoint } from './model/checkpoint.ts';
import { Core, type KernelChoice } from './model/core.ts';
import {
  checkCodes,
  checkData,
  checkDataset,
  checkExamples,
  checkLabels,
  checkTensorShape,
  type Examples,
  isTensor,
  type Tensor,
} from './model/input.ts';
import type { Losses } from './model/losses.ts';
import { checkFinite, checkOutputSize } from './model/output.ts';
import { AVERAGE, checkWeights, isParameter, parameterValues, tensorsFor } from './model/parameters.ts';
import { PRECISIONS, type Precision } from './model/precision.ts';
import { type PresetName, preset } from './model/presets.ts';
import { completeSpec, type ModelSpec, type ModelSpecInput, nativeSpec } from './model/spec.ts';
import { callAddon } from './runtime/addon.ts';
import { Device, type DeviceName } from './runtime/device.ts';
import { type EpochResult, type FitOptions, fit } from './training/fit.ts';
import { weightsAt } from './training/schedule.ts';
import { evaluate } from './training/validation.ts';

/** How to make a {@link VAE}: from a preset, from a spec, or from a preset with parts of its spec replaced. */
export interface CreateOptions {
  /** A built-in model, such as `mlp-400`. */
  preset?: PresetName;
  /** The model's description; its fields take precedence over the preset's. */
  spec?: ModelSpecInput;
  /** Default `auto`. */
  device?: DeviceName;
  /** Fixes the weights, the noise and the order of the data. Default 0. */
  seed?: number;
  /** Default `float32`. */
  precision?: Precision;
  /**
   * `reference` computes with libtorch's own operations and derivatives where `auto` (default) has fused ones: slower, and
   * what those can be compared with.
   */
  kernels?: 'auto' | 'reference';
  /** Folder of libtorch; found by itself if not given. Only the first call of a process can choose. */
  libtorch?: string;
}

/** Moments of the posterior: each [examples, size of z]. */
export interface Encoding {
  mean: Tensor;
  /** Minus infinity where the posterior is a point. */
  logVariance: Tensor;
}

/** Labels for a model that is conditioned on them, one for each example; those of a Dataset need not be given again. */
export interface Labeled {
  labels?: Int32Array | readonly number[];
}

/**
 * A variational autoencoder on its device.
 *
 * @example
 * const vae = await VAE.create({ preset: 'mlp-400', seed: 1 });
 * for await (const { epoch, train } of vae.fit(await mnist(), { epochs: 10 })) console.log(epoch, train.elbo);
 * await vae.save('vae.safetensors');
 */
export class VAE {
  readonly #core: Core;

  private constructor(core: Core) {
    this.#core = core;
  }

  /**
   * A new model with weights drawn from `seed`, as `torch.nn.Linear` draws them.
   *
   * @throws TorchvaeError ERR_TYPE, ERR_RANGE for options, ERR_SPEC for a model that cannot be built, ERR_DEVICE also for a
   * precision that the device does not have, ERR_LIBTORCH, ERR_ADDON, ERR_OUT_OF_MEMORY
   */
  static async create(options: CreateOptions = {}): Promise<VAE> {
    const {
      preset: name,
      spec: replaced = {},
      device = 'auto',
      seed = 0,
      precision = 'float32',
      kernels = 'auto',
      libtorch,
    } = checkOptions('options of VAE.create', options, [
      'preset',
      'spec',
      'device',
      'seed',
      'precision',
      'kernels',
      'libtorch',
    ]);
    const base = name === undefined ? {} : preset(name).spec;
    const spec = completeSpec({ ...base, ...defined(checkSpecObject(replaced)) });
    checkInteger('seed', seed, 0);
    checkOneOf('precision', precision, PRECISIONS);
    const reference = checkOneOf('kernels', kernels, ['auto', 'reference']) === 'reference';
    return new VAE(await Core.create(spec, Device.open(device, libtorch), seed, precision, reference));
  }

  /**
   * The model that {@link save} wrote, ready to go on where it was: weights, optimizer, step, noise and data order.
   *
   * @throws TorchvaeError ERR_TYPE, ERR_IO, ERR_CHECKPOINT, and what {@link create} throws
   */
  static async load(path: string, options: Pick<CreateOptions, 'device' | 'libtorch'> = {}): Promise<VAE> {
    const known = ['device', 'libtorch'];
    const { device = 'auto', libtorch } = checkOptions('options of VAE.load', options, known);
    const checkpoint = await readCheckpoint(checkPath('path', path));
    const { spec, seed, precision, position } = checkpoint;
    const opened = Device.open(device, libtorch);
    // Before a model is made: a spec that says more than the file holds must not allocate it.
    checkWeights(
      path,
      callAddon(() => opened.addon.plan(nativeSpec(spec))),
      checkpoint.tensors,
    );
    const core = await Core.create(spec, opened, seed, precision);
    try {
      const named = core.call((addon, handle) => addon.stateTensors(handle));
      const state = { step: position.step, tensors: tensorsFor(named, checkpoint.tensors, path) };
      await core.call((addon, handle) => addon.writeState(handle, state));
    } catch (error) {
      core.dispose();
      throw error;
    }
    core.position = position;
    core.schema = checkpoint.schema;
    core.threshold = checkpoint.threshold;
    return new VAE(core);
  }

  /** The model's whole description. */
  get spec(): ModelSpec {
    return this.#core.spec;
  }

  /** `cpu`, or `cuda:0` and so on. */
  get device(): string {
    return this.#core.device.name;
  }

  /** Whether training steps are computed by fused kernels, and if not, why. */
  get kernels(): KernelChoice {
    return this.#core.kernels;
  }

  /** Of torchvae and of the libtorch it runs on. */
  get versions(): { torchvae: string; libtorch: string } {
    return this.#core.device.versions;
  }

  /**
   * How the data that it was last trained on were made of rows of a table or lines of text, or undefined: `schema.decode` turns
   * what the model gives into rows again, and `loadDataset(path, { schema })` reads other data as those. Kept by {@link save}.
   */
  get schema(): DataSchema | undefined {
    return this.#core.schema;
  }

  /** Epochs trained. */
  get epoch(): number {
    return this.#core.position.epoch;
  }

  /** Optimizer steps taken. */
  get step(): number {
    return this.#core.position.step;
  }

  /** Trained weights. */
  get parameterCount(): number {
    return this.#core.parameterCount;
  }

  /**
   * Trains on `train` and yields after every epoch. Stopping the iteration stops training; calling fit() again goes on.
   *
   * @throws TorchvaeError ERR_SHAPE or ERR_RANGE for data that does not fit the model, ERR_ABORTED when `signal` fires,
   * ERR_NONFINITE when the loss is NaN or infinite (the weights are then those before that step), ERR_STATE
   */
  fit(
    train: Dataset | StreamedDataset,
    options: FitOptions = {},
  ): AsyncGenerator<EpochResult, void, undefined> {
    return fit(this.#core, train, options);
  }

  /**
   * Mean and log-variance of q(z|x). For the flow `iaf`, which has no moments in closed form, the mean of the normal that it
   * starts from, carried through it, and that normal's variance.
   *
   * @param x [n, ...inputShape]
   * @returns each [n, size of z]
   * @throws TorchvaeError ERR_TYPE, ERR_SHAPE, ERR_RANGE for x, ERR_STATE after dispose()
   */
  async encode(x: Examples, options: Labeled = {}): Promise<Encoding> {
    const given = checkOptions('options of encode', options, ['labels']);
    const { values, labels, rows } = this.#examples(x, given);
    const { mean, logVariance } = await this.#core.call((addon, handle) =>
      addon.encode(handle, values, labels),
    );
    checkFinite('mean of q(z|x)', mean);
    checkFinite('logVariance of q(z|x)', logVariance, -Infinity);
    const shape = [rows, this.#core.codeSize];
    return { mean: { data: mean, shape }, logVariance: { data: logVariance, shape: [...shape] } };
  }

  /**
   * The mean of p(x|z), its mode, or a draw from it.
   *
   * @param z [n, size of z]
   * @param options.kind default `mean`; for the Bernoulli likelihood that is the probabilities
   * @param options.seed of the draws; default 0
   * @returns [n, ...inputShape]
   * @throws TorchvaeError ERR_TYPE, ERR_SHAPE, ERR_RANGE for z, ERR_STATE after dispose()
   */
  async decode(
    z: Float32Array | Tensor,
    options: Labeled & { kind?: 'mean' | 'mode' | 'sample'; seed?: number } = {},
  ): Promise<Tensor> {
    const known = ['labels', 'kind', 'seed'];
    const { labels: given, kind = 'mean', seed = 0 } = checkOptions('options of decode', options, known);
    const values = checkCodes('z', isTensor(z) ? z.data : z, this.spec);
    const rows = values.length / this.#core.codeSize;
    if (isTensor(z)) checkTensorShape('z', z, [rows, this.#core.codeSize]);
    checkOutputSize('z', rows, this.#core.dimensions);
    checkOneOf('kind', kind, ['mean', 'mode', 'sample']);
    checkInteger('seed', seed, 0);
    const labels = this.spec.condition?.decoder ? checkLabels('z', given, this.spec, rows) : undefined;
    const data = await this.#core.call((addon, handle) => addon.decode(handle, values, kind, seed, labels));
    checkFinite(`${kind} of p(x|z)`, data);
    return { data, shape: [rows, ...this.spec.inputShape] };
  }

  /** decode(mean of q(z|x)): [n, ...inputShape]. Throws as {@link encode} does. */
  async reconstruct(x: Examples, options: Labeled = {}): Promise<Tensor> {
    const given = checkOptions('options of reconstruct', options, ['labels']);
    const { labels } = this.#examples(x, given);
    return this.decode((await this.encode(x, given)).mean, labels && { labels });
  }

  /**
   * `count` draws of z from the prior, decoded to the mean of p(x|z): [count, ...inputShape].
   *
   * @param options.seed the same seed gives the same draws; default 0
   * @param options.labels of what is to be drawn, for a model whose prior or decoder is conditioned
   * @throws TorchvaeError ERR_TYPE, ERR_SHAPE, ERR_RANGE, ERR_STATE after dispose()
   */
  async sample(count: number, options: Labeled & { seed?: number } = {}): Promise<Tensor> {
    checkInteger('count', count, 1);
    checkOutputSize('count', count, this.#core.dimensions);
    const { seed = 0, labels: given } = checkOptions('options of sample', options, ['seed', 'labels']);
    checkInteger('seed', seed, 0);
    const { condition } = this.spec;
    const isLabeled = condition?.decoder || condition?.prior;
    const labels = isLabeled ? checkLabels('what is to be drawn', given, this.spec, count) : undefined;
    const z = await this.#core.call((addon, handle) => addon.samplePrior(handle, count, seed, labels));
    return this.decode(z, labels && { labels });
  }

  /**
   * -log p(x) for each example, [n], by importance weighting: -log of the mean over `samples` draws of z from q(z|x) of
   * p(x, z) / q(z|x) (Burda et al. 2016, eq. 8). An upper bound in expectation, closer the more draws there are.
   *
   * @param options.samples draws for each example; default 5000
   * @param options.seed of the draws; default 0
   * @throws TorchvaeError ERR_STATE for a posterior without a density, and what {@link losses} throws
   */
  async negativeLogLikelihood(
    x: Examples,
    options: Labeled & { samples?: number; seed?: number } = {},
  ): Promise<Float32Array> {
    const known = ['labels', 'samples', 'seed'];
    const given = checkOptions('options of negativeLogLikelihood', options, known);
    const { values, labels, seed } = this.#examples(x, given);
    const { samples = 5000 } = given;
    checkInteger('samples', samples, 1, 1 << 24);
    const result = await this.#core.call((addon, handle) =>
      addon.importance(handle, values, samples, seed, labels),
    );
    checkFinite('the likelihood', result);
    return result;
  }

  /**
   * KL(q(z|x) || p(z)) for each example and dimension of z, [n, dimensions], in nats; for a prior or posterior without a
   * closed form, from one draw and for all dimensions together, [n, 1].
   *
   * @param options.seed of that draw; default 0
   * @throws TorchvaeError what {@link losses} throws
   */
  async divergences(x: Examples, options: Labeled & { seed?: number } = {}): Promise<Tensor> {
    const given = checkOptions('options of divergences', options, ['labels', 'seed']);
    const { values, labels, rows, seed } = this.#examples(x, given);
    const result = await this.#core.call((addon, handle) => addon.divergences(handle, values, seed, labels));
    checkFinite('the divergence', result.values);
    return { data: result.values, shape: [rows, result.groups] };
  }

  /**
   * How much of z the model uses over a data set: active units, KL divergence of each dimension, mutual information. Time
   * and memory grow with the square of the examples; a thousand or two will do.
   *
   * @param options.seed of the codes that are drawn; default 0
   * @throws TorchvaeError what {@link elbo} throws
   */
  async latentHealth(data: Dataset, options: { seed?: number } = {}): Promise<LatentHealth> {
    checkDataset('data', data, this.spec);
    const { seed = 0 } = checkOptions('options of latentHealth', options, ['seed']);
    return surveyLatents(this.#core, data, checkInteger('seed', seed, 0));
  }

  /**
   * Fits a mixture of normals to the codes of `data` (means of q(z|x)); `decode(mixture.sample(n))` then draws examples.
   *
   * @throws TorchvaeError ERR_SHAPE for fewer examples than components, ERR_TYPE, ERR_RANGE for options, and what {@link encode}
   * throws
   */
  async fitMixture(data: Examples, options: Labeled & MixtureOptions = {}): Promise<LatentMixture> {
    const known = ['labels', 'components', 'iterations', 'seed'];
    const given = checkOptions('options of fitMixture', options, known);
    const { components = 10, iterations = 100, seed = 0 } = given;
    checkInteger('components', components, 1, 1 << 12);
    checkInteger('iterations', iterations, 1);
    checkInteger('seed', seed, 0);
    const { mean } = await this.encode(data, given.labels && { labels: given.labels });
    const { device } = this.#core;
    const fitted = await this.#core.call((addon) =>
      addon.fitMixture(device.handle, mean.data, this.#core.codeSize, components, iterations, seed),
    );
    return new LatentMixture(fitted);
  }

  /** What the addon takes for `x`, with the labels that the model needs; the options were read already. */
  #examples(x: Examples, { labels, seed = 0 }: Labeled & { seed?: number }) {
    checkInteger('seed', seed, 0);
    const values = checkExamples('x', x, this.spec, seed);
    const rows = values.length / this.#core.dimensions;
    const known = labels ?? (x instanceof Dataset ? x.labels : undefined);
    return { values, rows, seed, labels: checkLabels('x', known, this.spec, rows) };
  }

  /**
   * Means over a data set, with one draw of z an example.
   *
   * @param data a stream draws z for each of its windows from a seed of its own: with several windows the numbers differ from those
   * of the same data in memory as those of two seeds do
   * @param options.seed of those draws; default 0
   * @throws TorchvaeError ERR_TYPE, ERR_SHAPE, ERR_RANGE for the data, ERR_STATE after dispose()
   */
  async elbo(data: Dataset | StreamedDataset, options: { seed?: number } = {}): Promise<Losses> {
    checkData('data', data, this.spec);
    const { seed = 0 } = checkOptions('options of elbo', options, ['seed']);
    return evaluate(this.#core, data, checkInteger('seed', seed, 0));
  }

  /**
   * How good the model is on a data set: losses, likelihood, reconstructions, use of z, quality of samples, and, as far as the
   * data have factors or labels, disentanglement and detection of anomalies. What is estimated says how.
   *
   * @throws TorchvaeError ERR_STATE for a likelihood that the posterior has no density for, or labels that the data lack, and
   * what {@link elbo} throws
   */
  async evaluate(data: Dataset, options: EvaluateOptions = {}): Promise<Evaluation> {
    checkDataset('data', data, this.spec);
    return evaluateModel(this, data, options);
  }

  /**
   * How strange each example is, [n], in nats: higher is stranger. See {@link fitThreshold}.
   *
   * @throws TorchvaeError what {@link losses} throws, ERR_STATE for `likelihood` and a posterior without a density
   */
  async score(x: Examples, options: Labeled & ScoreOptions = {}): Promise<Float32Array> {
    const given = checkOptions('options of score', options, [...SCORE_OPTIONS, 'labels']);
    return this.#score(x, completeScoring(given), given.labels);
  }

  /**
   * Learns from normal examples, best ones that it was not trained on, from what score on others are anomalies. The threshold
   * is kept by {@link save}, until the weights change.
   *
   * @throws TorchvaeError ERR_SHAPE for too few examples to keep to the rate, ERR_TYPE unless just one of `falseAlarmRate` and
   * `quantile` is given, and what {@link score} throws
   */
  async fitThreshold(x: Examples, options: Labeled & ThresholdOptions): Promise<AnomalyThreshold> {
    const known = [...SCORE_OPTIONS, 'labels', 'falseAlarmRate', 'quantile'];
    const { labels, falseAlarmRate, quantile, ...rest } = checkOptions(
      'options of fitThreshold',
      options,
      known,
    );
    const scoring = completeScoring(rest);
    const scores = await this.#score(x, scoring, labels);
    const wanted = {
      ...(falseAlarmRate !== undefined && { falseAlarmRate }),
      ...(quantile !== undefined && { quantile }),
    };
    this.#core.threshold = thresholdOf(scores, scoring, wanted);
    return this.#core.threshold;
  }

  /** What {@link fitThreshold} learned, or undefined. */
  get threshold(): AnomalyThreshold | undefined {
    return this.#core.threshold;
  }

  /**
   * The scores of examples, [n] in nats, taken as those of {@link fitThreshold} were, and whether each lies above the threshold, [n].
   *
   * @throws TorchvaeError ERR_STATE where no threshold was learned, and what {@link score} throws
   */
  async detect(x: Examples, options: Labeled = {}): Promise<{ scores: Float32Array; anomalous: boolean[] }> {
    const { labels } = checkOptions('options of detect', options, ['labels']);
    const { threshold } = this.#core;
    if (!threshold) {
      throw new TorchvaeError(
        'ERR_STATE',
        'This VAE has no threshold for anomalies; learn one: await vae.fitThreshold(normal, { falseAlarmRate: 0.01 })',
      );
    }
    const scores = await this.#score(x, threshold, labels);
    return { scores, anomalous: Array.from(scores, (score) => score > threshold.value) };
  }

  async #score(x: Examples, scoring: Scoring, given: Labeled['labels']): Promise<Float32Array> {
    const { measure, draws, seed } = scoring;
    const labels = given && { labels: given };
    if (measure === 'likelihood') return this.negativeLogLikelihood(x, { samples: draws, seed, ...labels });
    const total = new Float64Array(this.#examples(x, labels ?? {}).rows);
    for (let draw = 0; draw < draws; draw++) {
      const { reconstruction, kl } = await this.losses(x, { seed: seed + draw, ...labels });
      for (let i = 0; i < total.length; i++) {
        total[i]! += reconstruction[i]! + (measure === 'elbo' ? kl[i]! : 0);
      }
    }
    return Float32Array.from(total, (sum) => sum / draws);
  }

  /**
   * The terms of the loss for each example: -log p(x|z) and KL(q(z|x) || p(z)) in nats, each [n].
   *
   * @param options.noise [n, latentSize]: z = mean + exp(logVariance / 2) noise; drawn from `seed` (default 0) if not given
   * @throws TorchvaeError ERR_TYPE, ERR_SHAPE, ERR_RANGE, ERR_STATE after dispose()
   */
  async losses(
    x: Examples,
    options: Labeled & { noise?: Float32Array; seed?: number } = {},
  ): Promise<{ reconstruction: Float32Array; kl: Float32Array }> {
    const { values, noise, labels } = this.#lossInput('losses', x, options);
    const terms = await this.#core.call((addon, handle) => addon.losses(handle, values, noise, labels));
    checkFinite('reconstruction', terms.reconstruction);
    checkFinite('kl', terms.kl);
    return terms;
  }

  /**
   * The gradients of one batch's mean loss, by parameter name, as a study of the model or a test of its derivatives needs
   * them; training does not pass through here. The batch is taken as training takes it, at the end of all schedules: with
   * the full beta, the capacity `to`, the final temperature. The model stays as it is.
   *
   * @param x [n, ...inputShape], one batch
   * @param options as for {@link losses}
   * @returns the mean losses, where `loss` is what the objective minimizes and `terms` has its further terms, and for each
   * parameter a gradient of its shape
   */
  async gradients(
    x: Examples,
    options: Labeled & { noise?: Float32Array; seed?: number } = {},
  ): Promise<{
    loss: number;
    reconstruction: number;
    kl: number;
    terms: Record<string, number>;
    gradients: Map<string, Tensor>;
  }> {
    const { values, noise, labels } = this.#lossInput('gradients', x, options);
    const schedule = Float64Array.from([0, ...weightsAt(this.spec, Infinity)]);
    const result = await this.#core.call((addon, handle) =>
      addon.gradients(handle, values, noise, schedule, labels),
    );
    const named = this.#core.call((addon, handle) => addon.stateTensors(handle));
    result.gradients.forEach((gradient, i) => {
      checkFinite(`gradient of ${named[i]!.name}`, gradient);
    });
    const { termNames } = this.#core;
    return {
      loss: result.loss / result.examples,
      reconstruction: result.reconstruction / result.examples,
      kl: result.kl / result.examples,
      terms: Object.fromEntries(termNames.map((name, i) => [name, result.terms[i]! / result.examples])),
      gradients: new Map(
        result.gradients.map((data, i) => [named[i]!.name, { data, shape: named[i]!.shape }] as const),
      ),
    };
  }

  #lossInput(method: string, x: Examples, options: Labeled & { noise?: Float32Array; seed?: number }) {
    const given = checkOptions(`options of ${method}`, options, ['noise', 'seed', 'labels']);
    const { values, labels, rows, seed } = this.#examples(x, given);
    if (given.noise === undefined) return { values, noise: seed, labels };
    const noise = checkCodes('noise', given.noise, this.spec);
    const wanted = rows * this.#core.codeSize;
    if (noise.length !== wanted) {
      throw new TorchvaeError(
        'ERR_SHAPE',
        expected(`${wanted} values, latentSize for each example,`, 'noise', noise),
      );
    }
    return { values, noise, labels };
  }

  /**
   * The weights by name, copied; linear weights are [out, in], as in PyTorch.
   *
   * @throws TorchvaeError ERR_STATE after dispose()
   */
  async parameters(): Promise<Map<string, Tensor>> {
    const { tensors } = await this.#state();
    return new Map([...tensors].filter(([name]) => isParameter({ name })));
  }

  /**
   * The moving average of the weights that `averageWeights` of {@link fit} keeps, by the names of {@link parameters}. To
   * use it: `await vae.setParameters(await vae.averagedParameters())`.
   *
   * @throws TorchvaeError ERR_STATE where none is kept
   */
  async averagedParameters(): Promise<Map<string, Tensor>> {
    const { tensors } = await this.#state();
    const found = [...tensors].filter(([name]) => name.startsWith(AVERAGE));
    if (found.length > 0) return new Map(found.map(([name, tensor]) => [name.slice(AVERAGE.length), tensor]));
    throw new TorchvaeError(
      'ERR_STATE',
      'This VAE keeps no average of its weights; train it with averageWeights, such as fit(data, { averageWeights: 0.999 })',
    );
  }

  /**
   * Replaces weights by name; the optimizer's state and the step count stay.
   *
   * @throws TorchvaeError ERR_TYPE, ERR_SHAPE for a name that the model does not have or a size that does not fit,
   * ERR_RANGE for values that are not finite
   */
  async setParameters(values: ReadonlyMap<string, Float32Array | Tensor>): Promise<void> {
    if (!types.isMap(values)) {
      throw new TorchvaeError('ERR_TYPE', expected('a Map from names to values', 'values', values));
    }
    const named = this.#core.call((addon, handle) => addon.stateTensors(handle));
    const known = new Map(named.filter(isParameter).map(({ name, shape }) => [name, shape]));
    const tensors: Record<string, Float32Array> = Object.create(null);
    for (const [name, value] of values) tensors[name] = parameterValues(name, value, known);
    await this.#core.exclusive(async () => {
      const { step } = this.#core.position;
      await this.#core.call((addon, handle) => addon.writeState(handle, { step, tensors }));
      this.#core.threshold = undefined;
    });
  }

  /**
   * Writes the model and all that training needs to go on with the same bits, as safetensors. May be called while fit()
   * runs: what is written is the state between two steps.
   *
   * @throws TorchvaeError ERR_TYPE, ERR_IO, ERR_STATE after dispose()
   */
  async save(path: string): Promise<void> {
    checkPath('path', path);
    const { tensors, position } = await this.#state();
    const { spec, seed, precision, schema, threshold } = this.#core;
    await writeCheckpoint(path, { spec, seed, precision, position, schema, threshold, tensors });
  }

  /** All tensors and the position that goes with them. */
  #state() {
    return this.#core.exclusive(async () => {
      const named = this.#core.call((addon, handle) => addon.stateTensors(handle));
      const { tensors } = await this.#core.call((addon, handle) => addon.readState(handle));
      const position = structuredClone(this.#core.position);
      return {
        position,
        tensors: new Map(named.map(({ name, shape }, i) => [name, { shape, data: tensors[i]! }] as const)),
      };
    });
  }

  /** Frees the model's memory on the device; later calls throw ERR_STATE. A fit() under way ends with ERR_ABORTED. */
  dispose(): void {
    this.#core.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

function checkSpecObject(spec: ModelSpecInput): ModelSpecInput {
  if (typeof spec === 'object' && spec !== null && !Array.isArray(spec)) return spec;
  throw new TorchvaeError('ERR_SPEC', expected('an object', 'spec', spec));
}
