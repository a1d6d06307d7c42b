import { objectOf } from '../report/epochs.ts';
import { namesInWords } from '../report/in-words.ts';
import type { ReportContent } from '../report/page/report.ts';
import { invocationsOf } from './run-config.ts';
import { type RunSettings, SETTINGS } from './run-settings.ts';
import { inShell } from './shell.ts';

type Json = Record<string, unknown>;

/** A run in one line. */
export function subtitleOf(config: Json): string {
  const { description } = objectOf(config.data) ?? {};
  const started = invocationsOf(config)[0]?.date;
  return [description, config.device, started?.replace(/:\d\d\.\d+Z$/, ' UTC').replace('T', ' ')]
    .filter((part) => typeof part === 'string')
    .join(' · ');
}

/** The facts in config.json, under headings. */
export function factsOf(config: Json): NonNullable<ReportContent['facts']> {
  const spec = objectOf(config.spec) ?? {};
  const data = objectOf(config.data) ?? {};
  const training = objectOf(config.training) ?? {};
  const fit = objectOf(config.fit) ?? {};
  const versions = objectOf(config.versions) ?? {};
  const { objective, ...model } = spec;
  const { schedule = { type: 'constant' }, optimizer = { type: 'adam' }, ...rest } = fit;
  const invocations = invocationsOf(config);
  return {
    Model: {
      preset: config.preset,
      'trained weights': config.parameters,
      ...namesInWords(model),
      precision: config.precision,
    },
    Data: {
      name: data.name,
      description: data.description,
      examples: data.examples,
      shape: Array.isArray(data.shape) ? data.shape.join(' x ') : data.shape,
      kind: data.kind,
      binarization: data.binarize,
      'judged by': data.judge,
      'held out': training.holdout,
      'label column': data.labelColumn,
      'missing values': data.onMissing,
    },
    Objective: { objective },
    'Optimizer and schedule': {
      optimizer: optimizer,
      'learning rate': training.learningRate,
      schedule,
      'batch size': training.batchSize,
      epochs: training.epochs,
      ...namesInWords(rest),
      seed: config.seed,
    },
    Environment: {
      torchvae: versions.torchvae,
      libtorch: versions.libtorch,
      'Node.js': versions.node,
      device: config.device,
      ...objectOf(config.machine),
      started: invocations[0]?.date,
      resumed: invocations.length > 1 ? invocations.slice(1).map(({ date }) => date) : undefined,
    },
  };
}

/** Commands that repeat the run. */
export function commandsOf(settings: RunSettings, config: Json): NonNullable<ReportContent['commands']> {
  const calls = invocationsOf(config).map(({ arguments: args }) => commandLine(args));
  const whole = {
    said: 'This makes the same run, and on the same kind of device, with as many threads, the same bits:',
    lines: [wholeCommand(settings, config.device)],
  };
  if (calls.length <= 1) return [whole];
  const parts = { said: 'It was made by these, one after the other:', lines: calls };
  // One command cannot repeat a run whose settings changed between its calls.
  const isChanged = invocationsOf(config)
    .slice(1)
    .some(({ arguments: args }) => args.some((arg) => /^--(batch-size|learning-rate)\b/.test(arg)));
  return isChanged ? [parts] : [whole, parts];
}

/** The command with every setting named, since defaults may change; `out` is the run directory, where it is to be named too. */
export function wholeCommand(settings: RunSettings, device: unknown, out?: string): string {
  const args = Object.entries(SETTINGS).flatMap(([key, { flag, kind }]) => {
    const value = settings[key as keyof RunSettings];
    if (value === undefined || value === false) return [];
    if (kind === 'switch') return [flag];
    return [value].flat().flatMap((each) => [flag, String(each)]);
  });
  const place = out === undefined ? [] : ['--out', out];
  return commandLine([
    'train',
    ...args,
    ...(typeof device === 'string' ? ['--device', device] : []),
    ...place,
  ]);
}

/** In lines that fit a page, each with a flag. */
function commandLine(args: readonly string[]): string {
  const words = ['npx', 'torchvae', ...args.map(inShell)];
  const line = words.join(' ');
  if (line.length <= 76) return line;
  return words.map((word) => (word.startsWith('--') ? `\\\n  ${word}` : word)).join(' ');
}
