#include "tests/scale/soak.h"

#include <fmt/format.h>
#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

#include "tests/scale/random_generation.h"
#include "tests/support/sanitizers.h"
#include "tests/support/subprocess.h"
#include "tools/engine/engine.h"

namespace bitnetc::test {
namespace {

// Of all generations: the first part warms up; usage is looked at, and the model opened another
// time, so often.
constexpr int kWarmUpParts = 5, kQuietPoints = 60, kOpenings = 20;
// What the last generations need is kept for the next ones, and malloc keeps something for itself.
// That comes and goes: it is not more after 10,000 generations than after 100.
constexpr int64_t kBlockSlack = 64;
constexpr int64_t kHeapSlackBytes = int64_t{512} << 10, kResidentSlackBytes = int64_t{8} << 20;
constexpr int kInterrupt = SIGUSR1;

CancelToken is_cancelled_now = false;

// Asks for a stop at a time, from another thread or by a signal to the calling thread.
class Stopper {
 public:
  explicit Stopper(const RandomGeneration& drawn) {
    is_cancelled_now = drawn.ending == Ending::kCancelledBefore;
    if (drawn.ending != Ending::kDeadline && drawn.ending != Ending::kSignal) return;
    thread_ = std::jthread([&drawn, caller = ::pthread_self()] {
      std::this_thread::sleep_for(std::chrono::microseconds(drawn.microseconds));
      if (drawn.ending == Ending::kDeadline) is_cancelled_now = true;
      if (drawn.ending == Ending::kSignal) ::pthread_kill(caller, kInterrupt);
    });
  }

 private:
  std::jthread thread_;
};

void handle_interrupts() {
  struct sigaction action = {};
  action.sa_handler = [](int) { is_cancelled_now = true; };
  ::sigaction(kInterrupt, &action, nullptr);
}

std::vector<SessionOptions> long_lived_sessions() {
  return {{.threads = 1}, {.threads = 2, .chunk_tokens = 7}, {.threads = 3, .screen = false}};
}

class Soak {
 public:
  Soak(const SoakRequest& request, const std::function<void(const std::string&)>& say)
      : request_(request), say_(say), random_(request.seed) {}

  Result<SoakReport> run();

 private:
  struct Outcome {
    GenerationResult result;
    int64_t context = 0;  // positions that the session had
  };

  Status open();
  Status open_another() const;
  Status warm_up();
  Status next();
  Result<Outcome> generate_at(const RandomGeneration& drawn);
  Result<Outcome> generate_in(Session& session, const RandomGeneration& drawn);
  void count(const Outcome& outcome, const RandomGeneration& drawn);
  void check_ending(const Outcome& outcome, const RandomGeneration& drawn);
  void compare_with_fresh_process(const Outcome& outcome, const RandomGeneration& drawn);
  void check_pages();
  void look_at_usage();
  void find(const std::string& what) {
    report_.findings.push_back(fmt::format("generation {}: {}", report_.generations, what));
    say_(report_.findings.back());  // at once, for whoever breaks off
  }
  bool is_each(int parts) const {
    return report_.generations % std::max(1, request_.generations / parts) == 0;
  }
  bool is_warm() const { return report_.generations > request_.generations / kWarmUpParts; }

