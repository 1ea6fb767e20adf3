#!/usr/bin/env python3
"""train_talker.py DATA OUT --deadline HH:MM: talker and predictor by teacher forcing.

Loss: group 0 + 0.5 pointer + 0.125 pitch + --spectrum * the other eight + 0.002 * logsumexp(group 0)^2; the
last keeps the logits near log probabilities, so that the repetition penalty of the published sampling stays
harmless.
The history is made noisy (corrupt): a model that learnt from true histories alone reads the next phone from
the end of the last frame instead of from the text, and loses the words as soon as it hears its own samples.
"""

import argparse
import glob
import math
import os
import time

import numpy as np
import torch
import torch.nn.functional as F

import layout
import talker
from schedule import minutes_until

USED = layout.USED_GROUPS
HELD_BACK = 64  # sentences of the first shard of every speaker that only validate
PART = 15000  # sentences per draw of batches


def load(data, shards="codes_*_??.npz"):
    """All shards: token ids, codes, speaker and rows per sentence; which sentences are for training; and per
    speaker which are for validation."""
    ids, codes, speakers, validation = [], [], [], {}
    for path in sorted(glob.glob(data + "/" + shards)):
        z, speaker = np.load(path), layout.speaker_of(path)
        ids += np.split(z["ids"], np.cumsum(z["idn"])[:-1])
        codes += np.split(z["codes"], np.cumsum(z["fn"])[:-1])
        speakers += [speaker] * len(z["fn"])
        validation.setdefault(speaker, np.arange(len(ids) - HELD_BACK, len(ids)))
    rows = np.array([len(i) + len(c) + 11 for i, c in zip(ids, codes)])
    training = np.setdiff1d(np.arange(len(ids)), np.concatenate(list(validation.values())))
    return dict(ids=ids, codes=codes, speakers=speakers, rows=rows), training, validation


