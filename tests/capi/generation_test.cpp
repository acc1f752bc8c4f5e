// Text and tokens of the C API against those of the command.
#include <nlohmann/json.hpp>

#include "tests/capi/api_fixture.h"

namespace bitnetc::test {
namespace {

using nlohmann::json;

constexpr char kStory[] = "Once upon a time";
constexpr char kBundledFolder[] = BITNETC_SOURCE_DIR "/tools/models/fairytale-6m";

struct Heard {
  std::string text;
  int pieces = 0;
  int stop_after = 0;  // 0: never
};
int hear(void* user_data, const char* text, size_t length) {
  auto& heard = *static_cast<Heard*>(user_data);
  heard.text.append(text, length);
  EXPECT_EQ(text[length], '\0');
  return ++heard.pieces == heard.stop_after;
}

class Generation : public Api {
 protected:
  json run(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), "run");
    arguments.push_back("--json");
    const ProcessResult result = command(arguments);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return json::parse(result.out);
  }
  static bitnetc_generate_options listening(Heard& heard) {
    auto options = sized<bitnetc_generate_options>();
    options.on_text = hear;
    options.user_data = &heard;
    return options;
  }
  static Ids ids_of(const bitnetc_generation& generation) {
    return {generation.tokens, generation.tokens + generation.token_count};
  }
};

TEST_F(Generation, IsWhatTheCommandPrints) {
  const Model model = open();
  const Ids prompt = tokenize(model, kStory);
  for (const uint64_t seed : {0, 7, 8}) {
    const json expected = run({"-p", kStory, "-n", "48", "--seed", std::to_string(seed)});
    auto sampling = sized<bitnetc_sampling>();
    EXPECT_SUCCEEDS(bitnetc_model_get_sampling(model.get(), &sampling));
    sampling.seed = seed;
    Heard heard;
    bitnetc_generate_options options = listening(heard);
    options.max_tokens = 48;
    options.sampling = &sampling;
    const ApiSequence sequence = sequence_of(model);
    const bitnetc_generation generation = generate(sequence, prompt, options);
    EXPECT_EQ(prompt, expected["prompt_ids"].get<Ids>());
    EXPECT_EQ(ids_of(generation), expected["ids"].get<Ids>()) << seed;
    EXPECT_EQ(generation.text, expected["text"].get<std::string>());
    EXPECT_EQ(heard.text, generation.text);
    EXPECT_EQ(std::string(generation.text).size(), generation.text_length);
    EXPECT_GT(heard.pieces, 10);
  }
}

TEST_F(Generation, DefaultsAreThoseOfTheCommand) {
  const Model model = open();
  const json expected = run({"-p", kStory});
  const ApiSequence sequence = sequence_of(model);
  const Ids prompt = tokenize(model, kStory);
  auto generation = sized<bitnetc_generation>();
  EXPECT_SUCCEEDS(
      bitnetc_generate(sequence.get(), prompt.data(), prompt.size(), nullptr, &generation));
  EXPECT_EQ(generation.text, expected["text"].get<std::string>());
  EXPECT_GE(generation.first_token_seconds, generation.prompt_seconds);
  EXPECT_GT(generation.decode_seconds, 0);
  EXPECT_SUCCEEDS(bitnetc_generate(sequence.get(), prompt.data(), prompt.size(), nullptr, nullptr));
}

TEST_F(Generation, SaysWhyItStopped) {
  const Model model = open();
  const Ids prompt = tokenize(model, kStory);
  Heard heard;
  bitnetc_generate_options options = listening(heard);
  const json whole = run({"-p", kStory, "-n", "128"});
  const std::string word = whole["text"].get<std::string>().substr(20, 6);
  const char* const stops[] = {"not in it", word.c_str()};
  options.stop_strings = stops;
  options.stop_string_count = 2;
  const ApiSequence sequence = sequence_of(model);
  bitnetc_generation generation = generate(sequence, prompt, options);
  EXPECT_EQ(generation.stop_reason, BITNETC_STOP_STRING);
  EXPECT_EQ(generation.text, run({"-p", kStory, "-n", "128", "--stop", word})["text"]);
  EXPECT_EQ(heard.text, generation.text);

  heard = {.text = "", .pieces = 0, .stop_after = 3};
  options.stop_string_count = 0;
  generation = generate(sequence, prompt, options);
  EXPECT_EQ(generation.stop_reason, BITNETC_STOP_CALLBACK);
  EXPECT_EQ(heard.pieces, 3);
  EXPECT_EQ(heard.text, generation.text);

  const ApiSequence small = sequence_of(model, 9);
  heard = {};
  generation = generate(small, prompt, options);
  EXPECT_EQ(generation.stop_reason, BITNETC_STOP_CONTEXT_FULL);
  EXPECT_EQ(generation.token_count, 5u);
  EXPECT_EQ(bitnetc_sequence_position(small.get()), 9);
}