  const SoakRequest& request_;
  const std::function<void(const std::string&)>& say_;
  RandomValues random_;
  Engine engine_;
  std::vector<std::unique_ptr<Session>> sessions_;
  bool told_growth_ = false;
  SoakReport report_;
};

Status Soak::open() {
  BITNETC_ASSIGN_OR_RETURN(engine_, make_engine(request_.model, {}));
  for (const SessionOptions& options : long_lived_sessions()) {
    BITNETC_ASSIGN_OR_RETURN(auto session, Session::create(engine_.executable, options));
    sessions_.push_back(std::move(session));
  }
  return {};
}

// Kernels are generated and proven again, and go again.
Status Soak::open_another() const {
  BITNETC_ASSIGN_OR_RETURN(const Engine engine, make_engine(request_.model, {}));
  BITNETC_ASSIGN_OR_RETURN(const auto session, Session::create(engine.executable, {.threads = 2}));
  BITNETC_ASSIGN_OR_RETURN(const auto ids, engine.tokenizer->encode("Once upon a time"));
  return session->append(ids);
}

// Everything that grows with use has its size afterwards.
Status Soak::warm_up() {
  for (size_t i = 0; i < sessions_.size(); ++i) {
    RandomGeneration longest = longest_generation(i);
    for (const double temperature : {0.0, 1.0}) {
      longest.request.sampling.temperature = temperature;
      BITNETC_ASSIGN_OR_RETURN(longest.request.prompt_ids,
                               engine_.tokenizer->encode(longest.prompt));
      BITNETC_RETURN_IF_ERROR(generate_at(longest).status());
    }
  }
  return {};
}

Result<Soak::Outcome> Soak::generate_in(Session& session, const RandomGeneration& drawn) {
  int pieces = 0;
  const auto on_text = [&](std::string_view) {
    return drawn.ending != Ending::kCallback || ++pieces < drawn.pieces;
  };
  const Stopper stopper(drawn);
  BITNETC_ASSIGN_OR_RETURN(
      GenerationResult result,
      generate(session, *engine_.tokenizer, drawn.request, on_text, is_cancelled_now));
  return Outcome{.result = std::move(result), .context = session.context_tokens()};
}

Result<Soak::Outcome> Soak::generate_at(const RandomGeneration& drawn) {
  Session& session = *sessions_[drawn.session];
  const auto& prompt = drawn.request.prompt_ids;
  if (drawn.place == Place::kOwn) {
    SessionOptions options = long_lived_sessions()[drawn.session];
    options.context_tokens = std::ssize(prompt) + drawn.context_room;
    BITNETC_ASSIGN_OR_RETURN(const auto own, Session::create(engine_.executable, options));
    return generate_in(*own, drawn);
  }
  std::unique_ptr<Session> fork;
  if (drawn.place == Place::kFork && prompt.size() > 1) {
    BITNETC_RETURN_IF_ERROR(session.append(std::span(prompt).first(prompt.size() / 2), nullptr,
                                           {.kind = LogitsNeed::Kind::kTop}));
    fork = session.fork();
  }
  auto outcome = generate_in(fork ? *fork : session, drawn);
  session.reset();
  return outcome;
}

void Soak::count(const Outcome& outcome, const RandomGeneration& drawn) {
  const GenerationResult& result = outcome.result;
  report_.tokens += std::ssize(drawn.request.prompt_ids) + std::ssize(result.ids);
  report_.guessed += result.guessed;
  const bool was_stopped = result.stop_reason == StopReason::kInterrupted;
  int& kind = !was_stopped                        ? report_.to_the_end
              : drawn.ending == Ending::kCallback ? report_.by_callback
                                                  : report_.cancelled;
  ++kind;
}

void Soak::check_ending(const Outcome& outcome, const RandomGeneration& drawn) {
  const GenerationResult& result = outcome.result;
  const bool was_stopped = result.stop_reason == StopReason::kInterrupted;
  if (was_stopped && drawn.ending == Ending::kNatural) find("was interrupted by nobody");
  if (drawn.ending == Ending::kCancelledBefore && !result.ids.empty())
    find(fmt::format("{} tokens after it was cancelled", result.ids.size()));
}

// The same by `bitnetc run`: all of it, or a beginning where it was stopped.
void Soak::compare_with_fresh_process(const Outcome& outcome, const RandomGeneration& drawn) {
  const SamplingParams& sampling = drawn.request.sampling;
  std::vector<std::string> arguments = {"run", request_.model, "-f", "-", "--json", "-q"};
  const auto add = [&](const char* option, const auto& value) {
    arguments.push_back(option);
    arguments.push_back(fmt::format("{}", value));
  };
  add("-n", drawn.request.max_tokens);
  add("-c", outcome.context);
  add("--temp", sampling.temperature);
  add("--top-k", sampling.top_k);
  add("--top-p", sampling.top_p);
  add("--min-p", sampling.min_p);
  add("--repeat-penalty", sampling.repeat_penalty);
  add("--seed", sampling.seed);
  for (const std::string& stop : drawn.request.stop_strings) add("--stop", stop);
  const ProcessResult fresh =
      run_program(BITNETC_BINARY, {.arguments = arguments,
                                   .environment = {{"XDG_CACHE_HOME", request_.cache_home}},
                                   .input = drawn.prompt});
  ++report_.compared;
  if (fresh.exit_code != 0)
    return find(fmt::format("a fresh process failed with {}: {}", fresh.exit_code, fresh.err));
  const auto document = nlohmann::json::parse(fresh.out);
  const auto expected = document.at("ids").get<std::vector<int32_t>>();
  const GenerationResult& result = outcome.result;
  const auto at = std::ranges::mismatch(result.ids, expected);
  const bool is_beginning = at.in1 == result.ids.end();
  const bool is_all = is_beginning && at.in2 == expected.end() &&
                      result.text == document.at("text").get<std::string>() &&
                      stop_reason_name(result.stop_reason) == document.at("stop_reason");
  const bool was_stopped = result.stop_reason == StopReason::kInterrupted;
  if (was_stopped ? !is_beginning : !is_all)
    find(fmt::format("a fresh process differs from step {} on: {}", at.in1 - result.ids.begin(),
                     fmt::join(arguments, " ")));
}

void Soak::check_pages() {
  for (const auto& session : sessions_)
    if (const int64_t pages = session->pages_in_use(); pages != 0)
      find(fmt::format("{} pages of keys and values are in use", pages));
}

ProcessUsage greatest(const ProcessUsage& a, const ProcessUsage& b) {
  return {.blocks = std::max(a.blocks, b.blocks),
          .heap_bytes = std::max(a.heap_bytes, b.heap_bytes),
          .resident_bytes = std::max(a.resident_bytes, b.resident_bytes),
          .descriptors = std::max(a.descriptors, b.descriptors),
          .threads = std::max(a.threads, b.threads)};
}

bool has_grown(const ProcessUsage& now, const ProcessUsage& warm) {
  const bool resides =
      kIsSanitized || now.resident_bytes <= warm.resident_bytes + kResidentSlackBytes;
  return now.blocks > warm.blocks + kBlockSlack ||
         now.heap_bytes > warm.heap_bytes + kHeapSlackBytes || !resides ||
         now.descriptors > warm.descriptors || now.threads > warm.threads;
}

// With nothing running: no more than in the warm-up. Told once: what is told takes memory.
void Soak::look_at_usage() {
  report_.last = process_usage();
  if (!is_warm()) {
    report_.warm = greatest(report_.warm, report_.last);
  } else if (!told_growth_ && has_grown(report_.last, report_.warm)) {
    told_growth_ = true;
    find(fmt::format("{}; in the warm-up there were at most {}", report_.last.describe(),
                     report_.warm.describe()));
  }
}

Status Soak::next() {
  ++report_.generations;
  RandomGeneration drawn = draw_generation(random_, sessions_.size());
  BITNETC_ASSIGN_OR_RETURN(drawn.request.prompt_ids, engine_.tokenizer->encode(drawn.prompt));
  drawn.request.stop_ids = engine_.model->description().generation.stop_ids;
  BITNETC_ASSIGN_OR_RETURN(const Outcome outcome, generate_at(drawn));
  count(outcome, drawn);
  check_ending(outcome, drawn);
  check_pages();
  if (report_.generations % request_.compare_every == 0) compare_with_fresh_process(outcome, drawn);
  return {};
}

Result<SoakReport> Soak::run() {
  handle_interrupts();
  BITNETC_RETURN_IF_ERROR(open());
  BITNETC_RETURN_IF_ERROR(warm_up());
  while (report_.generations < request_.generations) {
    BITNETC_RETURN_IF_ERROR(next());
    if (is_each(kOpenings)) {
      BITNETC_RETURN_IF_ERROR(open_another());
      say_(fmt::format("{} generations: {}", report_.generations, process_usage().describe()));
    }
    if (is_each(kQuietPoints)) look_at_usage();
  }
  return std::move(report_);
}

}  // namespace

Result<SoakReport> soak(const SoakRequest& request,
                        const std::function<void(const std::string&)>& say) {
  return Soak(request, say).run();
}

}  // namespace bitnetc::test
