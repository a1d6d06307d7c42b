import { TorchvaeError } from '../../errors.ts';
import { objectOf } from '../../report/epochs.ts';
import type { ObjectiveName } from '../objectives.ts';
import type { PrunerName } from '../pruning.ts';
import type { SamplerName } from '../samplers.ts';
import type { BaseSettings } from '../settings.ts';
import type { Json, Parameter } from '../space/parameter.ts';
import { completeSpace, type ParameterInput } from '../space/space.ts';

/** What makes a study the study that it is: all workers agree on it, and a resume does not change it. */
export interface StudyDefinition {
  parameters: readonly Parameter[];
  /** What a trial is judged by. */
  objectives: readonly ObjectiveName[];
  sampler: SamplerName;
  pruner: PrunerName;
  /** Of the sampler and of the first training of each trial; further ones count on from it. */
  seed: number;
  /** Trainings of each trial, under as many seeds. */
  seeds: number;
  /** Values of a range that a grid has. */
  gridPoints: number;
  /** What all trials share. */
  base: BaseSettings;
  /** What the data are, to be compared on resume, and, from the command line, how they are opened. */
  data: { readonly [key: string]: Json };
}

/** The user attribute of a study that holds its definition. */
export const DEFINITION = 'torchvae';

/** In words, for messages; missing are those that {@link checkSameStudy} does not compare. */
const PARTS = {
  objectives: 'objectives',
  sampler: 'sampler',
  pruner: 'pruner',
  seed: 'seed',
  seeds: 'number of seeds',
  gridPoints: 'number of grid points',
  base: 'settings',
  data: 'data',
} as const satisfies Partial<Record<keyof StudyDefinition, string>>;

/** The definition as the study's file has it. */
export function storedDefinition({ parameters, ...rest }: StudyDefinition): Json {
  const space = Object.fromEntries(parameters.map((parameter) => [parameter.name, inputOf(parameter)]));
  return JSON.parse(JSON.stringify({ space, ...rest }));
}

/** @throws TorchvaeError ERR_CHECKPOINT for a definition that is damaged */
export function definitionFrom(path: string, stored: Json | undefined): StudyDefinition {
  const { space, ...rest } = objectOf(stored) ?? {};
  const isWhole =
    Object.keys(PARTS).every((key) => key in rest) && Array.isArray(rest.objectives) && objectOf(rest.base);
  if (isWhole) return { ...(rest as unknown as StudyDefinition), parameters: completeSpace(space as never) };
  throw new TorchvaeError(
    'ERR_CHECKPOINT',
    `Expected the definition of a torchvae study in ${path} but found ${stored === undefined ? 'none' : 'a damaged one'}; ` +
      'start a study in another directory',
  );
}

/** @throws TorchvaeError ERR_STATE naming what is not as the study in `path` was begun with */
export function checkSameStudy(path: string, begun: StudyDefinition, wanted: StudyDefinition): void {
  const text = (value: unknown) => JSON.stringify(value);
  const differing = begun.parameters.find(
    (parameter) => !wanted.parameters.some((other) => text(sorted(other)) === text(sorted(parameter))),
  );
  const added = wanted.parameters.find(({ name }) => !begun.parameters.some((each) => each.name === name));
  const strange = differing ?? added;
  if (strange) {
    const shown = (parameters: readonly Parameter[]) => {
      const found = parameters.find(({ name }) => name === strange.name);
      return found ? text(inputOf(found)) : 'not among its parameters';
    };
    refuse(path, `space.${strange.name}`, shown(begun.parameters), shown(wanted.parameters));
  }
  for (const [key, words] of Object.entries(PARTS) as [keyof typeof PARTS, string][]) {
    if (text(sorted(begun[key])) === text(sorted(wanted[key]))) continue;
    refuse(path, words, text(begun[key]), text(wanted[key]));
  }
}

function refuse(path: string, what: string, begun: string, wanted: string): never {
  throw new TorchvaeError(
    'ERR_STATE',
    `Expected the ${what} that the study in ${path} was begun with, ${begun}, but received ${wanted}; give the same, or ` +
      'start a study in another directory',
  );
}

/** With keys in the order of the alphabet, so that equal objects have equal texts. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  const object = objectOf(value);
  if (!object) return value;
  const keys = Object.keys(object).sort();
  return Object.fromEntries(keys.map((key) => [key, sorted(object[key])]));
}

/** A parameter as a caller would write it in full. */
function inputOf(parameter: Parameter): ParameterInput {
  const when = Object.keys(parameter.when).length > 0 ? { when: parameter.when } : {};
  if (parameter.type === 'choice') return { choices: parameter.choices, ...when };
  const { low, high, int, log, step } = parameter;
  return { low, high, int, log, ...(step > 0 && !log && { step }), ...when };
}
