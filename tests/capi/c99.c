/* The header in C99, and every function of it once, as a C program calls them. */
#include <bitnetc.h>
#include <stdio.h>
#include <string.h>

#define CHECK(condition)                                                               \
  do {                                                                                 \
    if (!(condition)) {                                                                \
      fprintf(stderr, "%s:%d: %s does not hold: %s\n", __FILE__, __LINE__, #condition, \
              bitnetc_last_error());                                                   \
      return 1;                                                                        \
    }                                                                                  \
  } while (0)
#define CHECK_OK(call) CHECK((call) == BITNETC_OK)

enum { kRoom = 64 };

static int count_pieces(void* user_data, const char* text, size_t length) {
  if (strlen(text) != length) return 1;
  ++*(int*)user_data;
  return 0;
}

static void count_notes(void* user_data, bitnetc_note_level level, const char* text) {
  if (level == BITNETC_NOTE_INFO && text[0] != '\0') ++*(int*)user_data;
}

static void take_progress(void* user_data, const char* task, int32_t done, int32_t total) {
  if (task[0] != '\0' && done <= total) ++*(int*)user_data;
}

static int check_facts(const bitnetc_model* model) {
  bitnetc_model_info info = {.size = sizeof info};
  CHECK_OK(bitnetc_model_get_info(model, &info));
  CHECK(strcmp(info.name, "fairytale-6m") == 0 && strcmp(info.family, "bitnet") == 0);
  CHECK(info.vocab_size == 4096 && info.context_tokens == 1024 && info.begin_token == 4093);
  CHECK(!info.is_encoder && !info.has_chat_template && info.threads == 1 && info.layers > 0);
  CHECK(strlen(info.path) > 0 && info.hidden_size > 0);
  return 0;
}

static int check_text(const bitnetc_model* model, int32_t* tokens, size_t* count) {
  const char prompt[] = "Once upon a time";
  char text[kRoom];
  size_t length = 0;
  CHECK_OK(
      bitnetc_tokenize(model, prompt, strlen(prompt), BITNETC_ADD_SPECIAL, tokens, kRoom, count));
  CHECK(*count == 5 && tokens[0] == 4093);
  CHECK_OK(bitnetc_detokenize(model, tokens, *count, 0, text, sizeof text, &length));
  CHECK(strcmp(text, prompt) == 0 && length == strlen(prompt));
  const bitnetc_chat_message message = {.role = "user", .content = "Who?"};
  CHECK(bitnetc_chat_tokenize(model, &message, 1, NULL, 0, count) == BITNETC_NOT_FOUND);
  CHECK(strcmp(bitnetc_last_error(), "fairytale-6m: the model has no chat template") == 0);
  CHECK(*count == 5);
  return 0;
}

static int check_sequence(const bitnetc_model* model, bitnetc_sequence* sequence,
                          const int32_t* tokens, size_t count) {
  const float* logits = NULL;
  const int32_t* held = NULL;
  size_t logit_count = 0, held_count = 0;
  int32_t token = -1;
  bitnetc_sampler* sampler = NULL;
  bitnetc_sequence* fork = NULL;
  bitnetc_sampling sampling = {.size = sizeof sampling};
  CHECK_OK(bitnetc_model_get_sampling(model, &sampling));
  sampling.temperature = 0;
  CHECK_OK(bitnetc_sampler_create(model, &sampling, &sampler));
  CHECK_OK(bitnetc_sequence_eval(sequence, tokens, count, NULL));
  CHECK_OK(bitnetc_sequence_get_logits(sequence, &logits, &logit_count));
  CHECK_OK(bitnetc_sequence_get_tokens(sequence, &held, &held_count));
  CHECK_OK(bitnetc_sampler_sample(sampler, logits, logit_count, held, held_count, &token));
  CHECK(logit_count == 4096 && held_count == count && token >= 0);
  for (size_t i = 0; i < logit_count; ++i) CHECK(logits[i] <= logits[token]);
  CHECK_OK(bitnetc_sequence_fork(sequence, &fork));
  CHECK_OK(bitnetc_sequence_truncate(fork, 2));
  CHECK(bitnetc_sequence_position(fork) == 2 && bitnetc_sequence_position(sequence) == 5);
  bitnetc_sequence_free(fork);
  bitnetc_sampler_free(sampler);
  return 0;
}

static int check_generation(bitnetc_sequence* sequence, const int32_t* tokens, size_t count,
                            bitnetc_cancel* cancel) {
  int pieces = 0;
  const char* const stops[] = {"The End"};
  const bitnetc_generate_options options = {.size = sizeof options,
                                            .max_tokens = 8,
                                            .stop_strings = stops,
                                            .stop_string_count = 1,
                                            .on_text = count_pieces,
                                            .user_data = &pieces,
                                            .cancel = cancel};
  bitnetc_generation generation = {.size = sizeof generation};
  CHECK_OK(bitnetc_generate(sequence, tokens, count, &options, &generation));
  CHECK(generation.stop_reason == BITNETC_STOP_MAX_TOKENS && generation.token_count == 8);
  CHECK(generation.kept_tokens == 4 && pieces > 0);
  CHECK(strlen(generation.text) == generation.text_length);
  bitnetc_cancel_request(cancel);
  CHECK_OK(bitnetc_generate(sequence, tokens, count, &options, &generation));
  CHECK(generation.stop_reason == BITNETC_STOP_CANCELLED && generation.token_count == 0);
  bitnetc_cancel_reset(cancel);
  return 0;
}

static int check_model(const bitnetc_model* model, bitnetc_cancel* cancel) {
  int32_t tokens[kRoom];
  size_t count = 0;
  float vector = 0;
  const char* const texts[] = {"a text"};
  bitnetc_sequence* sequence = NULL;
  if (check_facts(model) || check_text(model, tokens, &count)) return 1;
  CHECK_OK(bitnetc_sequence_create(model, 0, &sequence));
  if (check_sequence(model, sequence, tokens, count)) return 1;
  if (check_generation(sequence, tokens, count, cancel)) return 1;
  bitnetc_sequence_free(sequence);
  CHECK(bitnetc_embed(model, texts, 1, NULL, &vector, 1) == BITNETC_UNSUPPORTED);
  return 0;
}

int main(void) {
  int notes = 0;
  bitnetc_cancel* cancel = NULL;
  bitnetc_model* model = NULL;
  CHECK(bitnetc_abi_version() == BITNETC_ABI_VERSION && bitnetc_version()[0] != '\0');
  CHECK(strcmp(bitnetc_last_error(), "") == 0);
  CHECK_OK(bitnetc_cancel_create(&cancel));
  const bitnetc_model_options options = {.size = sizeof options,
                                         .threads = 1,
                                         .cache_dir = "",
                                         .on_note = count_notes,
                                         .on_progress = take_progress,
                                         .user_data = &notes,
                                         .cancel = cancel};
  CHECK_OK(bitnetc_model_open(NULL, &options, &model));
  CHECK(notes > 1);
  if (check_model(model, cancel)) return 1;
  bitnetc_model_free(model);
  bitnetc_cancel_free(cancel);
  CHECK(strcmp(bitnetc_status_name(BITNETC_BUSY), "busy") == 0);
  return 0;
}
