"""JAX as a program of scripts/gpu-verify: jax_peer.py DEVICE BATCH PRECISION. W1 with many steps a call, as lax.scan.

For each line "run SECONDS" it trains that long and answers {"wall_ms", "steps"}.
"""
import json
import sys
import time
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

device, batch, precision = sys.argv[1:]
batch = int(batch)
examples = 2000 if device == 'cpu' else 60000
steps_per_call = min(100, examples // batch)
jax.config.update('jax_default_matmul_precision', {'float32': 'highest', 'tf32': 'tensorfloat32', 'bf16': 'bfloat16'}[precision])
generator = np.random.default_rng(0)
data = jax.device_put(generator.integers(0, 256, (examples, 784), dtype=np.uint8))


def layer(inputs, outputs):
    bound = 1 / np.sqrt(inputs)
    return [jnp.asarray(generator.uniform(-bound, bound, s).astype(np.float32)) for s in ((inputs, outputs), (outputs,))]


parameters = [layer(784, 400), layer(400, 40), layer(20, 400), layer(400, 784)]


def loss_function(parameters, x, key):
    one, head, two, three = parameters
    mean, log_variance = jnp.split(jax.nn.relu(x @ one[0] + one[1]) @ head[0] + head[1], 2, 1)
    z = mean + jax.random.normal(key, mean.shape) * jnp.exp(0.5 * log_variance)
    logits = jax.nn.relu(z @ two[0] + two[1]) @ three[0] + three[1]
    reconstruction = jnp.sum(jnp.maximum(logits, 0) - logits * x + jnp.log1p(jnp.exp(-jnp.abs(logits))))
    return (reconstruction - 0.5 * jnp.sum(1 + log_variance - mean**2 - jnp.exp(log_variance))) / len(x)


def update(carry, rows):
    parameters, first, second, t, key = carry
    key, noise = jax.random.split(key)
    x = data[rows].astype(jnp.float32) / 255
    loss, gradients = jax.value_and_grad(loss_function)(parameters, x, noise)
    t = t + 1
    first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, gradients)
    second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, second, gradients)
    rate = 1e-3 / (1 - 0.9**t)
    parameters = jax.tree.map(lambda p, m, v: p - rate * m / (jnp.sqrt(v / (1 - 0.999**t)) + 1e-8), parameters, first, second)
    return (parameters, first, second, t, key), loss


@partial(jax.jit, donate_argnums=0)
def many(carry, rows):
    carry, losses = lax.scan(update, carry, rows)
    return carry, losses.mean()


zeros = lambda: jax.tree.map(jnp.zeros_like, parameters)
carry = (jax.tree.map(jnp.copy, parameters), zeros(), zeros(), jnp.float32(0), jax.random.PRNGKey(0))


def blocks():
    while True:
        order = generator.permutation(examples)[: examples // (batch * steps_per_call) * batch * steps_per_call]
        yield from order.reshape(-1, steps_per_call, batch)


source = blocks()


def train(seconds):
    global carry
    started, steps, pending = time.perf_counter(), 0, None
    while time.perf_counter() - started < seconds:
        previous = pending
        carry, pending = many(carry, next(source))
        steps += steps_per_call
        if previous is not None:
            previous.block_until_ready()  # one call ahead, and no more
    loss = float(pending)
    return {'wall_ms': (time.perf_counter() - started) * 1000 / steps, 'steps': steps, 'loss': loss}


for line in sys.stdin:
    word, *rest = line.split()
    began = time.perf_counter()
    answer = train(1) if word == 'start' else train(float(rest[0]))
    if word == 'start':
        answer['seconds'] = time.perf_counter() - began
    print(json.dumps(answer), flush=True)
