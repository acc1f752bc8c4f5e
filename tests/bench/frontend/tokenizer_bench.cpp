// Encoding and decoding speed in bytes of text, and the time to load a tokenizer.json the size of
// Llama-3's.

#include <benchmark/benchmark.h>

#include <fstream>
#include <memory>
#include <random>
#include <sstream>

#include "frontend/tokenizer.h"
#include "frontend/tokenizer/byte_symbols.h"
#include "frontend/unicode/utf8.h"
#include "runtime/status.h"

namespace bitnetc {
namespace {

std::string read_file(const std::string& path) {
  std::ifstream file(std::string(BITNETC_SOURCE_DIR) + "/" + path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  BITNETC_CHECK(file.good(), "{}", path);
  return text.str();
}

std::unique_ptr<const Tokenizer> load(const std::string& json) {
  auto tokenizer = Tokenizer::from_json(json, "bench");
  BITNETC_CHECK(tokenizer.ok(), "{}", tokenizer.status().message());
  return *std::move(tokenizer);
}

const Tokenizer& bundled() {
  static const auto tokenizer = load(read_file("tools/models/fairytale-6m/tokenizer.json"));
  return *tokenizer;
}

// About the size of Llama-3's: 256 byte symbols, all words of two and three letters and 105,456 of
// four make 123,964 tokens; 280,147 of their splits into two tokens are merges.
std::string llama3_sized_json() {
  std::string vocab;
  int32_t token_count = 0;
  const auto add_token = [&](const std::string& token) {
    const bool needs_escape = token == "\"" || token == "\\";
    vocab += fmt::format("{}\"{}{}\":{}", token_count == 0 ? "" : ",", needs_escape ? "\\" : "",
                         token, token_count);
    ++token_count;
  };
  for (int byte = 0; byte < 256; ++byte) {
    std::string symbol;
    append_utf8(byte_symbol(static_cast<uint8_t>(byte)), symbol);
    add_token(symbol);
  }
  std::string merges;
  int32_t merge_count = 0;
  std::vector<std::string> words = {""};
  for (const int letters : {26, 26, 26, 6}) {
    std::vector<std::string> longer;
    for (const std::string& word : words) {
      for (int i = 0; i < letters; ++i) longer.push_back(word + static_cast<char>('a' + i));
    }
    words = std::move(longer);
    for (const std::string& word : words) {
      if (word.size() > 1) add_token(word);
      for (size_t left = 1; left < word.size() && merge_count < 280'147; ++left) {
        merges += fmt::format("{}\"{} {}\"", merge_count == 0 ? "" : ",", word.substr(0, left),
                              word.substr(left));
        ++merge_count;
      }
    }
  }
  return fmt::format(R"({{"version":"1.0","added_tokens":[],"pre_tokenizer":{{"type":"ByteLevel",)"
                     R"("add_prefix_space":false,"trim_offsets":true}},"model":{{"type":"BPE",)"
                     R"("vocab":{{{}}},"merges":[{}]}}}})",
                     vocab, merges);
}

void encode_text(benchmark::State& state, const Tokenizer& tokenizer, const std::string& text) {
  const auto ids = tokenizer.encode(text, false);
  BITNETC_CHECK(ids.ok(), "{}", ids.status().message());
  const auto decoded = tokenizer.decode(*ids, false);
  BITNETC_CHECK(decoded.ok() && *decoded == text, "the text does not survive encoding");
  for (auto _ : state) benchmark::DoNotOptimize(tokenizer.encode(text, false));
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * text.size()));
  state.counters["tokens"] = static_cast<double>(ids->size());
}

void BM_TokenizerEncodeProse(benchmark::State& state) {
  encode_text(state, bundled(), read_file("tests/golden/data/nll_text.txt"));
}
BENCHMARK(BM_TokenizerEncodeProse);

void BM_TokenizerEncodePrompt(benchmark::State& state) {
  encode_text(state, bundled(), "Once upon a time, there was a little fox.");
}
BENCHMARK(BM_TokenizerEncodePrompt);

void BM_TokenizerEncodeLongWord(benchmark::State& state) {
  std::mt19937 random(2);
  std::string word;
  for (int i = 0; i < 100'000; ++i) word.push_back(static_cast<char>('a' + random() % 26));
  encode_text(state, bundled(), word);
}
BENCHMARK(BM_TokenizerEncodeLongWord)->Unit(benchmark::kMillisecond);

void BM_TokenizerDecodeProse(benchmark::State& state) {
  const std::string text = read_file("tests/golden/data/nll_text.txt");
  const auto ids = bundled().encode(text, false);
  BITNETC_CHECK(ids.ok() && *bundled().decode(*ids) == text, "the text does not survive encoding");
  for (auto _ : state) benchmark::DoNotOptimize(bundled().decode(*ids));
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * text.size()));
}
BENCHMARK(BM_TokenizerDecodeProse);

void load_document(benchmark::State& state, const std::string& json) {
  for (auto _ : state) benchmark::DoNotOptimize(load(json));
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * json.size()));
}

void BM_TokenizerLoadBundled(benchmark::State& state) {
  load_document(state, read_file("tools/models/fairytale-6m/tokenizer.json"));
}
BENCHMARK(BM_TokenizerLoadBundled)->Unit(benchmark::kMillisecond);

void BM_TokenizerLoadLlama3Size(benchmark::State& state) {
  load_document(state, llama3_sized_json());
}
BENCHMARK(BM_TokenizerLoadLlama3Size)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace bitnetc
