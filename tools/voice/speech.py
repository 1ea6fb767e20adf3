"""The synthetic speech that the voice learns: Flite's parameter tracks on a 40 ms grid, and their vocoder.

  * Phone boundaries move to a 40 ms grid (half a codec frame); speech is slowed by STRETCH.
  * The pitch of a codec frame is a whole number of cycles per 80 ms, with a smooth transition inside the
    frame, so that the glottal phase is zero at every frame boundary.
  * The noise of unvoiced sounds is one fixed table of 1920 samples, repeated every frame.
So the waveform of a frame is a function of its parameters and those of the frame before, and a small decoder
can learn it by regression, without an adversary.
"""

import struct

import numpy as np

import layout

STRETCH = 1.10  # on top of Flite's own durations
SLOT = 8  # tracks (every 5 ms) per 40 ms slot
PER_FRAME = 16  # tracks per codec frame
HOP = 120  # samples of 24 kHz per track
RATE = 24000
FRAME = PER_FRAME * HOP
WARP, POSTFILTER, GAIN = 0.42, 0.4, 1.5  # of the voices slt and rms, as their libraries use them
LEVEL = 0.8  # output gain relative to Flite's own level
BANDS = 24  # points of the warped spectrum of a feature
# The tracks of rms have a pitch everywhere: these phones are made voiceless, as those of slt are.
VOICELESS = {"slt": (), "rms": ("ch", "f", "k", "p", "s", "sh", "t", "th")}
USUAL_PITCH = {"slt": 175, "rms": 100}  # Hz, of a sentence without any
VOICED_WEIGHT = 0.8 * BANDS**0.5 * 0.25  # of strengths and voicing beside the spectrum

# ---- Flite's records
# -----------------------------------------------------------------------------------------------


def read_dump(path):
    """Yields the records of flite_dump.c as dictionaries."""
    with open(path, "rb") as f:
        data = f.read()
    at = 0

    def take(fmt):
        nonlocal at
        values = struct.unpack_from("<" + fmt, data, at)
        at += struct.calcsize("<" + fmt)
        return values

    def take_floats(rows, columns):
        nonlocal at
        values = np.frombuffer(data, np.float32, rows * columns, at).reshape(rows, columns)
        at += 4 * rows * columns
        return values

    while at < len(data):
        magic, line, frames, channels, strengths, segments, tokens = take("7i")
        assert magic == 0x464C4954, path
        record = dict(
            line=line, tracks=take_floats(frames, channels), strengths=take_floats(frames, strengths)
        )
        record["segments"] = [
            (p.split(b"\0")[0].decode(), end, token)
            for p, end, token in (take("8sfi") for _ in range(segments))
        ]
        record["tokens"] = []
        for _ in range(tokens):
            (length,) = take("i")
            record["tokens"].append(data[at : at + length].decode("utf-8", "replace"))
            at += length
        yield record


def load_bands(path):
    """Mixed-excitation filters of the voice: zero-phase magnitudes [5, 257] on the 16 kHz, 512-point grid."""
    return np.abs(np.fft.rfft(np.loadtxt(path), 512, axis=1)).astype(np.float32)


# ---- spectrum
# ------------------------------------------------------------------------------------------------------


def warp(w):
    return w + 2 * np.arctan(WARP * np.sin(w) / (1 - WARP * np.cos(w)))


TO_LOG_SPECTRUM = np.cos(np.outer(np.arange(25), warp(np.linspace(0, np.pi, 257)))).astype(np.float32)
TO_BANDS = np.cos(np.outer(np.arange(25), (np.arange(BANDS) + 0.5) * np.pi / BANDS)).astype(np.float32)


def postfilter(cepstra):
    """Formant emphasis of the original vocoder: coefficients from the third on are raised, the energy is
    kept."""
    raised = cepstra.copy()
    raised[:, 2:] *= 1 + POSTFILTER
    before, after = cepstra @ TO_LOG_SPECTRUM[:, 4::8], raised @ TO_LOG_SPECTRUM[:, 4::8]
    energy = [np.log(np.mean(np.exp(2 * x), axis=1)) for x in (before, after)]
    raised[:, 0] += (energy[0] - energy[1]) / 2
    return raised


