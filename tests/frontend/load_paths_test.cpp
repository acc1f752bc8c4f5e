// Folders that load_model() may not read, and paths that are not text: the message names the path
// and says what the system said.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "frontend/load.h"
#include "tests/support/expect_error.h"
#include "tests/support/model_folder.h"

namespace bitnetc::test {
namespace {

// Runs `work` as a user whom file modes bind: root may read everything.
template <typename Work>
void as_ordinary_user(const Work& work) {
  constexpr uid_t kNobody = 65534;
  const bool is_root = ::geteuid() == 0;
  if (is_root) {
    ASSERT_EQ(::seteuid(kNobody), 0);
  }
  work();
  if (is_root) {
    ASSERT_EQ(::seteuid(0), 0);
  }
}

TEST(LoadPaths, SaysThatPermissionIsDenied) {
  namespace fs = std::filesystem;
  TempFolder folder;
  fs::permissions(folder.path(), fs::perms::all);
  const fs::path closed = folder.path() / "closed", open = folder.path() / "open";
  for (const fs::path& model : {closed, open}) write_model(make_packed_model({}, 28), model);
  fs::permissions(open / "model.safetensors", fs::perms::none);
  fs::permissions(closed, fs::perms::none);
  as_ordinary_user([&] {
    expect_error(load_model(closed.string()), StatusCode::kIoError,
                 {(closed / "config.json").string(), "Permission denied"});
    expect_error(load_model((closed / "inner").string()), StatusCode::kIoError,
                 {(closed / "inner").string(), "Permission denied"});
    EXPECT_TRUE(is_model_folder(closed.string())) << "load_model() then says what is wrong";
    expect_error(load_model(open.string()), StatusCode::kIoError,
                 {(open / "model.safetensors").string(), "Permission denied"});
  });
  fs::permissions(closed, fs::perms::all);
}

// A path is bytes; a message is text.
TEST(LoadPaths, ShowsPathsThatAreNotUtf8) {
  TempFolder folder;
  const std::string path = folder.file("m\xff\x1b");
  expect_error(load_model(path), StatusCode::kNotFound, {"m\\xff\\x1b: no such file or folder"});
  ModelFiles files = make_packed_model({}, 29);
  write_model(files, path);
  EXPECT_TRUE(load_model(path).ok());
  files.config["num_hidden_layers"] = -1;
  write_file(path + "/config.json", files.config.dump());
  expect_error(load_model(path), StatusCode::kDataCorrupt, {"m\\xff\\x1b/config.json: num_"});
  write_file(path + "/config.json", "{");
  expect_error(load_model(path), StatusCode::kDataCorrupt, {"m\\xff\\x1b/config.json: not valid"});
}

}  // namespace
}  // namespace bitnetc::test
