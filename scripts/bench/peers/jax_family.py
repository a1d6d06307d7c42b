"""JAX with Optax on the models of family.mjs: jax_family.py NAME. Many steps a call, as lax.scan; the mathematics is that of
torch_family.py, and each model has as many weights."""

import math
import os
import sys
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from jax.nn import elu, log_sigmoid, logsumexp, relu, sigmoid
from serve import images, row_blocks, serve

name = sys.argv[1]
random = np.random.default_rng(0)
LOG_TWO_PI = math.log(2 * math.pi)
LAYOUT = ("NHWC", "HWIO", "NHWC")


def layer(inputs, *shape):
    """A weight of this shape and a bias, as PyTorch begins."""
    bound = 1 / np.sqrt(inputs)
    return [jnp.asarray(random.uniform(-bound, bound, s).astype(np.float32)) for s in (shape, shape[-1:])]


def chain(widths):
    return [layer(inputs, inputs, outputs) for inputs, outputs in zip(widths, widths[1:])]


def dense(h, w):
    return h @ w[0] + w[1]


def through(h, layers, activation, last=False):
    for w in layers[:-1] if last else layers:
        h = activation(dense(h, w))
    return dense(h, layers[-1]) if last else h


def gaussian(hidden, latent, labels=0):
    """A perceptron to the parameters of q(z|x), and one back."""
    return {
        "encoder": chain([784 + labels, *hidden]),
        "mean": layer(hidden[-1], hidden[-1], latent),
        "log_variance": layer(hidden[-1], hidden[-1], latent),
        "decoder": chain([latent + labels, *hidden[::-1], 784]),
    }


def posterior(p, x, activation=relu):
    h = through(x, p["encoder"], activation)
    return dense(h, p["mean"]), dense(h, p["log_variance"]), h


def decode(p, z, activation=relu):
    return through(z, p["decoder"], activation, last=True)


def draw(key, mean, log_variance):
    return mean + jax.random.normal(key, mean.shape) * jnp.exp(0.5 * log_variance)


def kl_terms(mean, log_variance):
    return 0.5 * (mean**2 + jnp.exp(log_variance) - 1 - log_variance)


def log_normal(z, mean, log_variance):
    return -0.5 * ((z - mean) ** 2 * jnp.exp(-log_variance) + log_variance + LOG_TWO_PI)


def log_standard(z):
    return (-0.5 * (z**2 + LOG_TWO_PI)).sum(1)


def cross_entropy(logits, x):
    return (jnp.maximum(logits, 0) - logits * x + jnp.log1p(jnp.exp(-jnp.abs(logits)))).sum(1)


# Each loss: (parameters, what training keeps beside them, x, labels, key) to (loss, what it keeps then).


def plain(p, kept, x, y, key):
    mean, log_variance, _ = posterior(p, x)
    logits = decode(p, draw(key, mean, log_variance))
    return cross_entropy(logits, x).mean() + kl_terms(mean, log_variance).sum(1).mean(), kept


def free_bits(p, kept, x, y, key):
    mean, log_variance, _ = posterior(p, x)
    logits = decode(p, draw(key, mean, log_variance))
    return cross_entropy(logits, x).mean() + jnp.maximum(kl_terms(mean, log_variance).mean(0), 0.1).sum(), kept


def labels(p, kept, x, y, key):
    hot = jax.nn.one_hot(y, 10)
    mean, log_variance, _ = posterior(p, jnp.concatenate([x, hot], 1))
    logits = decode(p, jnp.concatenate([draw(key, mean, log_variance), hot], 1))
    return cross_entropy(logits, x).mean() + kl_terms(mean, log_variance).sum(1).mean(), kept


def laplace(p, kept, x, y, key):
    mean, log_variance, _ = posterior(p, x)
    location = sigmoid(decode(p, draw(key, mean, log_variance)))
    loss = (jnp.abs(x - location) / 0.5 + math.log(2 * 0.5)).sum(1)
    return loss.mean() + kl_terms(mean, log_variance).sum(1).mean(), kept


def continuous_bernoulli(p, kept, x, y, key):
    mean, log_variance, _ = posterior(p, x)
    logits = decode(p, draw(key, mean, log_variance))
    small = jnp.abs(logits) < 1e-2
    safe = jnp.abs(jnp.where(small, 1.0, logits))
    normalizer = jnp.where(small, logits**2 / 12 + math.log(2), jnp.log(safe / jnp.tanh(safe * 0.5)))
    loss = (cross_entropy(logits, x) - normalizer.sum(1)).mean()
    return loss + kl_terms(mean, log_variance).sum(1).mean(), kept


