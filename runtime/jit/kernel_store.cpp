#include "runtime/kernel_store.h"

#include <xxhash.h>

#include <algorithm>
#include <cstring>

#include "runtime/cache_directory.h"

namespace bitnetc {
namespace {

constexpr char kFolder[] = "kernels";
constexpr char kKernelMagic[8] = {'B', 'N', 'C', 'K', 'E', 'R', 'N', '\n'};
constexpr uint32_t kFormat = 1;
constexpr int64_t kMostEntryBytes = int64_t{16} << 20;

// An entry is this header, the key's text and the code, nothing behind.
struct KernelHeader {
  char magic[8];
  uint32_t format;
  uint32_t key_bytes;
  uint64_t code_bytes;
  uint64_t checksum;  // XXH3-64 of the whole entry with this field zero
};
static_assert(sizeof(KernelHeader) == 32);

std::vector<uint8_t> make_entry(const std::string& key, std::span<const uint8_t> code) {
  KernelHeader header{.magic = {},
                      .format = kFormat,
                      .key_bytes = static_cast<uint32_t>(key.size()),
                      .code_bytes = code.size(),
                      .checksum = 0};
  std::memcpy(header.magic, kKernelMagic, sizeof kKernelMagic);
  std::vector<uint8_t> entry(sizeof header);
  entry.insert(entry.end(), key.begin(), key.end());
  entry.insert(entry.end(), code.begin(), code.end());
  std::memcpy(entry.data(), &header, sizeof header);
  header.checksum = XXH3_64bits(entry.data(), entry.size());
  std::memcpy(entry.data(), &header, sizeof header);
  return entry;
}

struct Entry {
  std::string key;
  std::span<const uint8_t> code;
};

// `bytes` is the caller's copy; its checksum field is zeroed.
Result<Entry> parse_entry(std::span<uint8_t> bytes) {
  KernelHeader header = {};
  const auto corrupt = [](std::string what) {
    return Status(StatusCode::kDataCorrupt, std::move(what));
  };
  if (bytes.size() < sizeof header)
    return corrupt(
        fmt::format("is truncated: {} bytes, expected at least {}", bytes.size(), sizeof header));
  std::memcpy(&header, bytes.data(), sizeof header);
  if (std::memcmp(header.magic, kKernelMagic, sizeof kKernelMagic) != 0)
    return corrupt("is no stored kernel");
  if (header.format != kFormat)
    return corrupt(fmt::format("has format {}, expected {}", header.format, kFormat));
  const uint64_t rest = bytes.size() - sizeof header;
  if (header.key_bytes > rest || header.code_bytes != rest - header.key_bytes)
    return corrupt(fmt::format("has {} bytes behind its header, expected {} of key and {} of code",
                               rest, header.key_bytes, header.code_bytes));
  std::memset(bytes.data() + offsetof(KernelHeader, checksum), 0, sizeof header.checksum);
  if (XXH3_64bits(bytes.data(), bytes.size()) != header.checksum)
    return corrupt("is damaged: its checksum does not match");
  const auto* const key = reinterpret_cast<const char*>(bytes.data() + sizeof header);
  return Entry{.key = std::string(key, header.key_bytes),
               .code = bytes.subspan(sizeof header + header.key_bytes)};
}

std::string digest_of(const std::string& text) {
  const XXH128_hash_t hash = XXH3_128bits(text.data(), text.size());
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

// Reads an entry to see what it is; the read does not count as a use.
StoredKernel examine(const CacheDirectory& directory, const CacheFile& file) {
  StoredKernel stored{.file = file.name,
                      .key = {},
                      .problem = file.problem,
                      .size_bytes = file.size_bytes,
                      .used_ns = file.used_ns};
  if (!stored.problem.empty()) return stored;
  auto bytes = directory.read(file.name, kMostEntryBytes, Use::kNone);
  if (!bytes.ok() || !bytes->has_value()) {
    stored.problem = bytes.ok() ? "is gone" : bytes.status().message();
    return stored;
  }
  const auto entry = parse_entry(**bytes);
  if (!entry.ok()) {
    stored.problem = entry.status().message();
    return stored;
  }
  stored.key = entry->key;
  if (digest_of(stored.key) != file.name) stored.problem = "has the name of another kernel";
  return stored;
}

std::string path_of(const CacheDirectory& directory, const std::string& file) {
  return directory.path() + "/" + file;
}

}  // namespace

std::string KernelStoreKey::text() const {
  return fmt::format("{} by {} revision {} for {} with {}", kernel, generator, revision, target,
                     toolchain);
}

std::string KernelStoreKey::digest() const {
  return digest_of(text());
}

std::optional<std::vector<uint8_t>> KernelStore::find(const KernelStoreKey& key) {
  auto directory = CacheDirectory::open(cache_dir_, kFolder);
  if (!directory.ok()) {
    // Without a cache directory there is nothing to miss.
    if (directory.status().code() != StatusCode::kNotFound)
      note_once(directory.status().message() + "; generated kernels are not kept");
    return std::nullopt;
  }
  const std::string file = key.digest();
  auto bytes = directory->read(file, kMostEntryBytes);
  if (!bytes.ok()) {
    note_once(bytes.status().message() + "; the kernel is generated again");
    return std::nullopt;
  }
  if (!bytes->has_value()) return std::nullopt;
  const auto entry = parse_entry(**bytes);
  std::string problem = entry.status().message();
  if (entry.ok() && entry->key != key.text()) problem = "has the name of another kernel";
  if (!problem.empty()) {
    note_once(fmt::format("{} {}; {} is generated again", path_of(*directory, file), problem,
                          key.kernel));
    return std::nullopt;
  }
  const std::lock_guard lock(mutex_);
  handled_.emplace(key.kernel, Handled{.file = file, .found = true});
  return std::vector<uint8_t>(entry->code.begin(), entry->code.end());
}

void KernelStore::put(const KernelStoreKey& key, std::span<const uint8_t> code) {
  const auto directory = CacheDirectory::open(cache_dir_, kFolder);
  if (!directory.ok()) return;  // find() has said so
  const std::string file = key.digest();
  // Readers check what they read, and generating again is all that a loss costs.
  const Status kept = directory->publish(file, make_entry(key.text(), code), Durability::kUnsynced);
  if (!kept.ok()) return note_once(kept.message() + "; generated kernels are not kept");
  trim(file);
  const std::lock_guard lock(mutex_);
  handled_.emplace(key.kernel, Handled{.file = file, .found = false});
}

void KernelStore::trim(const std::string& newest) {
  const auto directory = CacheDirectory::open(cache_dir_, kFolder);
  auto files = directory.ok() ? directory->list() : directory.status();
  if (!files.ok()) return note_once(files.status().message());
  std::sort(files->begin(), files->end(),
            [](const CacheFile& a, const CacheFile& b) { return a.used_ns < b.used_ns; });
  int64_t total_bytes = 0;
  for (const CacheFile& file : *files) total_bytes += file.size_bytes;
  for (const CacheFile& file : *files) {
    if (total_bytes <= limit_bytes_) return;
    if (file.name == newest) continue;
    const Status removed = directory->remove(file.name);
    if (!removed.ok()) {
      note_once(removed.message());
      continue;
    }
    total_bytes -= file.size_bytes;
  }
}

bool KernelStore::disown(const std::string& kernel) {
  std::vector<Handled> handled;
  {
    const std::lock_guard lock(mutex_);
    const auto [begin, end] = handled_.equal_range(kernel);
    for (auto each = begin; each != end; ++each) handled.push_back(each->second);
    handled_.erase(begin, end);
  }
  if (handled.empty()) return false;
  const auto directory = CacheDirectory::open(cache_dir_, kFolder);
  for (const Handled& each : handled) {
    const Status removed = directory.ok() ? directory->remove(each.file) : directory.status();
    if (!removed.ok()) note_once(removed.message());
  }
  return std::any_of(handled.begin(), handled.end(),
                     [](const Handled& each) { return each.found; });
}

int64_t KernelStore::hits() const {
  const std::lock_guard lock(mutex_);
  return std::count_if(handled_.begin(), handled_.end(),
                       [](const auto& each) { return each.second.found; });
}

Result<std::vector<StoredKernel>> KernelStore::entries() const {
  BITNETC_ASSIGN_OR_RETURN(const CacheDirectory directory,
                           CacheDirectory::open(cache_dir_, kFolder));
  BITNETC_ASSIGN_OR_RETURN(const std::vector<CacheFile> files, directory.list());
  std::vector<StoredKernel> found;
  for (const CacheFile& file : files) found.push_back(examine(directory, file));
  return found;
}

void KernelStore::note_once(const std::string& text) {
  {
    const std::lock_guard lock(mutex_);
    if (!noted_.insert(text).second) return;
  }
  notes_.note(NoteKind::kCache, text);
}

}  // namespace bitnetc
