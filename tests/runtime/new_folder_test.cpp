#include "runtime/new_folder.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/support/model_folder.h"

namespace bitnetc::test {
namespace {

namespace fs = std::filesystem;

class NewFolderTest : public testing::Test {
 protected:
  static void write(NewFolder& folder, const std::string& name) {
    const auto path = folder.file(name);
    ASSERT_TRUE(path.ok()) << path.status().message();
    std::ofstream(*path) << name;
  }

  TempFolder folder_;
  const std::string path_ = folder_.file("new");
};

TEST_F(NewFolderTest, StaysOnlyWhenItIsKept) {
  for (const bool keeps : {false, true}) {
    {
      const auto folder = NewFolder::create(path_);
      ASSERT_TRUE(folder.ok()) << folder.status().message();
      write(**folder, "a");
      write(**folder, "deeper/b");
      if (keeps) (*folder)->keep();
    }
    EXPECT_EQ(fs::exists(path_), keeps);
    EXPECT_EQ(fs::exists(fs::path(path_) / "deeper" / "b"), keeps);
  }
}

TEST_F(NewFolderTest, AnEmptyFolderIsEmptyAgain) {
  fs::create_directory(path_);
  {
    const auto folder = NewFolder::create(path_);
    ASSERT_TRUE(folder.ok()) << folder.status().message();
    write(**folder, "a");
    std::ofstream(fs::path(path_) / "somebody else's") << "x";
  }
  EXPECT_TRUE(fs::exists(fs::path(path_) / "somebody else's"));
  EXPECT_FALSE(fs::exists(fs::path(path_) / "a"));
}

TEST_F(NewFolderTest, RefusesWhatIsThere) {
  EXPECT_EQ(NewFolder::create("-").status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(NewFolder::create("/dev/null").status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(NewFolder::create(folder_.file("no/such/place")).status().code(), StatusCode::kIoError);
  fs::create_directories(fs::path(path_) / "something");
  const Status refused = NewFolder::create(path_).status();
  EXPECT_EQ(refused.code(), StatusCode::kInvalidArgument);
  EXPECT_NE(refused.message().find(path_), std::string::npos) << refused.message();
}

}  // namespace
}  // namespace bitnetc::test
