#!/usr/bin/env python3
"""make_text.py OUT [--n N] [--seed S] [--without FILE] [--long SHARE]: the training text, one sentence per line.

Sources: example sentences and glosses of WordNet 3.0 (Debian package wordnet-base), fortune cookies
(fortunes), runs of common words (counts of WordNet, spellings of wamerican), templates (text_templates.py),
single words, and pairs of sentences in one line. The sentences of the measurement (sentences.txt) and the
lines of --without never appear.
"""

import argparse
import glob
import os
import random
import re

import layout
import text_templates as lists

WORDNET, COOKIES, WORDS = (
    "/usr/share/wordnet",
    "/usr/share/games/fortunes",
    "/usr/share/dict/american-english",
)
SHARES = dict(examples=0.34, glosses=0.18, cookies=0.11, templates=0.12, runs=0.12, single=0.05, long=0.08)
PLAIN = re.compile(r"^[A-Za-z0-9 ,.?!'\-:;]+$")
RUDE = re.compile(
    r"\b(fuck|shit|cunt|nigger|rape|sex|bitch|whore|slut|penis|vagina|tit|tits|cock|dick)\w*", re.I
)
ODD = re.compile(r"[A-Z]{3,}|\d{5,}|--|\.\.|[a-z][A-Z]|\b[b-hj-z]\b(?!')")
LONGEST = 200


def key(sentence):
    return re.sub(r"[^a-z ]", "", sentence.lower()).strip()


def usable(sentence):
    return bool(PLAIN.match(sentence)) and not RUDE.search(sentence) and not ODD.search(sentence)


def read_lines(path, encoding="utf-8"):
    with open(path, encoding=encoding, errors="ignore") as f:
        return f.read().splitlines()


def wordnet():
    """Example sentences and first glosses."""
    examples, glosses = [], []
    for part in ("noun", "verb", "adj", "adv"):
        for line in read_lines("%s/data.%s" % (WORDNET, part), "latin-1"):
            if line.startswith(" ") or "|" not in line:
                continue
            gloss = line.split("|", 1)[1].strip()
            examples += [e for e in re.findall(r'"([^"]+)"', gloss) if 2 <= len(e.split()) <= 20]
            first = re.sub(r"\([^)]*\)", " ", gloss.split(";")[0].split('"')[0])
            if 3 <= len(first.split()) <= 16:
                glosses.append(first)
    return examples, glosses


def cookies():
    skipped = ("ascii-art", "translate-me", "song-poems", "perl", "tao")
    sentences = []
    for path in sorted(glob.glob(COOKIES + "/*")):
        if "." in os.path.basename(path) or path.endswith(skipped):
            continue
        for cookie in "\n".join(read_lines(path)).split("\n%\n"):
            cookie = re.sub(r"\s+", " ", cookie.split("--")[0].replace('"', ""))
            sentences += [s for s in re.split(r"(?<=[.?!]) ", cookie) if 3 <= len(s.split()) <= 20]
    return sentences


