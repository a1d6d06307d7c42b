import { checkInteger, checkOneOf, checkOptions, checkPath, defined, expected } from './check.ts';
import type { CreateOptions, PopulationOptions } from './create-options.ts';
import { Dataset } from './data/dataset.ts';
import type { DataSchema } from './data/schema.ts';
import { StreamedDataset } from './data/streamed-dataset.ts';
import { TorchvaeError } from './errors.ts';
import { type LatentHealth, surveyLatents } from './evaluation/collapse.ts';
import { type EvaluateOptions, type Evaluation, evaluateModel } from './evaluation/evaluate.ts';
import { fitMixture, type LatentMixture, type MixtureOptions } from './evaluation/latent-mixture.ts';
import type { AnomalyThreshold, ScoreOptions, ThresholdOptions } from './model/anomaly.ts';
import { readCheckpoint, writeCheckpoint } from './model/checkpoint.ts';
import { inClassesOf, withKnownLabels } from './model/classes.ts';
import type { Codes, DecodeOptions, Encoding, Labeled } from './model/codes.ts';
import * as codes from './model/codes.ts';
import { Core, type KernelChoice } from './model/core.ts';
import type { LossesPerExample, NoiseOptions } from './model/densities.ts';
import * as densities from './model/densities.ts';
import { asDataset, checkDataset, type Examples, type Tensor } from './model/input.ts';
import type { Losses } from './model/losses.ts';
import { countedRows } from './model/odd-rows.ts';
import { checkWeights, tensorsFor } from './model/parameters.ts';
import { PRECISIONS } from './model/precision.ts';
import { preset } from './model/presets.ts';
import { checkSameSchema } from './model/same-schema.ts';
import type { Anomalies } from './model/scoring.ts';
import * as scoring from './model/scoring.ts';
import { checkSpecObject, completeSpec, type ModelSpec, nativeSpec } from './model/spec.ts';
import * as state from './model/state.ts';
import { lanesOf, sideBySideOf } from './population/at-a-time.ts';
import { createPopulation } from './population/create.ts';
import type { Population } from './population/population.ts';
import { callAddon } from './runtime/addon.ts';
import { Device } from './runtime/device.ts';
import { askFinite, countedMeans } from './training/counted-means.ts';
import { fit } from './training/fit.ts';
import type { FitOptions } from './training/fit-options.ts';
import { type Gradients, gradients } from './training/gradients.ts';
import { Training } from './training/training.ts';

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
    const { spec: base, training } = name === undefined ? { spec: {}, training: {} } : preset(name);
    const spec = completeSpec({ ...base, ...defined(checkSpecObject(replaced)) });
    checkInteger('seed', seed, 0);
    checkOneOf('precision', precision, PRECISIONS);
    const reference = checkOneOf('kernels', kernels, ['auto', 'reference']) === 'reference';
    const core = await Core.create(spec, Device.open(device, libtorch), seed, precision, reference);
    core.trainingSettings = training;
    return new VAE(core);
  }

  /**
   * Many models of one shape, which differ in their seeds or in numbers such as beta, the learning rate, sigma and free bits, to be
   * trained in one call over one data set. Each has the bits of the same model that is trained alone on the device.
   *
   * On the CPU as many perceptrons are trained at a time as there are threads, each by one of them. On a GPU, perceptrons so small that
   * one of its multiprocessors holds the model with a batch are trained side by side. Other models take turns with the whole device.
   *
   * @example
   * const population = await VAE.population({ preset: 'linear', variants: [1, 2, 4].map((beta) => ({ spec: { objective: { beta } } })) });
   * const results = await population.fit(await mnist(), { epochs: 5 });
   * @throws TorchvaeError ERR_TYPE, ERR_RANGE unless there are either seeds or variants; ERR_SPEC for a variant of another shape; and what
   * {@link create} throws
   */
  static async population(options: PopulationOptions): Promise<Population<VAE>> {
    return createPopulation(options, (member) => VAE.create(member));
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
    core.trainingSettings = checkpoint.trainingSettings;
    core.schema = checkpoint.schema;
    core.classes = checkpoint.classes;
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

  /**
   * How many models of this kind can be trained at a time on this device, each in a lane (`device: 'cpu/0'` and so on) to the same bits; 1
   * where one takes the whole device.
   */
  get lanes(): number {
    return lanesOf(this.#core);
  }

  /**
   * How many models of this kind a GPU is given at a time, since it trains small ones side by side; 1 where they take turns, and on the CPU.
   *
   * @internal
   */
  get sideBySide(): number {
    return sideBySideOf(this.#core);
  }

  /** Whether training steps are computed by fused kernels, and if not, why. */
  get kernels(): KernelChoice {
    return this.#core.kernels;
  }

  /** Versions of torchvae and of its libtorch. */
  get versions(): { torchvae: string; libtorch: string } {
    return this.#core.device.versions;
  }

  /**
   * How the rows or lines of the last training data became numbers; undefined for other data. `schema.decode` turns samples and
   * reconstructions into rows again, and `loadDataset(path, { schema })` reads other data the same way. {@link save} keeps it.
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

  /** Number of trained weights. */
  get parameterCount(): number {
    return this.#core.parameterCount;
  }

  /**
   * Trains on `train`. Iterated, it brings each epoch as it ends, and leaving the loop stops training; awaited, it trains to
   * the end and gives the last epoch. Calling fit() again goes on. Options that are not given are those of the preset that the
   * model was made from, else the defaults.
   *
   * @example
   * const { validation } = await vae.fit(data, { epochs: 10, validation: held });
   * for await (const { epoch, train } of vae.fit(data)) console.log(epoch, train.loss);
   * @throws TorchvaeError ERR_TYPE, ERR_RANGE for options, ERR_SHAPE or ERR_RANGE for data that does not fit the model; and while
   * it is iterated or awaited ERR_ABORTED when `signal` fires, ERR_NONFINITE when the loss is NaN or infinite (the weights are then
   * those before that step), ERR_DISTRIBUTED where the processes to train with do not come, are about something else, or are lost (in the
   * last case the model is disposed: others hold its state only as far as its last checkpoint), ERR_STATE
   */
  fit(train: Dataset | StreamedDataset, options: FitOptions = {}): Training {
    return new Training(fit(this.#core, train, options));
  }

  /**
   * Mean and log-variance of q(z|x). For the flow `iaf`, which has no moments in closed form, the mean of the normal that it
   * starts from, carried through it, and that normal's variance.
   *
   * @param x [n, ...inputShape]
   * @returns each [n, size of z]
   * @throws TorchvaeError ERR_TYPE, ERR_SHAPE, ERR_RANGE for x, ERR_STATE after dispose()
   */
  async encode(x: Examples | StreamedDataset, options: Labeled = {}): Promise<Encoding> {
    return codes.encode(this.#core, x, options);
  }

  /**
   * The mean of p(x|z), its mode, or a draw from it.
   *
   * @param z [n, size of z]; of what {@link encode} gives, the means are taken
   * @returns [n, ...inputShape]
   * @throws TorchvaeError ERR_TYPE, ERR_SHAPE, ERR_RANGE for z, ERR_STATE after dispose()
   */
  async decode(z: Codes, options: DecodeOptions = {}): Promise<Tensor> {
    return codes.decode(this.#core, z, options);
  }

  /** decode(mean of q(z|x)): [n, ...inputShape]. Throws as {@link encode} does. */
  async reconstruct(x: Examples, options: Labeled = {}): Promise<Tensor> {
    return codes.reconstruct(this.#core, x, options);
  }

  /**
   * `count` draws of z from the prior, decoded: [count, ...inputShape].
   *
   * @param options.kind the mean of p(x|z) (default), its mode, or a draw from it (`sample`), as rows of a table need
   * @param options.seed the same seed gives the same draws; default 0
   * @param options.labels of the examples to draw, for a model whose prior or decoder is conditioned
   * @throws TorchvaeError ERR_TYPE, ERR_SHAPE, ERR_RANGE, ERR_STATE after dispose()
   */
  async sample(count: number, options: DecodeOptions = {}): Promise<Tensor> {
    return codes.sample(this.#core, count, options);
  }

  /**
   * The losses averaged over examples, with one draw of z for each.
   *
   * @param x a stream draws the z of each of its windows from another seed: with several windows the numbers differ from those of
   * the same data in memory as those of two seeds do
   * @param options.seed of those draws; default 0
   * @returns also how many rows of a table are left out (`leftOut`), if any: those that cannot be read, those with missing cells if the
   * training rows had none, and those whose loss is not finite
   * @throws TorchvaeError ERR_TYPE, ERR_SHAPE, ERR_RANGE for x, ERR_NONFINITE, ERR_STATE after dispose()
   */
  async loss(x: Examples | StreamedDataset, options: Labeled & { seed?: number } = {}): Promise<Losses> {
    const { seed = 0, labels } = checkOptions('options of loss', options, ['seed', 'labels']);
    checkInteger('seed', seed, 0);
    const given = x instanceof StreamedDataset ? x : asDataset('x', x, this.#core, labels);
    const data = labels ? given : inClassesOf('x', withKnownLabels(given, this.#core), this.#core);
    checkSameSchema('x', data.schema, this.schema);
    const { losses, leftOut } = await countedMeans(this.#core, 'x', data, seed);
    return { ...losses, ...(leftOut > 0 && { leftOut }) };
  }

  /**
   * The terms of the loss for each example: -log p(x|z) and KL(q(z|x) || p(z)) in nats, each [n], with one draw of z.
   *
   * @param x [n, ...inputShape]
   * @throws TorchvaeError ERR_TYPE, ERR_SHAPE, ERR_RANGE, ERR_NONFINITE, ERR_STATE after dispose()
   */
  async lossesPerExample(x: Examples, options: NoiseOptions = {}): Promise<LossesPerExample> {
    return densities.lossesPerExample(this.#core, x, options);
  }

  /**
   * The gradients of one batch's mean loss, by parameter name, for studies and tests. The batch is treated as in training at the end
   * of all schedules: with the full beta, the capacity `to`, the final temperature. The model is not changed.
   *
   * @param x [n, ...inputShape], one batch
   * @throws TorchvaeError as {@link lossesPerExample}
   */
  async gradients(x: Examples, options: NoiseOptions = {}): Promise<Gradients> {
    return gradients(this.#core, x, options);
  }

  /**
   * -log p(x) for each example, [n], by importance weighting: -log of the mean over `samples` draws of z from q(z|x) of
   * p(x, z) / q(z|x) (Burda et al. 2016, eq. 8). An upper bound in expectation, closer the more draws there are.
   *
   * @param options.samples draws for each example; default 5000
   * @param options.seed of the draws; default 0
   * @throws TorchvaeError ERR_STATE for a posterior without a density, and as {@link lossesPerExample}
   */
  async negativeLogLikelihood(
    x: Examples,
    options: Labeled & { samples?: number; seed?: number } = {},
  ): Promise<Float32Array> {
    return densities.negativeLogLikelihood(this.#core, x, options);
  }

  /**
   * KL(q(z|x) || p(z)) for each example and dimension of z, [n, dimensions], in nats; for a prior or posterior without a
   * closed form, from one draw and for all dimensions together, [n, 1].
   *
   * @param options.seed of that draw; default 0
   * @throws TorchvaeError as {@link lossesPerExample}
   */
  async divergences(x: Examples, options: Labeled & { seed?: number } = {}): Promise<Tensor> {
    return densities.divergences(this.#core, x, options);
  }

  /**
   * How much of z the model uses over a data set: active units, KL divergence of each dimension, mutual information. Time
   * and memory grow with the square of the examples; a thousand or two will do.
   *
   * @param options.seed of the codes that are drawn; default 0
   * @throws TorchvaeError as {@link loss}
   */
  async latentHealth(data: Dataset, options: { seed?: number } = {}): Promise<LatentHealth> {
    const known = inClassesOf('data', withKnownLabels(data, this.#core), this.#core);
    checkSameSchema('data', known?.schema, this.schema);
    const counted = countedRows(this.#core, known);
    checkDataset('data', counted, this.spec);
    const { seed = 0 } = checkOptions('options of latentHealth', options, ['seed']);
    checkInteger('seed', seed, 0);
    return askFinite(this.#core, counted, seed, (rows) => surveyLatents(this.#core, rows, seed));
  }

  /**
   * Fits a mixture of normals to the codes of `x` (means of q(z|x)); `decode(mixture.sample(n))` then draws examples.
   *
   * @throws TorchvaeError ERR_SHAPE for fewer examples than components, ERR_TYPE, ERR_RANGE for options, and as {@link encode}
   */
  async fitMixture(x: Examples, options: Labeled & MixtureOptions = {}): Promise<LatentMixture> {
    return fitMixture(this.#core, x, options);
  }

  /**
   * How good the model is on a data set: losses, likelihood, reconstructions, use of z, quality of samples, and, as far as the
   * data have factors or labels, disentanglement and detection of anomalies. Each estimate says how it was made. Rows of a table that
   * {@link loss} leaves out are left out and counted, but for the detection of anomalies, which flags them.
   *
   * @throws TorchvaeError ERR_STATE for labels that the data lack, or data of another schema than the model's, and as {@link loss}
   */
  async evaluate(data: Dataset, options: EvaluateOptions = {}): Promise<Evaluation> {
    const marked = withKnownLabels(data, this.#core);
    const known = inClassesOf('data', marked, this.#core);
    if (!(known instanceof Dataset))
      throw new TorchvaeError('ERR_TYPE', expected('a Dataset', 'data', known));
    checkSameSchema('data', known.schema, this.schema);
    // The detection of anomalies looks at all classes.
    return evaluateModel(this.#core, marked === data ? known : data, options, (seed) =>
      countedMeans(this.#core, 'data', known, seed),
    );
  }

  /**
   * How strange each example is, [n], in nats: higher is stranger. See {@link fitThreshold}. An example's score depends on that example
   * alone. It is +Infinity for one so far from the training data that its density vanishes, and where a cell of its row has a
   * category that no training row had; NaN for one that holds NaN or an infinity.
   *
   * @throws TorchvaeError as {@link lossesPerExample}, ERR_STATE for `likelihood` and a posterior without a density
   */
  async score(x: Examples | StreamedDataset, options: Labeled & ScoreOptions = {}): Promise<Float32Array> {
    return scoring.score(this.#core, x, options);
  }

  /**
   * Sets the anomaly threshold from normal examples, best ones that the model was not trained on. {@link save} stores it in the
   * checkpoint; training and {@link setParameters} remove it. Examples without a finite score count as the strangest.
   *
   * @throws TorchvaeError ERR_NONFINITE where there are more of these than may be flagged, ERR_SHAPE for too few examples to keep to the rate, ERR_TYPE unless exactly one of `falseAlarmRate` and
   * `quantile` is given, and as {@link score}
   */
  async fitThreshold(
    x: Examples | StreamedDataset,
    options: Labeled & ThresholdOptions,
  ): Promise<AnomalyThreshold> {
    return scoring.fitThreshold(this.#core, x, options);
  }

  /** The names of the last training data's classes, by label; undefined where they have none. {@link save} keeps them. */
  get classes(): readonly string[] | undefined {
    return this.#core.classes;
  }

  /** The threshold that {@link fitThreshold} set, or undefined. */
  get threshold(): AnomalyThreshold | undefined {
    return this.#core.threshold;
  }

  /**
   * The scores of examples, [n] in nats, taken as {@link fitThreshold} took them, whether each may not pass as normal, [n], and what
   * each score is worth: `states` says where missing cells were filled in, a category is unseen, or there is no score.
   *
   * @throws TorchvaeError ERR_STATE where there is no threshold, and as {@link score}
   */
  async detect(x: Examples | StreamedDataset, options: Labeled = {}): Promise<Anomalies> {
    return scoring.detect(this.#core, x, options);
  }

  /**
   * The weights by name, copied; linear weights are [out, in], as in PyTorch.
   *
   * @throws TorchvaeError ERR_STATE after dispose()
   */
  async parameters(): Promise<Map<string, Tensor>> {
    return state.parameters(this.#core);
  }

  /**
   * The moving average of the weights that `averageWeights` of {@link fit} keeps, by the names of {@link parameters}. To
   * use it: `await vae.setParameters(await vae.averagedParameters())`.
   *
   * @throws TorchvaeError ERR_STATE where none is kept
   */
  async averagedParameters(): Promise<Map<string, Tensor>> {
    return state.averagedParameters(this.#core);
  }

  /**
   * Replaces weights by name; the optimizer's state and the step count stay.
   *
   * @throws TorchvaeError ERR_TYPE, ERR_SHAPE for a name that the model does not have or a size that does not fit,
   * ERR_RANGE for values that are not finite
   */
  async setParameters(values: ReadonlyMap<string, Float32Array | Tensor>): Promise<void> {
    return state.setParameters(this.#core, values);
  }

  /**
   * Writes the model and all that training needs to go on with the same bits, as safetensors. May be called while fit()
   * runs: what is written is the state between two steps.
   *
   * @throws TorchvaeError ERR_TYPE, ERR_IO, ERR_STATE after dispose()
   */
  async save(path: string): Promise<void> {
    checkPath('path', path);
    const { tensors, position } = await state.readState(this.#core);
    const { spec, seed, precision, schema, classes, threshold, trainingSettings } = this.#core;
    await writeCheckpoint(path, {
      spec,
      seed,
      precision,
      position,
      trainingSettings,
      schema,
      classes,
      threshold,
      tensors,
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
