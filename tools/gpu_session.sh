#!/usr/bin/env bash
# Everything that needs a GPU, unattended: tools/gpu_session.sh --part 1|2|3 [--out DIR]. Each part ends within 9 minutes,
# leaves at most 8 files in DIR and prints its most important figures last. What could not run is "not run", never "passed".
#
#   part 1   what the machine is; unit tests, goldens, equalities on the device; compute-sanitizer on a tiny model
#   part 2   ops table (GB/s, percent of peak); end to end on random 0.6B and 1.7B checkpoints made there
#   part 3   one ablation after the other; ncu and nsys profiles of one frame
#
# The machine may have nothing but a driver and the CUDA tools. On an ordinary machine with nvcc,
#   tools/gpu_session.sh --pack [ARCHITECTURE]
# builds the programs and puts what must be carried into build/gpu_pack/ (at most 60 MiB): carry that folder, run the same script.
set -u
root=$(cd "$(dirname "$0")/.." && pwd)
pack=$root/build/gpu_pack
out=${OUT:-$root/build/gpu_results}
part=
architecture=90
packing=

while [ $# -gt 0 ]; do
  case $1 in
    --part) part=$2; shift 2 ;;
    --out) out=$2; shift 2 ;;
    --pack) packing=1; shift; case ${1:-} in [0-9]*) architecture=$1; shift ;; esac ;;
    *) sed -n '2,12s/^# \{0,1\}//p' "$0"; exit 2 ;;
  esac
done

# ---- packing ---------------------------------------------------------------------------------------------------------------

programs="kernels_test golden_test session_test frame_test codec_test encoder_ops_test tts-gen tts-bench tts-serve"

