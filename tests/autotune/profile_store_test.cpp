// Profiles on disk, and all that can happen to them there: never a failure of the caller, never an
// entry that nobody measured, and a message where something is lost.
#include "autotune/profile_store.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>

#include "codegen/kernel_builder.h"
#include "codegen/matmul_plans.h"
#include "runtime/cpu_features.h"
#include "runtime/output_file.h"
#include "tests/support/child_process.h"
#include "tests/support/expect_error.h"
#include "tests/support/model_folder.h"
#include "tests/support/scripted_profile.h"

namespace bitnetc::test {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFingerprint = "0123456789abcdef";
constexpr const char* kMachine = "AMD EPYC 9B45, 2 CPUs";
constexpr const char* kStatic = "static_matmul_avx2";
const Target kAvx2Target = target_for(Isa::kAvx2);

class ProfileStoreTest : public testing::Test {
 protected:
  void SetUp() override {
    if (find_generator(kStatic) == nullptr || !machine_target().supports(Isa::kAvx2))
      GTEST_SKIP() << "needs a build and a CPU with AVX2, as the entries of this test do";
  }

  ProfileStore store() const { return {cache_, {kFingerprint, kMachine}}; }
  // As `bitnetc autotune --export` does.
  Status export_to(const std::string& path) const {
    BITNETC_ASSIGN_OR_RETURN(const auto file, OutputFile::create(path));
    return store().export_to(*file);
  }
  static ProfileEntry entry(int64_t n, double took_s = 1) {
    ProfileEntry made = scripted_entry({.n = 16 * n, .k = 256}, kAvx2Target, 1, {{kStatic, {}}});
    made.took_s = took_s;
    return made;
  }
  static ProfileEntry stale_entry(int64_t n) {
    ProfileEntry made = entry(n);
    made.field = {std::string(kStatic) + ".900"};
    made.measurements[0].revision = 900;
    return made;
  }
  void add(const std::vector<ProfileEntry>& entries) {
    const Status status = store().add(entries);
    ASSERT_TRUE(status.ok()) << status.message();
  }
  // Expects these entries and no message, or as many messages as `named`, each with its words.
  void expect_loaded(std::vector<ProfileEntry> entries,
                     const std::vector<std::string>& named = {}) {
    std::ranges::sort(entries, {}, &ProfileEntry::key);
    const LoadedProfile loaded = store().load();
    EXPECT_EQ(loaded.profile.entries, entries);
    EXPECT_EQ(loaded.profile.fingerprint, kFingerprint);
    ASSERT_EQ(loaded.problems.size(), named.size())
        << fmt::format("{}", fmt::join(loaded.problems, "\n"));
    for (size_t i = 0; i < named.size(); ++i)
      EXPECT_NE(loaded.problems[i].find(named[i]), std::string::npos) << loaded.problems[i];
  }
  std::string on_disk() const { return read_file(store().path()); }
  void put_on_disk(const std::string& text) {
    fs::create_directories(fs::path(store().path()).parent_path());
    for (const char* folder : {"cache", "cache/profiles"})
      ASSERT_EQ(::chmod(folder_.file(folder).c_str(), 0700), 0);
    write_file(store().path(), text);
    ASSERT_EQ(::chmod(store().path().c_str(), 0600), 0);
  }
  static std::string in_file(const std::vector<ProfileEntry>& entries,
                             const std::string& fingerprint = kFingerprint) {
    return print_profile({fingerprint, kMachine, entries});
  }

