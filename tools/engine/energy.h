// Energy that the processors of this machine take, where it says so: RAPL through Linux' powercap.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/status.h"

namespace bitnetc {

class EnergyMeter {
 public:
  // Reads the packages under `root`. Error: kUnsupported saying why there is nothing to read.
  static Result<EnergyMeter> open(const std::string& root = "/sys/class/powercap");

  // Joules of all packages since open(). To be called more often than a counter goes round, which
  // takes minutes at least. Error: kIoError naming the file.
  Result<double> joules();

 private:
  struct Package {
    std::string counter;  // the file with microjoules
    uint64_t last = 0, range = 0;
  };
  std::vector<Package> packages_;
  double joules_ = 0;
};

}  // namespace bitnetc
