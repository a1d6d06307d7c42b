"""PyTorch on the models of family.mjs: torch_family.py NAME [fused] [compile] [cuda]. Written as a user would write them."""

import math
import os
import sys

import numpy as np
import torch
from serve import images, serve
from torch import nn
from torch.nn import functional as F

name, options = sys.argv[1], set(sys.argv[2:])
torch.manual_seed(0)
LOG_TWO_PI = math.log(2 * math.pi)


def mlp(widths, activation, last=False):
    layers = []
    for inputs, outputs in zip(widths, widths[1:]):
        layers += [nn.Linear(inputs, outputs), activation()]
    return nn.Sequential(*(layers[:-1] if last else layers))


class Gaussian(nn.Module):
    """A perceptron to the parameters of q(z|x), and one back."""

    def __init__(self, hidden, latent, activation=nn.ReLU, labels=0, decoder_latent=None):
        super().__init__()
        self.encoder = mlp([784 + labels, *hidden], activation)
        self.mean, self.log_variance = nn.Linear(hidden[-1], latent), nn.Linear(hidden[-1], latent)
        self.decoder = mlp([(decoder_latent or latent) + labels, *hidden[::-1], 784], activation, last=True)

    def posterior(self, x):
        h = self.encoder(x)
        return self.mean(h), self.log_variance(h), h


def rsample(mean, log_variance):
    return mean + torch.randn_like(mean) * torch.exp(0.5 * log_variance)


def kl_terms(mean, log_variance):
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance)


def log_normal(z, mean, log_variance):
    return -0.5 * ((z - mean).square() * torch.exp(-log_variance) + log_variance + LOG_TWO_PI)


def cross_entropy(logits, x):
    return F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1)


def plain(model, x, y):
    mean, log_variance, _ = model.posterior(x)
    logits = model.decoder(rsample(mean, log_variance))
    return cross_entropy(logits, x).mean() + kl_terms(mean, log_variance).sum(1).mean()


def free_bits(model, x, y):
    mean, log_variance, _ = model.posterior(x)
    logits = model.decoder(rsample(mean, log_variance))
    return cross_entropy(logits, x).mean() + kl_terms(mean, log_variance).mean(0).clamp_min(0.1).sum()


def labels(model, x, y):
    hot = F.one_hot(y, 10).float()
    mean, log_variance, _ = model.posterior(torch.cat([x, hot], 1))
    logits = model.decoder(torch.cat([rsample(mean, log_variance), hot], 1))
    return cross_entropy(logits, x).mean() + kl_terms(mean, log_variance).sum(1).mean()


def laplace(model, x, y):
    mean, log_variance, _ = model.posterior(x)
    location = torch.sigmoid(model.decoder(rsample(mean, log_variance)))
    loss = ((x - location).abs() / 0.5 + math.log(2 * 0.5)).sum(1)
    return loss.mean() + kl_terms(mean, log_variance).sum(1).mean()


def continuous_bernoulli(model, x, y):
    mean, log_variance, _ = model.posterior(x)
    logits = model.decoder(rsample(mean, log_variance))
    small = logits.abs() < 1e-2
    safe = torch.where(small, torch.ones_like(logits), logits).abs()
    normalizer = torch.where(small, logits.square() / 12 + math.log(2), (safe / torch.tanh(safe * 0.5)).log())
    return (cross_entropy(logits, x) - normalizer.sum(1)).mean() + kl_terms(mean, log_variance).sum(1).mean()


def wae(model, x, y):
    mean, log_variance, _ = model.posterior(x)
    z = rsample(mean, log_variance)
    logits = model.decoder(z)
    prior = torch.randn_like(z)

    def kernel(a, b):
        d = torch.cdist(a, b).square() if "cdist" in options else (
            a.square().sum(1, True) + b.square().sum(1) - 2 * a @ b.t()).clamp_min(0)
        return sum(c / (d + c) for c in (2 * 20 * s for s in (0.1, 0.2, 0.5, 1, 2, 5, 10)))

    n = len(x)
    zz, pp, zp = kernel(z, z), kernel(prior, prior), kernel(z, prior)
    mmd = (zz.sum() - zz.trace() + pp.sum() - pp.trace()) / (n * (n - 1)) - 2 * zp.mean()
    return cross_entropy(logits, x).mean() + 10 * mmd