  TempFolder folder_;
  std::string cache_ = folder_.file("cache");
};

TEST_F(ProfileStoreTest, StartsEmptyAndRemembers) {
  expect_loaded({});
  EXPECT_EQ(store().path(), folder_.file("cache/profiles/0123456789abcdef.profile"));
  add({entry(2), entry(1)});
  expect_loaded({entry(1), entry(2)});
  add({entry(1, 7), entry(3)});
  expect_loaded({entry(1, 7), entry(2), entry(3)});
  EXPECT_EQ(on_disk(), in_file({entry(1, 7), entry(2), entry(3)}));
  // Another machine has a file of its own.
  EXPECT_TRUE(ProfileStore(cache_, {"other", "x"}).load().profile.entries.empty());
}

// The clock may have been put back since: what was measured last counts.
TEST_F(ProfileStoreTest, WhatIsAddedReplacesWhateverItsDate) {
  add({entry(1, 5)});
  ProfileEntry older = entry(1, 6);
  older.measured_at_s = 1000;
  add({older});
  expect_loaded({older});
}

TEST_F(ProfileStoreTest, MachineNamesBecomeOneLine) {
  const ProfileStore odd(cache_, {kFingerprint, "A\nB \xc3\xa4 C"});
  ASSERT_TRUE(odd.add({entry(1)}).ok());
  expect_loaded({entry(1)});
  EXPECT_NE(on_disk().find("machine 0123456789abcdef A?B ?? C\n"), std::string::npos) << on_disk();
}

TEST_F(ProfileStoreTest, WhatCannotBeIsNotStored) {
  ProfileEntry bad = entry(2);
  bad.measurements[0].median_s = -1;
  expect_error(store().add({entry(1), bad}), StatusCode::kInvalidArgument, {"median -1"});
  expect_loaded({});
}

TEST_F(ProfileStoreTest, StaleEntriesStayInTheFileUntilMeasuredAgain) {
  add({entry(1), stale_entry(2), stale_entry(3)});
  expect_loaded({entry(1)}, {"2 of the entries were measured against other kernels"});
  add({entry(2)});
  expect_loaded({entry(1), entry(2)}, {"1 of the entries"});
  EXPECT_NE(on_disk().find("static_matmul_avx2.900"), std::string::npos);
}

// ---- no cache, or none that can be used

TEST_F(ProfileStoreTest, WithoutAHomeNothingIsRemembered) {
  cache_ = "";
  expect_loaded({});
  EXPECT_EQ(store().path(), "");
  expect_error(store().add({entry(1)}), StatusCode::kNotFound, {"no cache directory"});
  expect_error(export_to(folder_.file("x")), StatusCode::kNotFound, {"no cache directory"});
}

TEST_F(ProfileStoreTest, ASymlinkIsNotFollowed) {
  add({entry(1)});
  const std::string elsewhere = folder_.file("elsewhere");
  fs::rename(store().path(), elsewhere);
  fs::create_symlink(elsewhere, store().path());
  expect_loaded({}, {"symbolic link"});
  expect_error(store().add({entry(2)}), StatusCode::kIoError, {store().path(), "remove it"});
  EXPECT_EQ(read_file(elsewhere), in_file({entry(1)}));
  fs::remove(store().path());
  fs::rename(folder_.file("cache/profiles"), folder_.file("moved"));
  fs::create_directory_symlink(folder_.file("moved"), folder_.file("cache/profiles"));
  expect_loaded({}, {"symbolic link"});
  expect_error(store().add({entry(2)}), StatusCode::kIoError, {"symbolic link"});
}

TEST_F(ProfileStoreTest, AFolderInItsPlace) {
  fs::create_directories(store().path());
  ASSERT_EQ(::chmod(folder_.file("cache").c_str(), 0700), 0);
  ASSERT_EQ(::chmod(folder_.file("cache/profiles").c_str(), 0700), 0);
  expect_loaded({}, {"not a plain file"});
  expect_error(store().add({entry(2)}), StatusCode::kIoError, {"not a plain file", "remove it"});
}

TEST_F(ProfileStoreTest, AForeignFileIsNotRead) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give a file away";
  add({entry(1)});
  ASSERT_EQ(::chown(store().path().c_str(), 12345, 12345), 0);
  expect_loaded({}, {"belongs to user 12345"});
  expect_error(store().add({entry(2)}), StatusCode::kIoError, {"belongs to user 12345"});
  ASSERT_EQ(::chown(folder_.file("cache/profiles").c_str(), 12345, 12345), 0);
  expect_loaded({}, {"belongs to user 12345"});
}

TEST_F(ProfileStoreTest, AReadOnlyFolderIsReadAndNotWritten) {
  add({entry(1)});
  const uid_t user = ::geteuid() == 0 ? 12345 : ::geteuid();
  std::vector<fs::path> paths = {folder_.path()};
  for (const auto& each : fs::recursive_directory_iterator(folder_.path())) paths.push_back(each);
  for (const fs::path& path : paths)
    ASSERT_EQ(::chown(path.c_str(), user, static_cast<gid_t>(-1)), 0) << path;
  ASSERT_EQ(::chmod(folder_.file("cache/profiles").c_str(), 0500), 0);
  EXPECT_EQ(in_child([&]() -> std::string {
              if (::setuid(user) != 0) return "setuid failed";
              const LoadedProfile loaded = store().load();
              if (loaded.profile.entries != std::vector{entry(1)} || !loaded.problems.empty())
                return "reads something else";
              const Status status = store().add({entry(2)});
              return status.code() == StatusCode::kIoError
                         ? ""
                         : "expected a refusal: " + status.message();
            }),
            "");
  ASSERT_EQ(::chmod(folder_.file("cache/profiles").c_str(), 0700), 0);
}

