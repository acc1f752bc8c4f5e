// `bitnetc bench` from end to end, and the energy counters it reads.
#include "tools/engine/bench.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/support/cli_fixture.h"
#include "tools/engine/energy.h"

namespace bitnetc::test {
namespace {

class BenchCommand : public CliFixture {
 protected:
  std::string contents(const std::string& name) const {
    std::ifstream file(folder_.file(name));
    return {std::istreambuf_iterator<char>(file), {}};
  }
};

TEST_F(BenchCommand, MeasuresWhatItWasAskedFor) {
  const auto result =
      bitnetc({"bench", "--prompt", "8,32", "--gen", "4", "--depth", "0,16", "--both", "-t", "1",
               "-r", "2", "--kernels", "generated,compiled", "--json", "--csv",
               folder_.file("b.csv"), "--html", folder_.file("b.html")});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const auto document = nlohmann::json::parse(result.out);
  EXPECT_EQ(document["schema"], "bitnetc.bench");
  std::vector<std::string> tests;
  const bool has_peak = host_target().supports(Isa::kAvx2);
  for (const auto& row : document["rows"]) {
    if (row["kernels"] == "generated") tests.push_back(row["test"]);
    EXPECT_EQ(row["seconds"].size(), 2u);
    EXPECT_GT(row["tokens_per_second"].get<double>(), 0);
    const bool generates = row["prompt"] == 0, reads = row["generated"] == 0;
    EXPECT_EQ(row["bytes_per_token"].get<double>() > 0, generates) << row["test"];
    EXPECT_EQ(row["operations_per_token"].get<double>() > 0, reads) << row["test"];
    EXPECT_EQ(row["limit_share"].get<double>() > 0, generates || (reads && has_peak))
        << row["test"];
  }
  EXPECT_EQ(tests, (std::vector<std::string>{"pp8", "pp8+tg4", "pp32", "pp32+tg4", "tg4",
                                             "pp8 @ d16", "pp8+tg4 @ d16", "pp32 @ d16",
                                             "pp32+tg4 @ d16", "tg4 @ d16"}));
  EXPECT_EQ(document["rows"].size(), 2 * tests.size());
  const std::string csv = contents("b.csv");
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 1 + 2 * std::ssize(tests));
  EXPECT_NE(contents("b.html").find("<svg"), std::string::npos);
}

TEST_F(BenchCommand, DestroysNoModel) {
  const std::string model = folder_.file("m.bnc"), out = folder_.file("out");
  ASSERT_EQ(bitnetc({"compile", "fairytale-6m", "-o", model}).exit_code, 0);
  const auto size = std::filesystem::file_size(model);
  for (const char* option : {"--csv", "--html"})
    EXPECT_NE(bitnetc({"bench", model, option, model}).err.find("which is read"),
              std::string::npos);
  EXPECT_NE(bitnetc({"kernel", "explain", model, "--html", model}).err.find("which is read"),
            std::string::npos);
  EXPECT_NE(bitnetc({"bench", "--csv", out, "--html", out}).err.find("expected two files"),
            std::string::npos);
  EXPECT_EQ(std::filesystem::file_size(model), size);
}

// Keys and values count, and a head that is read in full counts in full.
TEST_F(BenchCommand, CountsTheBytesOfAToken) {
  const auto bytes = [&](std::vector<std::string> arguments) {
    std::vector<std::string> all = {"bench", "--prompt", "0",  "--gen", "2",
                                    "-t",    "1",        "-r", "1",     "--json"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    const auto result = bitnetc(all);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return nlohmann::json::parse(result.out)["rows"][0]["bytes_per_token"].get<double>();
  };
  const double full = bytes({"--full-head"});
  const auto bytes_of_100 = [&](const char* type) {
    return bytes({"--full-head", "--depth", "100", "--kv", type}) -
           bytes({"--full-head", "--kv", type});
  };
  EXPECT_EQ(bytes({"--full-head", "--depth", "100"}) - full, bytes_of_100("f16"));
  EXPECT_GT(bytes_of_100("f16"), 0);
  EXPECT_EQ(bytes_of_100("f32"), 2 * bytes_of_100("f16"));
  // Codes of half the size, and a scale of 4 bytes for each head of 64.
  EXPECT_EQ(bytes_of_100("i8"), bytes_of_100("f16") * (64 + 4) / 128);
  EXPECT_LT(bytes({}), full);
}

TEST_F(BenchCommand, SaysWhatIsWrong) {
  const auto refusal = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "bench");
    const auto result = bitnetc(arguments);
    EXPECT_NE(result.exit_code, 0);
    return result.err;
  };
  EXPECT_NE(refusal({"--prompt", "0", "--gen", "0"}).find("leave nothing to measure"),
            std::string::npos);
  EXPECT_NE(refusal({"--prompt", "1000000"}).find("pp1000000 takes 1000000 positions"),
            std::string::npos);
  EXPECT_NE(refusal({"--kernels", "fast"}).find("expected generated, compiled or reference"),
            std::string::npos);
  EXPECT_NE(refusal({"--kernels", "compiled,compiled"}).find("names compiled twice"),
            std::string::npos);
  EXPECT_NE(refusal({"--depth", "0,8,0"}).find("--depth names 0 twice"), std::string::npos);
  EXPECT_NE(refusal({"no-such-model"}).find("no-such-model"), std::string::npos);
}

