/**
 * Damages the files of a run directory at random and has commands read them: each must succeed or end with a TorchvaeError.
 *   node scripts/reliability/fuzz-files.mjs --seconds 60 [--least 100] --seed 1
 * --least: so many, however long they take. The commands run in one process, whose address space is limited: a file that asks for much memory must be refused.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Command, CommanderError } from 'commander';
import { register as registerReconstruct } from '../../dist/cli/reconstruct.js';
import { register as registerReport } from '../../dist/cli/report.js';
import { register as registerSample } from '../../dist/cli/sample.js';
import { register as registerTrain } from '../../dist/cli/train.js';
import { TorchvaeError } from '../../dist/errors.js';
import { Random } from './random.mjs';

const { values: flags } = parseArgs({
  options: {
    seconds: { type: 'string', default: '20' },
    least: { type: 'string', default: '0' },
    seed: { type: 'string', default: '1' },
    child: { type: 'boolean', default: false },
  },
});
const LIMIT_KIB = 6 << 20;
const DEEP = '@deep@';
const random = new Random(Number(flags.seed));

/** What may stand in place of any value of JSON; DEEP becomes a hundred thousand brackets. */
const STRANGE = [
  null,
  true,
  -1,
  0,
  0.5,
  1e308,
  -1e308,
  2 ** 53,
  4294967296,
  '',
  'x',
  '__proto__',
  '../../../etc/passwd',
  [],
  {},
  [null],
  [[1]],
  { toString: 1 },
  { valueOf: null, toString: null },
  { length: 1e9 },
  { type: 'elbo' },
  DEEP,
  [DEEP],
  'x'.repeat(100_000),
  Array(10_000).fill(0),
  { constructor: { prototype: null } },
];

const isContainer = (value) => typeof value === 'object' && value !== null;

/** A copy of `value` with one place changed: replaced, removed, added to, or copied over another. */
function damaged(value) {
  if (!isContainer(value) || random.chance(0.08)) return structuredClone(random.pick(STRANGE));
  const copy = Array.isArray(value) ? [...value] : { ...value };
  const keys = Object.keys(copy);
  if (keys.length === 0 || random.chance(0.05)) {
    const key = random.pick(['__proto__', 'constructor', 'toString', 'extra', '0']);
    Object.defineProperty(copy, key, {
      value: random.pick(STRANGE),
      enumerable: true,
      configurable: true,
      writable: true,
    });
    return copy;
  }
  const key = random.pick(keys);
  const kind = random.next();
  if (kind < 0.1) delete copy[key];
  else if (kind < 0.2) copy[key] = copy[random.pick(keys)];
  else copy[key] = damaged(copy[key]);
  return copy;
}

const toJson = (value) =>
  JSON.stringify(value).replaceAll(JSON.stringify(DEEP), () => '['.repeat(100_000) + ']'.repeat(100_000));

/** Some bytes changed, cut off, doubled or put in. */
function scratched(bytes) {
  const at = random.below(bytes.length + 1);
  switch (random.below(4)) {
    case 0:
      return bytes.subarray(0, at);
    case 1:
      return Buffer.concat([bytes.subarray(0, at), Buffer.from([random.below(256)]), bytes.subarray(at)]);
    case 2:
      return Buffer.concat([bytes.subarray(0, at), bytes]);
    default: {
      const copy = Buffer.from(bytes);
      for (let i = random.below(8); i >= 0; i--) copy[random.below(copy.length)] = random.below(256);
      return copy;
    }
  }
}

const withHeader = (json, data) => {
  const header = Buffer.from(json);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  return Buffer.concat([length, header, data]);
};

/** A checkpoint whose header, a tensor's entry or a text of its metadata is not what it was. */
function damagedCheckpoint(bytes) {
  const length = Number(bytes.readBigUInt64LE());
  const header = JSON.parse(bytes.subarray(8, 8 + length).toString());
  const data = Buffer.from(bytes.subarray(8 + length));
  const kind = random.next();
  if (kind < 0.15) return scratched(bytes);
  if (kind < 0.2) {
    const copy = Buffer.from(bytes);
    copy.writeBigUInt64LE(random.pick([0n, 1n, 2n ** 63n, 2n ** 32n, 100_000_000n, BigInt(bytes.length)]));
    return copy;
  }
  if (kind < 0.3 && data.length > 4) {
    data.writeFloatLE(random.pick([Number.NaN, Infinity, 1e38, -1e-40]), 4 * random.below(data.length / 4));
    return withHeader(JSON.stringify(header), data);
  }
  if (kind < 0.5) return withHeader(toJson(damaged(header)), data);
  const metadata = { ...header.__metadata__ };
  const field = random.pick(Object.keys(metadata));
  let text = metadata[field];
  try {
    text = toJson(damaged(JSON.parse(text)));
  } catch {
    text = random.pick(['', '{', 'null', '[]', '{"__proto__":{"a":1}}']);
  }
  return withHeader(JSON.stringify({ ...header, __metadata__: { ...metadata, [field]: text } }), data);
}

