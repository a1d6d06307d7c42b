import type { DataSchema } from '../data/index.ts';
import { hasFractions, MOST_COLUMNS } from '../data/tables/fields.ts';
import { support } from '../model/parts/likelihoods.ts';
import { preset } from '../model/presets.ts';
import { completeSpec, type ModelSpecInput } from '../model/spec.ts';
import type { RunData } from './run-data.ts';
import type { RunSettings } from './run-settings.ts';

/**
 * The preset's spec; its likelihood follows the data, unless `--set` has another type: that of tokens for text, and for real numbers and
 * the fractions of a table, where the preset's is for values in [0, 1], a normal with a learned scale, or the same without the sigmoid,
 * which gives no others. Its settings that `--set` names, as in `likelihood.scale=learned`, are then those of this one.
 */
export function specFor(
  { preset: name, set = [] }: Pick<RunSettings, 'preset' | 'set'>,
  { schema, kind }: RunData['data'],
): ModelSpecInput {
  const { spec } = preset(name);
  if (schema?.type === 'text')
    return { ...spec, likelihood: { type: 'tokens', vocabulary: schema.categories } };
  const isChosen = set.some((assignment) => /^likelihood(?:\.type)?=/.test(assignment));
  if (isChosen || !(kind === 'real' || isOfFractions(schema))) return spec;
  const { likelihood } = completeSpec(spec);
  if ('link' in likelihood) return { ...spec, likelihood: { ...likelihood, link: 'identity' } };
  if (support(likelihood).high !== 1) return spec;
  return { ...spec, likelihood: { type: 'gaussian', scale: 'per-dimension' } };
}

/** Whether rows have numbers between 0 and 1, which are no chances: draws would be 0 and 1. Those of wide tables may be pixels. */
function isOfFractions(schema: DataSchema | undefined): boolean {
  return schema?.type === 'table' && schema.fields.length <= MOST_COLUMNS && schema.fields.some(hasFractions);
}
