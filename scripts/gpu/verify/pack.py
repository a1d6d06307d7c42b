"""One folder with all that a machine with a GPU needs, of what a release ships."""
import datetime
import glob
import json
import lzma
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile

from .machine import ROOT

# Of scripts/ and test/ the tarball has only scripts/build.mjs.
EXTRAS = ('scripts/gpu-verify', 'scripts/gpu', 'scripts/bench/family.mjs', 'scripts/bench/worker.mjs', 'scripts/bench/serve.mjs', 'scripts/bench/peers')
# What check.mjs reads.
FIXTURES = 'test/fixtures/pytorch-*.safetensors'
# Training takes no others.
MNIST = ('train-images-idx3-ubyte.gz', 'train-labels-idx1-ubyte.gz')
# What nothing needs that runs: sources, packed binaries (those built here are preferred), types, other forms of csv-parse.
NEEDLESS = ('build/cmake', 'build/tools', 'native', 'binding', 'prebuilds', 'node_modules/csv-parse/dist/umd',
            'node_modules/csv-parse/dist/iife', 'node_modules/csv-parse/dist/cjs')
NEEDLESS_ENDINGS = ('.d.ts', '.d.cts', '.d.mts', '.map', '.md')
LIMIT = 40e6


def run(command, folder, **environment):
    print('$', ' '.join(command), flush=True)
    subprocess.run(command, cwd=folder, env={**os.environ, **environment}, check=True, stdout=subprocess.DEVNULL)


def pack(libtorch, out):
    if os.path.exists(out):
        print(f'Expected a new folder for --out but {out} exists', file=sys.stderr)
        return 1
    libtorch, out = os.path.abspath(libtorch), os.path.abspath(out)
    with tempfile.TemporaryDirectory() as scratch:
        run(['npm', 'pack', '--silent', '--ignore-scripts', '--pack-destination', scratch], ROOT)
        with tarfile.open(os.path.join(scratch, os.listdir(scratch)[0])) as tarball:
            tarball.extractall(scratch, filter='data')
        shutil.move(os.path.join(scratch, 'package'), out)
    install = ['npm', 'install', '--omit=dev', '--omit=peer', '--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock']
    run(install, out)
    run(['node', 'scripts/build.mjs', '--binaries', '--libtorch', libtorch], out, TORCHVAE_OLDER_SYSTEMS='1')
    remove_needless(out)
    for name in os.listdir(os.path.join(out, 'build', 'Release')):
        run(['strip', '--strip-unneeded', os.path.join(out, 'build', 'Release', name)], out)
    plain_vae(out)
    for name in EXTRAS:
        source, target = os.path.join(ROOT, name), os.path.join(out, name)
        if os.path.isdir(source):
            shutil.copytree(source, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns('__pycache__'))
        else:
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copy(source, target)
    os.makedirs(os.path.join(out, os.path.dirname(FIXTURES)))
    for fixture in glob.glob(os.path.join(ROOT, FIXTURES)):
        shutil.copy(fixture, os.path.join(out, os.path.dirname(FIXTURES)))
    copy_mnist(out)
    pack_node(out)
    files = {os.path.relpath(os.path.join(folder, name), out): os.path.getsize(os.path.join(folder, name))
             for folder, _, names in os.walk(out) for name in names}
    size = sum(files.values())
    commit = subprocess.run(['git', 'describe', '--always', '--dirty'], cwd=ROOT, text=True, capture_output=True).stdout.strip()
    with open(os.path.join(ROOT, 'package.json')) as file:
        version = json.load(file)['version']
    about = {'torchvae': version, 'commit': commit, 'libtorch': os.path.basename(os.path.dirname(libtorch)) or libtorch, 'bytes': size,
             'made': datetime.datetime.now(datetime.timezone.utc).isoformat(timespec='seconds')}
    with open(os.path.join(out, 'pack.json'), 'w') as file:
        json.dump(about, file, indent=1)
    print(f'{out}: {size / 1e6:.1f} MB, {len(files)} files')
    if size <= LIMIT:
        return 0
    largest = sorted(files.items(), key=lambda item: -item[1])[:8]
    print(f'Expected at most {LIMIT / 1e6:.0f} MB; the largest files are {largest}', file=sys.stderr)
    return 1


def remove_needless(out):
    for folder in NEEDLESS:
        shutil.rmtree(os.path.join(out, folder), ignore_errors=True)
    for folder, _, names in os.walk(out):
        for name in names:
            if name.endswith(NEEDLESS_ENDINGS):
                os.remove(os.path.join(folder, name))


def plain_vae(out):
    """The plain TypeScript VAE, compiled."""
    run(['npx', 'tsc', '-p', 'scripts/bench/tsconfig.json'], ROOT)
    source = os.path.join(ROOT, 'build', 'bench')
    for folder, _, names in os.walk(source):
        for name in names:
            if name.endswith('.js'):
                target = os.path.join(out, 'build', 'bench', os.path.relpath(folder, source))
                os.makedirs(target, exist_ok=True)
                shutil.copy(os.path.join(folder, name), target)


def copy_mnist(out):
    source = os.path.join(os.environ.get('TORCHVAE_DATA', ''), 'mnist')
    if not all(os.path.exists(os.path.join(source, name)) for name in MNIST):
        print('without MNIST, which TORCHVAE_DATA does not have')
        return
    os.makedirs(os.path.join(out, 'data', 'mnist'))
    for name in MNIST:
        shutil.copy(os.path.join(source, name), os.path.join(out, 'data', 'mnist', name))


def pack_node(out):
    node = subprocess.run(['node', '-p', 'process.execPath'], text=True, capture_output=True, check=True).stdout.strip()
    with tempfile.TemporaryDirectory() as scratch:
        stripped = os.path.join(scratch, 'node')
        shutil.copy(node, stripped)
        run(['strip', stripped], scratch)
        with open(stripped, 'rb') as source, lzma.open(os.path.join(out, 'node.xz'), 'wb', preset=9 | lzma.PRESET_EXTREME) as target:
            shutil.copyfileobj(source, target)
