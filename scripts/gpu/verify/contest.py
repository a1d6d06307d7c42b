"""Contests: torchvae and its peers, each a program of its kind, timed in rounds of each in turn."""
import json
import os
import selectors
import subprocess
import time

from .machine import GPU, ROOT

ROUNDS = 5


class Peer:
    """A program that answers each line of its input with a line of JSON."""

    def __init__(self, machine, name, command, environment):
        self.name = name
        self.left = machine.report.left
        self.log = f'{machine.report.path}.{name}.log'.replace(' ', '-')
        self.process = subprocess.Popen(command, cwd=ROOT, env={**machine.environment, **environment}, text=True, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=open(self.log, 'w'))

    def tell(self, line):
        self.process.stdin.write(line + '\n')
        self.process.stdin.flush()

    def ask(self, line, seconds):
        self.tell(line)
        return self.answer(line, seconds)

    def answer(self, line, seconds):
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            if not selector.select(max(1, min(seconds, self.left()))):
                raise TimeoutError(f'{self.name} did not answer {line} in time')
        answer = self.process.stdout.readline()
        if not answer:
            with open(self.log) as log:
                raise RuntimeError(f'{self.name} ended: {log.read()[-1500:]}')
        return json.loads(answer)

    def close(self):
        self.process.kill()
        self.process.wait()
        try:
            os.remove(self.log)
        except OSError:
            pass


# Beside the step that is taken: the others, by the value of TORCHVAE_GPU_STEP.
STEPS = {'torchvae by layers': 'layers', 'torchvae in strips': 'strips', 'torchvae fused': 'fused'}


def programs(machine, workload, batch, precisions):
    """The command of each program, and its variables, by its name."""
    device = machine.device
    found = {}
    for precision in precisions:
        given = [workload, str(batch), precision]
        ours = [machine.node, os.path.join(GPU, 'time.mjs'), device, *given]
        found[f'torchvae {precision}'] = (ours, {})
        if workload == 'mlp' and machine.has_gpu:
            others = ['torchvae by layers', 'torchvae in strips'] if batch <= 1024 else ['torchvae fused']
            for other in others:
                found[f'{other} {precision}'] = (ours, {'TORCHVAE_GPU_STEP': STEPS[other]})
        if workload != 'mlp' and machine.has_gpu:
            found[f'torchvae by layers {precision}'] = (ours, {'TORCHVAE_GPU_STEP': 'layers'})
        for mode in ('eager', 'compiled'):
            peer = [machine.torch_python, os.path.join(GPU, 'torch_peer.py'), device, *given, mode]
            found[f'torch {mode} {precision}'] = (peer, {})
        if machine.found['jax']:
            found[f'jax scan {precision}'] = ([machine.jax_python, os.path.join(GPU, 'jax_peer.py'), device, *given], {})
    if workload == 'mlp' and batch <= 128:  # of larger batches a step takes it seconds
        found['plain JavaScript'] = ([machine.node, os.path.join(GPU, 'plain.mjs'), str(batch)], {})
    return found


def contest(machine, workload, batch, precisions, seconds=75, round_seconds=0.5):
    """Milliseconds a step of each program, in rounds of each in turn, after all have started side by side."""
    result = {'workload': workload, 'batch': batch, 'programs': {}}
    peers = {}
    for name, (command, environment) in programs(machine, workload, batch, precisions).items():
        result['programs'][name] = {}
        peers[name] = Peer(machine, name, command, environment)
        peers[name].tell('start')
    ends = time.monotonic() + seconds
    attempt = lambda name, ask: _keep(result['programs'][name], name, peers, ask)
    for name in list(peers):
        attempt(name, lambda entry: entry.update(start=peers[name].answer('start', ends - time.monotonic())))
    for _ in range(ROUNDS):
        for name in list(peers):
            ask = lambda: peers[name].ask(f'run {round_seconds}', 20 + 4 * round_seconds)
            attempt(name, lambda entry: entry.setdefault('rounds', []).append(ask()))
    for peer in peers.values():
        peer.close()
    for program in result['programs'].values():
        for clock in ('wall_ms', 'device_ms'):
            times = sorted(round_[clock] for round_ in program.get('rounds', []) if round_.get(clock) is not None)
            if times:
                program[f'median_{clock}'] = times[len(times) // 2]
    result['ratios'] = ratios(result['programs'], precisions)
    ours = result['programs'][f'torchvae {precisions[0]}']
    result['ok'] = 'median_wall_ms' in ours
    if not result['ok']:
        result['error'] = ours.get('error')
    return result


def _keep(entry, name, peers, ask):
    """A peer that fails is left out from then on, and the reason is kept."""
    try:
        ask(entry)
    except Exception as error:
        entry['error'] = str(error)
        peers.pop(name).close()


def ratios(found, precisions):
    """How many times as long as torchvae's step each peer's of the same precision takes."""
    times = {name: program.get('median_wall_ms') for name, program in found.items()}
    answer = {}
    for precision in precisions:
        ours = times.get(f'torchvae {precision}')
        for name, peer in times.items():
            isPeer = name != f'torchvae {precision}' and (name.endswith(precision) or name == 'plain JavaScript')
            if ours and peer and isPeer:
                answer[f'{name} / torchvae {precision}'] = round(peer / ours, 3)
    return answer
