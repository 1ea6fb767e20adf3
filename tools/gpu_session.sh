#!/usr/bin/env bash
# Everything that needs a GPU, unattended: tools/gpu_session.sh --part 1|2|3 [--out DIR]. Each part is complete in itself, ends
# within 9 minutes, leaves at most 8 files in DIR and prints its most important figures last.
#
#   part 1   what the machine is; unit tests, goldens, equalities on the device; compute-sanitizer on a tiny model
#   part 2   end to end on random 0.6B and 1.7B checkpoints made there; ops table (GB/s, percent of peak)
#   part 3   one ablation after the other, as lines for the journal; ncu and nsys profiles, else our own trace
#
# The machine may have nothing but a driver and the CUDA toolkit. On an ordinary machine with nvcc,
#   tools/gpu_session.sh --pack [ARCHITECTURE]
# builds the programs and puts them with all that they need into build/gpu_pack/ (at most 60 MiB): carry that folder, run the
# script in it. Exit 0: everything that could run passed; 1: something failed; 4: there is no GPU that can be used, nothing ran.
set -u
here=$(cd "$(dirname "$0")" && pwd)
out=${OUT:-gpu_results}
part=
architecture=90
packing=

usage() { sed -n '2,13s/^# \{0,1\}//p' "$here/gpu_session.sh"; exit 2; }
while [ $# -gt 0 ]; do
  case $1 in
    --part) part=${2:-}; shift 2 || usage ;;
    --out) out=${2:-}; shift 2 || usage ;;
    --pack) packing=1; shift; case ${1:-} in [0-9]*) architecture=$1; shift ;; esac ;;
    *) usage ;;
  esac
done

# ---- packing ---------------------------------------------------------------------------------------------------------------

programs="kernels_test encoder_ops_test sampling_test device_test device_plan_test gemm_test frame_test session_test golden_test
  tts-gen tts-bench"

