#include "runtime/cache_directory.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "runtime/temporary_file.h"
#include "tests/support/child_process.h"
#include "tests/support/expect_error.h"
#include "tests/support/model_folder.h"

namespace bitnetc::test {
namespace {

namespace fs = std::filesystem;

using Bytes = std::vector<uint8_t>;
constexpr int64_t kMost = int64_t{1} << 24;
constexpr uid_t kSomebodyElse = 12345;

// A file whose every byte follows from its first: a torn one gives itself away.
Bytes pattern(uint8_t seed, size_t size_bytes) {
  Bytes bytes(size_bytes);
  for (size_t i = 0; i < size_bytes; ++i) bytes[i] = static_cast<uint8_t>(seed + i * 7);
  return bytes;
}

class CacheDirectoryTest : public testing::Test {
 protected:
  std::string root() const { return folder_.file("home/.cache/bitnetc"); }
  CacheDirectory open_ok() const {
    auto directory = CacheDirectory::open(root(), "things");
    BITNETC_CHECK(directory.ok(), "{}", directory.status().message());
    return *std::move(directory);
  }
  static Bytes read_ok(const CacheDirectory& directory, const std::string& name) {
    const auto bytes = directory.read(name, kMost);
    EXPECT_TRUE(bytes.ok()) << bytes.status().message();
    return bytes.ok() && bytes->has_value() ? **bytes : Bytes();
  }
  static std::vector<std::string> names(const CacheDirectory& directory) {
    const auto files = directory.list();
    EXPECT_TRUE(files.ok()) << files.status().message();
    std::vector<std::string> found;
    if (files.ok())
      for (const CacheFile& file : *files) found.push_back(file.name);
    return found;
  }

  TempFolder folder_;
};

mode_t mode_of(const std::string& path) {
  struct stat info = {};
  EXPECT_EQ(::lstat(path.c_str(), &info), 0) << path;
  return info.st_mode & 07777;
}

void set_times(const std::string& path, int64_t seconds_ago) {
  timespec now = {};
  ::clock_gettime(CLOCK_REALTIME, &now);
  const timespec then[2] = {{now.tv_sec - seconds_ago, 0}, {now.tv_sec - seconds_ago, 0}};
  ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), then, 0), 0) << path;
}

// Empty where the whole was written or nothing.
std::string torn(const CacheDirectory& directory, const std::string& name, size_t size_bytes) {
  const auto bytes = directory.read(name, kMost);
  if (!bytes.ok()) return bytes.status().message();
  if (!bytes->has_value()) return "";
  if ((*bytes)->size() != size_bytes) return fmt::format("{} bytes", (*bytes)->size());
  return **bytes == pattern((*bytes)->front(), size_bytes) ? "" : "a mixture";
}

TEST_F(CacheDirectoryTest, MakesItsFoldersForThisUserOnly) {
  const CacheDirectory directory = open_ok();
  EXPECT_EQ(directory.path(), root() + "/things");
  for (const std::string& path : {root(), directory.path(), folder_.file("home/.cache")})
    EXPECT_EQ(mode_of(path), 0700u) << path;
  ASSERT_TRUE(directory.publish("a", pattern(1, 10)).ok());
  EXPECT_EQ(mode_of(directory.path() + "/a"), 0600u);
}

TEST_F(CacheDirectoryTest, ReadsBackWhatWasPublishedAndReplacesIt) {
  const CacheDirectory directory = open_ok();
  const auto absent = directory.read("a", kMost);
  ASSERT_TRUE(absent.ok());
  EXPECT_FALSE(absent->has_value());
  for (const size_t size_bytes : {size_t{0}, size_t{1}, size_t{4096}, size_t{3'000'001}}) {
    ASSERT_TRUE(directory.publish("a", pattern(3, size_bytes)).ok());
    EXPECT_EQ(read_ok(directory, "a"), pattern(3, size_bytes));
  }
  EXPECT_EQ(names(open_ok()), std::vector<std::string>{"a"});
  ASSERT_TRUE(directory.remove("a").ok());
  EXPECT_TRUE(directory.remove("a").ok());
  EXPECT_TRUE(names(directory).empty());
}

TEST_F(CacheDirectoryTest, RefusesFilesLargerThanTheCallerTakes) {
  const CacheDirectory directory = open_ok();
  ASSERT_TRUE(directory.publish("a", pattern(3, 100)).ok());
  EXPECT_TRUE(directory.read("a", 100).ok());
  expect_error(directory.read("a", 99), StatusCode::kIoError, {"/a", "100 bytes", "99"});
}

