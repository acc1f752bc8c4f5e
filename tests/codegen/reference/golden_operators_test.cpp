// RoPE and attention against the bundled model's recorded intermediates (an independent float32
// implementation): five tokens, five layers.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <vector>

#include "codegen/reference/reference.h"
#include "runtime/attention_scratch.h"
#include "runtime/kv_cache.h"
#include "runtime/math.h"

namespace bitnetc {
namespace {

constexpr int64_t kTokens = 5, kLayers = 5, kQHeads = 4, kKvHeads = 2, kHeadDim = 64;
constexpr double kTheta = 500000;

class Recorded {
 public:
  Recorded() {
    std::ifstream file(BITNETC_SOURCE_DIR "/tests/golden/data/activations.safetensors",
                       std::ios::binary);
    uint64_t header_bytes = 0;
    file.read(reinterpret_cast<char*>(&header_bytes), sizeof(header_bytes));
    std::string header(file ? header_bytes : 0, ' ');
    file.read(header.data(), static_cast<std::streamsize>(header.size()));
    data_.assign(std::istreambuf_iterator<char>(file), {});
    header_ = nlohmann::json::parse(header);
  }

  std::vector<float> f32(const std::string& name) const {
    const nlohmann::json& tensor = header_.at(name);
    if (tensor.at("dtype") != "F32") throw std::runtime_error(name + " is not F32");
    const size_t begin = tensor.at("data_offsets").at(0), end = tensor.at("data_offsets").at(1);
    std::vector<float> values((end - begin) / sizeof(float));
    std::memcpy(values.data(), data_.substr(begin, end - begin).data(), end - begin);
    return values;
  }

 private:
  nlohmann::json header_;
  std::string data_;
};

std::vector<float> row(const std::vector<float>& matrix, int64_t token) {
  const auto columns = static_cast<std::ptrdiff_t>(matrix.size()) / kTokens;
  return {matrix.begin() + token * columns, matrix.begin() + (token + 1) * columns};
}

float largest(const std::vector<float>& values) {
  float most = 0;
  for (const float value : values) most = std::max(most, std::fabs(value));
  return most;
}

void expect_near(const std::vector<float>& recorded, const float* got, float tolerance) {
  for (size_t i = 0; i < recorded.size(); ++i) ASSERT_NEAR(got[i], recorded[i], tolerance) << i;
}

TEST(ReferenceGoldenTest, RopeAndAttentionAgreeWithTheRecordedLayers) {
  const Recorded recorded;
  const RopeAppendSpec rope{.q_heads = kQHeads, .kv_heads = kKvHeads, .head_dim = kHeadDim};
  const AttentionSpec attention{
      .head_dim = kHeadDim, .q_per_kv = kQHeads / kKvHeads, .scale = 0.125f};
  const KvLayout layout{.kv_heads = kKvHeads, .head_dim = kHeadDim};
  const std::vector<double> frequencies = math::rope_frequencies(kHeadDim, kTheta);
  const AttentionScratch records{.head_dim = kHeadDim, .heads = attention.q_per_kv};
  std::vector<float> cos(frequencies.size()), sin(frequencies.size());
  std::vector<float> scratch(static_cast<size_t>(records.chunk_elements()));

  for (int64_t layer = 0; layer < kLayers; ++layer) {
    const auto tensor = [&](const char* name) {
      return recorded.f32("layers." + std::to_string(layer) + "." + name);
    };
    std::vector<uint16_t> page(static_cast<size_t>(layout.page_words()));
    const uint16_t* const pages[] = {page.data()};
    for (int64_t token = 0; token < kTokens; ++token) {
      SCOPED_TRACE("layer " + std::to_string(layer) + " token " + std::to_string(token));
      std::vector<float> qkv = row(tensor("q_proj"), token);
      for (const char* name : {"k_proj", "v_proj"}) {
        const std::vector<float> part = row(tensor(name), token);
        qkv.insert(qkv.end(), part.begin(), part.end());
      }
      math::rope_row(token, frequencies, 1, cos.data(), sin.data());
      reference::rope_append(rope, {.qkv = qkv.data(),
                                    .cos = cos.data(),
                                    .sin = sin.data(),
                                    .k_cache = page.data() + layout.k_offset(0, 0),
                                    .v_cache = page.data() + layout.v_offset(0, 0),
                                    .position = token,
                                    .head_stride = layout.head_words(),
                                    .q_end = rope.q_heads,
                                    .kv_end = rope.kv_heads});
      expect_near(row(tensor("q_rope"), token), qkv.data(), 1e-5f);
      expect_near(row(tensor("k_rope"), token), qkv.data() + rope.k_offset(), 1e-5f);

      std::vector<float> out(static_cast<size_t>(kQHeads * kHeadDim));
      for (int64_t kv_head = 0; kv_head < kKvHeads; ++kv_head) {
        const int64_t column = kv_head * attention.q_per_kv * kHeadDim;
        reference::attention(attention, {.q = qkv.data() + column,
                                         .out = out.data() + column,
                                         .pages = pages,
                                         .k_offset = layout.k_offset(0, kv_head),
                                         .v_offset = layout.v_offset(0, kv_head),
                                         .scores = scratch.data(),
                                         .position = token,
                                         .rows = 1,
                                         .q_stride = kHeadDim,
                                         .out_stride = kHeadDim});
      }
      // Storing a value in fp16 moves it by 2^-11 of its size at most; as much again for the keys.
      expect_near(row(tensor("attn_out"), token), out.data(), 0x1p-10f * largest(tensor("v_proj")));
    }
  }
}

}  // namespace
}  // namespace bitnetc
