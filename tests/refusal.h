// What a call refused with: refusal_of([&] { load_config(path); }).message == "config.json: ...".
#pragma once

#include "base/error.h"

#include <string>

namespace tts::test {

struct Refusal {
  Exit exit = Exit::ok;  // ok: nothing was thrown
  std::string message;
};

template <class Call>
Refusal refusal_of(Call&& call) {
  try {
    call();
    return {Exit::ok, "nothing was refused"};
  } catch (const Error& error) {
    return {error.exit, error.what()};
  }
}

}  // namespace tts::test
