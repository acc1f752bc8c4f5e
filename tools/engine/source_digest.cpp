#include "tools/engine/source_digest.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <xxhash.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "runtime/cache_directory.h"
#include "runtime/file_descriptor.h"
#include "tools/engine/models.h"

namespace bitnetc {
namespace {

constexpr char kFolder[] = "sources";
constexpr size_t kMostRecords = 256;
constexpr int64_t kRemembersFromBytes = int64_t{1} << 20;
constexpr size_t kDigestCharacters = 32;
// A file changed within one tick of the kernel's clock after it was read would bear the same ctime.
constexpr int64_t kSettledAfterNs = 2'000'000'000;

int64_t nanoseconds(const timespec& time) {
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

bool same_state(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino && a.st_size == b.st_size &&
         nanoseconds(a.st_mtim) == nanoseconds(b.st_mtim) &&
         nanoseconds(a.st_ctim) == nanoseconds(b.st_ctim);
}

bool is_settled(const struct stat& info) {
  const int64_t now = std::chrono::duration_cast<std::chrono::nanoseconds>(
                          std::chrono::system_clock::now().time_since_epoch())
                          .count();
  return now - nanoseconds(info.st_ctim) > kSettledAfterNs;
}

std::string record_name(const struct stat& info) {
  const std::string state = fmt::format("{} {} {} {} {}", info.st_dev, info.st_ino, info.st_size,
                                        nanoseconds(info.st_mtim), nanoseconds(info.st_ctim));
  const XXH128_hash_t hash = XXH3_128bits(state.data(), state.size());
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

// Nothing: no record, or none that can be read. The file is read then.
std::optional<std::string> remembered(const CacheDirectory& records, const struct stat& info) {
  const auto bytes = records.read(record_name(info), kDigestCharacters);
  if (!bytes.ok() || !*bytes || (*bytes)->size() != kDigestCharacters) return std::nullopt;
  return std::string((*bytes)->begin(), (*bytes)->end());
}

void remember(const CacheDirectory& records, const struct stat& info, const std::string& digest) {
  const std::span<const uint8_t> bytes(reinterpret_cast<const uint8_t*>(digest.data()),
                                       digest.size());
  // Without a record the file is read again next time; the model's own cache says what is wrong
  // with the disk.
  if (!records.publish(record_name(info), bytes, Durability::kUnsynced).ok()) return;
  auto files = records.list();
  if (!files.ok() || files->size() <= kMostRecords) return;
  std::ranges::sort(*files, {}, &CacheFile::used_ns);
  for (size_t i = 0; i + kMostRecords < files->size(); ++i)
    (void)records.remove((*files)[i].name);  // another process may have been faster
}

Result<std::string> digest_of(int fd, const std::string& path, const CancelToken* cancel) {
  std::vector<char> block(size_t{1} << 20);
  const std::unique_ptr<XXH3_state_t, XXH_errorcode (*)(XXH3_state_t*)> state(XXH3_createState(),
                                                                              XXH3_freeState);
  XXH3_128bits_reset(state.get());
  while (true) {
    if (is_cancelled(cancel)) return Status(StatusCode::kCancelled, "stopped");
    const ssize_t count = ::read(fd, block.data(), block.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0)
      return make_error(StatusCode::kIoError, "{}: cannot read: {}", path, std::strerror(errno));
    if (count == 0) break;
    XXH3_128bits_update(state.get(), block.data(), static_cast<size_t>(count));
  }
  const XXH128_hash_t hash = XXH3_128bits_digest(state.get());
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

// `records`: null without a usable cache directory.
Result<std::string> file_digest(const std::string& path, const CacheDirectory* records,
                                const CancelToken* cancel) {
  const FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat before = {}, after = {};
  if (!fd.is_open() || ::fstat(fd.get(), &before) != 0)
    return make_error(StatusCode::kIoError, "{}: cannot open: {}", path, std::strerror(errno));
  const bool remembers = records != nullptr && before.st_size >= kRemembersFromBytes;
  if (remembers)
    if (auto known = remembered(*records, before)) return *std::move(known);
  BITNETC_ASSIGN_OR_RETURN(const std::string digest, digest_of(fd.get(), path, cancel));
  if (remembers && ::fstat(fd.get(), &after) == 0 && same_state(before, after) && is_settled(after))
    remember(*records, after, digest);
  return digest;
}

}  // namespace

Result<std::string> source_digest(const std::string& source_path, const std::string& cache_dir,
                                  const CancelToken* cancel) {
  const auto records = CacheDirectory::open(cache_dir, kFolder);
  std::string text;
  for (const std::string& path : model_files({ModelLocation::Kind::kSource, source_path})) {
    BITNETC_ASSIGN_OR_RETURN(const std::string digest,
                             file_digest(path, records.ok() ? &*records : nullptr, cancel));
    text += fmt::format("{} {}\n", std::filesystem::path(path).filename().string(), digest);
  }
  return text;
}

}  // namespace bitnetc
