#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "frontend/safetensors/safetensors_file.h"
#include "frontend/safetensors/safetensors_model.h"
#include "tests/support/expect_error.h"
#include "tests/support/model_folder.h"

namespace bitnetc::test {
namespace {

std::span<const uint8_t> as_bytes(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

Result<SafetensorsFile> parse(const std::string& bytes) {
  return SafetensorsFile::parse(as_bytes(bytes), "weights.safetensors");
}
Result<SafetensorsFile> parse(const std::string& header, const std::string& data) {
  const std::string bytes = safetensors_bytes(header, data);
  return SafetensorsFile::parse(as_bytes(bytes), "weights.safetensors");
}

void expect_corrupt(const Result<SafetensorsFile>& result,
                    std::initializer_list<std::string> named) {
  expect_error(result, StatusCode::kDataCorrupt, {"weights.safetensors"});
  expect_error(result, StatusCode::kDataCorrupt, named);
}

TensorMap small_tensors() {
  return {{"a", {"U8", {3}, {1, 2, 3}}},
          {"b", {"BF16", {2, 1}, {0x80, 0x3f, 0x00, 0xc0}}},
          {"scalar", {"F32", {}, {0, 0, 0, 0}}},
          {"none", {"I64", {0, 5}, {}}}};
}

// A header entry for tensor "t", and one more beside it.
std::string entry(const std::string& name, const std::string& dtype, const std::string& shape,
                  const std::string& offsets) {
  return "\"" + name + "\":{\"dtype\":" + dtype + ",\"shape\":" + shape +
         ",\"data_offsets\":" + offsets + "}";
}

TEST(SafetensorsFile, ReadsWhatWasWritten) {
  TempFolder folder;
  const TensorMap tensors = small_tensors();
  write_file(folder.path() / "t.safetensors", safetensors_bytes(tensors));
  const auto file = SafetensorsFile::open(folder.file("t.safetensors"));
  ASSERT_TRUE(file.ok()) << file.status().message();
  ASSERT_EQ(file->tensors().size(), tensors.size());
  for (const auto& [name, expected] : tensors) {
    const StoredTensor* tensor = file->find(name);
    ASSERT_NE(tensor, nullptr) << name;
    EXPECT_EQ(tensor->dtype, expected.dtype);
    EXPECT_NE(tensor->type, TensorType::kOther);
    EXPECT_EQ(tensor->shape, expected.shape);
    EXPECT_EQ(std::vector<uint8_t>(tensor->bytes.begin(), tensor->bytes.end()), expected.bytes);
    EXPECT_EQ(tensor->origin, folder.file("t.safetensors"));
  }
  EXPECT_EQ(file->find("b")->elements, 2);
  EXPECT_EQ(file->find("scalar")->elements, 1);
  EXPECT_EQ(file->find("none")->elements, 0);
  EXPECT_EQ(file->find("c"), nullptr);
}

TEST(SafetensorsFile, ReadsALiteralFile) {
  const std::string header = R"({"w":{"dtype":"I8","shape":[2],"data_offsets":[0,2]}}   )";
  const std::string bytes =
      std::string("\x38\0\0\0\0\0\0\0", 8) + header + std::string("\x01\xff", 2);
  ASSERT_EQ(header.size(), 0x38u);
  const auto file = parse(bytes);
  ASSERT_TRUE(file.ok()) << file.status().message();
  EXPECT_EQ(file->find("w")->bytes[1], 0xff);
}

TEST(SafetensorsFile, ReadsAFileWithoutTensors) {
  const auto file = parse("{}", "");
  ASSERT_TRUE(file.ok()) << file.status().message();
  EXPECT_TRUE(file->tensors().empty());
}

TEST(SafetensorsFile, RefusesEveryTruncation) {
  const std::string bytes = safetensors_bytes(small_tensors());
  ASSERT_TRUE(parse(bytes).ok());
  for (size_t length = 0; length < bytes.size(); ++length)
    expect_corrupt(parse(bytes.substr(0, length)), {});
  expect_corrupt(parse(bytes.substr(0, 5)), {"5 bytes", "header length"});
  expect_corrupt(parse(bytes.substr(0, 60)), {"header length", "truncated"});
  expect_corrupt(parse(bytes.substr(0, bytes.size() - 1)), {"tensor scalar", "truncated"});
}

TEST(SafetensorsFile, RefusesImpossibleHeaderLengths) {
  std::string bytes = safetensors_bytes(small_tensors());
  bytes[7] = static_cast<char>(0x80);  // adds 2^63
  expect_corrupt(parse(bytes), {"header length is 9223372036854", "100000000"});
  expect_corrupt(parse(std::string(8, '\xff') + "{}"), {"18446744073709551615"});
  expect_corrupt(parse(std::string("\x03\0\0\0\0\0\0\0", 8) + "{}"),
                 {"header length is 3", "2 bytes"});
  expect_corrupt(parse(std::string(8, '\0')), {"begin with '{'"});
}

TEST(SafetensorsFile, RefusesHeadersThatAreNotOne) {
  expect_corrupt(parse("[]", ""), {"begin with '{'"});
  expect_corrupt(parse(" {}", ""), {"begin with '{'"});
  expect_corrupt(parse("{\"a\"", ""), {"not valid JSON"});
  expect_corrupt(parse("{}x", ""), {"not valid JSON"});
  expect_corrupt(parse("{\"\xff\":1}", ""), {"not valid JSON"});
  expect_corrupt(parse(R"({"t":5})", ""), {"tensor t", "5", "expected an object"});
  expect_corrupt(parse(R"({"__metadata__":{"format":1}})", ""),
                 {"__metadata__", "format", "string"});
  expect_corrupt(parse(R"({"__metadata__":[]})", ""), {"__metadata__", "object"});
}

TEST(SafetensorsFile, RefusesDuplicateKeys) {
  const std::string one = entry("t", "\"U8\"", "[1]", "[0,1]");
  expect_corrupt(parse("{" + one + "," + one + "}", "x"), {"duplicate key \"t\""});
  expect_corrupt(
      parse(R"({"t":{"dtype":"U8","dtype":"I8","shape":[1],"data_offsets":[0,1]}})", "x"),
      {"duplicate key \"dtype\""});
}

TEST(SafetensorsFile, RefusesDeepNestingWithoutRecursion) {
  std::string deep = "{\"t\":";
  deep.append(1'000'000, '[');
  expect_corrupt(parse(deep, ""), {"nested deeper"});
}

TEST(SafetensorsFile, RefusesBadEntries) {
  const auto one = [](const std::string& dtype, const std::string& shape,
                      const std::string& offsets) {
    return parse("{" + entry("t", dtype, shape, offsets) + "}", "wxyz");
  };
  ASSERT_TRUE(one("\"U8\"", "[4]", "[0,4]").ok());
  expect_corrupt(one("7", "[4]", "[0,4]"), {"tensor t", "dtype is 7"});
  expect_corrupt(one("\"U8\"", "4", "[0,4]"), {"tensor t", "shape is 4"});
  expect_corrupt(one("\"U8\"", "[-4]", "[0,4]"), {"tensor t", "-4"});
  expect_corrupt(one("\"U8\"", "[4.0]", "[0,4]"), {"tensor t", "4.0"});
  expect_corrupt(one("\"U8\"", "[4294967296,4294967296]", "[0,4]"), {"tensor t", "overflows"});
  expect_corrupt(one("\"U8\"", "[18446744073709551615]", "[0,4]"),
                 {"tensor t", "18446744073709551615"});
  expect_corrupt(one("\"F64\"", "[2305843009213693952]", "[0,4]"), {"tensor t", "overflows"});
  expect_corrupt(one("\"U8\"", "[3]", "[0,4]"), {"tensor t", "span 4 bytes", "needs 3"});
  expect_corrupt(one("\"BF16\"", "[4]", "[0,4]"), {"tensor t", "span 4 bytes", "needs 8"});
  expect_corrupt(one("\"U8\"", "[4]", "[4,0]"), {"tensor t", "[4, 0]", "reversed"});
  expect_corrupt(one("\"U8\"", "[4]", "[0,5]"), {"tensor t", "[0, 5]", "past the 4 bytes"});
  expect_corrupt(one("\"U8\"", "[4]", "[0,18446744073709551615]"),
                 {"tensor t", "past the 4 bytes"});
  expect_corrupt(one("\"U8\"", "[4]", "[-1,3]"), {"tensor t", "data_offsets"});
  expect_corrupt(one("\"U8\"", "[4]", "[0]"), {"tensor t", "data_offsets"});
  expect_corrupt(parse(R"({"t":{"dtype":"U8","shape":[0]}})", ""),
                 {"tensor t", "data_offsets is missing"});
  expect_corrupt(
      parse(R"({"t":{"dtype":"U8","shape":[0],"data_offsets":[0,0],"strides":[1]}})", ""),
      {"tensor t", "strides"});
}

// A type that came after this build is no reason to refuse a file; its place is checked all the
// same.
TEST(SafetensorsFile, KeepsTensorsOfUnknownTypes) {
  const auto one = [](const std::string& shape, const std::string& offsets) {
    return parse("{" + entry("t", "\"F4_NEW\"", shape, offsets) + "}", "wxyz");
  };
  const auto file = one("[8]", "[0,4]");
  ASSERT_TRUE(file.ok()) << file.status().message();
  EXPECT_EQ(file->find("t")->type, TensorType::kOther);
  EXPECT_EQ(file->find("t")->dtype, "F4_NEW");
  EXPECT_EQ(file->find("t")->elements, 8);
  EXPECT_EQ(file->find("t")->bytes.size(), 4u);
  expect_corrupt(one("[8]", "[0,5]"), {"tensor t", "past the 4 bytes"});
  expect_corrupt(one("[8]", "[1,4]"), {"tensor t", "hole"});
  expect_corrupt(one("[-8]", "[0,4]"), {"tensor t", "-8"});
  expect_corrupt(one("[4294967296,4294967296]", "[0,4]"), {"tensor t", "overflows"});
}

// The JSON parser takes a NUL for the end of its input: what stands behind it must not be lost.
TEST(SafetensorsFile, RefusesWhateverFollowsTheHeader) {
  const std::string header = "{" + entry("t", "\"U8\"", "[1]", "[0,1]") + "}";
  ASSERT_TRUE(parse(header + "   ", "x").ok());
  expect_corrupt(parse(header + std::string(3, '\0'), "x"), {"not valid JSON", "NUL"});
  expect_corrupt(parse(header + std::string(1, '\0') + "{\"x\":1}", "x"), {"NUL"});
  expect_corrupt(parse(header + "{}", "x"), {"not valid JSON"});
}

TEST(SafetensorsFile, SaysWhatStandsInItsPlace) {
  expect_corrupt(parse("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 2857630\n"),
                 {"Git LFS pointer", "git lfs pull"});
  expect_corrupt(parse("<!DOCTYPE html>\n<html><body>Sign in</body></html>"), {"web page"});
}

TEST(SafetensorsFile, RefusesOverlapsAndHoles) {
  const auto two = [](const std::string& a, const std::string& b, const std::string& data) {
    return parse("{" + entry("a", "\"U8\"", "[2]", a) + "," + entry("b", "\"U8\"", "[2]", b) + "}",
                 data);
  };
  ASSERT_TRUE(two("[2,4]", "[0,2]", "wxyz").ok());
  expect_corrupt(two("[0,2]", "[1,3]", "xyz"), {"tensor b begins at 1", "inside tensor a"});
  expect_corrupt(two("[0,2]", "[0,2]", "xy"), {"inside tensor"});
  expect_corrupt(two("[0,2]", "[3,5]", "vwxyz"), {"tensor b begins at 3", "hole from 2"});
  expect_corrupt(two("[1,3]", "[3,5]", "vwxyz"), {"tensor a begins at 1", "hole from 0"});
  expect_corrupt(two("[0,2]", "[2,4]", "vwxyz"), {"1 bytes of data follow the last tensor"});
}

TEST(SafetensorsFile, MessagesHoldNoControlCharacters) {
  const auto result = parse(R"({"evil\u001b[31m\n":5})", "");
  expect_corrupt(result, {"evil"});
  const std::string message = result.status().message();
  for (char c : message) EXPECT_GE(static_cast<unsigned char>(c), 0x20);
}

TEST(SafetensorsModel, ReadsShardsLikeASingleFile) {
  const ModelFiles model = make_packed_model({}, 1);
  TempFolder single, sharded;
  write_model(model, single.path());
  write_model(model, sharded.path(), 3);
  const auto one = SafetensorsModel::open(single.path().string());
  const auto three = SafetensorsModel::open(sharded.path().string());
  ASSERT_TRUE(one.ok()) << one.status().message();
  ASSERT_TRUE(three.ok()) << three.status().message();
  EXPECT_EQ(one->files().size(), 1u);
  EXPECT_EQ(three->files().size(), 4u);
  EXPECT_EQ(one->tensor_names(), three->tensor_names());
  EXPECT_EQ(one->tensor_names().size(), model.tensors.size());
  for (const std::string& name : one->tensor_names()) {
    const auto a = one->find(name)->bytes, b = three->find(name)->bytes;
    EXPECT_TRUE(std::equal(a.begin(), a.end(), b.begin(), b.end())) << name;
  }
}

// A folder with one shard that holds tensor "a", and the given index.
Result<SafetensorsModel> open_with_index(const std::string& index) {
  TempFolder folder;
  write_file(folder.path() / "s.safetensors", safetensors_bytes({{"a", {"U8", {1}, {1}}}}));
  write_file(folder.path() / "model.safetensors.index.json", index);
  return SafetensorsModel::open(folder.path().string());
}

TEST(SafetensorsModel, RefusesBadIndexes) {
  ASSERT_TRUE(open_with_index(R"({"weight_map":{"a":"s.safetensors"}})").ok());
  expect_error(open_with_index(R"({"weight_map":{"b":"s.safetensors"}})"), StatusCode::kNotFound,
               {"model.safetensors.index.json", "b", "s.safetensors"});
  expect_error(open_with_index(R"({"weight_map":{"a":"t.safetensors"}})"), StatusCode::kNotFound,
               {"model.safetensors.index.json", "t.safetensors"});
  for (const char* outside : {"../s.safetensors", "/etc/passwd", "..", "", "x/s.safetensors"})
    expect_error(open_with_index(std::string(R"({"weight_map":{"a":")") + outside + R"("}})"),
                 StatusCode::kDataCorrupt, {"weight_map", outside, "same folder"});
  expect_error(open_with_index(R"({"weight_map":{"a":"s.safetensors\u0000"}})"),
               StatusCode::kDataCorrupt, {"weight_map", "same folder"});
  expect_error(open_with_index(R"({"weight_map":{"a":1}})"), StatusCode::kDataCorrupt,
               {"weight_map", "a is 1"});
  expect_error(open_with_index(R"({"weight_map":{}})"), StatusCode::kDataCorrupt, {"empty"});
  expect_error(open_with_index(R"({"weight_map":[]})"), StatusCode::kDataCorrupt, {"weight_map"});
  expect_error(open_with_index("[]"), StatusCode::kDataCorrupt, {"weight_map"});
  expect_error(open_with_index("{"), StatusCode::kDataCorrupt, {"not valid JSON"});
  expect_error(open_with_index(R"({"weight_map":{"a":"s.safetensors","a":"s.safetensors"}})"),
               StatusCode::kDataCorrupt, {"duplicate key \"a\""});
}

TEST(SafetensorsModel, NotesWhatTheIndexLeavesOut) {
  TempFolder folder;
  write_file(folder.path() / "s.safetensors",
             safetensors_bytes({{"a", {"U8", {1}, {1}}}, {"b", {"U8", {1}, {2}}}}));
  write_file(folder.path() / "model.safetensors.index.json",
             R"({"weight_map":{"a":"s.safetensors"}})");
  const auto model = SafetensorsModel::open(folder.path().string());
  ASSERT_TRUE(model.ok()) << model.status().message();
  EXPECT_EQ(model->find("b"), nullptr);
  EXPECT_EQ(model->notes(), (std::vector<std::string>{
                                "not listed in model.safetensors.index.json and not used: 1 tensor "
                                "(b of s.safetensors)"}));
}

TEST(SafetensorsModel, PrefersTheSingleFileAndSaysSo) {
  TempFolder folder;
  write_file(folder.path() / "model.safetensors", safetensors_bytes({{"a", {"U8", {1}, {1}}}}));
  write_file(folder.path() / "model.safetensors.index.json", "not read");
  const auto model = SafetensorsModel::open(folder.path().string());
  ASSERT_TRUE(model.ok()) << model.status().message();
  ASSERT_EQ(model->notes().size(), 1u);
  EXPECT_NE(model->notes()[0].find("index is not used"), std::string::npos);
}

TEST(SafetensorsModel, NamesTheFolderThatHoldsNoWeights) {
  TempFolder folder;
  expect_error(SafetensorsModel::open(folder.path().string()), StatusCode::kNotFound,
               {folder.path().string(), "model.safetensors"});
}

TEST(SafetensorsModel, ListsTheFirstTensorsOnly) {
  const std::vector<std::string> names = {"a", "b\x1b", "c", "d"};
  const std::span<const std::string> all = names;
  EXPECT_EQ(tensor_list(all.first(0)), "0 tensors");
  EXPECT_EQ(tensor_list(all.first(1)), "1 tensor (a)");
  EXPECT_EQ(tensor_list(all.first(3)), "3 tensors (a, b\\x1b, c)");
  EXPECT_EQ(tensor_list(all), "4 tensors (a, b\\x1b, c, ...)");
}

// A link to itself cannot be looked through, whoever asks.
TEST(SafetensorsModel, SaysWhyItCannotLook) {
  TempFolder folder;
  std::filesystem::create_symlink("model.safetensors", folder.path() / "model.safetensors");
  expect_error(SafetensorsModel::open(folder.path().string()), StatusCode::kIoError,
               {folder.file("model.safetensors"), "symbolic links"});
}

// Damages a valid file at random and reads all that the reader still accepts: under
// AddressSanitizer no byte outside the file may be touched, and a failure always has a message.
TEST(SafetensorsFile, SurvivesRandomDamage) {
  const std::string valid = safetensors_bytes(small_tensors());
  std::mt19937 random(20240229);
  int accepted = 0;
  for (int round = 0; round < 6000; ++round) {
    std::string bytes = valid;
    for (uint32_t flips = 1 + random() % 4; flips > 0; --flips)
      bytes[random() % bytes.size()] = static_cast<char>(random());
    if (random() % 3 == 0) bytes.resize(random() % bytes.size());
    // A copy of exactly this size, so that one byte too far is outside the allocation.
    const std::vector<uint8_t> exact(bytes.begin(), bytes.end());
    const auto file = SafetensorsFile::parse(exact, "damaged");
    if (!file.ok()) {
      EXPECT_NE(file.status().message().find("damaged"), std::string::npos);
      continue;
    }
    ++accepted;
    size_t sum = 0;
    for (const StoredTensor& tensor : file->tensors())
      for (uint8_t byte : tensor.bytes) sum += byte;
    EXPECT_LE(sum, 255 * exact.size());
  }
  EXPECT_GT(accepted, 0) << "some damage falls on data or padding, which nothing checks";
}

}  // namespace
}  // namespace bitnetc::test