TEST_F(CacheDirectoryTest, NamesStayInsideTheFolder) {
  for (const char* name : {"a", "0f3c", "model-12.bnc", "a b"})
    EXPECT_TRUE(is_cache_file_name(name)) << name;
  for (const std::string& name :
       {std::string(), std::string("."), std::string(".."), std::string("a/b"), std::string("../a"),
        std::string(".lock"), std::string("a.tmp-1-0"), std::string("a\0b", 3),
        std::string(201, 'x')})
    EXPECT_FALSE(is_cache_file_name(name)) << name;
  EXPECT_DEATH((void)open_ok().publish("../a", {}), "no name for a cache file");
}

TEST_F(CacheDirectoryTest, ListsSizesAndUses) {
  const CacheDirectory directory = open_ok();
  ASSERT_TRUE(directory.publish("old", pattern(1, 10)).ok());
  ASSERT_TRUE(directory.publish("new", pattern(1, 20)).ok());
  set_times(directory.path() + "/old", 5000);
  set_times(directory.path() + "/new", 4000);
  const auto before = directory.list();
  ASSERT_TRUE(before.ok());
  ASSERT_EQ(before->size(), 2u);
  EXPECT_EQ((*before)[0].name, "new");
  EXPECT_EQ((*before)[0].size_bytes, 20);
  EXPECT_EQ((*before)[0].problem, "");
  EXPECT_LT((*before)[1].used_ns, (*before)[0].used_ns);
  EXPECT_EQ(read_ok(directory, "old").size(), 10u);  // which is a use
  const auto after = directory.list();
  ASSERT_TRUE(after.ok());
  EXPECT_GT((*after)[1].used_ns, (*after)[0].used_ns);
  directory.touch("new");
  const auto touched = directory.list();
  ASSERT_TRUE(touched.ok());
  EXPECT_GE((*touched)[0].used_ns, (*after)[1].used_ns);
}

TEST_F(CacheDirectoryTest, WithoutHomeThereIsNone) {
  expect_error(CacheDirectory::open("", "things"), StatusCode::kNotFound,
               {"no cache directory", "XDG_CACHE_HOME", "HOME"});
}

TEST_F(CacheDirectoryTest, AHomeThatIsASymlinkIsFine) {
  fs::create_directories(folder_.path() / "disk");
  fs::create_directories(folder_.path() / "home");
  fs::create_directory_symlink(folder_.path() / "disk", folder_.path() / "home" / ".cache");
  ASSERT_TRUE(open_ok().publish("a", pattern(1, 10)).ok());
  EXPECT_TRUE(fs::exists(folder_.path() / "disk" / "bitnetc" / "things" / "a"));
}

TEST_F(CacheDirectoryTest, FoldersThatAreSymlinksOrFilesAreRefused) {
  fs::create_directories(folder_.path() / "elsewhere" / "things");
  fs::create_directories(fs::path(root()).parent_path());
  fs::create_directory_symlink(folder_.path() / "elsewhere", root());
  expect_error(CacheDirectory::open(root(), "things"), StatusCode::kIoError,
               {root() + " is a symbolic link", "XDG_CACHE_HOME"});
  fs::remove(root());
  fs::create_directories(root());
  fs::create_directory_symlink(folder_.path() / "elsewhere", root() + "/things");
  expect_error(CacheDirectory::open(root(), "things"), StatusCode::kIoError,
               {root() + "/things is a symbolic link"});
  fs::remove(root() + "/things");
  write_file(root() + "/things", "");
  expect_error(CacheDirectory::open(root(), "things"), StatusCode::kIoError,
               {root() + "/things is not a folder", "remove it"});
  fs::remove_all(root());
  write_file(root(), "");
  expect_error(CacheDirectory::open(root(), "things"), StatusCode::kIoError,
               {root() + " is not a folder"});
}

TEST_F(CacheDirectoryTest, AFileAboveTheCacheIsAnError) {
  write_file(folder_.path() / "home", "");
  expect_error(CacheDirectory::open(root(), "things"), StatusCode::kIoError,
               {folder_.file("home"), "Not a directory"});
}

