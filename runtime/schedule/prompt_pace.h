// How many rows of prompts a pass may have beside rows of texts, so that it takes about twice as
// long as one without them. Learns from the time that passes take; never changes what comes out.
#pragma once

#include <cstdint>
#include <vector>

namespace bitnetc {

class PromptPace {
 public:
  // At least so many rows, as a pass reads all weights whatever it is for.
  static constexpr int64_t kLeastRows = 8;

  // For a pass with `texts` rows of texts while `prompts` requests read their prompt: at most
  // `most`, and that where no text is there or nothing is known yet. Where prompts outnumber texts,
  // they get as much more of the time.
  int64_t rows(int64_t texts, int64_t prompts, int64_t most) const;
  // A pass with so many rows of texts and of prompts took `ns`.
  void note(int64_t texts, int64_t prompt_rows, int64_t ns);

 private:
  // Of a pass with `texts` rows alone, as far as one with so many or fewer was seen; 0: none.
  double text_ns(int64_t texts) const;

  std::vector<double> text_ns_;  // by rows of texts; 0: not seen
  double row_ns_ = 0;            // of a row of a prompt; 0: not known
};

}  // namespace bitnetc