TEST_F(ProfileStoreTest, AFullDiskLeavesWhatWasThere) {
  fs::create_directories(folder_.path() / "cache");
  const std::string result = in_child([&]() -> std::string {
    for (const std::string& refusal :
         {own_mounts(), mount_small_disk(folder_.file("cache"), 64 << 10)})
      if (!refusal.empty()) return "skip: " + refusal;
    if (const Status status = store().add({entry(1)}); !status.ok()) return status.message();
    std::vector<ProfileEntry> many;
    for (int64_t n = 2; n < 400; ++n) many.push_back(entry(n));
    if (store().add(many).code() != StatusCode::kIoError) return "it fits";
    return store().load().profile.entries == std::vector{entry(1)} ? "" : "something else is there";
  });
  if (result.starts_with("skip: ")) GTEST_SKIP() << "no disk of our own: " << result;
  EXPECT_EQ(result, "");
}

// ---- what may stand in the file

TEST_F(ProfileStoreTest, AnotherVersionIsLeftAlone) {
  put_on_disk("bitnetc-profile 2\nof the future\n");
  expect_loaded({}, {"version '2'"});
  expect_error(store().add({entry(1)}), StatusCode::kUnsupported, {store().path(), "remove it"});
  EXPECT_EQ(on_disk(), "bitnetc-profile 2\nof the future\n");
}

TEST_F(ProfileStoreTest, WhatIsNoProfileIsReplaced) {
  for (const std::string& text :
       {std::string(), std::string("hello\n"), std::string("bitnetc-profile 1\nmachine\n"),
        std::string(1000, '\0'), in_file({entry(9)}, "another")}) {
    put_on_disk(text);
    expect_loaded({}, {"the next `bitnetc autotune` replaces it"});
    expect_error(export_to(folder_.file("x")), StatusCode::kNotFound, {"autotune"});
    add({entry(1)});
    expect_loaded({entry(1)});
  }
}

TEST_F(ProfileStoreTest, AFileThatIsTooLargeIsNotRead) {
  put_on_disk(in_file({entry(1)}));
  ASSERT_EQ(::truncate(store().path().c_str(), off_t{1} << 40), 0);
  expect_loaded({}, {"bytes"});
  expect_error(store().add({entry(1)}), StatusCode::kIoError, {"remove it"});
}

TEST_F(ProfileStoreTest, DamageCostsItsEntryOnly) {
  const std::vector<ProfileEntry> all = {entry(1), entry(2), entry(3)};
  const std::string good = in_file(all);
  for (size_t at = good.find("matmul"); at < good.size(); at += 7) {
    std::string damaged = good;
    damaged[at] = static_cast<char>(damaged[at] ^ 4);
    put_on_disk(damaged);
    const LoadedProfile loaded = store().load();
    EXPECT_EQ(loaded.profile.entries.size(), 2u) << at;
    for (const ProfileEntry& each : loaded.profile.entries)
      EXPECT_NE(std::ranges::find(all, each), all.end()) << at;
    ASSERT_GE(loaded.problems.size(), 2u) << at;
    EXPECT_NE(loaded.problems[0].find(store().path()), std::string::npos) << loaded.problems[0];
    EXPECT_NE(loaded.problems.back().find("`bitnetc autotune`"), std::string::npos);
  }
  put_on_disk(good.substr(0, good.size() - 30));
  expect_loaded({entry(1), entry(2)}, {"is cut short", "measures again"});
  add({entry(3)});
  expect_loaded(all);
}

// ---- several processes

TEST_F(ProfileStoreTest, TwoProcessesLoseNothing) {
  constexpr int64_t kRounds = 200;
  const auto work = [this](int64_t first) {
    return [this, first]() -> std::string {
      for (int64_t round = 0; round < kRounds; ++round) {
        const Status status = store().add({entry(first + 2 * round)});
        if (!status.ok()) return fmt::format("round {}: {}", round, status.message());
        ::usleep(6000);  // between two entries there is a contest; a waiter asks every 5 ms
        if (round % 20 != 0) continue;
        const LoadedProfile loaded = store().load();
        if (!loaded.problems.empty()) return loaded.problems[0];
        if (std::ssize(loaded.profile.entries) < round + 1) return "an entry is lost";
      }
      return "";
    };
  };
  ChildProcess odd(work(1)), even(work(2));
  EXPECT_EQ(odd.wait(), "");
  EXPECT_EQ(even.wait(), "");
  std::vector<ProfileEntry> all;
  for (int64_t n = 1; n <= 2 * kRounds; ++n) all.push_back(entry(n));
  expect_loaded(all);
}