const FILES = {
  'checkpoint.safetensors': damagedCheckpoint,
  'config.json': (bytes) =>
    random.chance(0.15) ? scratched(bytes) : Buffer.from(toJson(damaged(JSON.parse(bytes.toString())))),
  'metrics.jsonl': (bytes) => {
    if (random.chance(0.15)) return scratched(bytes);
    const lines = bytes.toString().trimEnd().split('\n');
    const at = random.below(lines.length);
    lines[at] = toJson(damaged(JSON.parse(lines[at])));
    return Buffer.from(`${lines.join('\n')}\n`);
  },
};

async function run(args) {
  const program = new Command('torchvae')
    .exitOverride()
    .configureOutput({ writeErr: () => {}, writeOut: () => {} });
  for (const register of [registerTrain, registerSample, registerReconstruct, registerReport])
    register(program);
  for (const command of program.commands) command.exitOverride();
  await program.parseAsync(args, { from: 'user' });
}

async function child() {
  const folder = mkdtempSync(join(tmpdir(), 'torchvae-files-'));
  const [pristine, path] = [join(folder, 'pristine'), join(folder, 'run')];
  const start = [
    'train',
    '--count',
    '60',
    '--batch-size',
    '20',
    '--epochs',
    '2',
    '--set',
    'encoder.hidden=[8]',
    '--out',
    pristine,
  ];
  // What the commands say to people.
  process.stderr.write = () => true;
  await run(start);
  const commands = {
    report: ['report', path, '--device', 'cpu'],
    sample: ['sample', path, '--count', '4', '--out', join(folder, 'samples.png'), '--device', 'cpu'],
    reconstruct: ['reconstruct', path, '--out', join(folder, 'pairs.png'), '--device', 'cpu'],
    resume: ['train', '--out', path, '--resume', '--epochs', '3', '--device', 'cpu'],
  };
  const counts = {};
  const bad = [];
  let [tried, most] = [0, 0];
  let slowest = { milliseconds: 0 };
  const end = performance.now() + 1000 * Number(flags.seconds);
  while (performance.now() < end || tried < Number(flags.least)) {
    rmSync(path, { recursive: true, force: true });
    cpSync(pristine, path, { recursive: true });
    const name = random.pick(Object.keys(FILES));
    const bytes = FILES[name](readFileSync(join(pristine, name)));
    writeFileSync(join(path, name), bytes);
    const command = random.pick(Object.keys(commands));
    const began = performance.now();
    let outcome = 'succeeded';
    try {
      await run(commands[command]);
    } catch (error) {
      const isTyped = error instanceof TorchvaeError && error.code !== 'ERR_INTERNAL';
      outcome = isTyped ? error.code : error instanceof CommanderError ? error.code : 'untyped';
      if (outcome === 'untyped' && bad.length < 10) {
        const kept = join(tmpdir(), `torchvae-fuzz-${flags.seed}-${tried}-${name}`);
        writeFileSync(kept, bytes);
        bad.push({ command, kept, error: String(error.stack).slice(0, 700) });
      }
    }
    counts[`${command}: ${outcome}`] = (counts[`${command}: ${outcome}`] ?? 0) + 1;
    tried++;
    const milliseconds = Math.round(performance.now() - began);
    if (milliseconds > slowest.milliseconds) slowest = { milliseconds, command, name, outcome };
    most = Math.max(most, process.memoryUsage.rss());
  }
  rmSync(folder, { recursive: true, force: true });
  const polluted = {}.a !== undefined;
  console.log(
    JSON.stringify({ tried, slowest, mostMB: Math.round(most / 1e6), polluted, counts, bad }, null, 1),
  );
  if (bad.length > 0 || polluted) process.exitCode = 1;
}

function parent() {
  const args = [fileURLToPath(import.meta.url), ...process.argv.slice(2), '--child'];
  const command = ['-c', `ulimit -v ${LIMIT_KIB}; exec "$@"`, 'sh', process.execPath, ...args];
  const { status, signal } = spawnSync('sh', command, { stdio: 'inherit' });
  if (signal) console.error(`The process was ended by ${signal}`);
  process.exitCode = status ?? 1;
}

if (flags.child) await child();
else parent();
