/** What npm ships, and which part of the house knows which. */
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { packageFolder, runNode } from './support/command.ts';

const read = (path: string) => readFileSync(join(packageFolder, path), 'utf8');
const manifest = JSON.parse(read('package.json'));

/** The files under `folder` whose names end like this, relative to the package. */
function filesIn(folder: string, ending: RegExp): string[] {
  return readdirSync(join(packageFolder, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => ending.test(name))
    .map((name) => join(folder, name));
}

describe('the package', () => {
  test('installs without running anything', () => {
    for (const script of ['preinstall', 'install', 'postinstall', 'prepare', 'prepublish']) {
      expect(manifest.scripts).not.toHaveProperty(script);
    }
    // npm runs node-gyp on its own where there is a binding.gyp.
    expect(existsSync(join(packageFolder, 'binding.gyp'))).toBe(false);
  });

  test('ships what it needs to run and to be built, and nothing else', () => {
    const { stdout } = spawnSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
      cwd: packageFolder,
      encoding: 'utf8',
    });
    const [{ files }] = JSON.parse(stdout) as [{ files: { path: string }[] }];
    const paths = files.map(({ path }) => path);
    for (const path of [
      'package.json',
      'README.md',
      'LICENSE',
      'dist/index.js',
      'dist/index.d.ts',
      'dist/cli/main.js',
      'dist/setup/doctor-child.js',
      'CMakeLists.txt',
      'scripts/build.mjs',
      'native/device/engine.cpp',
      'binding/addon.cpp',
    ]) {
      expect(paths).toContain(path);
    }
    for (const path of paths)
      expect(path).not.toMatch(/^(test|docs|runs|build|node_modules|lib)\/|\.test\.|ninja/);
  });

  test('its lock file names no server', () => {
    expect(read('package-lock.json')).not.toContain('"resolved"');
  });

  test('what its modules import is a dependency, and no more', () => {
    const used = new Set<string>();
    for (const file of filesIn('dist', /\.js$/)) {
      for (const [, name] of read(file).matchAll(/^(?:import|export) (?:[^;'=]* from )?'([^'.][^']*)';/gm))
        used.add(name!);
    }
    // 'hyparquet/src/column.js' is a part of hyparquet.
    const names = [...used].filter((name) => !name.startsWith('node:')).map((name) => name.split('/')[0]!);
    const packages = [...new Set(names)];
    expect(packages.sort()).toEqual(Object.keys(manifest.dependencies).sort());
  });
});

describe('a project that depends on it', () => {
  let project: string;

  beforeAll(() => {
    project = mkdtempSync(join(tmpdir(), 'torchvae-project-'));
    mkdirSync(join(project, 'node_modules'));
    symlinkSync(packageFolder, join(project, 'node_modules', 'torchvae'));
    writeFileSync(join(project, 'package.json'), '{}');
  });

  afterAll(() => {
    rmSync(project, { recursive: true, force: true });
  });

  const train = `
    (async () => {
      const vae = await VAE.create({ spec: { inputShape: [3], encoder: { hidden: [4] } }, device: 'cpu' });
      for await (const { epoch } of vae.fit(Dataset.from([[0, 0.5, 1]]), { epochs: 1 })) console.log(epoch);
    })();`;

  test('imports it', async () => {
    writeFileSync(join(project, 'a.mjs'), `import { Dataset, VAE } from 'torchvae';${train}`);
    expect(await runNode(['a.mjs'], { cwd: project })).toMatchObject({ code: 0, stdout: '1\n' });
  });

  test('imports measures and pictures from their own paths', async () => {
    const program = `
      import * as torchvae from 'torchvae';
      import { detection } from 'torchvae/metrics';
      import { encodePng, imageGrid } from 'torchvae/report';
      import { search } from 'torchvae/search';
      console.log(detection(Float32Array.of(1, 2), [false, true]).auroc);
      console.log(imageGrid(new Float32Array(4), [1, 2, 2]).width > 2, encodePng.name);
      console.log('detection' in torchvae, 'imageGrid' in torchvae, 'search' in torchvae, search.name);`;
    writeFileSync(join(project, 'paths.mjs'), program);
    const { stdout, stderr } = await runNode(['paths.mjs'], { cwd: project });
    expect(stdout, stderr).toBe('1\ntrue encodePng\nfalse false false search\n');
  });

  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const canRequire = major > 22 || (major === 22 && minor >= 12) || (major === 20 && minor >= 19);

  test.runIf(canRequire)('requires it', async () => {
    writeFileSync(join(project, 'b.cjs'), `const { Dataset, VAE } = require('torchvae');${train}`);
    expect(await runNode(['b.cjs'], { cwd: project })).toMatchObject({ code: 0, stdout: '1\n' });
  });

  test('reads its version, and reaches into nothing else', async () => {
    const program = `
      console.log(require('torchvae/package.json').version);
      try { require('torchvae/dist/check.js'); } catch (error) { console.log(error.code); }`;
    writeFileSync(join(project, 'c.cjs'), program);
    const { stdout } = await runNode(['c.cjs'], { cwd: project });
    expect(stdout).toBe(`${manifest.version}\nERR_PACKAGE_PATH_NOT_EXPORTED\n`);
  });

  test('type-checks against it, from modules and from CommonJS', () => {
    const program = `
      import { type EpochResult, VAE, sprites } from 'torchvae';
      import { type Detection, detection } from 'torchvae/metrics';
      import { type Picture, imageGrid } from 'torchvae/report';
      import { search } from 'torchvae/search';
      export const judged: Detection = detection(Float32Array.of(1, 2), [false, true]);
      export const picture: Picture = imageGrid(new Float32Array(4), [1, 2, 2]);
      export async function found(): Promise<number | undefined> {
        const { best } = await search({ beta: { low: 1, high: 2 } }, sprites(), { directory: 'study' });
        return best?.values.beta;
      }
      export async function run(): Promise<EpochResult[]> {
        const vae = await VAE.create({ preset: 'mlp-400', device: 'cpu' });
        const results: EpochResult[] = [];
        for await (const result of vae.fit(sprites({ count: 10 }), { epochs: 1 })) results.push(result);
        // @ts-expect-error: no such option
        vae.fit(sprites(), { epoch: 1 });
        return results;
      }`;
    writeFileSync(join(project, 'd.mts'), program);
    writeFileSync(join(project, 'e.cts'), program);
    const options = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2022', '--types', ''];
    const tsc = join(packageFolder, 'node_modules/typescript/bin/tsc');
    const { status, stdout } = spawnSync(
      process.execPath,
      [tsc, ...options, '--lib', 'es2023,esnext.disposable,dom', 'd.mts', 'e.cts'],
      { cwd: project, encoding: 'utf8' },
    );
    expect(stdout).toBe('');
    expect(status).toBe(0);
  });
});

describe('who knows whom', () => {
  const includes = (file: string) =>
    [...read(file).matchAll(/^\s*#\s*include\s*[<"]([^>"]+)[>"]/gm)].map(([, name]) => name!);

  test('native/ includes nothing of Node', () => {
    for (const file of filesIn('native', /\.(cpp|h|cu)$/)) {
      for (const name of includes(file))
        expect(`${file}: ${name}`).not.toMatch(/napi|node_api|node\.h|v8|uv\.h/);
    }
  });

  test('binding/ includes nothing of torch, and of native/ the interface alone', () => {
    const own = new Set(
      [...filesIn('binding', /\.h$/), ...filesIn('native/interface', /\.h$/)].map((file) =>
        file.split('/').at(-1),
      ),
    );
    for (const file of filesIn('binding', /\.(cpp|h)$/)) {
      for (const name of includes(file)) {
        const isSystem = /^(napi\.h|dlfcn\.h|windows\.h|[a-z_]+)$/.test(name);
        expect(isSystem || own.has(name), `${file} includes ${name}`).toBe(true);
      }
    }
  });

  /** The modules of lib/ with what each imports, types too: who reads a file has to know what they say. */
  const imports = new Map(
    filesIn('lib', /\.ts$/).map((file) => {
      const statements = read(file).matchAll(
        /^(?:import|export)\s[^;]*?from '(\.[^']+)';|^import '(\.[^']+)';/gms,
      );
      const targets = [...statements].map(([, from, bare]) =>
        relative(packageFolder, join(packageFolder, dirname(file), from ?? bare!)),
      );
      return [file, targets] as const;
    }),
  );

  test('every import is of a file that is there', () => {
    for (const [file, targets] of imports) {
      for (const target of targets) expect(imports.has(target), `${file} imports ${target}`).toBe(true);
    }
  });

  test('lib/ reaches the addon through lib/runtime alone', () => {
    for (const file of imports.keys()) {
      if (file.startsWith('lib/runtime/')) continue;
      expect(read(file), file).not.toMatch(/createRequire|process\.dlopen|\.node'/);
    }
  });

  /** The folders of lib/, each with those below it in the picture of docs/architecture.md. */
  const BELOW: Readonly<Record<string, readonly string[]>> = {
    data: [],
    runtime: [],
    setup: ['runtime'],
    model: ['data', 'runtime'],
    evaluation: ['model', 'data', 'runtime'],
    training: ['evaluation', 'model', 'data', 'runtime'],
    codec: ['vae.ts', 'training', 'evaluation', 'model', 'data', 'runtime'],
    report: ['vae.ts', 'training', 'evaluation', 'model', 'data', 'runtime'],
    search: ['report', 'vae.ts', 'training', 'evaluation', 'model', 'data', 'setup', 'runtime'],
  };

  test('folders import from those below them alone', () => {
    const folderOf = (file: string) => file.split('/')[1]!;
    const tops = ['vae.ts', 'index.ts', 'cli', ...Object.keys(BELOW)];
    for (const [file, targets] of imports) {
      const allowed = BELOW[folderOf(file)];
      for (const target of targets) {
        const folder = folderOf(target);
        if (folder === folderOf(file) || !tops.includes(folder)) continue;
        if (allowed) expect(allowed, `${file} imports ${target}`).toContain(folder);
        else expect(folder === 'cli', `${file} imports ${target}`).toBe(false);
      }
    }
  });

  test('no circles', () => {
    const done = new Set<string>();
    const visit = (file: string, path: readonly string[]) => {
      expect(path.includes(file), [...path, file].join(' -> ')).toBe(false);
      if (done.has(file)) return;
      for (const target of imports.get(file) ?? []) visit(target, [...path, file]);
      done.add(file);
    };
    for (const file of imports.keys()) visit(file, []);
  });
});
