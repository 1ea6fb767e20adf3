// The texts of tts-bench: tests/data/bench/*.txt, compiled in (tools/tools.cmake).
#pragma once

#include <string>
#include <vector>

namespace tts {

struct BenchText {
  std::string label, text;
};
const std::vector<BenchText>& bench_texts();

}  // namespace tts
