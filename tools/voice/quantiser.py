"""The codes of a frame without a learned encoder: k-means on features, fitted once on the first shard.

vq.npz: mu, V (principal components of the features), sem (centres of group 0, found with phone labels), C
(their mean spectra), Vr (components of the residual), pq0..pq7 (centres of groups 3..10).
"""

import numpy as np
import torch

import layout
import speech

PHONES = (
    "aa ae ah ao aw ax ay b ch d dh eh er ey f g hh ih iy jh k l m n ng ow oy p pau r s sh t th uh uw v w y "
    "z zh"
).split()
PHONE_INDEX = {p: i for i, p in enumerate(PHONES)}
PHONE_WEIGHT = 6.0  # how much a differing phone label separates two frames of equal sound


def nearest(x, centres):
    return torch.cat([((centres**2).sum(1) - 2 * part @ centres.t()).argmin(1) for part in x.split(8192)])


def kmeans(x, k, rounds, seed=0):
    generator = torch.Generator().manual_seed(seed)
    centres = x[torch.randperm(len(x), generator=generator)[:k]].clone()
    for _ in range(rounds):
        a = nearest(x, centres)
        n = torch.zeros(k).index_add_(0, a, torch.ones(len(x)))
        total = torch.zeros_like(centres).index_add_(0, a, x)
        used = n > 0
        centres[used] = total[used] / n[used][:, None]
        if (~used).any():
            centres[~used] = x[torch.randperm(len(x), generator=generator)[: int((~used).sum())]]
    return centres


def phone_labels(phones):
    x = np.zeros((len(phones), 2, len(PHONES)), np.float32)
    for half in (0, 1):
        x[np.arange(len(phones)), half, [PHONE_INDEX[p] for p in phones[:, half]]] = PHONE_WEIGHT
    return torch.tensor(x.reshape(len(phones), -1))


def fit(records):
    """The tables of vq.npz from (features, phones) of many sentences."""
    frames, phones = (np.concatenate(x) for x in zip(*records))
    torch.manual_seed(0)
    mu = frames.mean(0)
    x = torch.tensor(frames - mu)
    _, _, components = torch.pca_lowrank(x, 120, niter=3)
    z = x @ components
    labelled = torch.cat([z[:, :48], phone_labels(phones)], 1)
    sem = kmeans(labelled, layout.CODES, 20)
    a = nearest(labelled, sem)
    means = torch.zeros(layout.CODES, z.shape[1]).index_add_(0, a, z)
    means /= torch.bincount(a, minlength=layout.CODES).clamp(min=1)[:, None]
    residual = z - means[a]
    _, _, rest = torch.pca_lowrank(residual, sum(layout.SPECTRAL_PARTS), niter=3)
    y, at = residual @ rest, 0
    tables = dict(mu=mu, V=components.numpy(), sem=sem.numpy(), C=means.numpy(), Vr=rest.numpy())
    for j, width in enumerate(layout.SPECTRAL_PARTS):
        centres = kmeans(y[:, at : at + width].contiguous(), layout.SPECTRAL_CODES, 12)
        tables["pq%d" % j] = centres[centres[:, 0].argsort()].numpy()
        at += width
    return tables


def encode(tables, frames, phones):
    """[frames, 9]: group 0 and groups 3..10."""
    t = {k: torch.tensor(v) for k, v in tables.items()}
    z = torch.tensor(frames - tables["mu"]) @ t["V"]
    first = nearest(torch.cat([z[:, :48], phone_labels(phones)], 1), t["sem"])
    y, columns, at = (z - t["C"][first]) @ t["Vr"], [first], 0
    for j, width in enumerate(layout.SPECTRAL_PARTS):
        columns.append(nearest(y[:, at : at + width].contiguous(), t["pq%d" % j]))
        at += width
    return torch.stack(columns, 1).numpy()


def decode(tables, codes):
    """Tracks on the grid and cycles per frame that codes [frames, >= 11] say, the spectrum as the reference
    speaker's: input of speech.vocode."""
    parts = [
        tables["pq%d" % j][np.minimum(codes[:, 3 + j], layout.SPECTRAL_CODES - 1)]
        for j in range(len(layout.SPECTRAL_PARTS))
    ]
    z = tables["C"][codes[:, 0]] + np.concatenate(parts, 1) @ tables["Vr"].T
    cycles = np.array([layout.CYCLES[int(c)] for c in codes[:, 2]])
    return speech.grid_of_features(tables["mu"] + z @ tables["V"].T), cycles
