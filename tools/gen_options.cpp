// One row per option: everything that parser, help, man page and completions say about it.
#include "tools/gen_options.h"

#include "base/limits.h"

#include <iterator>

namespace tts {

namespace {

constexpr CommandSet bit(GenCommand command) { return CommandSet{1} << static_cast<unsigned>(command); }
constexpr CommandSet kSpeak{bit(GenCommand::speak)};
constexpr CommandSet kDecode{bit(GenCommand::codec_decode)};
constexpr CommandSet kEncode{bit(GenCommand::codec_encode)};
constexpr CommandSet kClone{bit(GenCommand::clone)};
constexpr CommandSet kText{kSpeak | bit(GenCommand::tokens)};
constexpr CommandSet kAudio{kSpeak | kDecode};
constexpr CommandSet kModel{kAudio | kText | kEncode | kClone | bit(GenCommand::voices)};
constexpr CommandSet kOnDevice{kAudio | kEncode | kClone | bit(GenCommand::doctor)};
constexpr CommandSet kJson{kModel | bit(GenCommand::doctor) | bit(GenCommand::inspect)};
constexpr CommandSet kAll{(CommandSet{1} << static_cast<unsigned>(GenCommand::kCount)) - 1};

constexpr CommandRow kCommands[] = {
    {"", "[TEXT...]", "speaks the text", 0, INT32_MAX},
    {"doctor", "", "machine, devices, what 'auto' would take and why; every device tests itself", 0, 0},
    {"voices", "[FILE]",
     "what a checkpoint is, its speakers and languages, and which options it accepts; or "
     "what a saved voice holds",
     0, 1},
    {"inspect", "DIR", "configuration, tensor table, parameters, memory; refuses what loading would refuse",
     1, 1},
    {"tokens", "[TEXT...]", "ids and pieces of the text alone: no template, nothing stripped", 0, INT32_MAX},
    {"clone", "CLIP",
     "the voice of a clip into a file for --voice (-o NAME.ttsvoice), nothing spoken; base checkpoints", 1,
     1},
    {"codec encode", "CLIP",
     "audio of a WAV, FLAC, Ogg or MP3 file to codes (-o CODES.json or CODES.safetensors)", 1, 1},
    {"codec decode", "CODES", "codes of a .json or .safetensors file to audio; no text, no language model", 1,
     1},
};
static_assert(std::size(kCommands) == static_cast<size_t>(GenCommand::kCount));

constexpr double kLongestItem{656};  // seconds: the limit on frames of an item at 12.5 frames a second
constexpr double kLongestRun{1e6};   // seconds
constexpr int64_t kMostTokens{1 << 20};

// clang-format off
constexpr OptionRow kOptions[] = {
    // ---- text
    {.name = "text", .letter = 't', .kind = ArgKind::text, .value = "TEXT", .group = "Text",
     .commands = kText, .help = "the text, when it should not stand as plain words",
     .example = "--text 'Hello.' -o hello.wav"},
    {.name = "file", .letter = 'f', .kind = ArgKind::path, .value = "PATH|-", .group = "Text",
     .commands = kText, .help = "read the text from a file, or from standard input",
     .example = "--file story.txt -o story.wav"},
    {.name = "input", .kind = ArgKind::choice, .value = "KIND", .group = "Text", .commands = kText,
     .choices = "text|lines|jsonl|ssml",
     .help = "what the text is: one item; one item per line; one JSON object per line with the keys id, "
             "text, speaker, language, instruct, seed, output, ref_audio, ref_text, voice; a small part of SSML. "
             "Several items are written below --output-dir, or to --join",
     .example = "--input jsonl -f items.jsonl -d out"},
    {.name = "raw-control-tokens", .group = "Text", .commands = kText,
     .help = "the official behaviour: names of control tokens inside the text become control tokens",
     .example = "--raw-control-tokens 'Hello.' -o hello.wav"},
    {.name = "pretokenizer", .kind = ArgKind::choice, .value = "KIND", .group = "Text", .commands = kText,
     .choices = "standard|patched", .help = "the split expression of the tokenizer (standard)",
     .example = "tokens --pretokenizer patched -m DIR 'Hello.'"},
    {.name = "fail-fast", .group = "Text", .commands = kText,
     .help = "with several items: stop at the first that fails",
     .example = "--fail-fast --input lines -f lines.txt -d out"},

    // ---- text care: nothing of it unless asked for, but for the rules that a voice declares for itself
    {.name = "split", .kind = ArgKind::choice, .value = "MODE", .group = "Text care", .commands = kSpeak,
     .choices = "auto|sentence|paragraph|line|none",
     .help = "where a text is cut into chunks that are spoken one by one (auto: one chunk when it is in reach, else as many "
             "sentences as fit; with --subtitles: sentence)", .example = "--split sentence -f story.txt -o story.wav"},
    {.name = "gap-ms", .kind = ArgKind::integer, .value = "N", .group = "Text care", .commands = kSpeak,
     .least = 0, .most = 60'000, .help = "silence between chunks (250)",
     .example = "--gap-ms 400 --split sentence -f story.txt -o story.wav"},
    {.name = "paragraph-gap-ms", .kind = ArgKind::integer, .value = "N", .group = "Text care",
     .commands = kSpeak, .least = 0, .most = 60'000, .help = "silence between paragraphs (700)",
     .example = "--paragraph-gap-ms 1000 -f story.txt -o story.wav"},
    {.name = "join", .kind = ArgKind::path, .value = "FILE|-", .group = "Text care", .commands = kSpeak,
     .help = "one audio file of several items, in their order; the first item that fails ends it",
     .example = "--join play.wav --subtitles play.srt --input jsonl -f play.jsonl"},
    {.name = "carry", .group = "Text care", .commands = kSpeak,
     .help = "a cloned voice keeps its manner: each chunk (at most 20 s) is part of the reference of the next one",
     .example = "--carry --voice anna.ttsvoice -m DIR -f story.txt -o story.wav"},
    {.name = "job", .kind = ArgKind::path, .value = "DIR", .group = "Text care", .commands = kSpeak,
     .help = "keep every finished chunk in this directory (made when it does not exist): the same command continues after "
             "a crash or an edit, and speaks only what is missing or has changed",
     .example = "--job story.job -f story.txt -o story.wav"},
    {.name = "markup", .kind = ArgKind::choice, .value = "KIND", .group = "Text care", .commands = kSpeak,
     .choices = "none|pauses", .help = "pauses: '[pause 500ms]' in the text is silence",
     .example = "--markup pauses 'One. [pause 1s] Two.' -o count.wav"},
    {.name = "clean", .kind = ArgKind::text, .value = "KIND,...", .group = "Text care", .commands = kSpeak,
     .help = "leave out what is not speech: markdown, urls, emoji, code",
     .example = "--clean markdown,urls -f README.md -o readme.wav"},
    {.name = "numbers", .group = "Text care", .commands = kSpeak,
     .help = "write numbers, dates, times, currencies and units as words of the language",
     .example = "--numbers -l en 'It is 5 km.' -o distance.wav"},
    {.name = "lexicon", .kind = ArgKind::path, .value = "FILE", .group = "Text care", .commands = kSpeak,
     .help = "words and what to speak for them, separated by a tab (docs/formats.md)",
     .example = "--lexicon names.tsv 'Hello.' -o hello.wav"},
    {.name = "subtitles", .kind = ArgKind::path, .value = "FILE", .group = "Text care", .commands = kSpeak,
     .help = "write when each chunk is heard: .srt, .vtt or .json",
     .example = "--subtitles story.srt -f story.txt -o story.wav"},
    {.name = "print-chunks", .group = "Text care", .commands = kSpeak,
     .help = "print the chunks with tokens and estimated seconds, and speak nothing",
     .example = "--print-chunks -f story.txt"},

    // ---- model and voice
    {.name = "model", .letter = 'm', .kind = ArgKind::path, .value = "DIR", .group = "Model and voice",
     .commands = kModel,
     .help = "directory of the checkpoint, or 'embedded'; without it the environment variable TTS_MODEL, "
             "then the embedded voice", .example = "--model DIR 'Hello.' -o hello.wav"},
    {.name = "strict", .group = "Model and voice",
     .commands = kAll & ~bit(GenCommand::doctor) & ~bit(GenCommand::tokens),
     .help = "refuse a checkpoint with tensors that its type does not use",
     .example = "--strict -m DIR 'Hello.' -o hello.wav"},
    {.name = "speaker", .letter = 's', .kind = ArgKind::text, .value = "NAME|none",
     .group = "Model and voice", .commands = kSpeak,
     .help = "a speaker of the checkpoint (its first one), or none",
     .example = "--speaker NAME -m DIR 'Hello.' -o hello.wav"},
    {.name = "language", .letter = 'l', .kind = ArgKind::text, .value = "NAME|auto",
     .group = "Model and voice", .commands = kSpeak, .help = "name or ISO 639 code of the language (auto)",
     .example = "--language en 'Hello.' -o hello.wav"},
    {.name = "instruct", .letter = 'I', .kind = ArgKind::text, .value = "TEXT", .group = "Model and voice",
     .commands = kSpeak, .help = "how to speak, or for a VoiceDesign checkpoint, which voice",
     .example = "--instruct 'calm' -m DIR 'Hello.' -o hello.wav"},
    {.name = "text-mode", .kind = ArgKind::choice, .value = "MODE", .group = "Model and voice",
     .commands = kSpeak, .choices = "auto|upfront|stream",
     .help = "whether the model sees the whole text before it speaks (auto: as the checkpoint's type does)",
     .example = "--text-mode upfront 'Hello.' -o hello.wav"},

    {.name = "ref-audio", .kind = ArgKind::path, .value = "FILE", .group = "Voice cloning",
     .commands = kSpeak, .help = "speak in the voice of this clip (base checkpoints); 3 to 10 s are enough",
     .example = "--ref-audio clip.wav --ref-text 'What the clip says.' -m DIR 'Hello.' -o hello.wav"},
    {.name = "ref-text", .kind = ArgKind::text, .value = "TEXT", .group = "Voice cloning",
     .commands = kSpeak | kClone, .help = "what the clip says",
     .example = "--ref-text 'What the clip says.' --ref-audio clip.wav -m DIR 'Hello.' -o hello.wav"},
    {.name = "ref-text-file", .kind = ArgKind::path, .value = "FILE", .group = "Voice cloning",
     .commands = kSpeak | kClone, .help = "read what the clip says from a file",
     .example = "--ref-text-file clip.txt --ref-audio clip.wav -m DIR 'Hello.' -o hello.wav"},
    {.name = "x-vector-only", .group = "Voice cloning", .commands = kSpeak | kClone,
     .help = "take the voice of the clip but not its manner of speaking; needs no transcript",
     .example = "--x-vector-only --ref-audio clip.wav -m DIR 'Hello.' -o hello.wav"},
    {.name = "ref-silence-ms", .kind = ArgKind::integer, .value = "N", .group = "Voice cloning",
     .commands = kSpeak | kClone, .least = 0, .most = 5000,
     .help = "silence behind the clip, so that its last sound stays out of the result (500; 0: as the "
             "official package does)",
     .example = "--ref-silence-ms 0 --ref-audio clip.wav --ref-text 'Text.' -m DIR 'Hello.' -o hello.wav"},
    {.name = "ref-cut", .kind = ArgKind::choice, .value = "KIND", .group = "Voice cloning",
     .commands = kSpeak, .choices = "exact|official",
     .help = "where the clip's part of the audio ends: at its last frame (exact), or by the proportion of "
             "the official package, which is one sample early at times",
     .example = "--ref-cut official --ref-audio clip.wav --ref-text 'Text.' -m DIR 'Hello.' -o hello.wav"},
    {.name = "voice", .kind = ArgKind::path, .value = "FILE", .group = "Voice cloning", .commands = kSpeak,
     .help = "speak in a saved voice (.ttsvoice, or the pair NAME.safetensors and NAME.json)",
     .example = "--voice anna.ttsvoice -m DIR 'Hello.' -o hello.wav"},
    {.name = "save-voice", .kind = ArgKind::path, .value = "FILE", .group = "Voice cloning",
     .commands = kSpeak, .help = "save the voice of the clip for later runs",
     .example = "--save-voice anna.ttsvoice --ref-audio clip.wav --ref-text 'Text.' -m DIR 'Hello.' -o hello.wav"},

    // ---- sampling
    {.name = "seed", .kind = ArgKind::integer, .value = "N", .group = "Sampling", .commands = kSpeak,
     .least = 0, .most = INT64_MAX,
     .help = "the same seed gives the same audio; without it one is drawn and printed",
     .example = "--seed 7 'Hello.' -o hello.wav"},
    {.name = "greedy", .group = "Sampling", .commands = kSpeak, .help = "always take the most likely code",
     .example = "--greedy 'Hello.' -o hello.wav"},
    {.name = "temperature", .kind = ArgKind::real, .value = "T", .group = "Sampling", .commands = kSpeak,
     .low = 0, .high = 2, .low_open = true, .help = "of the first code of a frame",
     .example = "--temperature 0.7 'Hello.' -o hello.wav"},
    {.name = "top-k", .kind = ArgKind::integer, .value = "K", .group = "Sampling", .commands = kSpeak,
     .least = 0, .most = limits::kVocabulary, .help = "keep the K most likely codes; 0: all",
     .example = "--top-k 20 'Hello.' -o hello.wav"},
    {.name = "top-p", .kind = ArgKind::real, .value = "P", .group = "Sampling", .commands = kSpeak, .low = 0,
     .high = 1, .low_open = true, .help = "keep the most likely codes that together reach P",
     .example = "--top-p 0.9 'Hello.' -o hello.wav"},
    {.name = "repetition-penalty", .kind = ArgKind::real, .value = "R", .group = "Sampling",
     .commands = kSpeak, .low = 0.5, .high = 2, .help = "of codes that occurred before",
     .example = "--repetition-penalty 1.1 'Hello.' -o hello.wav"},
    {.name = "sub-temperature", .kind = ArgKind::real, .value = "T", .group = "Sampling", .commands = kSpeak,
     .low = 0, .high = 2, .low_open = true, .help = "of the other codes of a frame",
     .example = "--sub-temperature 0.7 'Hello.' -o hello.wav"},
    {.name = "sub-top-k", .kind = ArgKind::integer, .value = "K", .group = "Sampling", .commands = kSpeak,
     .least = 0, .most = limits::kVocabulary, .help = "the same for the other codes",
     .example = "--sub-top-k 20 'Hello.' -o hello.wav"},
    {.name = "sub-top-p", .kind = ArgKind::real, .value = "P", .group = "Sampling", .commands = kSpeak,
     .low = 0, .high = 1, .low_open = true, .help = "the same for the other codes",
     .example = "--sub-top-p 0.9 'Hello.' -o hello.wav"},

    // ---- limits
    {.name = "max-seconds", .kind = ArgKind::real, .value = "SEC", .group = "Limits", .commands = kSpeak,
     .low = 0, .high = kLongestItem, .low_open = true, .help = "end an item at this length",
     .example = "--max-seconds 10 'Hello.' -o hello.wav"},
    {.name = "max-new-tokens", .kind = ArgKind::integer, .value = "N", .group = "Limits", .commands = kSpeak,
     .least = 2, .most = kMostTokens, .help = "end an item after N-1 frames",
     .example = "--max-new-tokens 200 'Hello.' -o hello.wav"},
    {.name = "guard", .kind = ArgKind::choice, .value = "on|off", .group = "Limits", .commands = kSpeak,
     .choices = "on|off",
     .help = "end speech that does not end by itself: too long for its text, or two seconds of silence (on)",
     .example = "--guard off 'Hello.' -o hello.wav"},
    {.name = "retries", .kind = ArgKind::integer, .value = "N", .group = "Limits", .commands = kSpeak,
     .least = 0, .most = 100,
     .help = "generate an item that did not end by itself again, with a seed derived from the first one; "
             "not while streaming", .example = "--retries 2 'Hello.' -o hello.wav"},
    {.name = "timeout", .kind = ArgKind::real, .value = "SEC", .group = "Limits", .commands = kSpeak,
     .low = 0, .high = kLongestRun, .low_open = true, .help = "end the whole run after this time",
     .example = "--timeout 60 'Hello.' -o hello.wav"},

    // ---- audio and codes
    {.name = "output", .letter = 'o', .kind = ArgKind::path, .value = "PATH|-", .group = "Output",
     .commands = kAudio | kEncode | kClone,
     .help = "audio file, FIFO or device; - is standard output, and implies --stream. Without it: played "
             "when standard output is a terminal, a WAV stream when it is a pipe, else out.wav",
     .example = "--output hello.flac 'Hello.'"},
    {.name = "format", .kind = ArgKind::choice, .value = "NAME", .group = "Output", .commands = kAudio,
     .choices = "wav|wav24|wavf32|flac|ogg|opus|mp3|raw",
     .help = "of the audio (the extension decides); raw is s16le", .example = "--format raw -o - 'Hello.'"},
    {.name = "rate", .kind = ArgKind::integer, .value = "HZ", .group = "Output", .commands = kAudio,
     .least = limits::kClipMinRate, .most = limits::kClipMaxRate, .help = "of the audio (the model's own)",
     .example = "--rate 48000 'Hello.' -o hello.wav"},
    {.name = "output-dir", .letter = 'd', .kind = ArgKind::path, .value = "DIR", .group = "Output",
     .commands = kSpeak,
     .help = "where the files of several items go; made when it does not exist (the current directory)",
     .example = "--output-dir out --input lines -f lines.txt"},
    {.name = "no-clobber", .letter = 'n', .group = "Output", .commands = kAudio,
     .help = "do not replace existing files", .example = "--no-clobber 'Hello.' -o hello.wav"},
    {.name = "codes", .kind = ArgKind::path, .value = "FILE", .group = "Output", .commands = kSpeak,
     .help = "also write the codes of the frames: .json or .safetensors",
     .example = "--codes hello.json 'Hello.' -o hello.wav"},
    {.name = "from-codes", .kind = ArgKind::path, .value = "FILE", .group = "Output", .commands = kSpeak,
     .help = "no text: turn the codes of a file into audio",
     .example = "--from-codes hello.json -o hello.wav"},
    {.name = "stream", .group = "Output", .commands = kSpeak,
     .help = "hand over audio while it is made; the same samples", .example = "--stream -o - 'Hello.'"},
    {.name = "first-chunk-frames", .kind = ArgKind::integer, .value = "N", .group = "Output",
     .commands = kSpeak, .least = 1, .most = limits::kFrames,
     .help = "frames in the first chunk of a stream (1)", .example = "--first-chunk-frames 2 -o - 'Hello.'"},
    {.name = "chunk-frames", .kind = ArgKind::integer, .value = "N", .group = "Output", .commands = kSpeak,
     .least = 1, .most = limits::kFrames, .help = "frames in every later chunk (4)",
     .example = "--chunk-frames 8 -o - 'Hello.'"},

    // ---- device
    {.name = "device", .kind = ArgKind::text, .value = "auto|cpu|cuda[:N]|reference", .group = "Device",
     .commands = kOnDevice,
     .help = "a device that is named is used or refused, never replaced (auto); builds with the emulator "
             "have 'emulator'", .example = "--device cpu 'Hello.' -o hello.wav"},
    {.name = "dtype", .kind = ArgKind::choice, .value = "NAME", .group = "Device", .commands = kOnDevice,
     .choices = "auto|f32|bf16",
     .help = "f32: exact arithmetic on the weights as stored; bf16: cache and activations may be rounded; "
             "auto: f32 on the CPU, bf16 on a GPU", .example = "--dtype f32 'Hello.' -o hello.wav"},
    {.name = "quant", .kind = ArgKind::choice, .value = "NAME", .group = "Device", .commands = kOnDevice,
     .choices = "none|int8|int4", .help = "weights rounded when they are loaded (none)",
     .example = "--quant none 'Hello.' -o hello.wav"},
    {.name = "codec-dtype", .kind = ArgKind::choice, .value = "NAME", .group = "Device",
     .commands = kOnDevice, .choices = "f32|tf32",
     .help = "tf32: the codec's convolutions on the tensor cores of a GPU, their inputs rounded (f32)",
     .example = "--codec-dtype f32 'Hello.' -o hello.wav"},
    {.name = "threads", .letter = 'j', .kind = ArgKind::integer, .value = "N", .group = "Device",
     .commands = kOnDevice, .least = 1, .most = 1024, .help = "of the CPU (chosen; doctor says how many)",
     .example = "--threads 2 'Hello.' -o hello.wav"},
    {.name = "cpu-level", .kind = ArgKind::choice, .value = "NAME", .group = "Device", .commands = kOnDevice,
     .choices = "portable|avx2|avx512|vnni", .help = "instruction set (the best that the CPU has)",
     .example = "--cpu-level portable 'Hello.' -o hello.wav"},
    {.name = "ablate", .kind = ArgKind::text, .value = "NAME,...", .group = "Device", .commands = kOnDevice,
     .help = "switch optimisations off by name; --print-config lists them",
     .example = "--ablate run_ahead 'Hello.' -o hello.wav"},

    // ---- report
    {.name = "json", .kind = ArgKind::optional_path, .value = "FILE", .group = "Report", .commands = kJson,
     .help = "one JSON line per item, on standard output or in a file",
     .example = "--json=result.json 'Hello.' -o hello.wav"},
    {.name = "progress", .kind = ArgKind::choice, .value = "WHEN", .group = "Report", .commands = kSpeak,
     .choices = "auto|always|never", .help = "a progress line on standard error (auto: on a terminal)",
     .example = "--progress never 'Hello.' -o hello.wav"},
    {.name = "quiet", .letter = 'q', .group = "Report", .commands = kAll, .help = "say errors only",
     .example = "--quiet 'Hello.' -o hello.wav"},
    {.name = "verbose", .letter = 'v', .group = "Report", .commands = kAll, .help = "say more",
     .example = "--verbose 'Hello.' -o hello.wav"},
    {.name = "trace", .kind = ArgKind::path, .value = "FILE", .group = "Report", .commands = kAudio,
     .help = "write the stages as a Chrome/Perfetto trace",
     .example = "--trace trace.json 'Hello.' -o hello.wav"},

    // ---- about
    {.name = "help", .letter = 'h', .group = "About", .commands = kAll, .help = "print this",
     .example = "--help"},
    {.name = "version", .group = "About", .commands = kAll,
     .help = "commit, compiler, instruction sets; with --json as JSON", .example = "--version"},
    {.name = "print-config", .group = "About", .commands = kSpeak,
     .help = "options as understood, limits, switches, memory plan", .example = "--print-config"},
    {.name = "completion", .kind = ArgKind::choice, .value = "SHELL", .group = "About", .commands = kAll,
     .choices = "bash|zsh|fish", .help = "print the completion script of a shell",
     .example = "--completion bash"},
    {.name = "man", .group = "About", .commands = kAll, .help = "print the man page", .example = "--man"},
};
// clang-format on

constexpr const char* kDescription{
    "tts-gen speaks text with a checkpoint of the Qwen3-TTS family, or with the small English voice that it "
    "carries "
    "itself: tts-gen 'Hello.'\n\n"
    "Standard output carries audio or JSON, never both; everything else goes to standard error. A file "
    "appears under its "
    "name when it is complete.\n\n"
    "An option may be written with _ for -. A word that is a command speaks when it stands behind -- or "
    "--text."};

constexpr const char* kFooter{
    "Exit codes:\n"
    "  0    all audio written, every item ended by its own end token\n"
    "  1    internal failure, numbers that are not finite included\n"
    "  2    bad usage or option value\n"
    "  3    bad input: text, model files, codes\n"
    "  4    device missing, unsupported or out of memory\n"
    "  5    output could not be written\n"
    "  6    audio written, but an item hit a length limit or the guard\n"
    "  124  --timeout\n"
    "  130  interrupted (SIGINT), 143 terminated (SIGTERM); STEM.partial.EXT holds what was spoken\n"
    "\n"
    "Environment:\n"
    "  TTS_MODEL  the checkpoint when --model is not given\n"
    "  NO_COLOR   no colours\n"};

}  // namespace

constinit const Program kGenProgram{.name = "tts-gen",
                                    .summary = "text to speech",
                                    .description = kDescription,
                                    .commands = kCommands,
                                    .options = kOptions,
                                    .footer = kFooter};

}  // namespace tts