# ---- time grid
# -----------------------------------------------------------------------------------------------------


def slots_of(segments):
    """Number of 40 ms slots of every phone; rounding errors are carried to the next phone, pauses reset
    them."""
    slots, time, begin, start = [], 0.0, 0, 0.0
    for i, (phone, end, _) in enumerate(segments):
        length = (end - start) * STRETCH
        start = end
        if phone == "pau":
            count = 4 if i in (0, len(segments) - 1) else int(np.clip(round(length / 0.04), 2, 6))
            time = (begin + count) * 0.04
        else:
            time += length
            count = max(1, int(round(time / 0.04)) - begin)
        slots.append(count)
        begin += count
    slots[-1] += begin % 2
    return slots


def regrid(record, speaker):
    """Tracks of a record resampled on the grid: cepstra, strengths, f0, and the segment of every slot."""
    segments = record["segments"]
    slots = slots_of(segments)
    frames = len(record["tracks"])
    positions, start = [], 0.0
    for (_, end, _), count in zip(segments, slots):
        n = count * SLOT
        first, length = np.float32(start) / 0.005, (end - start) / 0.005
        positions.append(first + (np.arange(n) + 0.5) * length / n - 0.5)
        start = end
    at = np.clip(np.concatenate(positions), 0, frames - 1)
    below = np.floor(at).astype(int)
    above = np.minimum(below + 1, frames - 1)
    f = (at - below)[:, None].astype(np.float32)

    def between(x):
        return (x[below] * (1 - f) + x[above] * f).astype(np.float32)

    slot_segment = np.repeat(np.arange(len(slots)), slots)
    silenced = np.array([phone in VOICELESS[speaker] for phone, _, _ in segments])[slot_segment]
    pitched = ~np.repeat(silenced, SLOT)
    return dict(
        cepstra=between(postfilter(record["tracks"][:, 1:26])),
        strengths=np.clip(between(record["strengths"]), 0, 1) * pitched[:, None],
        f0=np.where(pitched, record["tracks"][:, 0][np.where(f[:, 0] < 0.5, below, above)], 0),
        slot_segment=slot_segment,
    )


def phones_of_frames(record, grid):
    return np.array([record["segments"][s][0] for s in grid["slot_segment"]]).reshape(-1, 2)


def cycles_of_frames(f0, speaker):
    """Whole cycles per codec frame; the last value holds while it is closer than 0.7 and through unvoiced
    frames."""
    fewest = layout.FEWEST_CYCLES[speaker]
    frames = f0.reshape(-1, PER_FRAME)
    voiced = f0[f0 > 0]
    held = int(round(0.08 * (voiced[:40].mean() if len(voiced) else USUAL_PITCH[speaker])))
    cycles = np.zeros(len(frames), int)
    for t, frame in enumerate(frames):
        heard = frame[frame > 0]
        if len(heard) >= 3 and abs(0.08 * heard.mean() - held) > 0.7:
            held = int(round(0.08 * heard.mean()))
        held = int(np.clip(held, fewest, fewest + layout.PITCH_CODES - 1))
        cycles[t] = held
    return cycles


