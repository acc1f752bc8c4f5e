// GGUF files written by hand for tests, byte by byte: good ones and, since nothing is checked, bad
// ones. Everything is plain data: change a value or an offset, then ask for the bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/model_folder.h"

namespace bitnetc::test {

std::string le_bytes(uint64_t value, size_t count);
std::string gguf_string(const std::string& text);  // length and bytes
std::string f32_bytes(const std::vector<float>& values);

struct GgufBuilder {
  struct Value {
    std::string key;
    uint32_t type = 0;
    std::string bytes;
  };
  struct Tensor {
    std::string name;
    std::vector<uint64_t> extents;  // contiguous first
    uint32_t type = 0;
    std::string bytes;
    std::optional<uint64_t> offset = {};  // none: behind the tensor before, aligned
  };

  uint32_t version = 3;
  std::vector<Value> values;
  std::vector<Tensor> tensors;
  std::optional<uint64_t> value_count = {}, tensor_count = {};  // none: as many as there are
  uint64_t alignment = 32;  // of what is written; the key is the caller's

  void add_u32(const std::string& key, uint32_t value);
  void add_f32(const std::string& key, float value);
  void add_bool(const std::string& key, bool value);
  void add_text(const std::string& key, const std::string& value);
  void add_texts(const std::string& key, const std::vector<std::string>& texts);
  void add_i32s(const std::string& key, const std::vector<int32_t>& integers);
  void add_tensor(const std::string& name, std::vector<uint64_t> extents, uint32_t type,
                  std::string bytes);
  Value& value(const std::string& key);  // throws when absent
  Tensor& tensor(const std::string& name);
  void remove(const std::string& key);

  std::string bytes() const;
};

// Trits [n][k] in the packing of one type, by code of its own.
std::string pack_i2_s(const std::vector<int8_t>& trits, float scale);
std::string pack_tq2_0(const std::vector<int8_t>& trits, uint16_t scale_bits);
std::string pack_tq1_0(const std::vector<int8_t>& trits, uint16_t scale_bits);

// What a packed model of model_folder.h holds.
struct TernaryData {
  int64_t n = 0, k = 0;
  std::vector<int8_t> trits;
  float scale = 0;
};
TernaryData unpack_projection(const ModelFiles& model, const std::string& name);

// The same model as a GGUF file of architecture bitnet-b1.58: projections in I2_S, norms in F32,
// tables in BF16, as the packed model has them. Every matrix holds a multiple of 128 elements.
GgufBuilder make_gguf_model(const ModelShape& shape, const ModelFiles& packed);
inline constexpr ModelShape kGgufShape{.vocab = 300,
                                       .hidden = 128,
                                       .intermediate = 256,
                                       .layers = 2,
                                       .q_heads = 4,
                                       .kv_heads = 2,
                                       .head_dim = 32,
                                       .max_positions = 64};

}  // namespace bitnetc::test
