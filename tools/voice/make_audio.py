#!/usr/bin/env python3
"""make_audio.py DATA SPEAKER COUNT SHARD...: a training set of the codec, audio_SPEAKER.npz.

wav (int16), codes, fn (frames per sentence).
The first COUNT sentences of every shard, rendered from Flite's unquantised tracks; 4000 are about three
hours.
"""

import sys

import numpy as np

import speech


def render(data, speaker, count, shard, bands):
    """Waveforms and codes of the first sentences of a shard."""
    known = dict(np.load("%s/codes_%s_%s.npz" % (data, speaker, shard)))
    begins = np.concatenate([[0], np.cumsum(known["fn"])])
    sentence = {int(line): k for k, line in enumerate(known["line"])}
    made = 0
    for record in speech.read_dump("%s/%s_%s.bin" % (data, speaker, shard)):
        k = sentence.get(record["line"])
        if k is None:
            continue
        grid = speech.regrid(record, speaker)
        wave = speech.vocode(grid, speech.cycles_of_frames(grid["f0"], speaker), bands)
        yield (wave * 32767).astype(np.int16), known["codes"][begins[k] : begins[k + 1]]
        made += 1
        if made == count:
            return


def main():
    data, speaker, count, shards = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:]
    bands = speech.load_bands(data + "/me.txt")
    pairs = [pair for shard in shards for pair in render(data, speaker, count, shard, bands)]
    waves, codes = zip(*pairs)
    frames = [len(c) for c in codes]
    np.savez(
        "%s/audio_%s.npz" % (data, speaker), wav=np.concatenate(waves), codes=np.concatenate(codes), fn=frames
    )
    print("%d sentences, %.0f minutes" % (len(frames), sum(frames) * 0.08 / 60))


if __name__ == "__main__":
    main()
