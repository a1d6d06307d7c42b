/**
 * Calls the raw addon with random arguments: each call must return, throw a JavaScript value or settle a promise.
 *   node scripts/reliability/fuzz-addon.mjs --seconds 60 [--least 100] --seed 1 [--binaries build/Release] [--unlimited]
 * --least: so many, however long they take. The calls are made in a separate process, whose memory is limited so that
 * allocations fail there and not on the whole machine (not under --unlimited, which a sanitizer's own memory needs; numbers are
 * then modest). A crash is reported with the last calls and the seed that brings it back. Before and after, one model is
 * trained to the same bits.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inspect, parseArgs } from 'node:util';
import { completeSpec, nativeSpec } from '../../dist/model/spec.js';
import { findLibtorch } from '../../dist/runtime/libtorch.js';
import { CALLS } from './fuzz-calls.mjs';
import { anything, MODEST, spoil } from './fuzz-values.mjs';
import { Random } from './random.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const { values: flags } = parseArgs({
  options: {
    seconds: { type: 'string', default: '20' },
    least: { type: 'string', default: '0' },
    seed: { type: 'string', default: '1' },
    binaries: { type: 'string', default: join(root, 'build/Release') },
    unlimited: { type: 'boolean', default: false },
    journal: { type: 'string' },
  },
});

/** Of address space: Node itself maps some gigabytes. */
const LIMIT_KIB = 12 << 20;

/** Numbers that a call's time grows with, not its memory, and that lib/ bounds: a huge one would not fail but take years. */
const TIMES = { importance: [2], fitMixture: [3, 4] };

function open(binaries) {
  const addon = createRequire(import.meta.url)(join(binaries, 'torchvae.node'));
  const libtorch = findLibtorch({ build: 'cpu' });
  const engine = join(binaries, `libtorchvae-${libtorch.minor}.so`);
  addon.open({ libtorch: [...libtorch.cpuLibraries], engine });
  return addon;
}

/** What a model that nobody else knows of is trained to. */
async function control(addon, device) {
  const spec = nativeSpec(completeSpec({ inputShape: [12], encoder: { hidden: [8] }, latentSize: 3 }));
  const model = await addon.createModel(device, spec, 1, 'float32', false);
  const data = await addon.createDataset(
    device,
    Float32Array.from({ length: 480 }, (_, i) => (i * 7) % 2),
    12,
    false,
  );
  const [, chunk] = CALLS.train(new Random(5), { models: [model], datasets: [data], widths: new Map() });
  Object.assign(chunk, { firstStep: 0, steps: 3, batchSize: 8, epoch: 0 });
  chunk.schedule = Float64Array.from({ length: 12 }, (_, i) => (i % 4 === 0 ? 1e-3 : 1));
  await addon.train(model, chunk);
  const hash = createHash('sha256');
  for (const tensor of (await addon.readState(model)).tensors) hash.update(tensor);
  addon.dispose(model);
  addon.dispose(data);
  return hash.digest('hex');
}

/** Those of `args` that count as numbers of times are made modest. */
function tame(name, args) {
  for (const place of TIMES[name] ?? []) {
    const value = args[place];
    const isObject = typeof value === 'object' && value !== null;
    if (isObject || Number(typeof value === 'symbol' ? 0 : value) > 300) args[place] = 3;
  }
  return args;
}

function isHuge(value, depth = 0) {
  if (typeof value === 'number') return value > 300 && !MODEST.includes(value);
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value) || depth > 3) return false;
  try {
    return Object.values(value).some((inner) => isHuge(inner, depth + 1));
  } catch {
    return false;
  }
}

