import type { DataSchema } from '../data/schema.ts';
import type { Field } from '../data/tables/fields.ts';
import { TorchvaeError } from '../errors.ts';

/**
 * Data whose values mean something else than those that the model was trained on would get answers that look right: a file that is
 * loaded without the model's schema is standardized by its own means.
 *
 * @param known the schema of the data that the model was trained on
 * @throws TorchvaeError ERR_STATE where both are known and encode rows in different ways
 */
export function checkSameSchema(
  name: string,
  given: DataSchema | undefined,
  known: DataSchema | undefined,
): void {
  const difference = given && known && given !== known ? differenceOf(given, known) : undefined;
  if (difference === undefined) return;
  throw new TorchvaeError(
    'ERR_STATE',
    `Expected data in the schema of the model's training data for ${name} but ${difference}; load them with that schema: ` +
      'loadDataset(path, { schema: vae.schema })',
  );
}

/** Schemas never change, so two are compared once. */
const compared = new WeakMap<DataSchema, WeakMap<DataSchema, { difference: string | undefined }>>();

function differenceOf(given: DataSchema, known: DataSchema): string | undefined {
  const ofKnown = compared.get(known) ?? new WeakMap();
  compared.set(known, ofKnown);
  let found = ofKnown.get(given);
  if (!found) {
    found = { difference: compare(given, known) };
    ofKnown.set(given, found);
  }
  return found.difference;
}

function compare(given: DataSchema, known: DataSchema): string | undefined {
  if (given.type === 'text' && known.type === 'text') {
    const isSame =
      given.level === known.level &&
      given.size === known.size &&
      JSON.stringify(given.vocabulary) === JSON.stringify(known.vocabulary);
    return isSame ? undefined : 'their vocabulary, level or length is another';
  }
  if (given.type !== 'table' || known.type !== 'table') {
    return `they are those of a ${given.type} instead of a ${known.type}`;
  }
  const columns = (fields: readonly Field[]) => fields.map(({ name }) => name);
  const [came, wanted] = [columns(given.fields), columns(known.fields)];
  if (JSON.stringify(came) !== JSON.stringify(wanted)) {
    return `they have the columns ${shown(came)} instead of ${shown(wanted)}`;
  }
  for (const [i, field] of known.fields.entries()) {
    const other = given.fields[i]!;
    if (JSON.stringify(encodingOf(field)) === JSON.stringify(encodingOf(other))) continue;
    return `column ${JSON.stringify(field.name)} has ${inWords(other)} instead of ${inWords(field)}`;
  }
  return undefined;
}

/** What decides how a cell becomes numbers. */
function encodingOf(field: Field): readonly unknown[] {
  if (field.type === 'categorical') return [field.type, field.categories];
  const { type, center, scale } = field;
  return [type, center, scale, field.type === 'date' ? field.periods : field.zeros];
}

function inWords(field: Field): string {
  if (field.type === 'categorical') return `the categories ${shown(field.categories)}`;
  return `mean ${Number(field.center.toPrecision(5))} and deviation ${Number(field.scale.toPrecision(5))}`;
}

function shown(names: readonly string[]): string {
  return names.slice(0, 12).join(', ') + (names.length > 12 ? ', ...' : '');
}
