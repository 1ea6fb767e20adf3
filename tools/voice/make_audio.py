#!/usr/bin/env python3
"""make_audio.py DATA COUNT [SHARD]: the training set of the codec, audio.npz.

wav (int16), codes, fn (frames per sentence).
The first COUNT sentences of a shard, rendered from Flite's unquantised tracks; 4000 are about three hours.
"""

import sys

import numpy as np

import speech


def main():
    data, count, shard = sys.argv[1], int(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else "01"
    bands = speech.load_bands(data + "/me.txt")
    known = np.load("%s/codes_%s.npz" % (data, shard))
    begins = np.concatenate([[0], np.cumsum(known["fn"])])
    sentence = {int(line): k for k, line in enumerate(known["line"])}
    waves, codes, frames = [], [], []
    for record in speech.read_dump("%s/sh_%s.bin" % (data, shard)):
        k = sentence.get(record["line"])
        if k is None:
            continue
        grid = speech.regrid(record)
        wave = speech.vocode(grid, speech.cycles_of_frames(grid["f0"]), bands)
        waves.append((wave * 32767).astype(np.int16))
        codes.append(known["codes"][begins[k] : begins[k + 1]])
        frames.append(len(codes[-1]))
        if len(frames) == count:
            break
    np.savez(data + "/audio.npz", wav=np.concatenate(waves), codes=np.concatenate(codes), fn=frames)
    print("%d sentences, %.0f minutes" % (len(frames), sum(frames) * 0.08 / 60))


if __name__ == "__main__":
    main()
