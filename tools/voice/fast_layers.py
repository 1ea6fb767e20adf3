#!/usr/bin/env python3
"""fast_layers.py: the codec's convolutions and activation, trained on one core: fast_layers.cpp in autograd.

install() puts them into the decoder classes of the official package; run as a program it compares every shape
of the codec with PyTorch's own, values and gradients, and prints the times of both.
"""

import ctypes
import os
import subprocess
import tempfile
import time

import torch
import torch.nn.functional as F

HERE = os.path.dirname(os.path.abspath(__file__))
FLAGS = "-O3 -march=native -mprefer-vector-width=512 -ffast-math -shared -fPIC -std=c++20".split()


def build():
    with tempfile.TemporaryDirectory() as folder:  # what is loaded needs its file no more
        path = os.path.join(folder, "fast_layers.so")
        subprocess.run(["g++", *FLAGS, "-o", path, os.path.join(HERE, "fast_layers.cpp")], check=True)
        return ctypes.CDLL(path)


LIBRARY = build()


def call(name, tensors, shape):
    """shape: batch, inputs, outputs, time, taps, dilation."""
    for x in tensors:
        assert x.is_contiguous() and x.dtype == torch.float32
    pointers = [ctypes.c_void_p(x.data_ptr()) for x in tensors]
    getattr(LIBRARY, name)(*pointers, (ctypes.c_int * 6)(*shape))


class CausalConvolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, w, bias, dilation):
        x = x.contiguous()
        ctx.save_for_backward(x, w)
        ctx.shape = (x.shape[0], w.shape[1], w.shape[0], x.shape[2], w.shape[2], dilation)
        y = x.new_empty(x.shape[0], w.shape[0], x.shape[2])
        call("conv_forward", [x, w.permute(1, 2, 0).contiguous(), bias, y], ctx.shape)
        return y

    @staticmethod
    def backward(ctx, g):
        (x, w), g = ctx.saved_tensors, g.contiguous()
        batch, inputs, outputs, samples, taps, dilation = ctx.shape
        gx, gw, gb = torch.empty_like(x), torch.zeros_like(w), w.new_zeros(outputs)
        turned = w.flip(2).permute(0, 2, 1).contiguous()
        call("conv_backward_input", [g, turned, gx], (batch, outputs, inputs, samples, taps, dilation))
        call("conv_backward_weight", [x, g, gw, gb], ctx.shape)
        return gx, gw, gb, None


class Snake(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, alpha, beta):
        x = x.contiguous()
        ctx.save_for_backward(x, alpha, beta)
        y = torch.empty_like(x)
        call("snake_forward", [x, alpha, beta, y], (x.shape[0], x.shape[1], 0, x.shape[2], 0, 0))
        return y

    @staticmethod
    def backward(ctx, g):
        x, alpha, beta = ctx.saved_tensors
        gx, ga, gb = torch.empty_like(x), torch.zeros_like(alpha), torch.zeros_like(beta)
        shape = (x.shape[0], x.shape[1], 0, x.shape[2], 0, 0)
        call("snake_backward", [x, g.contiguous(), alpha, beta, gx, ga, gb], shape)
        return gx, ga, gb


def fits(conv, samples):
    """The shapes that the kernels know: 6 n -> 6 n (4 n for one tap) or 3 n -> 1 channels, whole vectors."""
    o, i, taps = conv.weight.shape
    if conv.groups != 1 or conv.stride[0] != 1 or samples % 128 or taps not in (1, 7):
        return False
    if o == 1:
        return i % 6 == 0 and taps == 7
    return o % 12 == 0 and i % 6 == 0 and (taps == 1 or i <= 24)  # from 48 channels on PyTorch's is as fast


def install(modeling):
    """Only where gradients are wanted, so that what is measured runs through the package's own classes."""
    net, snake = modeling.Qwen3TTSTokenizerV2CausalConvNet, modeling.SnakeBeta
    plain_conv, plain_snake = net.forward, snake.forward

    def convolve(self, x):
        if torch.is_grad_enabled() and fits(self.conv, x.shape[2]):
            return CausalConvolution.apply(x, self.conv.weight, self.conv.bias, self.conv.dilation[0])
        return plain_conv(self, x)

    net.forward = convolve
    snake.forward = lambda self, x: (
        Snake.apply(x, self.alpha, self.beta) if torch.is_grad_enabled() else plain_snake(self, x)
    )


# ---- comparison
# ----------------------------------------------------------------------------------------------------------


def milliseconds(f, rounds=5):
    f()
    begin = time.time()
    for _ in range(rounds):
        f()
    return (time.time() - begin) / rounds * 1e3


def compare(name, fast, plain, inputs):
    """Values and gradients of both, relative to the largest; both times."""
    g = torch.randn_like(plain(*inputs))
    results = []
    for f in (fast, plain):
        y = f(*inputs)
        results.append([y, *torch.autograd.grad(y, inputs, g)])
    error = max(((a - b).abs().max() / b.abs().max()).item() for a, b in zip(*results))

    def both(f):
        return milliseconds(lambda: torch.autograd.grad(f(*inputs), inputs, g))

    print("%-32s error %.1e  %6.1f ms instead of %.1f" % (name, error, both(fast), both(plain)), flush=True)
    assert error < 1e-4, name


def main():
    torch.set_num_threads(1)
    torch.manual_seed(0)
    for channels, samples in ((12, 30720), (24, 10240), (48, 2560), (96, 512)):
        for outputs, taps, dilation in (
            (channels, 7, 1),
            (channels, 7, 3),
            (channels, 7, 9),
            (channels, 1, 1),
            (1, 7, 1),
        ):
            if outputs == 1 and channels != 12:
                continue
            x, w, b = (
                torch.randn(6, channels, samples),
                torch.randn(outputs, channels, taps),
                torch.randn(outputs),
            )
            inputs = [z.requires_grad_() for z in (x, w, b)]
            compare(
                "%d to %d, %d taps, dilation %d" % (channels, outputs, taps, dilation),
                lambda *z: CausalConvolution.apply(*z, dilation),
                lambda x, w, b: F.conv1d(F.pad(x, ((taps - 1) * dilation, 0)), w, b, dilation=dilation),
                inputs,
            )
        x, a, b = torch.randn(6, channels, samples), 0.3 * torch.randn(channels), 0.3 * torch.randn(channels)
        inputs = [z.requires_grad_() for z in (x, a, b)]
        compare(
            "activation, %d channels" % channels,
            Snake.apply,
            lambda x, a, b: x + torch.sin(x * a.exp()[:, None]) ** 2 / (b.exp()[:, None] + 1e-9),
            inputs,
        )


if __name__ == "__main__":
    main()