def wae(p, kept, x, y, key):
    first, second = jax.random.split(key)
    mean, log_variance, _ = posterior(p, x)
    z = draw(first, mean, log_variance)
    prior = jax.random.normal(second, z.shape)

    def kernel(a, b):
        d = jnp.maximum((a**2).sum(1, keepdims=True) + (b**2).sum(1) - 2 * a @ b.T, 0)
        return sum(c / (d + c) for c in (2 * 20 * s for s in (0.1, 0.2, 0.5, 1, 2, 5, 10)))

    n = len(x)
    zz, pp, zp = kernel(z, z), kernel(prior, prior), kernel(z, prior)
    mmd = (zz.sum() - jnp.trace(zz) + pp.sum() - jnp.trace(pp)) / (n * (n - 1)) - 2 * zp.mean()
    return cross_entropy(decode(p, z), x).mean() + 10 * mmd, kept


def beta_tc(p, kept, x, y, key):
    mean, log_variance, _ = posterior(p, x)
    z = draw(key, mean, log_variance)
    pairs = log_normal(z[:, None], mean[None], log_variance[None])
    size = math.log(len(x) * 60000)
    log_q = log_normal(z, mean, log_variance).sum(1)
    joint = logsumexp(pairs.sum(2), 1) - size
    product = (logsumexp(pairs, 1) - size).sum(1)
    parts = (log_q - joint).mean() + 6 * (joint - product).mean() + (product - log_standard(z)).mean()
    return cross_entropy(decode(p, z), x).mean() + parts, kept


UNITS, DIMS = np.arange(128) % 20, np.arange(1, 21)
FIRST_MASK = (DIMS[:, None] <= UNITS[None]).astype(np.float32)
SECOND_MASK = np.tile((UNITS[:, None] < DIMS[None]).astype(np.float32), (1, 2))


def make_flow():
    steps = [{"first": layer(20, 20, 128), "context": layer(32, 32, 128), "second": layer(128, 128, 40)} for _ in range(2)]
    return {**gaussian([400], 20), "to_context": layer(400, 400, 32), "steps": steps}


def iaf(p, kept, x, y, key):
    mean, log_variance, h = posterior(p, x)
    context = elu(dense(h, p["to_context"]))
    z = draw(key, mean, log_variance)
    log_q = log_normal(z, mean, log_variance).sum(1)
    for i, step in enumerate(p["steps"]):
        z = z[:, ::-1] if i else z
        hidden = elu(z @ (step["first"][0] * FIRST_MASK) + step["first"][1] + dense(context, step["context"]))
        shift, gate = jnp.split(hidden @ (step["second"][0] * SECOND_MASK) + step["second"][1], 2, 1)
        gate = gate + 2
        s = sigmoid(gate)
        z = s * z + (1 - s) * shift
        log_q = log_q - log_sigmoid(gate).sum(1)
    return cross_entropy(decode(p, z), x).mean() + (log_q - log_standard(z)).mean(), kept


def iwae(p, kept, x, y, key):
    k = 5
    mean, log_variance, _ = posterior(p, x, jnp.tanh)
    mean, log_variance = jnp.repeat(mean, k, 0), jnp.repeat(log_variance, k, 0)
    z = draw(key, mean, log_variance)
    log_q = log_normal(z, mean, log_variance).sum(1)
    log_w = log_standard(z) - log_q - cross_entropy(decode(p, z, jnp.tanh), jnp.repeat(x, k, 0))
    return -(logsumexp(log_w.reshape(-1, k), 1) - math.log(k)).mean(), kept


def vamp(p, kept, x, y, key):
    mean, log_variance, _ = posterior(p, x)
    z = draw(key, mean, log_variance)
    means, log_variances, _ = posterior(p, sigmoid(p["inputs"]))
    each = log_normal(z[:, None], means[None], log_variances[None]).sum(2)
    log_prior = logsumexp(each, 1) - math.log(500)
    return (cross_entropy(decode(p, z), x) + log_normal(z, mean, log_variance).sum(1) - log_prior).mean(), kept


def make_vq():
    return {"encoder": chain([784, 400]), "code": layer(400, 400, 128), "decoder": chain([128, 400, 784])}


def vq(p, kept, x, y, key):
    codebook, counts, sums = kept
    vectors = dense(through(x, p["encoder"], relu), p["code"]).reshape(-1, 8)
    fixed = lax.stop_gradient(vectors)
    nearest = jnp.argmin((codebook**2).sum(1) - 2 * fixed @ codebook.T, 1)
    chosen, hot = codebook[nearest], jax.nn.one_hot(nearest, 64)
    counts = 0.99 * counts + 0.01 * hot.sum(0)
    sums = 0.99 * sums + 0.01 * hot.T @ fixed
    total = counts.sum()
    smoothed = (counts + 1e-5) / (total + 1e-5 * 64) * total
    z = (vectors + lax.stop_gradient(chosen - vectors)).reshape(len(x), 128)
    penalty = 0.25 * ((vectors - chosen) ** 2).reshape(len(x), 128).sum(1)
    return (cross_entropy(decode(p, z), x) + penalty).mean(), (sums / smoothed[:, None], counts, sums)


def convolution(inputs, outputs):
    return layer(9 * inputs, 3, 3, inputs, outputs)


def block(channels):
    return [[jnp.ones(channels), jnp.zeros(channels), convolution(channels, channels)] for _ in range(2)]


