// The store under everything that can happen to files: never a wrong kernel, never a failure, a
// word where it matters.
#include "runtime/kernel_store.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <set>

#include "tests/support/child_process.h"
#include "tests/support/collected_notes.h"
#include "tests/support/model_folder.h"

namespace bitnetc::test {
namespace {

namespace fs = std::filesystem;
using Bytes = std::vector<uint8_t>;

KernelStoreKey key_of(const std::string& kernel) {
  return {.generator = "llvm_rms_norm",
          .revision = 3,
          .kernel = kernel,
          .target = "x86-64 +avx2",
          .toolchain = "LLVM 19.1.7"};
}

// Code that says which kernel it is.
Bytes code_of(const std::string& kernel) {
  Bytes code;
  for (int i = 0; i < 20; ++i) code.insert(code.end(), kernel.begin(), kernel.end());
  return code;
}

class KernelStoreTest : public testing::Test {
 protected:
  std::string kernels_folder() const { return folder_.file("cache/kernels"); }
  std::string path_of(const std::string& kernel) const {
    return kernels_folder() + "/" + key_of(kernel).digest();
  }
  // What was said about it.
  std::string put(const std::string& kernel) {
    KernelStore(cache_, notes_).put(key_of(kernel), code_of(kernel));
    return notes_.take();
  }

  // What a fresh process finds and what it says about it.
  struct Found {
    std::optional<Bytes> code;
    std::string said;
  };
  Found find(const std::string& kernel) {
    KernelStore store(cache_, notes_);
    Found found{.code = store.find(key_of(kernel)), .said = {}};
    for (const NoteKind kind : notes_.kinds()) EXPECT_EQ(kind, NoteKind::kCache);
    found.said = notes_.take();
    return found;
  }
  // A miss that is said once, and mended by generating again.
  void expect_mended(const std::string& what) {
    const Found found = find("a");
    EXPECT_FALSE(found.code.has_value()) << what;
    EXPECT_EQ(std::count(found.said.begin(), found.said.end(), '\n'), 0) << what << found.said;
    EXPECT_NE(found.said.find(path_of("a")), std::string::npos) << what << found.said;
    put("a");
    EXPECT_EQ(find("a").code, code_of("a")) << what;
  }

