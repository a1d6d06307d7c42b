import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { TorchvaeError } from '../errors.ts';
import { Archive } from './archive.ts';
import { type PipOptions, pipDownload } from './pip.ts';

/**
 * How much of NVIDIA's packages to install. `cpu`: the two libraries that torch_cpu of a CUDA build links. `minimal`: the
 * headers for compiling against the CUDA half as well. `full`: everything.
 */
export type NvidiaPart = 'cpu' | 'minimal' | 'full';

/** One package to fetch and what to take of it. */
export interface NvidiaPackage {
  /** What pip is asked for, such as `nvidia-cublas==13.1.1.3.*`. */
  requirement: string;
  /** The paths in the wheel to take. */
  files: RegExp;
}

/** cudart and cupti: linked by torch_cpu itself, for its profiler. */
const LINKED_BY_CPU = /\/lib(cudart|cupti)\.so/;

/**
 * The headers that `ATen/cuda/CUDAContextLight.h`, `ATen/cuda/CUDAGraph.h` and `c10/cuda/CUDAStream.h` include, and
 * nvrtc.h. `crt/` and `nv/target` are what cuda_runtime.h and cuda_fp16.h include in turn; torch's METADATA does not ask
 * for their packages, since torch does not compile.
 */
const HEADERS = /^(cublas|cusparse|cusolver|cuda-runtime|cuda-nvrtc|cuda-crt|cuda-cccl)$/;

/** Extras of the toolkit that torch's METADATA does not ask for. */
const COMPILE_EXTRAS = ['crt', 'cccl'];

/** Packages that only Python or a compiler of device code wants. */
const NOT_WANTED = /^(cuda-culibos|cuda-nvcc|nvvm)$/;

/** One line of METADATA: `cuda-toolkit[cudart,cupti]==13.0.3; platform_system == "Linux"`. */
interface Requirement {
  /** Normalized: lower case, words joined by `-`. */
  name: string;
  extras: string[];
  specifier: string;
  /** The extra that asks for it. */
  onlyFor?: string;
}

/** What the `Requires-Dist` lines of a wheel's METADATA ask for. Of the markers, only `extra` is looked at: pip itself refuses what is not for this platform. */
export function parseRequirements(metadata: string): Requirement[] {
  const lines = metadata.matchAll(
    /^Requires-Dist:[ \t]*([\w.-]+)[ \t]*(?:\[([^\]\n]*)\])?([^;\n]*)(?:;(.*))?$/gm,
  );
  return [...lines].map(([, name = '', extras = '', specifier = '', marker = '']) => {
    const onlyFor = /extra\s*==\s*['"]([^'"]+)['"]/.exec(marker)?.[1];
    return {
      name: name.toLowerCase().replace(/[-_.]+/g, '-'),
      extras: extras.split(',').map((extra) => extra.trim()),
      specifier: specifier.replace(/[()\s]/g, ''),
      ...(onlyFor !== undefined && { onlyFor }),
    };
  });
}

/**
 * The NVIDIA packages that a torch wheel needs, pinned as its METADATA says. Newer wheels name the `cuda-toolkit`
 * meta-package with extras, which is fetched to read its pins; older ones name each package.
 *
 * @throws TorchvaeError ERR_DOWNLOAD if the meta-package cannot be had, ERR_LIBTORCH if a package is missing from it
 */
export async function nvidiaPackages(
  metadata: string,
  part: NvidiaPart,
  scratch: string,
  pip: PipOptions,
): Promise<NvidiaPackage[]> {
  if (process.platform !== 'linux') return [];
  const direct = parseRequirements(metadata).filter(({ onlyFor }) => onlyFor === undefined);
  const toolkit = direct.find(({ name }) => name === 'cuda-toolkit');
  const pinned = toolkit ? await toolkitPins(toolkit, scratch, pip) : [];
  const packages = new Map<string, NvidiaPackage>();
  for (const [name, specifiers] of specifiersByName([...direct, ...pinned])) {
    const files = name.startsWith('nvidia-') ? wantedFiles(name, part) : undefined;
    if (files) packages.set(name, { requirement: `${name}${specifiers}`, files });
  }
  requireLinked(direct, packages);
  return [...packages.values()];
}

/** A package may be asked for twice, by a range and by a pin: both hold. */
function specifiersByName(requirements: readonly Requirement[]): Map<string, string> {
  const all = new Map<string, Set<string>>();
  for (const { name, specifier } of requirements) all.set(name, (all.get(name) ?? new Set()).add(specifier));
  return new Map([...all].map(([name, specifiers]) => [name, [...specifiers].filter(Boolean).join(',')]));
}

async function toolkitPins(toolkit: Requirement, scratch: string, pip: PipOptions): Promise<Requirement[]> {
  const folder = await mkdtemp(join(scratch, 'toolkit-'));
  const [wheel] = await pipDownload([`cuda-toolkit${toolkit.specifier}`], folder, pip);
  const archive = await Archive.open(wheel!);
  try {
    const metadata = archive.names.find((name) => name.endsWith('.dist-info/METADATA')) ?? 'METADATA';
    const extras = [...toolkit.extras, ...COMPILE_EXTRAS];
    return parseRequirements(await archive.text(metadata)).filter(
      ({ onlyFor }) => onlyFor !== undefined && extras.includes(onlyFor),
    );
  } finally {
    archive.close();
  }
}

/** The files to take of a package, undefined for none of them. */
function wantedFiles(name: string, part: NvidiaPart): RegExp | undefined {
  const short = name.replace(/^nvidia-/, '').replace(/-cu\d+$/, '');
  if (NOT_WANTED.test(short)) return undefined;
  // Of the C++ core libraries, 1,700 headers, the CUDA headers include this one folder.
  if (short === 'cuda-cccl') return part === 'cpu' ? undefined : /\/include\/nv\//;
  if (part === 'full') return /./;
  const linked = short === 'cuda-runtime' || short === 'cuda-cupti';
  if (part === 'cpu') return linked ? LINKED_BY_CPU : undefined;
  if (HEADERS.test(short)) return linked ? /\/include\/|\/libcudart\.so/ : /\/include\//;
  return linked ? LINKED_BY_CPU : undefined;
}

/** METADATA in a form that this reader does not know must not end in a libtorch that cannot be opened. */
function requireLinked(direct: readonly Requirement[], packages: ReadonlyMap<string, NvidiaPackage>): void {
  const asksNvidia = direct.some(({ name }) => name === 'cuda-toolkit' || name.startsWith('nvidia-'));
  const names = [...packages.keys()].join(' ');
  if (!asksNvidia || (/cuda-runtime/.test(names) && /cuda-cupti/.test(names))) return;
  throw new TorchvaeError(
    'ERR_LIBTORCH',
    'Expected the wheel to name the packages nvidia-cuda-runtime and nvidia-cuda-cupti, which its torch_cpu links, but ' +
      `found ${names || 'none'}. Use another libtorch version, or the official zip with --from.`,
  );
}