make_pack() {
  local root build pack stage program mebibytes
  root=$(cd "$here/.." && pwd) build=$root/build/cuda-pack pack=$root/build/gpu_pack stage=$root/build/gpu_pack.stage
  local generator=()
  [ -f "$build/CMakeCache.txt" ] || generator=(-G Ninja)
  cmake -S "$root" -B "$build" "${generator[@]}" -D CMAKE_BUILD_TYPE=Release -D TTS_CUDA=ON -D TTS_EMULATOR=OFF \
    -D TTS_EMBED_VOICE=OFF -D TTS_TESTED_SOURCE=. -D CMAKE_CUDA_ARCHITECTURES="$architecture" \
    -D CMAKE_BUILD_RPATH='$ORIGIN/../lib' \
    -D CMAKE_EXE_LINKER_FLAGS="-static-libstdc++ -static-libgcc -Wl,--disable-new-dtags" || exit 1
  # shellcheck disable=SC2086
  cmake --build "$build" --parallel "$(nproc)" --target $programs || exit 1
  rm -rf "$pack" "$stage"
  mkdir -p "$pack" "$stage/bin" "$stage/lib" "$stage/tests" || exit 1
  for program in $programs; do cp "$build/bin/$program" "$stage/bin/" && strip "$stage/bin/$program" || exit 1; done
  # Libraries that a bare machine lacks travel along; the C library and the driver's stay behind.
  for program in "$stage"/bin/*; do ldd "$program"; done | awk '$3 ~ /^\// {print $3}' | sort -u |
    grep -Ev '/(libc|libm|libpthread|libdl|librt|libcuda)\.so' | while read -r library; do cp -L "$library" "$stage/lib/"; done
  cp -r "$root/tests/goldens" "$stage/tests/"
  # Every program holds the same kernels: a dictionary larger than a program stores them once.
  tar -C "$stage" -cf - . | xz --lzma2=preset=3,dict=64MiB >"$pack/programs.tar.xz" && cp "$here/gpu_session.sh" "$pack/" || exit 1
  rm -rf "$stage"
  mebibytes=$(du -sm "$pack" | cut -f1)
  echo "$pack: $mebibytes MiB of at most 60, for compute capability $architecture"
  [ "$mebibytes" -le 60 ] || { echo "too large to carry" >&2; exit 1; }
}

if [ -n "$packing" ]; then make_pack; exit 0; fi
case $part in 1 | 2 | 3) ;; *) usage ;; esac

# ---- running ---------------------------------------------------------------------------------------------------------------

end=$((SECONDS + 520))
mkdir -p "$out" && out=$(cd "$out" && pwd) || exit 1
log=$out/part$part.log
table=$out/part$part.txt
: >"$log"
: >"$table"
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

for programs_at in "$here/programs.tar.xz" "$here/../build/gpu_pack/programs.tar.xz"; do
  [ -f "$programs_at" ] && break
done
cd "$work" || exit 1
tar -xJf "$programs_at" 2>/dev/null || cmake -E tar xf "$programs_at" ||
  { echo "no programs.tar.xz: run --pack on a machine with nvcc and carry build/gpu_pack" >&2; exit 1; }
export PATH="$work/bin:$PATH:/usr/local/cuda/bin"
export TTS_EXPECT_GPU=1
goldens=tests/goldens
tiny=$goldens/models/tiny-custom-voice

note() { printf '%-58s %s\n' "$1" "$2" | tee -a "$table"; }

# step NAME SECONDS COMMAND...: "passed", "FAILED (status)" or "not run (why)" in the table, all output in the log.
step() {
  local name=$1 limit=$2 status
  shift 2
  if ! command -v "$1" >/dev/null; then note "$name" "not run ($1 is not here)"; return 1; fi
  if [ $((end - SECONDS)) -lt 10 ]; then note "$name" "not run (no time left)"; return 1; fi
  [ "$limit" -gt $((end - SECONDS)) ] && limit=$((end - SECONDS))
  printf '\n==== %s: %s\n' "$name" "$*" >>"$log"
  timeout -k 5 "$limit" "$@" >"$work/stdout" 2>>"$log"
  status=$?
  cat "$work/stdout" >>"$log"
  if [ $status -eq 0 ]; then note "$name" passed
  elif [ $status -eq 124 ] || [ $status -eq 137 ]; then note "$name" "FAILED (over $limit s)"
  else note "$name" "FAILED ($status)"; fi
  return $status
}
# The same; standard output is appended to a result file too.
record() {
  local file=$1 status
  shift
  step "$@"
  status=$?
  [ $status -eq 0 ] && cat "$work/stdout" >>"$out/$file"
  return $status
}

# field FILE NAME: its last value in a file of JSON lines
field() { grep -o "\"$2\":[0-9.e+-]*" "$1" 2>/dev/null | tail -1 | cut -d: -f2; }

figures() {  # WHAT FILE, of its last line: frames after the prompt, the codec beside them
  local frames total prefill
  frames=$(field "$2" frames) total=$(field "$2" total_ms) prefill=$(field "$2" prefill_ms)
  [ -n "$frames" ] || return
  note "$1: ms per frame, everything" "$(awk -v t="$total" -v p="$prefill" -v f="$frames" 'BEGIN {printf "%.3f", (t - p) / f}')"
  note "$1: first PCM, ms" "$(field "$2" ttfa_ms)"
  note "$1: launches, syncs per frame; predictor passes" \
    "$(field "$2" launches_per_frame), $(field "$2" syncs_per_frame); $(field "$2" predictor_passes)"
}

# A checkpoint with the published shapes and random weights.
checkpoint() {
  [ -f "$work/random-$1/config.json" ] ||
    step "random $1 checkpoint" 120 tts-bench checkpoint --size "$1" --tokenizer "$tiny" "$work/random-$1"
}

speech() { tts-bench --device cuda --label medium --json "$@"; }
export -f speech

part_1() {
  local tool
  step "operations against the reference" 100 kernels_test
  step "operations of the encoders" 30 encoder_ops_test
  step "sampling" 40 sampling_test
  step "the device: graphs, streams, progress" 30 device_test
  step "library prefill" 30 gemm_test
  step "memory plan" 20 device_plan_test
  step "persistent against composed predictor" 40 frame_test
  step "equalities and counters" 100 session_test
  step "goldens" 90 golden_test --device cuda "$goldens"
  for tool in memcheck racecheck initcheck synccheck; do
    step "compute-sanitizer $tool" 50 compute-sanitizer --tool "$tool" --error-exitcode 9 \
      tts-gen --device cuda -m "$tiny" --seed 7 --max-new-tokens 4 'Hi.' -o "$work/$tool.wav"
  done
}

part_2() {
  local size quant
  for size in 0.6b 1.7b; do
    checkpoint $size || { note "end to end $size" "not run (no checkpoint)"; continue; }
    for quant in none int8; do
      record speech.jsonl "end to end $size, quant $quant" 60 \
        bash -c "speech -m $work/random-$size --quant $quant --frames 250 --repeats 3" && figures "$size $quant" "$out/speech.jsonl"
    done
  done
  record ops.txt "ops table" 150 tts-bench ops --device cuda --seconds 0.1
  tail -45 "$out/ops.txt" 2>/dev/null | cut -c1-130
}

part_3() {
  local name
  checkpoint 0.6b || { note "ablations and profiles" "not run (no checkpoint)"; return; }
  record ablations.jsonl "nothing switched off" 40 bash -c "speech -m $work/random-0.6b --frames 150 --repeats 2" &&
    figures "all on" "$out/ablations.jsonl"
  for name in run_ahead cuda_graphs persistent_predictor parallel_predictor library_prefill early_launch codec_overlap; do
    record ablations.jsonl "without $name" 40 \
      bash -c "speech -m $work/random-0.6b --frames 150 --repeats 2 --ablate $name" && figures "without $name" "$out/ablations.jsonl"
  done
  record ablations.jsonl "codec in tf32" 40 \
    bash -c "speech -m $work/random-0.6b --frames 150 --repeats 2 --codec-dtype tf32" && figures "codec in tf32" "$out/ablations.jsonl"
  step "ncu" 120 ncu --clock-control none --set basic --launch-skip 400 --launch-count 60 --export "$out/frame" \
    --force-overwrite tts-bench --device cuda -m "$work/random-0.6b" --label short --frames 8 --repeats 1 --ablate cuda_graphs
  step "nsys" 60 nsys profile --output "$out/speech" --force-overwrite true \
    tts-bench --device cuda -m "$work/random-0.6b" --label short --frames 20 --repeats 1 ||
    step "our own trace" 40 tts-gen --device cuda -m "$work/random-0.6b" --seed 1 --max-new-tokens 60 --guard off 'Hello there.' \
      --trace "$out/trace.json" -o "$work/a.wav"
}

describe() {
  { nvidia-smi --query-gpu=name,driver_version,memory.total,memory.free,compute_cap --format=csv; nvcc --version
    tts-gen doctor; } >>"$log" 2>&1
  note "GPU" "$(nvidia-smi --query-gpu=name,driver_version --format=csv,noheader 2>/dev/null | head -1)"
}

echo "part $part"
why=$(tts-gen --print-config --device cuda -m "$tiny" 2>&1 >/dev/null)
status=$?
if [ $status -ne 0 ]; then
  note "part $part" "not run ($why)"
  if [ $status -eq 4 ]; then exit 4; fi
  exit 1
fi
describe
"part_$part"
echo "---- part $part, $((SECONDS)) s"
grep -E 'not run|FAILED' "$table" || echo "nothing failed, nothing was left out"
grep -E ' [0-9.]+(, .*)?$' "$table"
grep -q ' passed$' "$table" && ! grep -q FAILED "$table"  # nothing that ran is no success
