#include "runtime/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "runtime/file_descriptor.h"
#include "runtime/printable.h"
#include "runtime/rounding.h"

namespace bitnetc {
namespace {

Status system_error(const std::string& path, const char* action, int error) {
  const bool absent = error == ENOENT || error == ENOTDIR;
  return make_error(absent ? StatusCode::kNotFound : StatusCode::kIoError, "{}: cannot {}: {}",
                    printable_path(path), action, std::strerror(error));
}

}  // namespace

Result<std::shared_ptr<const MappedFile>> MappedFile::open(const std::string& path) {
  // O_NONBLOCK: opening a pipe must fail below, not wait for a writer. Regular files ignore it.
  const FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd.is_open()) return system_error(path, "open", errno);
  struct stat info = {};
  if (::fstat(fd.get(), &info) != 0) return system_error(path, "stat", errno);
  if (!S_ISREG(info.st_mode))
    return make_error(StatusCode::kIoError, "{}: is not a regular file", printable_path(path));

  const size_t size_bytes = static_cast<size_t>(info.st_size);
  const uint8_t* data = nullptr;
  if (size_bytes > 0) {
    void* address = ::mmap(nullptr, size_bytes, PROT_READ, MAP_PRIVATE, fd.get(), 0);
    if (address == MAP_FAILED) return system_error(path, "map", errno);
    data = static_cast<const uint8_t*>(address);
  }
  return std::shared_ptr<const MappedFile>(new MappedFile(path, data, size_bytes));
}

MappedFile::~MappedFile() {
  if (size_bytes_ > 0) ::munmap(const_cast<uint8_t*>(data_), size_bytes_);
}

void MappedFile::forget(std::span<const uint8_t> part) const {
  if (part.empty()) return;
  BITNETC_CHECK(part.data() >= data_ && part.data() + part.size() <= data_ + size_bytes_,
                "{}: {} bytes outside the mapping", printable_path(path_), part.size());
  const size_t page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  const size_t begin = round_up(static_cast<size_t>(part.data() - data_), page);
  const size_t end = static_cast<size_t>(part.data() - data_) + part.size();
  const size_t last = end == size_bytes_ ? end : end / page * page;
  // Advice only: where it is refused the pages merely stay.
  if (begin < last) ::madvise(const_cast<uint8_t*>(data_) + begin, last - begin, MADV_DONTNEED);
}

int64_t resident_bytes(std::span<const uint8_t> mapped) {
  if (mapped.empty()) return 0;
  const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  std::vector<unsigned char> states(1 << 16);  // of the pages that are asked after at once
  int64_t resident = 0;
  for (size_t begin = 0; begin < mapped.size(); begin += states.size() * page) {
    const size_t length = std::min(states.size() * page, mapped.size() - begin);
    if (::mincore(const_cast<uint8_t*>(mapped.data()) + begin, length, states.data()) != 0)
      return 0;
    const auto end = states.begin() + static_cast<ptrdiff_t>(ceil_div(length, page));
    resident += std::count_if(states.begin(), end, [](unsigned char state) { return state & 1; });
  }
  return resident * static_cast<int64_t>(page);
}

}  // namespace bitnetc
