// .safetensors files with one thing wrong: the length of the header, every value of it, the data.
#include <gtest/gtest.h>

#include "frontend/safetensors/safetensors_file.h"
#include "tests/support/gguf_builder.h"
#include "tests/support/hostile_inputs.h"

namespace bitnetc::test {
namespace {

using Json = nlohmann::ordered_json;

const std::string kData = "0123456789abcdef";

Json small_header() {
  return Json::parse(R"({
    "__metadata__": {"format": "pt"},
    "a": {"dtype": "U8", "shape": [2, 3], "data_offsets": [0, 6]},
    "b": {"dtype": "BF16", "shape": [3], "data_offsets": [6, 12]},
    "none": {"dtype": "F32", "shape": [0, 4], "data_offsets": [12, 12]},
    "scalar": {"dtype": "F32", "shape": [], "data_offsets": [12, 16]}})");
}

std::string with_length(uint64_t length, const std::string& rest) {
  return le_bytes(length, 8) + rest;
}

// Every byte of an accepted tensor is in the file.
Status read_file_bytes(const std::string& bytes) {
  // Of exactly this size, so that one byte too far is outside of the allocation.
  const std::vector<uint8_t> exact(bytes.begin(), bytes.end());
  BITNETC_ASSIGN_OR_RETURN(const SafetensorsFile file,
                           SafetensorsFile::parse(exact, "model.safetensors"));
  size_t covered = 0;
  for (const StoredTensor& tensor : file.tensors()) {
    covered += tensor.bytes.size();
    for (const uint8_t byte : tensor.bytes) EXPECT_LE(byte, 'f');
  }
  EXPECT_LT(covered, exact.size());
  return {};
}

std::vector<HostileInput> length_mutations() {
  const std::string header = small_header().dump();
  const std::string rest = header + kData;
  const std::pair<const char*, uint64_t> lengths[] = {
      {"0", 0},
      {"1", 1},
      {"one-less", header.size() - 1},
      {"one-more", header.size() + 1},
      {"whole-file", rest.size()},
      {"past-the-end", rest.size() + 1},
      {"2^31", uint64_t{1} << 31},
      {"2^32", uint64_t{1} << 32},
      {"2^32-more", (uint64_t{1} << 32) + header.size()},
      {"2^63", uint64_t{1} << 63},
      {"2^63-more", (uint64_t{1} << 63) + header.size()},
      {"2^64-8", UINT64_MAX - 7},
      {"2^64-1", UINT64_MAX}};
  std::vector<HostileInput> found;
  for (const auto& [change, length] : lengths)
    found.push_back(
        {.place = "header-length", .change = change, .bytes = with_length(length, rest)});
  return found;
}

std::vector<HostileInput> data_mutations() {
  const std::string header = small_header().dump();
  std::vector<HostileInput> found;
  for (const size_t kept : {size_t{0}, size_t{1}, size_t{6}, size_t{12}, kData.size() - 1})
    found.push_back({.place = "data",
                     .change = "first-" + std::to_string(kept),
                     .bytes = with_length(header.size(), header + kData.substr(0, kept))});
  found.push_back({.place = "data",
                   .change = "one-more",
                   .bytes = with_length(header.size(), header + kData + "0")});
  return found;
}

TEST(HostileSafetensors, File) {
  const std::string header = small_header().dump();
  const std::string good = with_length(header.size(), header + kData);
  const Status unchanged = read_file_bytes(good);
  ASSERT_TRUE(unchanged.ok()) << unchanged.message();
  HostileInputs inputs("model.safetensors", {"model.safetensors"});
  inputs.try_all(json_mutations(small_header()), [](const std::string& changed) {
    return read_file_bytes(with_length(changed.size(), changed + kData));
  });
  inputs.try_all(file_mutations(good), read_file_bytes);
  inputs.try_all(length_mutations(), read_file_bytes);
  inputs.try_all(data_mutations(), read_file_bytes);
  inputs.finish(500);
}

}  // namespace
}  // namespace bitnetc::test
