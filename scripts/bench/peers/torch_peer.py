"""PyTorch as a program of the benchmark: torch_peer.py W1|W2|W3 [fused] [compile] [bf16] [channels_last] [one_thread]"""

import sys

import torch
from serve import BATCH, HIDDEN, LATENT, images, serve
from torch import nn
from torch.nn import functional as F

workload, options = sys.argv[1], set(sys.argv[2:])
batch_size, latent = BATCH[workload], LATENT[workload]
torch.manual_seed(0)
if "one_thread" in options:
    torch.set_num_threads(1)
memory_format = torch.channels_last if "channels_last" in options else torch.contiguous_format


class Vae(nn.Module):
    """x -> features -> (mean, log variance) -> z -> logits."""

    def __init__(self, encoder, features, decoder):
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.mean, self.log_variance = nn.Linear(features, latent), nn.Linear(features, latent)

    def forward(self, x):
        h = self.encoder(x)
        mean, log_variance = self.mean(h), self.log_variance(h)
        z = mean + torch.randn_like(mean) * torch.exp(0.5 * log_variance)
        return self.decoder(z), mean, log_variance


def mlp(widths):
    """Linear layers with rectifiers between them."""
    layers = []
    for inputs, outputs in zip(widths, widths[1:]):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return layers


def make_model():
    if workload == "W3":
        down = nn.Sequential(
            nn.Conv2d(1, 32, 3, 2, 1), nn.ReLU(), nn.Conv2d(32, 64, 3, 2, 1), nn.ReLU(), nn.Flatten()
        )
        up = nn.Sequential(
            nn.Linear(latent, 3136),
            nn.ReLU(),
            nn.Unflatten(1, (64, 7, 7)),
            nn.ConvTranspose2d(64, 32, 3, 2, 1, output_padding=1),
            nn.ReLU(),
            nn.ConvTranspose2d(32, 1, 3, 2, 1, output_padding=1),
        )
        return Vae(down, 3136, up).to(memory_format=memory_format)
    hidden = HIDDEN[workload]
    encoder = nn.Sequential(*mlp([784, *hidden]))
    decoder = nn.Sequential(*mlp([latent, *hidden[::-1], 784])[:-1])
    return Vae(encoder, hidden[-1], decoder)


model = make_model()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True if "fused" in options else None)
data = torch.from_numpy(images())
if workload == "W3":
    data = data.view(-1, 1, 28, 28).contiguous(memory_format=memory_format)


def loss_function(x):
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled="bf16" in options):
        logits, mean, log_variance = model(x)
    logits, mean, log_variance = logits.float(), mean.float(), log_variance.float()
    reconstruction = F.binary_cross_entropy_with_logits(logits, x, reduction="sum")
    return reconstruction - 0.5 * torch.sum(1 + log_variance - mean.square() - log_variance.exp())


if "compile" in options:
    loss_function = torch.compile(loss_function)


def batches():
    while True:
        order = torch.randperm(len(data))
        for i in range(0, len(data) - batch_size + 1, batch_size):
            yield data[order[i : i + batch_size]]


epochs = batches()


def step():
    optimizer.zero_grad()
    loss = loss_function(next(epochs))
    loss.backward()
    optimizer.step()
    return loss.item() / batch_size


parameters = sum(p.numel() for p in model.parameters())
serve(step, {"torch": torch.__version__, "threads": torch.get_num_threads(), "parameters": parameters})
