/* Generates text with a model, piece by piece, and says why it stopped.
 *   generate [MODEL [PROMPT]] */
#include <bitnetc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int fail(const char* what) {
  fprintf(stderr, "generate: %s: %s\n", what, bitnetc_last_error());
  return EXIT_FAILURE;
}

/* Returns 0 to go on. */
static int show(void* user_data, const char* text, size_t length) {
  FILE* file = user_data;
  if (fwrite(text, 1, length, file) != length) return 1;
  return fflush(file);
}

static int generate(const bitnetc_model* model, const char* prompt) {
  int32_t tokens[512];
  size_t count = 0;
  if (bitnetc_tokenize(model, prompt, strlen(prompt), BITNETC_ADD_SPECIAL, tokens,
                       sizeof tokens / sizeof tokens[0], &count) != BITNETC_OK)
    return fail("tokenize");

  bitnetc_sequence* sequence = NULL;
  if (bitnetc_sequence_create(model, 0, &sequence) != BITNETC_OK) return fail("sequence");

  const bitnetc_generate_options options = {
      .size = sizeof options, .max_tokens = 32, .on_text = show, .user_data = stdout};
  bitnetc_generation generation = {.size = sizeof generation};
  int result = EXIT_SUCCESS;
  if (bitnetc_generate(sequence, tokens, count, &options, &generation) != BITNETC_OK)
    result = fail("generate");
  else
    printf("\n%zu tokens after %zu, stop reason %d\n", generation.token_count, count,
           (int)generation.stop_reason);
  bitnetc_sequence_free(sequence);
  return result;
}

int main(int argc, char** argv) {
  bitnetc_model* model = NULL;
  if (bitnetc_model_open(argc > 1 ? argv[1] : NULL, NULL, &model) != BITNETC_OK)
    return fail("open");
  const int result = generate(model, argc > 2 ? argv[2] : "Once upon a time");
  bitnetc_model_free(model);
  return result;
}
