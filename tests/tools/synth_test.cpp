// bitnetc synth: random models of a given shape, the same bytes for the same seed.
#include <gtest/gtest.h>
#include <xxhash.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <vector>

#include "runtime/session.h"
#include "tests/support/cli_fixture.h"
#include "tools/engine/engine.h"

namespace bitnetc::test {
namespace {

namespace fs = std::filesystem;

constexpr int kUsage = 2;

class Synth : public CliFixture {
 protected:
  // A tiny model of the family into `name` of the test's folder; returns its path.
  std::string make(const std::string& name, const std::string& family,
                   std::vector<std::string> more = {}) {
    const std::string path = folder_.file(name);
    std::vector<std::string> arguments = {"synth", "--family", family, "--heads", "4", "--vocab",
                                          "300",   "--layers", "2",    "-o",      path};
    if (std::ranges::find(more, "--hidden") == more.end())
      arguments.insert(arguments.end(), {"--hidden", "64", "--ffn", "96"});
    arguments.insert(arguments.end(), more.begin(), more.end());
    const ProcessResult result = bitnetc(arguments);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return path;
  }
  static uint64_t digest(const std::string& folder) {
    const std::string bytes = read_file(fs::path(folder) / "model.safetensors");
    return XXH3_64bits(bytes.data(), bytes.size());
  }
  void expect_refused(std::vector<std::string> arguments, const std::string& message) {
    arguments.insert(arguments.begin(), "synth");
    const ProcessResult result = bitnetc(arguments);
    EXPECT_EQ(result.exit_code, kUsage) << result.err;
    EXPECT_NE(result.err.find(message), std::string::npos) << result.err;
  }
};

// The digest holds on every machine: it was not computed by the machine that runs this.
TEST_F(Synth, TheSeedDecidesTheBytes) {
  const std::string first = make("a", "bitnet");
  EXPECT_EQ(digest(first), 4636587681559896454ULL);
  EXPECT_EQ(digest(make("b", "bitnet", {"--seed", "0"})), digest(first));
  EXPECT_NE(digest(make("c", "bitnet", {"--seed", "1"})), digest(first));
}

TEST_F(Synth, ModelsRun) {
  const std::string folder = make("a", "bitnet", {"--kv-heads", "2"});
  const ProcessResult text = bitnetc({"run", folder, "-p", "Once", "-n", "4", "-q"});
  EXPECT_EQ(text.exit_code, 0) << text.err;
  EXPECT_FALSE(text.out.empty());
  const std::string compiled = make("a.bnc", "bitnet", {"--kv-heads", "2"});
  const std::string gguf = make("a.gguf", "bitnet", {"--kv-heads", "2"});
  EXPECT_EQ(bitnetc({"run", gguf, "-p", "Once", "-n", "4", "-q"}).out, text.out);
  EXPECT_EQ(bitnetc({"run", compiled, "-p", "Once", "-n", "4", "-q"}).out, text.out);
  for (const auto& entry : fs::directory_iterator(folder_.path()))
    EXPECT_EQ(entry.path().filename().string().find(".bnc."), std::string::npos) << entry.path();
}

// Rows of either encoder are of the order of one, through the norms in front of every projection.
TEST_F(Synth, EncodersEmbed) {
  for (const char* family : {"qwen3", "gemma3"}) {
    const std::string folder = make(family, family, {"--kv-heads", "2"});
    const std::string compiled = make(std::string(family) + ".bnc", family, {"--kv-heads", "2"});
    const ProcessResult vectors = bitnetc({"embed", folder, "-p", "one", "-p", "two", "--json"});
    EXPECT_EQ(vectors.exit_code, 0) << vectors.err;
    EXPECT_EQ(vectors.err.find("does not say how rows are pooled"), std::string::npos);
    const auto rows = nlohmann::json::parse(vectors.out)["embeddings"];
    EXPECT_NE(rows[0]["embedding"], rows[1]["embedding"]);
    const ProcessResult same = bitnetc({"embed", compiled, "-p", "one", "-p", "two", "--json"});
    EXPECT_EQ(nlohmann::json::parse(same.out)["embeddings"], rows);
  }
}

// Counts the outputs of relu2(gate) * up that are not zero, in every layer and for several tokens.
TEST_F(Synth, NeuronsAreActiveAsAskedFor) {
  for (const char* asked : {"0.1", "0.5", "0.9"}) {
    const std::string path = make(std::string(asked) + ".bnc", "bitnet",
                                  {"--hidden", "256", "--ffn", "2048", "--active", asked});
    const auto engine = make_engine(path, {});
    ASSERT_TRUE(engine.ok()) << engine.status().message();
    const auto session = Session::create(engine->executable, {});
    ASSERT_TRUE(session.ok());
    int64_t active = 0, total = 0;
    (*session)->set_tap(
        [&](const LinkedStep& step, int64_t rows, std::span<const StepOutput> outputs) {
          if (!step.name().ends_with("gate_up_proj")) return;
          for (const StepOutput& output : outputs) {
            if (output.operand != "y") continue;
            for (int64_t row = 0; row < rows; ++row)
              for (int64_t i = 0; i < output.columns; ++i, ++total)
                active += output.f32()[row * output.stride + i] != 0;
          }
        });
    ASSERT_TRUE((*session)->append(std::vector<int32_t>{1, 60, 119, 200, 299}).ok());
    ASSERT_EQ(total, 2 * 5 * 2048);
    EXPECT_NEAR(static_cast<double>(active) / static_cast<double>(total), std::stod(asked), 0.04);
  }
}

TEST_F(Synth, NamedShapesCanBeChanged) {
  const ProcessResult list = bitnetc({"synth", "--list"});
  for (const char* name : {"2b-4t", "8b", "falcon3-7b", "falcon-e-1b", "embedding-0.6b", "100b"})
    EXPECT_NE(list.out.find(name), std::string::npos) << name;
  const std::string path = folder_.file("small.bnc");
  const ProcessResult made =
      bitnetc({"synth", "2b-4t", "--layers", "1", "--hidden", "128", "--heads", "2", "--ffn", "256",
               "--vocab", "300", "-o", path});
  ASSERT_EQ(made.exit_code, 0) << made.err;
  const std::string report = bitnetc({"inspect", path}).out;
  EXPECT_NE(report.find("1 layers, hidden 128, ffn 256, vocabulary 300"), std::string::npos)
      << report;
  EXPECT_NE(report.find("2 query heads, 2 key/value heads, head dim 64"), std::string::npos)
      << report;
}

// What could not be finished leaves nothing behind; what is there already is left alone.
TEST_F(Synth, FoldersAreFreeOrEmpty) {
  const std::string folder = folder_.file("there");
  fs::create_directory(folder);
  write_file(fs::path(folder) / "model.safetensors", "precious");
  const std::string source = make("source", "llama");
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"convert", source}, {"synth", "2b-4t", "--layers", "1"}}) {
    std::vector<std::string> arguments = command;
    arguments.insert(arguments.end(), {"-o", folder});
    const ProcessResult result = bitnetc(arguments);
    EXPECT_EQ(result.exit_code, kUsage) << result.err;
    EXPECT_NE(result.err.find(folder + ": is there already"), std::string::npos) << result.err;
    EXPECT_EQ(result.err.find(folder + ": " + folder), std::string::npos) << result.err;
    arguments.back() = "-";
    EXPECT_EQ(bitnetc(arguments).exit_code, kUsage);
  }
  EXPECT_EQ(read_file(fs::path(folder) / "model.safetensors"), "precious");
}

