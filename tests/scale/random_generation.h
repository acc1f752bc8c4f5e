// One generation of a soak, drawn at random.
#pragma once

#include <cstdint>
#include <string>

#include "tests/support/random_values.h"
#include "tools/engine/generate.h"

namespace bitnetc::test {

enum class Ending {
  kNatural,          // as the request says
  kCallback,         // on_text returns false after a number of pieces of text
  kDeadline,         // another thread cancels
  kSignal,           // a signal handler cancels, as Ctrl-C does
  kCancelledBefore,  // nothing is to be done at all
};

enum class Place {
  kLongLived,  // a session that has served others
  kOwn,        // a session for this generation alone, whose context may be too small for all of it
  kFork,       // a fork of a long-lived session that holds the first half of the prompt
};

struct RandomGeneration {
  std::string prompt;
  GenerationRequest request;  // prompt_ids not yet filled in
  Ending ending = Ending::kNatural;
  int pieces = 0;            // kCallback: of text, before it stops
  int64_t microseconds = 0;  // kDeadline, kSignal: from the start
  Place place = Place::kLongLived;
  size_t session = 0;        // of the long-lived ones
  int64_t context_room = 0;  // kOwn: positions behind the prompt
};

RandomGeneration draw_generation(RandomValues& random, size_t sessions);
// The most that any drawn one takes, for a warm-up.
RandomGeneration longest_generation(size_t session);

}  // namespace bitnetc::test
