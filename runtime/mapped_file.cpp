#include "runtime/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <thread>
#include <vector>

#include "runtime/buffer.h"
#include "runtime/file_descriptor.h"

namespace bitnetc {
namespace {

Status system_error(const std::string& path, const char* action, int error) {
  const bool absent = error == ENOENT || error == ENOTDIR;
  return make_error(absent ? StatusCode::kNotFound : StatusCode::kIoError, "{}: cannot {}: {}",
                    path, action, std::strerror(error));
}

constexpr size_t kHugePageBytes = size_t{2} << 20;

struct OpenedFile {
  FileDescriptor fd;
  size_t size_bytes;
};

Result<OpenedFile> open_file(const std::string& path) {
  // O_NONBLOCK: opening a pipe must fail below, not wait for a writer. Regular files do not heed it.
  FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd.is_open()) return system_error(path, "open", errno);
  struct stat info = {};
  if (::fstat(fd.get(), &info) != 0) return system_error(path, "stat", errno);
  if (!S_ISREG(info.st_mode))
    return make_error(StatusCode::kIoError, "{}: is not a regular file", path);
  return OpenedFile{std::move(fd), static_cast<size_t>(info.st_size)};
}

// Bytes [begin, end) of the file to the same place in `to`. 0, or the error number.
int read_range(int fd, uint8_t* to, size_t begin, size_t end) {
  while (begin < end) {
    const ssize_t count = ::pread(fd, to + begin, end - begin, static_cast<off_t>(begin));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno;
    if (count == 0) return EIO;  // the file became shorter meanwhile
    begin += static_cast<size_t>(count);
  }
  return 0;
}

// Every thread clears and fills whole huge pages of its own. 0, or the first error number.
int read_whole(int fd, uint8_t* to, size_t size_bytes, int threads) {
  const size_t pages = ceil_div(size_bytes, kHugePageBytes);
  std::atomic<size_t> next = 0;
  std::atomic<int> error = 0;
  const auto work = [&] {
    for (size_t page; error == 0 && (page = next.fetch_add(1)) < pages;) {
      const size_t begin = page * kHugePageBytes;
      const int failed = read_range(fd, to, begin, std::min(begin + kHugePageBytes, size_bytes));
      int none = 0;
      if (failed != 0) error.compare_exchange_strong(none, failed);
    }
  };
  std::vector<std::thread> others;
  for (int i = 1; i < threads; ++i) others.emplace_back(work);
  work();
  for (std::thread& other : others) other.join();
  return error;
}

}  // namespace

Result<std::shared_ptr<const MappedFile>> MappedFile::open(const std::string& path) {
  BITNETC_ASSIGN_OR_RETURN(const OpenedFile file, open_file(path));
  Mapping mapping{.address = nullptr, .size_bytes = file.size_bytes};
  if (file.size_bytes > 0) {
    mapping.address = ::mmap(nullptr, file.size_bytes, PROT_READ, MAP_PRIVATE, file.fd.get(), 0);
    if (mapping.address == MAP_FAILED) return system_error(path, "map", errno);
  }
  const std::span bytes(static_cast<const uint8_t*>(mapping.address), file.size_bytes);
  return std::shared_ptr<const MappedFile>(new MappedFile(path, bytes, mapping));
}

Result<std::shared_ptr<const MappedFile>> MappedFile::read(const std::string& path, int threads) {
  BITNETC_ASSIGN_OR_RETURN(const OpenedFile file, open_file(path));
  Mapping mapping{.address = nullptr,
                  .size_bytes = round_up(file.size_bytes, kHugePageBytes) + kHugePageBytes,
                  .is_copy = true};
  mapping.address = ::mmap(nullptr, mapping.size_bytes, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping.address == MAP_FAILED)
    return make_error(StatusCode::kOutOfMemory, "{}: no memory for its {} bytes", path,
                      file.size_bytes);
  auto* const begin = reinterpret_cast<uint8_t*>(
      round_up(reinterpret_cast<uintptr_t>(mapping.address), kHugePageBytes));
  // Advice only: without huge pages the bytes are the same.
  ::madvise(begin, mapping.size_bytes - kHugePageBytes, MADV_HUGEPAGE);
  std::shared_ptr<const MappedFile> copy(
      new MappedFile(path, std::span<const uint8_t>(begin, file.size_bytes), mapping));
  const int error = read_whole(file.fd.get(), begin, file.size_bytes, threads);
  if (error != 0) return system_error(path, "read", error);
  return copy;
}

MappedFile::~MappedFile() {
  if (mapping_.size_bytes > 0) ::munmap(mapping_.address, mapping_.size_bytes);
}

void MappedFile::forget(std::span<const uint8_t> part) const {
  if (part.empty()) return;
  BITNETC_CHECK(!mapping_.is_copy, "{}: what was read cannot be read again by touching it", path_);
  BITNETC_CHECK(
      part.data() >= bytes_.data() && part.data() + part.size() <= bytes_.data() + bytes_.size(),
      "{}: {} bytes outside the mapping", path_, part.size());
  const size_t page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  const size_t begin = round_up(static_cast<size_t>(part.data() - bytes_.data()), page);
  const size_t end = static_cast<size_t>(part.data() - bytes_.data()) + part.size();
  const size_t last = end == bytes_.size() ? end : end / page * page;
  // Advice only: where it is refused the pages merely stay.
  if (begin < last)
    ::madvise(const_cast<uint8_t*>(bytes_.data()) + begin, last - begin, MADV_DONTNEED);
}

}  // namespace bitnetc