  TempFolder folder_;
  std::string cache_ = folder_.file("cache");
  CollectedNotes notes_;
};

TEST_F(KernelStoreTest, GivesBackWhatItWasGivenToAnyProcess) {
  KernelStore store(cache_, notes_);
  EXPECT_FALSE(store.find(key_of("a")).has_value());
  store.put(key_of("a"), code_of("a"));
  EXPECT_EQ(store.find(key_of("a")), code_of("a"));
  EXPECT_EQ(store.hits(), 1);
  EXPECT_EQ(in_child([this] { return find("a").code == code_of("a") ? "" : "another code"; }), "");
  EXPECT_FALSE(find("b").code.has_value());
  EXPECT_EQ(find("b").said, "");
}

TEST_F(KernelStoreTest, EveryPartOfTheKeyTellsKernelsApart) {
  const KernelStoreKey key = key_of("a");
  EXPECT_EQ(key.text(), "a by llvm_rms_norm revision 3 for x86-64 +avx2 with LLVM 19.1.7");
  EXPECT_EQ(key.digest().size(), 32u);
  EXPECT_EQ(key.digest().find_first_not_of("0123456789abcdef"), std::string::npos);
  std::vector<KernelStoreKey> others(5, key);
  others[0].generator = "llvm_rms_norm2";
  others[1].revision = 4;
  others[2].kernel = "b";
  others[3].target = "x86-64 +avx512f";
  others[4].toolchain = "LLVM 19.1.8";
  std::set<std::string> digests = {key.digest()};
  put("a");
  for (const KernelStoreKey& other : others) {
    EXPECT_TRUE(digests.insert(other.digest()).second) << other.text();
    EXPECT_FALSE(KernelStore(cache_, notes_).find(other).has_value()) << other.text();
  }
}

TEST_F(KernelStoreTest, EveryFlippedByteIsAMiss) {
  put("a");
  const std::string whole = read_file(path_of("a"));
  for (size_t at = 0; at < whole.size(); ++at) {
    std::string flipped = whole;
    flipped[at] = static_cast<char>(flipped[at] ^ (1 << at % 8));
    write_file(path_of("a"), flipped);
    const Found found = find("a");
    ASSERT_FALSE(found.code.has_value()) << "byte " << at;
    ASSERT_NE(found.said.find("is generated again"), std::string::npos) << found.said;
  }
  expect_mended("flipped");
}

TEST_F(KernelStoreTest, EveryTruncationIsAMiss) {
  put("a");
  const std::string whole = read_file(path_of("a"));
  for (size_t size = 0; size < whole.size(); ++size) {
    write_file(path_of("a"), whole.substr(0, size));
    ASSERT_FALSE(find("a").code.has_value()) << size << " bytes";
  }
  expect_mended("truncated");
  write_file(path_of("a"), whole + "x");
  expect_mended("longer");
}

TEST_F(KernelStoreTest, AnotherFormatAndAnotherKernelAreMisses) {
  put("a");
  std::string newer = read_file(path_of("a"));
  newer[8] = 2;
  write_file(path_of("a"), newer);
  EXPECT_NE(find("a").said.find("has format 2, expected 1"), std::string::npos);
  expect_mended("format");
  put("b");
  write_file(path_of("a"), read_file(path_of("b")));
  EXPECT_NE(find("a").said.find("has the name of another kernel"), std::string::npos);
  expect_mended("another kernel");
  write_file(path_of("a"), "something else entirely, longer than the header of an entry");
  EXPECT_NE(find("a").said.find("is no stored kernel"), std::string::npos);
  expect_mended("no kernel");
}

TEST_F(KernelStoreTest, SymlinksAreNotFollowed) {
  put("a");
  fs::rename(path_of("a"), folder_.path() / "elsewhere");
  fs::create_symlink(folder_.path() / "elsewhere", path_of("a"));
  const std::string before = read_file(folder_.path() / "elsewhere");
  EXPECT_NE(find("a").said.find("is a symbolic link"), std::string::npos);
  expect_mended("symlink");
  EXPECT_FALSE(fs::is_symlink(path_of("a")));
  EXPECT_EQ(read_file(folder_.path() / "elsewhere"), before);
}

TEST_F(KernelStoreTest, WhatCannotBeReplacedIsSaidAndNothingFails) {
  put("b");
  fs::create_directory(path_of("a"));
  EXPECT_NE(find("a").said.find("is not a plain file"), std::string::npos);
  const std::string said = put("a");
  EXPECT_NE(said.find("generated kernels are not kept"), std::string::npos) << said;
  EXPECT_EQ(find("b").code, code_of("b"));
}

TEST_F(KernelStoreTest, AnUnusableFolderIsSaidOnce) {
  put("a");
  ASSERT_EQ(::chmod(kernels_folder().c_str(), 0777), 0);
  KernelStore store(cache_, notes_);
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(store.find(key_of("a")).has_value());
    store.put(key_of("a"), code_of("a"));
  }
  EXPECT_EQ(notes_.take(), kernels_folder() + " may be written by others; run chmod go-w " +
                               kernels_folder() + "; generated kernels are not kept");
  EXPECT_FALSE(KernelStore(cache_, notes_).entries().ok());
}

TEST_F(KernelStoreTest, WithoutACacheDirectoryNothingIsKeptOrSaid) {
  cache_ = "";
  EXPECT_EQ(put("a"), "");
  const Found found = find("a");
  EXPECT_FALSE(found.code.has_value());
  EXPECT_EQ(found.said, "");
  EXPECT_EQ(KernelStore(cache_, notes_).entries().status().code(), StatusCode::kNotFound);
}

TEST_F(KernelStoreTest, AReadOnlyDiskIsReadAndNotWritten) {
  put("a");
  const std::string result = in_child([&]() -> std::string {
    for (const std::string& refusal : {own_mounts(), make_read_only(folder_.path())})
      if (!refusal.empty()) return "skip: " + refusal;
    const Found a = find("a"), b = find("b");
    if (a.code != code_of("a") || !a.said.empty()) return "a: " + a.said;
    if (b.code.has_value() || !b.said.empty()) return "b: " + b.said;
    const std::string said = put("b");
    return said.find("Read-only file system; generated kernels are not kept") != said.npos
               ? ""
               : "said: " + said;
  });
  if (result.starts_with("skip: ")) GTEST_SKIP() << "no read-only disk of our own: " << result;
  EXPECT_EQ(result, "");
}

TEST_F(KernelStoreTest, AFullDiskKeepsWhatWasThere) {
  fs::create_directory(folder_.path() / "cache");
  const std::string result = in_child([&]() -> std::string {
    for (const std::string& refusal :
         {own_mounts(), mount_small_disk(folder_.file("cache"), 32 << 10)})
      if (!refusal.empty()) return "skip: " + refusal;
    put("a");
    const Bytes large(100'000, 7);
    KernelStore(cache_, notes_).put(key_of("a"), large);
    const std::string said = notes_.take();
    if (said.find("No space left") == said.npos) return "said: " + said;
    return find("a").code == code_of("a") ? "" : "the old entry is gone";
  });
  if (result.starts_with("skip: ")) GTEST_SKIP() << "no disk of our own: " << result;
  EXPECT_EQ(result, "");
}

TEST_F(KernelStoreTest, TheEntriesNotUsedForLongestGo) {
  constexpr int64_t kLimit = 4'000;
  KernelStore store(cache_, notes_, kLimit);
  const Bytes code(1'000, 7);
  const auto set_used = [&](const std::string& kernel, int64_t seconds) {
    const timespec times[2] = {{seconds, 0}, {seconds, 0}};
    ASSERT_EQ(::utimensat(AT_FDCWD, path_of(kernel).c_str(), times, 0), 0);
  };
  for (const char* kernel : {"a", "b", "c"}) store.put(key_of(kernel), code);
  set_used("a", 3'000);
  set_used("b", 2'000);
  set_used("c", 1'000);
  EXPECT_TRUE(store.find(key_of("c")).has_value());  // now the one used last
  store.put(key_of("d"), code);
  EXPECT_TRUE(fs::exists(path_of("a")));
  EXPECT_FALSE(fs::exists(path_of("b")));
  EXPECT_TRUE(fs::exists(path_of("c")));
  EXPECT_TRUE(fs::exists(path_of("d")));
  store.put(key_of("e"), Bytes(10'000, 7));  // alone beyond the limit, and still kept
  EXPECT_TRUE(fs::exists(path_of("e")));
  EXPECT_EQ(std::distance(fs::directory_iterator(kernels_folder()), fs::directory_iterator()), 1);
}

TEST_F(KernelStoreTest, EntriesAreListedWithWhatIsWrong) {
  for (const char* kernel : {"a", "b", "c"}) put(kernel);
  write_file(path_of("b"), "short");
  fs::copy_file(path_of("c"), kernels_folder() + "/0000");
  const auto entries = KernelStore(cache_, notes_).entries();
  ASSERT_TRUE(entries.ok()) << entries.status().message();
  ASSERT_EQ(entries->size(), 4u);
  for (const StoredKernel& entry : *entries) {
    if (entry.file == "0000") {
      EXPECT_EQ(entry.problem, "has the name of another kernel");
    } else if (entry.file == key_of("b").digest()) {
      EXPECT_NE(entry.problem.find("is truncated: 5 bytes"), std::string::npos) << entry.problem;
    } else {
      EXPECT_EQ(entry.problem, "");
      EXPECT_TRUE(entry.key == key_of("a").text() || entry.key == key_of("c").text());
      EXPECT_GT(entry.size_bytes, 32);
      EXPECT_GT(entry.used_ns, 0);
    }
  }
}

TEST_F(KernelStoreTest, DisownedKernelsAreRemoved) {
  put("a");
  KernelStore store(cache_, notes_);
  EXPECT_FALSE(store.disown("a"));  // not this process's
  EXPECT_TRUE(store.find(key_of("a")).has_value());
  EXPECT_TRUE(store.disown("a"));
  EXPECT_EQ(store.hits(), 0);
  EXPECT_FALSE(fs::exists(path_of("a")));
  store.put(key_of("a"), code_of("a"));
  EXPECT_FALSE(store.disown("a"));  // its own fresh code: generating again gives the same
  EXPECT_FALSE(fs::exists(path_of("a")));
}

TEST_F(KernelStoreTest, TwoProcessesNeverGetAnotherKernel) {
  constexpr int kRounds = 200;
  // Room for half of the kernels: entries also come and go.
  const auto work = [this](int first) {
    return [this, first]() -> std::string {
      KernelStore store(cache_, notes_, 1'000);
      for (int round = 0; round < kRounds; ++round) {
        const std::string kernel = fmt::format("kernel{}", (first + round * 7) % 5);
        const auto found = store.find(key_of(kernel));
        if (found && *found != code_of(kernel)) return "a wrong kernel in round " + kernel;
        if (!found) store.put(key_of(kernel), code_of(kernel));
      }
      return "";
    };
  };
  ChildProcess one(work(0)), two(work(3));
  EXPECT_EQ(one.wait(), "");
  EXPECT_EQ(two.wait(), "");
  const auto entries = KernelStore(cache_, notes_).entries();
  ASSERT_TRUE(entries.ok()) << entries.status().message();
  for (const StoredKernel& entry : *entries) EXPECT_EQ(entry.problem, "");
}

}  // namespace
}  // namespace bitnetc::test
