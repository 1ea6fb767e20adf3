#!/usr/bin/env bash
# interrupts.sh [N]: ends N runs by SIGINT or SIGTERM and N by SIGKILL at random moments (200); ctest does 20 of each.
# It works on a copy of the programs, so that a build meanwhile does not disturb it.
set -euo pipefail
cd "$(dirname "$0")/.."
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
cp build/release/bin/{tts-gen,tools_signals_test} "$copy"
TTS_TEST_PROGRAMS=$copy TTS_TEST_INTERRUPTS=${1:-200} "$copy/tools_signals_test" "*at a random moment*"
