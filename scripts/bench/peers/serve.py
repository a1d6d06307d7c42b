"""The benchmark's line protocol (scripts/bench/serve.mjs) and its data, for the programs in Python."""

import json
import os
import sys
import time

import numpy as np

BATCH = {"W1": 128, "W2": 32, "W3": 128}
HIDDEN = {"W1": [400], "W2": [128, 64]}
LATENT = {"W1": 20, "W2": 8, "W3": 16}


def images():
    """MNIST's training images: [60000, 784] float32 in [0, 1]."""
    values = np.fromfile(os.environ["TORCHVAE_BENCH_IMAGES"], np.uint8).reshape(-1, 784).astype(np.float32)
    values /= 255  # in place: a copy would count as the program's peak memory
    return values


def row_blocks(random, rows, batch_size, steps):
    """Rows [steps, batch_size] for one call each, through shuffled epochs; what fills no block is dropped."""
    rows_per_call = batch_size * steps
    while True:
        order = random.permutation(rows)
        for i in range(0, rows - rows_per_call + 1, rows_per_call):
            yield order[i : i + rows_per_call].reshape(steps, batch_size)


def peak_memory():
    """Peak resident memory of this process in MB."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM"))


def say_ready(loss, info):
    print(json.dumps({"ready": 1, "loss0": loss, "info": info}), flush=True)


def commands():
    """The seconds of each `go SECONDS`, until the input ends."""
    for line in sys.stdin:
        words = line.split()
        if not words or words[0] != "go":
            return
        yield float(words[1])


def answer(times, seconds, loss, total):
    """`times`: the duration of each step in seconds; `seconds`: of all of them by the clock."""
    times = sorted(times)
    line = {
        "steps": len(times),
        "secs": seconds,
        "mean_ms": seconds / len(times) * 1e3,
        "med_ms": times[len(times) // 2] * 1e3,
        "min_ms": times[0] * 1e3,
        "loss": loss,
        "total": total,
        "rss": peak_memory(),
    }
    print(json.dumps(line), flush=True)


def serve(step, info, steps_per_call=1):
    """`step()` trains `steps_per_call` steps and returns their loss an example."""
    say_ready(step(), info)
    total = steps_per_call
    for seconds in commands():
        times, loss, calls = [], 0.0, 0
        started = last = time.perf_counter()
        while calls == 0 or last - started < seconds:
            loss += step()
            now = time.perf_counter()
            times += [(now - last) / steps_per_call] * steps_per_call
            last = now
            calls += 1
        total += len(times)
        answer(times, last - started, loss / calls, total)