TEST_F(Generation, EndsAtAnEndOfTextUnlessAskedToGoOn) {
  const std::string folder = copy_of(kBundledFolder);
  const Model usual = open();
  const ApiSequence sequence = sequence_of(usual);
  const Ids prompt = tokenize(usual, kStory);
  auto options = sized<bitnetc_generate_options>();
  options.max_tokens = 8;
  const Ids ids = ids_of(generate(sequence, prompt, options));
  json config = json::parse(std::ifstream(folder + "/generation_config.json"));
  ASSERT_NE(ids[0], ids[1]);
  config["eos_token_id"] = ids[1];
  write(folder + "/generation_config.json", config.dump());
  const Model model = open(folder.c_str());
  const ApiSequence ending = sequence_of(model);
  const bitnetc_generation generation = generate(ending, prompt, options);
  EXPECT_EQ(generation.stop_reason, BITNETC_STOP_END_OF_TEXT);
  EXPECT_EQ(ids_of(generation), Ids(ids.begin(), ids.begin() + 2));
  options.ignore_end = 1;
  EXPECT_EQ(ids_of(generate(ending, prompt, options)), ids);
}

TEST_F(Generation, KeepsOfTheSequenceWhatThePromptShares) {
  const Model model = open();
  auto options = sized<bitnetc_generate_options>();
  options.max_tokens = 16;
  const ApiSequence sequence = sequence_of(model);
  Ids prompt = tokenize(model, kStory);
  bitnetc_generation generation = generate(sequence, prompt, options);
  EXPECT_EQ(generation.kept_tokens, 0u);
  const Ids first = ids_of(generation);
  EXPECT_EQ(bitnetc_sequence_position(sequence.get()), static_cast<int64_t>(prompt.size() + 15));
  // All of it, and a little more.
  prompt.insert(prompt.end(), first.begin(), first.end());
  const size_t told = prompt.size();
  for (const int32_t id : tokenize(model, " The king said", 0)) prompt.push_back(id);
  generation = generate(sequence, prompt, options);
  EXPECT_EQ(generation.kept_tokens, told - 1);
  const Ids second = ids_of(generation);
  const ApiSequence fresh = sequence_of(model);
  EXPECT_EQ(ids_of(generate(fresh, prompt, options)), second);
  // Another story that begins alike.
  const Ids other = tokenize(model, "Once upon a hill");
  generation = generate(sequence, other, options);
  EXPECT_EQ(generation.kept_tokens, 4u);
  const Ids third = ids_of(generation);
  EXPECT_EQ(ids_of(generate(sequence_of(model), other, options)), third);
}

// Wherever it stops, what the sequence says it holds is what it has seen.
TEST_F(Generation, LeavesASequenceThatGoesOnLikeAFreshOne) {
  const Model model = open();
  const Ids prompt = tokenize(model, kStory);
  const ApiSequence sequence = sequence_of(model);
  auto sampling = sized<bitnetc_sampling>();
  EXPECT_SUCCEEDS(bitnetc_model_get_sampling(model.get(), &sampling));
  auto options = sized<bitnetc_generate_options>();
  options.sampling = &sampling;
  for (int tokens = 1; tokens <= 40; ++tokens) {
    sampling.temperature = tokens % 2 ? 0 : 0.7;  // greedy text repeats itself
    options.max_tokens = tokens * 3;
    generate(sequence, prompt, options);
    const int32_t* held = nullptr;
    size_t count = 0;
    EXPECT_SUCCEEDS(bitnetc_sequence_get_tokens(sequence.get(), &held, &count));
    Ids whole(held, held + count);
    whole.push_back(17);
    eval(sequence, {17});
    const ApiSequence fresh = sequence_of(model);
    eval(fresh, whole);
    ASSERT_TRUE(are_equal(logits_of(sequence), logits_of(fresh))) << tokens;
  }
}

