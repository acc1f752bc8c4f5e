#include "runtime/jit_observer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace bitnetc {
namespace {

// An observer that cannot write must not stop the program, and must not be silent either.
void complain(Notes& notes, std::string_view variable, const std::string& path,
              std::string_view reason) {
  notes.note(NoteKind::kObserver, fmt::format("{}: {}: {}", variable, path, reason));
}

// One path component: anything but letters, digits and "._-" becomes '_', and so does a leading
// dot.
std::string file_name_of(const std::string& kernel_name) {
  std::string name = kernel_name.empty() ? "_" : kernel_name;
  for (char& c : name) {
    const bool safe = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '.' || c == '_' || c == '-';
    if (!safe) c = '_';
  }
  if (name.front() == '.') name.front() = '_';
  return name;
}

class DumpObserver final : public JitObserver {
 public:
  DumpObserver(std::string dir, Notes& notes) : dir_(std::move(dir)), notes_(notes) {}

  void on_publish(const PublishedCode& published) override {
    const std::filesystem::path folder = dir_ / file_name_of(published.name);
    std::error_code error;
    std::filesystem::create_directories(folder, error);
    if (error) return complain(notes_, "BITNETC_DUMP", folder.string(), error.message());
    write(folder / "spec.txt", published.spec_text);
    write(folder / "plan.txt", published.plan_text);
    write(folder / "code.bin",
          {reinterpret_cast<const char*>(published.code.data()), published.code.size()});
    if (!published.assembly.empty()) write(folder / published.assembly_file, published.assembly);
  }
  bool wants_assembly() const override { return true; }

 private:
  void write(const std::filesystem::path& path, std::string_view bytes) const {
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    file.close();
    if (!file) complain(notes_, "BITNETC_DUMP", path.string(), "cannot be written");
  }

  const std::filesystem::path dir_;
  Notes& notes_;
};

class PerfMapObserver final : public JitObserver {
 public:
  // Others may write to /tmp too: a link there is not followed, and perf trusts only the owner's
  // file.
  explicit PerfMapObserver(Notes& notes)
      : notes_(notes),
        path_(fmt::format("/tmp/perf-{}.map", getpid())),
        fd_(open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600)) {
    if (fd_ < 0) report(errno);
  }
  ~PerfMapObserver() override {
    if (fd_ >= 0) close(fd_);
  }
  PerfMapObserver(const PerfMapObserver&) = delete;
  PerfMapObserver& operator=(const PerfMapObserver&) = delete;

  void on_publish(const PublishedCode& published) override {
    if (fd_ < 0 || !published.is_host) return;
    const std::string line =
        fmt::format("{:x} {:x} {}\n", reinterpret_cast<uintptr_t>(published.code.data()),
                    published.code.size(), published.name);
    if (write(fd_, line.data(), line.size()) != static_cast<ssize_t>(line.size())) report(errno);
  }

 private:
  void report(int error) const {
    complain(notes_, "BITNETC_PERF", path_, std::generic_category().message(error));
  }

  Notes& notes_;
  const std::string path_;
  const int fd_;
};

}  // namespace

JitObservers::JitObservers(std::vector<JitObserver*> observers) : observers_(std::move(observers)) {
  std::erase(observers_, nullptr);
}

void JitObservers::on_publish(const PublishedCode& published) {
  const std::lock_guard lock(mutex_);
  for (JitObserver* observer : observers_) observer->on_publish(published);
}

bool JitObservers::wants_assembly() const {
  return std::ranges::any_of(observers_, &JitObserver::wants_assembly);
}

std::unique_ptr<JitObserver> make_dump_observer(std::string dir, Notes& notes) {
  return std::make_unique<DumpObserver>(std::move(dir), notes);
}

std::unique_ptr<JitObserver> make_perf_map_observer(Notes& notes) {
  return std::make_unique<PerfMapObserver>(notes);
}

}  // namespace bitnetc
