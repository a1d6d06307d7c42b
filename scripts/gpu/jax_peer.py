"""JAX as a program of scripts/gpu-verify: jax_peer.py DEVICE mlp|conv|conv64 BATCH PRECISION. Many steps a call, as lax.scan.

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

device, workload, batch, precision = sys.argv[1:]
batch = int(batch)
on_gpu = device != 'cpu'
examples = (4096 if workload == 'conv64' else 60000) if on_gpu else (64 if workload == 'conv64' else 2000)
steps_per_call = min(100, examples // batch)
jax.config.update('jax_default_matmul_precision', {'float32': 'highest', 'tf32': 'tensorfloat32', 'bf16': 'bfloat16'}[precision])
latent = {'mlp': 20, 'conv': 16, 'conv64': 128}[workload]
# Channels of the images, from x down.
channels = {'conv': [1, 32, 64], 'conv64': [3, 32, 64, 128, 256]}.get(workload, [])
side = {'conv': 28, 'conv64': 64}.get(workload, 28)
small = side >> (len(channels) - 1) if channels else 0
shape = (side, side, channels[0]) if channels else (784,)
generator = np.random.default_rng(0)
data = jax.device_put(generator.integers(0, 256, (examples, *shape), dtype=np.uint8))


def weights(*extents, inputs):
    bound = 1 / np.sqrt(inputs)
    return [jnp.asarray(generator.uniform(-bound, bound, s).astype(np.float32)) for s in (extents, (extents[-1],))]


def layer(inputs, outputs):
    return weights(inputs, outputs, inputs=inputs)


def kernel(inputs, outputs):
    return weights(3, 3, inputs, outputs, inputs=9 * inputs)


if channels:
    width = channels[-1] * small * small
    upwards = channels[::-1]
    parameters = {'down': [kernel(a, b) for a, b in zip(channels, channels[1:])], 'head': layer(width, 2 * latent),
                  'widen': layer(latent, width), 'up': [kernel(a, b) for a, b in zip(upwards, upwards[1:])]}
else:
    parameters = {'down': [layer(784, 400)], 'head': layer(400, 40), 'widen': layer(20, 400), 'up': [layer(400, 784)]}

AXES = ('NHWC', 'HWIO', 'NHWC')


def down(x, w, b):
    if not channels:
        return jax.nn.relu(x @ w + b)
    return jax.nn.relu(lax.conv_general_dilated(x, w, (2, 2), ((1, 1), (1, 1)), dimension_numbers=AXES) + b)


def up(x, w, b):
    """A transposed convolution of stride 2 with padding 1 and output padding 1."""
    if not channels:
        return x @ w + b
    return lax.conv_general_dilated(x, w, (1, 1), ((1, 2), (1, 2)), lhs_dilation=(2, 2), dimension_numbers=AXES) + b


def loss_function(parameters, x, key):
    h = x
    for w, b in parameters['down']:
        h = down(h, w, b)
    w, b = parameters['head']
    mean, log_variance = jnp.split(h.reshape(len(x), -1) @ w + b, 2, 1)
    z = mean + jax.random.normal(key, mean.shape) * jnp.exp(0.5 * log_variance)
    w, b = parameters['widen']
    h = jax.nn.relu(z @ w + b)
    if channels:
        h = h.reshape(len(x), small, small, channels[-1])
    for w, b in parameters['up'][:-1]:
        h = jax.nn.relu(up(h, w, b))
    logits = up(h, *parameters['up'][-1])
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
