// The voice of an item on a base checkpoint: a reference clip, or a saved voice. A clip is encoded once per
// run, however many items speak with it.
#pragma once

#include "engine/clone.h"
#include "tools/items.h"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace tts {

// Combinations that can be refused before anything is loaded.
void check_voice_options(const Arguments& args);

class VoiceChoice {
 public:
  explicit VoiceChoice(const Arguments& args) : args_(args) {}

  // nullptr: the item names no voice of its own and the command neither. What is only said goes to
  // `warnings`.
  std::shared_ptr<const ClonedVoice> voice_of(const Item& item, Engine& engine,
                                              std::vector<std::string>& warnings);

  // --save-voice: writes the voice of the command line. Exit::usage when it names none.
  void save(Engine& engine, std::vector<std::string>& warnings);

 private:
  struct Known {
    std::shared_ptr<const ClonedVoice> voice;
    std::vector<std::string> warnings;
  };
  const Arguments& args_;  // of the whole run
  std::map<std::string, Known> known_;
};

}  // namespace tts
