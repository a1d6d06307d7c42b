"""JAX with Optax as a program of the benchmark: jax_peer.py W1|W2|W3 step|scan

step: one jitted step a call; scan: many steps a call, as lax.scan over the rows' indices. Both keep the data on the device.
"""

import sys
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from serve import BATCH, HIDDEN, LATENT, images, row_blocks, serve

workload, mode = sys.argv[1:3]
batch_size, latent = BATCH[workload], LATENT[workload]
steps_per_call = {"W1": 117, "W2": 468, "W3": 13}[workload] if mode == "scan" else 1
random = np.random.default_rng(0)
data = jax.device_put(images())
LAYOUT = ("NHWC", "HWIO", "NHWC")


def layer(inputs, shape):
    """A weight of this shape and a bias, as PyTorch begins."""
    bound = 1 / np.sqrt(inputs)
    return [jnp.asarray(random.uniform(-bound, bound, s).astype(np.float32)) for s in (shape, shape[-1:])]


def chain(widths):
    return [layer(inputs, (inputs, outputs)) for inputs, outputs in zip(widths, widths[1:])]


def dense(h, w):
    return h @ w[0] + w[1]


def sample(parameters, h, key):
    mean, log_variance = dense(h, parameters["mean"]), dense(h, parameters["log_variance"])
    z = mean + jax.random.normal(key, mean.shape) * jnp.exp(0.5 * log_variance)
    return z, mean, log_variance


def make_mlp():
    hidden = HIDDEN[workload]
    parameters = {
        "encoder": chain([784, *hidden]),
        "mean": layer(hidden[-1], (hidden[-1], latent)),
        "log_variance": layer(hidden[-1], (hidden[-1], latent)),
        "decoder": chain([latent, *hidden[::-1], 784]),
    }

    def forward(parameters, x, key):
        h = x
        for w in parameters["encoder"]:
            h = jax.nn.relu(dense(h, w))
        z, mean, log_variance = sample(parameters, h, key)
        for w in parameters["decoder"][:-1]:
            z = jax.nn.relu(dense(z, w))
        return dense(z, parameters["decoder"][-1]), mean, log_variance

    return parameters, forward


def make_conv():
    parameters = {
        "encoder": [layer(9, (3, 3, 1, 32)), layer(288, (3, 3, 32, 64))],
        "mean": layer(3136, (3136, latent)),
        "log_variance": layer(3136, (3136, latent)),
        "dense": layer(latent, (latent, 3136)),
        "decoder": [layer(288, (3, 3, 64, 32)), layer(9, (3, 3, 32, 1))],
    }

    def forward(parameters, x, key):
        h = x.reshape(-1, 28, 28, 1)
        for kernel, bias in parameters["encoder"]:
            h = lax.conv_general_dilated(h, kernel, (2, 2), [(1, 1), (1, 1)], dimension_numbers=LAYOUT)
            h = jax.nn.relu(h + bias)
        z, mean, log_variance = sample(parameters, h.reshape(len(x), -1), key)
        h = dense(z, parameters["dense"]).reshape(-1, 7, 7, 64)
        for kernel, bias in parameters["decoder"]:
            h = jax.nn.relu(h)
            h = lax.conv_transpose(h, kernel, (2, 2), "SAME", dimension_numbers=LAYOUT) + bias
        return h.reshape(len(x), -1), mean, log_variance

    return parameters, forward


parameters, forward = make_conv() if workload == "W3" else make_mlp()
optimizer = optax.adam(1e-3)
state = optimizer.init(parameters)
key = jax.random.PRNGKey(0)


def loss_function(parameters, x, key):
    logits, mean, log_variance = forward(parameters, x, key)
    reconstruction = jnp.sum(jnp.maximum(logits, 0) - logits * x + jnp.log1p(jnp.exp(-jnp.abs(logits))))
    return reconstruction - 0.5 * jnp.sum(1 + log_variance - mean**2 - jnp.exp(log_variance))


def update(data, carry, rows):
    parameters, state, key = carry
    key, noise = jax.random.split(key)
    loss, gradients = jax.value_and_grad(loss_function)(parameters, data[rows], noise)
    updates, state = optimizer.update(gradients, state)
    return (optax.apply_updates(parameters, updates), state, key), loss


@partial(jax.jit, donate_argnums=1)
def one_step(data, carry, rows):
    return update(data, carry, rows)


@partial(jax.jit, donate_argnums=1)
def many_steps(data, carry, rows):
    carry, losses = lax.scan(partial(update, data), carry, rows)
    return carry, losses.mean()


blocks = row_blocks(random, len(data), batch_size, steps_per_call)
carry = (parameters, state, key)
train = many_steps if mode == "scan" else one_step


def step():
    global carry
    rows = next(blocks)
    carry, loss = train(data, carry, rows if mode == "scan" else rows[0])
    return float(loss) / batch_size


serve(step, {"jax": jax.__version__, "optax": optax.__version__}, steps_per_call)
