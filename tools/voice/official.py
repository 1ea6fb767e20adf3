#!/usr/bin/env python3
"""official.py MODEL OUT [--greedy] [--seed N] [--first N]: the sentences through the official package.

The speakers of the voice take turns.

In f32 on the CPU. OUT/NNN.wav (32-bit float samples) and OUT/NNN.json (codes, in the format of
`tts-gen --codes`).
"""

import argparse
import json
import os

import soundfile
import torch
from qwen_tts import Qwen3TTSModel

import layout
from recognise import sentences


class Official:
    """The package with an ear on the codes that it decodes."""

    def __init__(self, model):
        self.model = Qwen3TTSModel.from_pretrained(model, dtype=torch.float32, device_map="cpu")
        self.codes = None
        decode = self.model.model.speech_tokenizer.decode

        def listen(encoded, *args, **kwargs):
            first = encoded[0] if isinstance(encoded, list) else encoded
            self.codes = first["audio_codes"].cpu().tolist()
            return decode(encoded, *args, **kwargs)

        self.model.model.speech_tokenizer.decode = listen

    def speak(self, text, speaker, greedy, language="English"):
        """Samples and codes [frames][groups]."""
        choice = dict(do_sample=False, subtalker_dosample=False) if greedy else {}
        waves, _ = self.model.generate_custom_voice(
            text=[text], speaker=[speaker], language=[language], **choice
        )
        return waves[0], self.codes


def write(path, wave, codes):
    soundfile.write(path + ".wav", wave, 24000, subtype="FLOAT")
    with open(path + ".json", "w", encoding="utf-8") as f:
        json.dump({"groups": layout.GROUPS, "frames": codes}, f)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("out")
    parser.add_argument("--greedy", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, help="only the first N sentences")
    args = parser.parse_args()
    torch.set_num_threads(1)
    os.makedirs(args.out, exist_ok=True)
    official, speakers = Official(args.model), list(layout.SPEAKERS)
    for i, sentence in enumerate(sentences()[: args.first]):
        torch.manual_seed(args.seed * 1000 + i)
        speaker = speakers[i % len(speakers)]
        write("%s/%03d" % (args.out, i), *official.speak(sentence, speaker, args.greedy))


if __name__ == "__main__":
    main()
