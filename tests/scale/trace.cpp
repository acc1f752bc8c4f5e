#include "tests/scale/trace.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <memory>
#include <span>

#include "runtime/cpu_features.h"
#include "runtime/random.h"
#include "runtime/sampler.h"
#include "runtime/session.h"
#include "tools/engine/engine.h"
#include "tools/engine/generate.h"

namespace bitnetc::test {
namespace {

constexpr uint64_t kStorySeed = 7;
constexpr uint64_t kOtherTokensSeed = 11;
// More than a page, and not a whole number of pages.
constexpr int kOtherTokens = 101;

struct NamedSampling {
  const char* name;
  SamplingParams params;
};

std::vector<NamedSampling> samplings() {
  return {{.name = "greedy", .params = {}},
          {.name = "top-k",
           .params = {.temperature = 0.8, .top_k = 20, .repeat_penalty = 1.3, .seed = 5}},
          {.name = "top-p",
           .params = {
               .temperature = 0.7, .top_p = 0.9, .min_p = 0.02, .repeat_penalty = 1.1, .seed = 6}}};
}

std::vector<int32_t> random_ids(uint64_t seed, int64_t vocab, int count) {
  Random random(seed);
  std::vector<int32_t> ids;
  for (int i = 0; i < count; ++i)
    ids.push_back(static_cast<int32_t>(random.next() % static_cast<uint64_t>(vocab)));
  return ids;
}

std::string digest_of(std::span<const uint8_t> bytes) {
  return fmt::format("{:016x}", XXH3_64bits(bytes.data(), bytes.size()));
}

template <typename T>
std::span<const uint8_t> bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const uint8_t*>(values.data()), values.size() * sizeof(T)};
}

// One model under one setting.
class StoryRun {
 public:
  StoryRun(Engine engine, const Settings& settings, const Story& story)
      : engine_(std::move(engine)), settings_(settings), story_(story) {}

  Result<Trace> run();

 private:
  Status open_session();
  Status generate_texts();
  Status compute_logits();

  int64_t prompt_length() const { return std::ssize(story_.prompt); }

  const Engine engine_;
  const Settings& settings_;
  const Story& story_;
  std::unique_ptr<Session> parent_;  // shares its pages with session_; null: nobody does
  std::unique_ptr<Session> session_;
  Trace trace_;
};

// Leaves a session that holds nothing, or the first half of the prompt, in pages as the settings
// say.
Status StoryRun::open_session() {
  BITNETC_ASSIGN_OR_RETURN(
      session_, Session::create(engine_.executable, {.threads = settings_.threads,
                                                     .screen = settings_.screen,
                                                     .chunk_tokens = settings_.chunk_tokens}));
  trace_.vocab = session_->vocab_size();
  const auto others = random_ids(kOtherTokensSeed, trace_.vocab, kOtherTokens);
  const LogitsNeed greatest = {.kind = LogitsNeed::Kind::kTop};
  if (settings_.pages == Pages::kReused) {
    BITNETC_RETURN_IF_ERROR(session_->append(others, nullptr, greatest));
    session_->reset();
  }
  if (settings_.pages == Pages::kForked) {
    parent_ = std::move(session_);
    const auto half = std::span(story_.prompt).first(story_.prompt.size() / 2);
    BITNETC_RETURN_IF_ERROR(parent_->append(half, nullptr, greatest));
    session_ = parent_->fork();
    BITNETC_RETURN_IF_ERROR(parent_->append(others, nullptr, greatest));
  }
  return {};
}

Status StoryRun::generate_texts() {
  const CancelToken nobody = false;
  for (const NamedSampling& sampling : samplings()) {
    const bool is_first = trace_.texts.empty();
    if (!is_first) session_->truncate(prompt_length() - 1);
    const GenerationRequest request{.prompt_ids = story_.prompt,
                                    .max_tokens = story_.steps,
                                    .sampling = sampling.params,
                                    .keep_prompt_logits = is_first && !settings_.screen,
                                    .most_drafts = settings_.most_drafts};
    BITNETC_ASSIGN_OR_RETURN(
        const GenerationResult result,
        generate(*session_, *engine_.tokenizer, request, [](auto) { return true; }, nobody));
    trace_.texts.push_back({.sampling = sampling.name, .ids = result.ids});
    trace_.guessed += result.guessed;
    trace_.guessed_right += result.guessed_right;
    if (is_first) trace_.logits = result.prompt_logits;
  }
  trace_.skips_neurons = engine_.executable->skips_neurons;
  trace_.screened_passes = session_->screen_stats().passes;
  return {};
}