TEST_F(CacheDirectoryTest, FoldersThatOthersMayWriteToAreRefused) {
  const std::string path = open_ok().path();
  for (const mode_t mode : {0770, 0707, 0777, 01777}) {
    ASSERT_EQ(::chmod(path.c_str(), mode), 0);
    expect_error(CacheDirectory::open(root(), "things"), StatusCode::kIoError,
                 {path, "written by others", "chmod go-w"});
  }
  ASSERT_EQ(::chmod(path.c_str(), 0755), 0);
  EXPECT_TRUE(CacheDirectory::open(root(), "things").ok());
  ASSERT_EQ(::chmod(root().c_str(), 0720), 0);
  expect_error(CacheDirectory::open(root(), "things"), StatusCode::kIoError,
               {root() + " may be written by others"});
}

TEST_F(CacheDirectoryTest, AForeignOwnerIsRefused) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give a folder away";
  const CacheDirectory directory = open_ok();
  ASSERT_TRUE(directory.publish("a", pattern(1, 10)).ok());
  ASSERT_EQ(::chown((directory.path() + "/a").c_str(), kSomebodyElse, kSomebodyElse), 0);
  expect_error(directory.read("a", kMost), StatusCode::kIoError,
               {"/a belongs to user 12345, not to user 0"});
  const auto files = directory.list();
  ASSERT_TRUE(files.ok());
  EXPECT_NE((*files)[0].problem, "");
  ASSERT_EQ(::chown(directory.path().c_str(), kSomebodyElse, kSomebodyElse), 0);
  expect_error(CacheDirectory::open(root(), "things"), StatusCode::kIoError,
               {directory.path() + " belongs to user 12345", "XDG_CACHE_HOME"});
  ASSERT_EQ(::chown(root().c_str(), kSomebodyElse, kSomebodyElse), 0);
  expect_error(CacheDirectory::open(root(), "things"), StatusCode::kIoError,
               {root() + " belongs to user 12345"});
}

TEST_F(CacheDirectoryTest, OnlyPlainFilesAreReadAndAllAreListed) {
  const CacheDirectory directory = open_ok();
  const std::string path = directory.path();
  write_file(folder_.path() / "secret", "secret");
  fs::create_symlink(folder_.path() / "secret", path + "/link");
  fs::create_symlink(folder_.path() / "nowhere", path + "/loose");
  fs::create_directory(path + "/folder");
  ASSERT_EQ(::mkfifo((path + "/pipe").c_str(), 0600), 0);
  write_file(path + "/open", "x");
  ASSERT_EQ(::chmod((path + "/open").c_str(), 0666), 0);
  const std::vector<std::pair<std::string, std::string>> expected = {{"folder", "not a plain file"},
                                                                     {"link", "symbolic link"},
                                                                     {"loose", "symbolic link"},
                                                                     {"open", "written by others"},
                                                                     {"pipe", "not a plain file"}};
  const auto files = directory.list();
  ASSERT_TRUE(files.ok());
  ASSERT_EQ(files->size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    const auto& [name, problem] = expected[i];
    EXPECT_EQ((*files)[i].name, name);
    EXPECT_NE((*files)[i].problem.find(problem), std::string::npos) << (*files)[i].problem;
    expect_error(directory.read(name, kMost), StatusCode::kIoError, {path + "/" + name, problem});
  }
}

TEST_F(CacheDirectoryTest, PublishingReplacesASymlinkAndNotWhatItPointsTo) {
  const CacheDirectory directory = open_ok();
  write_file(folder_.path() / "victim", "precious");
  fs::create_symlink(folder_.path() / "victim", directory.path() + "/a");
  ASSERT_TRUE(directory.publish("a", pattern(1, 10)).ok());
  EXPECT_EQ(read_file(folder_.path() / "victim"), "precious");
  EXPECT_EQ(read_ok(directory, "a"), pattern(1, 10));
  fs::create_directory(directory.path() + "/b");
  expect_error(directory.publish("b", pattern(1, 10)), StatusCode::kIoError, {"/b", "rename"});
  EXPECT_EQ(std::distance(fs::directory_iterator(directory.path()), fs::directory_iterator()), 2);
}

TEST_F(CacheDirectoryTest, AFolderSwappedUnderneathDoesNotReceiveFiles) {
  const CacheDirectory directory = open_ok();
  fs::rename(directory.path(), root() + "/moved");
  fs::create_directories(folder_.path() / "trap");
  fs::create_directory_symlink(folder_.path() / "trap", directory.path());
  ASSERT_TRUE(directory.publish("a", pattern(1, 10)).ok());
  EXPECT_TRUE(fs::is_empty(folder_.path() / "trap"));
  EXPECT_TRUE(fs::exists(root() + "/moved/a"));
}

