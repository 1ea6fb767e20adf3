// Files of codes, in both forms. What is accepted is printed and parsed again to the same codes.
#include "engine/codes_file.h"
#include "fuzz.h"

TTS_FUZZ(codes) {
  using namespace tts;
  const bool json = bytes.find('{') < 8;  // a tensor file has 8 bytes of size before it
  const auto parse = [json](std::string_view text) {
    return json ? parse_codes_json(text, "fuzz")
                : parse_codes_tensors(std::as_bytes(std::span(text.data(), text.size())), "fuzz");
  };
  CodesFile codes;
  if (!fuzz::accepts([&] { codes = parse(bytes); })) return;
  fuzz::require(codes.groups > 0 && codes.codes.size() % static_cast<size_t>(codes.groups) == 0,
                "whole frames");
  const CodesFile again = parse(print_codes(codes, json ? CodesForm::json : CodesForm::tensors));
  fuzz::require(again.groups == codes.groups && again.codes == codes.codes, "parse(print(x)) is x");
}
