#include "runtime/output_file.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <thread>

#include "runtime/temporary_file.h"
#include "tests/support/child_process.h"
#include "tests/support/collected_notes.h"
#include "tests/support/expect_error.h"
#include "tests/support/model_folder.h"

namespace bitnetc::test {
namespace {

namespace fs = std::filesystem;

Status write_output(const std::string& path, std::string_view text) {
  BITNETC_ASSIGN_OR_RETURN(const auto output, OutputFile::create(path));
  BITNETC_RETURN_IF_ERROR(output->write(text));
  return output->finish();
}

class OutputFileTest : public testing::Test {
 protected:
  size_t files_here() const {
    return static_cast<size_t>(
        std::distance(fs::directory_iterator(folder_.path()), fs::directory_iterator()));
  }

  TempFolder folder_;
  const std::string path_ = folder_.file("out");
};

TEST_F(OutputFileTest, ReplacesAFileWhenItIsFinishedAndKeepsItsPermissions) {
  write_file(path_, "old");
  fs::permissions(path_, fs::perms(0640));
  auto output = OutputFile::create(path_);
  ASSERT_TRUE(output.ok()) << output.status().message();
  ASSERT_TRUE((*output)->write("new").ok());
  EXPECT_EQ(read_file(path_), "old");
  ASSERT_TRUE((*output)->finish().ok());
  EXPECT_EQ(read_file(path_), "new");
  EXPECT_EQ(fs::status(path_).permissions(), fs::perms(0640));
  EXPECT_EQ(files_here(), 1u);
}

TEST_F(OutputFileTest, LeavesNothingWithoutFinish) {
  {
    ASSERT_TRUE(OutputFile::create(path_).ok());
  }
  EXPECT_EQ(files_here(), 0u);
}

TEST_F(OutputFileTest, ASymlinkStaysAndItsTargetIsReplaced) {
  write_file(folder_.file("target"), "old");
  fs::create_symlink("target", path_);
  ASSERT_TRUE(write_output(path_, "new").ok());
  EXPECT_TRUE(fs::is_symlink(path_));
  EXPECT_EQ(read_file(folder_.file("target")), "new");
  fs::remove(folder_.file("target"));
  ASSERT_TRUE(write_output(path_, "newer").ok());  // a link that leads nowhere yet
  EXPECT_TRUE(fs::is_symlink(path_));
  EXPECT_EQ(read_file(folder_.file("target")), "newer");
}

TEST_F(OutputFileTest, DevicesAndPipesAreWrittenToAndNeverReplaced) {
  EXPECT_EQ(write_output("/dev/full", "text").code(), StatusCode::kIoError);
  EXPECT_TRUE(write_output("/dev/null", "text").ok());
  EXPECT_TRUE(fs::is_character_file("/dev/full"));
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  const auto output = OutputFile::create(path_, OutputFile::Accepts::kRegularFile);
  ASSERT_FALSE(output.ok());
  EXPECT_EQ(output.status().code(), StatusCode::kInvalidArgument);
  EXPECT_NE(output.status().message().find(path_), std::string::npos);
  EXPECT_TRUE(fs::is_fifo(path_));
}

TEST_F(OutputFileTest, APipeIsWaitedForAndWrittenToOnceItHasAReader) {
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  CollectedNotes notes;
  std::string text;
  std::thread reader([&] {
    while (notes.texts().empty()) std::this_thread::yield();
    text = read_file(path_);
  });
  auto output = OutputFile::create(path_, OutputFile::Accepts::kAnything, {.notes = &notes});
  const std::string large(1 << 18, 'x');  // more than a pipe holds: the writer waits for room
  ASSERT_TRUE(output.ok()) << output.status().message();
  ASSERT_TRUE((*output)->write(large).ok());
  ASSERT_TRUE((*output)->finish().ok());
  output->reset();
  reader.join();
  EXPECT_EQ(text, large);
  EXPECT_EQ(notes.kinds(), std::vector{NoteKind::kWaiting});
  EXPECT_EQ(notes.take(), path_ + " is a pipe; waiting for a reader");
  EXPECT_TRUE(fs::is_fifo(path_));
}

TEST_F(OutputFileTest, WaitingForAReaderCanBeCancelled) {
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  const CancelToken cancelled(true);
  const auto output =
      OutputFile::create(path_, OutputFile::Accepts::kAnything, {.cancel = &cancelled});
  expect_error(output, StatusCode::kCancelled, {path_});
}

TEST_F(OutputFileTest, OpenFilesOfTheProcessAreWrittenTo) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  ASSERT_TRUE(write_output(fmt::format("/dev/fd/{}", ends[1]), "text").ok());
  char text[5] = {};
  EXPECT_EQ(::read(ends[0], text, 4), 4);
  EXPECT_STREQ(text, "text");
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_F(OutputFileTest, FoldersAndMissingFoldersAreErrorsBeforeAnythingIsWritten) {
  EXPECT_EQ(OutputFile::create(folder_.path()).status().code(), StatusCode::kInvalidArgument);
  expect_error(OutputFile::create("-"), StatusCode::kInvalidArgument, {"stdout", "./-"});
  EXPECT_EQ(OutputFile::create(folder_.file("no/out")).status().code(), StatusCode::kIoError);
}

TEST_F(OutputFileTest, AKilledWritersFileIsRemovedByTheNextOne) {
  ChildProcess killed([&]() -> std::string {
    const auto output = OutputFile::create(path_);
    ::kill(::getpid(), SIGKILL);
    return "";
  });
  (void)killed.wait();
  EXPECT_EQ(files_here(), 1u);
  write_file(folder_.file("out.tmp-mine"), "of the user");
  ASSERT_TRUE(write_output(path_, "whole").ok());
  EXPECT_EQ(files_here(), 2u);
  EXPECT_TRUE(fs::exists(folder_.file("out.tmp-mine")));
}

TEST_F(OutputFileTest, ALimitOnFileSizesIsAnErrorAndLeavesNothing) {
  ChildProcess child([&]() -> std::string {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{.rlim_cur = 1000, .rlim_max = 1000};
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return "no limit";
    const Status status = write_output(path_, std::string(5000, 'x'));
    return status.code() == StatusCode::kIoError ? "" : "expected an error: " + status.message();
  });
  EXPECT_EQ(child.wait(), "");
  EXPECT_EQ(files_here(), 0u);
}

TEST_F(OutputFileTest, AnInputIsKnownUnderEveryName) {
  const std::string input = folder_.file("in");
  write_file(input, "weights");
  fs::create_symlink("in", folder_.file("link"));
  fs::create_hard_link(input, folder_.file("hard"));
  for (const char* name : {"in", "link", "hard", "./in"}) {
    const Status status = check_not_an_input("-o", folder_.file(name), {path_, input});
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << name;
    EXPECT_NE(status.message().find("-o"), std::string::npos);
  }
  EXPECT_TRUE(check_not_an_input("-o", path_, {input}).ok());
  EXPECT_TRUE(check_not_an_input("-o", "/dev/null", {"/dev/null"}).ok());
}

}  // namespace
}  // namespace bitnetc::test
