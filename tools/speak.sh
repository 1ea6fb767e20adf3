#!/usr/bin/env bash
# speak.sh [--no-install] TEXT [-m DIR] [tts-gen options]: builds the release and writes hello.wav.
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/packages.sh
install=yes
if [ "${1:-}" = --no-install ]; then
  install=no
  shift
fi
[ $# -gt 0 ] || { echo "usage: tools/speak.sh [--no-install] TEXT [-m DIR]" >&2; exit 2; }
install_packages
configure release
cmake --build build/release --parallel "$jobs" --target tts-gen
has_model=${TTS_MODEL:+yes}
for word in "$@"; do
  case $word in -m* | --model*) has_model=yes ;; esac
done
if [ -z "$has_model" ] && build/release/bin/tts-gen --version --json | grep -q '"embedded_voice":false'; then
  echo "This build carries no voice of its own, so it needs a checkpoint:" >&2
  echo "  download a Qwen3-TTS model (12 Hz) into a directory DIR, then: tools/speak.sh \"Hello.\" -m DIR" >&2
  echo "  or build with -D TTS_EMBED_VOICE=ON, which is the default." >&2
  exit 2
fi
exec build/release/bin/tts-gen -o hello.wav "$@"
