"""What cuDNN takes for single layers of the convolutions of gpu-verify, in microseconds within a captured graph: cudnn_layers.py

The first layer of 64x64 images at batch 512 by its number of channels, and those after it, in bf16; the first layer of 28x28
images at batch 128 in float32. Channels lie innermost. With cuDNN's own choice of algorithms and with the fastest of those it tries.
"""
import torch

aten = torch.ops.aten
ROUNDS = 30


def microseconds(f):
    for _ in range(3):
        f()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(ROUNDS):
            f()
    graph.replay()
    begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    begin.record()
    graph.replay()
    graph.replay()
    end.record()
    torch.cuda.synchronize()
    return begin.elapsed_time(end) / (2 * ROUNDS) * 1000


def layer(batch, inputs, outputs, size, dtype):
    """A convolution of 3x3 with stride 2: its passes by name."""
    normal = lambda *shape: torch.randn(*shape, device='cuda', dtype=dtype).to(memory_format=torch.channels_last)
    x, dy = normal(batch, inputs, size, size), normal(batch, outputs, size // 2, size // 2)
    w, b = 0.1 * normal(outputs, inputs, 3, 3), torch.randn(outputs, device='cuda', dtype=dtype)
    forward = lambda bias: lambda: aten.convolution(x, w, bias, [2, 2], [1, 1], [1, 1], False, [0, 0], 1)
    backward = lambda mask: lambda: aten.convolution_backward(dy, x, w, [0], [2, 2], [1, 1], [1, 1], False, [0, 0], 1, mask)
    return {
        'forward': forward(None),
        'with bias': forward(b),
        'with bias and relu': lambda: aten.cudnn_convolution_relu(x, w, b, [2, 2], [1, 1], [1, 1], 1),
        'dx': backward([True, False, False]),
        'dw': backward([False, True, False]),
    }


def report(title, passes):
    print(title, {name: round(microseconds(f), 1) for name, f in passes.items()}, flush=True)


for benchmark in (False, True):
    torch.backends.cudnn.benchmark = benchmark
    said = 'the fastest' if benchmark else "cuDNN's choice"
    for channels in (3, 4, 8, 16):
        report(f'{said}, bf16, {channels} channels:', layer(512, channels, 32, 64, torch.bfloat16))
    for inputs, outputs, size in ((32, 64, 32), (64, 128, 16), (128, 256, 8)):
        report(f'{said}, bf16, {inputs} to {outputs} channels of {size}x{size}:', layer(512, inputs, outputs, size, torch.bfloat16))
torch.backends.cudnn.benchmark = False
torch.backends.cudnn.allow_tf32 = False
for channels in (1, 4, 8):
    passes = layer(128, channels, 32, 28, torch.float32)
    report(f"cuDNN's choice, float32, 28x28, {channels} channels:", {name: passes[name] for name in ('forward', 'dx', 'dw')})