TEST_F(Synth, SaysWhatNoModelCanBe) {
  const std::string out = folder_.file("x");
  expect_refused({"5b", "-o", out}, "'5b': expected one of 2b-4t, ");
  expect_refused({"2b-4t"}, "-o: expected the folder or file to write");
  expect_refused({"--hidden", "64", "-o", out}, "--ffn: expected it, or the name of a shape");
  expect_refused({"2b-4t", "--heads", "3", "--kv-heads", "2", "-o", out}, "--kv-heads 2: expected");
  expect_refused({"2b-4t", "--vocab", "100", "-o", out}, "--vocab 100: expected 258 to");
  expect_refused({"8b", "--active", "0.5", "-o", out}, "has no squared ReLU");
  expect_refused({"2b-4t", "--zeros", "1.5", "-o", out}, "--zeros '1.5': expected");
  EXPECT_FALSE(fs::exists(out));
  fs::create_directory(out);
  write_file(fs::path(out) / "mine", "mine");
  expect_refused({"125m", "-o", out}, "is there already");
  EXPECT_EQ(read_file(fs::path(out) / "mine"), "mine");
}

TEST_F(Synth, AnInterruptedModelLeavesNothing) {
  const std::string out = folder_.file("x");
  const ProcessResult result = bitnetc({"synth", "7b", "-o", out}, {}, "", 300);
  EXPECT_EQ(result.exit_code, 130) << result.err;
  EXPECT_FALSE(fs::exists(out));
}

}  // namespace
}  // namespace bitnetc::test
