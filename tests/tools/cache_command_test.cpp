// `bitnetc cache`, and what a run makes of a cache that is damaged, foreign, read-only or shared.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "tests/support/child_process.h"
#include "tests/support/cli_fixture.h"

namespace bitnetc::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr int kFailure = 1, kUsage = 2, kCheckFailed = 4;

class CacheCommand : public CliFixture {
 protected:
  // `more`: "-q" leaves errors only.
  ProcessResult run_story(std::vector<std::string> more = {}) const {
    std::vector<std::string> run = {"run", "-p", "Once upon a time", "-n", "8", "--temp", "0"};
    run.insert(run.end(), more.begin(), more.end());
    return bitnetc(run);
  }
  // Runs the bundled model, which leaves a model and, in builds with LLVM, kernels.
  std::string fill() const {
    const auto result = run_story();
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return result.out;
  }
  fs::path cache() const { return folder_.path() / "cache" / "bitnetc"; }
  std::vector<fs::path> files(const char* kind) const {
    std::vector<fs::path> found;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(cache() / kind, error))
      found.push_back(entry.path());
    return found;
  }
  static void flip(const fs::path& path) {
    std::string bytes = read_file(path);
    bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
    write_file(path, bytes);
  }
  static bool has_stored_kernels() {
#if defined(BITNETC_HAVE_LLVM) && defined(__x86_64__)
    return true;
#else
    return false;
#endif
  }
};

TEST_F(CacheCommand, AnEmptyCacheIsListedAndNotMade) {
  const auto listed = bitnetc({"cache", "ls"});
  EXPECT_EQ(listed.exit_code, 0) << listed.err;
  for (const char* kind : {"models", "kernels", "profiles", "limits"})
    EXPECT_NE(listed.out.find(kind), std::string::npos) << listed.out;
  EXPECT_EQ(bitnetc({"cache", "verify"}).exit_code, 0);
  EXPECT_EQ(bitnetc({"cache", "clear", "--all"}).exit_code, 0);
  EXPECT_FALSE(fs::exists(cache()));
}

TEST_F(CacheCommand, TheNextRunTakesKernelsFromIt) {
  if (!has_stored_kernels()) GTEST_SKIP() << "this build stores no kernels";
  fill();
  const auto again = bitnetc({"run", "-p", "Once", "-n", "2", "--json"});
  ASSERT_EQ(again.exit_code, 0) << again.err;
  EXPECT_GT(json::parse(again.out)["timings"]["kernels_stored"].get<int>(), 0) << again.out;
}

