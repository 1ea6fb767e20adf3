#include "tools/program.h"

#include "tools/build_info.h"
#include "tools/report.h"

#include <cstdio>
#include <new>

namespace tts {

namespace {

bool print_page(const Program& program, const Arguments& args) {
  if (args.has("help")) return write_stdout(help_page(program)), true;
  if (args.has("man")) return write_stdout(man_page(program, kVersion)), true;
  if (args.has("completion")) return write_stdout(completion_script(program, args.text("completion"))), true;
  if (args.has("version")) return write_stdout(format("{} {} ({})\n", program.name, kVersion, kCommit)), true;
  return false;
}

}  // namespace

int run_program(const Program& program, int argc, char** argv,
                void (*act)(const Arguments&, const std::string& command)) {
  const auto complain = [&](const std::string& line) {
    std::fprintf(stderr, "%s: %s\n", program.name, printable(line).c_str());
  };
  try {
    const Arguments args = parse_arguments(program, argc, argv);
    std::string command = program.name;
    for (int i = 1; i < argc; ++i) command += std::string(" ") + argv[i];
    if (!print_page(program, args)) act(args, command);
    return 0;
  } catch (const Error& error) {
    complain(error.what());
    return static_cast<int>(error.exit);
  } catch (const std::bad_alloc&) {
    complain("out of memory: the host has no more; a smaller model or fewer operations need less");
  } catch (const std::exception& error) {
    complain(std::string("internal failure: ") + error.what());
  }
  return static_cast<int>(Exit::internal);
}

}  // namespace tts