def beta_tc(model, x, y):
    mean, log_variance, _ = model.posterior(x)
    z = rsample(mean, log_variance)
    logits = model.decoder(z)
    log_q = log_normal(z, mean, log_variance).sum(1)
    pairs = log_normal(z.unsqueeze(1), mean.unsqueeze(0), log_variance.unsqueeze(0))
    size = math.log(len(x) * 60000)
    joint = torch.logsumexp(pairs.sum(2), 1) - size
    product = (torch.logsumexp(pairs, 1) - size).sum(1)
    log_prior = log_normal(z, torch.zeros_like(z), torch.zeros_like(z)).sum(1)
    parts = (log_q - joint).mean() + 6 * (joint - product).mean() + (product - log_prior).mean()
    return cross_entropy(logits, x).mean() + parts


class Made(nn.Module):
    def __init__(self, size, hidden, context):
        super().__init__()
        self.first, self.context = nn.Linear(size, hidden), nn.Linear(context, hidden)
        self.second = nn.Linear(hidden, 2 * size)
        units, dims = torch.arange(hidden) % size, torch.arange(1, size + 1)
        self.register_buffer("first_mask", (units[:, None] >= dims[None]).float())
        self.register_buffer("second_mask", (dims[:, None] > units[None]).float().repeat(2, 1))

    def forward(self, z, context):
        h = F.elu(F.linear(z, self.first.weight * self.first_mask, self.first.bias) + self.context(context))
        shift, gate = F.linear(h, self.second.weight * self.second_mask, self.second.bias).chunk(2, 1)
        return shift, gate + 2


class Flow(Gaussian):
    def __init__(self):
        super().__init__([400], 20)
        self.to_context = nn.Linear(400, 32)
        self.steps = nn.ModuleList([Made(20, 128, 32) for _ in range(2)])


def iaf(model, x, y):
    mean, log_variance, h = model.posterior(x)
    context = F.elu(model.to_context(h))
    z = rsample(mean, log_variance)
    log_q = log_normal(z, mean, log_variance).sum(1)
    for i, step in enumerate(model.steps):
        z = z.flip(1) if i else z
        shift, gate = step(z, context)
        s = torch.sigmoid(gate)
        z = s * z + (1 - s) * shift
        log_q = log_q - F.logsigmoid(gate).sum(1)
    log_prior = log_normal(z, torch.zeros_like(z), torch.zeros_like(z)).sum(1)
    return cross_entropy(model.decoder(z), x).mean() + (log_q - log_prior).mean()


def iwae(model, x, y):
    mean, log_variance, _ = model.posterior(x)
    k = 5
    mean, log_variance = mean.repeat_interleave(k, 0), log_variance.repeat_interleave(k, 0)
    z = rsample(mean, log_variance)
    logits = model.decoder(z)
    log_w = -cross_entropy(logits, x.repeat_interleave(k, 0)) - (
        log_normal(z, mean, log_variance) - log_normal(z, torch.zeros_like(z), torch.zeros_like(z))).sum(1)
    return -(torch.logsumexp(log_w.view(-1, k), 1) - math.log(k)).mean()


class Vamp(Gaussian):
    def __init__(self):
        super().__init__([300, 300], 40)
        self.inputs = nn.Parameter(torch.randn(500, 784))


def vamp(model, x, y):
    mean, log_variance, _ = model.posterior(x)
    z = rsample(mean, log_variance)
    logits = model.decoder(z)
    means, log_variances, _ = model.posterior(torch.sigmoid(model.inputs))
    each = log_normal(z.unsqueeze(1), means.unsqueeze(0), log_variances.unsqueeze(0)).sum(2)
    log_prior = torch.logsumexp(each, 1) - math.log(500)
    return (cross_entropy(logits, x) + log_normal(z, mean, log_variance).sum(1) - log_prior).mean()


