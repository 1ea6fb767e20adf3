#!/usr/bin/env python3
"""make_codes.py DATA: Flite's records (SPEAKER_NN.bin of the text sh_NN) -> codes_SPEAKER_NN.npz.

DATA/vq.npz (the quantiser), DATA/move_SPEAKER.npz (to the space of the reference speaker) and DATA/align.json
are fitted when they do not exist: codes of another quantiser mean something else, so whoever continues from
existing weights puts its files there first.
codes_SPEAKER_NN.npz: ids, idn (text tokens and their number per sentence), codes [frames, 11], fn (frames per
sentence), line. The pointer of frame n is (N + 2 + n) - p, N tokens, p the token spoken at the end of the
frame: the distance between the talker's rows of frame and token.
"""

import glob
import itertools
import os
import sys

import numpy as np
import torch

import layout
import quantiser
import speech
from alignment import Aligner, characters_of_slots, words_of

LONGEST_FRAMES = 300


def features_of(record):
    grid = speech.regrid(record, layout.REFERENCE)
    return speech.features(grid), speech.phones_of_frames(record, grid)


def encode_sentence(text, record, speaker, move, aligner):
    """Everything but the spectral codes of one sentence, or None: not alignable, beyond the pointer's
    reach, or tracks that are not numbers (Flite: one infinite pitch in 60,000 sentences)."""
    if not np.isfinite(record["tracks"]).all():
        return None
    grid = speech.regrid(record, speaker)
    characters = characters_of_slots(text, record, grid["slot_segment"], aligner)
    if characters is None:
        return None
    ids, last_characters = layout.tokenize(text)
    cycles = speech.cycles_of_frames(grid["f0"], speaker)
    token = np.searchsorted(
        np.array(last_characters), characters[1::2]
    )  # spoken in the second slot of the frame
    pointer = len(ids) + 2 + np.arange(len(cycles)) - token
    if pointer.max() >= layout.CODES or len(cycles) > LONGEST_FRAMES:
        return None
    return dict(
        line=record["line"],
        ids=ids,
        pointer=pointer,
        pitch=layout.pitch_code(speaker, cycles),
        features=speech.features(speech.to_reference(grid, move)),
        phones=speech.phones_of_frames(record, grid),
    )


def encode_shard(path, tables, moves, aligner):
    with open(os.path.join(os.path.dirname(path), "sh_" + path[-6:-4]), encoding="utf-8") as f:
        texts = f.read().split("\n")
    speaker = layout.speaker_of(path)
    sentences = [
        encode_sentence(texts[r["line"]], r, speaker, moves[speaker], aligner) for r in speech.read_dump(path)
    ]
    kept = [s for s in sentences if s]
    print(os.path.basename(path), len(kept), "sentences,", len(sentences) - len(kept), "left out", flush=True)
    spectral = quantiser.encode(
        tables, np.concatenate([s["features"] for s in kept]), np.concatenate([s["phones"] for s in kept])
    )
    codes = np.concatenate(
        [
            spectral[:, :1],
            np.concatenate([s["pointer"] for s in kept])[:, None],
            np.concatenate([s["pitch"] for s in kept])[:, None],
            spectral[:, 1:],
        ],
        1,
    )
    return dict(
        ids=np.concatenate([s["ids"] for s in kept]).astype(np.int16),
        idn=[len(s["ids"]) for s in kept],
        codes=codes.astype(np.int16),
        fn=[len(s["pointer"]) for s in kept],
        line=[s["line"] for s in kept],
    )


def load_moves(data):
    """Per speaker what speech.fit_move found in DATA/pairs_SPEAKER.bin, kept in DATA/move_SPEAKER.npz."""
    moves = {layout.REFERENCE: None}
    for speaker in layout.SPEAKERS:
        path = "%s/move_%s.npz" % (data, speaker)
        if speaker == layout.REFERENCE:
            continue
        if not os.path.exists(path):
            records = (speech.read_dump("%s/pairs_%s.bin" % (data, s)) for s in (layout.REFERENCE, speaker))
            np.savez(path, **speech.fit_move(*speech.pairs_of(*records, speaker)))
        moves[speaker] = dict(np.load(path))
    return moves


def main():
    data = sys.argv[1]
    torch.set_num_threads(1)
    shards = sorted(glob.glob(data + "/%s_??.bin" % layout.REFERENCE))
    if not os.path.exists(data + "/vq.npz"):
        np.savez(
            data + "/vq.npz",
            **quantiser.fit(map(features_of, itertools.islice(speech.read_dump(shards[0]), 2500)))
        )
    if not os.path.exists(data + "/align.json"):
        Aligner().fit(words_of(speech.read_dump(shards[0]))).save(data + "/align.json")
    aligner = Aligner.load(data + "/align.json")
    tables, moves = dict(np.load(data + "/vq.npz")), load_moves(data)
    for path in shards + sorted(set(glob.glob(data + "/*_??.bin")) - set(shards)):
        out = "%s/codes_%s.npz" % (data, os.path.basename(path)[:-4])
        if not os.path.exists(out):
            np.savez(out + ".tmp.npz", **encode_shard(path, tables, moves, aligner))
            os.replace(out + ".tmp.npz", out)


if __name__ == "__main__":
    main()
