/** What the tarball holds, and what the linters of packages say of it. */
import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core';
import { publint } from 'publint';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { temporaryFolder } from '../fake-libtorch.ts';
import { packageFolder } from '../support/command.ts';
import { pack } from './stranger.ts';

const folder = temporaryFolder();
let tarball: ReturnType<typeof pack>;
let bytes: Uint8Array;

beforeAll(() => {
  tarball = pack(folder);
  bytes = new Uint8Array(readFileSync(tarball.path));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('the tarball holds what runs, what it is built from, and nothing else', () => {
  const parts = [
    /^(package\.json|README\.md|LICENSE|THIRD-PARTY\.md|CHANGELOG\.md|CMakeLists\.txt)$/,
    /^dist\/.*\.(js|d\.ts)$/,
    /^(native|binding)\/.*\.(cpp|h|cu|cuh)$/,
    /^scripts\/build\.mjs$/,
    /^prebuilds\/linux-x64\/(torchvae\.glibc\.node|libtorchvae(_cuda)?-2\.\d+\.so)$/,
  ];
  for (const part of parts)
    expect(
      tarball.files.some((path) => part.test(path)),
      String(part),
    ).toBe(true);
  expect(tarball.files.filter((path) => !parts.some((part) => part.test(path)))).toEqual([]);
});

test('libtorch itself is not in it', () => {
  // An engine is about a megabyte, libtorch_cpu over four hundred.
  expect(tarball.size).toBeLessThan(10e6);
  expect(tarball.unpackedSize).toBeLessThan(30e6);
});

test('what it depends on may be passed on, and is listed', () => {
  const { status, stderr } = spawnSync(process.execPath, ['scripts/licenses.mjs', '--check'], {
    cwd: packageFolder,
    encoding: 'utf8',
  });
  expect(status, stderr).toBe(0);
});

test('publint has nothing to say', async () => {
  const { messages } = await publint({
    pack: { tarball: bytes.slice().buffer },
    level: 'suggestion',
    strict: true,
  });
  expect(messages).toEqual([]);
});

test('the types are found and right, whoever asks', async () => {
  const result = await checkPackage(createPackageFromTarballData(bytes));
  if (!result.types) throw new Error('it should have types');
  // A module alone: Node 20.19 and newer can require it, and TypeScript knows that.
  const problems = result.problems.filter(({ kind }) => kind !== 'CJSResolvesToESM');
  expect(problems).toEqual([]);
});

test('the documentation states its size', () => {
  const text = readFileSync(join(packageFolder, 'docs/packaging.md'), 'utf8');
  const stated =
    /alone the tarball is ([\d.]+) MB packed and ([\d.]+) MB unpacked; .*? ([\d.]+) MB packed and ([\d.]+) MB/s;
  const [packed, unpacked, packedMore, unpackedMore] = stated
    .exec(text)!
    .slice(1)
    .map((size) => Number(size) * 1e6);
  const further = tarball.files.filter((path) => /\/libtorchvae-/.test(path)).length - 1;
  // What is stated is rounded to a tenth.
  expect(tarball.size).toBeLessThan(packed! + further * packedMore! + 0.1e6);
  expect(tarball.unpackedSize).toBeLessThan(unpacked! + further * unpackedMore! + 0.1e6);
  expect(tarball.unpackedSize).toBeGreaterThan(unpacked! - 0.5e6);
});
