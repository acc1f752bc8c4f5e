// The screen of a head: its rows in six bits, in two parts, with an upper bound on what each
// estimate may be off by (docs/screened-head.md).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "compiler/graph.h"

namespace bitnetc {

struct HeadScreen {
  std::vector<uint8_t> coarse, fine;  // codes as ScreenSpec has them
  std::vector<float> step;            // by row
  // By row: |logit - estimate| is at most this times the norm of the hidden row, for estimates of
  // the coarse part alone and of both.
  std::vector<float> coarse_error, fine_error;
};

// Nothing where a row's norm is outside what can be screened or rows are too long.
std::optional<HeadScreen> make_screen(const FloatTable& table);

}  // namespace bitnetc
