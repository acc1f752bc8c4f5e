// What printing and reading a profile share.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "autotune/profile.h"

namespace bitnetc {

inline constexpr std::string_view kProfileMagic = "bitnetc-profile ";
inline constexpr std::string_view kProfileEnd = "  end ";  // and the checksum of the entry so far

// Decimals of a time in microseconds, and of the seconds that tuning took.
inline constexpr int kMicrosecondDecimals = 4, kTookDecimals = 3;
inline constexpr double kTicksPerSecond = 1e10, kTookTicksPerSecond = 1e3;

bool is_printable(std::string_view text);
bool is_fingerprint(std::string_view text);
bool is_target_name(std::string_view text);  // what Target::name() answers for some target
// Foreign text for a message: short, without control characters.
std::string quote(std::string_view text);
std::string entry_digest(std::string_view text);

std::string print_entry(const ProfileEntry& entry);
std::string print_machine(const Profile& profile);  // the line of the head, without its end

}  // namespace bitnetc
