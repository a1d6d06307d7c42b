import { contains, isSame, type Json, type Parameter, type Values } from '../space/parameter.ts';

/** Optuna's distribution of a parameter, as text of JSON. */
export function distributionOf(parameter: Parameter): string {
  if (parameter.type === 'choice') {
    const attributes = { choices: parameter.choices.map(externalChoice) };
    return JSON.stringify({ name: 'CategoricalDistribution', attributes });
  }
  const { low, high, int, log, step } = parameter;
  const name = int ? 'IntDistribution' : 'FloatDistribution';
  return JSON.stringify({ name, attributes: { step: int || step > 0 ? step : null, low, high, log } });
}

/** Optuna's number for a value: choices are numbered. */
export function internalOf(parameter: Parameter, value: Json): number {
  if (parameter.type === 'range') return value as number;
  return parameter.choices.findIndex((choice) => isSame(choice, value));
}

/** The space's values among those that Optuna shows; what the space cannot take is left out. */
export function valuesFrom(
  parameters: readonly Parameter[],
  external: Readonly<Record<string, Json>>,
): Values {
  const values: Record<string, Json> = {};
  for (const parameter of parameters) {
    const given = external[parameter.name];
    if (given === undefined) continue;
    if (parameter.type === 'choice') {
      const choice = parameter.choices.find((each) => isSame(externalChoice(each), given));
      if (choice !== undefined) values[parameter.name] = choice;
    } else if (contains(parameter, given)) {
      values[parameter.name] = given;
    }
  }
  return values;
}

/** Optuna's choices are words, numbers, truth values and null, so others become texts of JSON. */
function externalChoice(choice: Json): Json {
  return typeof choice === 'object' && choice !== null ? JSON.stringify(choice) : choice;
}
