// What a wrong call is told.
#include "tests/capi/api_fixture.h"

namespace bitnetc::test {
namespace {

class ApiErrors : public Api {
 protected:
  bitnetc_status try_open(const char* name, const bitnetc_model_options* options = nullptr) {
    auto* model = reinterpret_cast<bitnetc_model*>(this);  // stays as it is
    const bitnetc_status status = bitnetc_model_open(name, options, &model);
    EXPECT_EQ(model, reinterpret_cast<bitnetc_model*>(this));
    return status;
  }
  bitnetc_model_options options_ = [this] {
    auto options = sized<bitnetc_model_options>();
    options.cache_dir = cache_dir_.c_str();
    return options;
  }();
};

TEST_F(ApiErrors, ModelsThatAreNone) {
  EXPECT_FAILS(try_open(file("nowhere").c_str()), BITNETC_NOT_FOUND, "nowhere: no such file");
  EXPECT_FAILS(try_open("one-of-mine"), BITNETC_NOT_FOUND, "no bundled model of that name");
  write(file("text"), "not a model");
  EXPECT_FAILS(try_open(file("text").c_str()), BITNETC_UNSUPPORTED, "neither a .bnc");
  EXPECT_FAILS(try_open(folder_.c_str()), BITNETC_NOT_FOUND, "config.json");
  EXPECT_FAILS(try_open("line\n\x1b[2J"), BITNETC_NOT_FOUND, "line\\x0a\\x1b[2J");
  const std::string folder = copy_of(BITNETC_SOURCE_DIR "/tools/models/fairytale-6m");
  std::filesystem::resize_file(folder + "/model.safetensors", 1000);
  EXPECT_FAILS(try_open(folder.c_str(), &options_), BITNETC_DATA_CORRUPT, "model.safetensors");
}

TEST_F(ApiErrors, OptionsOfAModel) {
  options_.threads = -1;
  EXPECT_FAILS(try_open(nullptr, &options_), BITNETC_INVALID_ARGUMENT, "threads is -1");
  options_.threads = 1;
  options_.layout = "diagonal";
  EXPECT_FAILS(try_open(nullptr, &options_), BITNETC_INVALID_ARGUMENT, "layout 'diagonal'");
  options_.layout = "b3";
  const Cancel cancel = make_cancel();
  options_.cancel = cancel.get();
  bitnetc_cancel_request(cancel.get());
  EXPECT_EQ(try_open(nullptr, &options_), BITNETC_CANCELLED) << bitnetc_last_error();
}

TEST_F(ApiErrors, SizesOfStructs) {
  const size_t first_size = offsetof(bitnetc_model_options, lock_memory);
  for (const size_t size : {size_t{0}, first_size - 1, size_t{1} << 40}) {
    options_.size = size;
    EXPECT_FAILS(try_open(nullptr, &options_), BITNETC_INVALID_ARGUMENT,
                 "expected sizeof(bitnetc_model_options), ");
  }
  // A program that was compiled against the first header: what lies behind is not its struct.
  options_.size = first_size;
  options_.lock_memory = options_.skip_memory_check = 77;
  options_.kv_type = "nothing";
  bitnetc_model* earlier = nullptr;
  EXPECT_SUCCEEDS(bitnetc_model_open(nullptr, &options_, &earlier));
  bitnetc_model_free(earlier);
  options_.size = sizeof options_;
  EXPECT_FAILS(try_open(nullptr, &options_), BITNETC_INVALID_ARGUMENT,
               "lock_memory is 77, expected 0 or 1");
  options_.lock_memory = options_.skip_memory_check = 0;
  EXPECT_FAILS(try_open(nullptr, &options_), BITNETC_INVALID_ARGUMENT,
               "kv_type 'nothing': expected one of f16, f32, i8");
  // The one before kv_type.
  options_.size = offsetof(bitnetc_model_options, kv_type);
  bitnetc_model* second = nullptr;
  EXPECT_SUCCEEDS(bitnetc_model_open(nullptr, &options_, &second));
  bitnetc_model_free(second);
  options_.size = sizeof options_;
  // A program that was compiled against a later header.
  struct Later {
    bitnetc_model_options known;
    void* more;
  } later = {};
  later.known.size = sizeof later;
  later.known.cache_dir = cache_dir_.c_str();
  bitnetc_model* made = nullptr;
  EXPECT_SUCCEEDS(bitnetc_model_open(nullptr, &later.known, &made));
  const Model model(made);
  later.more = &later;
  EXPECT_FAILS(try_open(nullptr, &later.known), BITNETC_UNSUPPORTED, "does not know");
  later.more = nullptr;
  later.known.reserved = 1;
  EXPECT_FAILS(try_open(nullptr, &later.known), BITNETC_UNSUPPORTED, "does not know");

  struct LaterInfo {
    bitnetc_model_info known;
    int32_t more;
  } info = {};
  info.known.size = sizeof info;
  info.more = 7;
  EXPECT_SUCCEEDS(bitnetc_model_get_info(model.get(), &info.known));
  EXPECT_EQ(info.known.size, sizeof info);
  EXPECT_EQ(info.known.vocab_size, 4096);
  EXPECT_EQ(info.more, 0);
  info.known.size = 4;
  EXPECT_FAILS(bitnetc_model_get_info(model.get(), &info.known), BITNETC_INVALID_ARGUMENT,
               "bitnetc_model_info.size is 4");
  const ApiSequence sequence = sequence_of(model);
  const int32_t prompt = 1;
  bitnetc_generate_options generate_options = {};
  EXPECT_FAILS(bitnetc_generate(sequence.get(), &prompt, 1, &generate_options, nullptr),
               BITNETC_INVALID_ARGUMENT, "bitnetc_generate_options.size is 0");
  bitnetc_generation generation = {};
  EXPECT_FAILS(bitnetc_generate(sequence.get(), &prompt, 1, nullptr, &generation),
               BITNETC_INVALID_ARGUMENT, "bitnetc_generation.size is 0");
  EXPECT_EQ(bitnetc_sequence_position(sequence.get()), 0);
}

TEST_F(ApiErrors, ArgumentsThatAreNull) {
  const Model model = open();
  const ApiSequence sequence = sequence_of(model);
  const int32_t token = 1;
  size_t count = 0;
  float number = 0;
  const float* logits = nullptr;
  const int32_t* tokens = nullptr;
  bitnetc_sampler* made = nullptr;
  EXPECT_SUCCEEDS(bitnetc_sampler_create(model.get(), nullptr, &made));
  const ApiSampler sampler(made);
  const bitnetc_status statuses[] = {
      bitnetc_model_open(nullptr, nullptr, nullptr),
      bitnetc_model_get_info(nullptr, nullptr),
      bitnetc_model_get_info(model.get(), nullptr),
      bitnetc_cancel_create(nullptr),
      bitnetc_tokenize(nullptr, "a", 1, 0, nullptr, 0, &count),
      bitnetc_tokenize(model.get(), nullptr, 1, 0, nullptr, 0, &count),
      bitnetc_tokenize(model.get(), "a", 1, 0, nullptr, 0, nullptr),
      bitnetc_tokenize(model.get(), "a", 1, 0, nullptr, 9, &count),
      bitnetc_detokenize(model.get(), nullptr, 1, 0, nullptr, 0, &count),
      bitnetc_detokenize(model.get(), &token, 1, 0, nullptr, 0, nullptr),
      bitnetc_chat_tokenize(model.get(), nullptr, 1, nullptr, 0, &count),
      bitnetc_model_get_sampling(model.get(), nullptr),
      bitnetc_sampler_create(nullptr, nullptr, &made),
      bitnetc_sampler_create(model.get(), nullptr, nullptr),
      bitnetc_sampler_sample(nullptr, &number, 1, nullptr, 0, nullptr),
      bitnetc_sampler_sample(sampler.get(), nullptr, 1, nullptr, 0, nullptr),
      bitnetc_sampler_sample(sampler.get(), &number, 1, nullptr, 1, nullptr),
      bitnetc_sampler_sample(sampler.get(), &number, 1, nullptr, 0, nullptr),
      bitnetc_sequence_create(nullptr, 0, nullptr),
      bitnetc_sequence_create(model.get(), 0, nullptr),
      bitnetc_sequence_fork(nullptr, nullptr),
      bitnetc_sequence_fork(sequence.get(), nullptr),
      bitnetc_sequence_eval(nullptr, &token, 1, nullptr),
      bitnetc_sequence_eval(sequence.get(), nullptr, 1, nullptr),
      bitnetc_sequence_get_logits(nullptr, &logits, &count),
      bitnetc_sequence_get_logits(sequence.get(), nullptr, &count),
      bitnetc_sequence_get_tokens(sequence.get(), &tokens, nullptr),
      bitnetc_sequence_truncate(nullptr, 0),
      bitnetc_generate(nullptr, &token, 1, nullptr, nullptr),
      bitnetc_generate(sequence.get(), nullptr, 1, nullptr, nullptr),
      bitnetc_embed(nullptr, nullptr, 0, nullptr, nullptr, 0)};
  for (size_t i = 0; i < std::size(statuses); ++i)
    EXPECT_EQ(statuses[i], BITNETC_INVALID_ARGUMENT) << "call " << i;
  EXPECT_FAILS(bitnetc_sequence_eval(sequence.get(), nullptr, 1, nullptr), BITNETC_INVALID_ARGUMENT,
               "tokens is NULL");
  EXPECT_EQ(bitnetc_sequence_position(nullptr), 0);
  bitnetc_cancel_request(nullptr);
  bitnetc_cancel_reset(nullptr);
  bitnetc_model_free(nullptr);
  bitnetc_sequence_free(nullptr);
  bitnetc_sampler_free(nullptr);
  bitnetc_cancel_free(nullptr);
}

TEST_F(ApiErrors, NumbersOutOfRange) {
  const Model model = open();
  const ApiSequence sequence = sequence_of(model);
  const int32_t token = 1, wrong = 4096;
  size_t count = 0;
  char text[8];
  EXPECT_FAILS(bitnetc_tokenize(model.get(), "\xff", 1, 0, nullptr, 0, &count),
               BITNETC_INVALID_ARGUMENT, "UTF-8");
  EXPECT_FAILS(bitnetc_tokenize(model.get(), "a", 1, 4, nullptr, 0, &count),
               BITNETC_INVALID_ARGUMENT, "flags is 0x4");
  EXPECT_FAILS(bitnetc_detokenize(model.get(), &wrong, 1, 0, text, sizeof text, &count),
               BITNETC_INVALID_ARGUMENT, "4096");
  EXPECT_FAILS(bitnetc_sequence_eval(sequence.get(), &token, 0, nullptr), BITNETC_INVALID_ARGUMENT,
               "token_count is 0");
  EXPECT_FAILS(bitnetc_generate(sequence.get(), &token, 0, nullptr, nullptr),
               BITNETC_INVALID_ARGUMENT, "prompt_count is 0");
  auto options = sized<bitnetc_generate_options>();
  options.max_tokens = -1;
  EXPECT_FAILS(bitnetc_generate(sequence.get(), &token, 1, &options, nullptr),
               BITNETC_INVALID_ARGUMENT, "max_tokens is -1");
  auto sampling = sized<bitnetc_sampling>();
  bitnetc_sampler* sampler = nullptr;
  EXPECT_FAILS(bitnetc_sampler_create(model.get(), &sampling, &sampler), BITNETC_INVALID_ARGUMENT,
               "top_p=0: expected more than 0");
  EXPECT_SUCCEEDS(bitnetc_model_get_sampling(model.get(), &sampling));
  EXPECT_EQ(sampling.temperature, 0.7);
  EXPECT_EQ(sampling.top_p, 0.9);
  sampling.temperature = -1;
  EXPECT_FAILS(bitnetc_sampler_create(model.get(), &sampling, &sampler), BITNETC_INVALID_ARGUMENT,
               "temperature=-1");
  EXPECT_STREQ(bitnetc_status_name(BITNETC_CONTEXT_FULL), "context full");
  EXPECT_STREQ(bitnetc_status_name(static_cast<bitnetc_status>(99)), "unknown");
}

// Nothing of the environment changes what runs.
TEST_F(ApiErrors, TheEnvironmentIsNotRead) {
  ::setenv("BITNETC_THREADS", "none", 1);
  ::setenv("BITNETC_ISA", "none", 1);
  const Model model = open(nullptr, 0);
  ::unsetenv("BITNETC_THREADS");
  ::unsetenv("BITNETC_ISA");
  auto info = sized<bitnetc_model_info>();
  EXPECT_SUCCEEDS(bitnetc_model_get_info(model.get(), &info));
  EXPECT_GE(info.threads, 1);
}

}  // namespace
}  // namespace bitnetc::test
