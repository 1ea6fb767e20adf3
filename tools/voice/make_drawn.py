#!/usr/bin/env python3
"""make_drawn.py DATA LM.pt SPEAKER COUNT SHARD...: what the predictor would have said in the audio's frames.

DATA/drawn_SPEAKER.npz: codes [frames, 11] of the same sentences as audio_SPEAKER.npz (make_audio.py with the
same arguments). Group 0, pointer and pitch are the true ones, so sound and codes lie at the same time; groups
3 to 10 are the likeliest. A codec that trains on them too learns what such codes mean: the mean of the true
sounds in whose place they were said. With --literal it learns what they say: DATA/audio_SPEAKER.npz is then
written anew, the drawn codes and their own sound through the training vocoder.
"""

import argparse
import os

import numpy as np
import torch
import torch.nn.functional as F

import make_codes
import quantiser
import speech
import talker
import train_talker

ROWS = 6000  # of the talker per batch


def attend(attention, x, cos, sin, past):
    """One more row for every frame: x [frames, hidden]; past: keys and values so far, which grow."""
    frames, width = len(x), attention.width
    q = attention.q_norm(attention.q_proj(x).view(frames, attention.heads, width))
    k = attention.k_norm(attention.k_proj(x).view(frames, attention.kv_heads, width))
    v = attention.v_proj(x).view(frames, attention.kv_heads, width)
    past.append((talker.rotate(k, cos, sin), v))
    k, v = (torch.stack(z, 2) for z in zip(*past))  # [frames, kv heads, rows, width]
    q = talker.rotate(q, cos, sin).view(frames, attention.kv_heads, -1, width)
    y = (q @ k.transpose(2, 3) * width**-0.5).softmax(-1) @ v
    return attention.o_proj(y.reshape(frames, -1))


@torch.no_grad()
def drawn(m, hidden, true):
    """Codes [frames, 11]: the true groups 0 to 2, then the predictor's own."""
    stack, codes = m.talker.code_predictor.model, true.clone()
    pasts = [[] for _ in stack.layers]
    for row in range(train_talker.USED):
        x = hidden if row == 0 else F.embedding(codes[:, row - 1], m.table(row - 1).weight)
        cos, sin = stack.cos[row], stack.sin[row]
        for layer, past in zip(stack.layers, pasts):
            x = x + attend(layer.self_attn, layer.input_layernorm(x), cos, sin, past)
            x = x + layer.mlp(layer.post_attention_layernorm(x))
        if row >= 3:
            codes[:, row] = m.head(row)(stack.norm(x)).argmax(1)
    return codes


@torch.no_grad()
def draw_sentences(m, data, count, rng):
    """The codes of the first `count` sentences, one array each."""
    out = [None] * count
    for sentences in train_talker.batches(data["rows"], np.arange(count), ROWS, rng):
        batch = train_talker.collate(data, sentences, rng)
        where, labels = batch[4:]
        hidden = m.talker.model(train_talker.talker_rows(m, *batch[:4]))[where[:, 0], where[:, 1]]
        frames = labels[:, 1] >= 0
        codes = drawn(m, hidden[frames], labels[frames]).numpy().astype(np.int16)
        ends = np.cumsum([len(data["codes"][s]) for s in sentences])[:-1]
        for s, own in zip(sentences, np.split(codes, ends)):
            out[s] = own
    return out


def write_literal(data, speaker, sentences):
    """audio_SPEAKER.npz: these codes, and as audio exactly what they say."""
    tables, bands = dict(np.load(data + "/vq.npz")), speech.load_bands(data + "/me.txt")
    move = make_codes.load_moves(data)[speaker]
    waves = []
    for codes in sentences:
        grid, cycles = quantiser.decode(tables, codes)
        wave = speech.vocode(speech.from_reference(grid, move), cycles, bands)
        waves.append((wave * 32767).clip(-32768, 32767).astype(np.int16))
    path, frames = "%s/audio_%s.npz" % (data, speaker), [len(codes) for codes in sentences]
    if os.path.exists(drawn := "%s/drawn_%s.npz" % (data, speaker)):
        os.remove(drawn)  # codes for the audio that is replaced here
    np.savez(path, wav=np.concatenate(waves), codes=np.concatenate(sentences), fn=frames)
    print("%s: %d sentences, %.0f minutes" % (path, len(frames), sum(frames) * 0.08 / 60))


def write_drawn(data, speaker, sentences):
    codes = np.concatenate(sentences)
    np.savez("%s/drawn_%s.npz" % (data, speaker), codes=codes)
    true = np.load("%s/audio_%s.npz" % (data, speaker))["codes"]
    assert true.shape == codes.shape and (true[:, :3] == codes[:, :3]).all(), "not the sentences of the audio"
    print("share of equal codes by group:", (true == codes).mean(0).round(3))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("data", "lm", "speaker"):
        parser.add_argument(name)
    parser.add_argument("count", type=int)
    parser.add_argument("shards", nargs="+")
    parser.add_argument("--literal", action="store_true", help="write audio of these codes")
    args = parser.parse_args()
    torch.set_num_threads(1)
    m = talker.Talker()
    m.load_state_dict(torch.load(args.lm))
    rng, sentences = np.random.RandomState(0), []
    for shard in args.shards:
        data, _, _ = train_talker.load(args.data, "codes_%s_%s.npz" % (args.speaker, shard))
        sentences += draw_sentences(m, data, min(args.count, len(data["codes"])), rng)
    (write_literal if args.literal else write_drawn)(args.data, args.speaker, sentences)


if __name__ == "__main__":
    main()