def batches(rows, part, limit, rng):
    """Groups of sentences of like length with at most `limit` rows, padding counted."""
    out = []
    for chunk in np.array_split(part, max(1, len(part) // 1500)):
        chunk = chunk[np.argsort(rows[chunk], kind="stable")]
        begin = 0
        for end in range(1, len(chunk) + 1):
            if end == len(chunk) or (end - begin + 1) * rows[chunk[end]] > limit:
                out.append(chunk[begin:end])
                begin = end
    rng.shuffle(out)
    return out


def corrupt(codes, rng, strong):
    """The codes as the model hears them: wrong first pointers, jittered pointers, sounds of other frames."""
    heard, n = codes.copy(), len(codes)
    if rng.rand() < 0.4:
        heard[: 1 + (rng.rand() < 0.5), 1] += rng.randint(-4, 5)
    jitter = rng.rand(n) < 0.02
    heard[jitter, 1] += rng.choice([-1, 1], jitter.sum())
    heard[:, 1] = heard[:, 1].clip(1, layout.CODES - 1)
    for share, columns in ((strong * rng.rand(), slice(3, None)), (0.08 * strong, slice(0, 1))):
        foreign = rng.rand(n) < share
        heard[foreign, columns] = heard[rng.permutation(n)[: foreign.sum()], columns]
    return heard


def collate(data, sentences, rng, strong=None):
    """One batch as tensors: text and codec ids of the rows, codes heard, which rows are frames, rows that
    predict and
    what they should (-1 nothing; the row after the last frame predicts the end)."""
    items = []
    for i in sentences:
        text, codec = layout.prompt(data["ids"][i], data["speakers"][i], rng.rand() < 0.7)
        items.append((text, codec, data["codes"][i].astype(np.int64)))
    shape = len(items), max(len(t) + len(c) for t, _, c in items)
    text_ids, codec_ids = np.full(shape, layout.CONFIG["tts_pad_token_id"]), np.full(shape, -1)
    heard, is_frame = np.zeros((*shape, USED), np.int64), np.zeros(shape, bool)
    where, labels = [], []
    for b, (text, codec, codes) in enumerate(items):
        start, n = len(text), len(codes)
        noisy = codes if strong is None else corrupt(codes, rng, strong)
        text_ids[b, :start], codec_ids[b, :start] = text, codec
        codec_ids[b, start : start + n], heard[b, start : start + n] = noisy[:, 0], noisy
        is_frame[b, start : start + n] = True
        where += [(b, start - 1 + k) for k in range(n + 1)]
        end = np.full((1, USED), -1)
        end[0, 0] = layout.TALKER["codec_eos_token_id"]
        labels.append(np.concatenate([codes, end]))
    arrays = text_ids, codec_ids, heard, is_frame, np.array(where), np.concatenate(labels)
    return [torch.from_numpy(np.ascontiguousarray(a)) for a in arrays]


def talker_rows(m, text_ids, codec_ids, heard, is_frame):
    t = m.talker
    x = t.text_projection(t.model.text_embedding.weight)[text_ids]
    x = x + F.embedding(codec_ids.clamp(min=0), m.table(0).weight) * (codec_ids >= 0).unsqueeze(-1)
    b, p = is_frame.nonzero(as_tuple=True)
    codes = heard[b, p]
    return x.index_put((b, p), sum(m.table(g)(codes[:, g]) for g in range(1, USED)), accumulate=True)


@torch.no_grad()
def own_draws(m, batch, share):
    """The batch with group 0 of the history as the talker itself would have drawn it, in up to `share` of the
    frames of a sentence: likely mistakes instead of the random ones of corrupt."""
    text_ids, codec_ids, heard, is_frame, where, labels = batch
    hidden = m.talker.model(talker_rows(m, text_ids, codec_ids, heard, is_frame))[where[:, 0], where[:, 1]]
    sharpness = layout.sharpened(0) / layout.TEMPERATURE
    probabilities = (sharpness * m.head(0)(hidden)[:, : layout.CODES]).softmax(-1)
    shares = share * torch.rand(len(text_ids))[where[:, 0]]
    chosen = (labels[:, 1] >= 0) & (torch.rand(len(where)) < shares)
    b, p = where[chosen].unbind(1)
    drawn = torch.multinomial(probabilities[chosen], 1).squeeze(1)
    heard, codec_ids = heard.clone(), codec_ids.clone()
    heard[b, p + 1, 0] = codec_ids[b, p + 1] = drawn
    return [text_ids, codec_ids, heard, is_frame, where, labels]


def predictor_sample(labels, limit):
    """Rows whose other groups are trained: the first frame of every sentence (few) and `limit` random
    ones."""
    rows = (labels[:, 1] >= 0).nonzero().squeeze(1)
    if not limit or len(rows) <= limit:
        return rows
    ends = (labels[:-1, 1] < 0).nonzero().squeeze(1)
    first = torch.cat([torch.zeros(1, dtype=torch.long), ends + 1])
    return torch.cat([first[: limit // 4], rows[torch.randperm(len(rows))[:limit]]])


def losses(m, batch, limit=0):
    """Cross entropies of groups 0..10 and the mean squared logsumexp of group 0."""
    text_ids, codec_ids, heard, is_frame, where, labels = batch
    hidden = m.talker.model(talker_rows(m, text_ids, codec_ids, heard, is_frame))[where[:, 0], where[:, 1]]
    logits = m.head(0)(hidden)
    total = torch.logsumexp(logits.float(), -1)
    out = [(total - logits.gather(1, labels[:, :1]).squeeze(1).float()).mean()]
    rows = predictor_sample(labels, limit)
    true = labels[rows]
    inputs = [hidden[rows]] + [F.embedding(true[:, g], m.table(g).weight) for g in range(USED - 1)]
    y = m.talker.code_predictor.model(torch.stack(inputs, 1))
    out += [F.cross_entropy(m.head(g)(y[:, g]).float(), true[:, g]) for g in range(1, USED)]
    return torch.stack(out), (total**2).mean()


def optimiser(m, rate):
    trained = [(n, p) for n, p in m.named_parameters() if p.requires_grad]
    decayed = [p for n, p in trained if p.dim() == 2 and "embedding" not in n]
    others = [p for n, p in trained if p.dim() != 2 or "embedding" in n]
    groups = [dict(params=decayed, weight_decay=0.03), dict(params=others, weight_decay=0.0)]
    return torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.98), fused=True)


def checks_of(data, sentences):
    by_length = np.array_split(sentences[np.argsort(data["rows"][sentences])], 4)
    return [collate(data, part, np.random.RandomState(1)) for part in by_length]


@torch.no_grad()
def validate(m, batches_):
    m.eval()
    values = [torch.stack([losses(m, b)[0] for b in own]).mean(0).numpy() for own in batches_.values()]
    m.train()
    return "; ".join("%s %s" % pair for pair in zip(batches_, map(describe, values)))


def describe(values):
    return "c0 %.3f pointer %.3f pitch %.3f spectrum %s" % (
        *values[:3],
        " ".join("%.2f" % v for v in values[3:]),
    )


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data")
    parser.add_argument("out")
    parser.add_argument("--deadline", required=True, help="HH:MM or minutes: end of the cosine schedule")
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--rows", type=int, default=2400, help="talker rows per batch")
    parser.add_argument(
        "--predicted", type=int, default=128, help="frames per batch that train the predictor"
    )
    parser.add_argument(
        "--spectrum", type=float, default=0.125, help="weight of each of the groups 3 to 10 in the loss"
    )
    parser.add_argument(
        "--strong", type=float, default=0.8, help="largest share of foreign sounds in the history"
    )
    parser.add_argument(
        "--own", type=float, default=0.0, help="largest share of group 0 of the history drawn by the talker"
    )
    parser.add_argument(
        "--bf16", action="store_true", help="matrix products in BF16: faster or slower, by processor"
    )
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--resume", help="lm.pt to continue from")
    parser.add_argument("--add", help="speaker that these weights do not know yet")
    return parser.parse_args()


class Batches:
    """Endless batches: all sentences in random order, PART at a time sorted into groups of like length."""

    def __init__(self, data, training, limit, rng):
        self.data, self.training, self.limit, self.rng = data, training, limit, rng
        self.pool, self.queue = [], []

    def next(self, strong):
        if not self.queue:
            if not len(self.pool):
                self.pool = self.rng.permutation(self.training)
            self.queue = batches(self.data["rows"], self.pool[:PART], self.limit, self.rng)
            self.pool = self.pool[PART:]
        return collate(self.data, self.queue.pop(), self.rng, strong)


def train_step(m, opt, batch, predicted, spectrum, bf16):
    weights = torch.tensor([1, 0.5, 0.125] + [spectrum] * (USED - 3))
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        values, size = losses(m, batch, predicted)
    opt.zero_grad(set_to_none=True)
    ((values * weights).sum() + 2e-3 * size).backward()
    torch.nn.utils.clip_grad_norm_(m.parameters(), 1.0)
    opt.step()
    return values.detach().numpy()


def save(m, path):
    torch.save(m.state_dict(), path + ".tmp")
    os.replace(path + ".tmp", path)


def main():
    args = parse()
    torch.set_num_threads(1)
    os.makedirs(args.out, exist_ok=True)
    rng = np.random.RandomState(args.seed)
    m = talker.Talker()
    if args.resume:
        talker.load_widened(m, torch.load(args.resume))
    if args.add:
        talker.add_speaker(m, args.add)
    talker.Layer.forward = torch.compile(talker.Layer.forward, dynamic=True)
    data, training, validation = load(args.data)
    checks = {speaker: checks_of(data, held_back) for speaker, held_back in validation.items()}
    source, opt = Batches(data, training, args.rows, rng), optimiser(m, args.rate)
    budget, begin, step, mean = minutes_until(args.deadline) * 60, time.time(), 0, None
    saved = begin
    with open(args.out + "/lm.log", "a", buffering=1, encoding="utf-8") as log:
        while (now := time.time()) - begin < budget:
            cosine = 0.5 * (1 + math.cos(math.pi * (now - begin) / budget))
            for group in opt.param_groups:
                group["lr"] = args.rate * min(1, (step + 1) / 200) * max(0.02, cosine)
            batch = source.next(args.strong)
            if args.own:
                batch = own_draws(m, batch, args.own)
            values = train_step(m, opt, batch, args.predicted, args.spectrum, args.bf16)
            mean = values if mean is None else 0.98 * mean + 0.02 * values
            step += 1
            if step % 100 == 0:
                print("%.0f s, step %d: %s" % (now - begin, step, describe(mean)), file=log)
            if now - saved > 300:
                saved = now
                print("validation, step %d: %s" % (step, validate(m, checks)), file=log)
                save(m, args.out + "/lm.pt")
        print("validation, step %d, end: %s" % (step, validate(m, checks)), file=log)
    save(m, args.out + "/lm.pt")


if __name__ == "__main__":
    main()
