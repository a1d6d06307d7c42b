import { checkBoolean, checkInteger, checkNumber, checkOptions, expected } from '../../check.ts';
import { TorchvaeError } from '../../errors.ts';
import { nearest } from '../../nearest.ts';
import type { SettingName } from '../settings.ts';
import { checkSettingName } from '../settings.ts';
import { type Condition, isSame, type Json, type Parameter } from './parameter.ts';
import { parseParameter } from './text.ts';

/** Values of other parameters under which a parameter is searched: one, or several of which any will do. All entries must hold. */
export type When = Readonly<Record<string, Json>>;

/** A range of numbers, both ends included. */
export interface RangeInput {
  low: number;
  high: number;
  /** Whether only whole numbers are taken. Default false. */
  int?: boolean;
  /** Whether orders of magnitude are searched evenly. Default false. */
  log?: boolean;
  /** The distance between two values. Default: any number, or any whole number. */
  step?: number;
  /** Default: always. */
  when?: When;
}

/** Values without an order, which may be any JSON: `[[400], [200, 200]]` for `encoder.hidden`. */
export interface ChoiceInput {
  choices: readonly Json[];
  /** Default: always. */
  when?: When;
}

/** A parameter as a caller writes it; a text is as on the command line: `0.5..8:log`, `2..64:int:log`, `adam,sgd`. */
export type ParameterInput = RangeInput | ChoiceInput | readonly Json[] | string;

/**
 * What is searched: parameters by the names of settings, as `VAE.create` and `VAE.fit` have them, with dots that lead into objects
 * (`objective.beta`, `optimizer.type`, `latentSize`, `learningRate`).
 */
export type Space = { readonly [Name in SettingName]?: ParameterInput } & {
  readonly [name: string]: ParameterInput;
};

/** The values that a trial of the space may have. */
export type ValuesOf<S extends Space> = {
  -readonly [Name in keyof S]: ValueOf<S[Name]>;
};

type ValueOf<Input> = Input extends string
  ? Json
  : Input extends readonly (infer Value)[]
    ? Value
    : Input extends { choices: readonly (infer Value)[] }
      ? Value | Absent<Input>
      : number | Absent<Input>;

/** What a parameter is where its condition does not hold. */
type Absent<Input> = Input extends { when: object } ? undefined : never;

/**
 * Checks a space.
 *
 * @returns its parameters, each after those that it depends on
 * @throws TorchvaeError ERR_TYPE, ERR_RANGE naming the parameter, what was expected and what came
 */
export function completeSpace(space: Space): Parameter[] {
  if (typeof space !== 'object' || space === null || Array.isArray(space)) {
    throw new TorchvaeError('ERR_TYPE', expected('an object of parameters', 'space', space));
  }
  const names = Object.keys(space);
  if (names.length === 0) {
    throw new TorchvaeError(
      'ERR_RANGE',
      'Expected at least one parameter for space but received none; name a setting and its range, such as beta: 0.5..8:log',
    );
  }
  for (const name of names) checkSettingName(name);
  const parameters = names.map((name) => completeParameter(name, space[name]));
  for (const parameter of parameters) checkConditions(parameter, parameters);
  return ordered(parameters);
}

function completeParameter(name: string, given: unknown): Parameter {
  const label = `space.${name}`;
  if (typeof given === 'string') return completeParameter(name, parseParameter(label, given));
  if (Array.isArray(given)) return completeParameter(name, { choices: given });
  if (typeof given !== 'object' || given === null) {
    const what = 'a range { low, high }, a list of values, or a text such as 0.5..8:log';
    throw new TorchvaeError('ERR_TYPE', expected(what, label, given));
  }
  return 'choices' in given
    ? completeChoice(name, given as ChoiceInput)
    : completeRange(name, given as RangeInput);
}

