// Reads the input as a regular expression. What is accepted is walked by its masks; nothing
// that is not UTF-8 may come, and every id that a mask lets through must be accepted.
#include "tests/fuzz/grammar_walk.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  bitnetc::walk_grammar(bitnetc::Grammar::from_regex(text));
  return 0;
}
