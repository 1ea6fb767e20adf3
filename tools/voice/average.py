#!/usr/bin/env python3
"""average.py FIRST.pt SECOND.pt SHARE OUT.pt: (1 - SHARE) of the first weights and SHARE of the second.

For two stages of one training: where they lie in one valley, the weights between them keep most of what each
can do better. Whether they do is seen in the losses of several shares, and must be looked at. The MLPs of the
first may be narrower (train_talker.py --resume widens them).
"""

import argparse

import torch

import talker


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("first", "second"):
        parser.add_argument(name)
    parser.add_argument("share", type=float)
    parser.add_argument("out")
    args = parser.parse_args()
    first, second = torch.load(args.first), torch.load(args.second)
    assert first.keys() == second.keys(), first.keys() ^ second.keys()
    for name, wide in second.items():
        if first[name].shape != wide.shape:
            first[name] = talker.widened(name, first[name], wide)
    torch.save({k: (1 - args.share) * first[k] + args.share * second[k] for k in first}, args.out)


if __name__ == "__main__":
    main()