def make_residual():
    return {
        "encoder": [[convolution(1, 32), block(32)], [convolution(32, 64), block(64)]],
        "mean": layer(3136, 3136, 16),
        "log_variance": layer(3136, 3136, 16),
        "dense": layer(16, 16, 3136),
        "decoder": [[block(64), convolution(64, 32)], [block(32), convolution(32, 1)]],
    }


def residual(p, kept, x, y, key):
    running = iter(kept)
    after = []

    def convolve(h, w, stride=1):
        return lax.conv_general_dilated(h, w[0], (stride, stride), [(1, 1), (1, 1)], dimension_numbers=LAYOUT) + w[1]

    def through_block(x, layers):
        h = x
        for scale, shift, w in layers:
            mean, variance = h.mean((0, 1, 2)), h.var((0, 1, 2))
            old_mean, old_variance = next(running)
            count = h.size // h.shape[-1]
            after.append((0.9 * old_mean + 0.1 * lax.stop_gradient(mean),
                          0.9 * old_variance + 0.1 * lax.stop_gradient(variance) * count / (count - 1)))
            h = convolve(relu((h - mean) * lax.rsqrt(variance + 1e-5) * scale + shift), w)
        return x + h

    h = x.reshape(-1, 28, 28, 1)
    for w, layers in p["encoder"]:
        h = through_block(convolve(h, w, 2), layers)
    h = relu(h).reshape(len(x), -1)
    mean, log_variance = dense(h, p["mean"]), dense(h, p["log_variance"])
    h = dense(draw(key, mean, log_variance), p["dense"]).reshape(-1, 7, 7, 64)
    for layers, w in p["decoder"]:
        h = relu(through_block(h, layers))
        h = lax.conv_transpose(h, w[0], (2, 2), "SAME", dimension_numbers=LAYOUT) + w[1]
    logits = h.reshape(len(x), -1)
    return cross_entropy(logits, x).mean() + kl_terms(mean, log_variance).sum(1).mean(), after


def normal(*shape):
    return jnp.asarray(random.standard_normal(shape).astype(np.float32))


statistics = [(jnp.zeros(c), jnp.ones(c)) for c in (32, 32, 64, 64, 64, 64, 32, 32)]
codebook = normal(64, 8)
w1 = lambda: gaussian([400], 20)

# name: (parameters, loss, batch size, what training keeps beside the parameters)
FAMILY = {
    "plain": (w1, plain, 128, ()),
    "free-bits": (w1, free_bits, 128, ()),
    "labels": (lambda: gaussian([400], 20, labels=10), labels, 128, ()),
    "laplace": (w1, laplace, 128, ()),
    "continuous-bernoulli": (w1, continuous_bernoulli, 128, ()),
    "wae": (w1, wae, 128, ()),
    "beta-tc": (w1, beta_tc, 128, ()),
    "iaf": (make_flow, iaf, 128, ()),
    "iwae": (lambda: gaussian([200, 200], 50), iwae, 20, ()),
    "vamp": (lambda: {**gaussian([300, 300], 40), "inputs": normal(500, 784)}, vamp, 100, ()),
    "vq": (make_vq, vq, 128, (codebook, jnp.ones(64), codebook)),
    "residual": (make_residual, residual, 128, statistics),
}
make, loss_function, batch_size, kept = FAMILY[name]
# On the CPU, XLA is slow with convolutions in a loop: their steps stand one after another.
steps_per_call, unroll = (2, True) if name == "residual" else (64, False)
parameters = make()
optimizer = optax.adam(1e-3)
data = jax.device_put(images())
classes = (jnp.asarray(np.fromfile(os.environ["TORCHVAE_BENCH_LABELS"], np.uint8).astype(np.int32))
           if name == "labels" else jnp.zeros(len(data), jnp.int32))


def update(data, classes, carry, rows):
    parameters, kept, state, key = carry
    key, noise = jax.random.split(key)
    (loss, kept), gradients = jax.value_and_grad(loss_function, has_aux=True)(
        parameters, kept, data[rows], classes[rows], noise)
    updates, state = optimizer.update(gradients, state)
    return (optax.apply_updates(parameters, updates), kept, state, key), loss


@partial(jax.jit, donate_argnums=2)
def many_steps(data, classes, carry, rows):
    carry, losses = lax.scan(partial(update, data, classes), carry, rows, unroll=unroll)
    return carry, losses.mean()


blocks = row_blocks(random, len(data), batch_size, steps_per_call)
count = sum(p.size for p in jax.tree.leaves(parameters))
copied = jax.tree.map(jnp.copy, kept)  # the carry is given away, and two of its parts may be one
carry = (parameters, copied, optimizer.init(parameters), jax.random.PRNGKey(0))


def step():
    global carry
    carry, loss = many_steps(data, classes, carry, next(blocks))
    return float(loss)


serve(step, {"jax": jax.__version__, "optax": optax.__version__, "parameters": count}, steps_per_call)
