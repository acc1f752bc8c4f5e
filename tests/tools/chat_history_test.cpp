// The history of typed lines, in the state directory.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/support/child_process.h"
#include "tests/support/expect_error.h"
#include "tests/support/model_folder.h"
#include "tools/chat/line_history.h"

namespace bitnetc::chat {
namespace {

using bitnetc::test::expect_error;
using Lines = std::vector<std::string>;

class History : public testing::Test {
 protected:
  std::string dir() const { return folder_.file("state/bitnetc"); }
  std::string file() const { return dir() + "/" + LineHistory::kFileName; }
  std::string text() const {
    std::ifstream in(file(), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  LineHistory open() const { return LineHistory::open(dir()).value(); }

  test::TempFolder folder_;
};

TEST_F(History, IsJsonLinesOfThisUserAlone) {
  ASSERT_TRUE(open().add("a \"b\"\t日").ok());
  ASSERT_TRUE(open().add("/quit").ok());
  EXPECT_EQ(text(), "{\"line\":\"a \\\"b\\\"\\t日\"}\n{\"line\":\"/quit\"}\n");
  EXPECT_EQ(open().lines(), (Lines{"a \"b\"\t日", "/quit"}));
  struct stat info = {};
  ASSERT_EQ(::stat(file().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600U);
}

TEST_F(History, KeepsTheLastLines) {
  const LineHistory history = open();
  ASSERT_TRUE(history.add("first").ok());
  std::ofstream out(file(), std::ios::app);
  for (size_t i = 0; i < LineHistory::kMostLines; ++i) out << "{\"line\": \"" << i << "\"}\n";
  out.close();
  ASSERT_TRUE(history.add("last").ok());
  const Lines lines = open().lines();
  ASSERT_EQ(lines.size(), LineHistory::kMostLines);
  EXPECT_EQ(lines.front(), "1");
  EXPECT_EQ(lines.back(), "last");
}

TEST_F(History, ALineAtOnceRepeatedStandsOnce) {
  const LineHistory history = open();
  for (const char* line : {"a", "a", "b", "a"}) ASSERT_TRUE(history.add(line).ok());
  EXPECT_EQ(open().lines(), (Lines{"a", "b", "a"}));
}

TEST_F(History, TwoChatsAddToIt) {
  const LineHistory one = open(), two = open();
  ASSERT_TRUE(one.add("a").ok());
  ASSERT_TRUE(two.add("b").ok());
  ASSERT_TRUE(one.add("c").ok());
  EXPECT_EQ(open().lines(), (Lines{"a", "b", "c"}));
}

TEST_F(History, WhatIsNoEntryIsPassedOver) {
  ASSERT_TRUE(open().add("a").ok());
  std::ofstream(file(), std::ios::app) << "garbage\n{\"line\": 7}\n[]\n\n{\"line\":\"b\"}";
  EXPECT_EQ(open().lines(), (Lines{"a", "b"}));
  ASSERT_TRUE(open().add("c").ok());
  EXPECT_EQ(open().lines(), (Lines{"a", "b", "c"}));
}

TEST_F(History, AVeryLongLineIsNotKept) {
  ASSERT_TRUE(open().add(std::string(LineHistory::kMostLineBytes + 1, 'a')).ok());
  ASSERT_TRUE(open().add(std::string(LineHistory::kMostLineBytes, 'b')).ok());
  EXPECT_EQ(open().lines().size(), 1U);
}

TEST_F(History, FoldersThatCannotBeUsedAreNamed) {
  expect_error(LineHistory::open(""), StatusCode::kNotFound, {"XDG_STATE_HOME"});
  std::filesystem::create_directories(folder_.file("state"));
  std::filesystem::create_directory_symlink("/tmp", dir());
  expect_error(LineHistory::open(dir()), StatusCode::kIoError, {dir(), "XDG_STATE_HOME"});
}

TEST_F(History, AFileThatOthersMayWriteIsNotRead) {
  ASSERT_TRUE(open().add("a").ok());
  ASSERT_EQ(::chmod(file().c_str(), 0622), 0);
  expect_error(LineHistory::open(dir()), StatusCode::kIoError, {file()});
}

TEST_F(History, OnAReadOnlyDiskItIsReadButNotWritten) {
  ASSERT_TRUE(open().add("a").ok());
  const std::string found = test::in_child([&]() -> std::string {
    if (!test::own_mounts().empty() || !test::make_read_only(folder_.path()).empty())
      return "skipped";
    const auto history = LineHistory::open(dir());
    if (!history.ok()) return history.status().message();
    if (history->lines() != Lines{"a"}) return "what is there is not read";
    return history->add("b").ok() ? "a line could be added" : "";
  });
  if (found == "skipped") GTEST_SKIP() << "no mounts here";
  EXPECT_EQ(found, "");
}

}  // namespace
}  // namespace bitnetc::chat
