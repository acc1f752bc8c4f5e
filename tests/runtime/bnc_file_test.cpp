// The .bnc container: what is written comes back; whatever is cut, flipped or newer is one clear
// error.
#include "runtime/bnc_file.h"

#include <gtest/gtest.h>
#include <xxhash.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <numeric>

#include "tests/support/model_folder.h"

namespace bitnetc::test {
namespace {

std::vector<uint8_t> pattern(size_t count, uint8_t first) {
  std::vector<uint8_t> bytes(count);
  std::iota(bytes.begin(), bytes.end(), first);
  return bytes;
}

std::vector<uint8_t> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

class BncFile : public testing::Test {
 protected:
  BncFile() {
    auto writer = BncWriter::create(path_);
    EXPECT_TRUE(writer.ok());
    EXPECT_TRUE((*writer)->add_section("a", pattern(10, 1)).ok());
    EXPECT_TRUE((*writer)->add_section("empty", {}).ok());
    EXPECT_TRUE((*writer)->add_section("b", pattern(5000, 7)).ok());
    EXPECT_TRUE((*writer)->finish(R"({"hello":"world"})").ok());
    bytes_ = read_file(path_);
  }

  Status open(std::span<const uint8_t> bytes) const {
    return BncReader::from_bytes(bytes, "test.bnc").status();
  }

  TempFolder folder_;
  std::string path_ = folder_.file("test.bnc");
  std::vector<uint8_t> bytes_;
};

TEST_F(BncFile, RoundTrip) {
  const auto reader = BncReader::open(path_);
  ASSERT_TRUE(reader.ok()) << reader.status().message();
  EXPECT_EQ((*reader)->description_json(), R"({"hello":"world"})");
  const auto a = (*reader)->section("a").value(), b = (*reader)->section("b").value();
  EXPECT_TRUE(std::ranges::equal(a, pattern(10, 1)));
  EXPECT_TRUE(std::ranges::equal(b, pattern(5000, 7)));
  EXPECT_EQ((*reader)->section("empty").value().size(), 0u);
  for (const BncSection& section : (*reader)->sections())
    EXPECT_EQ(section.offset % kBncAlignment, 0u);
  EXPECT_EQ((*reader)->section("c").status().message(), path_ + ": section c is missing");
}

TEST_F(BncFile, CutAnywhereIsTruncated) {
  std::vector<size_t> cuts = {0, 4, 8, 55, 56, 4095, bytes_.size() - 1};
  for (size_t at = kBncAlignment; at < bytes_.size(); at += kBncAlignment)
    cuts.insert(cuts.end(), {at - 1, at, at + 1});
  for (size_t cut : cuts) {
    const Status status = open(std::span(bytes_).first(cut));
    EXPECT_EQ(status.code(), StatusCode::kDataCorrupt) << "cut at " << cut;
    EXPECT_NE(status.message().find("test.bnc"), std::string::npos);
  }
}

TEST_F(BncFile, EveryFlippedByteIsFound) {
  for (size_t at = 0; at < bytes_.size(); ++at) {
    std::vector<uint8_t> flipped = bytes_;
    flipped[at] ^= 0x20;
    EXPECT_FALSE(open(flipped).ok()) << "flipped byte " << at;
  }
}

TEST_F(BncFile, ChecksumErrorsNameTheSection) {
  std::vector<uint8_t> flipped = bytes_;
  flipped[kBncAlignment * 2 + 17] ^= 1;  // header page, a's page, then b
  EXPECT_NE(open(flipped).message().find("section b: checksum"), std::string::npos)
      << open(flipped).message();
}

TEST_F(BncFile, OtherVersionsAreRefusedWithTheCommandThatHelps) {
  for (const uint32_t version : {kBncVersion - 1, kBncVersion + 1}) {
    std::vector<uint8_t> other = bytes_;
    other[8] = static_cast<uint8_t>(version);
    const Status status = open(other);
    EXPECT_EQ(status.code(), StatusCode::kUnsupported);
    for (const std::string& part :
         {fmt::format("format version is {}", version), std::string("bitnetc compile FOLDER -o ")})
      EXPECT_NE(status.message().find(part), std::string::npos) << status.message();
  }
}

// The last section is moved onto the first, with right checksums of description and header.
TEST_F(BncFile, SectionsThatOverlapAreRefused) {
  std::vector<uint8_t> bytes = bytes_;
  const auto field = [&](size_t at) { return reinterpret_cast<uint64_t*>(bytes.data() + at); };
  const uint64_t description = *field(24);
  std::string text(bytes.begin() + static_cast<ptrdiff_t>(description), bytes.end());
  const std::string key = "\"offset\":";
  const size_t number = text.rfind(key) + key.size();
  const size_t length = text.find_first_not_of("0123456789", number) - number;
  std::string place = std::to_string(kBncAlignment);
  place.resize(length, ' ');
  text.replace(number, length, place);
  std::ranges::copy(text, bytes.begin() + static_cast<ptrdiff_t>(description));
  *field(40) = XXH3_64bits(text.data(), text.size());
  *field(48) = 0;
  *field(48) = XXH3_64bits(bytes.data(), kBncAlignment);
  const Status status = open(bytes);
  EXPECT_NE(status.message().find("overlaps section"), std::string::npos) << status.message();
}

TEST_F(BncFile, AppendedBytesAreAnError) {
  std::vector<uint8_t> longer = bytes_;
  longer.push_back(0);
  EXPECT_FALSE(open(longer).ok());
}

TEST_F(BncFile, AnUnfinishedWriterLeavesTheOldFile) {
  {
    auto writer = BncWriter::create(path_);
    ASSERT_TRUE(writer.ok());
    ASSERT_TRUE((*writer)->add_section("x", pattern(100000, 3)).ok());
  }
  EXPECT_EQ(read_file(path_), bytes_);
  size_t files = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder_.path()))
    ++files;
  EXPECT_EQ(files, 1u);
}

TEST(BncWriter, UnwritableFolderIsNamed) {
  const auto writer = BncWriter::create("/nonexistent-folder/x.bnc");
  ASSERT_FALSE(writer.ok());
  EXPECT_EQ(writer.status().code(), StatusCode::kIoError);
  EXPECT_NE(writer.status().message().find("/nonexistent-folder/x.bnc"), std::string::npos);
}

}  // namespace
}  // namespace bitnetc::test
