// A good file with one thing wrong, some hundreds of times: each is refused with one printable line
// that names the file, or gives a model that is as whole as any other. What follows a field is left
// where it is, so most mutations shift the meaning of all that comes after.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "frontend/gguf/gguf_load.h"
#include "runtime/printable.h"
#include "tests/support/gguf_builder.h"
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

class MutatedGguf : public testing::Test {
 protected:
  MutatedGguf() {
    ModelShape shape = kGgufShape;
    shape.layers = 1;
    model_ = make_gguf_model(shape, make_packed_model(shape, 95));
    model_.add_text("bitnet-b1.58.rope.scaling.type", "yarn");
    model_.add_f32("bitnet-b1.58.rope.scaling.factor", 4);
    model_.add_u32("bitnet-b1.58.rope.scaling.original_context_length", 16);
    model_.add_f32("bitnet-b1.58.rope.scaling.attn_factor", 1);
    model_.add_f32("bitnet-b1.58.rope.scaling.yarn_beta_fast", 32);
    model_.add_f32("bitnet-b1.58.attention.scale", 0.125f);
    model_.add_u32("general.alignment", 32);
  }
  // A refusal that says something, in one line, of m.gguf.
  void expect_refusal(const std::string& bytes, const std::string& what) {
    ++count_;
    const Status status = load_all(bytes);
    EXPECT_FALSE(status.ok()) << what << " was accepted";
    if (!status.ok()) expect_clear(status, what);
  }
  // The same, or none: what was changed need not matter.
  void expect_refusal_or_model(const std::string& bytes, const std::string& what) {
    ++count_;
    const Status status = load_all(bytes);
    if (!status.ok()) expect_clear(status, what);
  }
  static void expect_clear(const Status& status, const std::string& what) {
    const std::string& message = status.message();
    EXPECT_NE(message.find("m.gguf"), std::string::npos) << what << ": " << message;
    EXPECT_EQ(message, printable(message, message.size())) << what;
    EXPECT_GT(message.size(), 20u) << what;
    EXPECT_LT(message.size(), 700u) << what;
  }

  GgufBuilder model_;
  int count_ = 0;
};

TEST_F(MutatedGguf, TheUnchangedFileIsGood) {
  const Status status = load_all(model_.bytes());
  EXPECT_TRUE(status.ok()) << status.message();
}

// Every value of the metadata: type numbers, lengths, counts, emptiness, duplicates, names.
TEST_F(MutatedGguf, Values) {
  for (size_t i = 0; i < model_.values.size(); ++i) {
    const auto mutate = [&](const std::string& what,
                            const std::function<void(GgufBuilder::Value&)>& change) {
      GgufBuilder changed = model_;
      change(changed.values[i]);
      expect_refusal_or_model(changed.bytes(), model_.values[i].key + ": " + what);
    };
    for (const uint32_t type : {0u, 3u, 8u, 9u, 12u, 13u, 0xffffffffu})
      mutate("type " + std::to_string(type), [&](GgufBuilder::Value& value) { value.type = type; });
    mutate("all bits set", [](GgufBuilder::Value& value) {
      std::fill(value.bytes.begin(), value.bytes.end(), '\xff');
    });
    mutate("all bits clear", [](GgufBuilder::Value& value) {
      std::fill(value.bytes.begin(), value.bytes.end(), '\0');
    });
    mutate("cut", [](GgufBuilder::Value& value) { value.bytes.pop_back(); });
    mutate("NUL in the key", [](GgufBuilder::Value& value) { value.key[0] = '\0'; });
    mutate("no UTF-8 in the key", [](GgufBuilder::Value& value) { value.key[0] = '\xc0'; });
    GgufBuilder twice = model_;
    twice.values.push_back(twice.values[i]);
    expect_refusal(twice.bytes(), model_.values[i].key + " twice");
  }
  EXPECT_GE(count_, 250);
}

TEST_F(MutatedGguf, Arrays) {
  for (GgufBuilder::Value& value : model_.values) {
    if (value.type != 9) continue;
    const GgufBuilder::Value good = value;
    for (const uint64_t count : {uint64_t{1} << 32, uint64_t{1} << 60, UINT64_MAX}) {
      value.bytes.replace(4, 8, le_bytes(count, 8));
      expect_refusal(model_.bytes(), value.key + " of " + std::to_string(count));
    }
    value = good;
    for (const uint32_t element : {9u, 13u, 0xffu}) {
      value.bytes.replace(0, 4, le_bytes(element, 4));
      expect_refusal_or_model(model_.bytes(), value.key + " of type " + std::to_string(element));
    }
    value = good;
  }
}

