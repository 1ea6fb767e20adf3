"""Letters and phones: which character of the text is being spoken in every 40 ms slot."""

import json
import math

FIRST_COST = {0: 3.0, 1: 1.0, 2: 4.0}  # before anything was counted: one phone per letter is likely
DIGITS = "0123456789"


class Aligner:
    """Hard expectation-maximisation: every letter speaks 0, 1 or 2 phones of its word, in order (a digit
    also 3)."""

    def __init__(self):
        self.costs = {}

    def save(self, path):
        costs = {letter: {" ".join(p): c for p, c in table.items()} for letter, table in self.costs.items()}
        with open(path, "w", encoding="utf-8") as f:
            json.dump(costs, f, separators=(",", ":"))

    @classmethod
    def load(cls, path):
        aligner = cls()
        with open(path, encoding="utf-8") as f:
            for letter, table in json.load(f).items():
                aligner.costs[letter] = {tuple(p.split()): c for p, c in table.items()}
        return aligner

    def cost(self, letter, phones):
        if len(phones) == 3:
            return 8.0
        known = self.costs.get(letter)
        return FIRST_COST[len(phones)] if known is None else known.get(phones, 9.0 + len(phones))

    def align(self, word, phones):
        """For every letter the range of its phones, or None when there are too many phones."""
        n, m = len(word), len(phones)
        best = [[math.inf] * (m + 1) for _ in range(n + 1)]
        taken = [[0] * (m + 1) for _ in range(n + 1)]
        best[0][0] = 0
        for i, letter in enumerate(word):
            for j in range(m + 1):
                if best[i][j] == math.inf:
                    continue
                for k in range(min(4 if letter in DIGITS else 3, m - j + 1)):
                    slant = 0.02 * abs((i + 0.5) / n - (j + k / 2) / max(m, 1))
                    c = best[i][j] + self.cost(letter, tuple(phones[j : j + k])) + slant
                    if c < best[i + 1][j + k]:
                        best[i + 1][j + k], taken[i + 1][j + k] = c, k
        if best[n][m] == math.inf:
            return None
        ranges, j = [], m
        for i in range(n, 0, -1):
            ranges.append((j - taken[i][j], j))
            j -= taken[i][j]
        return ranges[::-1]

    def fit(self, pairs, rounds=4):
        for _ in range(rounds):
            counts = {}
            for word, phones in pairs:
                for letter, (a, b) in zip(word, self.align(word, phones) or []):
                    table = counts.setdefault(letter, {})
                    table[phones[a:b]] = table.get(phones[a:b], 0) + 1
            self.costs = {}
            for letter, table in counts.items():
                total = sum(table.values()) + 5
                self.costs[letter] = {
                    p: -math.log((c + 0.05) / total) + (0.5 if len(p) == 2 else 0) for p, c in table.items()
                }
        return self


def words_of(records):
    """Sorted pairs (word, phones) of plain words, to fit an aligner."""
    pairs = set()
    for r in records:
        spoken = {}
        for phone, _, token in r["segments"]:
            if token >= 0:
                spoken.setdefault(token, []).append(phone)
        for token, phones in spoken.items():
            word = r["tokens"][token].lower()
            if word.isalpha():
                pairs.add((word, tuple(phones)))
    return sorted(pairs)


def token_spans(text, tokens):
    """Where each of Flite's tokens stands in the text; None when one is not found."""
    spans, at = [], 0
    for token in tokens:
        begin = text.find(token, at)
        if begin < 0:
            return None
        at = begin + len(token)
        spans.append((begin, at))
    return spans


def place_word(text, span, phones, aligner):
    """Character index of every phone of one word; evenly where the letters cannot be aligned."""
    begin, end = span
    word = text[begin:end].lower()
    ranges = None
    if word.replace("'", "").isalpha() and len(phones) <= 2 * len(word):
        ranges = aligner.align(word, phones)
    if ranges is None:
        return [
            begin + min(int((q + 0.5) * (end - begin) / len(phones)), end - begin - 1)
            for q in range(len(phones))
        ]
    return [begin + letter for letter, (a, b) in enumerate(ranges) for _ in range(a, b)]


def characters_of_slots(text, record, slot_segment, aligner):
    """For every slot the index of the character being spoken, never falling; None: the text and Flite's
    tokens differ."""
    spans = token_spans(text, record["tokens"])
    if spans is None:
        return None
    segments = record["segments"]
    spoken = {}
    for i, (phone, _, token) in enumerate(segments):
        if token >= 0:
            spoken.setdefault(token, []).append(i)
    character = [-1] * len(segments)
    for token, indices in spoken.items():
        phones = tuple(segments[i][0] for i in indices)
        for i, c in zip(indices, place_word(text, spans[token], phones, aligner)):
            character[i] = c
    token_before = None
    for i, (_, _, token) in enumerate(segments):  # pauses: the character after the word before
        if token >= 0:
            token_before = token
        else:
            character[i] = 0 if token_before is None else min(spans[token_before][1], len(text) - 1)
    if segments[-1][2] < 0:
        character[-1] = len(text) - 1
    highest, rising = 0, []
    for c in character:
        highest = max(highest, c)
        rising.append(highest)
    return [rising[s] for s in slot_segment]
