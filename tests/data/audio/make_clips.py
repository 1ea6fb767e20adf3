"""make_clips.py DIRECTORY - the small clips that tests/audio_read_test.cpp and tests/resample_test.cpp read.

Needs numpy, soundfile, soxr, safetensors. The clips are encoded and decoded by soundfile's own libsndfile; expected.safetensors
holds the mono mix of what it decoded, and soxr's HQ resampling of noise and tones to 24 kHz.
"""
import struct
import sys

import numpy as np
import soundfile
import soxr
from safetensors.numpy import save_file

FILES = [  # name, rate, channels, container, subtype
    ("u8.wav", 8000, 1, "WAV", "PCM_U8"), ("s16.wav", 22050, 2, "WAV", "PCM_16"), ("s24.wav", 24000, 3, "WAV", "PCM_24"),
    ("s32.wav", 16000, 1, "WAV", "PCM_32"), ("f32.wav", 24000, 2, "WAV", "FLOAT"), ("f64.wav", 11025, 1, "WAV", "DOUBLE"),
    ("ulaw.wav", 8000, 1, "WAV", "ULAW"), ("alaw.wav", 8000, 2, "WAV", "ALAW"), ("extensible.wav", 48000, 2, "WAVEX", "PCM_24"),
    ("rf64.wav", 16000, 1, "RF64", "PCM_16"), ("s8.flac", 16000, 1, "FLAC", "PCM_S8"), ("s16.flac", 44100, 2, "FLAC", "PCM_16"),
    ("s24.flac", 24000, 8, "FLAC", "PCM_24"), ("vorbis.ogg", 22050, 2, "OGG", "VORBIS"), ("opus.ogg", 48000, 1, "OGG", "OPUS"),
    ("layer3.mp3", 24000, 1, "MP3", "MPEG_LAYER_III"), ("stereo.mp3", 44100, 2, "MP3", "MPEG_LAYER_III"),
]


def tone(rate, channels, rng):
    t = np.arange(int(rate * 0.06) + 7) / rate
    columns = [0.4 * np.sin(2 * np.pi * (300 + 170 * c) * t) + 0.05 * rng.standard_normal(len(t)) for c in range(channels)]
    return np.stack(columns, axis=1) * np.hanning(len(t))[:, None]


def main(directory):
    rng = np.random.default_rng(7)
    expected = {}
    for name, rate, channels, container, subtype in FILES:
        path = f"{directory}/{name}"
        soundfile.write(path, tone(rate, channels, rng), rate, format=container, subtype=subtype)
        decoded, _ = soundfile.read(path, dtype="float32", always_2d=True)
        expected[name] = decoded.astype(np.float64).mean(axis=1).astype(np.float32)
    for rate in (8000, 22050):
        n = rate // 10 + 3
        x = (0.1 * rng.standard_normal(n) + 0.3 * np.sin(np.arange(n) * 0.7)).astype(np.float32)
        expected[f"resample.{rate}.in"] = x
        y = soxr.resample(x, rate, 24000, "HQ")
        length = -(-n * 24000 // rate)
        expected[f"resample.{rate}.out"] = np.pad(y, (0, length - len(y)))
    save_file(expected, f"{directory}/expected.safetensors")


main(sys.argv[1])
