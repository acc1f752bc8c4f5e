// Tuning results of one machine: for each tuned matmul spec the measured kernels, best first. A
// plain value with a readable text form (docs/tuning.md). profile_store.h keeps it on disk;
// profile_plans.h answers the compiler's questions from it.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "codegen/kernel_plan.h"
#include "codegen/kernel_spec.h"
#include "runtime/status.h"
#include "runtime/target.h"

namespace bitnetc {

// How far the order of the first two can be trusted.
enum class Confidence {
  // The winner's interval lies below the runner-up's, or their difference was confirmed in pairs.
  kSure,
  kTie,    // they differ by less than measuring can tell: either will do
  kNoisy,  // the machine disturbed the measurement so much that the order may be wrong
};
std::string_view confidence_name(Confidence confidence);  // "sure", "tie", "noisy"

// One kernel as it was measured. Times are seconds of one call with the entry's tokens, tables
// included.
struct Measurement {
  std::string generator;  // as in codegen/kernels.inc
  int revision = 0;       // of the generator, then
  KernelPlan plan;
  double predicted_s = 0;  // by the cost model; 0: it had nothing to say
  double median_s = 0;
  double low_s = 0, high_s = 0;  // 95 % confidence interval of the median
  int64_t samples = 0;           // few where it was eliminated early

  std::string label() const;  // "x64_matmul_i2s_avx2.2": generator and revision
  bool operator==(const Measurement&) const = default;
};

// What an entry is about.
struct ProfileKey {
  MatmulSpec spec;     // m as asked for: 1..kMaxSmallM, or kAnyM
  std::string target;  // Target::name(): the tier, after any cap
  int threads = 1;

  auto operator<=>(const ProfileKey&) const = default;
  std::string text()
      const;  // "matmul_i8_i2s_f32_n3840_k2560_m1_scale on avx512vnni with 2 threads"
};

struct ProfileEntry {
  ProfileKey key;
  Confidence confidence = Confidence::kSure;
  int64_t measured_at_s = 0;  // since the epoch
  double took_s = 0;
  // Generators that could serve the spec when it was tuned, "name.revision", sorted: where these
  // are not what this build has, the entry is stale.
  std::vector<std::string> field;
  std::vector<Measurement> measurements;  // best first, at least one

  const Measurement& best() const { return measurements.front(); }
  bool operator==(const ProfileEntry&) const = default;
};

// Whether the entry says something that tuning can have found: a matmul and tier that exist, times
// of 0.1 ns to 10000 s whose median lies in its interval, every measured generator in the field.
// Error: kInvalidArgument naming key, field and value. Whether this build still has those
// generators is drop_unusable()'s question.
Status validate(const ProfileEntry& entry);

// "name.revision" of every generator of this build that can serve the spec on the target with some
// plan, sorted; the reference does not count.
std::vector<std::string> current_field(const MatmulSpec& spec, const Target& target);

struct Profile {
  std::string fingerprint;  // of the machine (autotune/machine.h): letters, digits, '-', '_'
  std::string machine;      // the same in words: one line of printable ASCII
  std::vector<ProfileEntry> entries;  // one a key, in the order of keys

  const ProfileEntry* find(const ProfileKey& key) const;
  // Takes the place of the entry with its key, if there is one.
  void put(ProfileEntry entry);
  // Entries of `newer` replace those of the same key unless these were measured later. Returns how
  // many came in.
  int64_t merge(const Profile& newer);
};

// Takes out what this build cannot use on a machine with the tiers of `machine`: stale entries,
// unknown generators, plans that their generators refuse, tiers that it lacks. Stale entries get
// one line together in `problems`, which says how to get new ones; the others a line each. Returns
// how many went.
int64_t drop_unusable(Profile& profile, const Target& machine, std::vector<std::string>& problems);

inline constexpr int kProfileVersion = 1;
// Times are kept to 0.1 ns, the time of day to a second, how long an entry took to a millisecond;
// all else exactly. Every entry has to be valid.
std::string print_profile(const Profile& profile);
// Reads what print_profile() prints, and nothing else; only blank lines and the order of entries do
// not matter. An entry that does not read, is not complete, was altered (each ends with a checksum)
// or repeats a key is left out, and `problems` gets a line that names the place (`origin`, line
// number), the value and what was expected; after the first twenty only their number. Error:
// kDataCorrupt if the text is no profile at all, kUnsupported for another version.
Result<Profile> parse_profile(std::string_view text, const std::string& origin,
                              std::vector<std::string>& problems);

}  // namespace bitnetc
