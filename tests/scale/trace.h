// What a model computes of a story under given settings: the ids it takes by several samplings, and
// all logits they were taken from.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/status.h"
#include "tests/scale/settings.h"

namespace bitnetc::test {

struct Story {
  std::vector<int32_t> prompt;
  int steps = 0;  // tokens that are generated behind it
};
// Random ids below `vocab`; the last third of the prompt repeats its beginning, so there is
// something to guess. At least 2 tokens.
Story make_story(int64_t vocab, int prompt_tokens, int steps);

struct Trace {
  struct Text {
    std::string sampling;  // "greedy"
    std::vector<int32_t> ids;
  };
  std::vector<Text> texts;  // greedy first
  // Behind the prompt and each greedy id but the last: [steps][vocab]. Empty with the screened
  // head, which does not compute all of them.
  std::vector<float> logits;
  int64_t vocab = 0;
  int guessed = 0, guessed_right = 0;  // tokens, in all texts
  int64_t screened_passes = 0;
  bool skips_neurons = false;
  size_t repacked = 0;  // matrices that run in another layout than the settings say

  // XXH3-64 of all ids and of all logits, in hexadecimal.
  std::string digests() const;
};

// Runs the compiled model. Error: as make_engine(), generate().
Result<Trace> run_story(const std::string& bnc_path, const Settings& settings, const Story& story);

// Where two traces of a story first differ: the step, and the id whose logit differs or the ids
// that were taken. Empty: nowhere, as far as both have it.
std::string first_difference(const Trace& a, const Trace& b);

}  // namespace bitnetc::test
