#!/usr/bin/env python3
"""export_voice.py DATA LM.pt CODEC.pt OUT: write the model directory, weights as BF16.

Configuration, tokenizer and texts are copied from flite-en/. The output heads are multiplied by `layout.sharpened`,
so that the published temperature 0.9 acts like a lower one; greedy decoding does not change.
"""

import argparse
import os
import shutil

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file

import layout
import make_drawn
import talker
import train_talker

LEAST_UNUSED_LOGIT = 10.0  # of code 0 in the unused groups; the others have its negative
SENTENCES = 500  # that must keep it; with 120 and their true codes an unseen frame had 1.2


@torch.no_grad()
def unused_direction(m, data):
    """A vector with a clearly positive product with every predictor output of the unused groups (their
    inputs are zero vectors), scaled so that the smallest product is one."""
    loaded, _, _ = train_talker.load(data)
    rng = np.random.RandomState(0)
    batch = train_talker.collate(loaded, rng.choice(len(loaded["codes"]), SENTENCES), rng)
    hidden = m.talker.model(train_talker.talker_rows(m, *batch[:4]))[batch[4][:, 0], batch[4][:, 1]]
    spoken = batch[5][:, 1] >= 0
    labels = make_drawn.drawn(m, hidden[spoken], batch[5][spoken])  # what it will hear: its own codes
    inputs = [hidden[spoken]] + [m.table(g)(labels[:, g]) for g in range(layout.USED_GROUPS)]
    inputs += [torch.zeros_like(inputs[0])] * (layout.GROUPS - len(inputs))
    y = m.talker.code_predictor.model(torch.stack(inputs, 1))[:, layout.USED_GROUPS :].reshape(
        -1, hidden.shape[1]
    )
    v = y.mean(0)
    for _ in range(2000):  # towards the point of their convex hull that is nearest to zero: the widest margin
        step = y[(y @ v).argmin()] - v
        v = v - step * ((v @ step) / (step @ step)).clamp(-1, 0)
    products = y @ (v / v.norm())
    print("unused groups: smallest logit / mean %.3f" % (products.min() / products.mean()).item())
    assert products.min() > 0, "no direction suits every output of the unused groups"
    return v / v.norm() / products.min()


@torch.no_grad()
def talker_tensors(path, data):
    m = talker.Talker()
    m.load_state_dict(torch.load(path))
    out = {k: v.clone() for k, v in m.state_dict().items()}
    direction = unused_direction(m, data) * LEAST_UNUSED_LOGIT
    out["talker.codec_head.weight"] *= layout.sharpened(0)
    for group in range(1, layout.GROUPS):
        head = out["talker.code_predictor.lm_head.%d.weight" % (group - 1)]
        if group < layout.USED_GROUPS:
            head *= layout.sharpened(group)
        else:
            head[0], head[1:] = direction, -direction
    return out


def codec_tensors(path):
    """Those of the template, with the same shapes, or an error; the talker's are those of its configuration."""
    out = {"decoder." + k: v for k, v in torch.load(path).items()}
    with safe_open(os.path.join(layout.TEMPLATE, "speech_tokenizer", "model.safetensors"), "pt") as f:
        wanted = {k: list(f.get_slice(k).get_shape()) for k in f.keys()}
    given = {k: list(v.shape) for k, v in out.items()}
    assert given == wanted, {k for k in given.keys() | wanted.keys() if given.get(k) != wanted.get(k)}
    return out


def write_weights(tensors, name, out):
    path = os.path.join(out, name)
    save_file(
        {k: v.to(torch.bfloat16).contiguous() for k, v in tensors.items()}, path, metadata={"format": "pt"}
    )
    os.chmod(path, 0o644)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("data", "lm", "codec", "out"):
        parser.add_argument(name)
    args = parser.parse_args()
    if os.path.abspath(args.out) != layout.TEMPLATE:
        shutil.copytree(
            layout.TEMPLATE, args.out, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.safetensors")
        )
    write_weights(talker_tensors(args.lm, args.data), "model.safetensors", args.out)
    write_weights(codec_tensors(args.codec), "speech_tokenizer/model.safetensors", args.out)


if __name__ == "__main__":
    main()
