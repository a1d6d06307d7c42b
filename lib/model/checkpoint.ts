import { expected } from '../check.ts';
import { withFile } from '../data/files/source.ts';
import { type DataSchema, schemaFromJson } from '../data/schema.ts';
import { TorchvaeError } from '../errors.ts';
import { writeFileAtomic } from '../files.ts';
import { type AnomalyThreshold, thresholdFromJson } from './anomaly.ts';
import type { Position } from './core.ts';
import { PRECISIONS, type Precision } from './precision.ts';
import type { TrainingSettings } from './presets.ts';
import { decodeSafetensors, encodeSafetensors, type HostTensor } from './safetensors.ts';
import { completeSpec, type ModelSpec } from './spec.ts';

/** The value of `metadata.format` in every checkpoint. */
const FORMAT = 'torchvae-checkpoint-1';

/**
 * A saved model. Tensor names: the parameters', `optimizer.NAME.exp_avg` and `.exp_avg_sq` for the optimizer's
 * moments, and `average.NAME` where a moving average of the weights is kept.
 */
export interface Checkpoint {
  spec: ModelSpec;
  seed: number;
  precision: Precision;
  position: Position;
  /** The preset's training settings, which are the defaults of fit(). */
  trainingSettings: Partial<TrainingSettings>;
  /** How the training data were made of rows or lines, if they were. */
  schema?: DataSchema | undefined;
  /** The names of the training data's classes, by label. */
  classes?: readonly string[] | undefined;
  /** The score above which an example is an anomaly, if one was set. */
  threshold?: AnomalyThreshold | undefined;
  tensors: Map<string, { shape: readonly number[]; data: Float32Array | Float64Array }>;
}

/**
 * Writes a checkpoint in the safetensors format, beside its target and then renamed: `path` holds either the old or the
 * new one. The noise and the order of the data are functions of the seed and the position, so these need no state.
 *
 * @throws TorchvaeError ERR_IO
 */
export async function writeCheckpoint(path: string, checkpoint: Checkpoint): Promise<void> {
  const { spec, seed, precision, position, trainingSettings, schema, classes, threshold, tensors } =
    checkpoint;
  const entries = new Map<string, HostTensor>();
  for (const [name, { shape, data }] of tensors) {
    entries.set(
      name,
      data instanceof Float64Array ? { dtype: 'F64', shape, data } : { dtype: 'F32', shape, data },
    );
  }
  const metadata = {
    format: FORMAT,
    spec: JSON.stringify(spec),
    training: JSON.stringify({ seed, precision, position, settings: trainingSettings }),
    ...(schema && { schema: JSON.stringify(schema) }),
    ...(classes && { classes: JSON.stringify(classes) }),
    ...(threshold && { threshold: JSON.stringify(threshold) }),
  };
  await writeFileAtomic(path, encodeSafetensors(entries, metadata));
}

/**
 * @throws TorchvaeError ERR_IO for a path that cannot be read as a file, ERR_OUT_OF_MEMORY, ERR_CHECKPOINT naming the place for a
 * file that is damaged or not a checkpoint
 */
export async function readCheckpoint(path: string): Promise<Checkpoint> {
  // In parts: readFile refuses more than 2 GiB, which a model of 180 million weights and their moments takes.
  const bytes = await withFile(path, (file) => file.read(0, file.size)).catch((error) => {
    throw error.code === 'ERR_DATA_FORMAT' ? new TorchvaeError('ERR_IO', error.message) : error;
  });
  const { tensors, metadata } = decodeSafetensors(bytes, path);
  if (metadata.format !== FORMAT) {
    throw damaged(
      path,
      `Expected format ${FORMAT} in its metadata but it says ${metadata.format ?? 'nothing'}`,
    );
  }
  const named: Checkpoint['tensors'] = new Map();
  for (const [name, tensor] of tensors) {
    if (tensor.dtype !== 'F32' && tensor.dtype !== 'F64')
      throw damaged(path, `Expected F32 or F64 for the tensor ${name} but it is ${tensor.dtype}`);
    checkFinite(path, name, tensor.data);
    if (name.endsWith('.exp_avg_sq')) checkNotNegative(path, name, tensor.data);
    named.set(name, tensor);
  }
  const spec = readSpec(path, metadata.spec);
  const schema = readSchema(path, metadata.schema);
  // Checkpoints of earlier versions have those of tables in the schema alone.
  const labels = schema?.type === 'table' ? schema.label?.categories : undefined;
  const classes = readClasses(path, metadata.classes) ?? labels;
  const threshold = readThreshold(path, metadata.threshold);
  return { spec, ...readTraining(path, metadata.training), schema, classes, threshold, tensors: named };
}

