#include "autotune/noise.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <sstream>

namespace bitnetc {
namespace {

constexpr char kCpuFolder[] = "/sys/devices/system/cpu/";

// The first line, without its end; empty where there is none.
std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

std::optional<CpuSeconds> cpu_seconds_now() {
  return parse_cpu_seconds(first_line("/proc/stat"), static_cast<double>(::sysconf(_SC_CLK_TCK)));
}

double own_seconds_now() {
  rusage usage = {};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

}  // namespace

std::optional<CpuSeconds> parse_cpu_seconds(std::string_view stat, double ticks) {
  std::istringstream words{std::string(stat)};
  std::string name;
  double user = 0, nice = 0, system = 0, idle = 0, io_wait = 0, irq = 0, soft_irq = 0, stolen = 0;
  words >> name >> user >> nice >> system >> idle >> io_wait >> irq >> soft_irq >> stolen;
  if (!words || name != "cpu" || ticks <= 0) return std::nullopt;
  return CpuSeconds{.busy = (user + nice + system + irq + soft_irq) / ticks,
                    .idle = (idle + io_wait) / ticks,
                    .stolen = stolen / ticks};
}

Disturbance disturbance_between(const CpuSeconds& before, const CpuSeconds& after, double own_s) {
  const double busy = after.busy - before.busy, stolen = after.stolen - before.stolen;
  const double all = busy + stolen + after.idle - before.idle;
  if (all <= 0) return {};
  return {.others = std::clamp((busy - own_s) / all, 0.0, 1.0),
          .stolen = std::clamp(stolen / all, 0.0, 1.0)};
}

DisturbanceMeter::DisturbanceMeter() : before_(cpu_seconds_now()), own_s_(own_seconds_now()) {}

Disturbance DisturbanceMeter::read() const {
  const std::optional<CpuSeconds> now = cpu_seconds_now();
  if (!before_ || !now) return {};
  return disturbance_between(*before_, *now, own_seconds_now() - own_s_);
}

ClockState clock_state() {
  const std::string folder = kCpuFolder;
  ClockState state{.governor = first_line(folder + "cpu0/cpufreq/scaling_governor")};
  const std::string boost = first_line(folder + "cpufreq/boost");
  const std::string no_turbo = first_line(folder + "intel_pstate/no_turbo");
  if (!boost.empty()) state.boost = boost == "1";
  if (!no_turbo.empty()) state.boost = no_turbo == "0";
  return state;
}

}  // namespace bitnetc
