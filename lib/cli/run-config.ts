import { objectOf } from '../report/epochs.ts';
import { describeModel } from '../report/run-model.ts';
import type { FitOptions } from '../training/fit-options.ts';
import type { VAE } from '../vae.ts';
import { inFlags } from './flags.ts';
import type { RunData } from './run-data.ts';
import { type RunSettings, storedSettings } from './run-settings.ts';

/** The content of a run's config.json: what a resume needs and what a report shows. */
export function describeRun(
  settings: RunSettings,
  vae: VAE,
  { data, validation, test }: RunData,
  fit: Partial<FitOptions>,
  sha256: string | undefined,
  before: Record<string, unknown> | undefined,
): object {
  const judge = validation ?? test;
  const stored = storedSettings(settings);
  return {
    ...stored,
    data: {
      ...stored.data,
      examples: data.length + (validation?.length ?? 0),
      shape: data.shape,
      kind: data.kind,
      sha256,
      description: inFlags(data.describe()),
      judge:
        judge &&
        `${validation ? 'held out' : settings.testData ? 'test data' : 'test split'}: ${judge.length} examples`,
    },
    ...describeModel(vae, fit),
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

/** The calls in config.json; entries of another form are skipped. */
export function invocationsOf(config: Record<string, unknown> | undefined): Invocation[] {
  const given: unknown[] = Array.isArray(config?.invocations) ? config.invocations : [];
  return given.flatMap((entry) => {
    const { date, arguments: args } = objectOf(entry) ?? {};
    if (typeof date !== 'string' || !Array.isArray(args)) return [];
    return args.every((arg) => typeof arg === 'string') ? [{ date, arguments: args as string[] }] : [];
  });
}
