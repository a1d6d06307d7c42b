"""PyTorch as a program of scripts/gpu-verify: torch_peer.py DEVICE mlp|conv|conv64 BATCH PRECISION eager|compiled

For each line "run SECONDS" it trains that long and answers {"wall_ms", "device_ms", "steps"}, milliseconds a step. The data
lies on the device; the loss is read once a round.
"""
import json
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F

device, workload, batch, precision, mode = sys.argv[1:]
batch = int(batch)
on_gpu = device != 'cpu'
examples = (4096 if workload == 'conv64' else 60000) if on_gpu else (64 if workload == 'conv64' else 2000)
torch.manual_seed(0)
if precision == 'tf32':
    torch.set_float32_matmul_precision('high')
torch.backends.cudnn.allow_tf32 = precision == 'tf32'
torch.backends.cudnn.benchmark = True
latent = {'mlp': 20, 'conv': 16, 'conv64': 128}[workload]
# Channels of the images, from x down.
channels = {'conv': [1, 32, 64], 'conv64': [3, 32, 64, 128, 256]}.get(workload, [])
side = {'conv': 28, 'conv64': 64}.get(workload, 0)
small = side >> (len(channels) - 1) if channels else 0


def down():
    for inputs, outputs in zip(channels, channels[1:]):
        yield from (nn.Conv2d(inputs, outputs, 3, 2, 1), nn.ReLU())


def up():
    upwards = channels[::-1]
    for i, (inputs, outputs) in enumerate(zip(upwards, upwards[1:])):
        yield nn.ConvTranspose2d(inputs, outputs, 3, 2, 1, output_padding=1)
        if i < len(upwards) - 2:
            yield nn.ReLU()


class Vae(nn.Module):
    def __init__(self):
        super().__init__()
        if channels:
            width = channels[-1] * small * small
            self.encoder = nn.Sequential(*down(), nn.Flatten())
            self.decoder = nn.Sequential(nn.Linear(latent, width), nn.ReLU(), nn.Unflatten(1, (channels[-1], small, small)), *up())
        else:
            self.encoder = nn.Sequential(nn.Linear(784, 400), nn.ReLU())
            self.decoder = nn.Sequential(nn.Linear(latent, 400), nn.ReLU(), nn.Linear(400, 784))
        self.head = nn.Linear(width if channels else 400, 2 * latent)

    def forward(self, x):
        mean, log_variance = self.head(self.encoder(x)).chunk(2, 1)
        z = mean + torch.randn_like(mean) * torch.exp(0.5 * log_variance)
        return self.decoder(z), mean, log_variance


model = Vae().to(device)
if channels:
    model = model.to(memory_format=torch.channels_last)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True if on_gpu else None)
shape = (channels[0], side, side) if channels else (784,)
data = torch.randint(0, 256, (examples, *shape), dtype=torch.uint8, device=device)


def loss_function(x):
    with torch.autocast(device, dtype=torch.bfloat16, enabled=precision == 'bf16'):
        logits, mean, log_variance = model(x)
    logits, mean, log_variance = logits.float(), mean.float(), log_variance.float()
    reconstruction = F.binary_cross_entropy_with_logits(logits, x, reduction='sum')
    return (reconstruction - 0.5 * torch.sum(1 + log_variance - mean.square() - log_variance.exp())) / len(x)


compiled = torch.compile(loss_function, mode='reduce-overhead') if mode == 'compiled' else loss_function
order = torch.randperm(examples, device=device)
place = 0


def step():
    global order, place
    if place + batch > examples:
        order, place = torch.randperm(examples, device=device), 0
    x = data[order[place:place + batch]].float() / 255
    place += batch
    optimizer.zero_grad(set_to_none=True)
    if mode == 'compiled':
        torch.compiler.cudagraph_mark_step_begin()
    loss = compiled(x)
    loss.backward()
    optimizer.step()
    return loss.detach().clone()


def train(seconds):
    if on_gpu:
        torch.cuda.synchronize()
        first, last = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        first.record()
    started, steps = time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        for _ in range(20 if on_gpu else 1):
            loss = step()
            steps += 1
    if on_gpu:
        last.record()
        torch.cuda.synchronize()
    answer = {'wall_ms': (time.perf_counter() - started) * 1000 / steps, 'steps': steps, 'loss': float(loss)}
    if on_gpu:
        answer['device_ms'] = first.elapsed_time(last) / steps
    return answer


for line in sys.stdin:
    word, *rest = line.split()
    began = time.perf_counter()
    answer = train(1 if on_gpu else 0.1) if word == 'start' else train(float(rest[0]))
    if word == 'start':
        answer['seconds'] = time.perf_counter() - began
    print(json.dumps(answer), flush=True)
