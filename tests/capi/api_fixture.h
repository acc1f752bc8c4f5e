// The C API in a test: objects that free themselves, calls that must succeed, and a cache of the
// test's own.
#pragma once

#include <bitnetc.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/subprocess.h"

namespace bitnetc::test {

struct FreeObject {
  void operator()(bitnetc_model* model) const { bitnetc_model_free(model); }
  void operator()(bitnetc_sequence* sequence) const { bitnetc_sequence_free(sequence); }
  void operator()(bitnetc_sampler* sampler) const { bitnetc_sampler_free(sampler); }
  void operator()(bitnetc_cancel* cancel) const { bitnetc_cancel_free(cancel); }
};
using Model = std::unique_ptr<bitnetc_model, FreeObject>;
using ApiSequence = std::unique_ptr<bitnetc_sequence, FreeObject>;
using ApiSampler = std::unique_ptr<bitnetc_sampler, FreeObject>;
using Cancel = std::unique_ptr<bitnetc_cancel, FreeObject>;
using Ids = std::vector<int32_t>;

// A struct of the API, zero but for its size.
template <typename Struct>
Struct sized() {
  Struct fresh = {};
  fresh.size = sizeof fresh;
  return fresh;
}

#define EXPECT_SUCCEEDS(call) EXPECT_EQ(call, BITNETC_OK) << bitnetc_last_error()

// The call fails so, with one line that has `part` in it.
#define EXPECT_FAILS(call, code, part)                     \
  do {                                                     \
    EXPECT_EQ(call, code) << bitnetc_last_error();         \
    const std::string line = bitnetc_last_error();         \
    EXPECT_NE(line.find(part), std::string::npos) << line; \
    EXPECT_EQ(line.find('\n'), std::string::npos) << line; \
  } while (false)

class Api : public testing::Test {
 protected:
  ~Api() override { std::filesystem::remove_all(folder_); }

  std::string file(const std::string& name) const { return (folder_ / name).string(); }
  // Copies a model folder to change files of it.
  std::string copy_of(const std::string& folder) const {
    const std::string copy = file(std::filesystem::path(folder).filename().string());
    std::filesystem::copy(folder, copy);
    return copy;
  }
  static void write(const std::string& path, const std::string& text) {
    std::ofstream(path, std::ios::binary) << text;
  }

  Model open(const char* name = nullptr, int32_t threads = 2) const {
    auto options = sized<bitnetc_model_options>();
    options.threads = threads;
    options.cache_dir = cache_dir_.c_str();
    bitnetc_model* model = nullptr;
    EXPECT_SUCCEEDS(bitnetc_model_open(name, &options, &model));
    return Model(model);
  }
  // The command, with the same cache.
  ProcessResult command(std::vector<std::string> arguments) const {
    return run_program(BITNETC_BINARY, {.arguments = std::move(arguments),
                                        .environment = {{"XDG_CACHE_HOME", folder_.string()}}});
  }

  static ApiSequence sequence_of(const Model& model, int64_t context = 0) {
    bitnetc_sequence* sequence = nullptr;
    EXPECT_SUCCEEDS(bitnetc_sequence_create(model.get(), context, &sequence));
    return ApiSequence(sequence);
  }
  static ApiSequence fork_of(const ApiSequence& sequence) {
    bitnetc_sequence* fork = nullptr;
    EXPECT_SUCCEEDS(bitnetc_sequence_fork(sequence.get(), &fork));
    return ApiSequence(fork);
  }
  static Cancel make_cancel() {
    bitnetc_cancel* cancel = nullptr;
    EXPECT_SUCCEEDS(bitnetc_cancel_create(&cancel));
    return Cancel(cancel);
  }
  static Ids tokenize(const Model& model, std::string_view text,
                      uint32_t flags = BITNETC_ADD_SPECIAL) {
    size_t count = 0;
    EXPECT_SUCCEEDS(
        bitnetc_tokenize(model.get(), text.data(), text.size(), flags, nullptr, 0, &count));
    Ids ids(count);
    EXPECT_SUCCEEDS(bitnetc_tokenize(model.get(), text.data(), text.size(), flags, ids.data(),
                                     ids.size(), &count));
    return ids;
  }
  static void eval(const ApiSequence& sequence, const Ids& ids) {
    EXPECT_SUCCEEDS(bitnetc_sequence_eval(sequence.get(), ids.data(), ids.size(), nullptr));
  }
  static std::vector<float> logits_of(const ApiSequence& sequence) {
    const float* logits = nullptr;
    size_t count = 0;
    EXPECT_SUCCEEDS(bitnetc_sequence_get_logits(sequence.get(), &logits, &count));
    return {logits, logits + count};
  }
  // By bits, not by value.
  static bool are_equal(const std::vector<float>& a, const std::vector<float>& b) {
    return a.size() == b.size() && !a.empty() &&
           std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
  }
  static bitnetc_generation generate(const ApiSequence& sequence, const Ids& prompt,
                                     const bitnetc_generate_options& options) {
    auto generation = sized<bitnetc_generation>();
    EXPECT_SUCCEEDS(
        bitnetc_generate(sequence.get(), prompt.data(), prompt.size(), &options, &generation));
    return generation;
  }

  const std::filesystem::path folder_ = new_folder();
  const std::string cache_dir_ = file("bitnetc");

 private:
  static std::filesystem::path new_folder() {
    std::string name = (std::filesystem::temp_directory_path() / "bitnetc-XXXXXX").string();
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    return name;
  }
};

}  // namespace bitnetc::test