// Behind the greedy ids, in passes of as many rows as guesses make of them: 1, 2, 3, ...
Status StoryRun::compute_logits() {
  session_->truncate(prompt_length());
  std::span<const int32_t> rest =
      std::span(trace_.texts[0].ids).first(trace_.texts[0].ids.size() - 1);
  const auto most_rows = static_cast<size_t>(1 + settings_.most_drafts);
  for (size_t rows = 1; !rest.empty(); rows = rows % most_rows + 1) {
    const auto pass = rest.first(std::min(rows, rest.size()));
    rest = rest.subspan(pass.size());
    BITNETC_RETURN_IF_ERROR(
        session_->append_all_logits(pass, [&](int64_t, std::span<const float> logits) {
          trace_.logits.insert(trace_.logits.end(), logits.begin(), logits.end());
        }));
  }
  return {};
}

Result<Trace> StoryRun::run() {
  trace_.repacked = engine_.link_report.repacks().size();
  BITNETC_RETURN_IF_ERROR(open_session());
  BITNETC_RETURN_IF_ERROR(generate_texts());
  if (!settings_.screen) BITNETC_RETURN_IF_ERROR(compute_logits());
  return std::move(trace_);
}

std::string ids_at(const Trace& a, const Trace& b, size_t text, size_t step) {
  const auto id = [&](const Trace& trace) {
    const auto& ids = trace.texts[text].ids;
    return step < ids.size() ? std::to_string(ids[step]) : std::string("none");
  };
  return fmt::format("{} takes id {} and id {}", a.texts[text].sampling, id(a), id(b));
}

std::string first_logit_difference(const Trace& a, const Trace& b) {
  if (a.logits.empty() || b.logits.empty()) return {};
  if (a.logits.size() != b.logits.size())
    return fmt::format("{} and {} logits", a.logits.size(), b.logits.size());
  const auto is_same = [](float x, float y) {
    return std::bit_cast<uint32_t>(x) == std::bit_cast<uint32_t>(y);
  };
  const auto [x, y] = std::mismatch(a.logits.begin(), a.logits.end(), b.logits.begin(), is_same);
  if (x == a.logits.end()) return {};
  const auto at = x - a.logits.begin();
  const auto step = static_cast<size_t>(at / a.vocab);
  return fmt::format("step {}: the logit of id {} is {} ({:08x}) and {} ({:08x}); {}", step,
                     at % a.vocab, *x, std::bit_cast<uint32_t>(*x), *y, std::bit_cast<uint32_t>(*y),
                     ids_at(a, b, 0, step));
}

}  // namespace

Story make_story(int64_t vocab, int prompt_tokens, int steps) {
  Story story{.prompt = random_ids(kStorySeed, vocab, prompt_tokens), .steps = steps};
  const auto repeated = story.prompt.size() / 3;
  std::copy_n(story.prompt.begin(), repeated,
              story.prompt.end() - static_cast<ptrdiff_t>(repeated));
  return story;
}

std::string Trace::digests() const {
  std::vector<int32_t> ids;
  for (const Text& text : texts) ids.insert(ids.end(), text.ids.begin(), text.ids.end());
  return fmt::format("ids {}, logits {}", digest_of(bytes_of(ids)),
                     logits.empty() ? "not all computed" : digest_of(bytes_of(logits)));
}

Result<Trace> run_story(const std::string& bnc_path, const Settings& settings, const Story& story) {
  const EngineOptions options{
      .settings = {.target = host_target(settings.tier), .build = {.fastest = settings.kernels}},
      .plan = {.threads = settings.threads}};
  BITNETC_ASSIGN_OR_RETURN(Engine engine, make_engine(bnc_path, options));
  return StoryRun(std::move(engine), settings, story).run();
}

std::string first_difference(const Trace& a, const Trace& b) {
  if (std::string logit = first_logit_difference(a, b); !logit.empty()) return logit;
  for (size_t text = 0; text < a.texts.size(); ++text) {
    const auto& ours = a.texts[text].ids;
    const auto& theirs = b.texts[text].ids;
    const auto [x, y] = std::mismatch(ours.begin(), ours.end(), theirs.begin(), theirs.end());
    if (x == ours.end() && y == theirs.end()) continue;
    const auto step = static_cast<size_t>(x - ours.begin());
    return fmt::format("step {}: {}", step, ids_at(a, b, text, step));
  }
  return {};
}

}  // namespace bitnetc::test