make_pack() {
  local build=$root/build/cuda-pack
  cmake -S "$root" -B "$build" -D CMAKE_BUILD_TYPE=Release -D TTS_CUDA=ON -D TTS_EMULATOR=OFF \
    -D CMAKE_CUDA_ARCHITECTURES="$architecture" -D CMAKE_EXE_LINKER_FLAGS="-static-libstdc++ -static-libgcc" || exit 1
  cmake --build "$build" -j"$(nproc)" || exit 1
  rm -rf "$pack" && mkdir -p "$pack/bin" "$pack/lib" "$pack/tests" || exit 1
  for program in $programs; do
    if [ -x "$build/bin/$program" ]; then cp "$build/bin/$program" "$pack/bin/" && strip "$pack/bin/$program"; fi
  done
  # Libraries that a bare machine lacks travel along; the C library and the driver's stay behind.
  for program in "$pack"/bin/*; do ldd "$program"; done | awk '$3 ~ /^\// {print $3}' | sort -u |
    grep -Ev '/(libc|libm|libpthread|libdl|librt|libcuda)\.so' | while read -r library; do cp -L "$library" "$pack/lib/"; done
  cp -r "$root/tests/goldens" "$pack/tests/"
  cp "$0" "$pack/gpu_session.sh"
  local mebibytes
  mebibytes=$(du -sm "$pack" | cut -f1)
  echo "$pack: $mebibytes MiB of at most 60"
  [ "$mebibytes" -le 60 ] || { echo "too large to carry" >&2; exit 1; }
}

if [ -n "$packing" ]; then make_pack; exit 0; fi
case $part in 1 | 2 | 3) ;; *) sed -n '2,12s/^# \{0,1\}//p' "$0"; exit 2 ;; esac

# ---- running ---------------------------------------------------------------------------------------------------------------

home=$pack
[ -d "$root/bin" ] && home=$root                                  # called inside of the pack
[ -d "$(dirname "$0")/bin" ] && home=$(cd "$(dirname "$0")" && pwd)
export PATH="$home/bin:$PATH" LD_LIBRARY_PATH="$home/lib:${LD_LIBRARY_PATH:-}"
goldens=$home/tests/goldens
tiny=$goldens/models/tiny-custom-voice
mkdir -p "$out"
log=$out/part$part.log
table=$out/part$part.txt
: >"$log"
: >"$table"
end=$((SECONDS + 530))

note() { printf '%-52s %s\n' "$1" "$2" | tee -a "$table"; }

# step NAME SECONDS COMMAND...: "passed", "FAILED (status)" or "not run (why)" in the table, all output in the log.
step() {
  local name=$1 limit=$2 status
  shift 2
  if ! command -v "$1" >/dev/null; then note "$name" "not run ($1 is not here)"; return 1; fi
  if [ $((end - SECONDS)) -lt 10 ]; then note "$name" "not run (no time left)"; return 1; fi
  [ "$limit" -gt $((end - SECONDS)) ] && limit=$((end - SECONDS))
  printf '\n==== %s: %s\n' "$name" "$*" >>"$log"
  timeout "$limit" "$@" >>"$log" 2>&1
  status=$?
  if [ $status -eq 0 ]; then note "$name" passed
  elif [ $status -eq 124 ]; then note "$name" "FAILED (over $limit s)"
  else note "$name" "FAILED ($status)"; fi
  return $status
}

describe() {
  { nvidia-smi --query-gpu=name,driver_version,memory.total,memory.free,compute_cap --format=csv; nvcc --version; } >>"$log" 2>&1
  nvidia-smi --query-gpu=name,driver_version --format=csv,noheader 2>/dev/null | head -1 | sed 's/^/GPU: /' | tee -a "$table"
}

# A checkpoint with the published shapes and random weights; 0 when it is there.
checkpoint() {
  [ -f "$2/config.json" ] || step "random $1 checkpoint" 120 tts-bench checkpoint --size "$1" --out "$2"
}

part_1() {
  local tool
  step "unit tests of the operations" 120 kernels_test
  step "operations of the encoders" 30 encoder_ops_test
  step "goldens" 120 golden_test --device cuda "$goldens"
  step "equalities and counters" 120 session_test
  step "codec" 60 codec_test
  for tool in memcheck racecheck initcheck synccheck; do
    step "compute-sanitizer $tool" 60 compute-sanitizer --tool "$tool" --error-exitcode 9 \
      tts-gen --device cuda -m "$tiny" --seed 7 --max-new-tokens 4 'Hi.' -o "/tmp/$tool.wav"
  done
}

part_2() {
  local size quant
  step "ops table" 150 tts-bench ops --device cuda --json "$out/ops.jsonl"
  for size in 0.6B 1.7B; do
    checkpoint $size /tmp/random-$size || { note "end to end $size" "not run (no checkpoint)"; continue; }
    for quant in none int8; do
      step "end to end $size, $quant" 80 tts-bench speech --device cuda --model /tmp/random-$size --quant $quant \
        --frames 500 --json "$out/speech-$size-$quant.jsonl"
    done
  done
}

part_3() {
  local name names
  checkpoint 0.6B /tmp/random-0.6B || { note "ablations and profiles" "not run (no checkpoint)"; return; }
  names="run_ahead cuda_graphs persistent_predictor parallel_predictor"
  step "nothing switched off" 40 tts-bench speech --device cuda --model /tmp/random-0.6B --frames 200 --json "$out/ablations.jsonl"
  for name in $names; do
    step "without $name" 40 tts-bench speech --device cuda --model /tmp/random-0.6B --frames 200 --ablate "$name" \
      --json "$out/ablations.jsonl"
  done
  step "ncu" 150 ncu --clock-control none --set basic --launch-skip 600 --launch-count 60 --export "$out/frame" --force-overwrite \
    tts-bench speech --device cuda --model /tmp/random-0.6B --frames 8 --ablate cuda_graphs
  step "nsys" 60 nsys profile --output "$out/speech" --force-overwrite true \
    tts-bench speech --device cuda --model /tmp/random-0.6B --frames 20 ||
    step "our own trace" 40 tts-bench speech --device cuda --model /tmp/random-0.6B --frames 20 --trace "$out/trace.json"
}

describe
"part_$part"
echo "---- part $part"
cat "$table"
grep -q ' passed$' "$table" && ! grep -q FAILED "$table"  # nothing that ran is no success
