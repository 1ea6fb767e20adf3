"""Talker and code predictor for training: plain PyTorch modules that carry the published tensor names.

Before the first step the heads of layers 0 and 2 already look at the text token being spoken
(point_at_text): the pointer code is a distance, its table holds the cosines and sines of the talker's own
rotary frequencies, and a linear query can rotate those to any offset.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

import layout

POINTER_TABLE = 64  # the residual dimensions that hold cos and sin of the distance
PAD_FLAG, BOS_FLAG, SPEAKER_FLAG, TEXT_FLAG = 64, 65, 66, 67  # one dimension each
FLAGS_END = 68


class RMSNorm(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(n))

    def forward(self, x):
        return F.rms_norm(x, (x.shape[-1],), self.weight, 1e-6)


def rotate(x, cos, sin):
    a, b = x.chunk(2, -1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


class Attention(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.heads, self.kv_heads, self.width = (
            c["num_attention_heads"],
            c["num_key_value_heads"],
            c["head_dim"],
        )
        hidden = c["hidden_size"]
        self.q_proj = nn.Linear(hidden, self.heads * self.width, False)
        self.k_proj = nn.Linear(hidden, self.kv_heads * self.width, False)
        self.v_proj = nn.Linear(hidden, self.kv_heads * self.width, False)
        self.o_proj = nn.Linear(self.heads * self.width, hidden, False)
        self.q_norm, self.k_norm = RMSNorm(self.width), RMSNorm(self.width)

    def forward(self, x, cos, sin):
        rows, length, _ = x.shape
        q = self.q_norm(self.q_proj(x).view(rows, length, self.heads, self.width)).transpose(1, 2)
        k = self.k_norm(self.k_proj(x).view(rows, length, self.kv_heads, self.width)).transpose(1, 2)
        v = self.v_proj(x).view(rows, length, self.kv_heads, self.width).transpose(1, 2)
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        k, v = (z.repeat_interleave(self.heads // self.kv_heads, 1) for z in (k, v))
        with torch.autocast("cpu", enabled=False):  # its BF16 backward pass is seven times slower
            y = F.scaled_dot_product_attention(q.float(), k.float(), v.float(), is_causal=True)
        return self.o_proj(y.transpose(1, 2).reshape(rows, length, -1))


class MLP(nn.Module):
    def __init__(self, c):
        super().__init__()
        hidden, inner = c["hidden_size"], c["intermediate_size"]
        self.gate_proj = nn.Linear(hidden, inner, False)
        self.up_proj = nn.Linear(hidden, inner, False)
        self.down_proj = nn.Linear(inner, hidden, False)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.self_attn, self.mlp = Attention(c), MLP(c)
        self.input_layernorm, self.post_attention_layernorm = RMSNorm(c["hidden_size"]), RMSNorm(
            c["hidden_size"]
        )

    def forward(self, x, cos, sin):
        x = x + self.self_attn(self.input_layernorm(x), cos, sin)
        return x + self.mlp(self.post_attention_layernorm(x))


def rotary_frequencies(c):
    return c["rope_theta"] ** (-torch.arange(0, c["head_dim"], 2).float() / c["head_dim"])


class Stack(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.layers = nn.ModuleList([Layer(c) for _ in range(c["num_hidden_layers"])])
        self.norm = RMSNorm(c["hidden_size"])
        angles = torch.outer(torch.arange(1024).float(), rotary_frequencies(c))
        self.register_buffer("cos", angles.cos(), False)
        self.register_buffer("sin", angles.sin(), False)

    def forward(self, x):
        for layer in self.layers:
            x = layer(x, self.cos[: x.shape[1]], self.sin[: x.shape[1]])
        return self.norm(x)


class TextProjection(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.linear_fc1 = nn.Linear(c["text_hidden_size"], c["text_hidden_size"])
        self.linear_fc2 = nn.Linear(c["text_hidden_size"], c["hidden_size"])

    def forward(self, x):
        return self.linear_fc2(F.silu(self.linear_fc1(x)))


class Talker(nn.Module):
    """The state dictionary is that of the checkpoint's model.safetensors."""

    def __init__(self):
        super().__init__()
        c, p = layout.TALKER, layout.PREDICTOR
        assert c["hidden_size"] == p["hidden_size"]  # so there is no projection between the two
        hidden = c["hidden_size"]
        t = self.talker = nn.Module()
        t.model = Stack(c)
        t.model.text_embedding = nn.Embedding(c["text_vocab_size"], c["text_hidden_size"])
        t.model.codec_embedding = nn.Embedding(c["vocab_size"], hidden)
        t.text_projection = TextProjection(c)
        t.codec_head = nn.Linear(hidden, c["vocab_size"], False)
        q = t.code_predictor = nn.Module()
        q.model = Stack(p)
        q.model.codec_embedding = nn.ModuleList(
            [nn.Embedding(layout.CODES, hidden) for _ in range(layout.GROUPS - 1)]
        )
        q.lm_head = nn.ModuleList([nn.Linear(hidden, layout.CODES, False) for _ in range(layout.GROUPS - 1)])
        initialise(self)

    def table(self, group):
        t = self.talker
        return t.model.codec_embedding if group == 0 else t.code_predictor.model.codec_embedding[group - 1]

    def head(self, group):
        return self.talker.codec_head if group == 0 else self.talker.code_predictor.lm_head[group - 1]


