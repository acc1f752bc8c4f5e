#include "tools/engine/hub/pull.h"

#include <fcntl.h>

#include <cctype>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <system_error>
#include <thread>

#include "frontend/stand_in.h"
#include "runtime/file_descriptor.h"
#include "runtime/printable.h"
#include "tools/engine/hub/http_client.h"
#include "tools/engine/hub/hub_listing.h"

namespace bitnetc {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMegabyte = 1000000;

Status system_error(const std::string& path, const char* action, int error) {
  return make_error(StatusCode::kIoError, "{}: cannot {}: {}", printable_path(path), action,
                    std::generic_category().message(error));
}

Status write_all(const FileDescriptor& file, const std::string& path,
                 std::span<const uint8_t> bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(file.get(), bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return system_error(path, "write", errno);
    bytes = bytes.subspan(static_cast<size_t>(count));
  }
  return {};
}

// `text` as a part of a URL's path; slashes stay where they separate.
std::string escaped(std::string_view text, bool keeps_slashes) {
  std::string url;
  for (const char c : text) {
    const bool is_plain = std::isalnum(static_cast<unsigned char>(c)) != 0 ||
                          std::string_view("-._~").find(c) != std::string_view::npos ||
                          (keeps_slashes && c == '/');
    if (is_plain) {
      url += c;
    } else {
      url += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return url;
}

class Pull {
 public:
  Pull(const PullRequest& request, const HubSettings& hub, Notes& notes, const CancelToken* cancel)
      : request_(request), hub_(hub), notes_(notes), cancel_(cancel) {}

  Result<PullReport> run() {
    BITNETC_ASSIGN_OR_RETURN(http_, HttpClient::create());
    BITNETC_ASSIGN_OR_RETURN(const HubListing listing, list());
    BITNETC_ASSIGN_OR_RETURN(const auto files,
                             choose_files(listing, request_.files, request_.repository));
    report_.revision = listing.commit;
    report_.files = static_cast<int>(files.size());
    for (const HubFile& file : files) total_bytes_ += file.bytes;
    BITNETC_RETURN_IF_ERROR(prepare_folder(files));
    for (const HubFile& file : files) BITNETC_RETURN_IF_ERROR(fetch(file));
    return report_;
  }

 private:
  // The repository's own page says more than a status: private and misspelt ones answer alike.
  Status refused(const std::string& url, const HttpResponse& response) const {
    const bool is_unknown =
        response.status == 401 || response.status == 403 || response.status == 404;
    if (is_unknown)
      return make_error(StatusCode::kNotFound,
                        "{}: status {}: no such repository, revision or file, or it {}",
                        printable(url, 300), response.status,
                        hub_.token.empty() ? "wants a token: accept its terms and set HF_TOKEN"
                                           : "is not open to the token in HF_TOKEN");
    return make_error(StatusCode::kIoError, "{}: status {}", printable(url, 300), response.status);
  }

  Result<HubListing> list() {
    constexpr size_t kMostBytes = size_t{16} << 20;
    const std::string url = fmt::format("{}/api/models/{}/revision/{}?blobs=true", hub_.endpoint,
                                        request_.repository, escaped(request_.revision, false));
    std::string text;
    const auto take = [&](const HttpResponse&, std::span<const uint8_t> bytes) -> Status {
      text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      if (text.size() <= kMostBytes) return {};
      return make_error(StatusCode::kDataCorrupt, "{}: more than {} MiB", printable(url, 300),
                        kMostBytes >> 20);
    };
    BITNETC_ASSIGN_OR_RETURN(const HttpResponse response,
                             http_->get({.url = url, .bearer_token = hub_.token}, take, cancel_));
    if (response.status != 200) return refused(url, response);
    commit_url_ = fmt::format("{}/{}/resolve/", hub_.endpoint, request_.repository);
    auto listing = parse_hub_listing(text, printable(url, 300));
    if (listing.ok()) commit_url_ += listing->commit + "/";
    return listing;
  }

  // Unfinished files count as if they were not there: too careful by what they hold.
  Status prepare_folder(const std::vector<HubFile>& files) {
    std::error_code failure;
    fs::create_directories(request_.folder, failure);
    if (failure) return system_error(request_.folder, "make the folder", failure.value());
    int64_t missing = 0;
    for (const HubFile& file : files)
      if (!fs::exists(path_of(file))) missing += file.bytes;
    const fs::space_info space = fs::space(request_.folder, failure);
    if (failure || space.available >= static_cast<uintmax_t>(missing)) return {};
    return make_error(StatusCode::kIoError, "{}: {:.1f} GB are free; the model takes {:.1f} GB",
                      printable_path(request_.folder), static_cast<double>(space.available) / 1e9,
                      static_cast<double>(missing) / 1e9);
  }

  std::string path_of(const HubFile& file) const {
    return (fs::path(request_.folder) / file.name).string();
  }

  Status fetch(const HubFile& file) {
    const std::string path = path_of(file);
    std::error_code failure;
    fs::create_directories(fs::path(path).parent_path(), failure);
    if (failure) return system_error(path, "make its folder", failure.value());
    BITNETC_ASSIGN_OR_RETURN(const bool is_there, has_digest(path, file));
    if (is_there) {
      ++report_.present;
      done_bytes_ += file.bytes;
      return {};
    }
    // Named by what it will be: a part of another version is not gone on with.
    const std::string part = fmt::format("{}.{}.part", path, file.digest.substr(0, 12));
    BITNETC_RETURN_IF_ERROR(download(file, part));
    BITNETC_ASSIGN_OR_RETURN(const bool is_right, has_digest(part, file));
    if (!is_right) {
      fs::remove(part, failure);
      return make_error(StatusCode::kDataCorrupt,
                        "{}: what was downloaded has another checksum than {} says; it is removed, "
                        "run the command again",
                        printable_path(path), hub_.endpoint);
    }
    if (std::rename(part.c_str(), path.c_str()) != 0)
      return system_error(path, "rename into place", errno);
    done_bytes_ += file.bytes;
    return {};
  }

  // Whether the file is there with its size and digest.
  Result<bool> has_digest(const std::string& path, const HubFile& file) {
    const FileDescriptor input(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!input.is_open()) {
      if (errno == ENOENT) return false;
      return system_error(path, "open", errno);
    }
    BITNETC_ASSIGN_OR_RETURN(const auto digest, FileDigest::create(file.digest_kind, file.bytes));
    std::vector<uint8_t> block(size_t{1} << 20);
    int64_t bytes = 0;
    for (;;) {
      if (is_cancelled(cancel_)) return Status(StatusCode::kCancelled, "interrupted");
      const ssize_t count = ::read(input.get(), block.data(), block.size());
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return system_error(path, "read", errno);
      if (count == 0) break;
      bytes += count;
      digest->update({block.data(), static_cast<size_t>(count)});
    }
    return bytes == file.bytes && digest->hex() == file.digest;
  }

  // Until `part` has all bytes; goes on where it ends when the connection breaks.
  Status download(const HubFile& file, const std::string& part) {
    for (int idle = 0;;) {
      const int64_t before = size_of(part);
      if (before == file.bytes) return {};
      Status broken;
      BITNETC_RETURN_IF_ERROR(transfer(file, part, before, broken));
      const int64_t after = size_of(part);
      if (after == file.bytes) return {};
      idle = after > before ? 0 : idle + 1;
      if (idle > request_.retries)
        return make_error(StatusCode::kIoError,
                          "{}: {} of {} bytes are there ({}); run the command again to go on",
                          file.name, after, file.bytes,
                          broken.ok() ? "the server ends the file there" : broken.message());
      wait(idle);
    }
  }

  void wait(int idle) const {
    for (int i = 0; i < 2 * idle && !is_cancelled(cancel_); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }

  static int64_t size_of(const std::string& path) {
    std::error_code failure;
    const uintmax_t bytes = fs::file_size(path, failure);
    return failure ? 0 : static_cast<int64_t>(bytes);
  }

  // Appends to `part`, which has `have` bytes. `broken`: why the connection ended early; a further
  // transfer may do better. Error: what no further transfer mends.
  Status transfer(const HubFile& file, const std::string& part, int64_t have, Status& broken) {
    const std::string url = commit_url_ + escaped(file.name, true);
    if (have > file.bytes) have = 0;  // the rest of something else
    const FileDescriptor output(
        ::open(part.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | (have == 0 ? O_TRUNC : 0), 0644));
    if (!output.is_open()) return system_error(part, "open", errno);
    int64_t at = -1;  // where the next block belongs; -1 before the first one
    Status refusal;   // by this side
    const auto place = [&](const HttpResponse& response, std::span<const uint8_t> bytes) -> Status {
      if (at < 0) {
        at = response.status == 206 ? have : 0;
        if (at == 0) BITNETC_RETURN_IF_ERROR(check_first_block(file, response, bytes));
        if (::ftruncate(output.get(), at) != 0 || ::lseek(output.get(), at, SEEK_SET) != at)
          return system_error(part, "write", errno);
      }
      at += static_cast<int64_t>(bytes.size());
      if (at > file.bytes)
        return make_error(StatusCode::kDataCorrupt, "{}: more than the {} bytes it should have",
                          printable(url, 300), file.bytes);
      report_.downloaded_bytes += static_cast<int64_t>(bytes.size());
      show(file, at);
      return write_all(output, part, bytes);
    };
    const auto take = [&](const HttpResponse& response, std::span<const uint8_t> bytes) -> Status {
      if (is_content(response)) refusal = place(response, bytes);
      return refusal;
    };
    const auto response =
        http_->get({.url = url, .bearer_token = hub_.token, .first_byte = have}, take, cancel_);
    BITNETC_RETURN_IF_ERROR(refusal);
    if (!response.ok() && response.status().code() != StatusCode::kIoError)
      return response.status();
    if (!response.ok()) {
      broken = response.status();
    } else if (response->status >= 500) {
      broken = refused(url, *response);
    } else if (!is_content(*response)) {
      return refused(url, *response);
    }
    return {};
  }

  static bool is_content(const HttpResponse& response) {
    return response.status == 200 || response.status == 206;
  }

  static Status check_first_block(const HubFile& file, const HttpResponse& response,
                                  std::span<const uint8_t> bytes) {
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    if (response.content_type.starts_with("text/html"))
      return make_error(StatusCode::kDataCorrupt,
                        "{}: the answer is a web page, not the file; is HF_ENDPOINT right?",
                        file.name);
    return check_is_not_stand_in(text).with_context(file.name);
  }

  void show(const HubFile& file, int64_t of_file) {
    notes_.progress({.task = "downloading",
                     .done = static_cast<int>((done_bytes_ + of_file) / kMegabyte),
                     .total = static_cast<int>(total_bytes_ / kMegabyte),
                     .what = file.name});
  }

  const PullRequest& request_;
  const HubSettings& hub_;
  Notes& notes_;
  const CancelToken* cancel_;
  std::unique_ptr<HttpClient> http_;
  std::string commit_url_;  // of the files
  int64_t total_bytes_ = 0, done_bytes_ = 0;
  PullReport report_;
};

}  // namespace

Result<PullReport> pull_model(const PullRequest& request, const HubSettings& hub, Notes& notes,
                              const CancelToken* cancel) {
  return Pull(request, hub, notes, cancel).run();
}

}  // namespace bitnetc