/** The error for a checkpoint that cannot be used. */
export function damaged(path: string, what: string): TorchvaeError {
  return new TorchvaeError('ERR_CHECKPOINT', `${path} is no usable checkpoint: ${what}`);
}

function checkFinite(path: string, name: string, data: Float32Array | Float64Array): void {
  const index = data.findIndex((value) => !Number.isFinite(value));
  if (index >= 0)
    throw damaged(path, `Expected finite values but the tensor ${name} has ${data[index]} at ${index}`);
}

/** Adam takes the root of this moment, so a negative one would turn the weights into NaN. */
function checkNotNegative(path: string, name: string, data: Float32Array | Float64Array): void {
  const index = data.findIndex((value) => value < 0);
  if (index >= 0)
    throw damaged(path, `Expected no negative value but the tensor ${name} has ${data[index]} at ${index}`);
}

function parseObject(path: string, field: string, text: string | undefined): Record<string, unknown> {
  try {
    const value = JSON.parse(text ?? '');
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  } catch {
    // The message below covers text that is not JSON and JSON that is not an object.
  }
  throw damaged(path, `Expected a JSON object as ${field} in its metadata`);
}

function readSpec(path: string, text: string | undefined): ModelSpec {
  try {
    return completeSpec(parseObject(path, 'spec', text));
  } catch (error) {
    if (error instanceof TorchvaeError && error.code === 'ERR_SPEC') throw damaged(path, error.message);
    throw error;
  }
}

function readSchema(path: string, text: string | undefined): DataSchema | undefined {
  if (text === undefined) return undefined;
  try {
    return schemaFromJson(parseObject(path, 'schema', text));
  } catch (error) {
    if (error instanceof TorchvaeError && error.code === 'ERR_DATA_FORMAT')
      throw damaged(path, error.message);
    throw error;
  }
}

function readClasses(path: string, text: string | undefined): readonly string[] | undefined {
  if (text === undefined) return undefined;
  let names: unknown;
  try {
    names = JSON.parse(text);
  } catch {
    // Reported below.
  }
  if (Array.isArray(names) && names.every((name) => typeof name === 'string')) return names;
  throw damaged(path, 'Expected names for classes in its metadata');
}

function readThreshold(path: string, text: string | undefined): AnomalyThreshold | undefined {
  if (text === undefined) return undefined;
  const threshold = thresholdFromJson(parseObject(path, 'threshold', text));
  if (threshold) return threshold;
  throw damaged(path, `Expected a threshold for anomalies in its metadata but it says ${text.slice(0, 200)}`);
}

function readTraining(
  path: string,
  text: string | undefined,
): Pick<Checkpoint, 'seed' | 'precision' | 'position' | 'trainingSettings'> {
  const { seed, precision: named, position, settings = {} } = parseObject(path, 'training', text);
  const precision = PRECISIONS.find((known) => known === named);
  if (precision === undefined) {
    throw damaged(path, expected(`one of ${PRECISIONS.join(', ')}`, 'training.precision', named));
  }
  if (typeof position !== 'object' || position === null) {
    throw damaged(path, expected('an object', 'training.position', position));
  }
  const { epoch, stepInEpoch, step, optimizer, plateau, span, best, partial } = position as Record<
    string,
    unknown
  >;
  const whole: Position = {
    epoch: count(path, 'position.epoch', epoch),
    stepInEpoch: count(path, 'position.stepInEpoch', stepInEpoch),
    step: count(path, 'position.step', step),
  };
  if (optimizer !== undefined) whole.optimizer = readOptimizer(path, optimizer);
  if (plateau !== undefined) whole.plateau = readPlateau(path, plateau);
  if (span !== undefined) whole.span = readSpan(path, span);
  if (best !== undefined) whole.best = readBest(path, best);
  if (partial !== undefined) whole.partial = readPartial(path, partial);
  else if (whole.stepInEpoch > 0) {
    throw damaged(path, expected('the epoch under way', 'training.position.partial', partial));
  }
  const trainingSettings = readSettings(path, settings);
  return { seed: count(path, 'seed', seed), precision, position: whole, trainingSettings };
}

