#include "autotune/profile.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include "autotune/profile/text.h"

namespace bitnetc {
namespace {

constexpr double kLeastSeconds = 1e-10;  // what the text form can tell from nothing
constexpr double kMostSeconds = 1e4;
constexpr double kMostTookSeconds = 1e8;
constexpr int64_t kMostSamples = 1'000'000'000'000;
constexpr int kMostThreads = 1024;
constexpr int kMostRevision = 1'000'000;
constexpr size_t kMostField = 64, kMostNameBytes = 48;  // a line of generators stays readable
constexpr int64_t kLastSecond = 253'402'300'799;        // of the year 9999

bool is_generator_name(std::string_view name) {
  return !name.empty() && name.size() <= kMostNameBytes && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
}

// "name.revision" as Measurement::label() has it.
bool is_label(std::string_view label) {
  const size_t dot = std::min(label.find('.'), label.size());
  const std::string_view revision = label.substr(std::min(dot + 1, label.size()));
  const bool is_number = !revision.empty() && revision.size() <= 7 &&
                         (revision == "0" || revision[0] != '0') &&
                         std::ranges::all_of(revision, [](char c) { return c >= '0' && c <= '9'; });
  return is_generator_name(label.substr(0, dot)) && is_number;
}

// Comparisons that are false for NaN.
bool is_time(double seconds) {
  return seconds >= kLeastSeconds && seconds <= kMostSeconds;
}

Status refuse(const ProfileEntry& entry, const std::string& what) {
  return make_error(StatusCode::kInvalidArgument, "profile entry {}: {}", entry.key.text(), what);
}

std::string quarrel_with(const Measurement& measured) {
  if (!is_generator_name(measured.generator) || measured.revision < 0 ||
      measured.revision > kMostRevision)
    return fmt::format(
        "generator {}, expected lower-case letters, digits and '_', a revision from 0 on",
        measured.label());
  if (measured.plan.empty())
    return measured.label() + " without a plan, expected one such as t1u4p0";
  if (!is_time(measured.median_s) ||
      !(measured.low_s >= 0 && measured.low_s <= measured.median_s) ||
      !(measured.high_s >= measured.median_s && measured.high_s <= kMostSeconds))
    return fmt::format("median {} s in {} .. {} s, expected {} to {} s, the median inside",
                       measured.median_s, measured.low_s, measured.high_s, kLeastSeconds,
                       kMostSeconds);
  if (measured.predicted_s != 0 && !is_time(measured.predicted_s))
    return fmt::format("predicted {} s, expected 0 or {} to {} s", measured.predicted_s,
                       kLeastSeconds, kMostSeconds);
  if (measured.samples < 1 || measured.samples > kMostSamples)
    return fmt::format("{} samples, expected 1 to {}", measured.samples, kMostSamples);
  return "";
}

Status check_key(const ProfileEntry& entry) {
  BITNETC_RETURN_IF_ERROR(validate(KernelSpec(entry.key.spec)).with_context("profile entry"));
  if (!is_target_name(entry.key.target))
    return refuse(entry,
                  fmt::format("target {}, expected one such as avx2", quote(entry.key.target)));
  if (entry.key.threads < 1 || entry.key.threads > kMostThreads)
    return refuse(entry, fmt::format("expected 1 to {} threads", kMostThreads));
  return {};
}

}  // namespace

std::string_view confidence_name(Confidence confidence) {
  switch (confidence) {
    case Confidence::kSure: return "sure";
    case Confidence::kTie: return "tie";
    case Confidence::kNoisy: return "noisy";
  }
  return "?";
}

std::string Measurement::label() const {
  return fmt::format("{}.{}", generator, revision);
}

std::string ProfileKey::text() const {
  return fmt::format("{} on {} with {} thread{}", spec_name(spec), target, threads,
                     threads == 1 ? "" : "s");
}

Status validate(const ProfileEntry& entry) {
  BITNETC_RETURN_IF_ERROR(check_key(entry));
  if (entry.measured_at_s < 0 || entry.measured_at_s > kLastSecond)
    return refuse(entry, fmt::format("measured {} s after the epoch, expected 0 to {}",
                                     entry.measured_at_s, kLastSecond));
  if (!(entry.took_s >= 0 && entry.took_s <= kMostTookSeconds))
    return refuse(entry,
                  fmt::format("took {} s, expected 0 to {}", entry.took_s, kMostTookSeconds));
  if (entry.field.size() > kMostField)
    return refuse(entry, fmt::format("{} generators in the field, expected at most {}",
                                     entry.field.size(), kMostField));
  for (size_t i = 0; i < entry.field.size(); ++i) {
    if (!is_label(entry.field[i]) || (i > 0 && entry.field[i - 1] >= entry.field[i]))
      return refuse(entry, fmt::format("field '{}', expected sorted names such as "
                                       "'static_matmul_avx2.1'",
                                       entry.field[i]));
  }
  if (entry.measurements.empty()) return refuse(entry, "no measurement, expected one or more");
  for (const Measurement& measured : entry.measurements) {
    if (const std::string why = quarrel_with(measured); !why.empty()) return refuse(entry, why);
    if (!std::ranges::binary_search(entry.field, measured.label()))
      return refuse(entry,
                    fmt::format("{} was measured and is not in the field", measured.label()));
  }
  return {};
}

const ProfileEntry* Profile::find(const ProfileKey& key) const {
  const auto at = std::ranges::lower_bound(entries, key, {}, &ProfileEntry::key);
  return at != entries.end() && at->key == key ? &*at : nullptr;
}

void Profile::put(ProfileEntry entry) {
  const auto at = std::ranges::lower_bound(entries, entry.key, {}, &ProfileEntry::key);
  if (at != entries.end() && at->key == entry.key) {
    *at = std::move(entry);
  } else {
    entries.insert(at, std::move(entry));
  }
}

int64_t Profile::merge(const Profile& newer) {
  std::vector<ProfileEntry> merged;
  merged.reserve(entries.size() + newer.entries.size());
  int64_t taken = 0;
  auto own = entries.begin();
  for (const ProfileEntry& other : newer.entries) {
    while (own != entries.end() && own->key < other.key) merged.push_back(std::move(*own++));
    const bool is_known = own != entries.end() && own->key == other.key;
    const bool keeps_own = is_known && (own->measured_at_s > other.measured_at_s || *own == other);
    if (keeps_own) {
      merged.push_back(std::move(*own));
    } else {
      merged.push_back(other);
      ++taken;
    }
    if (is_known) ++own;
  }
  std::move(own, entries.end(), std::back_inserter(merged));
  entries = std::move(merged);
  return taken;
}

}  // namespace bitnetc
