import { TorchvaeError } from '../errors.ts';
import { nearest } from '../nearest.ts';
import type { TrialRunner } from './runner.ts';
import { SAMPLERS } from './samplers.ts';
import { SETTING_NAMES, settle } from './settings.ts';
import { isActive, type Json, type Parameter, type Values, valueAt } from './space/parameter.ts';
import type { StudyDefinition } from './study/definition.ts';

/** Combinations that a grid may have: more would not be trained in a lifetime. */
const MAX_GRID = 1_000_000;

/**
 * Checks what the parts of a definition must agree on, and the ends of every range and every choice against the settings
 * that they are of, so that a search does not end in the middle.
 *
 * @throws TorchvaeError ERR_RANGE, and what `VAE.create` and `VAE.fit` throw for the settings
 */
export function checkDefinition(definition: StudyDefinition, runner: TrialRunner): void {
  const { parameters, objectives, pruner, sampler, seed, gridPoints, base } = definition;
  if (new Set(objectives).size < objectives.length || objectives.length === 0) {
    throw new TorchvaeError(
      'ERR_RANGE',
      `Expected one or more different objectives for objectives but received ${objectives.join(', ') || 'none'}`,
    );
  }
  if (objectives.length > 1 && pruner !== 'none') {
    throw new TorchvaeError(
      'ERR_RANGE',
      `Expected none for pruner where there are several objectives, which give trials no order, but received ${pruner}`,
    );
  }
  if (sampler === 'grid' && SAMPLERS.grid(parameters, { seed, gridPoints }).size > MAX_GRID) {
    throw new TorchvaeError(
      'ERR_RANGE',
      `Expected at most ${MAX_GRID.toLocaleString('en-US')} combinations for the sampler grid; give fewer values, or take another sampler`,
    );
  }
  runner.check(settle(base, {}));
  for (const parameter of parameters) {
    for (const value of samplesOf(parameter)) {
      const values = valuesWith(parameters, parameter, value);
      if (values) checkValues(definition, runner, parameter, value, values);
    }
  }
}

/** Values to check: every choice, the ends of a range, and one between them, which settings of whole numbers refuse. */
function samplesOf(parameter: Parameter): Json[] {
  if (parameter.type === 'choice') return [...parameter.choices];
  const between = parameter.int || parameter.low === parameter.high ? [] : [valueAt(parameter, 0.381966)];
  return [parameter.low, parameter.high, ...between];
}

/** What to do about a value that cannot be trained. */
function adviceFor(parameter: Parameter, value: Json): string {
  if (parameter.type === 'choice') return 'Narrow the space, or give the parameter a condition (when)';
  const { low, high } = parameter;
  const wantsWhole = Number.isInteger(low) && Number.isInteger(high) && !Number.isInteger(value);
  return wantsWhole
    ? `For whole numbers alone write ${low}..${high}:int, or int: true`
    : 'Narrow the space, or give the parameter a condition (when)';
}

function checkValues(
  { base }: StudyDefinition,
  runner: TrialRunner,
  parameter: Parameter,
  value: Json,
  values: Values,
): void {
  const { name } = parameter;
  try {
    runner.check(settle(base, values));
  } catch (error) {
    if (!(error instanceof TorchvaeError)) throw error;
    const others = Object.entries(values)
      .filter(([other]) => other !== name)
      .map(([other, set]) => `${other} ${JSON.stringify(set)}`);
    const names: readonly string[] = SETTING_NAMES;
    const meant = names.includes(name) ? undefined : nearest(name, names);
    const beside = others.length > 0 ? `, beside ${others.join(', ')}` : '';
    throw new TorchvaeError(
      error.code,
      `space.${name} has the value ${JSON.stringify(value)}, which cannot be trained${beside}: ${error.message}. ` +
        `${adviceFor(parameter, value)}${meant === undefined ? '' : `; did you mean ${meant}?`}`,
      { cause: error },
    );
  }
}

/** Values in which this parameter is active and has this value; undefined where its conditions exclude each other. */
function valuesWith(parameters: readonly Parameter[], wanted: Parameter, value: Json): Values | undefined {
  const needed: Record<string, Json> = { [wanted.name]: value };
  for (const parameter of [...parameters].reverse()) {
    if (!(parameter.name in needed)) continue;
    for (const [parent, allowed] of Object.entries(parameter.when)) needed[parent] ??= allowed[0]!;
  }
  const values: Record<string, Json> = {};
  for (const parameter of parameters) {
    if (isActive(parameter, values))
      values[parameter.name] = needed[parameter.name] ?? valueAt(parameter, 0.5);
  }
  return wanted.name in values ? values : undefined;
}
