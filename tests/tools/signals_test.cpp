// Ctrl-C, SIGTERM and SIGHUP end every command soon, with the exit code of the signal and nothing
// left behind.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "tests/support/cli_fixture.h"

namespace bitnetc::test {
namespace {

namespace fs = std::filesystem;

// 200 ms are promised; a busy machine that runs the tests beside others gets more.
constexpr int kSoonMs = 1000;
// What has something to report may take its time for it (5 s, tools/bitnetc/signals.h).
constexpr int kReportedMs = 6000;

class Signals : public CliFixture {
 protected:
  // Nothing of a command that was stopped in the middle of a file.
  std::vector<std::string> temporaries() const {
    std::vector<std::string> found;
    for (const auto& entry : fs::recursive_directory_iterator(folder_.path()))
      if (entry.path().filename().string().find(".tmp-") != std::string::npos)
        found.push_back(entry.path());
    return found;
  }
};

TEST_F(Signals, EveryCommandEndsSoon) {
  const std::string fifo = folder_.file("fifo");
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  ASSERT_EQ(bitnetc({"run", "-p", "x", "-n", "1", "-q"}).exit_code, 0);
  const std::vector<std::string> commands[] = {
      {"kernel", "check", "--seeds", "100000"},
      {"run", "-f", fifo},
      {"doctor"},
      {"autotune", "--shapes", "2560x6912", "--effort", "full"},
  };
  const std::pair<int, int> exit_codes[] = {{SIGINT, 130}, {SIGTERM, 143}, {SIGHUP, 129}};
  for (const auto& command : commands) {
    for (const auto& [signal, exit_code] : exit_codes) {
      const auto result = bitnetc_with(command, {.interrupt_after_ms = 300, .signal = signal});
      if (result.exit_code == 0 && command[0] == "doctor") continue;  // a quick machine
      EXPECT_EQ(result.exit_code, exit_code) << command[0] << result.err;
      EXPECT_LT(result.ended_after_ms, command[0] == "run" ? kSoonMs : kReportedMs) << command[0];
    }
  }
  EXPECT_TRUE(temporaries().empty()) << temporaries().front();
}

TEST_F(Signals, ChecksAndMeasurementsSayInOneLineThatTheyWereStopped) {
  ASSERT_EQ(bitnetc({"run", "-p", "x", "-n", "1", "-q"}).exit_code, 0);
  const auto check =
      bitnetc_with({"kernel", "check", "--seeds", "1000000"}, {.interrupt_after_ms = 500});
  EXPECT_EQ(check.exit_code, 130) << check.err;
  EXPECT_TRUE(check.out.starts_with("stopped: ")) << check.out;
  EXPECT_EQ(std::count(check.out.begin(), check.out.end(), '\n'), 1) << check.out;
  EXPECT_EQ(check.err, "");
  const auto doctor = bitnetc_with({"doctor"}, {.interrupt_after_ms = 50});
  EXPECT_EQ(doctor.exit_code, 130) << doctor.err;
  EXPECT_EQ(doctor.out, "");
  // A note of what runs on the reference may stand before it.
  EXPECT_TRUE(doctor.err.ends_with("bitnetc: stopped before all of the machine was looked at\n"))
      << doctor.err;
}

TEST_F(Signals, AnOutputThatNobodyReadsIsWaitedForUntilCtrlC) {
  const std::string fifo = folder_.file("fifo");
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  const std::vector<std::string> commands[] = {
      {"run", "-p", "x", "-n", "1", "--logits", fifo},
      {"kernel", "bench", "--html", fifo},
      {"kernel", "explain", "--html", fifo},
      {"autotune", "--export", fifo},
  };
  for (const auto& command : commands) {
    const auto result = bitnetc_with(command, {.interrupt_after_ms = 300});
    EXPECT_EQ(result.exit_code, 130) << command[0];
    EXPECT_EQ(result.err, fmt::format("note: {} is a pipe; waiting for a reader\n"
                                      "bitnetc: {}: stopped while waiting for a reader\n",
                                      fifo, fifo))
        << command[0];
    EXPECT_EQ(result.out, "");
    EXPECT_LT(result.ended_after_ms, kSoonMs) << command[0];
  }
}

// A file is mapped while it is run; what is gone from it cannot be read.
TEST_F(Signals, AModelThatIsCutShortWhileItRunsIsNamed) {
  constexpr int kBadModel = 3;
  const std::string source = fs::path(BITNETC_SOURCE_DIR) / "tools/models/fairytale-6m";
  const std::string path = folder_.file("cut.bnc");
  ASSERT_EQ(bitnetc({"compile", source, "-o", path, "-q"}).exit_code, 0);
  const auto result =
      bitnetc_with({"run", path, "-p", "Once", "-n", "1000", "--ignore-eos", "-q"},
                   {.on_output = [&] { ASSERT_EQ(::truncate(path.c_str(), 4096), 0); }});
  EXPECT_EQ(result.exit_code, kBadModel) << result.err;
  EXPECT_EQ(result.err,
            fmt::format("bitnetc: {}: was cut short, or its disk failed, while it was read\n",
                        fs::canonical(path).string()));
}

TEST_F(Signals, ALargeCompileLeavesNothingBehind) {
  auto model = make_packed_model({.hidden = 1024, .intermediate = 4096, .layers = 24}, 1);
  const std::string source = folder_.file("m");
  write_model(model, source);
  for (const int after_ms : {20, 60, 120, 200}) {
    const std::string output = folder_.file("out.bnc");
    const auto result = bitnetc_with({"compile", source, "-o", output},
                                     {.interrupt_after_ms = after_ms, .signal = SIGTERM});
    EXPECT_TRUE(result.exit_code == 143 || result.exit_code == 0) << result.exit_code << result.err;
    EXPECT_EQ(fs::exists(output), result.exit_code == 0);
    EXPECT_TRUE(temporaries().empty()) << temporaries().front();
    fs::remove(output);
  }
}

TEST_F(Signals, TheSecondCtrlCEndsAtOnce) {
  const auto result = bitnetc_with({"kernel", "check", "--seeds", "100000"},
                                   {.interrupt_after_ms = 500, .signal_twice = true});
  EXPECT_EQ(result.exit_code, 130);
  EXPECT_LT(result.ended_after_ms, kSoonMs);
}

TEST_F(Signals, WhatTheParentIgnoresStaysIgnored) {
  const auto result = bitnetc_with({"run", "-p", "Once", "-n", "900", "--ignore-eos", "-q"},
                                   {.interrupt_after_ms = 5, .ignores_interrupts = true});
  EXPECT_EQ(result.exit_code, 0) << result.err;
}

}  // namespace
}  // namespace bitnetc::test
