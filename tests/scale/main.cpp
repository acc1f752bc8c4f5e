// What tools/check-scale runs: `digests` of a model folder under many settings, and the `soak` of a
// model. Exits with 0 where nothing was found, with 4 where something was, 2 for wrong use and 1
// where it could not be run.
#include <fmt/format.h>

#include <charconv>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "runtime/cpu_features.h"
#include "tests/scale/digest_check.h"
#include "tests/scale/soak.h"
#include "tests/support/tiers.h"

namespace bitnetc::test {
namespace {

constexpr int kExitNothing = 0, kExitFailed = 1, kExitUsage = 2, kExitFound = 4;
constexpr char kUsage[] =
    "usage: check_scale digests --source FOLDER --folder FOLDER --tiers all|scalar|generated\n"
    "                           --prompt N --steps N\n"
    "       check_scale soak --model FILE --cache FOLDER --generations N --seed N\n";

struct WrongUse : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class Arguments {
 public:
  Arguments(int count, char** values) {
    for (int i = 0; i < count; i += 2) {
      if (i + 1 == count) throw WrongUse(fmt::format("{}: expected a value", values[i]));
      values_[values[i]] = values[i + 1];
    }
  }
  std::string text(const std::string& option) const {
    const auto found = values_.find(option);
    if (found == values_.end()) throw WrongUse(option + ": expected it");
    return found->second;
  }
  int number(const std::string& option, int least) const {
    const std::string value = text(option);
    int number = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (error != std::errc() || end != value.data() + value.size() || number < least)
      throw WrongUse(fmt::format("{} '{}': expected a whole number from {}", option, value, least));
    return number;
  }

 private:
  std::map<std::string, std::string> values_;
};

void say(const std::string& line) {
  fmt::print("{}\n", line);
  std::fflush(stdout);
}

std::vector<Isa> tiers_named(const std::string& name) {
  std::vector<Isa> tiers = tiers_here();
  if (name == "scalar") return {Isa::kScalar};
  if (name == "generated") std::erase(tiers, Isa::kScalar);
  if (name != "generated" && name != "all")
    throw WrongUse(fmt::format("--tiers '{}': expected all, scalar or generated", name));
  if (tiers.empty()) throw WrongUse("--tiers generated: this machine has none of them");
  return tiers;
}

int fail(const Status& status) {
  fmt::print(stderr, "check_scale: {}\n", status.message());
  return kExitFailed;
}

int conclude(const std::vector<std::string>& findings) {
  for (const std::string& finding : findings) say("FOUND " + finding);
  return findings.empty() ? kExitNothing : kExitFound;
}

int digests(const Arguments& arguments) {
  const DigestRequest request{.source = arguments.text("--source"),
                              .folder = arguments.text("--folder"),
                              .factors = all_factors(tiers_named(arguments.text("--tiers"))),
                              .prompt_tokens = arguments.number("--prompt", 2),
                              .steps = arguments.number("--steps", 1)};
  const auto report = check_digests(request, say);
  if (!report.ok()) return fail(report.status());
  say(
      fmt::format("{} runs of {} prompt tokens and {} steps, {} different; {} tokens were guessed, "
                  "{} of them right; {} passes were screened",
                  report->runs, request.prompt_tokens, request.steps, report->differences.size(),
                  report->guessed, report->guessed_right, report->screened_passes));
  if (report->guessed == 0) say("NOTHING WAS GUESSED: guesses were not compared");
  if (report->skipping_runs == 0) say("NO NEURONS WERE SKIPPED: that was not compared");
  if (report->screened_passes == 0) say("NOTHING WAS SCREENED: the screened head was not compared");
  return conclude(report->differences);
}

int run_soak(const Arguments& arguments) {
  const auto report = soak({.model = arguments.text("--model"),
                            .cache_home = arguments.text("--cache"),
                            .generations = arguments.number("--generations", 1),
                            .seed = static_cast<uint64_t>(arguments.number("--seed", 0))},
                           say);
  if (!report.ok()) return fail(report.status());
  say(
      fmt::format("{} generations, {} tokens, {} of them guesses: {} to the end, {} stopped by a "
                  "callback, {} cancelled; {} compared with fresh processes",
                  report->generations, report->tokens, report->guessed, report->to_the_end,
                  report->by_callback, report->cancelled, report->compared));
  say("most in the warm-up: " + report->warm.describe());
  say("at the end:          " + report->last.describe());
  return conclude(report->findings);
}

int run(int count, char** values) {
  const std::string command = count > 1 ? values[1] : "";
  const auto arguments = [&] { return Arguments(count - 2, values + 2); };
  if (command == "digests") return digests(arguments());
  if (command == "soak") return run_soak(arguments());
  throw WrongUse("expected digests or soak");
}

}  // namespace
}  // namespace bitnetc::test

int main(int count, char** values) {
  try {
    return bitnetc::test::run(count, values);
  } catch (const bitnetc::test::WrongUse& error) {
    fmt::print(stderr, "check_scale: {}\n{}", error.what(), bitnetc::test::kUsage);
    return bitnetc::test::kExitUsage;
  } catch (const std::exception& error) {
    fmt::print(stderr, "check_scale: {}\n", error.what());
    return bitnetc::test::kExitFailed;
  }
}
