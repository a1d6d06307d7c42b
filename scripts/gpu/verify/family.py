"""The models beside the plain VAE (scripts/bench/family.mjs): torchvae, PyTorch and JAX, in rounds of each in turn."""
import gzip
import os
import tempfile
import time

from .contest import Peer, ROUNDS
from .machine import ROOT

BENCH = os.path.join(ROOT, 'scripts', 'bench')
MODELS = ('plain', 'free-bits', 'labels', 'laplace', 'continuous-bernoulli', 'wae', 'beta-tc', 'iaf', 'iwae', 'vamp', 'vq', 'residual')


def raw_data(folder):
    """Files of MNIST's bytes as the programs in Python read them, or as many without meaning; the variables that name them."""
    variables = {}
    mnist = os.path.join(os.environ.get('TORCHVAE_DATA') or os.path.join(ROOT, 'data'), 'mnist')
    for name, source, header, size in (('IMAGES', 'train-images-idx3-ubyte.gz', 16, 60000 * 784),
                                       ('LABELS', 'train-labels-idx1-ubyte.gz', 8, 60000)):
        path = os.path.join(folder, name)
        packed = os.path.join(mnist, source)
        if os.path.exists(packed):
            with gzip.open(packed) as file:
                values = file.read()[header:]
        else:
            values = bytes(i * 7 % 10 for i in range(size))
        with open(path, 'wb') as file:
            file.write(values)
        variables[f'TORCHVAE_BENCH_{name}'] = path
    return variables


def programs(machine, model):
    """The command of each program by its name."""
    peer = lambda name: os.path.join(BENCH, 'peers', name)
    ours = [machine.node, os.path.join(BENCH, 'worker.mjs'), model, '--device', machine.device]
    commands = {'torchvae': ours, 'torch eager, fused Adam': [machine.torch_python, peer('torch_family.py'), model, 'fused', machine.device]}
    if machine.found['jax']:
        commands['jax scan'] = [machine.jax_python, peer('jax_family.py'), model]
    return commands


def family(machine, seconds, round_seconds, models=MODELS):
    """Milliseconds a step of every program on every model. All start side by side, and one at a time is then asked."""
    ends = time.monotonic() + seconds
    result = {'models': {model: {} for model in models}}
    with tempfile.TemporaryDirectory() as folder:
        variables = raw_data(folder)
        peers = {(model, name): Peer(machine, f'{model}-{name}', command, variables)
                 for model in models for name, command in programs(machine, model).items()}
        for (model, name), peer in peers.items():
            entry = result['models'][model][name] = {}
            try:
                entry['info'] = peer.answer('its start', ends - time.monotonic())['info']
            except Exception as error:
                entry['error'] = str(error)
        for _ in range(ROUNDS):
            for (model, name), peer in peers.items():
                entry = result['models'][model][name]
                if 'error' in entry or time.monotonic() > ends:
                    continue
                try:
                    entry.setdefault('rounds', []).append(peer.ask(f'go {round_seconds}', 20 + 4 * round_seconds)['mean_ms'])
                except Exception as error:
                    entry['error'] = str(error)
        for peer in peers.values():
            peer.close()
    for times in result['models'].values():
        for entry in times.values():
            if entry.get('rounds'):
                entry['median_ms'] = sorted(entry['rounds'])[len(entry['rounds']) // 2]
    return {**result, **judged(result['models'])}


def judged(models):
    """How many times as fast as the fastest peer torchvae is; the stage passes where torchvae ran on every model."""
    times = {}
    for model, entries in models.items():
        ours = entries['torchvae'].get('median_ms')
        peers = [entry['median_ms'] for name, entry in entries.items() if name != 'torchvae' and 'median_ms' in entry]
        if ours and peers:
            times[model] = round(min(peers) / ours, 3)
    failed = [model for model, entries in models.items() if 'median_ms' not in entries['torchvae']]
    return {'timesBestPeer': times, 'ok': not failed, **({'failed': failed} if failed else {})}