TEST_F(MutatedGguf, Tensors) {
  for (size_t i = 0; i < model_.tensors.size(); ++i) {
    const std::string name = model_.tensors[i].name;
    const auto refuse = [&](const std::string& what,
                            const std::function<void(GgufBuilder::Tensor&)>& change) {
      GgufBuilder changed = model_;
      change(changed.tensors[i]);
      expect_refusal(changed.bytes(), name + ": " + what);
    };
    for (const uint64_t extent : {uint64_t{0}, uint64_t{1} << 62, UINT64_MAX, uint64_t{17}})
      refuse("extent " + std::to_string(extent),
             [&](GgufBuilder::Tensor& tensor) { tensor.extents[0] = extent; });
    refuse("no extents", [](GgufBuilder::Tensor& tensor) { tensor.extents.clear(); });
    refuse("five extents",
           [](GgufBuilder::Tensor& tensor) { tensor.extents.assign(5, uint64_t{1}); });
    for (const uint32_t type : {3u, 38u, 39u, 99u, 0xffffffffu})
      refuse("type " + std::to_string(type),
             [&](GgufBuilder::Tensor& tensor) { tensor.type = type; });
    for (const uint64_t offset : {uint64_t{1}, uint64_t{1} << 40, UINT64_MAX, UINT64_MAX - 31})
      refuse("offset " + std::to_string(offset),
             [&](GgufBuilder::Tensor& tensor) { tensor.offset = offset; });
    refuse("name of 65 bytes",
           [](GgufBuilder::Tensor& tensor) { tensor.name = std::string(65, 'x'); });
    refuse("no name", [](GgufBuilder::Tensor& tensor) { tensor.name.clear(); });
    refuse("NUL in the name", [](GgufBuilder::Tensor& tensor) { tensor.name[0] = '\0'; });
    refuse("no UTF-8 in the name", [](GgufBuilder::Tensor& tensor) { tensor.name[0] = '\xc0'; });
    refuse("another name", [](GgufBuilder::Tensor& tensor) { tensor.name += "x"; });
    GgufBuilder twice = model_;
    twice.tensors.push_back(twice.tensors[i]);
    expect_refusal(twice.bytes(), name + " twice");
  }
  EXPECT_GE(count_, 200);
}

TEST_F(MutatedGguf, Counts) {
  for (const uint64_t count :
       {uint64_t{0}, uint64_t{1}, uint64_t{1} << 20, uint64_t{1} << 61, UINT64_MAX}) {
    GgufBuilder changed = model_;
    changed.value_count = count;
    expect_refusal(changed.bytes(), "values " + std::to_string(count));
    changed = model_;
    changed.tensor_count = count;
    expect_refusal(changed.bytes(), "tensors " + std::to_string(count));
  }
}

// One byte of the header at a time, set to what numbers fear most.
TEST_F(MutatedGguf, SingleBytes) {
  const std::string bytes = model_.bytes();
  const size_t header = bytes.find("token_embd.weight");
  for (size_t at = 4; at < header; at += 37)
    for (const char value : {'\0', '\x7f', '\xff'}) {
      std::string changed = bytes;
      changed[at] = value;
      expect_refusal_or_model(changed, "byte " + std::to_string(at));
    }
}

// The same of a text encoder.
TEST_F(MutatedGguf, SingleBytesOfATextEncoder) {
  const std::string bytes = read_file(reference_folder("embedding-gemma3") + "/model.gguf");
  const Status plain = load_all(bytes);
  EXPECT_TRUE(plain.ok()) << plain.message();
  const size_t header = bytes.find("tokenizer.ggml.tokens");
  ASSERT_LT(header, bytes.size());
  for (size_t at = 4; at < header; at += 11)
    for (const char value : {'\0', '\x7f', '\xff'}) {
      std::string changed = bytes;
      changed[at] = value;
      expect_refusal_or_model(changed, "byte " + std::to_string(at));
    }
}

TEST_F(MutatedGguf, Truncations) {
  const std::string bytes = model_.bytes();
  for (size_t size = 0; size < bytes.size() - 32; size += 997)
    expect_refusal(bytes.substr(0, size), "first " + std::to_string(size) + " bytes");
}

}  // namespace
}  // namespace bitnetc::test
