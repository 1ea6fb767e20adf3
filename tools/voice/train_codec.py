#!/usr/bin/env python3
"""train_codec.py DATA OUT --deadline HH:MM: the codec decoder as a regression, codes to audio.

The modules are the decoder classes of the official package; the codes are given, the codebooks are ordinary
tables. Loss, on pre-emphasised audio without the first two frames of a crop (their past is not in it), a
weighted sum (--weights) of: log magnitude and complex error over the root of the target magnitude (FFT 256,
512, 1024), log energies of mel bands (FFT 512, 1024). The complex error teaches the phase, and where it
cannot, it makes the sound weaker: its weight is for the first hours.
"""

import argparse
import glob
import math
import os
import time

import numpy as np
import torch
import torch.nn.functional as F

import fast_layers
import layout
from schedule import minutes_until

SAMPLES = 1920  # of a codec frame
SIZES = (256, 512, 1024)  # of the spectra compared
MEL_SIZES = (512, 1024)
DRAWN = 0.75  # share of crops with the predictor's codes, where make_drawn.py made them
VALIDATION = 24  # sentences at the end of every audio_SPEAKER.npz


def decoder_classes():
    import qwen_tts.core.tokenizer_12hz.configuration_qwen3_tts_tokenizer_v2 as configuration
    import qwen_tts.core.tokenizer_12hz.modeling_qwen3_tts_tokenizer_v2 as modeling

    return configuration, modeling


def build():
    configuration, modeling = decoder_classes()
    torch.manual_seed(0)
    config = configuration.Qwen3TTSTokenizerV2DecoderConfig(**layout.CODEC)
    return modeling.Qwen3TTSTokenizerV2Decoder._from_config(config)


def codebooks(m):
    return [
        layer._codebook for part in (m.quantizer.rvq_first, m.quantizer.rvq_rest) for layer in part.vq.layers
    ]


@torch.no_grad()
def initialise_weights(m):
    torch.manual_seed(0)
    for name, p in m.named_parameters():
        if name.endswith(("gamma", ".scale")):
            p.fill_(0.1)
    for name, module in m.named_modules():
        if isinstance(module, torch.nn.Conv1d) and module.groups == 1:
            gain = 0.6 if "conv2" in name else 0.9
            torch.nn.init.normal_(module.weight, std=gain * module.weight[0].numel() ** -0.5)
        if isinstance(module, torch.nn.ConvTranspose1d):
            inputs, _, width = module.weight.shape
            torch.nn.init.normal_(module.weight, std=(module.stride[0] / (inputs * width)) ** 0.5)
        if isinstance(module, torch.nn.Linear):
            torch.nn.init.normal_(module.weight, std=module.weight.shape[1] ** -0.5)
        if isinstance(getattr(module, "bias", None), torch.nn.Parameter):
            module.bias.zero_()
    m.decoder[-1].conv.weight.mul_(0.1)


@torch.no_grad()
def initialise_codebooks(m, tables):
    """Every code starts as its meaning: cluster spectrum, pitch, residual components. Pointer and unused
    groups: zero."""
    books = codebooks(m)
    for book in books:
        book.cluster_usage.requires_grad_(False)
        book.embedding_sum.zero_()
    width = layout.CODEC["codebook_dim"] // 2
    clusters = torch.tensor(tables["C"][:, :width])
    books[0].embedding_sum.copy_(clusters / clusters.std(0).clamp(min=2.0))
    pitch = books[2].embedding_sum
    for code, cycles in layout.CYCLES.items():
        pitch[code, 40] = (cycles - 14) / 1.5
        pitch[code, 41 + code % layout.PITCH_CODES] = 1.5
    at = 0
    for j, part in enumerate(layout.SPECTRAL_PARTS):
        centres = torch.tensor(tables["pq%d" % j])
        books[3 + j].embedding_sum[: len(centres), at : at + part] = centres / centres.std(0).clamp(min=1.0)
        at += part
    for group in (1, *range(layout.USED_GROUPS, layout.GROUPS)):
        books[group].embedding_sum.requires_grad_(False)


@torch.no_grad()
def add_speaker(m, name):
    """For weights that do not know the speaker yet: its pitch codes start as those of the reference speaker
    with as many cycles, apart from a random direction that says who it is."""
    torch.manual_seed(0)
    pitch, first = codebooks(m)[2].embedding_sum, layout.FIRST_PITCH[name]
    who = 0.3 * torch.randn(pitch.shape[1])
    for code in range(layout.PITCH_CODES):
        cycles = layout.FEWEST_CYCLES[name] + code
        row = np.clip(cycles - layout.FEWEST_CYCLES[layout.REFERENCE], 0, layout.PITCH_CODES - 1)
        pitch[first + code] = pitch[row] + who + 0.1 * torch.randn(pitch.shape[1])