class Words:
    """Word lists and the random sentences made of them."""

    def __init__(self, rng):
        self.rng = rng
        listed = [w.strip() for w in read_lines(WORDS)]
        self.words = [
            w for w in listed if re.match(r"^[a-z]+('s)?$", w) and len(w) < 14 and not RUDE.search(w)
        ]
        self.names = [w for w in listed if re.match(r"^[A-Z][a-z]{2,9}$", w)]
        counts = {}
        for line in read_lines(WORDNET + "/cntlist.rev"):
            fields = line.split()
            word = fields[0].split("%")[0]
            if word.isalpha() and int(fields[2]) > 0:
                counts[word] = counts.get(word, 0) + int(fields[2])
        known = set(self.words)
        self.common = [w for w in counts if w in known]
        self.weights = [counts[w] ** 0.5 for w in self.common]
        endings = ("y", "ful", "ous", "able", "al", "ive", "ed", "ing", "ish")
        self.adjectives = [w for w in self.common if w.endswith(endings)] + lists.ADJECTIVES

    def word(self):
        return self.rng.choices(self.common, self.weights)[0]

    def value(self, kind):
        pick, number = self.rng.choice, self.rng.randint
        return {
            "first": lambda: pick(lists.FIRST_NAMES),
            "name": lambda: pick(self.names),
            "w": self.word,
            "adj": lambda: pick(self.adjectives),
            "month": lambda: pick(lists.MONTHS),
            "day": lambda: pick(lists.DAYS),
            "d": lambda: str(number(1, 31)),
            "num": lambda: pick(lists.NUMBERS),
            "lr": lambda: pick(["left", "right"]),
            "h": lambda: pick([str(number(1, 12)), pick(lists.NUMBERS[:12])]),
            "m": lambda: pick(lists.NUMBERS[9:23] + ["thirty five", "forty five", "fifteen", "twenty"]),
            "n": lambda: pick(
                [str(number(0, 20)), str(number(0, 99)), str(number(0, 999)), pick(lists.NUMBERS)]
            ),
            "y": lambda: str(number(1700, 2030)),
            "part": lambda: pick(["morning", "afternoon", "evening", "day"]),
            "when": lambda: pick(
                ["tomorrow", "today", "tonight", "next week", "on " + pick(lists.DAYS), "soon"]
            ),
        }[kind]()

    def template(self):
        return re.sub(r"\{(\w+)\}", lambda m: self.value(m.group(1)), self.rng.choice(lists.TEMPLATES))

    def any_word(self):
        r = self.rng.random()
        pick = self.rng.choice
        return (
            pick(lists.FUNCTION_WORDS)
            if r < 0.35
            else self.word() if r < 0.8 else pick(self.words) if r < 0.95 else pick(self.names)
        )

    def run(self):
        words = [self.any_word() for _ in range(self.rng.randint(2, 9))]
        return " ".join(words).replace(" ", ", ", 1 if self.rng.random() < 0.3 else 0)

    def single(self):
        return self.rng.choice([self.word(), self.rng.choice(self.words), self.rng.choice(self.names)])

    def finish(self, sentence):
        """Capital letter and final punctuation, mostly."""
        s = re.sub(r"\s+", " ", sentence.strip().replace("`", "'").replace("\u2019", "'"))
        if s and self.rng.random() < 0.9:
            s = s[0].upper() + s[1:]
        if s and s[-1] not in ".?!":
            s = s.rstrip(",;:-") + ("." if self.rng.random() < 0.8 else "")
        return s


def compose(n, rng, excluded, shares):
    words = Words(rng)
    examples, glosses = wordnet()
    taken, seen = [], set(excluded)

    def fill(count, source):
        for sentence in source:
            if count <= 0:
                return
            s = words.finish(sentence)
            if usable(s) and key(s) not in seen and 0 < len(s) <= LONGEST:
                seen.add(key(s))
                taken.append(s)
                count -= 1

    for kind, pool in (("examples", examples), ("glosses", glosses), ("cookies", cookies())):
        pool = sorted(set(pool))
        rng.shuffle(pool)
        fill(int(n * shares[kind]), pool)
    for kind, make in (
        ("templates", words.template),
        ("runs", words.run),
        ("single", words.single),
        ("long", lambda: rng.choice(taken) + " " + rng.choice(taken)),
    ):
        fill(int(n * shares[kind]), iter(make, None))
    fill(n - len(taken), iter(words.template, None))
    rng.shuffle(taken)
    return taken


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out")
    parser.add_argument("--n", type=int, default=60000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--without", action="append", default=[])
    parser.add_argument("--long", type=float, default=SHARES["long"], help="share of pairs of sentences")
    args = parser.parse_args()
    excluded = {key(s) for path in [layout.HERE + "/sentences.txt"] + args.without for s in read_lines(path)}
    sentences = compose(args.n, random.Random(args.seed), excluded, dict(SHARES, long=args.long))
    with open(args.out, "w", encoding="utf-8") as f:
        f.write("\n".join(sentences) + "\n")
    print(
        "%d sentences, %.1f characters on average"
        % (len(sentences), sum(map(len, sentences)) / len(sentences))
    )


if __name__ == "__main__":
    main()
