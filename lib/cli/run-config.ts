import { cpus, totalmem } from 'node:os';
import { objectOf } from '../report/epochs.ts';
import type { FitOptions } from '../training/fit.ts';
import type { VAE } from '../vae.ts';
import type { RunSettings } from './resume.ts';
import type { RunData } from './run-data.ts';

/** What a run is started with, for its config.json: what a resume needs, and what a report tells. */
export function describeRun(
  settings: RunSettings,
  vae: VAE,
  { data, validation, test }: RunData,
  fit: Partial<FitOptions>,
  before: Record<string, unknown> | undefined,
): object {
  const {
    preset,
    data: name,
    dataDir: directory,
    count,
    size,
    labelColumn,
    onMissing,
    stream,
    window,
    testData,
    binarise,
    seed,
    precision,
    ...training
  } = settings;
  const judge = validation ?? test;
  return {
    preset,
    data: {
      name,
      directory,
      count,
      size,
      labelColumn,
      onMissing,
      stream: stream || undefined,
      window,
      testData,
      examples: data.length + (validation?.length ?? 0),
      shape: data.shape,
      kind: data.kind,
      binarise,
      description: data.describe(),
      judge:
        judge &&
        `${validation ? 'held out' : testData ? 'test data' : 'test split'}: ${judge.length} examples`,
    },
    training,
    fit,
    seed,
    precision,
    device: vae.device,
    parameters: vae.parameterCount,
    spec: vae.spec,
    versions: { torchvae: vae.versions.torchvae, libtorch: vae.versions.libtorch, node: process.version },
    machine: {
      system: `${process.platform} ${process.arch}`,
      processor: cpus()[0]?.model.trim(),
      cores: cpus().length,
      memory: `${(totalmem() / 2 ** 30).toFixed(1)} GiB`,
    },
    invocations: [
      ...invocationsOf(before),
      { date: new Date().toISOString(), arguments: process.argv.slice(2) },
    ],
  };
}

/** One call of `torchvae train` that this run is made of. */
export interface Invocation {
  /** ISO 8601. */
  date: string;
  /** What came after `torchvae`. */
  arguments: readonly string[];
}

/** The calls that config.json tells of; what is no call is passed over. */
export function invocationsOf(config: Record<string, unknown> | undefined): Invocation[] {
  const given: unknown[] = Array.isArray(config?.invocations) ? config.invocations : [];
  return given.flatMap((entry) => {
    const { date, arguments: args } = objectOf(entry) ?? {};
    if (typeof date !== 'string' || !Array.isArray(args)) return [];
    return args.every((arg) => typeof arg === 'string') ? [{ date, arguments: args as string[] }] : [];
  });
}
