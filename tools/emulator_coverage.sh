#!/usr/bin/env bash
# How many lines of kernels/cuda/*.cu (and their headers) the tests execute on the emulator; fails below 95 percent.
# Only the kernels are compiled for counting (TTS_KERNEL_COVERAGE), everything else as in a release: ccache has it.
# tools/emulator_coverage.sh: builds them, runs the tests of kernels and devices, counts.
# tools/emulator_coverage.sh BUILD: counts what tests have executed in a build directory with TTS_KERNEL_COVERAGE=ON.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
build=${1:-$root/build/coverage}
if [ $# -eq 0 ]; then
  tests="kernels_test encoder_ops_test sampling_test device_test frame_test gemm_test"
  cmake -S "$root" -B "$build" -G Ninja -D CMAKE_BUILD_TYPE=Release -D TTS_EMULATOR=ON -D TTS_KERNEL_COVERAGE=ON >/dev/null
  # shellcheck disable=SC2086
  cmake --build "$build" --target $tests
  find "$build" -name '*.gcda' -delete
  for test in $tests; do "$build/bin/$test"; done
fi
# gcov writes one record per source line and instance: a line counts as executed when any instance of it was.
cd "$build"
find . -name '*.cu.gcda' -exec gcov --stdout {} + | awk '
  /^ *-: *0:Source:/ { file = $0; sub(/.*Source:/, "", file); sub(/.*kernels\/cuda\//, "kernels/cuda/", file); next }
  file ~ /^kernels\/cuda\// {
    split($0, field, ":"); count = field[1]; line = field[2]; gsub(/ /, "", count); gsub(/ /, "", line)
    if (count == "-" || line == 0) next
    key = file ":" line; seen[key] = 1
    if (count !~ /^[#=]/) run[key] = 1
  }
  END {
    for (key in seen) { all++; split(key, part, ":"); total[part[1]]++; if (key in run) { done++; hit[part[1]]++ } else missed[key] = 1 }
    if (all == 0) { print "no line was found"; exit 1 }
    for (file in total) printf "%6.1f %%  %4d of %4d  %s\n", 100 * hit[file] / total[file], hit[file], total[file], file
    for (key in missed) print "not executed: " key | "sort -V"
    close("sort -V")
    printf "%6.1f %%  %4d of %4d lines of kernels executed, wanted 95\n", 100 * done / all, done, all
    exit done / all < 0.95
  }'
