#!/usr/bin/env python3
"""endings.py TTS_GEN [COUNT [FIRST [TOGETHER]]]: how many of COUNT seeded runs end by their own end token.

The embedded voice, the sentences of the measurement (TOGETHER of them in one text) and the speakers in turn,
seeds FIRST and following, published sampling, one process and one thread. Exit 1 below 99.5 %.
"""

import argparse
import collections
import sys
import tempfile

import layout
from recognise import sentences
from speak import speak, unfinished

LEAST = 0.995


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tts_gen")
    parser.add_argument("count", nargs="?", type=int, default=1000)
    parser.add_argument("first", nargs="?", type=int, default=1)
    parser.add_argument("together", nargs="?", type=int, default=1)
    args = parser.parse_args()
    texts, speakers = sentences(args.together), list(layout.SPEAKERS)
    jobs = [
        {
            "id": str(i),
            "text": texts[i % len(texts)],
            "seed": i + 1,
            "speaker": speakers[(i + i // len(texts)) % len(speakers)],
        }
        for i in range(args.first - 1, args.first - 1 + args.count)
    ]
    with tempfile.TemporaryDirectory() as folder:
        results = speak(args.tts_gen, folder, jobs)
    endings = collections.Counter(r.get("finish_reason", r.get("error")) for r in results)
    unfinished(results)
    print("%d runs: %s" % (args.count, dict(endings)))
    sys.exit(0 if endings["eos"] >= LEAST * args.count else 1)


if __name__ == "__main__":
    main()
