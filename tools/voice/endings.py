#!/usr/bin/env python3
"""endings.py TTS_GEN [COUNT [FIRST [TOGETHER]]]: how many of COUNT (1000) seeded runs end by their own end token.

The embedded voice, the sentences of the measurement (TOGETHER of them in one text; 1) and the speakers in turn,
seeds FIRST (1) and following, published sampling, one process and one thread. Exit 1 below 99.5 %.
"""

import collections
import json
import os
import subprocess
import sys
import tempfile

import layout
from recognise import sentences

LEAST = 0.995


def texts_of(together):
    """The sentences of the measurement, `together` of them to a text, each with a mark at its end."""
    ended = [s if s[-1] in ".?!" else s + "." for s in sentences()]
    return [" ".join(ended[i : i + together]) for i in range(0, len(ended), together)]


def main():
    program, (count, first, together) = sys.argv[1], map(
        int, (sys.argv[2:] + ["1000", "1", "1"][len(sys.argv) - 2 :])
    )
    texts, speakers = texts_of(together), list(layout.SPEAKERS)
    with tempfile.TemporaryDirectory() as folder:
        jobs = os.path.join(folder, "jobs.jsonl")
        with open(jobs, "w", encoding="utf-8") as f:
            for i in range(first - 1, first - 1 + count):
                job = {"id": str(i), "text": texts[i % len(texts)], "seed": i + 1, "language": "english"}
                job["speaker"] = speakers[(i + i // len(texts)) % len(speakers)]
                f.write(json.dumps(job) + "\n")
        report = os.path.join(folder, "report.jsonl")
        command = [program, "-m", "embedded", "-j", "1", "-q", "--json=" + report]
        command += ["--input", "jsonl", "-f", jobs, "-d", folder]
        status = subprocess.run(command, check=False).returncode
        with open(report, encoding="utf-8") as f:
            results = [json.loads(line) for line in f]
    assert len(results) == count, "%d results of %d, exit %d" % (len(results), count, status)
    endings = collections.Counter(r.get("finish_reason", r.get("error")) for r in results)
    for r in results:
        if r.get("finish_reason") != "eos":
            print("id %s: %s" % (r.get("id"), r.get("finish_reason", r.get("error"))))
    print("%d runs: %s" % (count, dict(endings)))
    sys.exit(0 if endings["eos"] >= LEAST * count else 1)


if __name__ == "__main__":
    main()