TEST_F(CacheCommand, ListsModelsAndKernels) {
  fill();
  fs::create_directories(cache() / "profiles");
  write_file(cache() / "profiles" / "here.profile", "tuned");
  const auto listed = bitnetc({"cache", "ls", "--json"});
  ASSERT_EQ(listed.exit_code, 0) << listed.err;
  const json document = json::parse(listed.out);
  EXPECT_EQ(document["cache_dir"], cache().string());
  EXPECT_TRUE(document["problems"].empty()) << listed.out;
  std::map<std::string, int> count;
  for (const json& entry : document["entries"]) {
    ++count[entry["kind"]];
    EXPECT_EQ(entry["size_bytes"], fs::file_size(entry["path"].get<std::string>()));
    EXPECT_GT(entry["used_unix_seconds"].get<int64_t>(), 1'700'000'000);
    if (entry["kind"] != "kernels") continue;
    EXPECT_NE(entry["key"].get<std::string>().find("with LLVM "), std::string::npos) << entry;
  }
  EXPECT_EQ(count["models"], 1);
  EXPECT_EQ(count["profiles"], 1);
  if (has_stored_kernels()) {
    EXPECT_GT(count["kernels"], 0);
  }
  const auto text = bitnetc({"cache", "ls"});
  EXPECT_NE(text.out.find("fairytale-6m-"), std::string::npos) << text.out;
  EXPECT_NE(text.out.find("here.profile"), std::string::npos) << text.out;
  EXPECT_EQ(text.err, "");
}

TEST_F(CacheCommand, VerifyNamesWhatIsDamagedAndClearRemovesIt) {
  const std::string expected = fill();
  EXPECT_EQ(bitnetc({"cache", "verify"}).exit_code, 0);
  std::vector<fs::path> damaged = {files("models").at(0)};
  if (has_stored_kernels()) damaged.push_back(files("kernels").at(0));
  for (const fs::path& path : damaged) flip(path);
  const auto verified = bitnetc({"cache", "verify"});
  EXPECT_EQ(verified.exit_code, kCheckFailed);
  const auto as_json = bitnetc({"cache", "verify", "--json"});
  EXPECT_EQ(as_json.exit_code, kCheckFailed);
  EXPECT_EQ(json::parse(as_json.out)["problems"].size(), damaged.size()) << as_json.out;
  for (const fs::path& path : damaged)
    EXPECT_NE(verified.err.find(path.string()), std::string::npos) << verified.err;
  EXPECT_NE(verified.err.find("bitnetc cache clear --damaged"), std::string::npos) << verified.err;
  const auto cleared = bitnetc({"cache", "clear", "--damaged"});
  EXPECT_EQ(cleared.exit_code, 0) << cleared.err;
  for (const fs::path& path : damaged) EXPECT_FALSE(fs::exists(path)) << path;
  EXPECT_EQ(bitnetc({"cache", "verify"}).exit_code, 0);
  EXPECT_EQ(run_story().out, expected);
}

TEST_F(CacheCommand, ClearSaysWhatItRemoved) {
  fill();
  const auto nothing = bitnetc({"cache", "clear"});
  EXPECT_EQ(nothing.exit_code, kUsage);
  EXPECT_NE(nothing.err.find("--all"), std::string::npos) << nothing.err;
  const auto models = bitnetc({"cache", "clear", "--models"});
  EXPECT_EQ(models.exit_code, 0) << models.err;
  EXPECT_NE(models.out.find("1 removed"), std::string::npos) << models.out;
  EXPECT_EQ(models.out.find("kernels"), std::string::npos) << models.out;
  EXPECT_TRUE(files("models").empty());
  EXPECT_EQ(!files("kernels").empty(), has_stored_kernels());
  const auto kernels = bitnetc({"cache", "clear", "--kernels"});
  EXPECT_EQ(kernels.exit_code, 0) << kernels.err;
  EXPECT_TRUE(files("kernels").empty());
  fill();
  EXPECT_EQ(bitnetc({"cache", "clear", "--all"}).exit_code, 0);
  EXPECT_TRUE(files("models").empty() && files("kernels").empty());
}

TEST_F(CacheCommand, WithoutACacheDirectoryItSaysSo) {
  for (const char* verb : {"ls", "verify"}) {
    const auto result = bitnetc({"cache", verb}, {{"XDG_CACHE_HOME", ""}});
    EXPECT_EQ(result.exit_code, kUsage);
    EXPECT_NE(result.err.find("no cache directory"), std::string::npos) << result.err;
  }
  EXPECT_EQ(bitnetc({"cache", "clear", "--all"}, {{"XDG_CACHE_HOME", ""}}).exit_code, kUsage);
}

TEST_F(CacheCommand, AFolderThatOthersMayWriteToIsNotTouched) {
  const std::string expected = fill();
  ASSERT_EQ(::chmod((cache() / "models").c_str(), 0777), 0);
  const auto verified = bitnetc({"cache", "verify"});
  EXPECT_EQ(verified.exit_code, kCheckFailed);
  EXPECT_NE(verified.err.find("may be written by others; run chmod go-w"), std::string::npos)
      << verified.err;
  EXPECT_EQ(bitnetc({"cache", "clear", "--models"}).exit_code, kFailure);
  EXPECT_EQ(files("models").size(), 1u);
  const auto run = run_story();
  EXPECT_EQ(run.out, expected);
  EXPECT_NE(run.err.find("compiling into a temporary file instead"), std::string::npos) << run.err;
}

TEST_F(CacheCommand, ASymlinkedModelIsNotFollowed) {
  const std::string expected = fill();
  const fs::path model = files("models").at(0);
  fs::rename(model, folder_.path() / "elsewhere.bnc");
  fs::create_symlink(folder_.path() / "elsewhere.bnc", model);
  EXPECT_EQ(bitnetc({"cache", "verify"}).exit_code, kCheckFailed);
  const auto run = run_story();
  EXPECT_EQ(run.out, expected);
  EXPECT_NE(run.err.find("is a symbolic link"), std::string::npos) << run.err;
  EXPECT_FALSE(fs::is_symlink(model));
}

TEST_F(CacheCommand, DamagedKernelsAreSaidAndMadeAgain) {
  if (!has_stored_kernels()) GTEST_SKIP() << "this build stores no kernels";
  const std::string expected = fill();
  for (const fs::path& path : files("kernels")) flip(path);
  const auto run = run_story();
  EXPECT_EQ(run.out, expected);
  EXPECT_NE(run.err.find("is generated again"), std::string::npos) << run.err;
  const auto again = run_story({"-q"});
  EXPECT_EQ(again.out, expected);
  EXPECT_EQ(again.err, "");
}

TEST_F(CacheCommand, AReadOnlyCacheIsUsed) {
  const std::string expected = fill();
  const std::string result = in_child([&]() -> std::string {
    for (const std::string& refusal : {own_mounts(), make_read_only(folder_.path())})
      if (!refusal.empty()) return "skip: " + refusal;
    const auto run = run_story({"-q"});
    if (run.out != expected) return "another text: " + run.out + run.err;
    return run.err;
  });
  if (result.starts_with("skip: ")) GTEST_SKIP() << "no read-only disk of our own: " << result;
  EXPECT_EQ(result, "");
}

TEST_F(CacheCommand, TwoRunsAtOnceShareAnEmptyCache) {
  const std::string expected = fill();
  fs::remove_all(cache());
  for (int round = 0; round < 4; ++round) {
    const auto work = [&]() -> std::string {
      const auto run = run_story();
      return run.exit_code == 0 && run.out == expected
                 ? ""
                 : fmt::format("{} {} {}", run.exit_code, run.out, run.err);
    };
    ChildProcess one(work), two(work);
    EXPECT_EQ(one.wait(), "");
    EXPECT_EQ(two.wait(), "");
    EXPECT_EQ(bitnetc({"cache", "verify"}).exit_code, 0);
    fs::remove_all(round % 2 == 0 ? cache() / "kernels" : cache());
  }
}

}  // namespace
}  // namespace bitnetc::test
