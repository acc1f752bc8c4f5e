// A SentencePiece tokenizer.model with one thing wrong. The file is a protocol buffer: fields of a
// number, a wire type and a value, some of which hold fields again.
#include <gtest/gtest.h>

#include <limits>
#include <optional>

#include "frontend/tokenizer.h"
#include "tests/support/gguf_builder.h"
#include "tests/support/hostile_inputs.h"
#include "tests/support/model_folder.h"

namespace bitnetc::test {
namespace {

constexpr int kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5;
constexpr int kPieces = 1;  // number of the field that is there once for each piece

struct Field {
  int number = 0;
  int wire = kBytes;
  std::string value;  // without the length of kBytes
};

std::string varint(uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(0x80 | (value & 0x7f));
  return bytes + static_cast<char>(value);
}

uint64_t read_varint(const std::string& bytes, size_t& at) {
  uint64_t value = 0;
  for (int shift = 0; at < bytes.size(); shift += 7) {
    const auto byte = static_cast<uint8_t>(bytes[at++]);
    value |= uint64_t{byte & 0x7fu} << shift;
    if (byte < 0x80) break;
  }
  return value;
}

std::vector<Field> parse_fields(const std::string& bytes) {
  std::vector<Field> fields;
  for (size_t at = 0; at < bytes.size();) {
    const uint64_t tag = read_varint(bytes, at);
    Field field{
        .number = static_cast<int>(tag >> 3), .wire = static_cast<int>(tag & 7), .value = {}};
    size_t length = field.wire == kFixed64 ? 8 : 4;
    if (field.wire == kVarint) {
      field.value = varint(read_varint(bytes, at));
    } else {
      if (field.wire == kBytes) length = read_varint(bytes, at);
      field.value = bytes.substr(at, length);
      at += length;
    }
    fields.push_back(std::move(field));
  }
  return fields;
}

std::string print_field(const Field& field) {
  const std::string tag =
      varint(static_cast<uint64_t>(field.number) << 3 | static_cast<uint64_t>(field.wire));
  return tag + (field.wire == kBytes ? varint(field.value.size()) : "") + field.value;
}

std::string print_fields(const std::vector<Field>& fields) {
  std::string bytes;
  for (const Field& field : fields) bytes += print_field(field);
  return bytes;
}

// The fields with the bytes of one of them replaced.
std::string replaced(const std::vector<Field>& fields, size_t index, const std::string& bytes) {
  std::string printed;
  for (size_t i = 0; i < fields.size(); ++i) printed += i == index ? bytes : print_field(fields[i]);
  return printed;
}

struct Changed {
  std::string change;
  std::string bytes;  // in place of the field
};

std::vector<Changed> changes_of_any(const Field& field) {
  std::vector<Changed> found = {{"absent", ""},
                                {"twice", print_field(field) + print_field(field)},
                                {"open-tag", std::string(11, '\xff')}};
  for (int wire = 0; wire < 8; ++wire) {
    if (wire == field.wire) continue;
    const std::string tag =
        varint(static_cast<uint64_t>(field.number) << 3 | static_cast<uint64_t>(wire));
    found.push_back({"wire-type-" + std::to_string(wire), tag + field.value});
  }
  return found;
}

std::vector<Changed> changes_of_bytes(const Field& field) {
  const std::string tag = print_field({.number = field.number, .value = {}}).substr(0, 1);
  std::vector<Changed> found;
  const std::pair<const char*, std::string> lengths[] = {
      {"length-one-less", varint(field.value.size() - 1)},
      {"length-one-more", varint(field.value.size() + 1)},
      {"length-2^31", varint(uint64_t{1} << 31)},
      {"length-2^63", varint(uint64_t{1} << 63)},
      {"length-2^64-1", varint(UINT64_MAX)},
      {"length-open", std::string(11, '\xff')}};
  for (const auto& [change, length] : lengths)
    found.push_back({change, tag + length + field.value});
  const std::pair<const char*, std::string> values[] = {
      {"empty", ""},
      {"zeros", std::string(field.value.size(), '\0')},
      {"ones", std::string(field.value.size(), '\xff')},
      {"no-UTF-8", "\xc0\xff"},
      {"NUL", std::string("a\0b", 3)}};
  for (const auto& [change, value] : values)
    found.push_back({change, print_field({.number = field.number, .value = value})});
  return found;
}

std::vector<Changed> changes_of_number(const Field& field) {
  std::vector<Changed> found;
  if (field.wire == kVarint) {
    for (const uint64_t value : {uint64_t{0}, uint64_t{7}, uint64_t{420}, uint64_t{0x7fffffff},
                                 uint64_t{1} << 63, UINT64_MAX})
      found.push_back(
          {std::to_string(value),
           print_field({.number = field.number, .wire = kVarint, .value = varint(value)})});
  } else {
    for (const float value :
         {std::numeric_limits<float>::quiet_NaN(), 0.0f, 1e38f,
          std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity()})
      found.push_back(
          {std::to_string(value),
           print_field({.number = field.number, .wire = kFixed32, .value = f32_bytes({value})})});
  }
  return found;
}

std::vector<Changed> changes_of(const Field& field) {
  std::vector<Changed> found = changes_of_any(field);
  for (Changed& changed : field.wire == kBytes ? changes_of_bytes(field) : changes_of_number(field))
    found.push_back(std::move(changed));
  return found;
}

// What a field of the file is called in the list of what may be accepted, if it is changed: all
// pieces are alike but the first, which are special.
std::optional<std::string> place_of(const std::vector<Field>& fields, size_t index) {
  if (fields[index].number != kPieces) return "field-" + std::to_string(fields[index].number);
  if (index < 4 || index == 300) return "piece-" + std::to_string(index);
  return std::nullopt;
}

std::vector<HostileInput> field_mutations(const std::string& good) {
  const std::vector<Field> fields = parse_fields(good);
  EXPECT_EQ(print_fields(fields), good);
  std::vector<HostileInput> found;
  for (size_t i = 0; i < fields.size(); ++i) {
    const auto place = place_of(fields, i);
    if (!place) continue;
    for (const Changed& changed : changes_of(fields[i]))
      found.push_back({*place, changed.change, replaced(fields, i, changed.bytes)});
    const std::vector<Field> inner = parse_fields(fields[i].value);
    if (print_fields(inner) != fields[i].value) continue;
    for (size_t j = 0; j < inner.size(); ++j)
      for (const Changed& changed : changes_of(inner[j])) {
        Field outer = fields[i];
        outer.value = replaced(inner, j, changed.bytes);
        found.push_back({*place + "/" + std::to_string(inner[j].number), changed.change,
                         replaced(fields, i, print_field(outer))});
      }
  }
  return found;
}

// What is accepted encodes and decodes.
Status read_model(const std::string& bytes) {
  BITNETC_ASSIGN_OR_RETURN(const auto tokenizer,
                           Tokenizer::from_sentence_piece(bytes, "tokenizer.model"));
  const auto ids = tokenizer->encode("  The words, <think> 12\xc3\xa9\n");
  if (!ids.ok()) {
    EXPECT_FALSE(ids.status().message().empty());
    return {};
  }
  const auto text = tokenizer->decode(*ids);
  EXPECT_TRUE(text.ok()) << text.status().message();
  return {};
}

TEST(HostileSentencePiece, Model) {
  const std::string good =
      read_file(std::string(BITNETC_SOURCE_DIR) + "/tests/frontend/tokenizer/data/bpe.model");
  const Status unchanged = read_model(good);
  ASSERT_TRUE(unchanged.ok()) << unchanged.message();
  HostileInputs inputs("tokenizer.model", {"tokenizer.model"});
  inputs.try_all(field_mutations(good), read_model);
  inputs.try_all(file_mutations(good), read_model);
  inputs.finish(300);
}

}  // namespace
}  // namespace bitnetc::test
