#!/usr/bin/env python3
"""speak.py TTS_GEN OUT [--model DIR] [--speaker S] [--seed N] [--together N]: OUT/000.wav ...

The sentences of the measurement (or texts of N of them, --together), one process and one thread, published
sampling, text k with seed N + k. recognise.py listens to the folder.
"""

import argparse
import json
import os
import subprocess

import layout
from recognise import sentences


def speak(program, folder, jobs, *options, model="embedded"):
    """The jobs (lines of --input jsonl) into folder; the result line of each."""
    os.makedirs(folder, exist_ok=True)
    lines, report = os.path.join(folder, "jobs.jsonl"), os.path.join(folder, "report.jsonl")
    with open(lines, "w", encoding="utf-8") as f:
        f.writelines(json.dumps(dict(job, language="english")) + "\n" for job in jobs)
    command = [program, "-m", model, "-j", "1", "-q", "--json=" + report, *options]
    command += ["--input", "jsonl", "-f", lines, "-d", folder]
    status = subprocess.run(command, check=False).returncode
    with open(report, encoding="utf-8") as f:
        results = [json.loads(line) for line in f]
    assert len(results) == len(jobs), "%d results of %d, exit %d" % (len(results), len(jobs), status)
    return results


def unfinished(results):
    """Prints the results that did not end by their end token; how many."""
    bad = [r for r in results if r.get("finish_reason") != "eos"]
    for r in bad:
        print("%s: %s" % (r.get("id"), r.get("finish_reason", r.get("error"))))
    return len(bad)


def speak_texts(program, folder, speaker, seed, together=1, model="embedded"):
    """The texts of the measurement in one speaker as folder/000.wav ...; returns the results."""
    jobs = [
        {"id": "%03d" % i, "text": text, "speaker": speaker, "seed": seed + i, "output": "%03d.wav" % i}
        for i, text in enumerate(sentences(together))
    ]
    return speak(program, folder, jobs, "--format", "wavf32", model=model)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tts_gen")
    parser.add_argument("out")
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--speaker", default=layout.REFERENCE)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--together", type=int, default=1, help="sentences in one text")
    args = parser.parse_args()
    results = speak_texts(args.tts_gen, args.out, args.speaker, args.seed, args.together, args.model)
    print("%d texts, %d did not end by their end token" % (len(results), unfinished(results)))


if __name__ == "__main__":
    main()
