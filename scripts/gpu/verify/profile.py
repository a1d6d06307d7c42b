"""What NVIDIA's tools say: the sanitizer's findings, and the kernels of one step with their times."""
import csv
import io
import os
import re
import subprocess

from .machine import GPU, ROOT

# Checks for memory out of bounds, for two threads at one place of shared memory, and for barriers that not all threads reach.
TOOLS = ('memcheck', 'racecheck', 'synccheck')


def sanitize(machine):
    """compute-sanitizer over a few steps of small models."""
    program = machine.program('compute-sanitizer')
    if program is None:
        return {'ok': False, 'error': 'compute-sanitizer was not found; it comes with the CUDA toolkit'}
    found = {}
    for tool in TOOLS:
        command = [program, '--tool', tool, '--error-exitcode', '9', machine.node, os.path.join(GPU, 'check.mjs'), 'cuda', 'small']
        done = subprocess.run(command, cwd=ROOT, env=machine.environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=max(1, min(120, machine.report.left())))
        summary = re.findall(r'^========= (?:ERROR|RACECHECK) SUMMARY: .*$', done.stdout, re.M)
        found[tool] = {'exit': done.returncode, 'summary': summary, 'said': done.stdout[-2000:] if done.returncode else ''}
    return {'ok': all(entry['exit'] == 0 for entry in found.values()), 'tools': found}


def kernels(machine, workload, batch, precision):
    """The kernels of some steps of a captured graph, in order, each with its grid and its time, by ncu."""
    program = machine.program('ncu')
    if program is None:
        return {'ok': False, 'error': 'ncu was not found; it comes with the CUDA toolkit'}
    metrics = 'gpu__time_duration.sum,smsp__inst_executed.sum,launch__grid_size,launch__block_size,launch__registers_per_thread'
    # Caches stay warm, as they are in a step.
    command = [program, '--clock-control', 'none', '--cache-control', 'none', '--graph-profiling', 'node', '--csv', '--page', 'raw',
               '--metrics', metrics,
               machine.node, os.path.join(GPU, 'steps.mjs'), workload, str(batch), precision]
    done = subprocess.run(command, cwd=ROOT, env=machine.environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=max(1, min(150, machine.report.left())))
    if done.returncode != 0:
        raise RuntimeError(f'ncu ended with {done.returncode}: {(done.stdout + done.stderr)[-2000:]}')
    return {'kernels': listed(done.stdout)}


def listed(output):
    """The rows of ncu's table: its first line names the columns, its second their units."""
    start = output.find('"ID"')
    if start < 0:
        raise RuntimeError(f'ncu printed no table: {output[-1000:]}')
    rows = list(csv.DictReader(io.StringIO(output[start:])))
    units, rows = rows[0], rows[1:]
    scale = {'nsecond': 1e-3, 'ns': 1e-3, 'usecond': 1, 'us': 1, 'msecond': 1e3, 'ms': 1e3}[units['gpu__time_duration.sum']]
    number = lambda text: float(text.replace(',', ''))
    return [{'kernel': row['Kernel Name'][:120],
             'us': round(scale * number(row['gpu__time_duration.sum']), 3),
             'blocks': int(number(row['launch__grid_size'])),
             'threads': int(number(row['launch__block_size'])),
             'registers': int(number(row['launch__registers_per_thread'])),
             # By all warps: for small products the time follows these more than bytes or arithmetic.
             'instructions': int(number(row['smsp__inst_executed.sum']))} for row in rows]
