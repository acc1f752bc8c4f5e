// What `bitnetc` does when its streams are closed, full or nobody reads them: it never aborts, and
// the exit code says whether the result arrived.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/support/cli_fixture.h"

namespace bitnetc::test {
namespace {

constexpr int kFailure = 1, kUsage = 2, kReaderGone = 141;

class Streams : public CliFixture {
 protected:
  void SetUp() override {
    // So that nothing is compiled below.
    ASSERT_EQ(bitnetc({"run", "-p", "x", "-n", "1", "-q"}).exit_code, 0);
  }
};

const std::vector<std::vector<std::string>> kCommands = {
    {"--help"},
    {"--version"},
    {"run", "--help"},
    {"run", "-p", "Once", "-n", "4", "--temp", "0"},
    {"run", "-p", "Once", "-n", "4", "--json"},
    {"tokenize", "-p", "Once"},
    {"tokenize", "-p", std::string(20000, 'a')},
    {"inspect", "fairytale-6m", "--steps"},
    {"inspect", "fairytale-6m", "--json"},
    {"kernel", "list"},
    {"kernel", "explain", "64x256", "--threads", "1"},
    {"kernel", "show", "matmul_i8_i2s_f32_n256_k256_m1_scale"},
    {"cache", "ls", "--json"},
};

TEST_F(Streams, AResultThatCannotBeWrittenIsAFailure) {
  for (const auto& command : kCommands) {
    for (const std::string& stdout_to : {std::string("/dev/full"), std::string()}) {
      const auto result = bitnetc_with(command, {.stdout_to = stdout_to});
      EXPECT_EQ(result.exit_code, kFailure) << command[0] << " >" << stdout_to << result.err;
      EXPECT_NE(result.err.find("bitnetc: cannot write to stdout: "), std::string::npos)
          << command[0] << result.err;
    }
  }
}

TEST_F(Streams, MessagesThatCannotBeWrittenChangeNothing) {
  for (const auto& command : kCommands) {
    const auto expected = bitnetc(command);
    for (const std::string& stderr_to : {std::string("/dev/full"), std::string()}) {
      const auto result = bitnetc_with(command, {.stderr_to = stderr_to});
      EXPECT_EQ(result.exit_code, 0) << command[0] << " 2>" << stderr_to;
      if (command.back() != "--json" && command.back() != "list") {
        EXPECT_EQ(result.out.substr(0, 200), expected.out.substr(0, 200)) << command[0];
      }
    }
  }
  for (const std::string& stderr_to : {std::string("/dev/full"), std::string()}) {
    EXPECT_EQ(bitnetc_with({"run", "--bad"}, {.stderr_to = stderr_to}).exit_code, kUsage);
    EXPECT_EQ(bitnetc_with({"compile", "fairytale-6m", "-v", "-o", folder_.file("x.bnc")},
                           {.stderr_to = stderr_to})
                  .exit_code,
              0);
  }
}

TEST_F(Streams, AClosedStreamIsNotTheModelFile) {
  const std::string model = folder_.file("x.bnc");
  ASSERT_EQ(bitnetc({"compile", "fairytale-6m", "-o", model}).exit_code, 0);
  const std::string before = read_file(model);
  const auto result = bitnetc_with({"run", model, "-p", "x"}, {.stdout_to = "", .stderr_to = ""});
  EXPECT_EQ(result.exit_code, kFailure);
  EXPECT_EQ(read_file(model), before);
}

TEST_F(Streams, AReaderThatGoesAwayEndsItQuietly) {
  // A pipe whose reading end is closed: the shell makes one.
  const std::string script = std::string(BITNETC_BINARY) +
                             " run -p Once -n 100000 --ignore-eos | head -c 1 >/dev/null; "
                             "echo ${PIPESTATUS[0]}";
  const auto result = run_program("/bin/bash", {.arguments = {"-c", script},
                                                .environment = {{"XDG_CACHE_HOME", cache_home()}}});
  EXPECT_EQ(result.out, std::to_string(kReaderGone) + "\n") << result.err;
  EXPECT_EQ(result.err.find("bitnetc: "), std::string::npos) << result.err;
}

TEST_F(Streams, ErrorsAreJsonWhereJsonIsWanted) {
  const std::pair<std::vector<std::string>, int> cases[] = {
      {{"run", "/nonexistent", "-p", "x", "--json"}, 3},
      {{"run", "-p", "x", "--json", "--temp", "cold"}, 2},
      {{"run", "--json", "--promt", "x"}, 2},
      {{"inspect", "/nonexistent", "--json"}, 3}};
  for (const auto& [command, exit_code] : cases) {
    const auto result = bitnetc(command);
    EXPECT_EQ(result.exit_code, exit_code);
    const auto document = nlohmann::json::parse(result.out, nullptr, false);
    ASSERT_TRUE(document.is_object()) << result.out;
    EXPECT_EQ(document["schema"], "bitnetc.error");
    EXPECT_EQ(document["exit_code"], exit_code);
    const std::string line = "bitnetc: " + document["message"].get<std::string>() + "\n";
    EXPECT_EQ(result.err, line);
  }
}

TEST_F(Streams, EveryDocumentNamesItsSchemaFirst) {
  const std::pair<std::vector<std::string>, std::string> cases[] = {
      {{"run", "-p", "x", "-n", "2", "--json"}, "run"},
      {{"inspect", "fairytale-6m", "--json"}, "inspect"},
      {{"tokenize", "-p", "x", "--json"}, "tokens"},
      {{"kernel", "list", "--json"}, "kernel-list"},
      {{"kernel", "explain", "64x256", "--threads", "1", "--json"}, "tuning"},
      {{"cache", "ls", "--json"}, "cache-ls"},
      {{"cache", "verify", "--json"}, "cache-verify"}};
  for (const auto& [command, schema] : cases) {
    const auto result = bitnetc(command);
    EXPECT_TRUE(
        result.out.starts_with("{\n  \"schema\": \"bitnetc." + schema + "\",\n  \"version\": 1,\n"))
        << result.out.substr(0, 100) << result.err;
    EXPECT_TRUE(nlohmann::json::accept(result.out)) << schema;
  }
}

TEST_F(Streams, JsonOfARun) {
  const std::vector<std::string> run = {"run", "-p",     "Once",   "-n",
                                        "3",   "--json", "--seed", "18446744073709551615"};
  const auto document = nlohmann::json::parse(bitnetc(run).out);
  EXPECT_EQ(document["seed"], "18446744073709551615");
  EXPECT_FALSE(document.contains("kernels"));
  auto verbose = run;
  verbose.emplace_back("-v");
  EXPECT_FALSE(nlohmann::json::parse(bitnetc(verbose).out)["kernels"].empty());
}

TEST_F(Streams, BytesThatAreNotUtf8BecomeReplacements) {
  const std::string model = folder_.file("\xff.bnc");
  ASSERT_EQ(bitnetc({"compile", "fairytale-6m", "-o", model}).exit_code, 0);
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"inspect", model, "--json"},
        {"run", model, "-p", "x", "-n", "2", "--json"},
        {"run", model + "x", "-p", "x", "--json"}}) {
    const auto result = bitnetc(command);
    EXPECT_TRUE(nlohmann::json::accept(result.out)) << result.out << result.err;
    EXPECT_NE(result.out.find("\xef\xbf\xbd"), std::string::npos) << result.out;
  }
}

}  // namespace
}  // namespace bitnetc::test
