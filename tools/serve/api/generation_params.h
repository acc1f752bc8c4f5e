// How a request wants its text: the fields that several surfaces share.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "runtime/sampler.h"
#include "tools/serve/api/fields.h"
#include "tools/serve/engine/served_model.h"

namespace bitnetc::serve {

inline constexpr int kMostChoices = 8;     // of one prompt
inline constexpr int kMostTopTokens = 20;  // whose probabilities are told
inline constexpr size_t kMostStops = 16, kMostStopBytes = 256;
inline constexpr size_t kMostBiases = 1024;

struct GenerationParams {
  std::optional<int64_t> most_tokens;  // nothing: to the end of the context
  SamplingParams sampling;
  std::vector<std::string> stops;
  bool ignore_eos = false;
  int n = 1;  // texts of each prompt, with seeds one after the other
  bool stream = false, include_usage = false, usage_in_every_chunk = false;
  std::optional<int> top_tokens;  // nothing: no probabilities
};

// `max_tokens_names`: those of the surface; two that differ are refused.
void read_generation(Fields& fields, const ServedModel& model,
                     std::initializer_list<const char*> max_tokens_names, GenerationParams& params);
void read_streaming(Fields& fields, GenerationParams& params);
// What other servers' samplers have: refused unless it is switched off.
void refuse_other_samplers(Fields& fields);

// Error: 400 context_length_exceeded with both numbers.
std::optional<ApiError> check_length(int64_t prompt_tokens, std::optional<int64_t> most_tokens,
                                     const ServedModel& model, const char* param);

}  // namespace bitnetc::serve
