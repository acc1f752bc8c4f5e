#include "tests/support/tiers.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <utility>

#include "runtime/cpu_features.h"

namespace bitnetc::test {
namespace {

std::string current_test() {
  const auto* test = testing::UnitTest::GetInstance()->current_test_info();
  return test == nullptr ? "?" : fmt::format("{}.{}", test->test_suite_name(), test->name());
}

}  // namespace

std::vector<Isa> tiers_here() {
  static std::set<std::pair<std::string, Isa>> told;  // one line per test and tier
  std::vector<Isa> tiers;
  for (const Isa isa : {Isa::kScalar, Isa::kAvx2, Isa::kAvxVnni, Isa::kAvx512Vnni, Isa::kAmx}) {
    if (host_target().supports(isa)) {
      tiers.push_back(isa);
    } else if (const std::string test = current_test(); told.emplace(test, isa).second) {
      fmt::print("[ NO TIER  ] {}: not run on {}, which this machine lacks\n", test, isa_name(isa));
    }
  }
  return tiers;
}

}  // namespace bitnetc::test
