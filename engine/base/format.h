// Text formatting with "{}" place holders. libstdc++ 12 has no <format>; this is the part of it that messages
// need, without a third-party header in every file. The number of place holders is checked when the program
// is compiled.
#pragma once

#include <charconv>
#include <concepts>
#include <string>
#include <string_view>
#include <type_traits>

namespace tts {

namespace detail {

constexpr int count_places(std::string_view text) {
  int places = 0;
  for (size_t at = text.find("{}"); at != text.npos; at = text.find("{}", at + 2)) ++places;
  return places;
}

inline void append(std::string& out, std::string_view text) { out += text; }
inline void append(std::string& out, const char* text) { out += text; }
inline void append(std::string& out, char c) { out += c; }
inline void append(std::string& out, std::same_as<bool> auto value) { out += value ? "true" : "false"; }

template <class T>
requires(std::is_arithmetic_v<T> && !std::same_as<T, bool>) void append(std::string& out, T value) {
  char digits[64];
  const auto end = std::to_chars(digits, digits + sizeof digits, value);
  out.append(digits, end.ptr);
}

// Any type may offer str(value) beside its definition: DType, Shape, ...
template <class T>
requires requires(const T& value) {
  { str(value) } -> std::convertible_to<std::string_view>;
}
void append(std::string& out, const T& value) { out += str(value); }

template <class... Args>
struct Pattern {
  std::string_view text;
  consteval Pattern(const char* literal) : text(literal) {  // NOLINT: implicit on purpose
    if (count_places(literal) != static_cast<int>(sizeof...(Args)))
      throw "number of {} and of arguments differ";
  }
};

template <class T>
void append_next(std::string& out, std::string_view& rest, const T& value) {
  const size_t at = rest.find("{}");
  out += rest.substr(0, at);
  append(out, value);
  rest.remove_prefix(at + 2);
}

struct Formatter {
  template <class... Args>
  std::string operator()(std::type_identity_t<Pattern<Args...>> pattern, const Args&... args) const {
    std::string out;
    std::string_view rest = pattern.text;
    (append_next(out, rest, args), ...);
    out += rest;
    return out;
  }
};

}  // namespace detail

// format("{}: expected {}", path, 3) == "model.json: expected 3". An object and not a function: arguments of
// standard types would bring std::format into the choice, where a library has it, and neither would win.
inline constexpr detail::Formatter format{};

// fixed(3.14159, 2) == "3.14"
inline std::string fixed(double value, int digits) {
  char text[400];
  const auto end = std::to_chars(text, text + sizeof text, value, std::chars_format::fixed, digits);
  return {text, end.ptr};
}

// Control characters (terminal escapes among them) and bytes that are not UTF-8 become \xNN; everything else
// stays. Every message and log line passes through here once, where it is printed.
std::string printable(std::string_view text);

}  // namespace tts
