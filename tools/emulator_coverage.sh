#!/usr/bin/env bash
# How many lines of kernels/cuda/*.cu (and their headers) the tests execute on the emulator; fails below 95 percent.
# tools/emulator_coverage.sh [BUILD_DIRECTORY]
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
build=${1:-$root/build/coverage}
cmake -S "$root" -B "$build" -G Ninja -D CMAKE_BUILD_TYPE=Debug -D TTS_EMULATOR=ON -D CMAKE_CXX_FLAGS="--coverage -O1" >/dev/null
cmake --build "$build" --target kernels_test encoder_ops_test frame_test device_test
find "$build" -name '*.gcda' -delete
for test in kernels_test encoder_ops_test frame_test device_test; do "$build/bin/$test"; done
# gcov writes one record per source line and instance: a line counts as executed when any instance of it was.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
find "$build" -name '*.cu.gcda' -exec gcov --preserve-paths --source-prefix "$root" --relative-only {} + >/dev/null
cat ./*.gcov | awk -v root="$root" '
  /^ *-: *0:Source:/ { split($0, part, "Source:"); file = part[2]; next }
  file ~ /kernels\/cuda\// {
    split($0, field, ":"); count = field[1]; line = field[2]; gsub(/ /, "", count); gsub(/ /, "", line)
    if (count == "-" || line == 0) next
    key = file ":" line; seen[key] = 1
    if (count !~ /^[#=]/) run[key] = 1
  }
  END {
    for (key in seen) { all++; split(key, part, ":"); total[part[1]]++; if (key in run) { done++; hit[part[1]]++ } else missed[key] = 1 }
    if (all == 0) { print "no line was found"; exit 1 }
    for (file in total) printf "%6.1f %%  %4d of %4d  %s\n", 100 * hit[file] / total[file], hit[file], total[file], file
    for (key in missed) print "not executed: " key
    printf "%6.1f %%  %4d of %4d lines of kernels executed, wanted 95\n", 100 * done / all, done, all
    exit done / all < 0.95
  }'
