#!/usr/bin/env python3
"""render_reference.py DATA OUT [--speaker NAME] [--codec CODEC.pt]: the sentences without any talker.

OUT/source   Flite's own audio                          OUT/codes  true codes through the training vocoder
OUT/target   Flite's parameters, training vocoder       OUT/codec  true codes through the codec (--codec)
DATA holds flite_dump (the program), vq.npz, move_SPEAKER.npz and me.txt.
"""

import argparse
import os
import subprocess

import numpy as np
import soundfile
import torch

import layout
import quantiser
import speech
import train_codec
from make_codes import load_moves


def codes_of(tables, speaker, move, record, grid, cycles):
    """Codes [frames, 16] of one sentence; the pointer stays 0, it is not sound."""
    features = speech.features(speech.to_reference(grid, move))
    spectral = quantiser.encode(tables, features, speech.phones_of_frames(record, grid))
    codes = np.zeros((len(cycles), layout.GROUPS), np.int64)
    codes[:, 0], codes[:, 2], codes[:, 3 : layout.USED_GROUPS] = (
        spectral[:, 0],
        layout.pitch_code(speaker, cycles),
        spectral[:, 1:],
    )
    return codes


def load_codec(path):
    codec = train_codec.build()
    codec.load_state_dict({k: v.bfloat16().float() for k, v in torch.load(path).items()})  # as it is shipped
    return codec.eval()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data")
    parser.add_argument("out")
    parser.add_argument("--speaker", default=layout.REFERENCE)
    parser.add_argument("--codec")
    args = parser.parse_args()
    torch.set_num_threads(1)
    folders = {k: os.path.join(args.out, k) for k in ("source", "target", "codes", "codec")}
    for folder in folders.values():
        os.makedirs(folder, exist_ok=True)
    dump = args.out + "/sentences.bin"
    subprocess.run(
        [args.data + "/flite_dump", args.speaker, layout.HERE + "/sentences.txt", dump, folders["source"]],
        check=True,
    )
    tables, bands = dict(np.load(args.data + "/vq.npz")), speech.load_bands(args.data + "/me.txt")
    speaker, move = args.speaker, load_moves(args.data)[args.speaker]
    codec = load_codec(args.codec) if args.codec else None

    for record in speech.read_dump(dump):
        grid = speech.regrid(record, speaker)
        cycles = speech.cycles_of_frames(grid["f0"], speaker)
        codes = codes_of(tables, speaker, move, record, grid, cycles)

        def save(kind, wave):
            soundfile.write("%s/%03d.wav" % (folders[kind], record["line"]), wave, speech.RATE)

        save("target", speech.vocode(grid, cycles, bands))
        decoded, _ = quantiser.decode(tables, codes)
        save("codes", speech.vocode(speech.from_reference(decoded, move), cycles, bands))
        if codec:
            with torch.no_grad():
                save("codec", codec(torch.from_numpy(codes.T.copy())[None])[0, 0].numpy())


if __name__ == "__main__":
    main()
