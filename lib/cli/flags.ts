import type { Command } from 'commander';
import { READING } from './reading.ts';
import { inShell } from './shell.ts';

/** Options of the API that a flag of another name sets. */
const OTHERS: Readonly<Record<string, string>> = {
  imageSize: 'size',
  likelihoodSamples: 'likelihood',
  components: 'mixture',
  validation: 'holdout',
  ...Object.fromEntries(Object.entries(READING).map(([key, { option = key }]) => [option, key])),
};

/** What `--set` changes of training, in the messages of `VAE.fit`. */
const SET = 'optimizer|clip|penalty|accumulate|averageWeights|onNonFinite|schedule|earlyStopping|shuffle';

/** The command whose action runs, or the program before one does. */
let called: Command | undefined;

/** Says whose flags messages name from now on. */
export function setCalled(command: Command): void {
  called = command;
}

/**
 * A message of the API as one of the command line that was called: options are called by the flags that set them. All that is printed of such
 * messages passes through it: errors, warnings, and notes.
 */
export function inFlags(message: string): string {
  const flags = new Map(
    (called?.options ?? []).map((option) => [option.attributeName(), option.long ?? option.flags]),
  );
  const flagOf = (name: string) => flags.get(name) ?? flags.get(OTHERS[name] ?? '') ?? name;
  let text = message
    // Advice as an assignment: `onBadImage: 'skip'`, `(length: 100)`, `missing: ['', 'NA']`, `columns: { "id": 'ignore' }`.
    .replaceAll(
      /\bcolumns: \{ ("(?:[^"\\]|\\.)*"): '(\w+)' \}/g,
      (_, name, type) =>
        // Of training, whatever the command.
        `--column ${inShell(`${JSON.parse(name)}=${type}`)}`,
    )
    .replaceAll(/(?<![\w.-])(\w+): \[((?:'[^']*'|"(?:[^"\\]|\\.)*"|, )*)\]/g, (whole, name, list) => {
      const flag = flagOf(name);
      const values = [...list.matchAll(/'([^']*)'|("(?:[^"\\]|\\.)*")/g)].map(
        ([, plain, quoted]) => plain ?? JSON.parse(quoted),
      );
      return flag === name ? whole : values.map((value) => `${flag} ${inShell(value)}`).join(' ');
    })
    .replaceAll(/(?<![\w.-])(\w+): (?:'([\w-]+)'|(\d+)(?=\)))/g, (whole, name, text, number) => {
      const flag = flagOf(name);
      return flag === name ? whole : `${flag} ${text ?? number}`;
    })
    .replaceAll(/`(\w+)`/g, (whole, name) => (flagOf(name) === name ? whole : flagOf(name)))
    .replaceAll(/(?<=\boption )(\w+) of (?:loadDataset|loadSplit|streamDataset)\b/g, (_, name) =>
      flagOf(name),
    )
    // The sentence of all refused values, in which a word can be nothing but the argument's name.
    .replaceAll(/(?<= for )[a-zA-Z]+(?= but received )/g, flagOf)
    .replaceAll(/(?<=either )(\w+) or (\w+)/g, (_, one, other) => `${flagOf(one)} or ${flagOf(other)}`);
  // A search has settings by the names that they have in the API.
  if (called?.name() === 'search') text = text.replaceAll(/(?<![\w.-])space\.(?=[a-zA-Z])/g, '--set ');
  // Such names are no words of a language.
  else text = text.replaceAll(/(?<![\w.-])[a-z]+(?:[A-Z][a-z]+)+(?![\w(:])/g, flagOf);
  if (flags.has('set')) {
    text = text
      .replaceAll(/\boptions\.(\w+) of fit\b/g, '--set $1')
      .replaceAll(/(?<![\w.])spec\.(?=[a-z])/g, '--set ')
      .replaceAll(new RegExp(`(?<= for )(?=(?:${SET})(?:\\.\\w+)* but received )`, 'g'), '--set ')
      .replaceAll(/\b(\w+): \{ (\w+): (?:'([\w-]+)'|([\w.]+)) \}/g, '--set $1.$2=$3$4');
  }
  return text;
}
