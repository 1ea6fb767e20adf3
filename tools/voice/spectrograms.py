#!/usr/bin/env python3
"""spectrograms.py PROOF OUT: pictures of three sentences per speaker, the source above, the engine below.

PROOF is the folder that prove.py leaves (reference_SPEAKER/source, engine_SPEAKER_0). Writes
OUT/voice-SPEAKER-NNN.png: 0 to 8 kHz upwards on a mel scale, 80 dB from white to black, 10 ms per pixel
column.
"""

import itertools
import os
import struct
import sys
import zlib

import librosa
import numpy as np
import soundfile

import layout

SENTENCES = (3, 23, 92)
BANDS, HOP, RATE = 96, 160, 16000
GAP = 6


def picture(path):
    """[BANDS, columns] of grey values, low frequencies at the bottom."""
    wave, rate = soundfile.read(path, dtype="float32")
    wave = librosa.resample(wave, orig_sr=rate, target_sr=RATE) if rate != RATE else wave
    energy = librosa.feature.melspectrogram(y=wave, sr=RATE, n_fft=512, hop_length=HOP, n_mels=BANDS)
    level = librosa.power_to_db(energy, ref=np.max, top_db=80)
    return (255 + level[::-1] * (255 / 80)).round().astype(np.uint8) ^ 255


def write_png(path, grey):
    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    height, width = grey.shape
    rows = b"".join(b"\0" + row.tobytes() for row in grey)
    with open(path, "wb") as f:
        f.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)))
        f.write(chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b""))


def main():
    proof, out = sys.argv[1:]
    for speaker, number in itertools.product(layout.SPEAKERS, SENTENCES):
        folders = ("%s/reference_%s/source" % (proof, speaker), "%s/engine_%s_0" % (proof, speaker))
        pair = [picture("%s/%03d.wav" % (folder, number)) for folder in folders]
        width = max(p.shape[1] for p in pair)
        above, below = (np.pad(p, ((0, 0), (0, width - p.shape[1])), constant_values=255) for p in pair)
        line = np.full((GAP, width), 160, np.uint8)
        path = os.path.join(out, "voice-%s-%03d.png" % (speaker, number))
        write_png(path, np.concatenate([above, line, below]))


if __name__ == "__main__":
    main()