TEST_F(Generation, ChatGoesThroughTheTemplate) {
  const std::string folder = copy_of(kBundledFolder);
  json config = json::parse(std::ifstream(folder + "/tokenizer_config.json"));
  config["chat_template"] =
      "{% for m in messages %}{{ m.role }}: {{ m.content }}<|eot_id|>{% endfor %}"
      "{% if add_generation_prompt %}assistant:{% endif %}";
  write(folder + "/tokenizer_config.json", config.dump());
  const Model model = open(folder.c_str());
  auto info = sized<bitnetc_model_info>();
  EXPECT_SUCCEEDS(bitnetc_model_get_info(model.get(), &info));
  EXPECT_EQ(info.has_chat_template, 1);
  const json expected =
      run({folder, "--system", "Be brief.", "--chat-prompt", "A king? <|eot_id|>", "-n", "32"});
  const bitnetc_chat_message messages[] = {{"system", "Be brief."}, {"user", "A king? <|eot_id|>"}};
  Ids prompt(256);
  size_t count = 0;
  EXPECT_SUCCEEDS(
      bitnetc_chat_tokenize(model.get(), messages, 2, prompt.data(), prompt.size(), &count));
  prompt.resize(count);
  EXPECT_EQ(prompt, expected["prompt_ids"].get<Ids>());
  auto options = sized<bitnetc_generate_options>();
  options.max_tokens = 32;
  options.is_chat = 1;
  EXPECT_EQ(ids_of(generate(sequence_of(model), prompt, options)), expected["ids"].get<Ids>());
  EXPECT_FAILS(bitnetc_chat_tokenize(model.get(), messages, 2, prompt.data(), 3, &count),
               BITNETC_BUFFER_TOO_SMALL, "tokens has room for 3");
  EXPECT_EQ(count, prompt.size());
}

TEST_F(Generation, OwnLoopsChooseTheSameTokens) {
  const Model model = open();
  const ApiSequence sequence = sequence_of(model);
  Ids history = tokenize(model, kStory);
  const Ids expected = run({"-p", kStory, "-n", "24"})["ids"].get<Ids>();
  bitnetc_sampler* made = nullptr;
  EXPECT_SUCCEEDS(bitnetc_sampler_create(model.get(), nullptr, &made));
  const ApiSampler sampler(made);
  eval(sequence, history);
  Ids ids;
  while (ids.size() < expected.size()) {
    const auto logits = logits_of(sequence);
    int32_t id = -1;
    EXPECT_SUCCEEDS(bitnetc_sampler_sample(sampler.get(), logits.data(), logits.size(),
                                           history.data(), history.size(), &id));
    ids.push_back(id);
    history.push_back(id);
    eval(sequence, {id});
  }
  EXPECT_EQ(ids, expected);
}

TEST_F(Generation, TextAndTokensGoBothWays) {
  const Model model = open();
  const std::string text = "A \xc3\xa4 <|eot_id|> B";
  const Ids special = tokenize(model, text, 0), typed = tokenize(model, text, BITNETC_TYPED);
  EXPECT_EQ(std::count(special.begin(), special.end(), 4095), 1);
  EXPECT_EQ(std::count(typed.begin(), typed.end(), 4095), 0);
  const auto decode = [&](const Ids& ids, uint32_t flags) {
    std::string decoded(100, '#');
    size_t length = 0;
    EXPECT_SUCCEEDS(bitnetc_detokenize(model.get(), ids.data(), ids.size(), flags, decoded.data(),
                                       decoded.size(), &length));
    EXPECT_EQ(decoded[length], '\0');
    return decoded.substr(0, length);
  };
  EXPECT_EQ(decode(special, BITNETC_SHOW_SPECIAL), text);
  EXPECT_EQ(decode(typed, 0), text);
  EXPECT_EQ(decode(special, 0).find("eot_id"), std::string::npos);
  EXPECT_EQ(tokenize(model, "", BITNETC_ADD_SPECIAL), Ids{4093});
  EXPECT_EQ(tokenize(model, "", BITNETC_TYPED), Ids{});
}

}  // namespace
}  // namespace bitnetc::test
