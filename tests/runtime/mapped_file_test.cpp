#include "runtime/mapped_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>

#include "tests/support/expect_error.h"
#include "tests/support/model_folder.h"

namespace bitnetc::test {
namespace {

TEST(MappedFile, HoldsTheBytesOfTheFile) {
  TempFolder folder;
  const std::string content("some\0bytes", 10);
  write_file(folder.path() / "file", content);
  const auto file = MappedFile::open(folder.file("file"));
  ASSERT_TRUE(file.ok()) << file.status().message();
  EXPECT_EQ((*file)->path(), folder.file("file"));
  EXPECT_TRUE(
      std::equal(content.begin(), content.end(), (*file)->bytes().begin(), (*file)->bytes().end()));
}

TEST(MappedFile, AnEmptyFileIsAnEmptySpan) {
  TempFolder folder;
  write_file(folder.path() / "empty", "");
  const auto file = MappedFile::open(folder.file("empty"));
  ASSERT_TRUE(file.ok()) << file.status().message();
  EXPECT_TRUE((*file)->bytes().empty());
}

TEST(MappedFile, ForgottenPagesComeBackUnchanged) {
  TempFolder folder;
  std::string content(5 * 4096 + 123, '\0');
  for (size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>(i * 7 % 251);
  write_file(folder.path() / "file", content);
  const auto file = MappedFile::open(folder.file("file"));
  ASSERT_TRUE(file.ok()) << file.status().message();
  (*file)->forget((*file)->bytes());
  (*file)->forget((*file)->bytes().subspan(100, 9000));
  (*file)->forget({});
  const auto bytes = (*file)->bytes();
  for (size_t i = 0; i < content.size(); ++i)
    ASSERT_EQ(bytes[i], static_cast<uint8_t>(content[i])) << "at " << i;
}

TEST(MappedFile, PagesThatWereReadAreResident) {
  TempFolder folder;
  constexpr size_t kBytes = size_t{3} << 20;
  write_file(folder.path() / "file", std::string(kBytes, 'x'));
  const auto file = MappedFile::open(folder.file("file"));
  ASSERT_TRUE(file.ok()) << file.status().message();
  EXPECT_EQ(resident_bytes({}), 0);
  // Nobody asks for the memory of a file that was just written.
  EXPECT_EQ(resident_bytes((*file)->bytes()), static_cast<int64_t>(kBytes));
}

TEST(MappedFile, RefusesWhatIsNotAReadableRegularFile) {
  TempFolder folder;
  write_file(folder.path() / "file", "x");
  expect_error(MappedFile::open(folder.file("absent")), StatusCode::kNotFound,
               {folder.file("absent"), "No such file"});
  expect_error(MappedFile::open(folder.file("file/below")), StatusCode::kNotFound,
               {folder.file("file/below")});
  expect_error(MappedFile::open(folder.path().string()), StatusCode::kIoError,
               {folder.path().string(), "not a regular file"});
  ASSERT_EQ(::mkfifo(folder.file("pipe").c_str(), 0600), 0);
  expect_error(MappedFile::open(folder.file("pipe")), StatusCode::kIoError,
               {folder.file("pipe"), "not a regular file"});
}

}  // namespace
}  // namespace bitnetc::test
