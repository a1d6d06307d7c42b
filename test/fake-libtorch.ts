// Tiny stand-ins for torch wheels, NVIDIA wheels, the official zip and pip, in the shapes that real ones have.
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { strToU8, type Zippable, zipSync } from 'fflate';

/** What goes into an archive or a folder: path to text. */
export type Files = Readonly<Record<string, string>>;

/** A new folder under the system's temporary one. */
export function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), 'torchvae-test-'));
}

/** Writes the files below `folder`. */
export function writeTree(folder: string, files: Files): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
}

/** A zip of the files; level 0 stores them as they are. */
export function zip(files: Files, level: 0 | 6 = 6): Uint8Array {
  const entries: Zippable = {};
  for (const [name, text] of Object.entries(files)) entries[name] = strToU8(text);
  return zipSync(entries, { level });
}

/** The version.py of a wheel: `cuda` such as `13.0`. */
export function versionPy(version: string, cuda?: string): string {
  const local = cuda ? `+cu${cuda.replace('.', '')}` : '+cpu';
  const toolkit = cuda ? `'${cuda}'` : 'None';
  return `from typing import Optional\n__version__ = '${version}${local}'\ncuda: Optional[str] = ${toolkit}\n`;
}

const CPU_FILES: Files = {
  'torch/__init__.py': 'python',
  'torch/include/ATen/ATen.h': 'header',
  'torch/include/torch/csrc/api/include/torch/all.h': 'header',
  'torch/lib/libc10.so': 'c10',
  'torch/lib/libgomp.so.1': 'gomp',
  'torch/lib/libtorch.so': 'torch',
  'torch/lib/libtorch_cpu.so': 'torch_cpu',
  'torch/lib/libtorch_global_deps.so': 'deps',
  'torch/lib/libtorch_python.so': 'python',
};

const CUDA_FILES: Files = {
  'torch/lib/libc10_cuda.so': 'c10_cuda',
  'torch/lib/libcaffe2_nvrtc.so': 'nvrtc',
  'torch/lib/libtorch_cuda.so': 'torch_cuda',
  'torch/lib/libtorch_cuda_linalg.so': 'linalg',
  'torch/lib/libtorch_nvshmem.so': 'nvshmem',
};

/** The files of a CPU wheel. */
export function cpuWheel(version: string): Files {
  return {
    ...CPU_FILES,
    'torch/version.py': versionPy(version),
    [`torch-${version}.dist-info/METADATA`]: `Name: torch\nVersion: ${version}\nRequires-Dist: filelock\n`,
    [`torch-${version}.dist-info/licenses/LICENSE`]: 'license',
  };
}

/** As torch 2.13's METADATA names NVIDIA's packages: a meta-package with extras, and those outside it. */
const CUDA_METADATA = `Name: torch
Requires-Dist: filelock
Requires-Dist: cuda-toolkit[cublas,cudart,cupti,cusolver,cusparse,nvrtc]==13.0.3; platform_system == "Linux"
Requires-Dist: cuda-bindings<14,>=13.0.3; platform_system == "Linux" and python_version < "3.15"
Requires-Dist: nvidia-cudnn-cu13==9.20.0.48; platform_system == "Linux"
Requires-Dist: nvidia-cublas<=13.1.1.3,>=13.1.0.3; platform_system == "Linux"
Requires-Dist: triton==3.7.1; platform_system == "Linux" and python_version < "3.15"
Requires-Dist: nvidia-unasked==1.0; extra == "pyyaml"
`;

/** The files of a CUDA wheel. */
export function cudaWheel(version: string): Files {
  return {
    ...cpuWheel(version),
    ...CUDA_FILES,
    'torch/version.py': versionPy(version, '13.0'),
    [`torch-${version}.dist-info/METADATA`]: CUDA_METADATA,
  };
}

/** The files of the official zip of a CUDA build, which brings NVIDIA's libraries along. */
export function officialZip(version: string): Files {
  const moved = Object.entries({ ...CPU_FILES, ...CUDA_FILES })
    .filter(([name]) => !name.includes('python') && !name.endsWith('.py'))
    .map(([name, text]) => [name.replace('torch/', 'libtorch/'), text]);
  return {
    ...Object.fromEntries(moved),
    'libtorch/build-version': `${version}+cu130\n`,
    'libtorch/lib/libcudart-6774fb40.so.13': 'cudart',
    'libtorch/lib/libcublas-1a2b3c4d.so.13': 'cublas',
    'libtorch/lib/libprotobuf.a': 'static',
  };
}

const MARKER = "(sys_platform == 'linux' and platform_machine == 'x86_64')";

function toolkitMetadata(): string {
  const pins: [string, string][] = [
    ['nvidia-cublas==13.1.1.3.*', 'all'],
    ['nvidia-npp==13.0.1.2.*', 'npp'],
    ['nvidia-cuda-cccl==13.0.85.*', 'cccl'],
    ['nvidia-cuda-crt==13.0.88.*', 'crt'],
    ['nvidia-cublas==13.1.1.3.*', 'cublas'],
    ['nvidia-cuda-runtime==13.0.96.*', 'cudart'],
    ['nvidia-cuda-cupti==13.0.85.*', 'cupti'],
    ['nvidia-cusolver==12.0.4.66.*', 'cusolver'],
    ['nvidia-nvjitlink<14,>=13.0.88', 'cusolver'],
    ['nvidia-cusparse==12.6.3.3.*', 'cusparse'],
    ['nvidia-cuda-nvrtc==13.0.88.*', 'nvrtc'],
  ];
  return pins.map(([pin, extra]) => `Requires-Dist: ${pin}; ${MARKER} and extra == '${extra}'`).join('\n');
}