TEST_F(ProfileStoreTest, AKilledProcessLosesNothingThatWasThere) {
  std::vector<ProfileEntry> before;
  for (int64_t n = 1; n <= 100; ++n) before.push_back(entry(n));
  add(before);
  for (int round = 0; round < 30; ++round) {
    ChildProcess writer([&]() -> std::string {
      for (int64_t n = 101;; ++n)
        if (const Status status = store().add({entry(n % 400 + 101)}); !status.ok())
          return status.message();
    });
    ::usleep(static_cast<useconds_t>(300 + round * 577));
    writer.kill();
    const LoadedProfile loaded = store().load();
    EXPECT_TRUE(loaded.problems.empty()) << loaded.problems[0];
    ASSERT_GE(loaded.profile.entries.size(), before.size()) << round;
    EXPECT_TRUE(std::ranges::includes(loaded.profile.entries, before, {}, &ProfileEntry::key,
                                      &ProfileEntry::key))
        << round;
    // The lock went with the process.
    add({entry(1)});
  }
}

// ---- export and import

TEST_F(ProfileStoreTest, WhatIsExportedIsImportedOnAnEqualMachine) {
  expect_error(export_to(folder_.file("shared")), StatusCode::kNotFound, {"autotune"});
  add({entry(1), entry(2)});
  const Status exported = export_to(folder_.file("shared"));
  ASSERT_TRUE(exported.ok()) << exported.message();
  EXPECT_EQ(read_file(folder_.file("shared")), in_file({entry(1), entry(2)}));

  cache_ = folder_.file("other");
  ProfileEntry newer = entry(2, 9);
  newer.measured_at_s += 10;
  add({newer, entry(3)});
  std::vector<std::string> problems;
  const auto imported = store().import_from(folder_.file("shared"), problems);
  ASSERT_TRUE(imported.ok()) << imported.status().message();
  EXPECT_EQ(*imported, 1);
  EXPECT_TRUE(problems.empty());
  expect_loaded({entry(1), newer, entry(3)});
}

TEST_F(ProfileStoreTest, AnotherMachinesProfileIsRefused) {
  write_file(folder_.path() / "shared", in_file({entry(1)}, "fedcba"));
  std::vector<std::string> problems;
  expect_error(store().import_from(folder_.file("shared"), problems), StatusCode::kUnsupported,
               {"fedcba", kFingerprint, kMachine});
  expect_loaded({});
}

TEST_F(ProfileStoreTest, ImportTakesOnlyWhatThisBuildWouldChoose) {
  ProfileEntry refused = scripted_entry({.n = 256, .k = 256}, kAvx2Target, 1,
                                        {{"x64_matmul_i2s_avx2", DirectPlan{.tiles_per_step = 3}}});
  ProfileEntry unknown = scripted_entry({.n = 512, .k = 256}, kAvx2Target, 1, {{"no_such", {}}});
  ProfileEntry future = entry(5);
  future.measured_at_s = 4'000'000'000;
  std::string text = in_file({entry(1), refused, unknown, stale_entry(4), future, entry(6)});
  text[text.size() - 5] ^= 1;  // the checksum of the last
  write_file(folder_.path() / "shared", text);
  std::vector<std::string> problems;
  const auto imported = store().import_from(folder_.file("shared"), problems);
  ASSERT_TRUE(imported.ok()) << imported.status().message();
  EXPECT_EQ(*imported, 1);
  EXPECT_EQ(problems.size(), 4u) << fmt::format("{}", fmt::join(problems, "\n"));
  for (const char* named : {"was altered", "in the future", "tiles_per_step = 3",
                            "2 of the entries were measured against other kernels"})
    EXPECT_TRUE(std::ranges::any_of(problems, [&](const std::string& problem) {
      return problem.find(named) != std::string::npos;
    })) << named;
  expect_loaded({entry(1)});
}

TEST_F(ProfileStoreTest, FilesOfTheUsersThatCannotBeReadOrWritten) {
  std::vector<std::string> problems;
  const auto import = [&](const std::string& file) { return store().import_from(file, problems); };
  expect_error(import(folder_.file("none")), StatusCode::kNotFound, {"none", "no such file"});
  expect_error(import(folder_.path()), StatusCode::kIoError, {"not a plain file"});
  expect_error(import("/dev/zero"), StatusCode::kIoError, {"not a plain file"});
  write_file(folder_.path() / "text", "hello");
  expect_error(import(folder_.file("text")), StatusCode::kDataCorrupt, {"text:1", "not a profile"});
  ASSERT_EQ(::truncate(folder_.file("text").c_str(), off_t{1} << 40), 0);
  expect_error(import(folder_.file("text")), StatusCode::kDataCorrupt, {"larger than"});
  add({entry(1)});
  expect_error(export_to(folder_.file("none/x")), StatusCode::kIoError, {"none/x"});
  fs::create_directory(folder_.path() / "folder");
  expect_error(export_to(folder_.file("folder")), StatusCode::kInvalidArgument,
               {"is a folder, expected a file"});
  EXPECT_FALSE(fs::exists(folder_.file("folder.part")));
}

}  // namespace
}  // namespace bitnetc::test
