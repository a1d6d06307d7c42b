import { readdirSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { join } from 'node:path';
import { packageRoot, packageVersion } from '../package.ts';
import { binaryFolders } from '../runtime/binaries.ts';
import { findNvidiaDriver, type NvidiaDriver } from '../runtime/driver.ts';
import { glibcVersion, isRecentGlibc, NEEDED_GLIBC } from '../runtime/libc.ts';
import { findLibtorch, type Libtorch } from '../runtime/libtorch.ts';
import { PROBE_SCRIPT, type ProbeAnswer, probe } from './probe.ts';

/** One thing that was looked at. */
export interface Finding {
  /** What it is about, such as `libtorch`. */
  name: string;
  /** `warning`: training runs, but not as well as this machine could. `error`: training does not run. */
  status: 'ok' | 'warning' | 'error';
  /** What was found, for people; may have several lines. */
  value: string;
}

/** What `runDoctor` found. */
export interface DoctorReport {
  /** Whether training can run: the engine really opened. */
  ok: boolean;
  findings: Finding[];
  /** The engine's description of itself; missing if it did not open. */
  engine?: Record<string, unknown>;
  /** What to do, the most important first; empty if there is nothing. */
  advice: string[];
}

/** What to examine. */
export interface DoctorOptions {
  /** A folder with libtorch; default: what training would find. */
  libtorch?: string;
  /** @internal Stands in for the script that opens the engine, in tests. */
  script?: string;
  /** @internal Milliseconds until that script is given up. */
  patience?: number;
}

/**
 * Examines whether training can run here, and on what. A separate process opens libtorch, so a broken one is a finding and not a
 * crash. It never throws for what it finds.
 */
export async function runDoctor(options: DoctorOptions = {}): Promise<DoctorReport> {
  const report: DoctorReport = { ok: false, findings: [], advice: [] };
  examinePlatform(report);
  examineBinaries(report);
  const libtorch = examineLibtorch(report, options.libtorch);
  const answer = await examineEngine(report, options);
  await examineCuda(report, libtorch, answer, options);
  return report;
}

function add(report: DoctorReport, name: string, status: Finding['status'], value: string): void {
  report.findings.push({ name, status, value });
}

function examinePlatform(report: DoctorReport): void {
  add(report, 'torchvae', 'ok', packageVersion());
  add(report, 'Node.js', 'ok', `${process.version} (N-API ${process.versions.napi})`);
  const processor = `${cpus()[0]?.model.trim() ?? 'unknown processor'}, ${availableParallelism()} threads usable`;
  add(report, 'platform', 'ok', `${process.platform} ${process.arch}, ${processor}`);
  examineGlibc(report);
  const variables = Object.entries(process.env).filter(([name]) => name.startsWith('TORCHVAE_'));
  if (variables.length > 0) {
    add(report, 'environment', 'ok', variables.map(([name, value]) => `${name}=${value}`).join('\n'));
  }
}

function examineGlibc(report: DoctorReport): void {
  if (process.platform !== 'linux') return;
  const version = glibcVersion();
  const recent = isRecentGlibc(version);
  const found = `${version ?? 'none (musl?)'}; libtorch needs ${NEEDED_GLIBC} or newer`;
  add(report, 'glibc', recent ? 'ok' : 'error', found);
  if (!recent)
    report.advice.push(`Use a Linux distribution with glibc ${NEEDED_GLIBC} or newer, such as Debian 12.`);
}

function examineBinaries(report: DoctorReport): void {
  const files = binaryFolders().flatMap(listBinaries);
  const status = files.length > 0 ? 'ok' : 'error';
  add(report, 'binaries', status, files.join('\n') || `none in ${packageRoot()}`);
  if (files.length > 0) return;
  report.advice.push(
    'This package has no binary for this platform: build it with `npx torchvae build`, or in a clone with ' +
      '`npm run build`.',
  );
}

function listBinaries(folder: string): string[] {
  try {
    const names = readdirSync(folder);
    const binaries = names.filter((name) => /torchvae.*\.(node|so|dylib|dll)$/.test(name));
    return binaries.sort().map((name) => join(folder, name));
  } catch {
    return [];
  }
}

function examineLibtorch(report: DoctorReport, root: string | undefined): Libtorch | undefined {
  try {
    const libtorch = findLibtorch(root === undefined ? {} : { root });
    const { version, build, minimal, source } = libtorch;
    const what = `${version}, ${build}${minimal ? ' without its run-time libraries' : ''}, from ${source}`;
    add(report, 'libtorch', 'ok', `${what}: ${libtorch.root}`);
    return libtorch;
  } catch (error) {
    add(report, 'libtorch', 'error', (error as Error).message);
    report.advice.push(
      'Run `npx torchvae setup` to fetch libtorch, or set TORCHVAE_LIBTORCH to one that is there.',
    );
    return undefined;
  }
}

/** On the CPU alone first: where the CUDA half is broken, training can still run. */
async function examineEngine(report: DoctorReport, options: DoctorOptions): Promise<ProbeAnswer> {
  const answer = await open('cpu', options);
  if (answer.info) {
    report.ok = true;
    report.engine = answer.info;
    // Engines narrow down which versions will do, so this need not be the libtorch above.
    add(report, 'engine', 'ok', `opens ${answer.root ?? ''}`.trim());
    return answer;
  }
  add(report, 'engine', 'error', answer.error?.message ?? 'no answer');
  // What there is no libtorch or no binary for has its advice already.
  if (report.advice.length === 0) {
    report.advice.push(
      'The engine could not be opened; see above. If libtorch is damaged, run `npx torchvae setup --force`.',
    );
  }
  return answer;
}

function open(device: 'cpu' | 'auto', options: DoctorOptions): Promise<ProbeAnswer> {
  const { libtorch, script = PROBE_SCRIPT, patience } = options;
  return probe({ device, ...(libtorch !== undefined && { libtorch }) }, script, patience);
}

async function examineCuda(
  report: DoctorReport,
  libtorch: Libtorch | undefined,
  onCpu: ProbeAnswer,
  options: DoctorOptions,
): Promise<void> {
  const driver = findNvidiaDriver();
  add(report, 'NVIDIA driver', 'ok', describeDriver(driver));
  if (!driver || !libtorch) {
    add(report, 'CUDA', 'ok', `off: ${driver ? 'no libtorch' : 'no NVIDIA driver was found'}`);
    return;
  }
  if (!libtorch.hasCuda || libtorch.minimal) {
    const why = libtorch.hasCuda ? 'has none of its run-time libraries' : 'is a CPU build';
    add(report, 'CUDA', 'warning', `off: there is a driver, but this libtorch ${why}`);
    report.advice.push('To train on the GPU, run `npx torchvae setup --build cuda`.');
    return;
  }
  if (onCpu.info) await openCuda(report, options);
}

async function openCuda(report: DoctorReport, options: DoctorOptions): Promise<void> {
  const { info, error } = await open('auto', options);
  if (info) report.engine = info;
  const cuda = info?.cuda as { available?: boolean; reason?: string } | undefined;
  if (cuda?.available) {
    add(report, 'CUDA', 'ok', 'on');
    return;
  }
  add(report, 'CUDA', 'warning', `off: ${error?.message ?? cuda?.reason ?? 'the engine gives no reason'}`);
  report.advice.push('There is a GPU driver that torchvae cannot use: see CUDA above, and `nvidia-smi`.');
}

function describeDriver(driver: NvidiaDriver | undefined): string {
  if (!driver) return 'none';
  return `${driver.version ?? 'of unknown version'} (${driver.evidence})`;
}
