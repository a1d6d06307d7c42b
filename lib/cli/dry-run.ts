import { StreamedDataset } from '../data/index.ts';
import { trainingMemory } from '../model/training-memory.ts';
import type { FitOptions } from '../training/fit-options.ts';
import type { VAE } from '../vae.ts';
import { type Facts, factLines, kernelsInWords, modelFacts, schemaFacts } from './facts.ts';
import { inFlags } from './flags.ts';
import type { RunData } from './run-data.ts';
import type { RunSettings } from './run-settings.ts';

/** Windows of a stream that lie in memory at a time. */
const WINDOWS = 4;

/** What training would do, in lines. */
export function describeTraining(
  settings: RunSettings,
  vae: VAE,
  opened: RunData,
  fit: Partial<FitOptions>,
): string {
  const { data, validation, test } = opened;
  const judge = validation ?? test;
  const { batchSize } = settings;
  const updates = Math.ceil(Math.ceil(data.length / batchSize) / (fit.accumulate ?? 1));
  const epochs = Math.max(0, settings.epochs - vae.epoch);
  const facts: Facts = {
    Model: {
      preset: settings.preset,
      ...modelFacts(vae.spec, vae.parameterCount),
      device: vae.device,
      kernels: kernelsInWords(vae.kernels),
    },
    Data: {
      training: inFlags(data.describe()),
      'judged by': judge && inFlags(judge.describe()),
      'read anew every epoch': data instanceof StreamedDataset ? true : undefined,
    },
    Columns: schemaFacts(data.schema),
    Training: {
      epochs,
      'examples per batch': batchSize,
      'steps per epoch': updates,
      'steps in all': updates * epochs,
      'learning rate': settings.learningRate,
      ...fit,
    },
    Memory: memoryFacts(settings, vae, opened, fit),
  };
  return `${factLines(facts)}\n`;
}

function memoryFacts(
  { batchSize, precision }: RunSettings,
  vae: VAE,
  opened: RunData,
  { optimizer = { type: 'adam' }, averageWeights }: Partial<FitOptions>,
): Record<string, unknown> {
  const { weights, batch } = trainingMemory({
    spec: vae.spec,
    parameters: vae.parameterCount,
    batchSize,
    optimizer,
    isAveraged: averageWeights !== undefined,
    bytes: precision === 'float64' ? 8 : 4,
  });
  const sets = [opened.data, opened.validation, opened.test].filter((set) => set !== undefined);
  const data = sets.reduce((sum, set) => sum + bytesOf(set), 0);
  return {
    'weights, gradient, optimizer': megabytes(weights),
    'a batch': `about ${megabytes(batch)}`,
    'data, in Node and on the device': megabytes(data),
    'in all': `about ${megabytes(weights + batch + data)}, and what Node and libtorch take without any model`,
  };
}

/** Of data in memory the values and their copy on the device. */
function bytesOf(data: NonNullable<RunData['test']>): number {
  if (data instanceof StreamedDataset) return WINDOWS * 4 * Math.min(data.window, data.length) * data.size;
  return 2 * data.data.byteLength;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
