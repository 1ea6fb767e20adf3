#!/usr/bin/env python3
"""prove.py DATA OUT --tts-gen PROGRAM [--model DIR] [--codec CODEC.pt] [--seeds N]: two claims.

1. Words, for every speaker: PocketSphinx on the engine's own output (published sampling, one seed per
   sentence and run) beside the source voice, the training target and the true codes without a language model.
2. Same model, the speakers in turn: for the greedy choice the official package and the engine give the same
   codes, and their waveforms (from the same codes, f32) agree with a signal to noise ratio of at least
   100 dB.
Prints a table for docs/ledger.md; exit 1 when claim 2 fails. Takes minutes.
"""

import argparse
import json
import os
import subprocess
import sys

import numpy as np
import soundfile

import layout
from recognise import sentences, word_error_rate
from speak import speak_texts, unfinished

LEAST_SNR_DB = 100.0


def greedy_folder(args):
    """The first sentences through tts-gen, the speakers in turn: samples and codes."""
    folder, speakers = os.path.join(args.out, "engine_greedy"), list(layout.SPEAKERS)
    os.makedirs(folder, exist_ok=True)
    for i, sentence in enumerate(sentences()[: args.compared]):
        path = "%s/%03d" % (folder, i)
        command = [args.tts_gen, "-m", args.model, "-s", speakers[i % len(speakers)], "-l", "english", "-q"]
        command += ["--greedy", "--format", "wavf32", "-o", path + ".wav", "--codes", path + ".json"]
        subprocess.run(command + [sentence], check=True)
    return folder


def run(script, *arguments):
    subprocess.run([sys.executable, os.path.join(layout.HERE, script), *arguments], check=True)


def read_codes(path):
    with open(path, encoding="utf-8") as f:
        return json.load(f)["frames"]


def snr_db(wanted, got):
    n = max(len(wanted), len(got))
    a, b = (np.pad(x, (0, n - len(x))) for x in (wanted.astype(np.float64), got.astype(np.float64)))
    error = np.sum((a - b) ** 2)
    return 10 * np.log10(np.sum(a**2) / error) if error else np.inf


def prove_words(args, speaker):
    references = os.path.join(args.out, "reference_" + speaker)
    codec = ["--codec", args.codec] if args.codec else []
    run("render_reference.py", args.data, references, "--speaker", speaker, *codec)
    rows = [
        ("source voice (Flite %s)" % speaker, references + "/source"),
        ("training target", references + "/target"),
        ("true codes, training vocoder", references + "/codes"),
    ]
    if args.codec:
        rows.append(("true codes, codec of the voice", references + "/codec"))
    for seed in range(args.seeds):
        folder = os.path.join(args.out, "engine_%s_%d" % (speaker, seed))
        results = speak_texts(args.tts_gen, folder, speaker, 1000 * seed, model=args.model)
        assert not unfinished(results), folder + ": every sentence must end by its end token"
        rows.append(("tts-gen, text to audio, seed %d" % seed, folder))
    count = len(sentences())
    print("| %s: %d sentences, PocketSphinx en-us | word error rate |\n|---|---:|" % (speaker, count))
    for name, folder in rows:
        print("| %s | %.3f |" % (name, word_error_rate(folder)), flush=True)


def prove_same(args):
    """Greedy codes and waveforms of both; returns whether the claim holds."""
    official = os.path.join(args.out, "official_greedy")
    model = layout.TEMPLATE if args.model == "embedded" else args.model
    run("official.py", model, official, "--greedy", "--first", str(args.compared))
    ours = greedy_folder(args)
    same, worst = 0, np.inf
    for i in range(args.compared):
        a, b = read_codes("%s/%03d.json" % (official, i)), read_codes("%s/%03d.json" % (ours, i))
        if a != b:
            print(
                "sentence %d: codes differ from frame %d on"
                % (i, next((k for k, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b))))
            )
            continue
        same += 1
        worst = min(worst, snr_db(*(soundfile.read("%s/%03d.wav" % (d, i))[0] for d in (official, ours))))
    print("| same greedy codes as the official package | %d of %d |" % (same, args.compared))
    print("| least signal to noise ratio of the waveforms | %.1f dB |" % worst)
    return same == args.compared and worst >= LEAST_SNR_DB


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="folder with flite_dump, vq.npz, move_SPEAKER.npz and me.txt")
    parser.add_argument("out")
    parser.add_argument("--tts-gen", required=True)
    parser.add_argument("--model", default="embedded", help="model directory instead of the embedded one")
    parser.add_argument("--codec", help="codec.pt of the training")
    parser.add_argument("--seeds", type=int, default=2, help="runs of the word error rate; 0: only claim 2")
    parser.add_argument("--compared", type=int, default=120, help="sentences of claim 2; 0: only claim 1")
    args = parser.parse_args()
    os.makedirs(args.out, exist_ok=True)
    for speaker in layout.SPEAKERS if args.seeds else ():
        prove_words(args, speaker)
    sys.exit(0 if not args.compared or prove_same(args) else 1)


if __name__ == "__main__":
    main()