class Quantized(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder, self.code = mlp([784, 400], nn.ReLU), nn.Linear(400, 128)
        self.decoder = mlp([128, 400, 784], nn.ReLU, last=True)
        self.register_buffer("codebook", torch.randn(64, 8))
        self.register_buffer("counts", torch.ones(64))
        self.register_buffer("sums", self.codebook.clone())


def vq(model, x, y):
    vectors = model.code(model.encoder(x)).view(-1, 8)
    with torch.no_grad():
        distances = model.codebook.square().sum(1) - 2 * vectors @ model.codebook.t()
        nearest = distances.argmin(1)
        chosen = model.codebook[nearest]
        hot = F.one_hot(nearest, 64).float()
        model.counts.mul_(0.99).add_(hot.sum(0), alpha=0.01)
        model.sums.mul_(0.99).add_(hot.t() @ vectors, alpha=0.01)
        total = model.counts.sum()
        smoothed = (model.counts + 1e-5) / (total + 1e-5 * 64) * total
        model.codebook.copy_(model.sums / smoothed.unsqueeze(1))
    z = (vectors + (chosen - vectors).detach()).view(len(x), 128)
    penalty = 0.25 * (vectors - chosen).square().view(len(x), 128).sum(1)
    return (cross_entropy(model.decoder(z), x) + penalty).mean()


class Block(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.norms = nn.ModuleList([nn.BatchNorm2d(channels) for _ in range(2)])
        self.convs = nn.ModuleList([nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2)])

    def forward(self, x):
        h = x
        for norm, conv in zip(self.norms, self.convs):
            h = conv(F.relu(norm(h)))
        return x + h


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(1, 32, 3, 2, 1), Block(32), nn.Conv2d(32, 64, 3, 2, 1), Block(64), nn.ReLU(), nn.Flatten())
        self.mean, self.log_variance = nn.Linear(3136, 16), nn.Linear(3136, 16)
        self.decoder = nn.Sequential(
            nn.Linear(16, 3136), nn.Unflatten(1, (64, 7, 7)), Block(64), nn.ReLU(),
            nn.ConvTranspose2d(64, 32, 3, 2, 1, 1), Block(32), nn.ReLU(), nn.ConvTranspose2d(32, 1, 3, 2, 1, 1),
            nn.Flatten())

    def posterior(self, x):
        h = self.encoder(x.view(-1, 1, 28, 28))
        return self.mean(h), self.log_variance(h), h


# name: (model, loss, batch size)
FAMILY = {
    "plain": (lambda: Gaussian([400], 20), plain, 128),
    "free-bits": (lambda: Gaussian([400], 20), free_bits, 128),
    "labels": (lambda: Gaussian([400], 20, labels=10), labels, 128),
    "laplace": (lambda: Gaussian([400], 20), laplace, 128),
    "continuous-bernoulli": (lambda: Gaussian([400], 20), continuous_bernoulli, 128),
    "wae": (lambda: Gaussian([400], 20), wae, 128),
    "beta-tc": (lambda: Gaussian([400], 20), beta_tc, 128),
    "iaf": (Flow, iaf, 128),
    "iwae": (lambda: Gaussian([200, 200], 50, nn.Tanh), iwae, 20),
    "vamp": (Vamp, vamp, 100),
    "vq": (Quantized, vq, 128),
    "residual": (Residual, plain, 128),
}
make, loss_function, batch_size = FAMILY[name]
device = "cuda" if "cuda" in options else "cpu"
model = make().to(device)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True if "fused" in options else None)
data = torch.from_numpy(images()).to(device)
classes = torch.from_numpy(
    np.fromfile(os.environ["TORCHVAE_BENCH_LABELS"], np.uint8).astype(np.int64)).to(device) if name == "labels" else None
if "compile" in options:
    loss_function = torch.compile(loss_function)


def batches():
    while True:
        order = torch.randperm(len(data), device=device)
        for i in range(0, len(data) - batch_size + 1, batch_size):
            chosen = order[i : i + batch_size]
            yield data[chosen], None if classes is None else classes[chosen]


epochs = batches()


def step():
    optimizer.zero_grad()
    loss = loss_function(model, *next(epochs))
    loss.backward()
    optimizer.step()
    return loss.item()


parameters = sum(p.numel() for p in model.parameters())
serve(step, {"torch": torch.__version__, "threads": torch.get_num_threads(), "parameters": parameters})
