"""The voice directory as the training sees it: dimensions, ids and tokenizer, all read from flite-en/.

What only the training gives a meaning is here too: the code groups in use and what they say.
  group 0       phonetic cluster                      group 2       speaker and pitch (PITCH below)
  group 1       text pointer (never sound)            groups 3..10  spectrum; 11..15 are always 0
Clusters and spectrum are those of slt: other speakers are moved there first (speech.to_reference).
"""

import json
import os

HERE = os.path.dirname(os.path.abspath(__file__))
TEMPLATE = os.path.join(HERE, "flite-en")


def read_json(*path):
    with open(os.path.join(TEMPLATE, *path), encoding="utf-8") as f:
        return json.load(f)


CONFIG = read_json("config.json")
TALKER = CONFIG["talker_config"]
PREDICTOR = TALKER["code_predictor_config"]
CODEC = read_json("speech_tokenizer", "config.json")["decoder_config"]

CODES = PREDICTOR["vocab_size"]  # entries of every codebook; also the reach of the text pointer
GROUPS = PREDICTOR["num_code_groups"]
USED_GROUPS = 11
SPECTRAL_PARTS = [2, 2, 3, 3, 4, 4, 6, 8]  # residual principal components of groups 3..10
SPECTRAL_CODES = 128  # entries in use of those groups

TEMPERATURE = read_json("generation_config.json")["temperature"]
SPEAKERS = TALKER["spk_id"]
REFERENCE = "slt"
PITCH_CODES = 16  # of every speaker
FEWEST_CYCLES = {"slt": 8, "rms": 4}  # of a frame of 80 ms: the first pitch code of the speaker
FIRST_PITCH = {"slt": 0, "rms": 16}  # where the speaker's codes begin in group 2
CYCLES = {FIRST_PITCH[s] + k: FEWEST_CYCLES[s] + k for s in SPEAKERS for k in range(PITCH_CODES)}
VOCAB = read_json("vocab.json")
with open(os.path.join(TEMPLATE, "merges.txt"), encoding="utf-8") as f:
    MERGES = {tuple(line.split()): rank for rank, line in enumerate(f.read().splitlines()) if line}


def byte_alphabet():
    """The printable stand-in of every byte, as in byte-level BPE vocabularies."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    table = {b: chr(b) for b in plain}
    for b in range(256):
        if b not in table:
            table[b] = chr(256 + len(table) - len(plain))
    return table


ALPHABET = byte_alphabet()


def tokenize(text):
    """Token ids, and for each the index of its last character. No merge of this vocabulary crosses a piece
    of the published pre-tokenizer except inside runs of letters, so merging the whole text gives the same
    ids."""
    marks = [(ALPHABET[b], k) for k, ch in enumerate(text) for b in ch.encode()]
    symbols, ends = [m for m, _ in marks], [k for _, k in marks]
    while True:
        ranked = [(MERGES[pair], i) for i, pair in enumerate(zip(symbols, symbols[1:])) if pair in MERGES]
        if not ranked:
            return [VOCAB[s] for s in symbols], ends
        i = min(ranked)[1]
        symbols[i : i + 2] = [symbols[i] + symbols[i + 1]]
        ends[i : i + 2] = [ends[i + 1]]


def prompt(token_ids, speaker, english):
    """Rows before the first frame, text up front: text ids and codec ids (-1: this row has no codec part)."""
    t = TALKER
    if english:
        tag = [
            t["codec_think_id"],
            t["codec_think_bos_id"],
            t["codec_language_id"]["english"],
            t["codec_think_eos_id"],
        ]
    else:
        tag = [t["codec_nothink_id"], t["codec_think_bos_id"], t["codec_think_eos_id"]]
    head = tag + [SPEAKERS[speaker], t["codec_pad_id"]]
    pad, bos, eos = CONFIG["tts_pad_token_id"], CONFIG["tts_bos_token_id"], CONFIG["tts_eos_token_id"]
    role = [CONFIG["im_start_token_id"], CONFIG["assistant_token_id"], VOCAB[ALPHABET[10]]]
    text = role + [pad] * (len(head) - 1) + [bos] + list(token_ids) + [eos, pad]
    codec = [-1] * 3 + head + [t["codec_pad_id"]] * (len(token_ids) + 1) + [t["codec_bos_id"]]
    return text, codec


def pitch_code(speaker, cycles):
    return cycles - FEWEST_CYCLES[speaker] + FIRST_PITCH[speaker]


def sharpened(group):
    """The factor of the exported heads. The temperature acts like 0.22 for sound, pointer and pitch, like 0.06 for
    the spectrum: the codec was trained on its likeliest codes (make_drawn.py). Powers of two, exact in BF16.
    """
    return 4.0 if group < 3 else 16.0


def speaker_of(path):
    """Of a file of the training folder: slt_03.bin, codes_rms_12.npz, audio_rms.npz."""
    return next(s for s in SPEAKERS if s in os.path.basename(path).split(".")[0].split("_"))
