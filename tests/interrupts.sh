#!/usr/bin/env bash
# interrupts.sh [N]: ends N runs by SIGINT or SIGTERM and N by SIGKILL at random moments (200); ctest does 20 of each.
set -euo pipefail
cd "$(dirname "$0")/.."
TTS_TEST_INTERRUPTS=${1:-200} build/release/bin/tools_signals_test "*at a random moment*"
