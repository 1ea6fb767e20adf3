#!/usr/bin/env python3
"""import_voice.py VOICE OUT [--sharpen S]: the weights of a model directory as OUT/lm.pt and OUT/codec.pt, for --resume.

The reverse of export_voice.py. --sharpen: the factor of the export, 4 for the shipped voice. The heads of the unused groups
keep what the export put there: nothing trains or reads them.
"""

import argparse
import os

import torch
from safetensors.torch import load_file

import layout
from export_voice import SHARPEN


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("voice")
    parser.add_argument("out")
    parser.add_argument("--sharpen", type=float, default=SHARPEN)
    args = parser.parse_args()
    os.makedirs(args.out, exist_ok=True)
    lm = {k: v.float() for k, v in load_file(os.path.join(args.voice, "model.safetensors")).items()}
    heads = ["talker.codec_head.weight"]
    heads += ["talker.code_predictor.lm_head.%d.weight" % g for g in range(layout.USED_GROUPS - 1)]
    for name in heads:
        lm[name] /= args.sharpen
    torch.save(lm, os.path.join(args.out, "lm.pt"))
    codec = load_file(os.path.join(args.voice, "speech_tokenizer", "model.safetensors"))
    codec = {k.removeprefix("decoder."): v.float() for k, v in codec.items()}
    torch.save(codec, os.path.join(args.out, "codec.pt"))


if __name__ == "__main__":
    main()
