// `bitnetc kernel bench` on matmuls so small that the reference takes part: what is printed, not
// how fast.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <vector>

#include "tests/support/model_folder.h"
#include "tests/support/subprocess.h"

namespace bitnetc::test {
namespace {

using nlohmann::json;

constexpr int kUsage = 2, kFailure = 1, kInterrupted = 130;

class KernelBenchCli : public testing::Test {
 protected:
  ProcessResult bench(std::vector<std::string> more, int interrupt_after_ms = 0) {
    std::vector<std::string> arguments = {"kernel", "bench"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_program(BITNETC_BINARY, {.arguments = std::move(arguments),
                                        .environment = {{"XDG_CACHE_HOME", folder_.file("cache")}},
                                        .interrupt_after_ms = interrupt_after_ms});
  }
  // One tiny case, but for what `arguments` say.
  ProcessResult tiny(std::vector<std::string> arguments) {
    const std::pair<const char*, const char*> defaults[] = {
        {"--shapes", "64x128"}, {"--m", "1"},         {"--threads", "1"},
        {"--layouts", "i2s"},   {"--budget", "0.05"}, {"--regime", "cache"}};
    for (const auto& [option, value] : defaults)
      if (std::find(arguments.begin(), arguments.end(), option) == arguments.end())
        arguments.insert(arguments.end(), {option, value});
    return bench(arguments);
  }
  void expect_failure(const ProcessResult& result, int exit_code, const std::string& expected) {
    EXPECT_EQ(result.exit_code, exit_code) << result.err;
    EXPECT_NE(result.err.find(expected), std::string::npos) << result.err;
    EXPECT_EQ(result.out, "");
  }

  TempFolder folder_;
};

TEST_F(KernelBenchCli, TheTableHasALineForEveryCandidate) {
  const auto document = tiny({"--json"});
  ASSERT_EQ(document.exit_code, 0) << document.err;
  const auto result = tiny({});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.err, "");  // progress is for terminals
  for (const char* column : {"median us", "Gweights/s", "% read", "% peak", "limits      1 thread"})
    EXPECT_NE(result.out.find(column), std::string::npos) << column << "\n" << result.out;
  const json kernels = json::parse(document.out)["cases"][0]["kernels"];
  EXPECT_GE(kernels.size(), 1u);
  for (const json& kernel : kernels)
    EXPECT_NE(result.out.find(kernel["generator"].get<std::string>() + " m"), std::string::npos)
        << kernel << "\n"
        << result.out;
  EXPECT_NE(result.out.find("\n* "), std::string::npos) << "no winner in\n" << result.out;
}

TEST_F(KernelBenchCli, JsonHasThePromisedFields) {
  const auto result = tiny({"--json", "--m", "1,3,300", "--regime", "both", "--reference"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const json document = json::parse(result.out);
  for (const char* key : {"machine", "date", "isa", "limits", "interrupted"})
    EXPECT_TRUE(document.contains(key)) << key;
  EXPECT_GT(document["limits"][0]["read_bytes_per_second"].get<double>(), 0);
  ASSERT_EQ(document["cases"].size(), 6u);
  for (const json& c : document["cases"]) {
    EXPECT_EQ(c["n"], 64);
    EXPECT_EQ(c["k"], 128);
    EXPECT_EQ(c["layout"], "i2s");
    ASSERT_FALSE(c["kernels"].empty()) << c;
    EXPECT_EQ(c["winner"], c["kernels"][0]["kernel"]);
    for (const json& kernel : c["kernels"]) {
      ASSERT_FALSE(kernel.contains("failure")) << kernel;
      const json& seconds = kernel["seconds_per_call"];
      EXPECT_GT(seconds["min"].get<double>(), 0);
      EXPECT_LE(seconds["min"], seconds["q1"]);
      EXPECT_LE(seconds["q1"], seconds["median"]);
      EXPECT_LE(seconds["median"], seconds["q3"]);
      EXPECT_GE(kernel["samples"].get<int>(), 5);
      EXPECT_NEAR(kernel["operations_per_second"].get<double>(),
                  2 * c["m"].get<double>() * kernel["weights_per_second"].get<double>(), 1e3);
      EXPECT_EQ(kernel["share_of_read_bandwidth"].get<double>() > 0, c["regime"] == "memory");
    }
  }
}

TEST_F(KernelBenchCli, EveryLayoutAndEpilogue) {
  const auto result = tiny({"--json", "--layouts", "i2s,tl1,tl2,b3", "--shapes",
                            "64x128,64x80:residual,64x128:relu2mul,32x72:silumul,32x72:gelumul"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const json document = json::parse(result.out);
  EXPECT_EQ(document["cases"].size(), 20u);
  for (const json& c : document["cases"])
    for (const json& kernel : c["kernels"]) EXPECT_FALSE(kernel.contains("failure")) << kernel;
}

// Every tag is closed in the order it was opened.
std::string first_unbalanced_tag(const std::string& page) {
  std::vector<std::string> open;
  for (size_t at = page.find('<'); at != std::string::npos; at = page.find('<', at + 1)) {
    const size_t end = page.find('>', at);
    if (end == std::string::npos) return page.substr(at, 40);
    if (page[at + 1] == '!' || page[end - 1] == '/') continue;
    const bool closes = page[at + 1] == '/';
    const size_t name_at = at + (closes ? 2 : 1);
    const std::string name = page.substr(name_at, page.find_first_of(" >", name_at) - name_at);
    if (!closes) {
      open.push_back(name);
    } else if (open.empty() || open.back() != name) {
      return "</" + name + ">";
    } else {
      open.pop_back();
    }
  }
  return open.empty() ? "" : "<" + open.back() + ">";
}

TEST_F(KernelBenchCli, ThePageIsWellFormedAndSelfContained) {
  const std::string path = folder_.file("bench.html");
  const auto result = tiny({"--m", "1,2,4", "--regime", "both", "--html", path});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_NE(result.err.find("bench.html"), std::string::npos) << result.err;
  const std::string page = read_file(path);
  EXPECT_EQ(first_unbalanced_tag(page), "");
  for (const char* part : {"<svg", "Gweights/s", "Gop/s", "read limit", "64 rows x 128 columns"})
    EXPECT_NE(page.find(part), std::string::npos) << part;
  for (const char* part : {"<script", "src=", "@import", "nan", "inf\""})
    EXPECT_EQ(page.find(part), std::string::npos) << part;
}

TEST_F(KernelBenchCli, OnlyNamedGenerators) {
  const auto result = tiny({"--json", "--only", "reference"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const json kernels = json::parse(result.out)["cases"][0]["kernels"];
  ASSERT_EQ(kernels.size(), 1u);
  EXPECT_EQ(kernels[0]["generator"], "reference");
  EXPECT_EQ(kernels[0]["tier"], nullptr);
}

TEST_F(KernelBenchCli, WrongUse) {
  expect_failure(bench({"--layouts", "i2s,q4"}), kUsage, "--layouts 'q4': expected i2s, tl1");
  for (const char* shape : {"2560", "x2560", "axb", "2560x", "16x16x16", "16x16:tanh", "0x16"})
    expect_failure(bench({"--shapes", shape}), kUsage, std::string("--shapes '") + shape + "'");
  expect_failure(bench({"--shapes", "20x16"}), kUsage, "20");
  expect_failure(bench({"--m", "1,0"}), kUsage, "--m '0': expected a whole number, from 1");
  expect_failure(bench({"--m", "many"}), kUsage, "--m 'many'");
  expect_failure(bench({"--threads", "100000"}), kUsage, "--threads '100000'");
  expect_failure(bench({"--regime", "disk"}), kUsage, "--regime 'disk'");
  expect_failure(bench({"--only", "cuda9"}), kUsage, "--only cuda9");
  EXPECT_EQ(bench({"--budget", "-1"}).exit_code, kUsage);
}

TEST_F(KernelBenchCli, APageThatCannotBeWrittenIsFoundBeforeAnythingIsMeasured) {
  expect_failure(bench({"--html", folder_.file("missing/bench.html")}), kFailure,
                 "bench.html: cannot create");
  EXPECT_FALSE(std::filesystem::exists(folder_.file("cache"))) << "limits were measured";
}

TEST_F(KernelBenchCli, CtrlCPrintsWhatThereIs) {
  // So that the limits of the machine are known, whose measurement cannot be cut short.
  ASSERT_EQ(
      bench({"--shapes", "64x128", "--m", "1", "--layouts", "i2s", "--budget", "0.1"}).exit_code,
      0);
  const auto result = bench(
      {"--shapes", "256x256", "--layouts", "i2s", "--m", "1,2,3,4", "--budget", "1000", "--json"},
      /*interrupt_after_ms=*/4000);
  EXPECT_EQ(result.exit_code, kInterrupted) << result.err;
  const json document = json::parse(result.out);
  EXPECT_EQ(document["interrupted"], true);
}

}  // namespace
}  // namespace bitnetc::test