async function child() {
  const addon = open(resolve(flags.binaries));
  const random = new Random(Number(flags.seed));
  const journal = openSync(flags.journal, 'a');
  const device = addon.device('cpu', 2);
  const before = await control(addon, device);
  const bag = { device, models: [], datasets: [], widths: new Map() };
  const keep = { createModel: bag.models, createDataset: bag.datasets };
  const counts = {};
  const count = (what) => {
    counts[what] = (counts[what] ?? 0) + 1;
  };
  /** What the engine did not expect, in its own words: a sample. */
  const internal = new Set();
  const note = (error) => {
    count(error instanceof Error ? (error.code ?? `${error.name} without a code`) : 'not an error');
    if (error?.code === 'ERR_INTERNAL' && internal.size < 20)
      internal.add(error.message.split('\n')[0].slice(0, 160));
  };
  const add = (name, args, made) => {
    keep[name].push(made);
    const shape = name === 'createModel' ? args[1].inputShape : [args[2]];
    bag.widths.set(made, Array.isArray(shape) ? shape.reduce((product, n) => product * n, 1) : 12);
  };
  const refill = async () => {
    for (const [name, list] of Object.entries(keep)) {
      const isLeft = (handle) =>
        list === bag.datasets || stateOf(handle) !== 'ERR_STATE' || random.chance(0.1);
      list.splice(0, list.length, ...list.filter(isLeft));
      for (const handle of bag.widths.keys()) {
        if (!bag.models.includes(handle) && !bag.datasets.includes(handle)) bag.widths.delete(handle);
      }
      while (list.length > 12) list.splice(random.below(list.length), 1);
      while (list.length < 6) {
        const args = CALLS[name](random, bag);
        await addon[name](...args).then((made) => add(name, args, made), note);
      }
    }
  };
  const stateOf = (model) => {
    try {
      return addon.termNames(model).length;
    } catch (error) {
      return error.code;
    }
  };
  const names = Object.keys(CALLS);
  const end = performance.now() + 1000 * Number(flags.seconds);
  let calls = 0;
  while (performance.now() < end || calls < Number(flags.least)) {
    await refill();
    const pending = [];
    for (let i = random.below(12); i >= 0; i--) {
      const name = random.pick(names);
      const proper = CALLS[name](random, bag);
      const handles = [bag.device, ...bag.models, ...bag.datasets];
      const effect = () => {
        const victim = random.pick(handles);
        if (victim !== bag.device && random.chance(0.5)) addon.dispose(victim);
      };
      let args = [...proper];
      const kind = random.next();
      if (kind < 0.5) {
        const place = random.below(args.length);
        args[place] = spoil(random, args[place], handles, effect);
      } else if (kind < 0.6) {
        args = Array.from({ length: random.below(7) }, () => anything(random, handles, effect));
      } else if (kind < 0.65) {
        args.sort(() => random.next() - 0.5);
      }
      tame(name, args);
      if (flags.unlimited && args.some((value) => isHuge(value))) continue;
      writeSync(journal, `${calls} ${name}(${describe(args)})\n`);
      calls++;
      try {
        const result = Reflect.apply(addon[name], random.chance(0.05) ? null : addon, args);
        if (result instanceof Promise) {
          pending.push(
            result.then((made) => {
              count('resolved');
              if (name in keep) add(name, args, made);
            }, note),
          );
        } else {
          count('returned');
        }
      } catch (error) {
        note(error);
      }
    }
    if (random.chance(0.9)) await Promise.all(pending);
  }
  const after = await control(addon, device);
  console.log(JSON.stringify({ calls, intact: before === after, counts, internal: [...internal] }));
}

function describe(args) {
  try {
    return inspect(args, {
      depth: 4,
      breakLength: Infinity,
      maxArrayLength: 8,
      maxStringLength: 40,
      getters: false,
    }).slice(0, 600);
  } catch {
    return '(cannot be shown)';
  }
}

function parent() {
  const folder = mkdtempSync(join(tmpdir(), 'torchvae-fuzz-'));
  const journal = join(folder, 'journal');
  try {
    const limit = flags.unlimited ? '' : `ulimit -v ${LIMIT_KIB}; `;
    const args = [fileURLToPath(import.meta.url), ...process.argv.slice(2), '--journal', journal];
    const shell = ['-c', `${limit}exec "$@"`, 'sh', process.execPath, ...args];
    const patience = 1000 * Number(flags.seconds) + 120_000;
    const { status, signal, stdout, stderr } = spawnSync('sh', shell, {
      encoding: 'utf8',
      timeout: patience,
      killSignal: 'SIGKILL',
      maxBuffer: 2 ** 28,
    });
    process.stderr.write(stderr);
    process.stdout.write(stdout);
    const isIntact = status === 0 && JSON.parse(stdout.trim().split('\n').at(-1)).intact;
    if (isIntact) return;
    const last = readFileSync(journal, 'utf8').trimEnd().split('\n').slice(-20);
    console.error(
      `The addon ended its process (status ${status}, signal ${signal}) or was damaged. Seed ${flags.seed}; the last calls:`,
    );
    console.error(last.join('\n'));
    process.exitCode = 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

if (flags.journal === undefined) parent();
else await child();
