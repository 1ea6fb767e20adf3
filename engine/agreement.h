// How much a quantised language model agrees with the one it was made from: both read the same codes (teacher
// forcing), and per code group their best codes and their distributions are compared.
#pragma once

#include "engine/model.h"
#include "engine/quantize.h"
#include "kernels/switches.h"

#include <string>
#include <vector>

namespace tts {

struct GroupAgreement {
  int64_t draws = 0;
  double top1 = 0;  // fraction of draws with the same best code
  double kl = 0;    // mean Kullback-Leibler divergence in nats, from the original's distribution
};

// One entry per code group. The codes are drawn from the original with its own sampling values, `frames` per
// text.
std::vector<GroupAgreement> measure_agreement(const Model& model, Quant quant,
                                              const std::vector<std::string>& texts, int frames,
                                              const DeviceOptions& options);
std::string agreement_json(const std::vector<GroupAgreement>& groups, Quant quant);

}  // namespace tts
