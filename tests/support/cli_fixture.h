// Tests of the `bitnetc` program, with a cache of their own: nothing of the machine's is read or
// written.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "tests/support/model_folder.h"
#include "tests/support/subprocess.h"

namespace bitnetc::test {

class CliFixture : public testing::Test {
 protected:
  ProcessResult bitnetc(std::vector<std::string> arguments,
                        std::map<std::string, std::string> environment = {},
                        const std::string& input = "", int interrupt_after_ms = 0) const {
    environment.emplace("XDG_CACHE_HOME", cache_home());
    return run_program(BITNETC_BINARY, {.arguments = std::move(arguments),
                                        .environment = std::move(environment),
                                        .input = input,
                                        .interrupt_after_ms = interrupt_after_ms});
  }
  // The same with streams, signals or a terminal of the caller's choice.
  ProcessResult bitnetc_with(std::vector<std::string> arguments, ProcessOptions options) const {
    options.arguments = std::move(arguments);
    options.environment.emplace("XDG_CACHE_HOME", cache_home());
    return run_program(BITNETC_BINARY, options);
  }
  std::string cache_home() const { return folder_.file("cache"); }

  TempFolder folder_;
};

}  // namespace bitnetc::test