# ---- first values
# --------------------------------------------------------------------------------------------------


@torch.no_grad()
def initialise(m):
    torch.manual_seed(0)
    for name, p in m.named_parameters():
        if p.dim() != 2:
            continue
        linear = any(part in name for part in ("proj", "linear", "head"))
        nn.init.normal_(p, std=p.shape[1] ** -0.5 if linear else 0.1)
        if "o_proj" in name or "down_proj" in name:
            p.mul_(0.5)
    letters = m.talker.model.text_embedding.weight
    for lower in "abcdefghijklmnopqrstuvwxyz":  # the two cases of a letter start nearly equal
        a, b = layout.VOCAB[lower], layout.VOCAB[lower.upper()]
        letters[b] = 0.9 * letters[a] + 0.1 * letters[b]
    letters.mul_(5)
    initialise_pointer_code(m)
    initialise_flags(m)
    layers = m.talker.model.layers
    point_at_text(layers[0].self_attn, 0, [0, 1, 2], [(0, 0), (0, 1), (9, 0)])
    point_at_text(layers[0].self_attn, 1, [-1, 3, 4], [(9, 1), (17, 0), (17, 1)])
    point_at_text(layers[2].self_attn, 0, [0, 1, 2], [(5, 0), (5, 1), (13, 0)])
    point_at_text(layers[2].self_attn, 1, [-1, 3, 5], [(13, 1), (21, 0), (21, 1)])


def initialise_pointer_code(m):
    """Table and head of group 1: cosines and sines of the distance; never trained, so all distances share
    one function."""
    angles = torch.outer(torch.arange(layout.CODES).double(), rotary_frequencies(layout.TALKER).double())
    waves = torch.cat([angles.cos(), angles.sin()], 1).float()
    for group in range(layout.GROUPS):
        m.table(group).weight[:, :FLAGS_END] = 0
    m.table(1).weight.zero_()
    m.table(1).weight[:, :POINTER_TABLE] = 0.5 * waves
    for group in range(layout.USED_GROUPS, layout.GROUPS):
        m.table(group).weight.zero_()
    m.head(1).weight.zero_()
    m.head(1).weight[:, :POINTER_TABLE] = waves * torch.linspace(1.4, 0.5, 32).repeat(2) * 0.6
    m.table(1).weight.requires_grad_(False)
    m.head(1).weight.requires_grad_(False)


