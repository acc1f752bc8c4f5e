// `bitnetc bench serve`: what it measures adds up, and wrong use is said.
#include <nlohmann/json.hpp>

#include "tests/support/cli_fixture.h"

namespace bitnetc::test {
namespace {

using Json = nlohmann::json;

class BenchServe : public CliFixture {};

TEST_F(BenchServe, MeasuresClosedAndOpenLoops) {
  for (const bool is_open : {false, true}) {
    std::vector<std::string> arguments = {"bench", "serve", "--requests", "6",     "--prompt",
                                          "20",    "--gen", "5",          "--json"};
    if (is_open)
      arguments.insert(arguments.end(), {"--rate", "50"});
    else
      arguments.insert(arguments.end(), {"--clients", "1,3"});
    const auto result = bitnetc(arguments);
    ASSERT_EQ(result.exit_code, 0) << result.err;
    const Json report = Json::parse(result.out);
    EXPECT_EQ(report["schema"], "bitnetc.bench-serve");
    EXPECT_EQ(report["rows"].size(), is_open ? 1u : 2u);
    for (const Json& row : report["rows"]) {
      EXPECT_EQ(row["failed"], 0);
      EXPECT_EQ(row["text_tokens"], 30);
      EXPECT_GT(row["tokens_per_second"], 0);
      const Json& first = row["first_token_seconds"];
      EXPECT_GT(first["p50"], 0);
      EXPECT_LE(first["p50"], first["p99"]);
      EXPECT_LE(first["p99"], row["seconds"]);
      EXPECT_GT(row["between_tokens_seconds"]["p99"], 0);
    }
  }
}

TEST_F(BenchServe, PrintsATableThatFitsTheTerminal) {
  const auto result =
      bitnetc({"bench", "serve", "--requests", "2", "--clients", "2", "--gen", "3"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_NE(result.out.find("2 clients"), std::string::npos) << result.out;
  std::istringstream lines(result.out);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 80u) << line;
}

TEST_F(BenchServe, WrongUseIsSaid) {
  const auto in_front = bitnetc({"bench", "--prompt", "5", "serve"});
  EXPECT_EQ(in_front.exit_code, 2);
  EXPECT_NE(in_front.err.find("--prompt in front of 'serve'"), std::string::npos) << in_front.err;
  EXPECT_EQ(bitnetc({"bench", "serve", "--rate", "0"}).exit_code, 2);
  EXPECT_EQ(bitnetc({"bench", "serve", "--rate", "1", "--clients", "1"}).exit_code, 2);
  EXPECT_EQ(bitnetc({"bench", "serve", "--clients", "0"}).exit_code, 2);
  EXPECT_EQ(bitnetc({"bench", "serve", "no-such-model"}).exit_code, 3);
  const auto result = bitnetc({"bench", "serve", "--prompt", "1000", "--gen", "100"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_NE(result.err.find("the context has 1024 tokens"), std::string::npos) << result.err;
}

}  // namespace
}  // namespace bitnetc::test
