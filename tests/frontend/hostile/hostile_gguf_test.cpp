// A GGUF file with one thing wrong. What follows a field is left where it is, so most mutations
// shift the meaning of all that comes after.
#include <gtest/gtest.h>

#include <algorithm>

#include "frontend/gguf/gguf_load.h"
#include "runtime/printable.h"
#include "tests/support/gguf_builder.h"
#include "tests/support/hostile_inputs.h"
#include "tests/support/reference_model.h"

namespace bitnetc::test {
namespace {

// Loads everything, the values of the ternary matrices too.
Status load_all(const std::string& bytes) {
  BITNETC_ASSIGN_OR_RETURN(
      GgufFile file,
      GgufFile::parse({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, "m.gguf"));
  BITNETC_ASSIGN_OR_RETURN(const GgufModel model, GgufModel::from_file(std::move(file)));
  BITNETC_ASSIGN_OR_RETURN(const LoadedModel loaded, load_gguf(model));
  for (const TernarySource& source : loaded.graph.ternary) {
    BITNETC_ASSIGN_OR_RETURN(const TernaryMatrix matrix, source.load());
    BITNETC_RETURN_IF_ERROR(validate(matrix, source.label()));
  }
  return {};
}

GgufBuilder good_file() {
  ModelShape shape = kGgufShape;
  shape.layers = 1;
  GgufBuilder model = make_gguf_model(shape, make_packed_model(shape, 95));
  model.add_text("bitnet-b1.58.rope.scaling.type", "yarn");
  model.add_f32("bitnet-b1.58.rope.scaling.factor", 4);
  model.add_u32("bitnet-b1.58.rope.scaling.original_context_length", 16);
  model.add_f32("bitnet-b1.58.rope.scaling.attn_factor", 1);
  model.add_f32("bitnet-b1.58.rope.scaling.yarn_beta_fast", 32);
  model.add_f32("bitnet-b1.58.attention.scale", 0.125f);
  model.add_u32("general.alignment", 32);
  return model;
}

// Type numbers, lengths, counts, emptiness, duplicates, names.
std::vector<HostileInput> value_mutations(const GgufBuilder& good) {
  std::vector<HostileInput> found;
  for (size_t i = 0; i < good.values.size(); ++i) {
    const auto add = [&](const std::string& change, const auto& apply) {
      GgufBuilder changed = good;
      apply(changed.values[i]);
      found.push_back({good.values[i].key, change, changed.bytes()});
    };
    using Value = GgufBuilder::Value;
    for (const uint32_t type : {0u, 3u, 8u, 9u, 12u, 13u, 0xffffffffu})
      if (type != good.values[i].type)
        add("type-" + std::to_string(type), [&](Value& value) { value.type = type; });
    add("ones", [](Value& value) { std::ranges::fill(value.bytes, '\xff'); });
    add("zeros", [](Value& value) { std::ranges::fill(value.bytes, '\0'); });
    add("cut", [](Value& value) { value.bytes.pop_back(); });
    add("NUL-in-key", [](Value& value) { value.key[0] = '\0'; });
    add("no-UTF-8-in-key", [](Value& value) { value.key[0] = '\xc0'; });
    GgufBuilder twice = good;
    twice.values.push_back(twice.values[i]);
    found.push_back({good.values[i].key, "twice", twice.bytes()});
    if (good.values[i].type != 9) continue;
    for (const uint64_t count : {uint64_t{1} << 32, uint64_t{1} << 60, UINT64_MAX})
      add("count-" + std::to_string(count),
          [&](Value& value) { value.bytes.replace(4, 8, le_bytes(count, 8)); });
    for (const uint32_t element : {9u, 13u, 0xffu})
      add("elements-of-type-" + std::to_string(element),
          [&](Value& value) { value.bytes.replace(0, 4, le_bytes(element, 4)); });
  }
  return found;
}

std::vector<HostileInput> tensor_mutations(const GgufBuilder& good) {
  std::vector<HostileInput> found;
  for (size_t i = 0; i < good.tensors.size(); ++i) {
    const auto add = [&](const std::string& change, const auto& apply) {
      GgufBuilder changed = good;
      apply(changed.tensors[i]);
      found.push_back({good.tensors[i].name, change, changed.bytes()});
    };
    using Tensor = GgufBuilder::Tensor;
    for (const uint64_t extent : {uint64_t{0}, uint64_t{1} << 62, UINT64_MAX, uint64_t{17}})
      add("extent-" + std::to_string(extent), [&](Tensor& tensor) { tensor.extents[0] = extent; });
    add("no-extents", [](Tensor& tensor) { tensor.extents.clear(); });
    add("five-extents", [](Tensor& tensor) { tensor.extents.assign(5, uint64_t{1}); });
    for (const uint32_t type : {3u, 38u, 39u, 99u, 0xffffffffu})
      add("type-" + std::to_string(type), [&](Tensor& tensor) { tensor.type = type; });
    for (const uint64_t offset : {uint64_t{1}, uint64_t{1} << 40, UINT64_MAX, UINT64_MAX - 31})
      add("offset-" + std::to_string(offset), [&](Tensor& tensor) { tensor.offset = offset; });
    add("name-of-65-bytes", [](Tensor& tensor) { tensor.name = std::string(65, 'x'); });
    add("no-name", [](Tensor& tensor) { tensor.name.clear(); });
    add("NUL-in-name", [](Tensor& tensor) { tensor.name[0] = '\0'; });
    add("no-UTF-8-in-name", [](Tensor& tensor) { tensor.name[0] = '\xc0'; });
    add("other-name", [](Tensor& tensor) { tensor.name += "x"; });
    GgufBuilder twice = good;
    twice.tensors.push_back(twice.tensors[i]);
    found.push_back({good.tensors[i].name, "twice", twice.bytes()});
  }
  return found;
}

std::vector<HostileInput> count_mutations(const GgufBuilder& good) {
  std::vector<HostileInput> found;
  for (const uint64_t count :
       {uint64_t{0}, uint64_t{1}, uint64_t{1} << 20, uint64_t{1} << 61, UINT64_MAX}) {
    GgufBuilder changed = good;
    changed.value_count = count;
    found.push_back({"values", std::to_string(count), changed.bytes()});
    changed = good;
    changed.tensor_count = count;
    found.push_back({"tensors", std::to_string(count), changed.bytes()});
  }
  return found;
}

std::vector<HostileInput> truncations(const std::string& bytes) {
  std::vector<HostileInput> found;
  for (size_t size = 0; size < bytes.size() - 32; size += 997)
    found.push_back({"file", std::to_string(size) + "-bytes", bytes.substr(0, size)});
  return found;
}

TEST(HostileGguf, File) {
  const GgufBuilder good = good_file();
  const std::string bytes = good.bytes();
  const Status unchanged = load_all(bytes);
  ASSERT_TRUE(unchanged.ok()) << unchanged.message();
  HostileInputs inputs("gguf", {"m.gguf"});
  inputs.try_all(value_mutations(good), load_all);
  inputs.try_all(tensor_mutations(good), load_all);
  inputs.try_all(count_mutations(good), load_all);
  inputs.try_all(truncations(bytes), load_all);
  inputs.try_all(file_mutations(bytes), load_all);
  inputs.finish(500);
}

// One byte of the header at a time, set to what numbers fear most. Whether it matters depends on
// where it falls: a refusal is clear, and what is accepted loads as a whole.
// Every `stride`th byte in front of `end`: a model, or a refusal that names the file.
void change_single_bytes(const std::string& bytes, std::string_view end, size_t stride) {
  const size_t header = bytes.find(end);
  ASSERT_LT(header, bytes.size());
  for (size_t at = 4; at < header; at += stride)
    for (const char value : {'\0', '\x7f', '\xff'}) {
      std::string changed = bytes;
      changed[at] = value;
      const Status status = load_all(changed);
      if (status.ok()) continue;
      const std::string& message = status.message();
      EXPECT_NE(message.find("m.gguf"), std::string::npos) << at << ": " << message;
      EXPECT_EQ(message, printable(message, message.size())) << at;
    }
}

TEST(HostileGguf, SingleBytes) {
  change_single_bytes(good_file().bytes(), "token_embd.weight", 37);
}

TEST(HostileGguf, SingleBytesOfATextEncoder) {
  const std::string bytes = read_file(reference_folder("embedding-gemma3") + "/model.gguf");
  const Status plain = load_all(bytes);
  EXPECT_TRUE(plain.ok()) << plain.message();
  change_single_bytes(bytes, "tokenizer.ggml.tokens", 11);
}

}  // namespace
}  // namespace bitnetc::test
