// --mlock, --numa, and models that do not fit in memory.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

#include "runtime/memory_allowance.h"
#include "runtime/memory_nodes.h"
#include "tests/support/child_process.h"
#include "tests/support/cli_fixture.h"
#include "tests/support/sanitizers.h"
#include "tools/engine/engine.h"

namespace bitnetc::test {
namespace {

constexpr int kFailed = 1, kUsage = 2, kBadInput = 3;
constexpr char kModel[] = BITNETC_SOURCE_DIR "/tools/models/fairytale-6m";

class MemoryOptionsTest : public CliFixture {
 protected:
  static std::vector<std::string> story(std::vector<std::string> more = {}) {
    std::vector<std::string> run = {"run", kModel, "-p", "Once upon a time", "-n", "8"};
    run.insert(run.end(), more.begin(), more.end());
    return run;
  }
  // A file that says it is larger than any machine, and takes no room.
  std::string enormous_file() const {
    const std::string path = folder_.file("enormous.bnc");
    const int fd = ::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    EXPECT_GE(fd, 0);
    constexpr char kMagic[] =
        "\x89"
        "BNC\r\n\x1a\n";
    EXPECT_EQ(::write(fd, kMagic, 8), 8);
    EXPECT_EQ(::ftruncate(fd, int64_t{1} << 43), 0);
    ::close(fd);
    return path;
  }
};

TEST_F(MemoryOptionsTest, ARefusedLockIsANoteAndTheRunGoesOn) {
  if (kIsSanitized) {
    std::printf("SKIPPED: mlock does nothing under a sanitizer\n");
    GTEST_SKIP() << "mlock does nothing under a sanitizer";
  }
  const auto free = bitnetc(story());
  EXPECT_EQ(free.exit_code, 0) << free.err;
  EXPECT_EQ(in_child([&]() -> std::string {
              if (const std::string problem = limit_locking(16 << 10); !problem.empty())
                return problem;
              const auto limited = bitnetc(story({"--mlock"}));
              if (limited.exit_code != 0) return limited.err;
              if (limited.out != free.out) return "another text: " + limited.out;
              const size_t at = limited.err.find("note: the model (");
              const size_t how = limited.err.find("(RLIMIT_MEMLOCK; to raise it: ulimit -l");
              const size_t last = limited.err.rfind("RLIMIT_MEMLOCK");
              if (at == std::string::npos || how == std::string::npos || last != how + 1)
                return "expected one note: " + limited.err;
              return "";
            }),
            "");
}

TEST_F(MemoryOptionsTest, WhatIsLockedRunsAsEver) {
  const auto free = bitnetc(story());
  const auto locked = bitnetc(story({"--mlock"}));
  EXPECT_EQ(locked.exit_code, 0) << locked.err;
  EXPECT_EQ(locked.out, free.out);
  const auto bench = bitnetc({"bench", kModel, "--prompt", "4", "--gen", "2", "-r", "1", "-t", "1",
                              "--mlock", "--numa", "interleave"});
  EXPECT_EQ(bench.exit_code, 0) << bench.err;
}

TEST_F(MemoryOptionsTest, InterleavingChangesNoText) {
  const auto off = bitnetc(story({"--numa", "off"}));
  EXPECT_EQ(off.exit_code, 0) << off.err;
  const auto spread = bitnetc(story({"--numa", "interleave", "-v"}));
  EXPECT_EQ(spread.exit_code, 0) << spread.err;
  EXPECT_EQ(spread.out, off.out);
  const bool one_node = memory_nodes().size() < 2;
  EXPECT_NE(spread.err.find(one_node ? "one memory node" : "memory is spread over nodes"),
            std::string::npos)
      << spread.err;
  const auto wrong = bitnetc(story({"--numa", "mirror"}));
  EXPECT_EQ(wrong.exit_code, kUsage);
  EXPECT_NE(wrong.err.find("--numa"), std::string::npos) << wrong.err;
}

TEST_F(MemoryOptionsTest, AFileLargerThanMemoryIsRefusedBeforeItIsRead) {
  if (!memory_allowance()) GTEST_SKIP() << "this system does not say how much memory it has";
  const std::string path = enormous_file();
  for (const char* command : {"run", "bench"}) {
    const auto refused = bitnetc({command, path}, {}, "Once");
    EXPECT_EQ(refused.exit_code, kFailed) << refused.err;
    EXPECT_EQ(refused.err.find("bitnetc: " + path +
                               ": needs 8796094 MB of memory (8796094 MB for "
                               "its weights), but "),
              0u)
        << refused.err;
  }
  // Unchecked it is found to be no model.
  const auto unchecked = bitnetc({"run", path, "--no-memory-check"}, {}, "Once");
  EXPECT_EQ(unchecked.exit_code, kBadInput) << unchecked.err;
}

TEST_F(MemoryOptionsTest, ContextCountsWithTheWeights) {
  if (!memory_allowance()) GTEST_SKIP() << "this system does not say how much memory it has";
  EngineOptions options{.settings = {.cache_dir = folder_.file("cache")}};
  const auto engine = make_engine(kModel, options);
  ASSERT_TRUE(engine.ok()) << engine.status().message();
  EXPECT_TRUE(expect_memory(*engine, 2048, options).ok());
  const Status refused = expect_memory(*engine, int64_t{1} << 40, options);
  EXPECT_EQ(refused.code(), StatusCode::kOutOfMemory);
  EXPECT_NE(refused.message().find("1099511627776 positions of context"), std::string::npos)
      << refused.message();
  options.memory.check = false;
  EXPECT_TRUE(expect_memory(*engine, int64_t{1} << 40, options).ok());
}

}  // namespace
}  // namespace bitnetc::test