TEST(BenchRow, IsTheMedianOfItsRepeats) {
  const BenchRow row{
      .test = {.prompt = 10}, .seconds = {4, 1, 2}, .bytes_per_token = 3, .read_bandwidth = 30};
  EXPECT_DOUBLE_EQ(row.median_seconds(), 2);
  EXPECT_DOUBLE_EQ(row.tokens_per_second(), 5);
  EXPECT_DOUBLE_EQ(row.limit_share(), 0.5);
  EXPECT_DOUBLE_EQ(row.mean_rate(), (2.5 + 10 + 5) / 3);
  EXPECT_NEAR(row.rate_deviation(), 3.8188, 1e-3);
}

class Energy : public testing::Test {
 protected:
  void zone(const std::string& name, const std::string& kind, uint64_t microjoules) {
    const auto path = folder_.path() / name;
    std::filesystem::create_directories(path);
    std::ofstream(path / "name") << kind << '\n';
    std::ofstream(path / "energy_uj") << microjoules << '\n';
    std::ofstream(path / "max_energy_range_uj") << 1'000'000'000 << '\n';
  }
  TempFolder folder_;
};

TEST_F(Energy, AddsUpPackagesAndGoesRound) {
  zone("intel-rapl:0", "package-0", 999'000'000);
  zone("intel-rapl:1", "package-1", 5'000'000);
  zone("intel-rapl:0:0", "core", 1);
  auto meter = EnergyMeter::open(folder_.path().string());
  ASSERT_TRUE(meter.ok()) << meter.status().message();
  EXPECT_DOUBLE_EQ(meter->joules().value(), 0);
  zone("intel-rapl:0", "package-0", 2'000'000);  // went round
  zone("intel-rapl:1", "package-1", 6'500'000);
  EXPECT_DOUBLE_EQ(meter->joules().value(), 3 + 1.5);
}

TEST_F(Energy, SaysWhyThereIsNone) {
  const std::string root = folder_.path().string();
  EXPECT_EQ(EnergyMeter::open(root).status().message(), root + " has no processor package");
  EXPECT_EQ(EnergyMeter::open(root + "/none").status().message(),
            root + "/none has no processor package");
  zone("intel-rapl:0", "package-0", 1);
  std::filesystem::remove(folder_.path() / "intel-rapl:0" / "energy_uj");
  EXPECT_NE(EnergyMeter::open(root).status().message().find("energy_uj: cannot be read"),
            std::string::npos);
}

}  // namespace
}  // namespace bitnetc::test
