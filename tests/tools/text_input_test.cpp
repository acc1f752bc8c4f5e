// Where a prompt comes from and what of a file or a pipe belongs to it; notes on what a model's
// defaults ask for.
#include <gtest/gtest.h>

#include "tests/support/cli_fixture.h"

namespace bitnetc::test {
namespace {

constexpr int kBadModel = 3;

class PromptText : public CliFixture {
 protected:
  std::string ids_of_pipe(const std::string& input, std::vector<std::string> more = {}) {
    std::vector<std::string> arguments = {"tokenize", "--ids"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return bitnetc(arguments, {}, input).out;
  }
  std::string ids_of(const std::string& text) {
    return bitnetc({"tokenize", "--ids", "-p", text}).out;
  }
};

TEST_F(PromptText, OneNewlineAtTheEndIsNotPartOfIt) {
  EXPECT_EQ(ids_of_pipe("Once\n"), ids_of("Once"));
  EXPECT_EQ(ids_of_pipe("Once\r\n"), ids_of("Once"));
  EXPECT_EQ(ids_of_pipe("Once"), ids_of("Once"));
  EXPECT_EQ(ids_of_pipe("Once\n\n"), ids_of("Once\n"));
  EXPECT_EQ(ids_of_pipe("Once\n", {"--keep-newline"}), ids_of("Once\n"));
  EXPECT_EQ(ids_of("Once\n"), ids_of_pipe("Once\n\n"));  // -p is taken as it is
  const std::string file = folder_.file("prompt.txt");
  write_file(file, "Once\n");
  EXPECT_EQ(bitnetc({"tokenize", "--ids", "-f", file}).out, ids_of("Once"));
  const auto piped = bitnetc({"run", "-n", "8", "-q"}, {}, "Once\n");
  EXPECT_EQ(piped.out, bitnetc({"run", "-n", "8", "-q", "-p", "Once"}).out);
}

TEST_F(PromptText, MarksOfFilesAreNoted) {
  EXPECT_EQ(ids_of_pipe("\xef\xbb\xbfOnce"), ids_of("Once"));
  const auto marked = bitnetc({"tokenize", "--ids"}, {}, "\xef\xbb\xbfOnce");
  EXPECT_NE(marked.err.find("byte order mark"), std::string::npos) << marked.err;
  const auto lines = bitnetc({"tokenize", "--ids"}, {}, "a\r\nb\r\n");
  EXPECT_NE(lines.err.find("CRLF"), std::string::npos) << lines.err;
  EXPECT_EQ(lines.out, ids_of("a\r\nb"));
}

TEST_F(PromptText, FilesThatAreNoPrompts) {
  const auto endless = bitnetc({"run", "-f", "/dev/zero"});
  EXPECT_EQ(endless.exit_code, kBadModel);
  EXPECT_NE(endless.err.find("/dev/zero: more than 64 MiB"), std::string::npos) << endless.err;
  EXPECT_EQ(bitnetc({"run", "-f", "/nonexistent"}).exit_code, kBadModel);
  const auto folder = bitnetc({"run", "-f", "/tmp"});
  EXPECT_EQ(folder.exit_code, kBadModel);
  EXPECT_NE(folder.err.find("is a folder"), std::string::npos) << folder.err;
}

TEST_F(PromptText, APromptThatBeginsTwiceIsNoted) {
  const std::string text = "<|begin_of_text|>Once";
  EXPECT_EQ(bitnetc({"tokenize", "--ids", "-p", text}).out.substr(0, 10), "4093 4093 ");
  const auto result = bitnetc({"run", "-p", text, "-n", "1"});
  EXPECT_NE(result.err.find("note: the prompt begins with <|begin_of_text|>"), std::string::npos)
      << result.err;
  EXPECT_EQ(bitnetc({"run", "-p", "Once", "-n", "1"}).err.find("begin_of_text"), std::string::npos);
}

TEST_F(PromptText, GenerationDefaultsWithoutACounterpartAreNamed) {
  ModelFiles model = make_packed_model({}, 1);
  model.generation = {{"no_repeat_ngram_size", 2}, {"suppress_tokens", {7}},
                      {"min_new_tokens", 3},       {"num_beams", 1},
                      {"typical_p", 0.9},          {"penalty_alpha", nullptr},
                      {"temperature", 0.5}};
  write_model(model, folder_.path() / "m");
  const std::vector<std::string> run = {"run", folder_.file("m"), "-p", "x", "-n", "1"};
  for (int times = 0; times < 2; ++times) {  // compiled, and from the cache
    const auto result = bitnetc(run);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_NE(result.err.find("differ: min_new_tokens = 3, typical_p = 0.9\n"), std::string::npos)
        << result.err;
  }
  model.generation = {{"num_beams", 1}};
  write_model(model, folder_.path() / "plain");
  const auto plain = bitnetc({"run", folder_.file("plain"), "-p", "x", "-n", "1"});
  EXPECT_EQ(plain.err.find("generation_config"), std::string::npos) << plain.err;
}

}  // namespace
}  // namespace bitnetc::test
