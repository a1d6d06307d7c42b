import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { formatReport } from '../lib/cli/doctor.ts';
import { type DoctorReport, runDoctor } from '../lib/setup/doctor.ts';
import { cpuWheel, cudaWheel, type Files, temporaryFolder, writeTree } from './fake-libtorch.ts';

let folder: string;

beforeEach(() => {
  folder = temporaryFolder();
  vi.stubEnv('TORCHVAE_CACHE', join(folder, 'cache'));
  vi.stubEnv('TORCHVAE_PYTHON', join(folder, 'no-python'));
  vi.stubEnv('TORCHVAE_LIBTORCH', '');
});

afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

/** A stand-in for the script that opens the engine. */
function script(body: string): string {
  const path = join(folder, 'child.mjs');
  writeFileSync(path, `const request = JSON.parse(process.argv[2]);\n${body}\n`);
  return path;
}

const OPENS =
  'process.send({ info: { torchVersion: "2.13.0", cuda: { available: false } }, root: "/torch" })';

function install(files: Files = cpuWheel('2.13.0')): void {
  writeTree(join(folder, 'cache/libtorch/2.13.0-x'), files);
}

/** As on a machine with a GPU; where there is one already, nothing changes. */
function addDriver(): void {
  writeTree(folder, { 'driver/libcuda.so.1': 'driver' });
  vi.stubEnv('LD_LIBRARY_PATH', join(folder, 'driver'));
}

function finding(report: DoctorReport, name: string): { status: string; value: string } {
  return report.findings.find((item) => item.name === name)!;
}

describe.runIf(process.platform === 'linux')('torchvae doctor', () => {
  it('says what it found, and that training can run', async () => {
    install();
    const report = await runDoctor({ script: script(OPENS) });
    expect(report.ok).toBe(true);
    expect(report.engine).toEqual({ torchVersion: '2.13.0', cuda: { available: false } });
    expect(finding(report, 'libtorch').value).toContain('2.13.0, cpu, from cache');
    expect(finding(report, 'engine')).toMatchObject({ status: 'ok', value: 'opens /torch' });
    expect(finding(report, 'Node.js').value).toContain(process.version);
    expect(finding(report, 'glibc').value).toMatch(/^\d+\.\d+; libtorch needs 2\.28/);
    expect(finding(report, 'environment').value).toContain(`TORCHVAE_CACHE=${join(folder, 'cache')}`);
  });

  it('says what was tried where there is no libtorch, and what to do', async () => {
    const report = await runDoctor({
      script: script('process.send({ error: { code: "ERR_LIBTORCH", message: "none" } })'),
    });
    expect(report.ok).toBe(false);
    expect(finding(report, 'libtorch')).toMatchObject({ status: 'error' });
    expect(finding(report, 'libtorch').value).toContain('TORCHVAE_LIBTORCH: not set');
    expect(finding(report, 'engine')).toMatchObject({ status: 'error', value: 'none' });
    expect(report.advice.join()).toContain('npx torchvae setup');
  });

  it('survives a libtorch that ends the process, and says how it ended', async () => {
    install();
    const crash = script(
      'process.stderr.write("undefined symbol: foo\\n"); process.kill(process.pid, "SIGSEGV"); setInterval(() => {}, 1000);',
    );
    const report = await runDoctor({ script: crash });
    expect(report.ok).toBe(false);
    expect(finding(report, 'engine').value).toMatch(
      /ended by SIGSEGV \(a library is damaged.*undefined symbol: foo/s,
    );
    expect(report.advice.length).toBeGreaterThan(0);
  });

  it('survives one that leaves without a word, one that hangs, and one that cannot be started', async () => {
    install();
    const leaves = await runDoctor({ script: script('process.exit(7)') });
    expect(finding(leaves, 'engine').value).toContain('ended with exit code 7 without a word');
    const hangs = await runDoctor({ script: script('setInterval(() => {}, 1000)'), patience: 300 });
    expect(finding(hangs, 'engine').value).toContain('did not finish in time');
    const missing = await runDoctor({ script: join(folder, 'missing.mjs') });
    expect(finding(missing, 'engine').value).toContain('missing.mjs');
    expect([leaves.ok, hangs.ok, missing.ok]).toEqual([false, false, false]);
  });

  it('passes on which libtorch to examine', async () => {
    writeTree(join(folder, 'mine'), cpuWheel('2.14.1'));
    const echo = script('process.send({ info: { request } })');
    const report = await runDoctor({ libtorch: join(folder, 'mine'), script: echo });
    expect(finding(report, 'libtorch').value).toContain('2.14.1, cpu, from option');
    expect(report.engine).toEqual({ request: { device: 'cpu', libtorch: join(folder, 'mine') } });
  });

  it('tells how to use the GPU where a driver is but this libtorch cannot', async () => {
    addDriver();
    install();
    const report = await runDoctor({ script: script(OPENS) });
    expect(report.ok).toBe(true);
    expect(finding(report, 'CUDA')).toMatchObject({
      status: 'warning',
      value: expect.stringContaining('CPU build'),
    });
    expect(report.advice.join()).toContain('npx torchvae setup --build cuda');
    install({ ...cudaWheel('2.13.0'), 'torchvae.json': '{ "runtime": "minimal" }' });
    const minimal = await runDoctor({ script: script(OPENS) });
    expect(finding(minimal, 'CUDA').value).toContain('none of its run-time libraries');
  });

  it('opens CUDA apart from the CPU: where only that fails, training can run', async () => {
    addDriver();
    install(cudaWheel('2.13.0'));
    const works = 'process.send({ info: { cuda: { available: request.device === "auto" } } })';
    const good = await runDoctor({ script: script(works) });
    expect(finding(good, 'CUDA')).toMatchObject({ status: 'ok', value: 'on' });
    expect(good.engine).toEqual({ cuda: { available: true } });
    const fails =
      'if (request.device === "auto") process.kill(process.pid, "SIGABRT"); else process.send({ info: {} });';
    const bad = await runDoctor({ script: script(`${fails} setTimeout(() => {}, 1000)`) });
    expect(bad.ok).toBe(true);
    expect(finding(bad, 'CUDA')).toMatchObject({
      status: 'warning',
      value: expect.stringContaining('SIGABRT'),
    });
  });
});

describe('the printed report', () => {
  it('marks what is wrong, flattens what the engine says, and ends with what to do', () => {
    const text = formatReport({
      ok: false,
      findings: [{ name: 'libtorch', status: 'error', value: 'none\ntried: all' }],
      engine: { threads: 2, cuda: { available: false, devices: ['a', 'b'] } },
      advice: ['Do this.'],
    });
    expect(text.split('\n')).toEqual([
      'x libtorch           none',
      '                     tried: all',
      '',
      'What the engine says:',
      '  threads            2',
      '  cuda.available     false',
      '  cuda.devices       a, b',
      '',
      'Training cannot run yet.',
      'What to do:',
      '  1. Do this.',
    ]);
  });
});
