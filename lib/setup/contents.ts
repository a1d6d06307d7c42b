import { TorchvaeError } from '../errors.ts';
import { libraryFile, parseVersionPy } from '../runtime/layout.ts';
import type { Archive, Selection } from './archive.ts';

/** What an archive of libtorch turned out to hold. Read from the archive itself: the same request gives a CUDA wheel on one machine and a CPU wheel on another. */
export interface Contents {
  /** Such as `2.13.0`. */
  version: string;
  /** Whether the CUDA half is in it. */
  hasCuda: boolean;
  /** A wheel's `METADATA`, which names the NVIDIA packages it needs; the official zip has none and needs none. */
  metadata?: string;
}

/** Libraries of `lib/` that nothing here ever needs: Python's, and static ones. */
const NEVER = /^(lib)?(torch_python|shm_windows)|\.a$/;

/** Libraries of `lib/` that only CUDA needs; the official zip brings NVIDIA's own along. cudart and cupti are absent: a CUDA build's torch_cpu links them. */
const CUDA_ONLY =
  /^(lib)?(torch_cuda|c10_cuda|caffe2_nvrtc|torch_nvshmem|cublas|cudnn|cufft|cufile|curand|cusolver|cusparse|nccl|nvjitlink|nvrtc|nvshmem)/i;

/**
 * Reads what an archive holds: a wheel (`torch/version.py`) or the official zip (`libtorch/build-version`).
 *
 * @throws TorchvaeError ERR_LIBTORCH if it is neither, or a wheel or zip without libtorch's libraries
 */
export async function readContents(archive: Archive): Promise<Contents> {
  const names = new Set(archive.names);
  const top = names.has('torch/version.py') ? 'torch' : 'libtorch';
  const has = (library: string) => names.has(`${top}/lib/${libraryFile(library)}`);
  const version = await readVersion(archive, names);
  if (version === undefined || !has('torch_cpu') || !has('c10')) {
    throw new TorchvaeError(
      'ERR_LIBTORCH',
      `Expected a torch wheel or the official libtorch zip for ${process.platform} but ${archive.path} holds no ` +
        `torch/lib/${libraryFile('torch_cpu')}. Fetch the archive for this platform.`,
    );
  }
  const metadata = archive.names.find((name) => /^torch-[^/]+\.dist-info\/METADATA$/.test(name));
  return {
    version: version.split('+')[0]!,
    hasCuda: has('torch_cuda'),
    ...(metadata && { metadata: await archive.text(metadata) }),
  };
}

async function readVersion(archive: Archive, names: ReadonlySet<string>): Promise<string | undefined> {
  if (names.has('torch/version.py')) return parseVersionPy(await archive.text('torch/version.py'));
  if (names.has('libtorch/build-version')) return (await archive.text('libtorch/build-version')).trim();
  return undefined;
}

/**
 * What to unpack of libtorch, with or without its CUDA half: libraries, headers, version and licenses, in the wheel's
 * layout, to which the zip's `libtorch/` is renamed. `torch.libs/` is where wheels for ARM keep what they link.
 */
export function libtorchFiles(cuda: boolean): Selection {
  return (name) => {
    const path = name.replace(/^libtorch\//, 'torch/');
    const library = /^torch\/lib\/([^/]+)$/.exec(path)?.[1];
    if (library !== undefined)
      return NEVER.test(library) || (!cuda && CUDA_ONLY.test(library)) ? undefined : path;
    const kept = /^(torch\/include\/|torch\/(version\.py|build-version|build-hash)$|torch\.libs\/)/.test(
      path,
    );
    return kept || isLicense(path) ? path : undefined;
  };
}

/** What to unpack of an NVIDIA wheel: shared libraries and headers, all of them or only what `only` matches. */
export function nvidiaFiles(only: RegExp): Selection {
  return (name) => {
    const isPart = /^nvidia\/.*\/(lib|lib64|bin)\/[^/]+(\.so(\.\d+)*|\.dll)$|^nvidia\/.*\/include\//.test(
      name,
    );
    return (isPart && only.test(name)) || isLicense(name) ? name : undefined;
  };
}

function isLicense(path: string): boolean {
  return /^[^/]+\.dist-info\/(licenses\/|LICEN[CS]E|NOTICE|METADATA$)/.test(path);
}