function completeRange(name: string, given: RangeInput): Parameter {
  const label = `space.${name}`;
  const options = checkOptions(label, given, ['low', 'high', 'int', 'log', 'step', 'when']);
  const int = checkBoolean(`${label}.int`, options.int ?? false);
  const log = checkBoolean(`${label}.log`, options.log ?? false);
  const read = (key: 'low' | 'high') =>
    int
      ? checkInteger(`${label}.${key}`, options[key], Number.MIN_SAFE_INTEGER)
      : checkNumber(`${label}.${key}`, options[key]);
  const [low, high] = [read('low'), read('high')];
  if (low > high) {
    throw new TorchvaeError(
      'ERR_RANGE',
      `Expected a range from low to high for ${label} but received ${low}..${high}; write ${high}..${low}`,
    );
  }
  if (log && low <= 0) {
    throw new TorchvaeError(
      'ERR_RANGE',
      `Expected a range above 0 for ${label}, as log needs, but received ${low}..${high}; raise its lower end, or leave log out`,
    );
  }
  if (log && options.step !== undefined) {
    throw new TorchvaeError('ERR_RANGE', `Expected either log or step for ${label} but received both`);
  }
  const step = options.step ?? (int ? 1 : 0);
  if (int) checkInteger(`${label}.step`, step, 1);
  else checkNumber(`${label}.step`, step, 0);
  return { name, type: 'range', low, high, int, log, step, when: completeWhen(label, options.when) };
}

function completeChoice(name: string, given: ChoiceInput): Parameter {
  const label = `space.${name}`;
  const { choices, when } = checkOptions(label, given, ['choices', 'when']);
  if (!Array.isArray(choices) || choices.length === 0) {
    throw new TorchvaeError('ERR_RANGE', expected('a list of at least one value', label, choices));
  }
  const double = choices.find((choice, i) => choices.findIndex((other) => isSame(other, choice)) < i);
  if (double !== undefined) {
    throw new TorchvaeError(
      'ERR_RANGE',
      `Expected different values for ${label} but ${JSON.stringify(double)} stands there twice`,
    );
  }
  for (const choice of choices) {
    const isJson = choice !== undefined && typeof choice !== 'function' && !Number.isNaN(choice);
    if (!isJson) throw new TorchvaeError('ERR_TYPE', expected('values of JSON', label, choice));
  }
  return { name, type: 'choice', choices: structuredClone(choices), when: completeWhen(label, when) };
}

function completeWhen(label: string, when: When | undefined): Condition {
  if (when === undefined) return {};
  if (typeof when !== 'object' || when === null || Array.isArray(when)) {
    throw new TorchvaeError('ERR_TYPE', expected('an object of values', `${label}.when`, when));
  }
  return Object.fromEntries(
    Object.entries(when).map(([parent, value]) => [parent, Array.isArray(value) ? value : [value]]),
  );
}

function checkConditions({ name, when }: Parameter, parameters: readonly Parameter[]): void {
  for (const [parent, values] of Object.entries(when)) {
    const found = parameters.find((each) => each.name === parent);
    if (!found) {
      const names = parameters.map((each) => each.name).filter((each) => each !== name);
      const meant = nearest(parent, names);
      throw new TorchvaeError(
        'ERR_RANGE',
        `Expected a parameter of the space for space.${name}.when but received ${parent}; the others are ` +
          `${names.join(', ') || 'none'}${meant === undefined ? '' : `; did you mean ${meant}?`}`,
      );
    }
    if (found.type !== 'choice') continue;
    const strange = values.find((value) => !found.choices.some((choice) => isSame(choice, value)));
    if (strange === undefined) continue;
    throw new TorchvaeError(
      'ERR_RANGE',
      `Expected one of ${found.choices.map((choice) => JSON.stringify(choice)).join(', ')} for ${parent} in ` +
        `space.${name}.when but received ${JSON.stringify(strange)}`,
    );
  }
}

/** Each after those that it depends on, else in the order given. */
function ordered(parameters: readonly Parameter[]): Parameter[] {
  const done: Parameter[] = [];
  const rest = [...parameters];
  while (rest.length > 0) {
    const next = rest.findIndex(({ when }) =>
      Object.keys(when).every((parent) => done.some(({ name }) => name === parent)),
    );
    if (next < 0) {
      throw new TorchvaeError(
        'ERR_RANGE',
        `Expected conditions without a circle in space but ${rest.map(({ name }) => name).join(', ')} depend on each other`,
      );
    }
    done.push(...rest.splice(next, 1));
  }
  return done;
}
