// What the commands that write texts with one session share, `run` and `chat`: how a model is
// opened and how it writes.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/sampler.h"
#include "runtime/session.h"
#include "tools/bitnetc/command_context.h"
#include "tools/bitnetc/command_line.h"
#include "tools/bitnetc/grammar_options.h"
#include "tools/bitnetc/memory_options.h"
#include "tools/engine/draft.h"
#include "tools/engine/engine.h"

namespace bitnetc {

struct SamplerOptions {
  std::optional<double> temperature, top_p, min_p, repeat_penalty;
  std::optional<int> top_k;
  int repeat_last_n = 64;
  bool greedy = false;
  std::string seed = "0";
};

struct GenerationOptions {
  int64_t context = 0;
  SamplerOptions sampling;
  std::vector<std::string> stop_strings;
  GrammarOptions grammar;
  bool ignore_eos = false;
  PlanRequest plan;
  KvType kv_type = KvType::kF16;
  MemoryOptions memory;
  bool full_head = false, dense_ffn = false;
  int most_drafts = kMostDrafts;
};

inline constexpr IntegerRange kCountRange = {.least = 0, .most = std::numeric_limits<int>::max()};

void add_generation_options(Command& command, GenerationOptions& options);

// What needs no model. Error: kInvalidArgument for options that exclude each other, and a seed that
// is none.
Status check_generation_options(const GenerationOptions& options);

// The command line over the model's own defaults (generation_config.json). Error: as validate().
Result<SamplingParams> sampling_params(const SamplerOptions& options,
                                       const GenerationDefaults& defaults);
// A note of what of the model's own defaults has no effect.
void note_unsupported(const GenerationDefaults& defaults);

EngineOptions engine_options(const GenerationOptions& options, CommandContext& context);
Result<std::unique_ptr<Session>> make_session(const GenerationOptions& options,
                                              const Engine& engine, CommandContext& context);

}  // namespace bitnetc
