// The `bitnetc` program as a user meets it: what goes to stdout, what to stderr, and with which
// exit code.
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "tests/support/cli_fixture.h"
#include "tests/support/reference_model.h"

namespace bitnetc::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr int kUsage = 2, kBadModel = 3, kProblem = 4, kInterrupted = 130;

class Cli : public CliFixture {
 protected:
  // One line that names what is wrong, nothing on stdout.
  void expect_failure(const ProcessResult& result, int exit_code, const std::string& expected) {
    EXPECT_EQ(result.exit_code, exit_code) << result.err;
    EXPECT_NE(result.err.find(expected), std::string::npos) << result.err;
    EXPECT_EQ(result.out, "");
  }

  std::string compile_bundled() {
    const std::string path = folder_.file("bundled.bnc");
    const auto result = bitnetc({"compile", "fairytale-6m", "-o", path});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return path;
  }
};

const std::vector<std::string> kStory = {"run",    "-p", "Once upon a time", "-n", "16",
                                         "--temp", "0"};

std::vector<std::string> with(std::vector<std::string> arguments, std::vector<std::string> more) {
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

TEST_F(Cli, RunsTheBundledModelAndFindsItAgain) {
  const auto first = bitnetc(kStory);
  ASSERT_EQ(first.exit_code, 0) << first.err;
  EXPECT_NE(first.err.find("compiled "), std::string::npos) << first.err;
  EXPECT_NE(first.err.find("tokens/s"), std::string::npos) << first.err;
  EXPECT_NE(first.err.find("% of the measured read bandwidth"), std::string::npos) << first.err;
  const auto second = bitnetc(kStory);
  EXPECT_EQ(second.out, first.out);
  EXPECT_EQ(second.err.find("compiled "), std::string::npos) << second.err;
}

TEST_F(Cli, TheEnvironmentReachesTheKernels) {
  const std::string dump = folder_.file("dump"), in_the_way = folder_.file("file");
  const auto result = bitnetc(kStory, {{"BITNETC_EXPLAIN", "1"}, {"BITNETC_DUMP", dump}});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_NE(result.err.find("explain: matmul_"), std::string::npos) << result.err;
  const auto poisoned = bitnetc(with(kStory, {"-q"}), {{"BITNETC_POISON", "1"}});
  EXPECT_EQ(poisoned.out, result.out);
  const auto without_jit = bitnetc(with(kStory, {"--json", "-v"}), {{"BITNETC_JIT", "off"}});
  ASSERT_EQ(without_jit.exit_code, 0) << without_jit.err;
  const json report = json::parse(without_jit.out);
  for (const json& kernel : report["kernels"])
    EXPECT_FALSE(kernel["generator"].get<std::string>().starts_with("x64_")) << kernel;
  if (!fs::exists(dump)) GTEST_SKIP() << "no kernel is generated for this machine";
  write_file(in_the_way, "");
  const auto refused = bitnetc(kStory, {{"BITNETC_DUMP", in_the_way}});
  EXPECT_EQ(refused.exit_code, 0) << refused.err;
  EXPECT_EQ(refused.out, result.out);
  EXPECT_NE(refused.err.find("BITNETC_DUMP: " + in_the_way + "/"), std::string::npos)
      << refused.err;
}

TEST_F(Cli, SameTextOnEveryTierAndThreadCountAndWithoutJit) {
  const std::string model = compile_bundled();
  std::vector<std::string> run = {"run",    model, "-p", "The King said", "-n", "24",
                                  "--seed", "7",   "-q"};
  const auto expected = bitnetc(run);
  ASSERT_EQ(expected.exit_code, 0) << expected.err;
  EXPECT_EQ(expected.err, "");
  for (const char* isa : {"scalar", "avx2", "avxvnni", "avx512vnni", "amx"})
    EXPECT_EQ(bitnetc(run, {{"BITNETC_ISA", isa}}).out, expected.out) << isa;
  EXPECT_EQ(bitnetc(with(run, {"-t", "1"})).out, expected.out);
  EXPECT_EQ(bitnetc(with(run, {"-t", "3"})).out, expected.out);
  const auto without_jit = bitnetc(run, {{"BITNETC_JIT", "off"}});
  EXPECT_EQ(without_jit.out, expected.out);
  // Matmuls have kernels compiled ahead of time.
  EXPECT_EQ(without_jit.err.find("matmul"), std::string::npos) << without_jit.err;
}

TEST_F(Cli, SameTextOnEveryTierAndThreadCountWithEachTypeOfKeysAndValues) {
  const std::string model = compile_bundled();
  std::vector<std::string> texts;
  for (const char* type : {"f16", "f32", "i8"}) {
    const std::vector<std::string> run = {"run",    model, "-p", "The King said", "-n", "40",
                                          "--seed", "7",   "-q", "--kv",          type};
    const auto expected = bitnetc(run, {{"BITNETC_ISA", "scalar"}});
    ASSERT_EQ(expected.exit_code, 0) << expected.err;
    for (const char* isa : {"avx2", "avxvnni", "avx512vnni", "amx"})
      EXPECT_EQ(bitnetc(run, {{"BITNETC_ISA", isa}}).out, expected.out) << type << " " << isa;
    for (const char* threads : {"1", "2", "3"})
      EXPECT_EQ(bitnetc(with(run, {"-t", threads})).out, expected.out) << type << " " << threads;
    const auto without_jit = bitnetc(run, {{"BITNETC_JIT", "off"}});
    EXPECT_EQ(without_jit.out, expected.out) << type;
    EXPECT_EQ(without_jit.err.find("attention"), std::string::npos) << without_jit.err;
    texts.push_back(expected.out);
  }
  EXPECT_EQ(bitnetc({"run", model, "-p", "The King said", "-n", "40", "--seed", "7", "-q"}).out,
            texts[0]);
}

TEST_F(Cli, SaysWhatKeysAndValuesAre) {
  const auto said = [&](const std::string& type) {
    const auto verbose = bitnetc(with(kStory, {"-v", "--kv", type}));
    EXPECT_NE(verbose.err.find("cache       keys and values as " + type + ", "), std::string::npos)
        << verbose.err;
    const json document = json::parse(bitnetc(with(kStory, {"--json", "-v", "--kv", type})).out);
    EXPECT_EQ(document["kv_type"], type);
    int kernels = 0;
    for (const json& kernel : document["kernels"]) {
      const auto name = kernel["name"].get<std::string>();
      if (!name.starts_with("attention_") && !name.starts_with("ropeappend_")) continue;
      ++kernels;
      EXPECT_EQ(name.find("_kv" + type + "_") != std::string::npos, type != "f16") << name;
    }
    EXPECT_EQ(kernels, 2);
  };
  for (const char* type : {"f16", "f32", "i8"}) said(type);
  for (const char* command : {"run", "bench", "perplexity", "embed"})
    expect_failure(bitnetc({command, "fairytale-6m", "--kv", "q4"}), kUsage,
                   "--kv 'q4': expected one of f16, f32, i8");
}

TEST_F(Cli, SkippedNeuronsChangeNoText) {
  const std::string sparse = folder_.file("sparse.bnc");
  ASSERT_EQ(bitnetc({"compile", "fairytale-6m", "-q", "--sparse-ffn", "-o", sparse}).exit_code, 0);
  const std::vector<std::string> more = {"-p", "Once upon a time", "-n", "40", "--draft", "0"};
  const auto expected = bitnetc(with({"run", compile_bundled()}, more));
  ASSERT_EQ(expected.exit_code, 0) << expected.err;
  const auto skipping = bitnetc(with({"run", sparse, "-v"}, more));
  EXPECT_EQ(skipping.out, expected.out);
  EXPECT_NE(skipping.err.find("\nneurons     "), std::string::npos) << skipping.err;
  EXPECT_EQ(bitnetc(with(with({"run", sparse}, more), {"--dense-ffn"})).out, expected.out);
  const auto without = bitnetc(with({"run", sparse, "-v"}, more), {{"BITNETC_ISA", "avx2"}});
  EXPECT_EQ(without.out, expected.out);
  EXPECT_NE(without.err.find("neurons     none skipped: only the reference could"),
            std::string::npos)
      << without.err;
}

TEST_F(Cli, VerboseSaysHowTheHeadIsRead) {
  const std::string plain = folder_.file("plain.bnc");
  ASSERT_EQ(bitnetc({"compile", "fairytale-6m", "-q", "--no-screen", "-o", plain}).exit_code, 0);
  const auto said = [&](const std::string& model, const std::vector<std::string>& more,
                        const char* isa) {
    return bitnetc(with({"run", model, "-p", "The", "-n", "2", "-v"}, more), {{"BITNETC_ISA", isa}})
        .err;
  };
  const std::string model = compile_bundled(), full = "head        read in full for every token: ";
  EXPECT_NE(said(model, {}, "avx2").find("head        screened in "), std::string::npos);
  EXPECT_NE(said(model, {"--full-head"}, "avx2").find(full + "every logit was asked for"),
            std::string::npos);
  EXPECT_NE(said(plain, {}, "avx2").find(full + "the compiled model has no screen"),
            std::string::npos);
  EXPECT_NE(said(model, {}, "scalar").find(full + "only the reference"), std::string::npos);
  EXPECT_NE(bitnetc({"inspect", model}).out.find("head        has a screen"), std::string::npos);
  EXPECT_EQ(bitnetc({"inspect", plain}).out.find("head        has a screen"), std::string::npos);
}

TEST_F(Cli, SameTextInEveryLayout) {
  const auto expected = bitnetc(kStory);
  const std::string compiled = folder_.file("b3.bnc");
  ASSERT_EQ(bitnetc({"compile", "fairytale-6m", "-o", compiled, "--layout", "b3"}).exit_code, 0);
  const auto inspected = bitnetc({"inspect", compiled});
  EXPECT_NE(inspected.out.find("layout b3, 1."), std::string::npos) << inspected.out;
  for (const std::string layout : {"i2s", "tl1", "tl2", "b3", "auto"}) {
    EXPECT_EQ(bitnetc(with(kStory, {"--layout", layout})).out, expected.out) << layout;
    const auto repacked = bitnetc(
        with({"run", compiled, "-v", "--layout", layout}, {kStory.begin() + 1, kStory.end()}));
    EXPECT_EQ(repacked.out, expected.out) << layout << repacked.err;
    EXPECT_NE(repacked.err.find("qkv_proj ("), std::string::npos) << repacked.err;
    const bool is_told =
        repacked.err.find("from layout b3 to i2s as asked for") != std::string::npos;
    if (layout == "i2s") {
      EXPECT_TRUE(is_told) << repacked.err;
    }
  }
  expect_failure(bitnetc({"run", "--layout", "tl3"}), kUsage, "--layout");
}

TEST_F(Cli, JsonHasThePromisedKeys) {
  const auto result = bitnetc(with(kStory, {"--json"}));
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const json document = json::parse(result.out);
  EXPECT_EQ(document["prompt_ids"], json({4093, 3040, 683, 258, 540}));
  EXPECT_EQ(document["ids"].size(), 16u);
  for (const char* key : {"text", "model", "sampling", "timings"})
    EXPECT_TRUE(document.contains(key)) << key;
  EXPECT_GT(document["timings"]["generation_tokens_per_second"].get<double>(), 0);
}

TEST_F(Cli, PromptFromFileAndPipe) {
  write_file(folder_.path() / "prompt.txt", "Once upon a time");
  const auto expected = bitnetc(kStory);
  const std::vector<std::string> run = {"run", "-n", "16", "--temp", "0"};
  EXPECT_EQ(bitnetc(with(run, {"-f", folder_.file("prompt.txt")})).out, expected.out);
  EXPECT_EQ(bitnetc(run, {}, "Once upon a time").out, expected.out);
  EXPECT_EQ(bitnetc(with(run, {"-f", "-"}), {}, "Once upon a time").out, expected.out);
}

TEST_F(Cli, StopStringAndSeed) {
  const auto whole = bitnetc(kStory);
  const std::string stop = whole.out.substr(10, 4);
  const auto stopped = bitnetc(with(kStory, {"--stop", stop}));
  EXPECT_EQ(stopped.out, whole.out.substr(0, whole.out.find(stop)) + "\n");
  EXPECT_NE(stopped.err.find("stopped by stop string"), std::string::npos);
  const std::vector<std::string> sampled = {"run", "-p", "A", "-n", "12", "--temp", "1", "-q"};
  EXPECT_EQ(bitnetc(with(sampled, {"--seed", "1"})).out,
            bitnetc(with(sampled, {"--seed", "1"})).out);
  EXPECT_NE(bitnetc(with(sampled, {"--seed", "1"})).out,
            bitnetc(with(sampled, {"--seed", "2"})).out);
}

TEST_F(Cli, ChatPrompt) {
  write_file(folder_.path() / "t.jinja", "{{ messages[0].content }} a {{ messages[-1].content }}");
  const std::string model = compile_bundled();
  const auto result = bitnetc({"run", model, "--system", "Once upon", "--chat-prompt", "time",
                               "--chat-template", folder_.file("t.jinja"), "-n", "1", "--json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(json::parse(result.out)["prompt_ids"], json({4093, 3040, 683, 258, 540}));

  expect_failure(bitnetc({"run", model, "--chat-prompt", "x"}), kBadModel, "has no chat template");
  expect_failure(bitnetc({"run", "--chat-prompt", "x"}), kBadModel,
                 "fairytale-6m: the model has no chat template");
  expect_failure(bitnetc({"run", "--chat-prompt", "x", "-p", "y"}), kUsage,
                 "--chat-prompt and -p: expected one of them");
  expect_failure(bitnetc({"run", "-p", "x", "--system", "y"}), kUsage, "--system goes with");
  expect_failure(bitnetc({"run", model, "--chat-prompt", "bad \xff text", "--chat-template",
                          folder_.file("t.jinja")}),
                 kUsage, "--chat-prompt: the text is not valid UTF-8 at byte 4 (0xFF)");
  write_file(folder_.path() / "bad.jinja", "a\n{% if");
  expect_failure(
      bitnetc({"run", "--chat-prompt", "x", "--chat-template", folder_.file("bad.jinja")}),
      kBadModel, "bad.jinja:2:6: expected an expression");
}

// The template and its special tokens are in the compiled file.
TEST_F(Cli, ChatPromptOfACompiledModel) {
  ModelFiles files = make_master_model({}, 5);
  files.tokenizer_config["chat_template"] =
      "{% for m in messages %}{{ m.content ~ eos_token }}{% endfor %}";
  files.tokenizer_config["eos_token"] = {{"content", "<|end_of_text|>"}};
  write_model(files, folder_.path() / "model");
  const std::string path = folder_.file("chat.bnc");
  ASSERT_EQ(bitnetc({"compile", folder_.file("model"), "-o", path}).exit_code, 0);
  const auto result =
      bitnetc({"run", path, "--chat-prompt", "<|end_of_text|>", "-n", "1", "--json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const json ids = json::parse(result.out)["prompt_ids"];
  EXPECT_EQ(ids.size(), 17u) << "begin of text, 15 bytes and the end of the turn";
  EXPECT_EQ(ids.back(), 319);
}

TEST_F(Cli, LogitsFile) {
  const std::string path = folder_.file("logits.npy");
  ASSERT_EQ(bitnetc(with(kStory, {"--logits", path})).exit_code, 0);
  const std::string npy = read_file(path);
  EXPECT_EQ(npy.substr(1, 5), "NUMPY");
  EXPECT_NE(npy.find("'shape': (4096,)"), std::string::npos);
  EXPECT_EQ(npy.size() % 64, 0u);
  EXPECT_EQ(npy.size(), 128 + 4096 * 4u);
}

TEST_F(Cli, LogitsAndTraceAreTwoFiles) {
  const std::string path = folder_.file("both");
  expect_failure(bitnetc(with(kStory, {"--logits", path, "--trace", path})), kUsage,
                 "--trace and --logits: expected two files");
}

TEST_F(Cli, AModelThatIsNoRegularFile) {
  const std::string fifo = folder_.file("m.gguf");
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  for (const char* command : {"run", "inspect"})
    expect_failure(bitnetc({command, fifo}), kBadModel, "m.gguf: is not a regular file");
}

// Every step of every pass is in the profile and in the trace, one after the other.
TEST_F(Cli, ProfileAndTrace) {
  const std::string path = folder_.file("trace.json");
  const auto result =
      bitnetc(with(kStory, {"--json", "--profile", "--trace", path, "--draft", "0"}));
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const json document = json::parse(result.out);
  const json& prompt = document["profile"]["batches"];
  const json& generation = document["profile"]["single_tokens"];
  EXPECT_EQ(prompt["passes"], 1);
  EXPECT_EQ(prompt["tokens"], document["prompt_ids"].size());
  EXPECT_EQ(generation["passes"], document["ids"].size() - 1);
  const std::set<std::string> without_weights = {
      "embed_tokens", "rope", "attention", "lm_head.split", "lm_head.probe", "lm_head.refine"};
  size_t runs = 0;
  for (const json* passes : {&prompt, &generation}) {
    double seconds = 0;
    for (const json& step : (*passes)["steps"]) {
      seconds += step["seconds"].get<double>();
      runs += step["runs"].get<size_t>();
      EXPECT_EQ(step["weight_bytes"] > 0, !without_weights.contains(step["name"])) << step["name"];
    }
    EXPECT_LE(seconds, (*passes)["seconds"].get<double>() * 1.000001);
  }
  const json events = json::parse(read_file(path))["traceEvents"];
  EXPECT_EQ(events.size(), runs);
  for (size_t i = 1; i < events.size(); ++i) {
    const double end = events[i - 1]["ts"].get<double>() + events[i - 1]["dur"].get<double>();
    EXPECT_GE(events[i]["ts"].get<double>(), end - 1e-3) << events[i]["name"];
  }
  const auto table = bitnetc(with(kStory, {"--profile", "--draft", "0"}));
  EXPECT_NE(table.err.find("passes of one token: 15 of"), std::string::npos) << table.err;
  EXPECT_NE(table.err.find("lm_head"), std::string::npos) << table.err;
  EXPECT_EQ(table.out, bitnetc(kStory).out);
  const auto quiet = bitnetc(with(kStory, {"--profile", "-q"}));
  EXPECT_NE(quiet.err.find("passes of one token"), std::string::npos) << quiet.err;
  EXPECT_EQ(quiet.err.find("stopped by"), std::string::npos) << quiet.err;
}

TEST_F(Cli, CtrlCStopsAndReports) {
  const auto result =
      bitnetc({"run", "-p", "Once", "-n", "100000", "--ignore-eos", "--temp", "0"}, {}, "",
              /*interrupt_after_ms=*/1);
  // The context may fill up before the signal comes on a fast machine; both ends are clean.
  EXPECT_TRUE(result.exit_code == kInterrupted || result.exit_code == 0)
      << result.exit_code << result.err;
}

TEST_F(Cli, ContextFullIsAStopNotAnError) {
  const auto result = bitnetc(with(kStory, {"-c", "8", "--ignore-eos"}));
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_NE(result.err.find("stopped by context full"), std::string::npos) << result.err;
}

TEST_F(Cli, WrongUse) {
  expect_failure(bitnetc({"run", "-p", "x", "--temp", "-1"}), kUsage, "--temp '-1'");
  expect_failure(bitnetc({"run", "-p", "x", "--top-p", "2"}), kUsage, "--top-p '2'");
  expect_failure(bitnetc({"run", "-p", "x", "--seed", "abc"}), kUsage, "--seed 'abc'");
  expect_failure(bitnetc({"run", "-p", "x", "-c", "5000"}), kUsage, "at most 1024");
  expect_failure(bitnetc({"run", "-p", "x"}, {{"BITNETC_ISA", "sse9"}}), kUsage,
                 "BITNETC_ISA=sse9");
  expect_failure(bitnetc({"run", "-p", "x"}, {{"BITNETC_THREADS", "many"}}), kUsage,
                 "BITNETC_THREADS");
  expect_failure(bitnetc({"run", "-p", "bad \xff utf8"}), kUsage, "UTF-8");
  EXPECT_EQ(bitnetc({"dance"}).exit_code, kUsage);
  EXPECT_EQ(bitnetc({}).exit_code, kUsage);
  EXPECT_EQ(bitnetc({"--help"}).exit_code, 0);
  EXPECT_NE(bitnetc({"--version"}).out.find("bitnetc "), std::string::npos);
}

TEST_F(Cli, BadModels) {
  expect_failure(bitnetc({"run", "/no/such/model", "-p", "x"}), kBadModel, "/no/such/model");
  expect_failure(bitnetc({"run", folder_.path().string(), "-p", "x"}), kBadModel, "config.json");
  write_file(folder_.path() / "text.bnc", "not a model");
  expect_failure(bitnetc({"run", folder_.file("text.bnc"), "-p", "x"}), kBadModel, "text.bnc");
  const std::string whole = read_file(compile_bundled());
  write_file(folder_.path() / "cut.bnc", whole.substr(0, whole.size() / 2));
  expect_failure(bitnetc({"run", folder_.file("cut.bnc"), "-p", "x"}), kBadModel, "truncated");
  write_model(make_packed_model({}, 1), folder_.path() / "m");
  fs::remove(folder_.path() / "m" / "tokenizer.json");
  expect_failure(bitnetc({"run", folder_.file("m"), "-p", "x"}), kBadModel, "tokenizer.json");
}

TEST_F(Cli, ATextEncoderWritesNoText) {
  const auto result = bitnetc({"run", reference_folder("embedding-gemma3"), "-p", "hello"});
  EXPECT_NE(result.exit_code, 0);
  EXPECT_EQ(result.out, "");
  EXPECT_NE(result.err.find("is a text encoder"), std::string::npos) << result.err;
}

// A ternary model with scales per group: described, and refused in one line.
TEST_F(Cli, InspectsWhatItCannotRun) {
  ModelFiles files = read_model_files(reference_folder("embedding-qwen3"));
  unpack_to_masters(files);
  files.config.erase("quantization_config");
  std::erase_if(files.tensors, [](const auto& tensor) {
    return tensor.first.find("_proj.norm") != std::string::npos;
  });
  const std::string model = folder_.file("qwen3");
  write_model(files, model);
  const auto inspected = bitnetc({"inspect", model});
  EXPECT_EQ(inspected.exit_code, 0) << inspected.err;
  for (const char* part : {"qwen3 family, 2 layers", "weights     F32, float", "cannot run  "})
    EXPECT_NE(inspected.out.find(part), std::string::npos) << inspected.out;
  const auto as_json = bitnetc({"inspect", model, "--json"});
  EXPECT_EQ(json::parse(as_json.out)["description"]["config"]["layers"], 2);
  EXPECT_NE(json::parse(as_json.out)["refusal"], "");
  for (const auto& arguments : {std::vector<std::string>{"run", model, "-p", "x"},
                                {"compile", model, "-o", folder_.file("x.bnc")}}) {
    const auto refused = bitnetc(arguments);
    EXPECT_NE(refused.exit_code, 0);
    EXPECT_EQ(std::ranges::count(refused.err, '\n'), 1) << refused.err;
    EXPECT_NE(refused.err.find("is a Qwen3 language model"), std::string::npos) << refused.err;
  }
}

TEST_F(Cli, WithoutACacheDirectoryItStillRuns) {
  const auto expected = bitnetc(kStory);
  const auto no_home = bitnetc(kStory, {{"XDG_CACHE_HOME", ""}});
  EXPECT_EQ(no_home.out, expected.out) << no_home.err;
  EXPECT_NE(no_home.err.find("no cache directory"), std::string::npos) << no_home.err;
  // A cache that cannot be: a file stands where the folder should be (root may write anywhere).
  write_file(folder_.path() / "file", "");
  const auto blocked = bitnetc(kStory, {{"XDG_CACHE_HOME", folder_.file("file")}});
  EXPECT_EQ(blocked.out, expected.out) << blocked.err;
  EXPECT_NE(blocked.err.find("note: "), std::string::npos) << blocked.err;
}

TEST_F(Cli, ADamagedCacheIsMadeAgain) {
  const auto expected = bitnetc(kStory);
  for (const auto& entry : fs::directory_iterator(folder_.path() / "cache/bitnetc/models")) {
    std::string bytes = read_file(entry.path());
    bytes[bytes.size() / 2] ^= 1;
    write_file(entry.path(), bytes);
  }
  const auto again = bitnetc(kStory);
  EXPECT_EQ(again.out, expected.out);
  EXPECT_NE(again.err.find("is unusable and is made again"), std::string::npos) << again.err;
}

TEST_F(Cli, InspectTokenizeKernel) {
  const std::string model = compile_bundled();
  const auto inspect = bitnetc({"inspect", model, "--json"});
  ASSERT_EQ(inspect.exit_code, 0) << inspect.err;
  EXPECT_EQ(json::parse(inspect.out)["description"]["config"]["hidden_size"], 256);
  EXPECT_NE(bitnetc({"inspect", model, "--steps"}).out.find("layers.4.down_proj"),
            std::string::npos);

  EXPECT_EQ(bitnetc({"tokenize", model, "-p", "Once upon a time", "--ids"}).out,
            "4093 3040 683 258 540\n");
  EXPECT_EQ(bitnetc({"tokenize", model, "--decode", "3040,683,258,540"}).out, "Once upon a time\n");

  const auto list = bitnetc({"kernel", "list", model, "--json"});
  ASSERT_EQ(list.exit_code, 0) << list.err;
  const json kernels = json::parse(list.out)["kernels"];
  ASSERT_FALSE(kernels.empty());
  for (const json& kernel : kernels) {
    const auto show = bitnetc({"kernel", "show", kernel["name"]});
    EXPECT_EQ(show.exit_code, 0) << show.err;
    EXPECT_NE(show.out.find(kernel["name"].get<std::string>()), std::string::npos);
  }
  EXPECT_EQ(bitnetc({"kernel", "check", model, "--seeds", "2"}).exit_code, 0);
  expect_failure(bitnetc({"kernel", "show", "nonsense"}), kUsage, "kernel spec 'nonsense'");
}

TEST_F(Cli, DoctorSaysWhatThisMachineIs) {
  const auto result = bitnetc({"doctor", "--json"});
  const json doctor = json::parse(result.out, nullptr, /*allow_exceptions=*/false);
  ASSERT_TRUE(doctor.is_object()) << result.out << result.err;
  EXPECT_EQ(result.exit_code, doctor["problems"].empty() ? 0 : kProblem) << doctor["problems"];
  const json& machine = doctor["machine"];
  EXPECT_EQ(machine["fingerprint"].get<std::string>().size(), 16u);
  EXPECT_FALSE(machine["microarchitecture"].get<std::string>().empty());
  EXPECT_GE(machine["online_cpus"], machine["usable_cpus"]);
  EXPECT_LE(machine["usable"]["cores"], machine["whole"]["cores"]);
  EXPECT_EQ(doctor["tiers"]["scalar"], true);
  EXPECT_EQ(doctor["tiers"].size(), 5u);
  const std::string all = std::to_string(machine["usable_cpus"].get<int>());
  for (const std::string& threads : {std::string("1"), all}) {
    EXPECT_GT(doctor["read_bandwidth_bytes_per_second"][threads], 0) << threads;
    EXPECT_EQ(doctor["int8_operations_per_second"][threads].contains("avx2"),
              doctor["tiers"]["avx2"] == true);
    EXPECT_EQ(doctor["fp32_operations_per_second"][threads].contains("avx2"),
              doctor["tiers"]["avx2"] == true);
  }
  EXPECT_EQ(doctor["pages"]["advised_bytes"], 8 << 20);
  EXPECT_GT(doctor["pages"]["mapped_model_bytes"], 0);
  EXPECT_FALSE(doctor["kernels"].empty());
  EXPECT_EQ(doctor["settings"]["BITNETC_ISA"], "(unset)");

  // Another process, with a cap: the same machine, another tier, and why.
  const auto text = bitnetc({"doctor"}, {{"BITNETC_ISA", "scalar"}});
  EXPECT_NE(text.out.find(machine["fingerprint"].get<std::string>()), std::string::npos)
      << "the fingerprint differs between two processes";
  EXPECT_NE(text.out.find("kernels are generated for scalar"), std::string::npos) << text.out;
  if (doctor["tiers"]["avx2"] == true) {
    EXPECT_NE(text.out.find("not avx2: left out by BITNETC_ISA=scalar"), std::string::npos)
        << text.out;
  }
}

TEST_F(Cli, DoctorCountsOnlyTheCpusOfItsMask) {
  cpu_set_t before, one;
  ASSERT_EQ(sched_getaffinity(0, sizeof before, &before), 0);
  if (CPU_COUNT(&before) < 2) GTEST_SKIP() << "this process may use one CPU only";
  int first = 0;
  while (!CPU_ISSET(first, &before)) ++first;
  CPU_ZERO(&one);
  CPU_SET(first, &one);
  ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);  // children inherit it
  const auto result = bitnetc({"doctor", "--json"});
  ASSERT_EQ(sched_setaffinity(0, sizeof before, &before), 0);
  const json doctor = json::parse(result.out, nullptr, /*allow_exceptions=*/false);
  ASSERT_TRUE(doctor.is_object()) << result.out << result.err;
  EXPECT_EQ(doctor["machine"]["usable_cpus"], 1);
  EXPECT_EQ(doctor["machine"]["usable"]["cores"], 1);
  EXPECT_EQ(doctor["machine"]["allowed_cpus"], json::array({first}));
  EXPECT_NE(doctor["notes"].dump().find("affinity mask"), std::string::npos) << doctor["notes"];
}

TEST_F(Cli, DoctorNamesEveryProblemAndItsRemedy) {
  const auto result = bitnetc({"doctor"}, {{"BITNETC_JIT", "off"}});
  EXPECT_EQ(result.exit_code, kProblem) << result.out;
  EXPECT_NE(result.out.find("PROBLEM"), std::string::npos) << result.out;
  EXPECT_NE(result.out.find("no generated code can run"), std::string::npos) << result.out;
  EXPECT_EQ(result.out.find("no problems found"), std::string::npos) << result.out;
}

#ifdef __x86_64__
TEST_F(Cli, Disassembly) {
  const auto result = bitnetc({"kernel", "disasm", "matmul_i8_i2s_f32_n256_k256_m1_scale"},
                              {{"BITNETC_ISA", "avx2"}});
  if (result.exit_code == kUsage && result.err.find("ahead of time") != std::string::npos) {
    std::printf("SKIPPED: this CPU has no AVX2 or refuses executable memory\n");
    GTEST_SKIP() << result.err;
  }
  EXPECT_NE(result.out.find("vpmaddubsw"), std::string::npos) << result.out << result.err;
  EXPECT_NE(result.out.find("ret"), std::string::npos);
}
#endif

}  // namespace
}  // namespace bitnetc::test
