// How many rows each running request has in the next pass.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace bitnetc {

struct RowLimits {
  int64_t rows = 0;         // of a pass
  int64_t prompt_rows = 0;  // of them, rows of prompts
};

// What a request could use.
struct RowsWanted {
  int64_t rows = 0;
  bool of_prompt = false;
};

// Every request that wants a row of its text has it; there are no more of those than
// `limits.rows`. What is left of the limits goes to prompts in equal shares; what one does not need
// goes to the others. The first prompt has at least one row, if any is left.
std::vector<int64_t> share_rows(std::span<const RowsWanted> wanted, const RowLimits& limits);

}  // namespace bitnetc
