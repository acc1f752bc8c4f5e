// The line of seconds over bytes through several models, alone and in what `bitnetc bench` prints.
#include "tools/engine/bench_cost.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/support/cli_fixture.h"

namespace bitnetc::test {
namespace {

Bench model_of(const std::string& name, double bytes, double seconds, int threads = 1) {
  Bench bench;
  bench.model = name;
  bench.rows.push_back({.test = {.generated = 1},
                        .threads = threads,
                        .seconds = {seconds},
                        .bytes_per_token = bytes});
  bench.rows.push_back({.test = {.prompt = 8}, .threads = threads, .seconds = {1}});
  return bench;
}

TEST(BenchCost, FindsALineThatIsThere) {
  const auto lines = cost_lines(std::vector{model_of("b", 4e9, 0.502), model_of("a", 1e8, 0.0145),
                                            model_of("c", 1e10, 1.252)});
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_NEAR(lines[0].fixed_seconds, 0.002, 1e-9);
  EXPECT_NEAR(lines[0].seconds_per_byte, 1.25e-10, 1e-18);
  EXPECT_EQ(lines[0].points[0].model, "a");
  EXPECT_NEAR(lines[0].deviation(lines[0].farthest()), 0, 1e-6);
}

// By hand: a = -16/65 and b = 79/65 leave the least squares of relative errors at (1, 1), (2, 2)
// and (4, 5), where the line is at 63/65, 142/65 and 300/65.
TEST(BenchCost, WeighsModelsAlike) {
  const auto lines =
      cost_lines(std::vector{model_of("a", 1, 1), model_of("b", 2, 2), model_of("c", 4, 5)});
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_NEAR(lines[0].fixed_seconds, -16.0 / 65, 1e-12);
  EXPECT_NEAR(lines[0].seconds_per_byte, 79.0 / 65, 1e-12);
  EXPECT_EQ(lines[0].farthest().model, "b");
  EXPECT_NEAR(lines[0].deviation(lines[0].farthest()), 130.0 / 142 - 1, 1e-12);
}

TEST(BenchCost, NeedsThreeModelsOfDifferentBytes) {
  EXPECT_TRUE(cost_lines({}).empty());
  EXPECT_TRUE(cost_lines(std::vector{model_of("a", 1, 1), model_of("b", 2, 2)}).empty());
  EXPECT_TRUE(cost_lines(std::vector{model_of("a", 1, 1), model_of("b", 2, 2), model_of("c", 2, 3),
                                     model_of("d", 4, 4, 2)})
                  .empty());
}

class BenchCostCommand : public CliFixture {};

TEST_F(BenchCostCommand, ModelsOfSeveralSizesGiveALine) {
  std::vector<std::string> arguments = {"bench", "--prompt", "0",  "--gen", "2",
                                        "-t",    "1",        "-r", "1",     "--json"};
  for (const char* layers : {"1", "2", "4"}) {
    const std::string file = folder_.file(std::string("m") + layers + ".bnc");
    ASSERT_EQ(bitnetc({"synth", "--family", "bitnet", "--hidden", "256", "--ffn", "512", "--layers",
                       layers, "--heads", "4", "--vocab", "512", "-o", file})
                  .exit_code,
              0);
    arguments.push_back(file);
  }
  const std::string page = folder_.file("b.html");
  arguments.insert(arguments.end(), {"--html", page});
  const auto result = bitnetc(arguments);
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const auto document = nlohmann::json::parse(result.out);
  EXPECT_EQ(document["rows"].size(), 3u);
  ASSERT_EQ(document["cost_lines"].size(), 1u);
  const auto& line = document["cost_lines"][0];
  ASSERT_EQ(line["points"].size(), 3u);
  for (const auto& point : line["points"]) {
    const double at =
        line["fixed_seconds"].get<double>() +
        line["seconds_per_byte"].get<double>() * point["bytes_per_token"].get<double>();
    EXPECT_NEAR(point["seconds_per_token"].get<double>() / at - 1, point["deviation"].get<double>(),
                1e-9);
  }
  std::ifstream file(page);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  EXPECT_NE(text.find("bytes per token</h2>"), std::string::npos);
  EXPECT_NE(text.find("m4.bnc"), std::string::npos);
}

}  // namespace
}  // namespace bitnetc::test
