// Three continuations of one prompt: the prompt runs once, every fork goes its own way.
//   continuations [MODEL [PROMPT]]
#include <bitnetc.h>

#include <cstdlib>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

struct Free {
  void operator()(bitnetc_model* model) const { bitnetc_model_free(model); }
  void operator()(bitnetc_sequence* sequence) const { bitnetc_sequence_free(sequence); }
};
template <typename T>
using Owned = std::unique_ptr<T, Free>;

void check(bitnetc_status status) {
  if (status != BITNETC_OK)
    throw std::runtime_error(std::string(bitnetc_status_name(status)) + ": " +
                             bitnetc_last_error());
}

Owned<bitnetc_model> open(const char* name) {
  bitnetc_model* model = nullptr;
  check(bitnetc_model_open(name, nullptr, &model));
  return Owned<bitnetc_model>(model);
}

std::vector<int32_t> tokenize(const bitnetc_model& model, const std::string& text) {
  size_t count = 0;
  check(
      bitnetc_tokenize(&model, text.data(), text.size(), BITNETC_ADD_SPECIAL, nullptr, 0, &count));
  std::vector<int32_t> tokens(count);
  check(bitnetc_tokenize(&model, text.data(), text.size(), BITNETC_ADD_SPECIAL, tokens.data(),
                         tokens.size(), &count));
  return tokens;
}

void print_continuation(const bitnetc_model& model, const bitnetc_sequence& start,
                        const std::vector<int32_t>& prompt, uint64_t seed) {
  bitnetc_sequence* made = nullptr;
  check(bitnetc_sequence_fork(&start, &made));
  const Owned<bitnetc_sequence> fork(made);

  bitnetc_sampling sampling = {};
  sampling.size = sizeof sampling;
  check(bitnetc_model_get_sampling(&model, &sampling));
  sampling.seed = seed;
  bitnetc_generate_options options = {};
  options.size = sizeof options;
  options.max_tokens = 16;
  options.sampling = &sampling;
  bitnetc_generation generation = {};
  generation.size = sizeof generation;
  check(bitnetc_generate(fork.get(), prompt.data(), prompt.size(), &options, &generation));
  std::cout << "seed " << seed << ", " << generation.kept_tokens << " of " << prompt.size()
            << " tokens kept:" << generation.text << "\n";
}

void run(const char* name, const std::string& text) {
  const Owned<bitnetc_model> model = open(name);
  const std::vector<int32_t> prompt = tokenize(*model, text);
  bitnetc_sequence* made = nullptr;
  check(bitnetc_sequence_create(model.get(), 0, &made));
  const Owned<bitnetc_sequence> start(made);
  check(bitnetc_sequence_eval(start.get(), prompt.data(), prompt.size(), nullptr));
  for (uint64_t seed = 0; seed < 3; ++seed) print_continuation(*model, *start, prompt, seed);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    run(argc > 1 ? argv[1] : nullptr, argc > 2 ? argv[2] : "Once upon a time");
  } catch (const std::exception& error) {
    std::cerr << "continuations: " << error.what() << "\n";
    return EXIT_FAILURE;
  }
}
