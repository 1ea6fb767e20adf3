#!/usr/bin/env bash
# kernel_table.sh [ARCHITECTURE]: registers, static shared memory, stack frame and spills of every kernel as nvcc reports them,
# one line per kernel, variants as ranges: the table of docs/kernels.md. Exit 1 when a kernel spills. Minutes of one processor.
set -euo pipefail
cd "$(dirname "$0")/.."
architecture=${1:-90}
nvcc=$(command -v nvcc || echo /usr/local/cuda/bin/nvcc)
report=$(mktemp)
trap 'rm -f "$report"' EXIT
for file in kernels/cuda/*.cu; do
  "$nvcc" -std=c++20 -O3 -DNDEBUG --fmad=false -arch="sm_$architecture" -DTTS_CUDA -I. -Iengine -Xptxas -v -cubin -o /dev/null \
    "$file" 2>&1 | c++filt | sed "s|^|$(basename "$file") |" >>"$report" || { tail -20 "$report" >&2; exit 2; }
done
echo "| file | kernel | variants | registers | stack frame | spilled bytes |"
echo "|---|---|---:|---:|---:|---:|"
awk '
  /Compiling entry function/ { name = $0; sub(/.*entry function .[^a-z]*/, "", name); if (match(name, /[a-z_]+_kernel/)) name = substr(name, RSTART, RLENGTH); file = $1 }
  /bytes stack frame/ { stack = $0; sub(/ bytes stack frame.*/, "", stack); sub(/.* /, "", stack)
                        spill = $0; sub(/ bytes spill stores.*/, "", spill); sub(/.* /, "", spill) }
  /Used [0-9]+ registers/ {
    registers = $0; sub(/ registers.*/, "", registers); sub(/.* /, "", registers)
    key = file " | " name
    if (!(key in count)) { order[++n] = key; low[key] = high[key] = registers + 0 }
    count[key]++
    if (registers + 0 < low[key]) low[key] = registers + 0
    if (registers + 0 > high[key]) high[key] = registers + 0
    if (stack + 0 > frame[key]) frame[key] = stack + 0
    if (spill + 0 > spilled[key]) spilled[key] = spill + 0
  }
  END {
    for (i = 1; i <= n; ++i) {
      k = order[i]
      printf "| %s | %d | %s | %d | %d |\n", k, count[k], low[k] == high[k] ? low[k] : low[k] " to " high[k], frame[k], spilled[k]
      if (spilled[k] > 0) bad = 1
    }
    exit bad || n == 0
  }' "$report"
