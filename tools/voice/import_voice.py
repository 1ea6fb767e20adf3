#!/usr/bin/env python3
"""import_voice.py VOICE OUT: the weights of a model directory as OUT/lm.pt and OUT/codec.pt, for --resume.

The reverse of export_voice.py. The heads of the unused groups keep what the export put there: nothing trains
or reads them.
"""

import argparse
import os

import torch
from safetensors.torch import load_file

import layout


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("voice")
    parser.add_argument("out")
    args = parser.parse_args()
    os.makedirs(args.out, exist_ok=True)
    lm = {k: v.float() for k, v in load_file(os.path.join(args.voice, "model.safetensors")).items()}
    for group in range(layout.USED_GROUPS):
        part = "codec_head" if group == 0 else "code_predictor.lm_head.%d" % (group - 1)
        lm["talker.%s.weight" % part] /= layout.sharpened(group)
    torch.save(lm, os.path.join(args.out, "lm.pt"))
    codec = load_file(os.path.join(args.voice, "speech_tokenizer", "model.safetensors"))
    codec = {k.removeprefix("decoder."): v.float() for k, v in codec.items()}
    torch.save(codec, os.path.join(args.out, "codec.pt"))


if __name__ == "__main__":
    main()