function readSettings(path: string, value: unknown): Partial<TrainingSettings> {
  if (typeof value !== 'object' || value === null) {
    throw damaged(path, expected('an object', 'training.settings', value));
  }
  const { epochs, batchSize, learningRate } = value as Record<string, unknown>;
  if (learningRate !== undefined && !(Number(learningRate) >= 0 && Number.isFinite(learningRate))) {
    throw damaged(path, expected('a number of at least 0', 'training.settings.learningRate', learningRate));
  }
  if (batchSize === 0) throw damaged(path, expected('at least 1', 'training.settings.batchSize', batchSize));
  return {
    ...(epochs !== undefined && { epochs: count(path, 'settings.epochs', epochs) }),
    ...(batchSize !== undefined && { batchSize: count(path, 'settings.batchSize', batchSize) }),
    ...(learningRate !== undefined && { learningRate: Number(learningRate) }),
  };
}

function readOptimizer(path: string, value: unknown): NonNullable<Position['optimizer']> {
  const known = ['sgd', 'adam', 'adamw', 'adamax', 'rmsprop', 'adagrad'] as const;
  const found = known.find((type) => type === value);
  if (found) return found;
  throw damaged(path, expected(`one of ${known.join(', ')}`, 'training.position.optimizer', value));
}

function readPlateau(path: string, value: unknown): NonNullable<Position['plateau']> {
  const { best, waited, scale } = (value ?? {}) as Record<string, unknown>;
  if (!Number.isFinite(best) || !Number.isFinite(scale)) {
    throw damaged(path, expected('the state of a plateau schedule', 'training.position.plateau', value));
  }
  return { best: Number(best), waited: count(path, 'position.plateau.waited', waited), scale: Number(scale) };
}

function readSpan(path: string, value: unknown): NonNullable<Position['span']> {
  const [first, last] = Array.isArray(value) && value.length === 2 ? value : [];
  const span = [count(path, 'position.span[0]', first), count(path, 'position.span[1]', last)] as const;
  if (span[0] <= span[1]) return span;
  throw damaged(path, expected('ascending epochs', 'training.position.span', value));
}

function readBest(path: string, value: unknown): NonNullable<Position['best']> {
  const { of, value: lowest, epoch, reference, waited } = (value ?? {}) as Record<string, unknown>;
  if (typeof of !== 'string' || !Number.isFinite(lowest) || !Number.isFinite(reference)) {
    throw damaged(path, expected('the best epoch', 'training.position.best', value));
  }
  return {
    of,
    value: Number(lowest),
    epoch: count(path, 'position.best.epoch', epoch),
    reference: Number(reference),
    waited: count(path, 'position.best.waited', waited),
  };
}

function readPartial(path: string, value: unknown): NonNullable<Position['partial']> {
  const { sums, batchSize, examples, shuffle, window } = (value ?? {}) as Record<string, unknown>;
  const { loss, reconstruction, kl, terms = [], examples: seen } = (sums ?? {}) as Record<string, unknown>;
  const finite = [loss, reconstruction, kl, ...(Array.isArray(terms) ? terms : [Number.NaN])].every(
    Number.isFinite,
  );
  if (!finite || typeof shuffle !== 'boolean') {
    throw damaged(path, expected('an epoch under way', 'training.position.partial', value));
  }
  return {
    sums: {
      loss: Number(loss),
      reconstruction: Number(reconstruction),
      kl: Number(kl),
      terms: terms as number[],
      examples: count(path, 'position.partial.sums.examples', seen),
    },
    batchSize: count(path, 'position.partial.batchSize', batchSize),
    examples: count(path, 'position.partial.examples', examples),
    shuffle,
    ...(window !== undefined && { window: count(path, 'position.partial.window', window) }),
  };
}

function count(path: string, field: string, value: unknown): number {
  if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number;
  throw damaged(path, expected('a whole number', `training.${field}`, value));
}
