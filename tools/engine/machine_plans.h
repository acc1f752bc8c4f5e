// What tuning found out on this machine, and tuning itself with its results kept.
#pragma once

#include <string>
#include <vector>

#include "autotune/profile_plans.h"
#include "autotune/profile_store.h"
#include "autotune/tuner.h"
#include "runtime/cancel_token.h"
#include "runtime/notes.h"

namespace bitnetc {

// Seconds that tuning a model takes, about, unless something else is asked for.
constexpr double tuning_seconds(Effort effort) {
  return effort == Effort::kQuick ? 20 : 600;
}

ProfileStore machine_profile_store(const std::string& cache_dir);

// The plan source of this machine. A note says what cannot be used of its profile.
class MachinePlans {
 public:
  // `threads`: that the model will run with.
  MachinePlans(const std::string& cache_dir, int threads, Usage usage, Notes& notes);
  MachinePlans(const MachinePlans&) = delete;
  MachinePlans& operator=(const MachinePlans&) = delete;

  const PlanSource& source() const { return plans_; }
  const Profile& profile() const { return profile_; }
  // The layouts it chooses for tuned shapes, on one line: changes when one of them does.
  std::string layouts(const Target& target) const;

 private:
  const Profile profile_;  // plans_ refers to it
  const ProfilePlanSource plans_;
};

// Tunes and keeps every entry as it is found; notes say what was done, what is left, and predicted
// against measured times, a line per contest. Error: as tune(); where generated code cannot run,
// because what would be kept is used by runs in which it can.
Result<TuneReport> tune_this_machine(TuneRequest request, const std::string& cache_dir,
                                     Notes& notes, const CancelToken* cancel);

}  // namespace bitnetc
