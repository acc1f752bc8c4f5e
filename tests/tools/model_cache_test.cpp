// Which compiled model a run takes from the cache, and what outputs do to files.
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <filesystem>
#include <functional>

#include "tests/support/child_process.h"
#include "tests/support/cli_fixture.h"

namespace bitnetc::test {
namespace {

namespace fs = std::filesystem;

constexpr int kUsage = 2, kCheckFailed = 4;

class ModelCache : public CliFixture {
 protected:
  void SetUp() override {
    fs::copy(fs::path(BITNETC_SOURCE_DIR) / "tools/models/fairytale-6m", model_);
  }
  ProcessResult run() const {
    return bitnetc(
        {"run", model_.string(), "-p", "Once upon a time", "-n", "8", "--temp", "0", "-q"});
  }
  std::vector<std::string> cached() const {
    std::vector<std::string> names;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(cache_, error))
      names.push_back(entry.path().filename().string());
    return names;
  }
  // Other bytes under the same name, size and mtime, as `rsync -t` leaves them.
  void replace(const char* file, const std::function<void(std::string&)>& change) const {
    const fs::path path = model_ / file;
    std::string bytes = read_file(path);
    change(bytes);
    struct stat info = {};
    ASSERT_EQ(::stat(path.c_str(), &info), 0);
    const fs::path fresh = model_ / "fresh";
    write_file(fresh, bytes);
    const timespec times[2] = {info.st_atim, info.st_mtim};
    ASSERT_EQ(::utimensat(AT_FDCWD, fresh.c_str(), times, 0), 0);
    fs::rename(fresh, path);
  }

  const fs::path model_ = folder_.path() / "model";
  const fs::path cache_ = folder_.path() / "cache" / "bitnetc" / "models";
};

TEST_F(ModelCache, NewWeightsOfTheSameSizeAndTimeAreSeen) {
  ASSERT_EQ(run().exit_code, 0);
  ASSERT_EQ(cached().size(), 1u);
  replace("model.safetensors", [](std::string& bytes) { bytes.back() ^= 1; });
  ASSERT_EQ(run().exit_code, 0);
  EXPECT_EQ(cached().size(), 2u);
}

TEST_F(ModelCache, FilesThatAreNotReadAndTimesMakeNoOtherModel) {
  ASSERT_EQ(run().exit_code, 0);
  write_file(model_ / "README.md", "another readme");
  write_file(model_ / "output.txt", "text");
  fs::last_write_time(model_ / "config.json", fs::file_time_type::clock::now());
  ASSERT_EQ(run().exit_code, 0);
  EXPECT_EQ(cached().size(), 1u);
}

TEST_F(ModelCache, ThreeModelsOfAFolderAreKept) {
  for (int i = 0; i < 5; ++i) {
    replace("generation_config.json", [](std::string& bytes) { bytes += "\n"; });
    ASSERT_EQ(run().exit_code, 0);
  }
  EXPECT_EQ(cached().size(), 3u);
}

TEST_F(ModelCache, ACacheThatIsEmptiedAllTheTimeIsAMiss) {
  const std::string expected = run().out;
  ChildProcess clearer([&]() -> std::string {
    while (true) (void)bitnetc({"cache", "clear", "--all"});
  });
  for (int i = 0; i < 15; ++i) {
    const auto result = run();
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_EQ(result.out, expected);
  }
  clearer.kill();
}

TEST_F(ModelCache, WhatAKilledProcessLeftIsShownAndRemoved) {
  ASSERT_EQ(run().exit_code, 0);
  const fs::path left = cache_ / "model.bnc.tmp-0123456789abcdef";
  write_file(left, "half");
  EXPECT_NE(bitnetc({"cache", "ls"}).out.find(".tmp-"), std::string::npos);
  const auto verified = bitnetc({"cache", "verify"});
  EXPECT_EQ(verified.exit_code, kCheckFailed);
  EXPECT_NE(verified.err.find(left.string()), std::string::npos) << verified.err;
  EXPECT_EQ(bitnetc({"cache", "clear", "--models"}).exit_code, 0);
  EXPECT_FALSE(fs::exists(left));
  fs::create_directories(cache_);
  write_file(left, "half");
  ASSERT_EQ(run().exit_code, 0);
  EXPECT_FALSE(fs::exists(left));
}

TEST_F(ModelCache, OutputsNeverTakeThePlaceOfInputs) {
  const std::string weights = read_file(model_ / "model.safetensors");
  fs::create_symlink(model_ / "model.safetensors", folder_.file("link"));
  for (const std::string& output :
       {(model_ / "model.safetensors").string(), folder_.file("link")}) {
    const auto compiled = bitnetc({"compile", model_.string(), "-o", output});
    EXPECT_EQ(compiled.exit_code, kUsage) << compiled.err;
    EXPECT_NE(compiled.err.find(output), std::string::npos) << compiled.err;
    EXPECT_EQ(bitnetc({"run", model_.string(), "-p", "a", "-n", "1", "--logits", output}).exit_code,
              kUsage);
  }
  EXPECT_EQ(read_file(model_ / "model.safetensors"), weights);
}

TEST_F(ModelCache, ADeviceIsNoCompiledModelAndStaysADevice) {
  const auto result = bitnetc({"compile", model_.string(), "-o", "/dev/null"});
  EXPECT_EQ(result.exit_code, kUsage) << result.err;
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
}

TEST_F(ModelCache, ALimitOnFileSizesIsOneLineAndLeavesNothing) {
  const std::string problem = in_child([&]() -> std::string {
    const rlimit limit{.rlim_cur = 100'000, .rlim_max = 100'000};
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return "no limit";
    const auto result = bitnetc({"compile", model_.string(), "-o", folder_.file("out.bnc")});
    return result.exit_code == 1 ? "" : fmt::format("{} {}", result.exit_code, result.err);
  });
  EXPECT_EQ(problem, "");
  for (const auto& entry : fs::directory_iterator(folder_.path()))
    EXPECT_FALSE(entry.path().filename().string().starts_with("out.bnc")) << entry.path();
}

TEST_F(ModelCache, LogitsThatCannotBeWrittenAreSaidBeforeTheText) {
  const auto result = bitnetc({"run", model_.string(), "-p", "Once", "-n", "8", "--logits",
                               folder_.file("no/such/folder.npy")});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_EQ(result.out, "");
}

}  // namespace
}  // namespace bitnetc::test
