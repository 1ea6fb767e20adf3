#!/usr/bin/env bash
# fuzz.sh SECONDS [TARGET...]: builds the fuzz targets with clang (libFuzzer, address and undefined behaviour sanitizers)
# and runs each for SECONDS, one after the other. New inputs are kept in build/fuzz/corpus; a finding stops the run and
# leaves its input in build/fuzz/findings.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:?usage: tools/fuzz.sh SECONDS [TARGET...]}
shift
if [ $# -eq 0 ]; then
  for source in tests/fuzz_*.cpp; do
    name=$(basename "$source" .cpp)
    [ "$name" = fuzz_main ] || set -- "$@" "${name#fuzz_}"
  done
fi
mkdir -p build
cmake -S . -B build/fuzz -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++ \
  -DTTS_FUZZ=ON -DTTS_EMULATOR=OFF -DTTS_SANITIZE=fuzzer-no-link,address,undefined >build/fuzz.configure.log 2>&1 ||
  { cat build/fuzz.configure.log; exit 1; }
for target in "$@"; do cmake --build build/fuzz --parallel 2 --target "fuzz_$target"; done
mkdir -p build/fuzz/findings
status=0
for target in "$@"; do
  mkdir -p "build/fuzz/corpus/$target"
  log=build/fuzz/$target.log
  if build/fuzz/bin/fuzz_"$target" -max_total_time="$seconds" -max_len=65536 -timeout=10 -rss_limit_mb=2048 \
    -artifact_prefix="build/fuzz/findings/$target-" -print_final_stats=1 \
    "build/fuzz/corpus/$target" "tests/data/corpus/$target" >"$log" 2>&1; then
    echo "$target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") executions, nothing found"
  else
    echo "$target: FINDING, see $log"
    status=1
  fi
done
exit $status