function nvidiaWheel(name: string, libraries: readonly string[], headers: readonly string[]): Files {
  const paths = [...libraries.map((file) => `lib/${file}`), ...headers.map((file) => `include/${file}`)];
  return Object.fromEntries([
    ...paths.map((path) => [`nvidia/cu13/${path}`, path]),
    ['nvidia/__init__.py', 'python'],
    [`${name}-1.dist-info/METADATA`, `Name: ${name}\n`],
  ]);
}

/** The wheels that a fake index holds beside torch's, by the part of the file name before the version. */
export const NVIDIA_WHEELS: Readonly<Record<string, Files>> = {
  cuda_toolkit: { 'cuda_toolkit-13.0.3.0.dist-info/METADATA': toolkitMetadata() },
  nvidia_cublas: nvidiaWheel('nvidia_cublas', ['libcublas.so.13', 'libcublas_static.a'], ['cublas_v2.h']),
  nvidia_cuda_cccl: nvidiaWheel('nvidia_cuda_cccl', [], ['nv/target', 'cccl/cuda/std/array']),
  nvidia_cuda_crt: nvidiaWheel('nvidia_cuda_crt', [], ['crt/host_config.h']),
  nvidia_cuda_cupti: nvidiaWheel('nvidia_cuda_cupti', ['libcupti.so.13', 'libnvperf_host.so'], ['cupti.h']),
  nvidia_cuda_nvrtc: nvidiaWheel('nvidia_cuda_nvrtc', ['libnvrtc.so.13'], ['nvrtc.h']),
  nvidia_cuda_runtime: nvidiaWheel('nvidia_cuda_runtime', ['libcudart.so.13'], ['cuda_runtime.h']),
  nvidia_cudnn_cu13: nvidiaWheel('nvidia_cudnn_cu13', ['libcudnn.so.9'], ['cudnn.h']),
  nvidia_cusolver: nvidiaWheel('nvidia_cusolver', ['libcusolver.so.12'], ['cusolverDn.h']),
  nvidia_cusparse: nvidiaWheel('nvidia_cusparse', ['libcusparse.so.12'], ['cusparse.h']),
  nvidia_nvjitlink: nvidiaWheel('nvidia_nvjitlink', ['libnvJitLink.so.13'], ['nvJitLink.h']),
};

/** A program that stands in for Python: `-m pip download` copies from an index folder, `-c` prints where torch is. */
const FAKE_PYTHON = `
const { appendFileSync, copyFileSync, existsSync, readdirSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');
const args = process.argv.slice(2);
const { index, log, torch, delay, needsOther } = JSON.parse(require('node:fs').readFileSync(__filename + '.json'));
if (args[0] === '-c') { console.log(torch); process.exit(0); }
if (args.includes('--version')) process.exit(0);
const dest = args[args.indexOf('--dest') + 1];
const wanted = args.filter((arg) => /^[a-z][0-9a-z-]*[=<>]/.test(arg));
appendFileSync(log, wanted.join(' ') + '\\n');
writeFileSync(join(process.env.TMPDIR, 'part'), 'half a wheel');
setTimeout(() => {
  for (const requirement of wanted) {
    const name = /^[a-z0-9-]+/.exec(requirement)[0].replaceAll('-', '_');
    const version = /==([0-9]+\\.[0-9]+\\.[0-9]+)$/.exec(requirement)?.[1] ?? '';
    const wheel = readdirSync(index).find((file) => file.startsWith(name + '-' + (name === 'torch' ? version : '')));
    if (!wheel || (needsOther && !args.includes('--python-version'))) {
      console.error('ERROR: No matching distribution found for ' + requirement);
      process.exit(1);
    }
    console.log('  Downloading ' + wheel + ' (1.5 kB)');
    copyFileSync(join(index, wheel), join(dest, wheel));
  }
}, delay);
`;

/** How a fake Python behaves. */
export interface FakePythonOptions {
  /** Torch wheels in its index: version to files. */
  torch?: Readonly<Record<string, Files>>;
  /** What `find_spec('torch')` says; default nothing. */
  importable?: string;
  /** Milliseconds that a download takes. */
  delay?: number;
  /** Whether the index has wheels for another Python only. */
  needsOther?: boolean;
}

/** Makes a fake Python with pip in `folder`. */
export function fakePython(folder: string, options: FakePythonOptions = {}) {
  const index = join(folder, 'index');
  const log = join(folder, 'pip.log');
  const program = join(folder, 'python');
  mkdirSync(index, { recursive: true });
  for (const [version, files] of Object.entries(options.torch ?? {})) {
    writeFileSync(join(index, `torch-${version}-cp311-cp311-manylinux_2_28_x86_64.whl`), zip(files));
  }
  for (const [name, files] of Object.entries(NVIDIA_WHEELS)) {
    writeFileSync(join(index, `${name}-1-py3-none-any.whl`), zip(files));
  }
  const { importable = '', delay = 0, needsOther = false } = options;
  writeFileSync(`${program}.json`, JSON.stringify({ index, log, torch: importable, delay, needsOther }));
  writeFileSync(program, `#!${process.execPath}\n${FAKE_PYTHON}`);
  chmodSync(program, 0o755);
  return {
    program,
    /** What pip was asked for, one line a call. */
    requests: () => (existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n') : []),
  };
}
