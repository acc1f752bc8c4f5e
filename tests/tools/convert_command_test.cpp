// `bitnetc convert` as a user meets it, and a .gguf file as a MODEL of the other commands.
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/support/cli_fixture.h"
#include "tests/support/gguf_builder.h"

namespace bitnetc::test {
namespace {

namespace fs = std::filesystem;
constexpr int kUsage = 2, kBadModel = 3;

class ConvertCommand : public CliFixture {
 protected:
  ConvertCommand() {
    files_ = make_packed_model(kGgufShape, 91);
    write_model(files_, folder_.path() / "hf");
    write_file(folder_.path() / "m.gguf", make_gguf_model(kGgufShape, files_).bytes());
  }
  void convert(const std::string& from, const std::string& to,
               const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments = {"convert", folder_.file(from), "-o", folder_.file(to)};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const ProcessResult result = bitnetc(arguments);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_NE(result.err.find(folder_.file(to)), std::string::npos) << result.err;
  }
  void expect_refusal(const std::vector<std::string>& arguments, int exit_code,
                      const std::string& named) {
    const ProcessResult result = bitnetc(arguments);
    EXPECT_EQ(result.exit_code, exit_code) << result.err;
    EXPECT_NE(result.err.find(named), std::string::npos) << result.err;
  }
  // The text and the logits of a short run.
  std::string run(const std::string& model) {
    const std::string logits = folder_.file("logits.npy");
    const ProcessResult result = bitnetc({"run", folder_.file(model), "-p", "ab", "-n", "8",
                                          "--greedy", "--ignore-eos", "--logits", logits});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return result.out + read_file(logits);
  }
  ModelFiles files_;
};

TEST_F(ConvertCommand, GoesThroughEveryFormatWithoutLosingABit) {
  convert("hf", "a.gguf");
  convert("a.gguf", "b.bnc");
  convert("b.bnc", "c.gguf");
  EXPECT_EQ(read_file(folder_.path() / "a.gguf"), read_file(folder_.path() / "c.gguf"));
  convert("c.gguf", "d.gguf", {"--type", "tq2_0"});
  convert("d.gguf", "e");
  const std::string expected = run("hf");
  for (const char* model : {"m.gguf", "a.gguf", "b.bnc", "d.gguf", "e"})
    EXPECT_EQ(run(model), expected) << model;
}

TEST_F(ConvertCommand, RefusesWrongUse) {
  const std::string hf = folder_.file("hf"), gguf = folder_.file("m.gguf");
  expect_refusal({"convert", hf, "-o", folder_.file("x"), "--type", "i2_s"}, kUsage,
                 "does not end in .gguf");
  expect_refusal({"convert", hf, "-o", folder_.file("x.gguf"), "--type", "q9"}, kUsage, "--type");
  expect_refusal({"convert", gguf, "-o", gguf}, kUsage, "-o");
  expect_refusal({"convert", gguf, "-o", hf}, kUsage,
                 "expected a name that is free or an empty folder");
  expect_refusal({"convert", hf}, kUsage, "--output");
  expect_refusal({"convert", folder_.file("none.gguf"), "-o", folder_.file("x.gguf")}, kBadModel,
                 "none.gguf");
  convert("m.gguf", "m.bnc");
  expect_refusal({"convert", folder_.file("m.bnc"), "-o", folder_.file("n.bnc")}, kUsage,
                 "compiled already");
  EXPECT_FALSE(fs::exists(folder_.file("x.gguf")));
}

TEST_F(ConvertCommand, EveryCommandTakesAGgufFile) {
  const std::string gguf = folder_.file("m.gguf");
  const ProcessResult inspect = bitnetc({"inspect", gguf});
  EXPECT_EQ(inspect.exit_code, 0) << inspect.err;
  EXPECT_NE(inspect.out.find("source      m.gguf"), std::string::npos) << inspect.out;
  const ProcessResult tokens = bitnetc({"tokenize", gguf, "-p", "ab", "--ids"});
  EXPECT_EQ(tokens.exit_code, 0) << tokens.err;
  EXPECT_EQ(bitnetc({"compile", gguf, "-o", folder_.file("m.bnc")}).exit_code, 0);
  EXPECT_EQ(bitnetc({"kernel", "list", gguf}).exit_code, 0);
  expect_refusal({"compile", gguf, "-o", gguf}, kUsage, "-o");
}

// A changed file is another model, not the cached one.
TEST_F(ConvertCommand, FindsTheCachedModelByContent) {
  const std::string before = run("m.gguf");
  EXPECT_EQ(run("m.gguf"), before);
  write_file(folder_.path() / "m.gguf",
             make_gguf_model(kGgufShape, make_packed_model(kGgufShape, 92)).bytes());
  EXPECT_NE(run("m.gguf"), before);
}

}  // namespace
}  // namespace bitnetc::test
