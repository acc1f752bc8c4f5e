#include "autotune/profile_store.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>

#include "runtime/cache_directory.h"
#include "runtime/cpu_features.h"
#include "runtime/output_file.h"

namespace bitnetc {
namespace {

constexpr const char* kFolder = "profiles";
// About ten thousand entries of fifteen kernels each.
constexpr int64_t kMostBytes = 16 << 20;
constexpr int64_t kClockSkew_s = 24 * 3600;

std::span<const uint8_t> as_bytes(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

std::string one_line(std::string words) {
  constexpr size_t kMostBytesInWords = 160;
  words.resize(std::min(words.size(), kMostBytesInWords));
  std::ranges::replace_if(words, [](char c) { return c < 0x20 || c >= 0x7f; }, '?');
  return words;
}

int64_t now_s() {
  return std::chrono::duration_cast<std::chrono::seconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

// A file of the user's, not of the cache. Never more than kMostBytes.
Result<std::string> read_text(const std::string& file) {
  std::error_code error;
  const auto status = std::filesystem::status(file, error);
  if (status.type() == std::filesystem::file_type::not_found)
    return make_error(StatusCode::kNotFound, "{}: no such file", file);
  if (error || status.type() != std::filesystem::file_type::regular)
    return make_error(StatusCode::kIoError, "{}: {}", file,
                      error ? error.message() : "is not a plain file");
  std::ifstream in(file, std::ios::binary);
  std::string text;
  text.resize(static_cast<size_t>(kMostBytes) + 1);
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!in.is_open() || in.bad())
    return make_error(StatusCode::kIoError, "{}: cannot be read", file);
  text.resize(static_cast<size_t>(in.gcount()));
  if (std::ssize(text) > kMostBytes)
    return make_error(StatusCode::kDataCorrupt, "{}: larger than {} bytes, which no profile is",
                      file, kMostBytes);
  return text;
}

}  // namespace

ProfileStore::ProfileStore(std::string cache_dir, Owner owner)
    : cache_dir_(std::move(cache_dir)),
      fingerprint_(std::move(owner.fingerprint)),
      machine_(one_line(std::move(owner.machine))) {}

// Error: kIoError, kUnsupported. A file that is no profile, or another machine's, is an empty one
// with a quarrel.
Result<ProfileStore::OnDisk> ProfileStore::read(const CacheDirectory& directory,
                                                std::vector<std::string>& problems) const {
  OnDisk on_disk{.profile = empty_profile(), .quarrel = ""};
  const auto bytes = directory.read(file_name(), kMostBytes);
  if (!bytes.ok())
    return Status(bytes.status().code(), bytes.status().message() + "; remove it to begin anew");
  if (!bytes->has_value()) return on_disk;
  const std::string origin = directory.path() + "/" + file_name();
  auto profile = parse_profile({reinterpret_cast<const char*>((*bytes)->data()), (*bytes)->size()},
                               origin, problems);
  if (profile.status().code() == StatusCode::kUnsupported)
    return make_error(StatusCode::kUnsupported,
                      "{}; another bitnetc wrote it: remove it to begin anew",
                      profile.status().message());
  if (!profile.ok()) {
    on_disk.quarrel = profile.status().message();
  } else if (profile->fingerprint != fingerprint_) {
    on_disk.quarrel = fmt::format("{}: is of machine {} ({}), this one is {} ({})", origin,
                                  profile->fingerprint, profile->machine, fingerprint_, machine_);
  } else {
    on_disk.profile.entries = std::move(profile->entries);
  }
  return on_disk;
}

LoadedProfile ProfileStore::load() const {
  LoadedProfile loaded{.profile = empty_profile(), .problems = {}};
  const auto give_up = [&](const std::string& why) {
    loaded.problems.push_back(why + "; nothing that was tuned is used");
    return loaded;
  };
  const auto directory = CacheDirectory::open(cache_dir_, kFolder);
  // Without a cache directory nothing can have been tuned; add() tells.
  if (directory.status().code() == StatusCode::kNotFound) return loaded;
  if (!directory.ok()) return give_up(directory.status().message());
  auto on_disk = read(*directory, loaded.problems);
  if (!on_disk.ok()) return give_up(on_disk.status().message());
  if (!on_disk->quarrel.empty())
    return give_up(on_disk->quarrel + ", the next `bitnetc autotune` replaces it");
  if (!loaded.problems.empty())
    loaded.problems.push_back("`bitnetc autotune` measures again what was left out");
  loaded.profile = std::move(on_disk->profile);
  drop_unusable(loaded.profile, machine_target(), loaded.problems);
  return loaded;
}

// Reads, changes and publishes under the lock.
Status ProfileStore::change(const std::function<void(Profile&)>& change) const {
  BITNETC_ASSIGN_OR_RETURN(const auto directory, CacheDirectory::open(cache_dir_, kFolder));
  BITNETC_ASSIGN_OR_RETURN(const auto lock, directory.lock());
  std::vector<std::string> told_at_load;
  BITNETC_ASSIGN_OR_RETURN(OnDisk on_disk, read(directory, told_at_load));
  change(on_disk.profile);
  const std::string text = print_profile(on_disk.profile);
  if (std::ssize(text) > kMostBytes)
    return make_error(StatusCode::kIoError,
                      "{}/{}: would be larger than {} bytes; remove it to begin anew",
                      directory.path(), file_name(), kMostBytes);
  return directory.publish(file_name(), as_bytes(text));
}

Status ProfileStore::add(const std::vector<ProfileEntry>& entries) const {
  for (const ProfileEntry& entry : entries) BITNETC_RETURN_IF_ERROR(validate(entry));
  return change([&](Profile& profile) {
    for (const ProfileEntry& entry : entries) profile.put(entry);
  });
}

std::string ProfileStore::path() const {
  return cache_dir_.empty() ? "" : fmt::format("{}/{}/{}", cache_dir_, kFolder, file_name());
}

Status ProfileStore::export_to(OutputFile& file) const {
  BITNETC_ASSIGN_OR_RETURN(const auto directory, CacheDirectory::open(cache_dir_, kFolder));
  std::vector<std::string> told_at_load;
  BITNETC_ASSIGN_OR_RETURN(const OnDisk on_disk, read(directory, told_at_load));
  if (on_disk.profile.entries.empty())
    return make_error(StatusCode::kNotFound,
                      "nothing was tuned on this machine yet; `bitnetc autotune` does it{}{}",
                      on_disk.quarrel.empty() ? "" : ": ", on_disk.quarrel);
  BITNETC_RETURN_IF_ERROR(file.write(print_profile(on_disk.profile)));
  return file.finish();
}

Result<int64_t> ProfileStore::import_from(const std::string& file,
                                          std::vector<std::string>& problems) const {
  BITNETC_ASSIGN_OR_RETURN(const std::string text, read_text(file));
  BITNETC_ASSIGN_OR_RETURN(Profile foreign, parse_profile(text, file, problems));
  if (foreign.fingerprint != fingerprint_)
    return make_error(StatusCode::kUnsupported,
                      "{}: was made on machine {} ({}), this one is {} ({}); tune here with "
                      "`bitnetc autotune`",
                      file, foreign.fingerprint, foreign.machine, fingerprint_, machine_);
  const int64_t latest = now_s() + kClockSkew_s;
  const auto from_the_future = std::erase_if(
      foreign.entries, [&](const ProfileEntry& entry) { return entry.measured_at_s > latest; });
  if (from_the_future > 0)
    problems.push_back(
        fmt::format("{}: {} entries were measured in the future by this machine's clock and are "
                    "left out",
                    file, from_the_future));
  drop_unusable(foreign, machine_target(), problems);
  int64_t taken = 0;
  BITNETC_RETURN_IF_ERROR(change([&](Profile& profile) { taken = profile.merge(foreign); }));
  return taken;
}

}  // namespace bitnetc
