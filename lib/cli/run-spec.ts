import { support } from '../model/parts/likelihoods.ts';
import { preset } from '../model/presets.ts';
import { completeSpec, type ModelSpecInput } from '../model/spec.ts';
import type { RunData } from './run-data.ts';
import type { RunSettings } from './run-settings.ts';

/**
 * The preset's spec; its likelihood follows the data, unless `--set` has another type: that of tokens for text, and for real numbers,
 * where the preset's is for values in [0, 1], a normal with a learned scale, or the same without the sigmoid, which gives no others.
 * Its settings that `--set` names, as in `likelihood.scale=learned`, are then those of this one.
 */
export function specFor(
  { preset: name, set = [] }: Pick<RunSettings, 'preset' | 'set'>,
  { schema, kind }: RunData['data'],
): ModelSpecInput {
  const { spec } = preset(name);
  if (schema?.type === 'text')
    return { ...spec, likelihood: { type: 'tokens', vocabulary: schema.categories } };
  const isChosen = set.some((assignment) => /^likelihood(?:\.type)?=/.test(assignment));
  if (kind !== 'real' || isChosen) return spec;
  const { likelihood } = completeSpec(spec);
  if ('link' in likelihood) return { ...spec, likelihood: { ...likelihood, link: 'identity' } };
  if (support(likelihood).high !== 1) return spec;
  return { ...spec, likelihood: { type: 'gaussian', scale: 'per-dimension' } };
}
