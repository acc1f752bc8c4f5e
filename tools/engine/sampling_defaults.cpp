#include "tools/engine/sampling_defaults.h"

#include <random>

namespace bitnetc {

SamplingParams default_sampling(const GenerationDefaults& defaults) {
  SamplingParams params;
  if (defaults.do_sample) {
    params.temperature = defaults.temperature.value_or(1.0);
    params.top_k = defaults.top_k.value_or(0);
    params.top_p = defaults.top_p.value_or(1.0);
    params.min_p = defaults.min_p.value_or(0.0);
  }
  params.repeat_penalty = defaults.repetition_penalty.value_or(1.0);
  params.suppressed_ids = defaults.suppress_tokens;
  params.banned_sequences = defaults.bad_words_ids;
  params.no_repeat_ngram = defaults.no_repeat_ngram_size;
  return params;
}

uint64_t random_seed() {
  std::random_device device;
  return (uint64_t{device()} << 32) | device();
}

}  // namespace bitnetc
