// What tuning found out on this machine, and tuning itself as the commands do it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "autotune/profile_plans.h"
#include "autotune/profile_store.h"
#include "autotune/tuner.h"

namespace bitnetc {

// Seconds that tuning a model takes, about, unless something else is asked for.
constexpr double tuning_seconds(Effort effort) {
  return effort == Effort::kQuick ? 20 : 600;
}

ProfileStore machine_profile_store();

// The plan source of this machine. What cannot be used of its profile is noted on stderr.
class MachinePlans {
 public:
  // `threads`: that the model will run with.
  MachinePlans(int threads, Usage usage);
  MachinePlans(const MachinePlans&) = delete;
  MachinePlans& operator=(const MachinePlans&) = delete;

  const PlanSource& source() const { return plans_; }
  const Profile& profile() const { return *profile_; }
  // The layouts it chooses for tuned shapes, on one line: changes when one of them does.
  std::string layouts(const Target& target) const;

 private:
  const std::shared_ptr<const Profile> profile_;
  const ProfilePlanSource plans_;
};

// Tunes and keeps every entry as it is found, with a progress bar; says on stderr what was done and what is left.
// `log`: predicted against measured, a line a contest. Error: as tune(); where generated code cannot run, for what
// would be kept is used by runs in which it can.
Result<TuneReport> tune_this_machine(TuneRequest request, bool log);

}  // namespace bitnetc
