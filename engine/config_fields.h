// Reading one key of a configuration with its range: what config.cpp and codec_config.cpp share.
#pragma once

#include "base/json.h"
#include "base/limits.h"
#include "base/types.h"

#include <cstdint>
#include <string_view>
#include <vector>

namespace tts {

inline int read_int(const Json& object, std::string_view key, int64_t low, int64_t high) {
  return static_cast<int>(object.at(key).integer(low, high));
}

inline double read_number(const Json& value, double low, double high) {
  const double got = value.number();
  check(got >= low && got <= high, Exit::bad_input, "{}: expected a number in {}..{}, got {}", value.where(),
        low, high, value.brief());
  return got;
}

// The engine computes one thing here; a checkpoint that asks for another is refused. Absent keys mean the
// same thing.
inline void expect_text(const Json& object, std::string_view key, std::string_view wanted) {
  const Json* value = object.find(key);
  if (value == nullptr || (value->kind() == Json::Kind::text && value->text() == wanted)) return;
  throw Error(Exit::bad_input, "{}: expected \"{}\", got {}", value->where(), wanted, value->brief());
}

inline void expect_boolean(const Json& object, std::string_view key, bool wanted) {
  const Json* value = object.find(key);
  check(value == nullptr || value->boolean() == wanted, Exit::bad_input, "{}: expected {}, got {}",
        value == nullptr ? "" : value->where(), wanted, value == nullptr ? "" : value->brief());
}

inline std::vector<int> read_ints(const Json& value, int64_t low, int64_t high, int64_t most) {
  const std::vector<Json>& items = value.items();
  check(!items.empty() && static_cast<int64_t>(items.size()) <= most, Exit::bad_input,
        "{}: expected 1..{} integers, got {}", value.where(), most, items.size());
  std::vector<int> numbers;
  for (const Json& item : items) numbers.push_back(static_cast<int>(item.integer(low, high)));
  return numbers;
}

// The geometry of one transformer stack. `eps_key` differs between the stacks; window and vocabulary are the
// caller's.
inline Dims read_dims(const Json& object, std::string_view eps_key) {
  Dims m;
  m.H = read_int(object, "hidden_size", 1, limits::kHidden);
  m.I = read_int(object, "intermediate_size", 1, limits::kMlpWidth);
  m.L = read_int(object, "num_hidden_layers", 1, limits::kLayers);
  m.nq = read_int(object, "num_attention_heads", 1, limits::kHeads);
  m.nkv = read_int(object, "num_key_value_heads", 1, limits::kHeads);
  m.d = read_int(object, "head_dim", 2, limits::kHeadWidth);
  check(m.nq % m.nkv == 0, Exit::bad_input, "{}: expected a divisor of num_attention_heads {}, got {}",
        object.at("num_key_value_heads").where(), m.nq, m.nkv);
  check(m.d % 2 == 0, Exit::bad_input, "{}: expected an even number, got {}", object.at("head_dim").where(),
        m.d);
  m.eps = static_cast<float>(read_number(object.at(eps_key), 1e-12, 0.1));
  m.theta = read_number(object.at("rope_theta"), 1, 1e12);
  expect_boolean(object, "attention_bias", false);
  return m;
}

}  // namespace tts
