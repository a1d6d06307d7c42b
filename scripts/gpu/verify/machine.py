"""The machine at hand: its programs, and how they are run."""
import json
import os
import platform
import shutil
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
GPU = os.path.join(ROOT, 'scripts', 'gpu')


class Machine:
    def __init__(self, report, node, torch_python, jax_python):
        self.report = report
        self.node = node
        self.torch_python = torch_python
        self.jax_python = jax_python
        self.environment = {**os.environ, 'XLA_PYTHON_CLIENT_PREALLOCATE': 'false', 'PYTHONUNBUFFERED': '1'}
        self.environment['PATH'] = os.path.dirname(os.path.abspath(node)) + os.pathsep + self.environment['PATH']
        self.found = {}

    @property
    def has_gpu(self):
        return self.found['hasGpu']

    @property
    def device(self):
        return 'cuda' if self.has_gpu else 'cpu'

    def run(self, command, seconds, **environment):
        """The output of a command that has to end well; what it said stands in the error."""
        done = subprocess.run(command, cwd=ROOT, env={**self.environment, **environment}, text=True,
                              timeout=max(1, min(seconds, self.report.left())), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if done.returncode != 0:
            raise RuntimeError(f'{command[0]} ended with {done.returncode}: {(done.stdout + done.stderr)[-3000:]}')
        return done.stdout

    def check(self, *arguments, seconds, device=None, **environment):
        """The last line of scripts/gpu/check.mjs, as JSON."""
        command = [self.node, os.path.join(GPU, 'check.mjs'), device or self.device, *arguments]
        return json.loads(self.run(command, seconds, **environment).splitlines()[-1])

    def examine(self):
        found = self.found
        found.update(cpu=platform.processor() or platform.machine(), cores=os.cpu_count(), python=platform.python_version())
        found['node'] = self.run([self.node, '--version'], 10).strip()
        program = ('import torch, json; print(json.dumps({"torch": torch.__version__, "folder": torch.__path__[0], '
                   '"cuda": torch.version.cuda, "hasGpu": torch.cuda.is_available()}))')
        found.update(json.loads(self.run([self.torch_python, '-c', program], 60)))
        if found['hasGpu']:
            query = ['nvidia-smi', '--query-gpu=name,driver_version,memory.total', '--format=csv,noheader']
            found['gpu'] = self.run(query, 20).strip()
        try:
            found['jax'] = self.run([self.jax_python, '-c', 'import jax; print(jax.__version__)'], 60).strip()
        except Exception:
            found['jax'] = None
        packed = os.path.join(ROOT, 'pack.json')
        if os.path.exists(packed):
            with open(packed) as file:
                self.report.content['pack'] = json.load(file)
        self.report.content.update(machine=found, dryRun=not found['hasGpu'])
        self.environment['TORCHVAE_LIBTORCH'] = found['folder']
        return {}

    def program(self, name):
        """Where one of NVIDIA's tools lies; None where there is none."""
        homes = [os.environ.get('CUDA_HOME'), '/usr/local/cuda']
        places = [os.path.join(home, 'bin', name) for home in homes if home]
        return next((place for place in places if os.path.exists(place)), shutil.which(name))


def build(machine):
    """Configures and builds with cmake alone: cmake-js's settings are given by hand."""
    report, torch = machine.report, machine.found['folder']
    minor = '.'.join(machine.found['torch'].split('.')[:2])
    modules = os.path.join(ROOT, 'node_modules')
    for name in ('node-addon-api', 'node-api-headers'):
        if not os.path.exists(os.path.join(modules, name)):
            raise RuntimeError(f'node_modules/{name} is missing: the binding is built with its headers')
    settings = {'CMAKE_BUILD_TYPE': 'Release', 'TORCHVAE_LIBTORCH': torch, 'TORCHVAE_MINOR': minor,
                'CMAKE_JS_INC': os.path.join(modules, 'node-api-headers', 'include'), 'CMAKE_JS_LIB': '', 'CMAKE_JS_SRC': '',
                'BUILD_TESTING': 'OFF'}
    homes = [os.environ.get('CUDA_HOME'), '/usr/local/cuda']
    toolkit = next((h for h in homes if h and os.path.exists(os.path.join(h, 'include', 'cuda_runtime_api.h'))), None)
    if toolkit:
        machine.environment['CUDA_HOME'] = toolkit
    folder = os.path.join(ROOT, 'build')
    generator = ['-G', 'Ninja'] if shutil.which('ninja') else []
    # A folder that another machine configured names that machine's paths.
    shutil.rmtree(folder, ignore_errors=True)
    machine.run(['cmake', '-S', ROOT, '-B', folder, *generator, *(f'-D{k}={v}' for k, v in settings.items())], 60)
    machine.run(['cmake', '--build', folder, '--parallel', str(os.cpu_count())], report.limit / 2)
    return binaries(machine)


def binaries(machine):
    """The binaries that will run; they have to be for the libtorch at hand."""
    minor = '.'.join(machine.found['torch'].split('.')[:2])
    wanted = [f'libtorchvae-{minor}.so'] + ([f'libtorchvae_cuda-{minor}.so'] if machine.has_gpu else [])
    folders = [os.path.join(ROOT, 'build', 'Release'), os.path.join(ROOT, 'prebuilds', 'linux-x64')]
    names = sorted({name for folder in folders if os.path.isdir(folder) for name in os.listdir(folder)})
    missing = [name for name in wanted if name not in names]
    if missing:
        raise RuntimeError(f"{', '.join(missing)} is not there; pack for this libtorch, or build with CUDA's headers: {names}")
    return {'binaries': names}
