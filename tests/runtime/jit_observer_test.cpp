#include "runtime/jit_observer.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>
#include <vector>

#include "tests/support/collected_notes.h"

namespace bitnetc {
namespace {

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file.good()) << path;
  return std::string(std::istreambuf_iterator<char>(file), {});
}

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "bitnetc_test_XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

constexpr uint8_t kCode[] = {0xc3, 0x00, 0x0a};

TEST(DumpObserver, WritesAFolderPerKernel) {
  const TemporaryFolder folder;
  const auto observer = make_dump_observer((folder.path() / "deep/er").string(), no_notes());
  observer->on_publish({"gemv_avx2", "spec\n", "plan\n", "", kCode});
  observer->on_publish({"norm_llvm", "s", "p", "define void @f()", kCode});

  const std::filesystem::path gemv = folder.path() / "deep/er/gemv_avx2";
  EXPECT_EQ(read_file(gemv / "spec.txt"), "spec\n");
  EXPECT_EQ(read_file(gemv / "plan.txt"), "plan\n");
  EXPECT_EQ(read_file(gemv / "code.bin"), std::string(std::begin(kCode), std::end(kCode)));
  EXPECT_FALSE(std::filesystem::exists(gemv / "code.ll"));
  EXPECT_EQ(read_file(folder.path() / "deep/er/norm_llvm/code.ll"), "define void @f()");
}

TEST(DumpObserver, NamesStayInsideTheFolder) {
  const TemporaryFolder folder;
  const auto observer = make_dump_observer(folder.path().string(), no_notes());
  for (const char* name : {"../escape", "a/b:c d", "..", ""})
    observer->on_publish({name, "s", "p", "", kCode});
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path()))
    names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  EXPECT_EQ(names, (std::vector<std::string>{"_", "_.", "_._escape", "a_b_c_d"}));
}

TEST(DumpObserver, AFolderThatCannotBeMadeIsReported) {
  const TemporaryFolder folder;
  const std::filesystem::path file = folder.path() / "file";
  std::ofstream(file) << "in the way";
  test::CollectedNotes notes;
  const auto observer = make_dump_observer(file.string(), notes);
  observer->on_publish({"k", "s", "p", "", kCode});
  EXPECT_EQ(notes.kinds(), std::vector{NoteKind::kObserver});
  const std::string report = notes.take();
  EXPECT_TRUE(report.starts_with("BITNETC_DUMP: " + file.string())) << report;
}

TEST(PerfMapObserver, AppendsALinePerKernelFromAnyThread) {
  constexpr int kThreads = 4, kEach = 100;
  const std::string path = fmt::format("/tmp/perf-{}.map", getpid());
  std::filesystem::remove(path);
  const auto perf_map = make_perf_map_observer(no_notes());
  JitObservers observers({perf_map.get()});
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([t, &observers] {
      for (int i = 0; i < kEach; ++i)
        observers.on_publish({fmt::format("k_{}_{}", t, i), "", "", "", kCode});
    });
  }
  for (std::thread& thread : threads) thread.join();

  std::ifstream file(path);
  int lines = 0;
  uintptr_t address = 0;
  size_t size = 0;
  std::string name;
  for (; file >> std::hex >> address >> size >> name; ++lines) {
    EXPECT_EQ(address, reinterpret_cast<uintptr_t>(kCode));
    EXPECT_EQ(size, sizeof(kCode));
    EXPECT_TRUE(name.starts_with("k_")) << name;
  }
  EXPECT_EQ(lines, kThreads * kEach);
  std::filesystem::remove(path);
}

class Counter final : public JitObserver {
 public:
  explicit Counter(bool wants_assembly) : wants_assembly_(wants_assembly) {}
  void on_publish(const PublishedCode&) override { ++told; }
  bool wants_assembly() const override { return wants_assembly_; }
  int told = 0;

 private:
  const bool wants_assembly_;
};

TEST(Observers, AllOfThemAreToldOfEveryKernel) {
  Counter one(false), two(true);
  JitObservers observers({&one, nullptr, &two});
  observers.on_publish({"told", "s", "p", "", kCode});
  EXPECT_EQ(one.told, 1);
  EXPECT_EQ(two.told, 1);
  EXPECT_TRUE(observers.wants_assembly());
  EXPECT_FALSE(JitObservers({&one, nullptr}).wants_assembly());
}

}  // namespace
}  // namespace bitnetc
