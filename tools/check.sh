#!/usr/bin/env bash
# check.sh [--no-install] [cmake options]: builds the release and runs the whole test suite.
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/packages.sh
install=yes
if [ "${1:-}" = --no-install ]; then
  install=no
  shift
fi
install_packages
configure release "$@"
cmake --build build/release --parallel "$jobs"
ctest --test-dir build/release -j2 --output-on-failure --no-tests=error
