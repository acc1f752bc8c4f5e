// How long masks of grammars take with a vocabulary the size of Llama-3's, and grammars to compile.
// Every mask that is timed lets the token that is taken next come.

#include <benchmark/benchmark.h>

#include <chrono>
#include <random>

#include "frontend/grammar_filter.h"
#include "runtime/status.h"

namespace bitnetc {
namespace {

constexpr const char* kSchema = R"({
  "type": "object", "additionalProperties": false,
  "properties": {
    "name": {"type": "string"}, "description": {"type": "string", "maxLength": 200},
    "count": {"type": "integer", "minimum": -9007199254740991, "maximum": 9007199254740991},
    "price": {"type": "number"}, "kind": {"enum": ["small", "large", "extra large"]},
    "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 10},
    "origin": {"type": ["string", "null"]}, "done": {"type": "boolean"}},
  "required": ["name", "description", "count", "price", "kind", "tags", "origin", "done"]})";

constexpr const char* kText = R"({"name": "A short name", "description": "Some words, é and so on.",
 "count": 1234567, "price": 12.75, "kind": "extra large", "tags": ["one", "two \"2\"", "three"],
 "origin": null, "done": true})";

// 128,000 texts: all bytes, numbers of up to three digits, words with and without a blank, and
// pieces with quotation marks, brackets, backslashes and characters beyond ASCII among them.
const std::vector<std::string>& vocabulary() {
  static const std::vector<std::string> made = [] {
    std::vector<std::string> texts;
    for (int byte = 0; byte < 256; ++byte) texts.emplace_back(1, static_cast<char>(byte));
    for (int number = 10; number < 1000; ++number) texts.push_back(std::to_string(number));
    std::mt19937 random(1);
    const std::string_view signs = "\"\"\"{}[]:,,.\\'()-_/=\n\t ";
    while (texts.size() < 128'000) {
      std::string text = random() % 2 == 0 ? " " : "";
      for (uint32_t length = 2 + random() % 7; length > 0; --length)
        text += static_cast<char>('a' + random() % 26);
      const uint32_t kind = random() % 100;
      if (kind < 12)
        for (uint32_t count = 1 + random() % 3; count > 0; --count)
          text.insert(random() % (text.size() + 1), 1, signs[random() % signs.size()]);
      if (kind >= 12 && kind < 25) text += "\u00e9\u0436\u4e2d";
      texts.push_back(std::move(text));
    }
    return texts;
  }();
  return made;
}

const TokenTrie::Ptr& trie() {
  static const auto made = std::make_shared<const TokenTrie>(vocabulary());
  return made;
}

Grammar::Ptr checked(Result<Grammar::Ptr> grammar) {
  BITNETC_CHECK(grammar.ok(), "{}", grammar.status().message());
  return *grammar;
}

// The ids of a text, the longest piece first.
std::vector<int32_t> ids_of(std::string_view text) {
  std::vector<int32_t> ids;
  while (!text.empty()) {
    int32_t best = static_cast<uint8_t>(text[0]);
    for (size_t id = 256; id < vocabulary().size(); ++id)
      if (text.starts_with(vocabulary()[id]) &&
          vocabulary()[id].size() > vocabulary()[static_cast<size_t>(best)].size())
        best = static_cast<int32_t>(id);
    ids.push_back(best);
    text.remove_prefix(vocabulary()[static_cast<size_t>(best)].size());
  }
  return ids;
}

// Masks of all places of kText, in order; `masks` may know some.
void walk(const std::shared_ptr<TokenMasks>& masks, const std::vector<int32_t>& ids,
          std::vector<double>* microseconds) {
  GrammarFilter filter(masks);
  for (const int32_t id : ids) {
    const auto begin = std::chrono::steady_clock::now();
    const auto mask = filter.allowed();
    const auto end = std::chrono::steady_clock::now();
    if (microseconds != nullptr)
      microseconds->push_back(std::chrono::duration<double, std::micro>(end - begin).count());
    BITNETC_CHECK((mask[static_cast<size_t>(id) / 64] >> id % 64 & 1) != 0, "{}", id);
    BITNETC_CHECK(filter.accept(id), "{}", id);
  }
}

void report(benchmark::State& state, std::vector<double> microseconds) {
  std::ranges::sort(microseconds);
  const auto at = [&](double share) {
    return microseconds[static_cast<size_t>(share * static_cast<double>(microseconds.size() - 1))];
  };
  state.counters["us_p50"] = at(0.5);
  state.counters["us_p90"] = at(0.9);
  state.counters["us_p99"] = at(0.99);
  state.counters["us_max"] = at(1);
}

void masks_from_nothing(benchmark::State& state, const Grammar::Ptr& grammar) {
  const std::vector<int32_t> ids = ids_of(kText);
  trie();
  std::vector<double> microseconds;
  for (auto _ : state)
    walk(std::make_shared<TokenMasks>(grammar, trie(), std::vector<int32_t>{}), ids, &microseconds);
  report(state, std::move(microseconds));
}

// The grammar has served another text before, of which it knows the states, not the masks.
void masks_again(benchmark::State& state, const Grammar::Ptr& grammar) {
  const std::vector<int32_t> ids = ids_of(kText);
  const auto masks = std::make_shared<TokenMasks>(grammar, trie(), std::vector<int32_t>{});
  walk(masks, ids, nullptr);
  std::vector<double> microseconds;
  for (auto _ : state) walk(masks, ids, &microseconds);
  report(state, std::move(microseconds));
}

void schema_from_nothing(benchmark::State& state) {
  masks_from_nothing(state, checked(Grammar::from_json_schema(kSchema)));
}
void schema_again(benchmark::State& state) {
  masks_again(state, checked(Grammar::from_json_schema(kSchema)));
}
void object_from_nothing(benchmark::State& state) {
  masks_from_nothing(state, checked(Grammar::json_object()));
}
void object_again(benchmark::State& state) {
  masks_again(state, checked(Grammar::json_object()));
}
void compile_schema(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(checked(Grammar::from_json_schema(kSchema)));
}
void compile_object(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(checked(Grammar::json_object()));
}
void make_trie(benchmark::State& state) {
  vocabulary();
  for (auto _ : state) benchmark::DoNotOptimize(TokenTrie(vocabulary()).id_end());
}

BENCHMARK(schema_from_nothing)->Unit(benchmark::kMillisecond);
BENCHMARK(schema_again)->Unit(benchmark::kMillisecond);
BENCHMARK(object_from_nothing)->Unit(benchmark::kMillisecond);
BENCHMARK(object_again)->Unit(benchmark::kMillisecond);
BENCHMARK(compile_schema)->Unit(benchmark::kMillisecond);
BENCHMARK(compile_object)->Unit(benchmark::kMillisecond);
BENCHMARK(make_trie)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace bitnetc
