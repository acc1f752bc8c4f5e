#include "runtime/exec_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

#include "runtime/file_descriptor.h"
#include "runtime/rounding.h"

#if !defined(MFD_EXEC)
#define MFD_EXEC 0x0010U  // Linux 6.3; the system's headers may be older than its kernel
#endif

namespace bitnetc {
namespace {

#if defined(__x86_64__)
constexpr uint8_t kTrap = 0xcc;  // int3
constexpr uint8_t kReturnStub[] = {0xc3};
#elif defined(__aarch64__)
constexpr uint8_t kTrap = 0x00;  // udf #0
constexpr uint8_t kReturnStub[] = {0xc0, 0x03, 0x5f, 0xd6};
#else
#error "exec_memory.cpp needs the trap byte and the return instruction of this CPU"
#endif

Status refused(const char* step, int error) {
  const StatusCode code = error == ENOMEM || error == EMFILE || error == ENFILE
                              ? StatusCode::kOutOfMemory
                              : StatusCode::kUnsupported;
  const char* hint = error == EACCES || error == EPERM
                         ? " (a security policy forbids executable memory: SELinux execmem, "
                           "vm.memfd_noexec, seccomp or PR_SET_MDWE)"
                         : "";
  return make_error(code, "executable memory: {}: {}{}", step,
                    std::generic_category().message(error), hint);
}

// Kernels before 6.3 reject MFD_EXEC; their memfds are executable without it.
int create_memfd() {
  const int fd = memfd_create("bitnetc-code", MFD_CLOEXEC | MFD_EXEC);
  if (fd >= 0 || errno != EINVAL) return fd;
  return memfd_create("bitnetc-code", MFD_CLOEXEC);
}

Status probe() {
  BITNETC_ASSIGN_OR_RETURN(const std::shared_ptr<const ExecMemory> block,
                           publish_code(kReturnStub));
  reinterpret_cast<void (*)()>(const_cast<uint8_t*>(block->span().rx))();
  return {};
}

}  // namespace

Result<std::unique_ptr<ExecMemory>> ExecMemory::allocate(size_t size_bytes) {
  const size_t page_bytes = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const size_t mapped_bytes = round_up(kPaddingBytes + size_bytes, page_bytes);

  const FileDescriptor file(create_memfd());
  if (file.get() < 0) return refused("memfd_create", errno);
  if (ftruncate(file.get(), static_cast<off_t>(mapped_bytes)) != 0)
    return refused("ftruncate", errno);

  void* rw = mmap(nullptr, mapped_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  if (rw == MAP_FAILED) return refused("mmap of the writable view", errno);
  void* rx = mmap(nullptr, mapped_bytes, PROT_READ | PROT_EXEC, MAP_SHARED, file.get(), 0);
  if (rx == MAP_FAILED) {
    const int error = errno;
    munmap(rw, mapped_bytes);
    return refused("mmap of the executable view", error);
  }

  std::memset(rw, kTrap, mapped_bytes);
  std::unique_ptr<ExecMemory> block(new ExecMemory);
  block->span_ = {.rw = static_cast<uint8_t*>(rw) + kPaddingBytes,
                  .rx = static_cast<const uint8_t*>(rx) + kPaddingBytes,
                  .size_bytes = mapped_bytes - kPaddingBytes};
  return block;
}

ExecMemory::~ExecMemory() {
  unmap_rw();
  uint8_t* rx = const_cast<uint8_t*>(span_.rx) - kPaddingBytes;
  munmap(rx, span_.size_bytes + kPaddingBytes);
}

void ExecMemory::publish() {
  unmap_rw();
  char* rx = reinterpret_cast<char*>(const_cast<uint8_t*>(span_.rx));
  __builtin___clear_cache(rx, rx + span_.size_bytes);
}

void ExecMemory::unmap_rw() {
  if (!span_.rw) return;
  munmap(span_.rw - kPaddingBytes, span_.size_bytes + kPaddingBytes);
  span_.rw = nullptr;
}

Result<std::shared_ptr<const ExecMemory>> publish_code(std::span<const uint8_t> code) {
  BITNETC_ASSIGN_OR_RETURN(std::unique_ptr<ExecMemory> block, ExecMemory::allocate(code.size()));
  if (!code.empty()) std::memcpy(block->span().rw, code.data(), code.size());
  block->publish();
  return std::shared_ptr<const ExecMemory>(std::move(block));
}

Status exec_memory_available() {
  static const Status probed = probe();
  return probed;
}

}  // namespace bitnetc
