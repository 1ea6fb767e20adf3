// tts-gen: text to speech. What the words mean is in tools/gen_options.cpp, what they do in
// tools/synthesise.cpp and tools/commands.cpp.
#include "tools/build_info.h"
#include "tools/commands.h"
#include "tools/gen_options.h"
#include "tools/long_text.h"
#include "tools/report.h"
#include "tools/signals.h"
#include "tools/synthesise.h"

#include <new>
#include <system_error>

namespace tts {

namespace {

int run(const Arguments& args) {
  if (args.has("help")) return write_stdout(help_page(kGenProgram)), 0;
  if (args.has("man")) return write_stdout(man_page(kGenProgram, kVersion)), 0;
  if (args.has("completion")) return write_stdout(completion_script(kGenProgram, args.text("completion"))), 0;
  if (args.has("version")) return print_version(args);
  switch (command_of(args)) {
    case GenCommand::speak:
      if (args.has("print-config")) return print_config(args);
      return args.has("print-chunks") ? print_chunks(args) : synthesise(args);
    case GenCommand::doctor:
      return doctor(args);
    case GenCommand::voices:
      return voices(args);
    case GenCommand::inspect:
      return inspect(args);
    case GenCommand::tokens:
      return tokens(args);
    case GenCommand::clone:
      return clone(args);
    case GenCommand::codec_encode:
      return codec_encode(args);
    case GenCommand::codec_decode:
      return codec_decode(args);
    case GenCommand::kCount:
      break;
  }
  throw Error(Exit::internal, "command {}: unknown", args.command);
}

int guarded(int argc, char** argv) {
  try {
    return run(parse_arguments(kGenProgram, argc, argv));
  } catch (const Error& error) {
    say_error(error.what());
    return static_cast<int>(error.exit);
  } catch (const std::bad_alloc&) {
    say_error("out of memory: the host has no more; a shorter text or a smaller model needs less");
  } catch (const std::system_error& error) {  // of the standard library: a thread that could not be started
    say_error(std::string("the system has no more memory or threads: ") + error.what() +
              "; close other programs, or give -j 1");
  } catch (const std::exception& error) {
    say_error(std::string("internal failure: ") + error.what());
  }
  return static_cast<int>(Exit::internal);
}

}  // namespace

}  // namespace tts

int main(int argc, char** argv) {
  tts::install_handlers();
  return tts::guarded(argc, argv);
}
