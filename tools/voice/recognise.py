#!/usr/bin/env python3
"""recognise.py FOLDER [-v] [--beginnings N] [--together N]: word error rate of FOLDER/000.wav ...

Against sentences.txt. The recogniser is PocketSphinx with the acoustic and language model en-us of its Python
package; it knows nothing of this voice. Every file is resampled to 16 kHz, levelled to a peak of 0.5, with 0.2 s
of silence before and 0.3 s after. One recognition is one draw: 2 ms more silence change it by up to 0.02, so
--beginnings takes the mean of N of them. --together N: each file has N sentences (speak.py).
"""

import argparse
import os
import re

import librosa
import numpy as np
import soundfile
from pocketsphinx import Decoder

import layout


def sentences(together=1):
    """The sentences of the measurement, or texts of `together` of them, each with a mark at its end."""
    with open(os.path.join(layout.HERE, "sentences.txt"), encoding="utf-8") as f:
        lines = f.read().splitlines()
    if together == 1:
        return lines
    ended = [s if s[-1] in ".?!" else s + "." for s in lines]
    return [" ".join(ended[i : i + together]) for i in range(0, len(ended), together)]


def words(sentence):
    return re.sub(r"[^a-z' ]", "", sentence.lower().replace("-", " ")).split()


def edits(wanted, heard):
    """Fewest insertions, deletions and substitutions between two word lists."""
    row = list(range(len(heard) + 1))
    for i, w in enumerate(wanted):
        above, row = row, [i + 1]
        for j, h in enumerate(heard):
            row.append(min(above[j + 1] + 1, row[j] + 1, above[j] + (w != h)))
    return row[-1]


def heard_in(decoder, path, beginning):
    wave, rate = soundfile.read(path, dtype="float32")
    wave = librosa.resample(wave, orig_sr=rate, target_sr=16000) if rate != 16000 else wave
    wave = np.concatenate([np.zeros(3200 + 37 * beginning), wave, np.zeros(4800)])
    wave = (
        wave / max(1e-3, np.abs(wave).max()) * 0.5 + np.random.RandomState(beginning).randn(len(wave)) * 1e-4
    )
    decoder.start_utt()
    decoder.process_raw((wave * 32767).astype(np.int16).tobytes(), full_utt=True)
    decoder.end_utt()
    return decoder.hyp().hypstr if decoder.hyp() else ""


def word_error_rate(folder, verbose=False, beginning=0, together=1):
    decoder = Decoder(samprate=16000, loglevel="FATAL")
    wrong = total = 0
    for i, sentence in enumerate(sentences(together)):
        heard = heard_in(decoder, "%s/%03d.wav" % (folder, i), beginning)
        errors = edits(words(sentence), words(heard))
        wrong, total = wrong + errors, total + len(words(sentence))
        if verbose:
            print("%d/%d  %s  ->  %s" % (errors, len(words(sentence)), sentence, heard))
    return wrong / total


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("-v", "--verbose", action="store_true", help="print what was heard")
    parser.add_argument("--beginnings", type=int, default=1, help="recognitions whose mean is taken")
    parser.add_argument("--together", type=int, default=1, help="sentences in one file")
    args = parser.parse_args()
    rates = [word_error_rate(args.folder, args.verbose, k, args.together) for k in range(args.beginnings)]
    print("word error rate %.3f, %d sentences, PocketSphinx en-us" % (np.mean(rates), len(sentences())))
    if args.beginnings > 1:
        print("each:", " ".join("%.3f" % r for r in rates))


if __name__ == "__main__":
    main()
