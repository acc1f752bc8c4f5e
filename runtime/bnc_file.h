// The .bnc container: one file of named, checksummed sections behind a fixed header
// (docs/bnc-format.md). It is written through a temporary file and renamed into place, so a reader
// never sees half of one, and it is usable the moment it is mapped.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/mapped_file.h"
#include "runtime/status.h"

namespace bitnetc {

inline constexpr uint32_t kBncVersion = 2;
inline constexpr uint64_t kBncAlignment = 4096;

struct BncSection {
  std::string name;
  uint64_t offset = 0;  // from the start of the file, a multiple of kBncAlignment
  uint64_t size_bytes = 0;
  uint64_t checksum = 0;  // XXH3-64 of the section and its zero padding up to the next multiple
};

// Writes sections one after another; nothing is kept in memory. Without finish() the temporary file
// is removed and the destination stays as it was.
class BncWriter {
 public:
  static Result<std::unique_ptr<BncWriter>> create(const std::string& path);
  ~BncWriter();
  BncWriter(const BncWriter&) = delete;
  BncWriter& operator=(const BncWriter&) = delete;

  Status add_section(const std::string& name, std::span<const uint8_t> bytes);
  // Writes the description and the header, syncs, and renames the file into place.
  Status finish(std::string_view description_json);
  uint64_t bytes_written() const;

 private:
  struct Impl;
  explicit BncWriter(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// A mapped, verified file.
class BncReader {
 public:
  // Checks everything: magic, version, byte order, length, every checksum.
  // Error: kDataCorrupt / kUnsupported naming the path, the part and the values.
  static Result<std::shared_ptr<const BncReader>> open(const std::string& path);
  // The same for bytes already in memory (`origin` is used in messages); `bytes` must outlive the
  // reader.
  static Result<std::shared_ptr<const BncReader>> from_bytes(std::span<const uint8_t> bytes,
                                                             const std::string& origin);

  const std::string& origin() const { return origin_; }
  const std::string& description_json() const { return description_; }
  const std::vector<BncSection>& sections() const { return sections_; }
  // Error: kDataCorrupt naming the section that is missing.
  Result<std::span<const uint8_t>> section(const std::string& name) const;
  uint64_t size_bytes() const { return bytes_.size(); }
  std::span<const uint8_t> bytes() const { return bytes_; }  // the whole file

 private:
  Status parse();
  Status check_disjoint() const;

  std::string origin_;
  std::shared_ptr<const MappedFile> file_;
  std::span<const uint8_t> bytes_;
  std::string description_;
  std::vector<BncSection> sections_;
  std::map<std::string, size_t> by_name_;
};

// Whether the file at `path` begins like a .bnc.
bool looks_like_bnc(const std::string& path);

}  // namespace bitnetc