TEST_F(CacheDirectoryTest, TemporaryFilesOfKilledWritersAreShownAndRemoved) {
  const CacheDirectory directory = open_ok();
  const FileDescriptor folder(::open(directory.path().c_str(), O_RDONLY | O_DIRECTORY));
  std::string left;
  {
    const auto killed = create_temporary(folder.get(), "a", 0600);
    ASSERT_TRUE(killed.ok()) << killed.status().message();
    left = killed->name;
  }  // closed without a word, as by SIGKILL
  const auto alive = create_temporary(folder.get(), "a", 0600);
  ASSERT_TRUE(alive.ok()) << alive.status().message();
  EXPECT_NE(alive->name, left);

  const auto files = directory.list();
  ASSERT_TRUE(files.ok());
  ASSERT_EQ(files->size(), 1u);
  EXPECT_EQ(files->front().name, left);
  EXPECT_NE(files->front().problem, "");
  directory.remove_abandoned();
  EXPECT_TRUE(names(directory).empty());
  EXPECT_FALSE(fs::exists(directory.path() + "/" + left));
  EXPECT_TRUE(fs::exists(directory.path() + "/" + alive->name));
}

TEST_F(CacheDirectoryTest, AnAbandonedFileIsRemovedByName) {
  const CacheDirectory directory = open_ok();
  write_file(directory.path() + "/a.tmp-1", "half");  // of a version that named them by process
  ASSERT_EQ(names(directory), std::vector<std::string>{"a.tmp-1"});
  EXPECT_TRUE(directory.remove("a.tmp-1").ok());
  EXPECT_TRUE(names(directory).empty());
}

TEST_F(CacheDirectoryTest, TwoProcessesNeverSeeATornFile) {
  constexpr int kRounds = 200;
  constexpr size_t kBytes = 40'000;
  const auto work = [this](uint8_t first) {
    return [this, first]() -> std::string {
      const CacheDirectory directory = open_ok();
      for (int round = 0; round < kRounds; ++round) {
        const auto seed = static_cast<uint8_t>(first + 2 * round);
        const Status status = directory.publish("a", pattern(seed, kBytes));
        if (!status.ok()) return status.message();
        if (const std::string problem = torn(directory, "a", kBytes); !problem.empty())
          return fmt::format("round {}: {}", round, problem);
        if (!directory.list().ok()) return "list failed";
      }
      return "";
    };
  };
  ChildProcess even(work(0)), odd(work(1));
  EXPECT_EQ(even.wait(), "");
  EXPECT_EQ(odd.wait(), "");
  EXPECT_EQ(names(open_ok()), std::vector<std::string>{"a"});
}

TEST_F(CacheDirectoryTest, AKilledWriterLeavesWholeFilesOnly) {
  constexpr size_t kBytes = 1'000'000;
  const CacheDirectory directory = open_ok();
  ASSERT_TRUE(directory.publish("a", pattern(0, kBytes)).ok());
  for (int round = 0; round < 40; ++round) {
    ChildProcess writer([&]() -> std::string {
      for (uint8_t seed = 1;; ++seed)
        if (!directory.publish("a", pattern(seed, kBytes)).ok()) return "publish failed";
    });
    ::usleep(static_cast<useconds_t>(500 + round * 613));
    writer.kill();
    EXPECT_EQ(torn(directory, "a", kBytes), "") << "round " << round;
  }
  directory.remove_abandoned();
  EXPECT_EQ(names(directory), std::vector<std::string>{"a"});
  EXPECT_EQ(std::distance(fs::directory_iterator(directory.path()), fs::directory_iterator()), 1);
}

