// The text form of a profile (docs/tuning.md).
#include <fmt/chrono.h>
#include <xxhash.h>

#include <algorithm>
#include <cmath>

#include "autotune/profile/text.h"

namespace bitnetc {
namespace {

constexpr int kMicrosecondsWidth =
    12;  // "1234567.8901": lines up as long as a call takes less than 10 s

std::string print_ticks(int64_t ticks, int decimals) {
  int64_t unit = 1;
  for (int i = 0; i < decimals; ++i) unit *= 10;
  return fmt::format("{}.{:0{}}", ticks / unit, ticks % unit, decimals);
}

std::string printed_time(double seconds) {
  return print_ticks(std::llround(seconds * kTicksPerSecond), kMicrosecondDecimals);
}

std::string print_measurement(const Measurement& measured) {
  const std::string predicted =
      measured.predicted_s == 0 ? "-" : printed_time(measured.predicted_s);
  return fmt::format("  {:>{}} us  ({} .. {}, {} sample{})  predicted {}  {} {}\n",
                     printed_time(measured.median_s), kMicrosecondsWidth,
                     printed_time(measured.low_s), printed_time(measured.high_s), measured.samples,
                     measured.samples == 1 ? "" : "s", predicted, measured.label(),
                     plan_name(measured.plan));
}

}  // namespace

bool is_printable(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= 0x20 && c < 0x7f; });
}

bool is_fingerprint(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '_';
  });
}

bool is_target_name(std::string_view text) {
  const auto target = parse_target(text);
  return target.ok() && target->name() == text;
}

// Foreign text for a message: short, without control characters.
std::string quote(std::string_view text) {
  constexpr size_t kMostBytes = 60;
  std::string shown(text.substr(0, kMostBytes));
  std::ranges::replace_if(shown, [](char c) { return c < 0x20 || c == 0x7f; }, '?');
  return fmt::format("'{}{}'", shown, text.size() > kMostBytes ? "..." : "");
}

std::string entry_digest(std::string_view text) {
  return fmt::format("{:016x}", XXH3_64bits(text.data(), text.size()));
}

std::string print_entry(const ProfileEntry& entry) {
  std::string text = fmt::format(
      "{}: {}, {:%Y-%m-%dT%H:%M:%S}Z, took {} s\n  field", entry.key.text(),
      confidence_name(entry.confidence), fmt::gmtime(static_cast<time_t>(entry.measured_at_s)),
      print_ticks(std::llround(entry.took_s * kTookTicksPerSecond), kTookDecimals));
  for (const std::string& generator : entry.field) text += " " + generator;
  text += "\n";
  for (const Measurement& measured : entry.measurements) text += print_measurement(measured);
  return text + fmt::format("{}{}\n", kProfileEnd, entry_digest(text));
}

std::string print_machine(const Profile& profile) {
  return fmt::format("machine {} {}", profile.fingerprint, profile.machine);
}

std::string print_profile(const Profile& profile) {
  BITNETC_CHECK(is_fingerprint(profile.fingerprint) && is_printable(profile.machine),
                "a profile of machine '{}' ({})", profile.fingerprint, profile.machine);
  std::string text =
      fmt::format("{}{}\n{}\n", kProfileMagic, kProfileVersion, print_machine(profile));
  for (const ProfileEntry& entry : profile.entries) {
    const Status valid = validate(entry);
    BITNETC_CHECK(valid.ok(), "{}", valid.message());
    text += "\n" + print_entry(entry);
  }
  return text;
}

}  // namespace bitnetc
