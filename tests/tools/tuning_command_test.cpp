// `bitnetc autotune`, `compile --tune` and `kernel explain` as a user meets them. How fast anything
// is does not matter here; tests/autotune has the tuner under a scripted clock.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/support/cli_fixture.h"

namespace bitnetc::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr int kFailure = 1, kUsage = 2, kBadModel = 3, kInterrupted = 130;

// How many entries a run of the tuner made: "note: tuned 12 in 1.2 s". On a machine that is too
// busy some are not made, and the next run tries them again.
int tuned_entries(const std::string& notes) {
  const size_t at = notes.find("tuned ");
  return at == std::string::npos ? -1 : std::stoi(notes.substr(at + 6));
}

class TuningCommand : public CliFixture {
 protected:
  // A few contests of two layouts: seconds, however slow the machine is.
  ProcessResult tune_small(std::vector<std::string> more = {},
                           std::map<std::string, std::string> environment = {}) const {
    std::vector<std::string> arguments = {"autotune", "--shapes",  "64x256", "--layouts",
                                          "i2s,b3",   "--threads", "1",      "--budget",
                                          "1",        "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return bitnetc(std::move(arguments), std::move(environment));
  }
  // Where other programs take the CPUs, a budget may end before the first contest, and a winner
  // whose time scatters is not entered; a user tries again then. The result is of the last try.
  static ProcessResult until_measured(const std::function<ProcessResult()>& tune) {
    ProcessResult result = tune();
    for (int tries = 1; result.exit_code == 0 && tuned_entries(result.err) == 0 && tries < 10;
         ++tries)
      result = tune();
    EXPECT_GT(tuned_entries(result.err), 0) << result.err;
    return result;
  }
  ProcessResult tune_small_until_measured() const {
    return until_measured([this] { return tune_small(); });
  }
  std::vector<fs::path> profiles() const {
    std::vector<fs::path> files;
    const fs::path folder = cache_home() + "/bitnetc/profiles";
    if (!fs::exists(folder)) return files;
    for (const auto& entry : fs::directory_iterator(folder))
      if (entry.path().extension() == ".profile") files.push_back(entry.path());
    return files;
  }
  static std::string text_of(const fs::path& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
  }
};

int measured_rows(const json& view) {
  int count = 0;
  for (const json& shape : view.at("shapes"))
    for (const json& row : shape.at("rows")) count += row.at("origin") == "measured";
  return count;
}

TEST_F(TuningCommand, MeasuresOnceAndRemembers) {
  const auto first = tune_small_until_measured();
  ASSERT_EQ(first.exit_code, 0) << first.err;
  const json view = json::parse(first.out)["views"][0];
  EXPECT_GT(measured_rows(view), 0) << first.err;
  ASSERT_EQ(profiles().size(), 1U);
  const std::string profile = text_of(profiles().front());

  const auto second = tune_small();
  ASSERT_EQ(second.exit_code, 0) << second.err;
  EXPECT_NE(second.err.find(std::to_string(tuned_entries(first.err)) + " known already"),
            std::string::npos)
      << first.err << second.err;
  EXPECT_GE(measured_rows(json::parse(second.out)["views"][0]), measured_rows(view));
  // What was known is what it was, to the time when it was measured.
  const std::string kept = text_of(profiles().front());
  std::istringstream lines(profile);
  for (std::string line; std::getline(lines, line);) {
    if (line.find(", took ") == std::string::npos) continue;
    EXPECT_NE(kept.find(line), std::string::npos) << line;
  }
}

TEST_F(TuningCommand, ExplainShowsWhatWasMeasured) {
  ASSERT_EQ(tune_small_until_measured().exit_code, 0);
  const std::string page = folder_.file("page.html");
  const auto text =
      bitnetc({"kernel", "explain", "64x256", "--threads", "1", "--all", "--html", page});
  ASSERT_EQ(text.exit_code, 0) << text.err;
  for (const char* expected : {"64x256 scale", "for generation:", "samples", "predicted"})
    EXPECT_NE(text.out.find(expected), std::string::npos) << expected << " in " << text.out;
  EXPECT_NE(text_of(page).find("<svg"), std::string::npos);

  const auto one = bitnetc(
      {"kernel", "explain", "matmul_i8_b3_f32_n64_k256_m1_scale", "--threads", "1", "--json"});
  ASSERT_EQ(one.exit_code, 0) << one.err;
  const json view = json::parse(one.out)["views"][0];
  for (const json& row : view.at("shapes").at(0).at("rows"))
    EXPECT_NE(row.at("spec").get<std::string>().find("_b3_"), std::string::npos);
}

TEST_F(TuningCommand, UntunedIsSaidAndNothingIsMeasured) {
  const auto result = bitnetc({"kernel", "explain", "64x256", "--threads", "1"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_NE(result.out.find("not measured"), std::string::npos) << result.out;
  EXPECT_TRUE(profiles().empty());
}

TEST_F(TuningCommand, ExportAndImport) {
  ASSERT_EQ(tune_small_until_measured().exit_code, 0);
  const std::string file = folder_.file("shared.profile");
  ASSERT_EQ(bitnetc({"autotune", "--export", file}).exit_code, 0);
  fs::remove_all(cache_home());
  const auto imported = bitnetc({"autotune", "--import", file});
  EXPECT_EQ(imported.exit_code, 0) << imported.err;
  EXPECT_NE(imported.err.find("are used from now on"), std::string::npos) << imported.err;
  EXPECT_EQ(profiles().size(), 1U);

  std::string other = text_of(file);
  const size_t at = other.find("machine ") + 8;
  other.replace(at, 16, "0000000000000000");
  std::ofstream(folder_.file("other.profile")) << other;
  const auto refused = bitnetc({"autotune", "--import", folder_.file("other.profile")});
  EXPECT_NE(refused.exit_code, 0);
  EXPECT_NE(refused.err.find("0000000000000000"), std::string::npos) << refused.err;
}

TEST_F(TuningCommand, TextStaysTheSameWhateverWasTuned) {
  const std::vector<std::string> story = {"run",    "-p", "Once upon a time", "-n", "12",
                                          "--temp", "0"};
  const auto before = bitnetc(story);
  ASSERT_EQ(before.exit_code, 0) << before.err;
  for (const char* isa : {"scalar", "avx2", "avxvnni", "avx512vnni", "amx"}) {
    const auto tuned = bitnetc({"autotune", "--budget", "1"}, {{"BITNETC_ISA", isa}});
    EXPECT_EQ(tuned.exit_code, 0) << isa << ": " << tuned.err;
    EXPECT_EQ(bitnetc(story, {{"BITNETC_ISA", isa}}).out, before.out) << isa;
  }
}

TEST_F(TuningCommand, CompileTunesAndMarksItsPlans) {
  const std::string path = folder_.file("tuned.bnc");
  const auto compile = [&] {
    return bitnetc({"compile", "fairytale-6m", "-o", path, "--tune", "quick", "--layout", "i2s"});
  };
  const auto compiled = until_measured(compile);
  ASSERT_EQ(compiled.exit_code, 0) << compiled.err;
  const auto inspected = bitnetc({"inspect", path});
  EXPECT_NE(inspected.out.find(" measured"), std::string::npos) << inspected.out;
  // A second one measures nothing that is known.
  const auto again = compile();
  EXPECT_NE(again.err.find(std::to_string(tuned_entries(compiled.err)) + " known already"),
            std::string::npos)
      << compiled.err << again.err;
}

TEST_F(TuningCommand, CtrlCKeepsWhatWasFound) {
  // So that the limits of the machine are known, whose measurement cannot be cut short.
  ASSERT_EQ(bitnetc({"autotune", "--shapes", "64x64", "--budget", "1"}).exit_code, 0);
  const auto result = bitnetc({"autotune", "--effort", "full", "--budget", "600"}, {}, "", 4000);
  EXPECT_EQ(result.exit_code, kInterrupted) << result.err;
  EXPECT_NE(result.err.find("left: run it again to go on"), std::string::npos) << result.err;
}

TEST_F(TuningCommand, WithoutACacheDirectoryItSaysThatNothingIsKept) {
  const auto result = tune_small({}, {{"XDG_CACHE_HOME", ""}, {"HOME", ""}});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_NE(result.err.find("not kept"), std::string::npos) << result.err;
}

TEST_F(TuningCommand, WithoutGeneratedCodeNothingIsTuned) {
  const auto result = tune_small({}, {{"BITNETC_JIT", "off"}});
  EXPECT_NE(result.exit_code, 0);
  EXPECT_NE(result.err.find("tuning has to run generated kernels"), std::string::npos)
      << result.err;
  EXPECT_TRUE(profiles().empty());
}

TEST_F(TuningCommand, WrongUse) {
  const auto expect = [&](std::vector<std::string> arguments, int exit_code,
                          const std::string& words) {
    const auto result = bitnetc(std::move(arguments));
    EXPECT_EQ(result.exit_code, exit_code) << result.err;
    EXPECT_NE(result.err.find(words), std::string::npos) << result.err;
  };
  expect({"autotune", "--shapes", "64"}, kUsage, "--shapes '64'");
  expect({"autotune", "fairytale-6m", "--shapes", "64x64"}, kUsage, "not both");
  expect({"autotune", "--layouts", "q4"}, kUsage, "'q4'");
  expect({"autotune", "--threads", "0"}, kUsage, "--threads '0'");
  expect({"autotune", "nowhere"}, kBadModel, "nowhere");
  expect({"autotune", "--export", folder_.file("x")}, kBadModel, "");
  const std::string missing = folder_.file("missing/page");
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"kernel", "explain", "64x256", "--html", missing},
        {"autotune", "--export", missing}}) {
    expect(arguments, kFailure, "missing/page: cannot create");
    EXPECT_EQ(bitnetc(arguments).out, "");
  }
  expect({"kernel", "explain", "rmsnorm_f32_k256_eps1e-05"}, kUsage, "only matmuls are tuned");
}

}  // namespace
}  // namespace bitnetc::test
