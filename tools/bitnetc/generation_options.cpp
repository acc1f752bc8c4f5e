#include "tools/bitnetc/generation_options.h"

#include <charconv>

#include "runtime/cpu_allowance.h"
#include "tools/bitnetc/console.h"
#include "tools/bitnetc/plan_options.h"
#include "tools/bitnetc/terminal.h"
#include "tools/engine/sampling_defaults.h"

namespace bitnetc {
namespace {

constexpr double kAnyFinite = std::numeric_limits<double>::max();

// Decimal, without leading zeros, over all 64 bits.
Result<uint64_t> parse_seed(const std::string& text) {
  if (text == "random") return random_seed();
  uint64_t seed = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seed);
  const bool has_leading_zero = text.size() > 1 && text[0] == '0';
  if (error != std::errc() || end != text.data() + text.size() || has_leading_zero) {
    return make_error(StatusCode::kInvalidArgument,
                      "--seed '{}': expected a whole number from 0 to 2^64 - 1, or 'random'",
                      shown_on_a_line(text, 48));
  }
  return seed;
}

void add_sampling_options(Command& command, SamplerOptions& options) {
  command.number("--temp", options.temperature,
                 {.least = 0, .most = kAnyFinite, .expected = "a number, 0 (greedy) or more"},
                 "Temperature; 0 is greedy (default: the model's)");
  command.integer("--top-k", options.top_k, kCountRange, "Keep the k likeliest tokens; 0: off");
  command.number("--top-p", options.top_p,
                 {.least = 0,
                  .most = 1,
                  .expected = "a number above 0 and at most 1 (off)",
                  .above_least = true},
                 "Keep the smallest set with this probability; 1: off");
  command.number("--min-p", options.min_p,
                 {.least = 0, .most = 1, .expected = "a number from 0 (off) to 1"},
                 "Drop tokens below this share of the best; 0: off");
  command.number("--repeat-penalty", options.repeat_penalty,
                 {.least = 0,
                  .most = kAnyFinite,
                  .expected = "a number above 0 (1: off)",
                  .above_least = true},
                 "Penalty for recent tokens; 1: off");
  command.integer("--repeat-last-n", options.repeat_last_n, kCountRange,
                  "How many tokens count as recent (default: 64)");
  command.flag("--greedy", options.greedy, "Always the likeliest token, as --temp 0");
  command.text("--seed", options.seed, "N",
               "The same seed gives the same text everywhere; or 'random' (default: 0)");
}

}  // namespace

void add_generation_options(Command& command, GenerationOptions& options) {
  add_threads_option(command, options.plan.threads);
  add_device_option(command, options.plan.device);
  command.integer("-c,--context", options.context,
                  {.least = 1, .most = std::numeric_limits<int64_t>::max()},
                  "Context in tokens (default: the model's maximum)");
  add_sampling_options(command, options.sampling);
  command.repeated_text("--stop", options.stop_strings, "TEXT",
                        "Stop before this text (may be repeated)");
  add_grammar_options(command, options.grammar);
  command.flag("--ignore-eos", options.ignore_eos, "Go on past end-of-text");
  add_layout_option(command, options.plan.layout,
                    "Weight layout (default: as compiled; a compiled model is repacked in memory)");
  add_usage_option(command, options.plan.usage);
  add_kv_option(command, options.kv_type);
  add_memory_options(command, options.memory);
  command.flag("--dense-ffn", options.dense_ffn,
               "Read every neuron, although the model was compiled with --sparse-ffn");
  command.flag("--full-head", options.full_head,
               "Compute every logit, not only those that decide: the same text, more slowly");
  command.integer("--draft", options.most_drafts, {.least = 0, .most = kMostDrafts},
                  "Most tokens guessed per pass, from what the text repeats; the text is the same "
                  "with 0 (default: 7, fewer where guesses fail)");
}

Status check_generation_options(const GenerationOptions& options) {
  const SamplerOptions& sampling = options.sampling;
  if (sampling.greedy && sampling.temperature.value_or(0) != 0)
    return make_error(StatusCode::kInvalidArgument,
                      "--greedy and --temp {}: expected one of them (--greedy is --temp 0)",
                      *sampling.temperature);
  return parse_seed(sampling.seed).status();
}

Result<SamplingParams> sampling_params(const SamplerOptions& options,
                                       const GenerationDefaults& defaults) {
  SamplingParams params = default_sampling(defaults);
  params.repeat_penalty = options.repeat_penalty.value_or(params.repeat_penalty);
  params.temperature = options.temperature.value_or(params.temperature);
  params.top_k = options.top_k.value_or(params.top_k);
  params.top_p = options.top_p.value_or(params.top_p);
  params.min_p = options.min_p.value_or(params.min_p);
  params.repeat_last_n = options.repeat_last_n;
  if (options.greedy) params.temperature = 0;
  BITNETC_ASSIGN_OR_RETURN(params.seed, parse_seed(options.seed));
  BITNETC_RETURN_IF_ERROR(validate(params));
  return params;
}

void note_unsupported(const GenerationDefaults& defaults) {
  if (!defaults.unsupported_keys.empty())
    print_note(
        fmt::format("generation_config.json asks for what is not implemented, so the text "
                    "may differ: {}",
                    fmt::join(defaults.unsupported_keys, ", ")));
}

EngineOptions engine_options(const GenerationOptions& options, CommandContext& context) {
  EngineOptions engine = context.engine_options(options.plan);
  engine.memory = options.memory.request();
  engine.kv_type = options.kv_type;
  return engine;
}

Result<std::unique_ptr<Session>> make_session(const GenerationOptions& options,
                                              const Engine& engine, CommandContext& context) {
  const int threads = context.thread_count(options.plan.threads);
  // Pinning helps when every CPU has its thread; fewer threads, as under a quota, are better placed
  // by the scheduler.
  const bool fills_mask = threads == static_cast<int>(cpu_allowance().allowed.size());
  return Session::create(engine.executable, {.threads = threads,
                                             .pin_threads = fills_mask,
                                             .screen = !options.full_head,
                                             .skip_neurons = !options.dense_ffn,
                                             .lock_pages = engine.memory_is_locked,
                                             .context_tokens = options.context});
}

}  // namespace bitnetc
