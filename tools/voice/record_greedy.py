#!/usr/bin/env python3
"""record_greedy.py: greedy codes of the official package for tests/voice_test.cpp, of the voice in flite-en/.

Writes tests/data/voice/greedy.json: a list of {"text", "speaker", "frames": [[16 codes], ...]}.
"""

import json
import os

import torch

import layout
from official import Official
from recognise import sentences

RECORDED = {"slt": (0, 3, 8, 23, 28), "rms": (3, 23)}  # sentences per speaker


def main():
    torch.set_num_threads(1)
    official = Official(layout.TEMPLATE)
    items = []
    for speaker, numbers in RECORDED.items():
        for number in numbers:
            _, codes = official.speak(sentences()[number], speaker, greedy=True)
            items.append({"text": sentences()[number], "speaker": speaker, "frames": codes})
    out = os.path.join(layout.HERE, "..", "..", "tests", "data", "voice", "greedy.json")
    with open(out, "w", encoding="utf-8") as f:
        f.write("[\n" + ",\n".join(json.dumps(item, separators=(",", ":")) for item in items) + "\n]\n")


if __name__ == "__main__":
    main()
