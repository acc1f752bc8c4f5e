#include "tests/scale/random_generation.h"

#include <array>

#include "tools/engine/draft.h"

namespace bitnetc::test {
namespace {

constexpr int kMostWords = 120;
constexpr int kMostTokens = 200, kFewTokens = 40;
constexpr int kMostPieces = 30;
constexpr int64_t kLongestDeadline = 20000;  // microseconds: of the order of a generation

constexpr std::array kWords = {
    "Once", "upon",  "a",    "time", "there", "was",  "king", "the",  "and",  "queen", "who",
    "had",  "three", "sons", "went", "into",  "wood", "of",   "gold", "said", "wolf",  "to",
    "him",  "\"Oh!", ",",    "\n\n", "7",     "ü",    "→",    "zyxw", "in",   "her",   "house"};

bool is_one_in(RandomValues& random, int64_t n) {
  return random.integer(1, n) == 1;
}

std::string draw_prompt(RandomValues& random, int64_t words) {
  std::string text = kWords[0];
  const bool repeats = is_one_in(random, 4);  // so that there is something to guess
  for (int64_t i = 1; i < words; ++i) {
    const int64_t word = repeats ? i % 5 : random.integer(0, std::ssize(kWords) - 1);
    text += ' ';
    text += kWords[static_cast<size_t>(word)];
  }
  return text;
}

SamplingParams draw_sampling(RandomValues& random) {
  SamplingParams params{.seed = static_cast<uint64_t>(random.integer(0, 1 << 30))};
  if (is_one_in(random, 3))
    params.repeat_penalty = 1.0 + 0.1 * static_cast<double>(random.integer(1, 5));
  if (is_one_in(random, 4)) return params;  // greedy
  params.temperature = 0.1 * static_cast<double>(random.integer(1, 15));
  if (is_one_in(random, 2)) params.top_k = static_cast<int>(random.integer(1, 60));
  if (is_one_in(random, 2)) params.top_p = 0.05 * static_cast<double>(random.integer(1, 19));
  if (is_one_in(random, 3)) params.min_p = 0.01 * static_cast<double>(random.integer(1, 20));
  return params;
}

}  // namespace

RandomGeneration draw_generation(RandomValues& random, size_t sessions) {
  RandomGeneration drawn;
  drawn.prompt = draw_prompt(random, random.integer(1, is_one_in(random, 8) ? kMostWords : 24));
  drawn.request.max_tokens =
      static_cast<int>(random.integer(1, is_one_in(random, 10) ? kMostTokens : kFewTokens));
  drawn.request.sampling = draw_sampling(random);
  if (is_one_in(random, 6)) drawn.request.stop_strings = {" the", ".\n"};
  drawn.request.most_drafts = is_one_in(random, 3) ? 0 : kMostDrafts;
  drawn.ending =
      is_one_in(random, 2)
          ? Ending::kNatural
          : static_cast<Ending>(random.integer(1, static_cast<int64_t>(Ending::kCancelledBefore)));
  drawn.pieces = static_cast<int>(random.integer(1, kMostPieces));
  drawn.microseconds = random.integer(1, kLongestDeadline);
  drawn.place = is_one_in(random, 3)
                    ? static_cast<Place>(random.integer(1, static_cast<int64_t>(Place::kFork)))
                    : Place::kLongLived;
  drawn.session = static_cast<size_t>(random.integer(0, static_cast<int64_t>(sessions) - 1));
  drawn.context_room = random.integer(1, kMostTokens);
  return drawn;
}

RandomGeneration longest_generation(size_t session) {
  RandomValues random(session);
  RandomGeneration longest;
  longest.prompt = draw_prompt(random, 2 * kMostWords);  // words have several tokens or one
  longest.request.max_tokens = kMostTokens;
  longest.request.most_drafts = kMostDrafts;
  longest.session = session;
  return longest;
}

}  // namespace bitnetc::test
