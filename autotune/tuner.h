// Tunes matmuls: holds a contest of the candidates per shape, layout and number of tokens, with
// weights streamed from memory as in a real token. Each entry is handed out as soon as it is known,
// so that a run that ends early loses nothing. What the profile already has is not measured again.
// docs/tuning.md says how measuring is kept honest.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "autotune/contest.h"
#include "autotune/limits.h"
#include "autotune/profile.h"
#include "autotune/search_space.h"
#include "autotune/usage.h"
#include "codegen/build_settings.h"

namespace bitnetc {

struct TuneRequest {
  std::vector<MatmulSpec>
      shapes;  // n, k, epilogue and row_absmax count; repeated ones are tuned once
  std::vector<LayoutId> layouts;  // empty: all
  std::vector<int> threads;       // empty: as many as this process may use
  Target target;
  BuildSettings build = {};
  Effort effort = Effort::kQuick;
  double budget_s = 20;  // for everything together, about
  bool again = false;    // measure what the profile already has, too
  // By number of threads, for predictions. What is missing is measured, in a fifth of a second.
  std::vector<MachineLimits> limits = {};
};

struct TuneProgress {
  int done = 0, total = 0;  // entries
  std::string what;         // "2560x6912:residual b3, 8 tokens"
};

struct TuneReport {
  int tuned = 0, known = 0, left = 0;  // entries; left: budget or Ctrl-C came first
  int noisy = 0;                       // of those that were tuned
  int refused = 0;  // not entered: no candidate could run, or nothing could be told for noise
  double took_s = 0;
  double measuring_s = 0;  // of it, contests; the rest is building, checking and filling memory
  bool cancelled = false;
  std::vector<std::string>
      failures;   // candidates that did not build, prove or agree with the reference
  Status stored;  // the first failure of TuneHooks::found
};

struct TuneHooks {
  std::function<void(const TuneProgress&)> progress;
  std::function<Status(const ProfileEntry&)>
      found;  // stores an entry; a failure is reported once, tuning goes on
  std::function<bool()> is_cancelled;
  std::function<void(const std::string&)> log;  // predicted against measured, a line a contest
};

// `known`: what is in the profile. Pins the calling thread while it runs. Error: kInvalidArgument
// (numbers no matmul can have, threads this process has not), kOutOfMemory, kUnsupported (the clock
// cannot be relied on); what was found before has been handed out.
Result<TuneReport> tune(const TuneRequest& request, const Profile& known, const TuneHooks& hooks);

}  // namespace bitnetc
