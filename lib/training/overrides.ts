import { TorchvaeError } from '../errors.ts';
import { type ModelSpecInput, SPEC_KEYS } from '../model/spec.ts';
import { nearest } from '../nearest.ts';
import type { FitOptions } from './fit-options.ts';
import { OPTIMIZER_OPTIONS } from './optimizer.ts';

/** What `--set` may change, by the first part of its key; settings with a separate flag are left to that. */
export const MODEL_KEYS: readonly string[] = SPEC_KEYS.filter((key) => key !== 'inputShape');
export const FIT_KEYS: readonly string[] = [
  ...OPTIMIZER_OPTIONS.filter((key) => key !== 'learningRate'),
  'schedule',
  'earlyStopping',
  'shuffle',
  'gradientHealth',
];

/** Help for `--set`. */
export const SET_HELP = `a part of the model (${MODEL_KEYS.join(', ')}) or of training (${FIT_KEYS.join(', ')}), such as objective.beta=4; may be repeated`;

type Tree = { [key: string]: unknown };

/**
 * The preset's description and training options with `KEY=VALUE` assignments put into them. A value is JSON where it can be,
 * else a word; a key's dots lead into objects.
 *
 * @throws TorchvaeError ERR_RANGE for text that is not an assignment, or an unknown key
 */
export function applyOverrides(
  spec: ModelSpecInput,
  assignments: readonly string[],
): { spec: ModelSpecInput; fit: Partial<FitOptions> } {
  const tree: Tree = structuredClone({ ...spec });
  const fit: Tree = {};
  for (const assignment of assignments) {
    const split = assignment.indexOf('=');
    const path = assignment.slice(0, split).split('.');
    // Assignments also come from a run's config.json: the prototype of objects must stay out of reach.
    if (split < 1 || path.includes('') || path.includes('__proto__')) {
      throw new TorchvaeError('ERR_RANGE', `Expected KEY=VALUE for --set but received ${assignment}`);
    }
    const target = MODEL_KEYS.includes(path[0]!) ? tree : FIT_KEYS.includes(path[0]!) ? fit : undefined;
    if (!target) {
      const keys = [...MODEL_KEYS, ...FIT_KEYS];
      const meant = nearest(path[0]!, keys);
      throw new TorchvaeError(
        'ERR_RANGE',
        `Expected a key that begins with one of ${keys.join(', ')} for --set but received ${path[0]}` +
          (meant === undefined ? '' : `; did you mean ${meant}?`),
      );
    }
    assign(target, path, parse(assignment.slice(split + 1)));
  }
  return { spec: tree as ModelSpecInput, fit: fit as Partial<FitOptions> };
}

function assign(tree: Tree, path: readonly string[], value: unknown): void {
  const [key, ...rest] = path as [string, ...string[]];
  if (rest.length === 0) {
    tree[key] = value;
    return;
  }
  const inner = tree[key];
  // A part that is given by its name alone.
  if (typeof inner === 'string') tree[key] = { type: inner };
  else if (typeof inner !== 'object' || inner === null) tree[key] = {};
  assign(tree[key] as Tree, rest, value);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
