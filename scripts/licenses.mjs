// Holds the production dependencies to permissive licenses and to no install scripts, and lists them in THIRD-PARTY.md.
//   node scripts/licenses.mjs --write    writes the list
//   node scripts/licenses.mjs --check    fails where it is not up to date
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

/** Those that ask for no more than their notice. */
const PERMITTED = ['0BSD', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', 'BlueOak-1.0.0', 'ISC', 'MIT'];

const { values } = parseArgs({ options: { check: { type: 'boolean' }, write: { type: 'boolean' } } });
if (values.check === values.write) {
  console.error('Expected one of --check and --write');
  process.exit(2);
}

const path = (name) => fileURLToPath(new URL(`../${name}`, import.meta.url));
const readJson = (name) => JSON.parse(readFileSync(path(name), 'utf8'));

const installed = Object.entries(readJson('package-lock.json').packages).filter(
  ([folder, { dev, devOptional, optional, peer }]) => folder && !dev && !devOptional && !optional && !peer,
);
const rows = installed.map(([folder, { hasInstallScript }]) => {
  const { name, license } = readJson(`${folder}/package.json`);
  if (!PERMITTED.includes(license))
    throw new Error(`Expected one of ${PERMITTED.join(', ')} for ${name} but its license is ${license}`);
  if (hasInstallScript) throw new Error(`Expected no install scripts but ${name} has one`);
  return `| ${name} | ${license} |`;
});
const list = [
  '<!-- licenses -->',
  '| package | license |',
  '| --- | --- |',
  ...rows,
  '<!-- /licenses -->',
].join('\n');

const notices = readFileSync(path('THIRD-PARTY.md'), 'utf8');
const updated = notices.replace(/<!-- licenses -->[\s\S]*<!-- \/licenses -->/, () => list);
if (values.write) {
  writeFileSync(path('THIRD-PARTY.md'), updated);
} else if (updated !== notices || !notices.includes(list)) {
  console.error('THIRD-PARTY.md is not up to date; run: node scripts/licenses.mjs --write');
  process.exitCode = 1;
}
