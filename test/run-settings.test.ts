/** What a run is started with, as config.json has it, as a resume reads it, and as the report's command names it. */
import { expect, test } from 'vitest';
import { commandsOf } from '../lib/cli/run-facts.ts';
import { type RunSettings, SETTINGS, settingsOf, storedSettings } from '../lib/cli/run-settings.ts';
import type { ModelSpecInput } from '../lib/model/spec.ts';
import { applyOverrides } from '../lib/training/overrides.ts';
import { refusal } from './refusal.ts';

const settings: Required<RunSettings> = {
  preset: 'mlp-400',
  data: 'x.npy',
  dataDir: 'files',
  count: 7,
  size: 28,
  labelColumn: 'kind',
  onMissing: 'impute',
  column: ['id=ignore'],
  delimiter: ';',
  decimal: ',',
  header: 'no',
  missing: ['none'],
  level: 'word',
  length: 12,
  vocabulary: 100,
  onLong: 'cut',
  standardize: 'no',
  windowLength: 8,
  stride: 4,
  member: 'images',
  labelMember: 'kinds',
  dataKind: 'unit',
  maxLevel: 4095,
  invert: 'yes',
  channels: '3',
  maxPixels: 1_000_000,
  onBadImage: 'skip',
  stream: true,
  window: 64,
  timeLimit: 30,
  testData: 'held out.npy',
  binarize: 'dynamic',
  holdout: 0.1,
  chronological: true,
  epochs: 3,
  batchSize: 16,
  learningRate: 1e-4,
  patience: 2,
  precision: 'float32',
  seed: 5,
  set: ['latentSize=3', 'objective.beta=2'],
};

test('come back from config.json', () => {
  expect(settingsOf('run', storedSettings(settings)).settings).toEqual(settings);
  const { stream, ...rest } = settings;
  expect(settingsOf('run', storedSettings({ ...rest, stream: false })).settings).toEqual(rest);
  expect(stream).toBe(true);
});

test('assignments change what they name and nothing else', async () => {
  const { spec, fit } = applyOverrides({ likelihood: 'gaussian' } as ModelSpecInput, [
    'likelihood.sigma=2',
    'schedule={"type":"step"}',
    'schedule.every=3',
    'posterior=iaf',
  ]);
  expect(spec).toEqual({ likelihood: { type: 'gaussian', sigma: 2 }, posterior: 'iaf' });
  expect(fit).toEqual({ schedule: { type: 'step', every: 3 } });
  for (const wrong of ['latentSize', '=3', 'encoder..hidden=3', 'encoder.__proto__.spoilt=3', 'epochs=3'])
    await refusal('ERR_RANGE', () => applyOverrides({}, [wrong]));
  expect({}).not.toHaveProperty('spoilt');
});

test('are all in the command that repeats the run', () => {
  const [command] = commandsOf(settings, { device: 'cpu' });
  for (const { flag } of Object.values(SETTINGS)) expect(command!.lines[0]).toContain(flag);
  expect(command!.lines[0]).toContain("--test-data 'held out.npy'");
  expect(command!.lines[0]!.match(/--set /g)).toHaveLength(2);
  expect(commandsOf({ ...settings, stream: false }, {})[0]!.lines[0]).not.toContain('--stream');
});

test.each(Object.entries(SETTINGS))(
  '%s of another type is refused by its name',
  async (key, { part, name = key }) => {
    const stored = storedSettings(settings);
    (part ? stored[part] : stored)[name] = { is: 'nothing' };
    expect(await refusal('ERR_CHECKPOINT', () => settingsOf('run', stored))).toContain(`for ${key} but`);
  },
);
