// What makes measurements scatter: other programs, other guests of the host, a clock that moves.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace bitnetc {

// Of all CPUs together, in seconds since the system started.
struct CpuSeconds {
  double busy = 0, idle = 0;
  double stolen = 0;  // by the hypervisor, for other guests
};
// The first line of /proc/stat; `ticks`: of a second. Nothing where the text is something else.
std::optional<CpuSeconds> parse_cpu_seconds(std::string_view stat, double ticks);

// Shares of the machine's CPU time over a while that were not ours.
struct Disturbance {
  double others = 0;  // other processes
  double stolen = 0;
};
Disturbance disturbance_between(const CpuSeconds& before, const CpuSeconds& after, double own_s);

// From its making to the call of read(); zeros where the system does not tell.
class DisturbanceMeter {
 public:
  DisturbanceMeter();
  Disturbance read() const;

 private:
  std::optional<CpuSeconds> before_;
  double own_s_;
};

// How the clock is governed; unknown (as in most virtual machines) where the system does not say.
struct ClockState {
  std::string governor;       // "performance", "powersave", "schedutil"; empty: unknown
  std::optional<bool> boost;  // above the nominal frequency
};
ClockState clock_state();

}  // namespace bitnetc
