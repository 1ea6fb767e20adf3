#!/usr/bin/env bash
# kernel_table.sh [ARCHITECTURE [FILE.cu ...]]: registers, stack frame and spills of every kernel as nvcc reports them, one line per
# kernel, variants as ranges: the table of docs/kernels.md. Exit 1 when a kernel spills. Two files at a time, the slowest first.
set -euo pipefail
cd "$(dirname "$0")/.."
architecture=${1:-90}
shift || true
[ $# -gt 0 ] || set -- kernels/cuda/matvec.cu kernels/cuda/frame.cu kernels/cuda/*.cu
nvcc=$(command -v nvcc || echo /usr/local/cuda/bin/nvcc)
reports=$(mktemp -d)
trap 'rm -rf "$reports"' EXIT
export nvcc architecture reports
report() {
  local name
  name=$(basename "$1")
  "$nvcc" -std=c++20 -O3 -DNDEBUG --fmad=false -arch="sm_$architecture" -DTTS_CUDA -I. -Iengine -Xptxas -v -cubin -o /dev/null \
    "$1" >"$reports/$name.log" 2>&1 || { tail -20 "$reports/$name.log" >&2; return 1; }
  c++filt <"$reports/$name.log" | sed "s|^|$name |" >"$reports/$name.txt"
}
export -f report
printf '%s\n' "$@" | awk '!seen[$0]++' | xargs -P 2 -I{} bash -c 'report {}' || exit 2
echo "| file | kernel | variants | registers | stack frame | spilled bytes |"
echo "|---|---|---:|---:|---:|---:|"
awk '
  /Compiling entry function/ {
    name = $0; sub(/.*entry function .[^a-z]*/, "", name)
    if (match(name, /[a-z0-9_]+_kernel/)) name = substr(name, RSTART, RLENGTH)
    key = $1 " | " name
  }
  /bytes stack frame/ {  # of the kernel itself, then of the functions that were not inlined
    stack = $0; sub(/ bytes stack frame.*/, "", stack); sub(/.* /, "", stack)
    spill = $0; sub(/ bytes spill stores.*/, "", spill); sub(/.* /, "", spill)
    if (stack + 0 > frame[key]) frame[key] = stack + 0
    if (spill + 0 > spilled[key]) spilled[key] = spill + 0
  }
  /Used [0-9]+ registers/ {
    registers = $0; sub(/ registers.*/, "", registers); sub(/.* /, "", registers)
    if (!(key in count)) { order[++n] = key; low[key] = high[key] = registers + 0 }
    count[key]++
    if (registers + 0 < low[key]) low[key] = registers + 0
    if (registers + 0 > high[key]) high[key] = registers + 0
  }
  END {
    for (i = 1; i <= n; ++i) {
      k = order[i]
      printf "| %s | %d | %s | %d | %d |\n", k, count[k], low[k] == high[k] ? low[k] : low[k] " to " high[k], frame[k], spilled[k]
      if (spilled[k] > 0) bad = 1
    }
    exit bad || n == 0
  }' "$reports"/*.txt