def initialise_flags(m):
    projection, table, t = m.talker.text_projection, m.table(0).weight, layout.TALKER
    projection.linear_fc1.bias.zero_()
    projection.linear_fc2.bias.zero_()
    projection.linear_fc2.weight[:FLAGS_END] = 0
    projection.linear_fc2.bias[TEXT_FLAG] = 1.0
    table[t["codec_pad_id"], PAD_FLAG] = 2.0
    table[t["codec_bos_id"], BOS_FLAG] = 2.0
    for row in layout.SPEAKERS.values():
        table[row, SPEAKER_FLAG] = 2.0


@torch.no_grad()
def add_speaker(m, name):
    """For weights that do not know the speaker yet: its rows start as those of the reference speaker, the
    pitch taken relative to the usual one, and a random direction says who it is."""
    torch.manual_seed(0)
    hidden = layout.TALKER["hidden_size"]
    who = 0.1 * torch.randn(hidden)
    who[:FLAGS_END] = 0
    rows, pitch = m.table(0).weight, layout.FIRST_PITCH[name]
    rows[layout.SPEAKERS[name]] = rows[layout.SPEAKERS[layout.REFERENCE]] + 2 * who
    for table in (m.table(2).weight, m.head(2).weight):
        for code in range(layout.PITCH_CODES):
            table[pitch + code] = table[min(code + 2, 9)]  # reference speakers use the codes 0 to 9
    m.table(2).weight[pitch : pitch + layout.PITCH_CODES] += who


def widened(name, narrow, wide):
    """The matrix of an MLP with the further units of `wide`, unheard: what it computes stays the same."""
    assert ".mlp." in name, "%s: expected %s, got %s" % (name, list(wide.shape), list(narrow.shape))
    out = torch.zeros_like(wide) if "down_proj" in name else wide.clone()
    out[: narrow.shape[0], : narrow.shape[1]] = narrow
    return out


def load_widened(m, weights):
    """Weights whose MLPs may be narrower than those of m."""
    wide = m.state_dict()
    m.load_state_dict(
        {k: v if v.shape == wide[k].shape else widened(k, v, wide[k]) for k, v in weights.items()}
    )


def point_at_text(attention, kv_head, offsets, measures):
    """The three query heads of one key head look at the tokens `offsets` after the one being spoken. On the
    BOS row,
    where no pointer exists yet, they measure the distance to the speaker row: (frequency, 0 cos or 1 sin).
    """
    width = attention.width
    w = rotary_frequencies(layout.TALKER)
    constant = [28, 29, 30, 31]  # the slowest frequencies: nearly independent of the distance
    i = torch.arange(32)
    key = attention.k_proj.weight[kv_head * width : (kv_head + 1) * width]
    key.mul_(0.05)
    key[:32, PAD_FLAG] = 1.0
    key[constant, TEXT_FLAG], key[constant, PAD_FLAG] = 1.0, 0.0
    key[constant, SPEAKER_FLAG] = key[constant, BOS_FLAG] = -2.0
    for frequency, _ in measures:
        key[frequency, SPEAKER_FLAG] = 1.0
    for n, (offset, (frequency, phase)) in enumerate(zip(offsets, measures)):
        first = (kv_head * 3 + n) * width
        query = attention.q_proj.weight[first : first + width]
        query.mul_(0.05)
        query[i, i] = torch.cos(w * offset)
        query[i, 32 + i] = torch.sin(w * offset)
        query[32 + i, i] = torch.sin(w * offset)
        query[32 + i, 32 + i] = -torch.cos(w * offset)
        query[constant, BOS_FLAG] = -1.0
        query[frequency + 32 * phase, BOS_FLAG] = 0.25
    sharp = torch.ones(width)
    sharp[:16] = sharp[32:48] = 2.5  # the fast frequencies decide between neighbours
    attention.q_norm.weight.copy_(sharp)
    attention.k_norm.weight.copy_(sharp)