# ---- loss
# ----------------------------------------------------------------------------------------------------------


def mel_bank(size, bands=48, lowest=60.0, highest=8000.0):
    """Triangles on the mel scale over the bins of a spectrum of `size` points at 24 kHz."""

    def mel(f):
        return 2595 * np.log10(1 + f / 700)

    edges = 700 * (10 ** (np.linspace(mel(lowest), mel(highest), bands + 2) / 2595) - 1)
    f = np.arange(size // 2 + 1) * 24000 / size
    low, middle, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    triangles = np.minimum((f - low) / (middle - low), (high - f) / (high - middle))
    return torch.tensor(triangles.clip(0), dtype=torch.float32)


WINDOWS = {n: torch.hann_window(n) for n in SIZES}
MEL_BANKS = {n: mel_bank(n) for n in MEL_SIZES}


def spectrum(x, size):
    """Complex spectrum and its magnitude with a floor far below speech."""
    z = torch.stft(x, size, size // 4, size, WINDOWS[size], return_complex=True)
    floor = size**0.5 * 4e-4
    return z, (z.real**2 + z.imag**2 + floor * floor).sqrt()


def losses(heard, wanted, mask):
    """[log magnitude, complex, mel] of waveforms [B, N]; mask: samples that count."""
    pair = []
    for x in (heard * mask, wanted * mask):
        pair.append(torch.cat([x[:, :1], x[:, 1:] - 0.85 * x[:, :-1]], 1))
    log_magnitude = complex_error = mel = 0
    for n in SIZES:
        (y, ym), (w, wm) = spectrum(pair[0], n), spectrum(pair[1], n)
        log_magnitude = log_magnitude + (ym.log() - wm.log()).abs().mean() / len(SIZES)
        d = y - w
        distance = (d.real**2 + d.imag**2 + 1e-8).sqrt()
        complex_error = complex_error + (distance / wm.sqrt()).mean() / wm.sqrt().mean() / len(SIZES)
        if n in MEL_BANKS:
            a, b = ((MEL_BANKS[n] @ (z * z)).log() for z in (ym, wm))
            mel = mel + (a - b).abs().mean() / 2 / len(MEL_SIZES)
    return torch.stack([log_magnitude, complex_error, mel])


# ---- data and training
# ---------------------------------------------------------------------------------------------


class Audio:
    """The rendered sentences of one speaker."""

    def __init__(self, path, rng):
        z = np.load(path)
        self.wave, self.codes, self.frames = z["wav"], z["codes"].astype(np.int64), z["fn"]
        self.begins = np.concatenate([[0], np.cumsum(self.frames)])
        self.rng = rng
        drawn = os.path.join(os.path.dirname(path), os.path.basename(path).replace("audio_", "drawn_"))
        self.drawn = np.load(drawn)["codes"].astype(np.int64) if os.path.exists(drawn) else None
        assert self.drawn is None or len(self.drawn) == len(self.codes), "%s is of other audio" % drawn

    def crop(self, sentence, start, length, drawn=False):
        """Codes [16, length], waveform and mask of `length` frames, zeros behind the end of the sentence.
        drawn: the predictor's codes."""
        end = min(start + length, self.frames[sentence])
        a, b, n = self.begins[sentence] + start, self.begins[sentence] + end, end - start
        codes = np.zeros((layout.GROUPS, length), np.int64)
        wave, mask = np.zeros(length * SAMPLES, np.float32), np.zeros(length * SAMPLES, np.float32)
        codes[: layout.USED_GROUPS, :n] = (self.drawn if drawn else self.codes)[a:b].T
        codes[1] = 0  # the pointer is never sound
        wave[: n * SAMPLES] = self.wave[a * SAMPLES : b * SAMPLES] / 32767.0
        mask[(0 if start == 0 else 2) * SAMPLES : n * SAMPLES] = 1
        return codes, wave, mask

    def random_crop(self, length):
        k = self.rng.randint(len(self.frames) - VALIDATION)
        start = max(0, self.rng.randint(-2, max(1, self.frames[k] - length + 2)))
        drawn = self.drawn is not None and self.rng.rand() < DRAWN
        return self.crop(k, min(start, max(0, self.frames[k] - 4)), length, drawn)


def load_audio(data, rng):
    return {layout.speaker_of(p): Audio(p, rng) for p in sorted(glob.glob(data + "/audio_*.npz"))}


def batch(audio, shares, count, length, rng):
    """Crops of all speakers; shares: how often each."""
    crops = [audio[speaker].random_crop(length) for speaker in rng.choice(list(audio), count, p=shares)]
    return [torch.from_numpy(np.stack(x)) for x in zip(*crops)]


def crops_of(own, drawn):
    for k in range(len(own.frames) - VALIDATION, len(own.frames)):
        crop = own.crop(k, 0, int(min(own.frames[k], 40)), drawn)
        yield (torch.from_numpy(x)[None] for x in crop)


@torch.no_grad()
def validate(m, audio):
    found = []
    for speaker, own in audio.items():
        for drawn in (False, True) if own.drawn is not None else (False,):
            values = [losses(m(codes).squeeze(1), wave, mask) for codes, wave, mask in crops_of(own, drawn)]
            name = speaker + (" drawn" if drawn else "")
            found.append("%s %s" % (name, torch.stack(values).mean(0).numpy().round(4)))
    return "; ".join(found)


def train_step(m, opt, batch, weights):
    codes, wave, mask = batch
    values = losses(m(codes).squeeze(1), wave, mask)
    opt.zero_grad(set_to_none=True)
    (values * weights).sum().backward()
    torch.nn.utils.clip_grad_norm_([p for p in m.parameters() if p.requires_grad], 1.0)
    opt.step()
    return values.detach().numpy()


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data")
    parser.add_argument("out")
    parser.add_argument("--deadline", required=True, help="HH:MM or minutes: end of the cosine schedule")
    parser.add_argument("--rate", type=float, default=7e-4)
    parser.add_argument("--batch", type=int, default=6)
    parser.add_argument("--frames", type=int, default=16, help="length of a crop")
    parser.add_argument(
        "--weights",
        type=float,
        nargs=3,
        default=[1, 1, 2],
        metavar=("LOG", "COMPLEX", "MEL"),
        help="of the parts of the loss",
    )
    parser.add_argument(
        "--often", help="speaker that is heard in two of three crops; without it all as often"
    )
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--resume", help="codec.pt to continue from")
    parser.add_argument("--add", help="speaker that these weights do not know yet")
    return parser.parse_args()


def main():
    args = parse()
    torch.set_num_threads(1)
    os.makedirs(args.out, exist_ok=True)
    m = build()
    initialise_weights(m)
    initialise_codebooks(m, np.load(args.data + "/vq.npz"))
    if args.resume:
        m.load_state_dict(torch.load(args.resume))
    if args.add:
        add_speaker(m, args.add)
    fast_layers.install(decoder_classes()[1])
    trained = [p for p in m.parameters() if p.requires_grad]
    opt = torch.optim.AdamW(trained, lr=args.rate, betas=(0.8, 0.98), weight_decay=1e-3, fused=True)
    rng = np.random.RandomState(args.seed)
    audio, weights = load_audio(args.data, rng), torch.tensor(args.weights)
    shares = np.array([2.0 if speaker == args.often else 1.0 for speaker in audio])
    shares /= shares.sum()
    budget, begin, step, mean = minutes_until(args.deadline) * 60, time.time(), 0, None
    saved = begin
    with open(args.out + "/codec.log", "a", buffering=1, encoding="utf-8") as log:
        while (now := time.time()) - begin < budget:
            cosine = 0.5 * (1 + math.cos(math.pi * (now - begin) / budget))
            for group in opt.param_groups:
                group["lr"] = args.rate * min(1, (step + 1) / 30) * max(0.03, cosine)
            values = train_step(m, opt, batch(audio, shares, args.batch, args.frames, rng), weights)
            mean = values if mean is None else 0.97 * mean + 0.03 * values
            step += 1
            if step % 50 == 0:
                print(
                    "%.0f s, step %d: log magnitude %.4f complex %.4f mel %.4f" % (now - begin, step, *mean),
                    file=log,
                )
            if now - saved > 180:
                saved = now
                print("validation, step %d: %s" % (step, validate(m, audio)), file=log)
                torch.save(m.state_dict(), args.out + "/codec.tmp")
                os.replace(args.out + "/codec.tmp", args.out + "/codec.pt")
        print("validation, step %d, end: %s" % (step, validate(m, audio)), file=log)
    torch.save(m.state_dict(), args.out + "/codec.pt")


if __name__ == "__main__":
    main()
