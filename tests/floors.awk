# The rules of the source tree, line by line; prints "FILE:LINE: rule: what" for each violation. Called by floors.cmake
# with paths relative to the source tree. Plain awk: no intervals in expressions, no functions of one implementation.

function report(rule, what) { print FILENAME ":" FNR ": " rule ": " what; bad = 1 }

function floor_of(path) {
  if (path ~ /^(engine\/)?base\//) return 0
  if (path ~ /^kernels\//) return 1
  if (path ~ /^(codec|tokenizer)\//) return 2
  if (path ~ /^engine\//) return 3
  if (path ~ /^(tools|perf_journal)\//) return 4
  return 5
}

# Without comments and the contents of strings.
function code_of(line) {
  gsub(/\\./, "", line)
  gsub(/"[^"]*"/, "\"\"", line)
  sub(/\/\/.*/, "", line)
  return line
}

function check_include(line,    to, from, device, own) {
  if (line ~ /^#include "/) {
    to = line; sub(/^#include "/, "", to); sub(/".*/, "", to)
    from = floor_of(FILENAME)
    if (from == 5) return
    if (floor_of(to) == 5 && to ~ /\//) report("include", to " belongs to no floor")
    else if (floor_of(to) < 5 && floor_of(to) > from) report("include", to " is a floor above")
    if (FILENAME ~ /^codec\// && to ~ /^tokenizer\// || FILENAME ~ /^tokenizer\// && to ~ /^codec\//)
      report("include", to " is beside, not below")
    if (to ~ /^kernels\/(cpu|cuda|reference|emulator)\//) {
      device = to; sub(/^kernels\//, "", device); sub(/\/.*/, "", device)
      own = index(FILENAME, "kernels/" device "/") == 1 || FILENAME ~ /^kernels\/[a-z_]+\.(h|cpp)$/ ||
            (device == "emulator" && FILENAME ~ /^kernels\/cuda\//)
      if (!own)
        report("include", to " is a device's own; kernels/devices.h knows them all")
    }
    if (to == "kernels/cases.h" && FILENAME !~ /^(kernels\/|tools\/(tts_)?bench)/)
      report("include", to " is for the tests and tts-bench")
    includes++
  } else if (line ~ /^#include </) {
    to = line; sub(/^#include </, "", to); sub(/>.*/, "", to)
    includes++
    if (to ~ /^(cuda|cublas|nv)/ && FILENAME !~ /^kernels\/(cuda|emulator)\// && to !~ /^nvtx3\//)
      report("include", "a CUDA header above kernels/cuda/")
    if (to ~ /^(sndfile|soxr|pcre2|utf8proc|sentencepiece|nlohmann|nvtx3|opus|lame|mpg123|CLI)/ && FILENAME !~ /^tests\//) {
      sub(/[.\/_].*/, "", to)
      if (FILENAME !~ /\.cpp$/) report("third-party", to " in a header")
      if (!((to, FILENAME) in seen_in)) {
        seen_in[to, FILENAME] = 1
        users[to]++
        where[to] = where[to] " " FILENAME
      }
    }
  }
}

function check_words(line, code) {
  if (line ~ /(^|[^A-Za-z])(TODO|FIXME|XXX|HACK)([^A-Za-z]|$)/) report("words", "a to-do is an issue, not a line")
  # Numbers as words read dates: there they are data.
  if (line ~ /(^|[^0-9])20[0-9][0-9]-[01][0-9]/ && FILENAME !~ /\/(fuzz_)?number/) report("words", "a date")
  if (line ~ /[Ii]ssue #?[0-9]|\/\/.*[^&a-zA-Z0-9]#[0-9]/ && line !~ /(UAX|Annex|annex) #/) report("words", "an issue number")
  if (line ~ /(^|[^a-zA-Z0-9_.])\/(work|home|root|Users)\/[a-zA-Z]/) report("words", "a path of somebody's machine")
  if (code ~ /(^|[^a-zA-Z0-9_])virtual([^a-zA-Z0-9_]|$)/) report("words", "virtual: plain structs and templates here")
  if (code ~ /getenv *\(/ && FILENAME !~ /^(tools|tests)\//) report("words", "getenv: only tools/ reads the environment")
  if (code ~ /^ *# *(define|ifdef|if).*(TIMING|TIMER|PROFILE|BENCHMARK)/) report("words", "a timing macro")
  if (FILENAME ~ /\.cpp$/ && code ~ /^extern [^"]/ && code !~ /extern template/) report("words", "extern in a .cpp: declare it in a header")
  if (code ~ /^static / && code !~ /const|\(/ && FILENAME !~ /^tests\//) report("words", "a variable of the whole file")
  if (code ~ /(^|[^a-zA-Z0-9_])cuda[A-Z][A-Za-z0-9]* *\(/ && code !~ /cuda_(call|status) *\(|cudaGetError(Name|String)\(/ && FILENAME ~ /^(kernels\/cuda|engine|codec|tools)\//)
    report("words", "a CUDA call outside cuda_call()")
  if (code ~ /constexpr [a-z_:0-9A-Z<> ]*k[A-Z][A-Za-z0-9]* = [-0-9]/) report("words", "constants are brace-initialised")
  if (FILENAME ~ /^tests\// && code ~ /(margin|epsilon|WithinAbs|WithinRel)\([^()]*[0-9]e-[0-9]|(margin|epsilon)\([0-9.]*[1-9]/)
    report("words", "a tolerance without a derivation")
  # Exempt: the values of the official configuration class where a file leaves them out, and the rate at which the
  # limit on clips counts.
  if (FILENAME ~ /^engine\// && FILENAME !~ /^engine\/(base\/limits\.h|codec_config\.cpp|reference_clip\.cpp)$/) {
    gsub(/'/, "", code)
    gsub(/0x[0-9a-fA-F]+/, "", code)
    gsub(/[0-9]*\.[0-9e]+/, "", code)
    if (code ~ /(^|[^a-zA-Z0-9_.])[1-9][0-9][0-9][0-9][0-9][0-9]?([^0-9.a-zA-Z]|$)/)
      report("words", "a number of five or six digits: dimensions and ids come from the checkpoint")
  }
}

# How many parameters the first parentheses of a declaration hold.
function parameters_of(code,    i, c, depth, angle, count, filled) {
  gsub(/->|operator\(\)|operator[<>=!]*/, "", code)
  for (i = index(code, "("); i <= length(code); ++i) {
    c = substr(code, i, 1)
    if (c ~ /[({\[]/) { if (depth++ == 0) continue }
    else if (c ~ /[)}\]]/) { if (--depth == 0) return count + filled }
    else if (c == "<") angle++
    else if (c == ">") angle--
    else if (c == "," && depth == 1 && angle == 0) count++
    if (c != " ") filled = 1
  }
  return 0
}

# Kernels and operations take more, and the layer, which is written like one.
function check_parameters(code,    count, most) {
  count = parameters_of(code)
  most = FILENAME ~ /^kernels\// || code ~ / decoder_layer\(/ ? 8 : 6
  if (count > most) report("parameters", count ", at most " most ": " substr(code, 1, 80))
}

# clang-format'ed code: a function starts at column 0 (or 2 inside a type) and ends with } in that column.
function check_functions(line, code,    indent) {
  if (begin) {
    if (!opened) signature = signature code
    if (begin_indent == 0 && line ~ /^}/ || begin_indent == 2 && line ~ /^  }/) {
      budget = name ~ /(^| )main\(/ ? 40 : FILENAME ~ /\.cu$/ ? 120 : 60
      if (opened && FNR - begin + 1 > budget) report("function", FNR - begin + 1 " lines, at most " budget ": " name)
      begin = 0
    } else if (!opened && code ~ /;[ ]*$/) {
      begin = 0
      check_parameters(signature)
    } else if (code ~ /{[ ]*$/) {
      if (!opened) check_parameters(signature)
      opened = 1
    }
    return
  }
  indent = line ~ /^  [A-Za-z]/ ? 2 : 0
  if (line !~ /^(  )?[A-Za-z]/ || code !~ /\(/ || code ~ /= {|^(namespace|struct|class|enum|union|using|concept|#)/) return
  if (FILENAME ~ /^tests\// && line ~ /^std::vector</) return  # tables of cases
  if (code ~ /^  (if|for|while|switch|return|do|else|case|asm)[^a-zA-Z0-9_]/) return
  if (code ~ /[;}][ ]*$/) { check_parameters(code); return }
  begin = FNR; begin_indent = indent; name = line; signature = code; opened = (code ~ /{[ ]*$/)
  if (opened) check_parameters(signature)
}

# Control statements inside each other, with braces or without.
function check_nesting(code,    i, c, control) {
  if (code ~ /^[^ ]/) levels = braces = bare = 0
  control = code ~ /^ *(} *)?(else )?(if|for|while|switch|do|try)([^a-zA-Z0-9_]|$)/
  gsub(/'[{}]'/, "", code)
  for (i = 1; i <= length(code); ++i) {
    c = substr(code, i, 1)
    if (c == "{") opened_by_control[++braces] = 0
    else if (c == "}" && braces > 0) levels -= opened_by_control[braces--]
  }
  if (control && levels + bare + 1 > 4) report("nesting", levels + bare + 1 ", at most 4")
  if (control && code ~ /{ *$/) { levels += opened_by_control[braces] = 1 + bare; bare = 0 }
  else if (control && code ~ /\) *$/) bare++
  else if (code ~ /[;}] *$/) bare = 0
}

/\/\/ clang-format off/ { drawn = 1 }
/\/\/ clang-format on/ { drawn = 0 }
FNR == 1 { drawn = 0; begin = 0; levels = braces = bare = 0; includes = 0; lines_of[FILENAME] = 0 }
{
  lines_of[FILENAME] = FNR
  code = code_of($0)
  if ($0 ~ /^#include/) check_include($0)
  check_words($0, code)
  check_functions($0, code)
  check_nesting(code)
  if ($0 ~ /[^ ]/) { floor = FILENAME; sub(/\/.*/, "", floor); written[floor]++; if ($0 ~ /(^|[^:"])\/\//) explained[floor]++ }
  characters = $0
  gsub(/[\200-\277]/, "", characters)
  if (length(characters) > columns && !drawn && FILENAME !~ /_(tables|words)\.cpp$/ && $0 !~ /https?:\/\/|R"[a-z]*\(/) {
    report("line", length(characters) " columns, at most " columns)
  }
  if (FNR == 501) report("file", "more than 500 lines")
  if (FILENAME ~ /\.h$/ && includes == 13 && $0 ~ /^#include/) report("include", "more than 12 includes in a header")
}

END {
  # Alone in their line or behind code; a tree of a few lines says nothing.
  for (floor in written)
    if (written[floor] > 100 && (explained[floor] < 0.04 * written[floor] || explained[floor] > 0.3 * written[floor])) {
      print floor ": comments: " explained[floor] + 0 " of " written[floor] " lines, expected 4 % to 30 %"; bad = 1
    }
  for (library in users)
    if (users[library] > 1) { print "third-party: " library " is included by" where[library] ": one file, behind our own words"; bad = 1 }
  exit bad
}
