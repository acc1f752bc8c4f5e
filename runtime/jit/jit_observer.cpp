#include "runtime/jit_observer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace bitnetc {
namespace {

struct Registry {
  std::mutex mutex;
  std::vector<std::shared_ptr<JitObserver>> observers;
};

Registry& registry() {
  static Registry instance;
  return instance;
}

// An observer that cannot write must not stop the program, and must not be silent either.
void complain(std::string_view variable, const std::string& path, std::string_view reason) {
  std::fprintf(stderr, "%s\n", fmt::format("{}: {}: {}", variable, path, reason).c_str());
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
  explicit DumpObserver(std::string dir) : dir_(std::move(dir)) {}

  void on_publish(const PublishedCode& published) override {
    const std::filesystem::path folder = dir_ / file_name_of(published.name);
    std::error_code error;
    std::filesystem::create_directories(folder, error);
    if (error) return complain("BITNETC_DUMP", folder.string(), error.message());
    write(folder / "spec.txt", published.spec_text);
    write(folder / "plan.txt", published.plan_text);
    write(folder / "code.bin",
          {reinterpret_cast<const char*>(published.code.data()), published.code.size()});
    if (!published.assembly.empty()) write(folder / "code.ll", published.assembly);
  }
  bool wants_assembly() const override { return true; }

 private:
  static void write(const std::filesystem::path& path, std::string_view bytes) {
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    file.close();
    if (!file) complain("BITNETC_DUMP", path.string(), "cannot be written");
  }

  const std::filesystem::path dir_;
};

class PerfMapObserver final : public JitObserver {
 public:
  // Others may write to /tmp too: a link there is not followed, and perf trusts only the owner's
  // file.
  PerfMapObserver()
      : path_(fmt::format("/tmp/perf-{}.map", getpid())),
        fd_(open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600)) {
    if (fd_ < 0) report(errno);
  }
  ~PerfMapObserver() override {
    if (fd_ >= 0) close(fd_);
  }
  PerfMapObserver(const PerfMapObserver&) = delete;
  PerfMapObserver& operator=(const PerfMapObserver&) = delete;

  void on_publish(const PublishedCode& published) override {
    if (fd_ < 0) return;
    const std::string line =
        fmt::format("{:x} {:x} {}\n", reinterpret_cast<uintptr_t>(published.code.data()),
                    published.code.size(), published.name);
    if (write(fd_, line.data(), line.size()) != static_cast<ssize_t>(line.size())) report(errno);
  }

 private:
  void report(int error) const {
    complain("BITNETC_PERF", path_, std::generic_category().message(error));
  }

  const std::string path_;
  const int fd_;
};

}  // namespace

void add_jit_observer(std::shared_ptr<JitObserver> observer) {
  const std::lock_guard lock(registry().mutex);
  registry().observers.push_back(std::move(observer));
}

void notify_published(const PublishedCode& published) {
  const std::lock_guard lock(registry().mutex);
  for (const std::shared_ptr<JitObserver>& observer : registry().observers)
    observer->on_publish(published);
}

bool assembly_is_wanted() {
  const std::lock_guard lock(registry().mutex);
  return std::any_of(registry().observers.begin(), registry().observers.end(),
                     [](const auto& observer) { return observer->wants_assembly(); });
}

std::shared_ptr<JitObserver> make_dump_observer(std::string dir) {
  return std::make_shared<DumpObserver>(std::move(dir));
}

std::shared_ptr<JitObserver> make_perf_map_observer() {
  return std::make_shared<PerfMapObserver>();
}

void install_observers(const Options& options) {
  if (!options.dump_dir.empty()) add_jit_observer(make_dump_observer(options.dump_dir));
  if (options.perf_map) add_jit_observer(make_perf_map_observer());
}

}  // namespace bitnetc
