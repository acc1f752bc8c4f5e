#include "runtime/options.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <set>

#include "runtime/cpu_features.h"

namespace bitnetc {
namespace {

// Sets variables for one test and puts the old values back.
class Environment {
 public:
  explicit Environment(const std::map<std::string, std::string>& variables) {
    for (const char* name :
         {"BITNETC_ISA", "BITNETC_DUMP", "BITNETC_EXPLAIN", "BITNETC_PERF", "BITNETC_JIT",
          "BITNETC_POISON", "BITNETC_THREADS", "XDG_CACHE_HOME", "XDG_STATE_HOME", "HOME",
          "CUDA_HOME", "CUDA_PATH", "BITNETC_LIBCUDA", "CUDA_VISIBLE_DEVICES"}) {
      const char* value = std::getenv(name);
      saved_[name] = value ? std::optional<std::string>(value) : std::nullopt;
      unsetenv(name);
    }
    for (const auto& [name, value] : variables) setenv(name.c_str(), value.c_str(), 1);
  }
  ~Environment() {
    for (const auto& [name, value] : saved_)
      value ? setenv(name.c_str(), value->c_str(), 1) : unsetenv(name.c_str());
  }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

 private:
  std::map<std::string, std::optional<std::string>> saved_;
};

Result<Options> read_with(const std::map<std::string, std::string>& variables) {
  const Environment environment(variables);
  return read_options();
}

std::string error_of(const std::string& name, const std::string& value) {
  const Result<Options> result = read_with({{name, value}});
  if (result.ok()) return "(accepted)";
  EXPECT_EQ(result.status().code(), StatusCode::kInvalidArgument);
  return result.status().message();
}

TEST(Options, AnEmptyEnvironmentGivesTheDefaults) {
  const Options options = read_with({}).value();
  EXPECT_EQ(options.isa_cap, std::nullopt);
  EXPECT_EQ(options.dump_dir, "");
  EXPECT_FALSE(options.explain);
  EXPECT_FALSE(options.perf_map);
  EXPECT_TRUE(options.jit);
  EXPECT_FALSE(options.poison);
  EXPECT_EQ(options.threads, 0);
  EXPECT_EQ(options.cache_dir, "");
}

TEST(Options, EverySettingIsRead) {
  const Options options = read_with({{"BITNETC_ISA", "avxvnni"},
                                     {"BITNETC_DUMP", "/tmp/dump here"},
                                     {"BITNETC_EXPLAIN", "1"},
                                     {"BITNETC_PERF", "map"},
                                     {"BITNETC_JIT", "off"},
                                     {"BITNETC_POISON", "1"},
                                     {"BITNETC_THREADS", "12"}})
                              .value();
  EXPECT_EQ(options.isa_cap, Isa::kAvxVnni);
  EXPECT_EQ(options.dump_dir, "/tmp/dump here");
  EXPECT_TRUE(options.explain);
  EXPECT_TRUE(options.perf_map);
  EXPECT_FALSE(options.jit);
  EXPECT_TRUE(options.poison);
  EXPECT_EQ(options.threads, 12);
}

TEST(Options, EmptyValuesCountAsUnset) {
  const Options options =
      read_with({{"BITNETC_ISA", ""}, {"BITNETC_JIT", ""}, {"BITNETC_THREADS", ""}}).value();
  EXPECT_EQ(options.isa_cap, std::nullopt);
  EXPECT_TRUE(options.jit);
  EXPECT_EQ(options.threads, 0);
}

TEST(Options, MalformedValuesNameVariableValueAndExpectation) {
  EXPECT_EQ(error_of("BITNETC_ISA", "avx3"),
            "BITNETC_ISA=avx3: expected scalar, avx2, avxvnni, avx512vnni or amx");
  EXPECT_EQ(error_of("BITNETC_JIT", "no"), "BITNETC_JIT=no: expected on or off");
  EXPECT_EQ(error_of("BITNETC_EXPLAIN", "yes"), "BITNETC_EXPLAIN=yes: expected 1 or 0");
  EXPECT_EQ(error_of("BITNETC_POISON", "2"), "BITNETC_POISON=2: expected 1 or 0");
  EXPECT_EQ(error_of("BITNETC_PERF", "jitdump"), "BITNETC_PERF=jitdump: expected map");
  for (const char* value : {"0", "-1", "two", "4x", " 4", "1025", "99999999999999999999"})
    EXPECT_EQ(error_of("BITNETC_THREADS", value),
              fmt::format("BITNETC_THREADS={}: expected a whole number from 1 to 1024", value));
}

TEST(Options, TheCacheFollowsTheXdgRules) {
  EXPECT_EQ(read_with({{"XDG_CACHE_HOME", "/x"}, {"HOME", "/h"}})->cache_dir, "/x/bitnetc");
  EXPECT_EQ(read_with({{"HOME", "/h"}})->cache_dir, "/h/.cache/bitnetc");
  EXPECT_EQ(read_with({{"XDG_CACHE_HOME", "relative"}, {"HOME", "/h"}})->cache_dir,
            "/h/.cache/bitnetc");
}

TEST(Options, TheStateFollowsTheXdgRules) {
  EXPECT_EQ(read_with({{"XDG_STATE_HOME", "/x"}, {"HOME", "/h"}})->state_dir, "/x/bitnetc");
  EXPECT_EQ(read_with({{"HOME", "/h"}})->state_dir, "/h/.local/state/bitnetc");
  EXPECT_EQ(read_with({{"XDG_STATE_HOME", "relative"}})->state_dir, "");
}

TEST(Options, TheHomeIsThatOfTheEnvironment) {
  EXPECT_EQ(read_with({{"HOME", "/h"}})->home_dir, "/h");
  EXPECT_EQ(read_with({})->home_dir, "");
}

TEST(Options, TheProgramDirectoryHoldsThisProgram) {
  const std::string dir = read_with({})->program_dir;
  EXPECT_TRUE(
      std::filesystem::equivalent(dir, std::filesystem::canonical("/proc/self/exe").parent_path()));
}

TEST(Options, TheCudaFolderIsThatOfEitherVariable) {
  EXPECT_EQ(read_with({})->cuda_folder, "");
  EXPECT_EQ(read_with({{"CUDA_PATH", "/b"}})->cuda_folder, "/b");
  EXPECT_EQ(read_with({{"CUDA_HOME", "/a"}, {"CUDA_PATH", "/b"}})->cuda_folder, "/a");
}

TEST(Options, TheDescriptionListsEveryVariableOnce) {
  const std::vector<OptionValue> values =
      describe_options(read_with({{"BITNETC_ISA", "avx2"}}).value());
  std::set<std::string> names;
  for (const OptionValue& value : values) {
    names.insert(value.name);
    EXPECT_FALSE(value.value.empty()) << value.name;
    EXPECT_FALSE(value.meaning.empty()) << value.name;
  }
  EXPECT_EQ(names.size(), values.size());
  EXPECT_EQ(names,
            (std::set<std::string>{"BITNETC_ISA", "BITNETC_DUMP", "BITNETC_EXPLAIN", "BITNETC_PERF",
                                   "BITNETC_JIT", "BITNETC_POISON", "BITNETC_THREADS",
                                   "BITNETC_LIBCUDA", "CUDA_HOME", "CUDA_VISIBLE_DEVICES",
                                   "HF_ENDPOINT", "HF_TOKEN", "XDG_CACHE_HOME", "XDG_STATE_HOME"}));
  EXPECT_EQ(values.front().value, "avx2");
}

TEST(Options, AnEmptyListOfVisibleGpusIsNotAnUnsetOne) {
  EXPECT_EQ(read_with({})->cuda_visible_devices, std::nullopt);
  const Options none = read_with({{"CUDA_VISIBLE_DEVICES", ""}}).value();
  EXPECT_EQ(none.cuda_visible_devices, "");
  for (const OptionValue& option : describe_options(none))
    if (option.name == "CUDA_VISIBLE_DEVICES") {
      EXPECT_EQ(option.value, "(empty)");
    }
  const Options some = read_with({{"BITNETC_LIBCUDA", "/opt/lib/libcuda.so.1"}}).value();
  EXPECT_EQ(some.cuda_library, "/opt/lib/libcuda.so.1");
}

TEST(Options, TheCapReachesTheHostTarget) {
  EXPECT_EQ(host_target(Isa::kScalar), target_for(Isa::kScalar));
  EXPECT_FALSE(host_target(Isa::kAvx512Vnni).supports(Isa::kAmx));
  EXPECT_EQ(host_target(), machine_target());
}

}  // namespace
}  // namespace bitnetc
