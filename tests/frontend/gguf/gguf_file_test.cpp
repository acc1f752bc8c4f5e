// The container: what is read from a good file, and that nothing of a bad one is believed.
#include "frontend/gguf/gguf_file.h"

#include <gtest/gtest.h>

#include "frontend/gguf/gguf_model.h"
#include "tests/support/expect_error.h"
#include "tests/support/gguf_builder.h"

namespace bitnetc::test {
namespace {

// The views of what is parsed point into `bytes`, which is kept.
struct Parsed {
  std::string bytes;
  Result<GgufFile> file;
};
Parsed parse(std::string text) {
  Parsed parsed{std::move(text), Status(StatusCode::kNotFound, "not parsed yet")};
  parsed.file = GgufFile::parse(
      {reinterpret_cast<const uint8_t*>(parsed.bytes.data()), parsed.bytes.size()}, "m.gguf");
  return parsed;
}

void expect_corrupt(const GgufBuilder& builder, std::initializer_list<std::string> named) {
  const Parsed parsed = parse(builder.bytes());
  expect_error(parsed.file, StatusCode::kDataCorrupt, {"m.gguf: "});
  expect_error(parsed.file, StatusCode::kDataCorrupt, named);
}

GgufBuilder small() {
  GgufBuilder builder;
  builder.add_text("a.text", "x");
  builder.add_u32("a.u32", 7);
  builder.add_f32("a.f32", 0.5f);
  builder.add_bool("a.bool", true);
  builder.add_texts("a.texts", {"one", "", "three"});
  builder.add_i32s("a.i32s", {-1, 2});
  builder.values.push_back({"a.u64", 10, le_bytes(UINT64_MAX, 8)});
  builder.values.push_back({"a.i8", 1, le_bytes(0xff, 1)});
  builder.values.push_back({"a.f64", 12, le_bytes(0x3ff8000000000000, 8)});
  builder.add_tensor("first", {4, 2}, 0, f32_bytes({1, 2, 3, 4, 5, 6, 7, 8}));
  builder.add_tensor("second", {3}, 0, f32_bytes({1, 2, 3}));
  return builder;
}

TEST(GgufFile, ReadsEveryKindOfValue) {
  const Parsed parsed = parse(small().bytes());
  ASSERT_TRUE(parsed.file.ok()) << parsed.file.status().message();
  const GgufFile& file = *parsed.file;
  EXPECT_EQ(file.find_value("a.text")->text(), "x");
  EXPECT_EQ(file.find_value("a.u32")->integer(), 7);
  EXPECT_EQ(file.find_value("a.f32")->number(), 0.5);
  EXPECT_EQ(file.find_value("a.f32")->integer(), std::nullopt);
  EXPECT_EQ(file.find_value("a.bool")->boolean(), true);
  EXPECT_EQ(file.find_value("a.texts")->texts(),
            (std::vector<std::string_view>{"one", "", "three"}));
  EXPECT_EQ(file.find_value("a.i32s")->integers(), (std::vector<int64_t>{-1, 2}));
  EXPECT_EQ(file.find_value("a.i32s")->texts(), std::nullopt);
  EXPECT_EQ(file.find_value("a.u64")->integer(), std::nullopt) << "does not fit";
  EXPECT_EQ(file.find_value("a.i8")->integer(), -1);
  EXPECT_EQ(file.find_value("a.f64")->number(), 1.5);
  EXPECT_EQ(file.find_value("b"), nullptr);
  EXPECT_EQ(describe(*file.find_value("a.texts")), "an array of 3 strings");
  EXPECT_EQ(describe(*file.find_value("a.u32")), "u32 7");
}

TEST(GgufFile, PlacesTensorsByOffset) {
  GgufBuilder builder = small();
  std::swap(builder.tensors[0], builder.tensors[1]);
  builder.tensors[0].offset = 32;  // "second" is described first and lies behind
  builder.tensors[1].offset = 0;
  std::string bytes = builder.bytes();
  bytes += std::string(100, 'x');  // anything may follow
  const Parsed parsed = parse(bytes);
  ASSERT_TRUE(parsed.file.ok()) << parsed.file.status().message();
  const auto& tensors = parsed.file->tensors();
  ASSERT_EQ(tensors.size(), 2u);
  EXPECT_EQ(tensors[0].name, "first");
  EXPECT_EQ(tensors[0].extents, (std::vector<int64_t>{4, 2}));
  EXPECT_EQ(tensors[0].rows(), 2);
  EXPECT_EQ(tensors[0].room.size(), 32u);
  EXPECT_FALSE(tensors[0].is_last);
  EXPECT_TRUE(tensors[1].is_last);
  EXPECT_EQ(tensors[1].label(), "m.gguf: tensor second");
}

TEST(GgufFile, RefusesOtherFiles) {
  expect_error(parse("GGUX and more").file, StatusCode::kDataCorrupt, {"magic", "GGUX"});
  expect_error(parse("").file, StatusCode::kDataCorrupt, {"magic"});
  expect_error(parse("version https://git-lfs.github.com/spec/v1\n").file, StatusCode::kDataCorrupt,
               {"m.gguf", "Git LFS"});
  expect_error(parse("<!DOCTYPE html><html>").file, StatusCode::kDataCorrupt, {"web page"});
  GgufBuilder builder = small();
  for (const uint32_t version : {0u, 1u, 4u}) {
    builder.version = version;
    expect_error(parse(builder.bytes()).file, StatusCode::kUnsupported,
                 {"m.gguf: version " + std::to_string(version)});
  }
  builder.version = 3u << 24;
  expect_error(parse(builder.bytes()).file, StatusCode::kUnsupported, {"big-endian"});
  builder.version = 2;
  EXPECT_TRUE(parse(builder.bytes()).file.ok());
}

TEST(GgufFile, BelievesNoCount) {
  GgufBuilder builder = small();
  builder.value_count = uint64_t{1} << 61;
  expect_corrupt(builder, {"announces 2305843009213693952 values"});
  builder = small();
  builder.tensor_count = uint64_t{1} << 61;
  expect_corrupt(builder, {"announces 2305843009213693952 tensors"});
  builder = small();
  builder.value("a.texts").bytes.replace(4, 8, le_bytes(uint64_t{1} << 60, 8));
  expect_corrupt(builder, {"key a.texts", "1152921504606846976 elements"});
  builder = small();
  builder.value("a.i32s").bytes.replace(4, 8, le_bytes(uint64_t{1} << 62, 8));
  expect_corrupt(builder, {"key a.i32s", "4611686018427387904 i32"});
  builder = small();
  builder.value("a.text").bytes.replace(0, 8, le_bytes(UINT64_MAX, 8));
  expect_corrupt(builder, {"key a.text", "18446744073709551615 bytes long"});
  builder = small();
  builder.value("a.texts").bytes.replace(12, 8, le_bytes(uint64_t{1} << 40, 8));
  expect_corrupt(builder, {"key a.texts", "string 0 of 3"});
}

TEST(GgufFile, HasNoMoreEntriesThanAnyModel) {
  GgufBuilder builder = small();
  for (int i = 0; i < 65536; ++i) builder.add_bool("k" + std::to_string(i), true);
  expect_corrupt(builder, {"has 65545 values, expected at most 65536"});
}

TEST(GgufFile, RefusesValuesOfNoType) {
  GgufBuilder builder = small();
  builder.value("a.u32").type = 13;
  expect_corrupt(builder, {"key a.u32", "value type 13"});
  builder = small();
  builder.value("a.i32s").bytes.replace(0, 4, le_bytes(99, 4));
  expect_corrupt(builder, {"key a.i32s", "element type 99"});
  builder = small();
  builder.value("a.bool").bytes = le_bytes(2, 1);
  expect_corrupt(builder, {"key a.bool", "a bool is 2"});
}

TEST(GgufFile, BoundsTheDepthOfArrays) {
  const auto nested = [](int depth) {
    std::string bytes;
    for (int i = 1; i < depth; ++i) bytes += le_bytes(9, 4) + le_bytes(1, 8);
    return bytes + le_bytes(4, 4) + le_bytes(1, 8) + le_bytes(5, 4);
  };
  GgufBuilder builder = small();
  builder.values.push_back({"nested", 9, nested(4)});
  EXPECT_TRUE(parse(builder.bytes()).file.ok());
  builder.values.back().bytes = nested(5);
  expect_corrupt(builder, {"key nested", "nested deeper than 4"});
  builder.values.back().bytes = nested(100000);
  expect_corrupt(builder, {"key nested", "nested deeper than 4"});
}

TEST(GgufFile, RefusesNamesThatAreNone) {
  GgufBuilder builder = small();
  builder.add_u32("a.u32", 8);
  expect_corrupt(builder, {"key a.u32 occurs twice"});
  builder = small();
  builder.add_tensor("first", {1}, 0, f32_bytes({1}));
  expect_corrupt(builder, {"tensor first occurs twice"});
  builder = small();
  builder.values[0].key = "";
  expect_corrupt(builder, {"the key of value 0 is empty"});
  builder = small();
  builder.values[0].key = std::string("a\0b", 3);
  expect_corrupt(builder, {"value 0", "NUL", "a\\x00b"});
  builder = small();
  builder.tensors[0].name = "a\xff";
  expect_corrupt(builder, {"tensor 0", "not UTF-8", "a\\xff"});
  builder = small();
  builder.tensors[0].name = std::string(65, 'n');
  expect_corrupt(builder, {"tensor 0", "65 bytes", "at most 64"});
  builder = small();
  builder.tensors[0].name = "\x1b[31m";
  builder.tensors[0].extents = {};
  expect_corrupt(builder, {"tensor \\x1b[31m has 0 dimensions"});
}

TEST(GgufFile, RefusesShapesThatCannotBe) {
  GgufBuilder builder = small();
  builder.tensors[0].extents = {1, 1, 1, 1, 1};
  expect_corrupt(builder, {"tensor first has 5 dimensions"});
  builder.tensors[0].extents = {4, 0};
  expect_corrupt(builder, {"tensor first: extent 1 is 0"});
  builder.tensors[0].extents = {uint64_t{1} << 32, uint64_t{1} << 32};
  expect_corrupt(builder, {"tensor first", "2^63 - 1"});
  builder.tensors[0].extents = {uint64_t{1} << 63};
  expect_corrupt(builder, {"tensor first", "2^63 - 1"});
}

TEST(GgufFile, RefusesOffsetsThatCannotBe) {
  GgufBuilder builder = small();
  builder.tensors[1].offset = 36;
  expect_corrupt(builder, {"tensor second: offset 36 is no multiple of the alignment 32"});
  builder.tensors[1].offset = 0;
  expect_corrupt(builder, {"tensors first and second both begin at 0"});
  builder.tensors[1].offset = uint64_t{1} << 60;
  expect_corrupt(builder, {"tensor second begins at 1152921504606846976"});
  builder = small();
  builder.tensors[0].offset = 32;
  builder.tensors[1].offset = 64;
  expect_corrupt(builder, {"tensor first is the first and begins at 32", "expected 0"});
}

TEST(GgufFile, TakesTheAlignmentOfItsKey) {
  GgufBuilder builder = small();
  builder.alignment = 64;
  builder.add_u32("general.alignment", 64);
  EXPECT_TRUE(parse(builder.bytes()).file.ok());
  for (const uint32_t bad : {0u, 48u, 1u << 31}) {
    builder.value("general.alignment").bytes = le_bytes(bad, 4);
    expect_corrupt(builder, {"general.alignment is u32 " + std::to_string(bad), "power of two"});
  }
}

// Every shorter file is refused, none reads past its end (the sanitizers watch), and none of the
// messages is empty.
TEST(GgufFile, RefusesEveryTruncation) {
  const std::string whole = small().bytes();
  const size_t data = whole.size() - 64;
  for (size_t size = 0; size <= data; ++size) {
    const Parsed parsed = parse(whole.substr(0, size));
    ASSERT_FALSE(parsed.file.ok()) << size;
    EXPECT_NE(parsed.file.status().message().find("m.gguf: "), std::string::npos);
  }
}

TEST(GgufModel, JoinsParts) {
  TempFolder folder;
  GgufBuilder first = small(), second;
  first.tensors.pop_back();
  for (GgufBuilder* part : {&first, &second}) {
    part->values.push_back({"split.no", 2, le_bytes(part == &first ? 0 : 1, 2)});
    part->values.push_back({"split.count", 2, le_bytes(2, 2)});
    part->values.push_back({"split.tensors.count", 5, le_bytes(2, 4)});
  }
  second.add_tensor("second", {3}, 0, f32_bytes({1, 2, 3}));
  const std::string first_path = folder.file("m-00001-of-00002.gguf");
  const std::string second_path = folder.file("m-00002-of-00002.gguf");
  write_file(first_path, first.bytes());
  expect_error(GgufModel::open(first_path), StatusCode::kNotFound, {"part 2 of", second_path});
  write_file(second_path, second.bytes());
  const auto model = GgufModel::open(first_path);
  ASSERT_TRUE(model.ok()) << model.status().message();
  EXPECT_EQ(model->tensor_names(), (std::vector<std::string>{"first", "second"}));
  EXPECT_EQ(model->find("second")->origin, second_path);
  EXPECT_EQ(model->files().size(), 2u);
  expect_error(GgufModel::open(second_path), StatusCode::kInvalidArgument,
               {"part 2 of 2", first_path});

  write_file(folder.file("m.gguf"), first.bytes());
  expect_error(GgufModel::open(folder.file("m.gguf")), StatusCode::kDataCorrupt,
               {"split.count is 2", "-00001-of-00002.gguf"});
  second.add_tensor("third", {1}, 0, f32_bytes({1}));
  write_file(second_path, second.bytes());
  expect_error(GgufModel::open(first_path), StatusCode::kDataCorrupt,
               {"split.tensors.count is 2", "3 tensors"});
  second.tensors.pop_back();
  second.tensors[0].name = "first";
  write_file(second_path, second.bytes());
  expect_error(GgufModel::open(first_path), StatusCode::kDataCorrupt,
               {second_path, "tensor first: is in " + first_path});
  second.value("split.no").bytes = le_bytes(0, 2);
  write_file(second_path, second.bytes());
  expect_error(GgufModel::open(first_path), StatusCode::kDataCorrupt, {second_path, "split.no"});
}

TEST(GgufModel, NamesOfParts) {
  const auto name = GgufPartName::parse("dir/m-00002-of-00013.gguf");
  ASSERT_TRUE(name);
  EXPECT_EQ(name->prefix, "dir/m");
  EXPECT_EQ(name->number, 2);
  EXPECT_EQ(name->count, 13);
  EXPECT_EQ(name->path_of(13), "dir/m-00013-of-00013.gguf");
  for (const char* other :
       {"m.gguf", "m-1-of-2.gguf", "-00001-of-00002.gguf", "m-00003-of-00002.gguf",
        "m-00000-of-00002.gguf", "m-00001-of-00002.bin", "m_00001-of-00002.gguf"})
    EXPECT_FALSE(GgufPartName::parse(other)) << other;
}

}  // namespace
}  // namespace bitnetc::test
