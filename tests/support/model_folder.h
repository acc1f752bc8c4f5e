// Small random models for tests, as Hugging Face folders of any shape. A model here is plain data:
// change a config key, drop a tensor or flip a byte, then write it. Everything is drawn from a
// seed.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace bitnetc::test {

// A fresh folder under the system's temporary one, removed with everything in it.
class TempFolder {
 public:
  TempFolder();
  ~TempFolder();
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::string file(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

// A tensor as it will stand in a .safetensors file.
struct TensorData {
  std::string dtype;  // "BF16"
  std::vector<int64_t> shape;
  std::vector<uint8_t> bytes;
};
using TensorMap = std::map<std::string, TensorData>;

struct ModelShape {
  int64_t vocab = 320;  // from 258 on, the tokenizer knows every byte
  int64_t hidden = 64;
  int64_t intermediate = 96;
  int64_t layers = 2;
  int64_t q_heads = 4, kv_heads = 2, head_dim = 16;
  int64_t max_positions = 64;
  bool tied_head = true;
};

// The files of a folder, before they are written. An empty text means no such file.
struct ModelFiles {
  nlohmann::json config;
  TensorMap tensors;
  nlohmann::json generation;  // null: no file
  std::string tokenizer_json;
  nlohmann::json tokenizer_config;  // null: no file
};

// A random model whose projections are bf16 masters (quantization_mode online).
ModelFiles make_master_model(const ModelShape& shape, uint64_t seed);
// The same model as packed weights: quantised by code of its own, so that loading both folders
// compares two implementations. The trits and scales of both must be equal, bit for bit.
ModelFiles make_packed_model(const ModelShape& shape, uint64_t seed);

// Writes the folder with one model.safetensors, or with `shards` files and an index.
void write_model(const ModelFiles& model, const std::filesystem::path& folder, int shards = 1);

// The bytes of a .safetensors file, tensors packed in name order.
std::string safetensors_bytes(const TensorMap& tensors);
// As above from a header written by hand, for files that should be refused.
std::string safetensors_bytes(const std::string& header, const std::string& data);

void write_file(const std::filesystem::path& path, const std::string& bytes);
std::string read_file(const std::filesystem::path& path);

// A byte-level BPE tokenizer.json without merges: one token per byte, then the two special tokens
// <|begin_of_text|> (id vocab - 2) and <|end_of_text|> (vocab - 1). Encoding prepends the first.
std::string make_byte_tokenizer_json(int64_t vocab);

}  // namespace bitnetc::test
