#!/usr/bin/env bash
# book.sh [SENTENCES] [TTS-GEN [MODEL [KIB]]]: a book of generated sentences (2,200, about 100 pages) is spoken once without
# a stop, and once with --job and three SIGKILLs on the way: the same samples, no finished chunk spoken twice. The memory
# of the first run is sampled along the way; over its chunks it must not grow by 1 KiB each (a short excerpt: by KIB, 1024,
# in all, as pages come and go).
set -euo pipefail
cd "$(dirname "$0")/.."
sentences=${1:-2200}
gen=${2:-build/release/bin/tts-gen}
model=${3:-tests/goldens/models/tiny-custom-voice}
most_kib=${4:-1024}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# A hundred pages hold some 30,000 words: sentences of 5 to 22 words, paragraphs of 4 to 9 sentences.
awk -v n="$sentences" 'BEGIN {
  srand(7)
  m = split("the old house river morning light and a child walked slowly under bright trees while nobody listened to " \
            "distant music from another town where people kept their doors open all night because they trusted every " \
            "stranger who came along with stories about ships storms and quiet islands", word, " ")
  for (left = 3; n-- > 0;) {
    count = 5 + int(18 * rand()); line = ""
    for (i = 0; i < count; ++i) line = line (i ? " " : "") word[1 + int(m * rand())] (i && i + 1 < count && rand() < 0.08 ? "," : "")
    printf "%s%s. ", toupper(substr(line, 1, 1)), substr(line, 2)
    if (left-- == 0) { printf "\n\n"; left = 3 + int(6 * rand()) }
  }
}' >"$work/book.txt"
options=(-q -m "$model" --device cpu -j 1 --seed 7 --split sentence --max-new-tokens 8 -f "$work/book.txt")
resident() { awk '/^VmRSS/ {print $2}' "/proc/$1/status" 2>/dev/null || true; }
chunks() { find "$1/chunks" -name '*.safetensors' 2>/dev/null | wc -l; }

# Memory against chunks, until the process ends (exit 6: --max-new-tokens ended some chunks).
"$gen" "${options[@]}" --job "$work/first" --subtitles "$work/first.srt" -o "$work/first.wav" &
process=$!
while kill -0 $process 2>/dev/null; do
  memory=$(resident $process)
  [ -z "$memory" ] || echo "$(chunks "$work/first") $memory" >>"$work/memory"
  sleep 0.05
done
code=0; wait $process || code=$?
[ $code = 0 ] || [ $code = 6 ] || { echo "book: exit $code"; exit 1; }
total=$(chunks "$work/first")
# Least squares over the samples behind the first tenth, where buffers find their size.
slope=$(awk -v from=$((total / 10)) '$1 >= from {n++; x += $1; y += $2; xx += $1 * $1; xy += $1 * $2; if (!low || $2 < low) low = $2; if ($2 > high) high = $2}
  END {d = n * xx - x * x; if (n < 3 || d <= 0) {print "none", n, low, high; exit} printf "%.3f %d %d %d", (n * xy - x * y) / d, n, low, high}' "$work/memory")
echo "book: $(wc -w <"$work/book.txt") words, $total chunks; resident memory: KiB per chunk, samples, least, most: $slope"

for part in 1 2 3; do
  "$gen" "${options[@]}" --job "$work/second" -o "$work/second.wav" &
  process=$!
  while kill -0 $process 2>/dev/null && [ "$(chunks "$work/second")" -lt $((part * total / 4)) ]; do sleep 0.01; done
  kill -KILL $process || true
  wait $process 2>/dev/null || true
  [ ! -e "$work/second.wav" ] || { echo "book: a killed run left a file"; exit 1; }
  find "$work/second/chunks" -name '*.safetensors' -printf '%f %T@\n' | sort >"$work/kept.$part"
  echo "book: killed with $(wc -l <"$work/kept.$part") chunks kept"
done
code=0; "$gen" "${options[@]}" --job "$work/second" --subtitles "$work/second.srt" -o "$work/second.wav" || code=$?
[ $code = 0 ] || [ $code = 6 ] || { echo "book: exit $code"; exit 1; }
find "$work/second/chunks" -name '*.safetensors' -printf '%f %T@\n' | sort >"$work/kept.end"
for part in 1 2 3; do
  [ -z "$(comm -23 "$work/kept.$part" "$work/kept.end")" ] || { echo "book: a finished chunk was spoken again"; exit 1; }
done
cmp "$work/first.wav" "$work/second.wav"
cmp "$work/first.srt" "$work/second.srt"
echo "book: three kills, the same $(stat -c %s "$work/first.wav") bytes and subtitles"
read -r per_chunk _ least most <<<"$slope"
if [ "$total" -ge 1000 ]; then flat='per_chunk != "none" && per_chunk < 1'; else flat="most > 0 && most - least < $most_kib"; fi
awk -v per_chunk="$per_chunk" -v least="${least:-0}" -v most="${most:-0}" "BEGIN {exit !($flat)}" ||
  { echo "book: memory grows"; exit 1; }