TEST_F(CacheDirectoryTest, AFullDiskLeavesTheOldFile) {
  fs::create_directories(fs::path(root()).parent_path());
  const std::string result = in_child([&]() -> std::string {
    const std::string disk = fs::path(root()).parent_path();
    for (const std::string& refusal : {own_mounts(), mount_small_disk(disk, 64 << 10)})
      if (!refusal.empty()) return "skip: " + refusal;
    const CacheDirectory directory = open_ok();
    if (!directory.publish("a", pattern(1, 20'000)).ok()) return "the first one should fit";
    const Status status = directory.publish("a", pattern(2, 60'000));
    if (status.ok()) return "60 kB should not fit";
    if (status.code() != StatusCode::kIoError ||
        status.message().find("No space left") == std::string::npos)
      return status.message();
    if (read_ok(directory, "a") != pattern(1, 20'000)) return "the old file is gone";
    if (fs::directory_iterator entry(directory.path()); ++entry != fs::directory_iterator())
      return "the temporary file is still there";
    return directory.publish("a", pattern(3, 20'000)).message();
  });
  if (result.starts_with("skip: ")) GTEST_SKIP() << "no disk of our own: " << result;
  EXPECT_EQ(result, "");
}

TEST_F(CacheDirectoryTest, AReadOnlyDiskIsReadFrom) {
  ASSERT_TRUE(open_ok().publish("a", pattern(1, 10)).ok());
  const std::string result = in_child([&]() -> std::string {
    const std::string home = folder_.file("home");
    for (const std::string& refusal : {own_mounts(), make_read_only(home)})
      if (!refusal.empty()) return "skip: " + refusal;
    const CacheDirectory directory = open_ok();
    if (read_ok(directory, "a") != pattern(1, 10)) return "reads something else";
    directory.touch("a");
    for (const Status& status :
         {directory.publish("a", pattern(2, 10)), directory.remove("a"), directory.lock().status(),
          CacheDirectory::open(root(), "more").status()})
      if (status.code() != StatusCode::kIoError ||
          status.message().find("Read-only file system") == std::string::npos)
        return "expected a refusal, found: " + status.message();
    return names(directory) == std::vector<std::string>{"a"} ? "" : "lists something else";
  });
  if (result.starts_with("skip: ")) GTEST_SKIP() << "no read-only disk of our own: " << result;
  EXPECT_EQ(result, "");
}

TEST_F(CacheDirectoryTest, AFolderWithoutWritePermissionIsReadFrom) {
  const CacheDirectory made = open_ok();
  ASSERT_TRUE(made.publish("a", pattern(1, 10)).ok());
  const uid_t user = ::geteuid() == 0 ? kSomebodyElse : ::geteuid();
  for (const auto& entry : fs::recursive_directory_iterator(folder_.path()))
    ASSERT_EQ(::chown(entry.path().c_str(), user, static_cast<gid_t>(-1)), 0);
  ASSERT_EQ(::chown(folder_.path().c_str(), user, static_cast<gid_t>(-1)), 0);
  ASSERT_EQ(::chmod(made.path().c_str(), 0500), 0);
  EXPECT_EQ(in_child([&]() -> std::string {
              if (::setuid(user) != 0) return "setuid failed";
              const CacheDirectory directory = open_ok();
              if (read_ok(directory, "a") != pattern(1, 10)) return "reads something else";
              const Status status = directory.publish("b", pattern(2, 10));
              return status.message().find("Permission denied") != std::string::npos
                         ? ""
                         : "expected a refusal, found: " + status.message();
            }),
            "");
  ASSERT_EQ(::chmod(made.path().c_str(), 0700), 0);
}

TEST_F(CacheDirectoryTest, TheLockKeepsChangesOfTwoProcesses) {
  constexpr int kRounds = 100;
  const auto work = [this]() -> std::string {
    const CacheDirectory directory = open_ok();
    for (int round = 0; round < kRounds; ++round) {
      const auto lock = directory.lock();
      if (!lock.ok()) return lock.status().message();
      Bytes bytes = read_ok(directory, "log");
      bytes.push_back('x');
      if (!directory.publish("log", bytes).ok()) return "publish failed";
    }
    return "";
  };
  ChildProcess one(work), two(work);
  EXPECT_EQ(one.wait(), "");
  EXPECT_EQ(two.wait(), "");
  EXPECT_EQ(read_ok(open_ok(), "log").size(), 2u * kRounds);
}

TEST_F(CacheDirectoryTest, ALockThatIsNotGivenBackIsAnErrorUntilItsHolderDies) {
  const CacheDirectory directory = open_ok();
  int ready[2];
  ASSERT_EQ(::pipe2(ready, O_CLOEXEC), 0);
  ChildProcess holder([&]() -> std::string {
    const auto lock = directory.lock();
    if (!lock.ok() || ::write(ready[1], "x", 1) != 1) return "no lock";
    for (;;) ::pause();
  });
  char byte;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  expect_error(directory.lock(), StatusCode::kIoError, {"/.lock", "another process"});
  holder.kill();
  EXPECT_TRUE(directory.lock().ok());
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST_F(CacheDirectoryTest, ALockFileThatIsASymlinkIsRefused) {
  const CacheDirectory directory = open_ok();
  write_file(folder_.path() / "victim", "");
  fs::create_symlink(folder_.path() / "victim", directory.path() + "/.lock");
  expect_error(directory.lock(), StatusCode::kIoError, {"/.lock"});
}

}  // namespace
}  // namespace bitnetc::test
