"""The stages of a verification, by name, in the order in which they run."""
import fnmatch

from .contest import contest
from .family import MODELS, family
from .machine import build
from .profile import kernels, sanitize


def stages(machine, options):
    """[(name, body)]; those that need a GPU are left out of a dry run."""
    check = machine.check
    every = options.precisions.split(',') if machine.has_gpu else ['float32']
    sized = lambda batch, small: batch if machine.has_gpu else small
    race = lambda workload, batch, small, seconds=90: lambda: contest(machine, workload, sized(batch, small), every, seconds,
                                                                   options.seconds)
    correct = [
        ('refusal', lambda: check('refusal', seconds=60, device='cuda', CUDA_VISIBLE_DEVICES='')),
        ('pytorch', lambda: check('fixtures', seconds=100)),
        ('optimizers', lambda: check('optimizers', seconds=60)),
        ('cpu', lambda: check('cpu', seconds=90)),
        ('perceptrons', lambda: check('perceptrons', seconds=90)),
        ('population', lambda: check('population', seconds=240)),
        ('ranks', lambda: check('ranks', seconds=90)),
        ('precisions', lambda: check('precisions', seconds=60)),
        ('replays', lambda: check('replays', seconds=150)),
        ('small', lambda: check('small', seconds=60)),
        ('starts', lambda: check('starts', seconds=60)),
    ]
    on_gpu = [
        ('lost-device', lambda: check('lost', seconds=60)),
        ('memory', lambda: check('memory', seconds=60)),
        ('sanitizer', lambda: sanitize(machine)),
        ('kernels-w1', lambda: kernels(machine, 'mlp', 128, 'float32')),
        ('kernels-conv64', lambda: kernels(machine, 'conv64', 512, 'bf16')),
    ]
    contests = [
        ('w1-128', race('mlp', 128, 32, 120)),
        ('epochs', lambda: check('epochs', seconds=60)),
        ('w1-1024', race('mlp', 1024, 64)),
        ('w1-8192', race('mlp', 8192, 128)),
        ('conv28-128', race('conv', 128, 16)),
        ('conv64-512', race('conv64', 512, 8)),
        ('family', lambda: family(machine, 150, options.seconds, MODELS if machine.has_gpu else MODELS[:2])),
    ]
    return correct + (on_gpu if machine.has_gpu else []) + contests


NAMES = ('refusal', 'pytorch', 'optimizers', 'cpu', 'perceptrons', 'population', 'ranks', 'precisions', 'replays', 'small', 'starts', 'lost-device', 'memory', 'sanitizer', 'kernels-w1',
         'kernels-conv64', 'w1-128', 'epochs', 'w1-1024', 'w1-8192', 'conv28-128', 'conv64-512', 'family')


def chosen(patterns):
    """The names that any of the patterns matches; a pattern that matches none is a mistake."""
    if not patterns:
        return NAMES
    for pattern in patterns:
        if not fnmatch.filter(NAMES, pattern):
            raise SystemExit(f"Expected names of stages for --stages but received {pattern}; there are {', '.join(NAMES)}")
    return tuple(name for name in NAMES if any(fnmatch.fnmatch(name, pattern) for pattern in patterns))