def features(grid):
    """[frames, 8 * (BANDS + 6)]: every 10 ms the warped log spectrum (with a floor), strengths and
    voicing."""
    spectrum = grid["cepstra"] @ TO_BANDS
    spectrum = 0.5 * np.log(np.exp(2 * spectrum) + np.exp(2 * 1.5))
    voiced = (grid["f0"] > 0).astype(np.float32)[:, None]
    x = np.concatenate([spectrum, VOICED_WEIGHT * grid["strengths"] * voiced, VOICED_WEIGHT * voiced], axis=1)
    x = x.reshape(len(x) // 2, 2, -1).mean(1)
    return x.reshape(len(x) // 8, -1).astype(np.float32)


def grid_of_features(x):
    """Back from features to tracks (through BANDS points): what the codes alone can say."""
    x = x.reshape(-1, BANDS + 6)
    voiced = x[:, -1] / VOICED_WEIGHT
    cepstra = np.zeros((len(x), 25), np.float32)
    cepstra[:, :24] = x[:, :BANDS] @ np.linalg.pinv(TO_BANDS[:24])
    strengths = x[:, BANDS : BANDS + 5] / VOICED_WEIGHT / np.maximum(voiced, 0.3)[:, None]
    strengths = np.clip(strengths, 0, 1) * (voiced > 0.5)[:, None]
    return dict(
        cepstra=np.repeat(cepstra, 2, 0),
        strengths=np.repeat(strengths, 2, 0),
        f0=np.repeat((voiced > 0.5) * 150.0, 2, 0),
    )


# ---- one space for all speakers
# ---------------------------------------------------------------------------------------------------------


def pairs_of(records, own_records, speaker):
    """Cepstra and strengths of two speakers at the same places of the same phones: four places per phone."""
    found = [[], []]
    for pair in zip(records, own_records):
        names = [[phone for phone, _, _ in r["segments"]] for r in pair]
        if names[0] != names[1]:  # one of them makes a pause where the other does not
            continue
        for rows, record, who in zip(found, pair, (layout.REFERENCE, speaker)):
            grid = regrid(record, who)
            values = np.concatenate([grid["cepstra"], grid["strengths"], grid["f0"][:, None] > 0], 1)
            owner = np.repeat(grid["slot_segment"], SLOT)
            for i, phone in enumerate(names[0]):
                at = np.flatnonzero(owner == i)
                if phone != "pau":
                    rows += [values[at[int(q * len(at))]] for q in (0.2, 0.4, 0.6, 0.8)]
    return [np.array(rows, np.float64) for rows in found]


def fit_move(reference, own):
    """How the tracks of a speaker become those of the reference, from pairs_of: centres, matrix of the
    cepstra (whitened, turned to fit best, coloured: it keeps all variance and can be inverted), scale of the
    strengths."""

    def power(x, exponent):
        values, vectors = np.linalg.eigh(np.cov(x.T))
        return vectors * values**exponent @ vectors.T

    a, b = own[:, :25], reference[:, :25]
    whiten, colour = power(a, -0.5), power(b, 0.5)
    u, _, v = np.linalg.svd(((a - a.mean(0)) @ whiten).T @ ((b - b.mean(0)) @ power(b, -0.5)))
    voiced_own, voiced_reference = (x[x[:, 30] > 0, 25:30] for x in (own, reference))
    return dict(
        centre=a.mean(0),
        target=b.mean(0),
        matrix=whiten @ (u @ v) @ colour,
        strength_centre=voiced_own.mean(0),
        strength_target=voiced_reference.mean(0),
        strength_scale=voiced_reference.std(0) / voiced_own.std(0),
    )


def to_reference(grid, move):
    """Tracks as the reference speaker might have them; `move` None: they are the reference's."""
    if move is None:
        return grid
    cepstra = (grid["cepstra"] - move["centre"]) @ move["matrix"] + move["target"]
    strengths = (grid["strengths"] - move["strength_centre"]) * move["strength_scale"]
    strengths = strengths + move["strength_target"]
    return with_tracks(grid, cepstra, strengths)


def from_reference(grid, move):
    if move is None:
        return grid
    cepstra = (grid["cepstra"] - move["target"]) @ np.linalg.inv(move["matrix"]) + move["centre"]
    strengths = (grid["strengths"] - move["strength_target"]) / move["strength_scale"]
    strengths = strengths + move["strength_centre"]
    return with_tracks(grid, cepstra, strengths)


def with_tracks(grid, cepstra, strengths):
    strengths = np.clip(strengths, 0, 1) * (grid["f0"] > 0)[:, None]
    return dict(grid, cepstra=cepstra.astype(np.float32), strengths=strengths.astype(np.float32))


# ---- vocoder
# -------------------------------------------------------------------------------------------------------

NOISE = np.random.RandomState(7).randn(FRAME).astype(np.float32)
NOISE /= NOISE.std()
TAPER = np.clip((8000 - np.arange(257) * 31.25) / 500, 0, 1).astype(
    np.float32
)  # the source voice ends at 8 kHz


def noise_spectra():
    window = np.hanning(241)[:240].astype(np.float32)
    pieces = [
        np.take(NOISE, np.arange(k * HOP - HOP, k * HOP + HOP), mode="wrap") * window for k in range(16)
    ]
    return np.fft.rfft(np.stack(pieces), 768, axis=1).astype(np.complex64)


NOISE_SPECTRA = noise_spectra()


def minimum_phase(log_magnitude):
    c = np.fft.irfft(log_magnitude, axis=1)
    c[:, 1:256] *= 2
    c[:, 257:] = 0
    return np.exp(np.fft.rfft(c, axis=1))


def overlap_add(spectra, shift, starts, samples):
    """Sum of the 768-sample pieces irfft(spectra), rotated by `shift`, each beginning at starts[i]."""
    pieces = np.roll(np.fft.irfft(spectra, axis=1), shift, axis=1)
    total = np.zeros(samples + 4096, np.float32)
    for piece, start in zip(pieces, starts):
        total[start + 1024 : start + 1024 + 768] += piece
    return total[1024 : 1024 + samples]


def pulse_times(cycles):
    """Sample positions of the glottal pulses: `cycles` per frame, the rate gliding inside the frame."""
    u = np.arange(FRAME) / FRAME
    before = np.concatenate([[cycles[0]], cycles[:-1]])
    times = []
    for t, (n, p) in enumerate(zip(cycles, before)):
        phase = n * u - (n - p) * u * (1 - u) ** 2
        for c in range(n):
            j = np.searchsorted(phase, c)
            x = 0.0
            if j > 0:
                x = (
                    j - 1 + (c - phase[j - 1]) / max(phase[j] - phase[j - 1], 1e-9)
                    if j < FRAME
                    else FRAME - 1.0
                )
            times.append(t * FRAME + x)
    return np.array(times)


def vocode(grid, cycles, bands):
    """Tracks on the grid and cycles per frame -> float32 waveform, FRAME samples per codec frame."""
    log_magnitude = grid["cepstra"] @ TO_LOG_SPECTRUM
    strengths, count = grid["strengths"], len(grid["cepstra"])
    samples = len(cycles) * FRAME
    k = np.arange(count)
    spectra = np.zeros((count, 385), np.complex64)
    amplitude = np.exp(log_magnitude) * ((1 - strengths) @ bands) * TAPER
    spectra[:, :257] = NOISE_SPECTRA[k % 16][:, :257] * amplitude * np.sqrt(1.5)
    wave = overlap_add(spectra, 256, k * HOP - HOP - 256, samples)

    times = pulse_times(cycles)
    periods = np.diff(np.append(times, times[-1] + FRAME / cycles[-1]))
    track = np.minimum((times / HOP).astype(int), count - 1)
    voiced = grid["f0"][track] > 0
    times, periods, track = times[voiced], periods[voiced], track[voiced]
    if len(times):
        first = np.floor(times).astype(int)
        response = minimum_phase(log_magnitude[track]) * (strengths[track] @ bands) * TAPER
        response = response * np.sqrt(periods / 1.5)[:, None] * 1.5
        delay = np.exp(-2j * np.pi * np.arange(257)[None] / 768 * (times - first)[:, None])
        spectra = np.zeros((len(times), 385), complex)
        spectra[:, :257] = response * delay
        wave = wave + overlap_add(spectra, 64, first - 64, samples)
    return np.clip(wave * (LEVEL * GAIN / 32768), -0.99, 0.99)
