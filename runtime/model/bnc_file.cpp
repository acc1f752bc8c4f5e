#include "runtime/bnc_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>
#include <nlohmann/json.hpp>
#include <numeric>

#include "runtime/cpu_allowance.h"
#include "runtime/ordered_json.h"
#include "runtime/output_file.h"
#include "runtime/rounding.h"
#include "runtime/thread_pool.h"

namespace bitnetc {
namespace {

using nlohmann::json;

// The first bytes of the file. A byte above 127, a CR-LF pair and a Ctrl-Z make transfers that
// mangle text or strip bits show at once.
constexpr uint8_t kBncMagic[8] = {0x89, 'B', 'N', 'C', '\r', '\n', 0x1a, '\n'};
constexpr uint32_t kByteOrderMark = 0x01020304;
constexpr uint64_t kMaxDescriptionBytes = uint64_t{1} << 28;

// docs/bnc-format.md. Fills the first page together with zeros; `header_checksum` is XXH3-64 of
// that page with this field zero.
struct BncHeader {
  uint8_t magic[8];
  uint32_t version;
  uint32_t byte_order;
  uint64_t total_bytes;
  uint64_t description_offset;
  uint64_t description_bytes;
  uint64_t description_checksum;
  uint64_t header_checksum;
};
static_assert(sizeof(BncHeader) == 56);

uint64_t page_checksum(std::span<const uint8_t> page) {
  uint8_t copy[kBncAlignment];
  std::memcpy(copy, page.data(), kBncAlignment);
  std::memset(copy + offsetof(BncHeader, header_checksum), 0, sizeof(uint64_t));
  return XXH3_64bits(copy, kBncAlignment);
}

}  // namespace

struct BncWriter::Impl {
  std::unique_ptr<OutputFile> file;
  uint64_t offset = kBncAlignment;
  std::vector<BncSection> sections;
};

BncWriter::BncWriter(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

BncWriter::~BncWriter() = default;

Result<std::unique_ptr<BncWriter>> BncWriter::create(const std::string& path) {
  auto impl = std::make_unique<Impl>();
  BITNETC_ASSIGN_OR_RETURN(impl->file, OutputFile::create(path, OutputFile::Accepts::kRegularFile));
  BITNETC_RETURN_IF_ERROR(impl->file->write(std::vector<uint8_t>(kBncAlignment)));
  return std::unique_ptr<BncWriter>(new BncWriter(std::move(impl)));
}

Status BncWriter::add_section(const std::string& name, std::span<const uint8_t> bytes) {
  const std::vector<uint8_t> pad(round_up(bytes.size(), kBncAlignment) - bytes.size());
  XXH3_state_t* state = XXH3_createState();
  XXH3_64bits_reset(state);
  XXH3_64bits_update(state, bytes.data(), bytes.size());
  XXH3_64bits_update(state, pad.data(), pad.size());
  const uint64_t checksum = XXH3_64bits_digest(state);
  XXH3_freeState(state);

  BITNETC_RETURN_IF_ERROR(impl_->file->write(bytes));
  BITNETC_RETURN_IF_ERROR(impl_->file->write(pad));
  impl_->sections.push_back(
      {.name = name, .offset = impl_->offset, .size_bytes = bytes.size(), .checksum = checksum});
  impl_->offset += bytes.size() + pad.size();
  return {};
}

Status BncWriter::finish(std::string_view description_json) {
  json table = json::array();
  for (const BncSection& section : impl_->sections) {
    table.push_back({{"name", section.name},
                     {"offset", section.offset},
                     {"size_bytes", section.size_bytes},
                     {"checksum", fmt::format("{:016x}", section.checksum)}});
  }
  const std::string text =
      fmt::format("{{\"sections\":{},\"description\":{}}}", table.dump(), description_json);
  BITNETC_RETURN_IF_ERROR(impl_->file->write(text));

  std::vector<uint8_t> page(kBncAlignment);
  BncHeader header{.magic = {},
                   .version = kBncVersion,
                   .byte_order = kByteOrderMark,
                   .total_bytes = impl_->offset + text.size(),
                   .description_offset = impl_->offset,
                   .description_bytes = text.size(),
                   .description_checksum = XXH3_64bits(text.data(), text.size()),
                   .header_checksum = 0};
  std::memcpy(header.magic, kBncMagic, sizeof kBncMagic);
  std::memcpy(page.data(), &header, sizeof header);
  header.header_checksum = page_checksum(page);
  std::memcpy(page.data(), &header, sizeof header);
  BITNETC_RETURN_IF_ERROR(impl_->file->rewind());
  BITNETC_RETURN_IF_ERROR(impl_->file->write(page));
  return impl_->file->finish();
}

uint64_t BncWriter::bytes_written() const {
  return impl_->offset;
}

Result<std::shared_ptr<const BncReader>> BncReader::open(const std::string& path) {
  BITNETC_ASSIGN_OR_RETURN(auto file, MappedFile::open(path));
  auto reader = std::make_shared<BncReader>();
  reader->origin_ = path;
  reader->bytes_ = file->bytes();
  reader->file_ = std::move(file);
  BITNETC_RETURN_IF_ERROR(reader->parse());
  return std::shared_ptr<const BncReader>(std::move(reader));
}

Result<std::shared_ptr<const BncReader>> BncReader::from_bytes(std::span<const uint8_t> bytes,
                                                               const std::string& origin) {
  auto reader = std::make_shared<BncReader>();
  reader->origin_ = origin;
  reader->bytes_ = bytes;
  BITNETC_RETURN_IF_ERROR(reader->parse());
  return std::shared_ptr<const BncReader>(std::move(reader));
}

namespace {

Status check_header(const BncHeader& header, std::span<const uint8_t> bytes,
                    const std::string& origin) {
  if (header.byte_order != kByteOrderMark) {
    return make_error(StatusCode::kUnsupported, "{}: byte order mark is {:08x}, expected {:08x}",
                      origin, header.byte_order, kByteOrderMark);
  }
  if (header.version != kBncVersion) {
    const std::string again = fmt::format("bitnetc compile FOLDER -o {}", origin);
    return make_error(
        StatusCode::kUnsupported,
        "{}: .bnc format version is {}, this bitnetc reads version {}; {}", origin, header.version,
        kBncVersion,
        header.version > kBncVersion
            ? "use the newer bitnetc that wrote it, or make it again with this one: " + again
            : "make it again from the model's folder: " + again);
  }
  if (header.total_bytes != bytes.size()) {
    return make_error(
        StatusCode::kDataCorrupt,
        "{}: file has {} bytes, its header says {}: it is truncated or was appended to", origin,
        bytes.size(), header.total_bytes);
  }
  if (const uint64_t sum = page_checksum(bytes.first(kBncAlignment));
      sum != header.header_checksum) {
    return make_error(StatusCode::kDataCorrupt, "{}: header checksum is {:016x}, expected {:016x}",
                      origin, sum, header.header_checksum);
  }
  if (header.description_offset < kBncAlignment ||
      header.description_bytes > kMaxDescriptionBytes || header.description_offset > bytes.size() ||
      header.description_bytes != bytes.size() - header.description_offset) {
    return make_error(StatusCode::kDataCorrupt,
                      "{}: description at {} + {} bytes does not end the file of {} bytes", origin,
                      header.description_offset, header.description_bytes, bytes.size());
  }
  return {};
}

// One row of the section table, checked against the part of the file that may hold sections.
Result<BncSection> parse_section(const json& row, uint64_t sections_end,
                                 const std::string& origin) {
  const json &offset = row.at("offset"), &size_bytes = row.at("size_bytes");
  // The library would cast any number.
  if (!offset.is_number_unsigned() || !size_bytes.is_number_unsigned()) {
    return make_error(StatusCode::kDataCorrupt,
                      "{}: a section at {} with {} bytes, expected whole numbers", origin,
                      offset.dump(), size_bytes.dump());
  }
  BncSection section{.name = row.at("name").get<std::string>(),
                     .offset = offset.get<uint64_t>(),
                     .size_bytes = size_bytes.get<uint64_t>(),
                     .checksum = std::stoull(row.at("checksum").get<std::string>(), nullptr, 16)};
  if (section.offset % kBncAlignment != 0 || section.offset < kBncAlignment ||
      section.offset > sections_end || section.size_bytes > sections_end - section.offset ||
      round_up(section.size_bytes, kBncAlignment) > sections_end - section.offset) {
    return make_error(
        StatusCode::kDataCorrupt,
        "{}: section {} at {} + {} bytes is outside the sections' part of the file, {}..{}", origin,
        section.name, section.offset, section.size_bytes, kBncAlignment, sections_end);
  }
  return section;
}

// Of every section with its padding. A large file is brought into memory and read by all threads,
// the largest sections first, so that none is left to one thread at the end.
std::vector<uint64_t> checksums(const std::vector<BncSection>& sections,
                                std::span<const uint8_t> bytes) {
  constexpr size_t kBytesPerThread = 32 << 20;  // a thread is worth starting
  std::vector<size_t> order(sections.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, std::greater(), [&](size_t i) { return sections[i].size_bytes; });

  std::vector<uint64_t> sums(sections.size());
  std::atomic<size_t> next = 0;
  const auto useful = static_cast<int64_t>(1 + bytes.size() / kBytesPerThread);
  const auto threads = ThreadPool::at_most(
      static_cast<int>(std::min<int64_t>(usable_cpu_count(), useful)), /*pin=*/false);
  threads->run([&](int) {
    for (size_t i = next++; i < order.size(); i = next++) {
      const BncSection& section = sections[order[i]];
      sums[order[i]] =
          XXH3_64bits(bytes.data() + section.offset, round_up(section.size_bytes, kBncAlignment));
    }
  });
  return sums;
}

}  // namespace

Status BncReader::parse() {
  if (bytes_.size() < sizeof kBncMagic ||
      std::memcmp(bytes_.data(), kBncMagic, sizeof kBncMagic) != 0) {
    return make_error(StatusCode::kDataCorrupt,
                      "{}: not a .bnc file (it does not begin with the .bnc magic)", origin_);
  }
  if (bytes_.size() < kBncAlignment) {
    return make_error(StatusCode::kDataCorrupt, "{}: truncated: {} bytes, the header alone has {}",
                      origin_, bytes_.size(), kBncAlignment);
  }
  BncHeader header;
  std::memcpy(&header, bytes_.data(), sizeof header);
  BITNETC_RETURN_IF_ERROR(check_header(header, bytes_, origin_));

  const auto text = bytes_.subspan(header.description_offset);
  if (const uint64_t sum = XXH3_64bits(text.data(), text.size());
      sum != header.description_checksum) {
    return make_error(StatusCode::kDataCorrupt,
                      "{}: description checksum is {:016x}, expected {:016x}", origin_, sum,
                      header.description_checksum);
  }
  try {
    const json document = json::parse(text.begin(), text.end());
    description_ = document.at("description").dump();
    for (const json& row : document.at("sections")) {
      BITNETC_ASSIGN_OR_RETURN(BncSection section,
                               parse_section(row, header.description_offset, origin_));
      if (!by_name_.emplace(section.name, sections_.size()).second) {
        return make_error(StatusCode::kDataCorrupt, "{}: section {} is listed twice", origin_,
                          section.name);
      }
      sections_.push_back(std::move(section));
    }
  } catch (const std::exception& error) {
    return make_error(StatusCode::kDataCorrupt, "{}: section table: {}", origin_,
                      json_error_text(error));
  }
  BITNETC_RETURN_IF_ERROR(check_disjoint());
  const std::vector<uint64_t> sums = checksums(sections_, bytes_);
  for (size_t i = 0; i < sections_.size(); ++i) {
    const BncSection& section = sections_[i];
    if (sums[i] != section.checksum) {
      return make_error(StatusCode::kDataCorrupt,
                        "{}: section {}: checksum is {:016x}, expected {:016x}", origin_,
                        section.name, sums[i], section.checksum);
    }
  }
  return {};
}

Status BncReader::check_disjoint() const {
  std::vector<const BncSection*> by_offset;
  for (const BncSection& section : sections_) by_offset.push_back(&section);
  std::ranges::sort(by_offset, {}, &BncSection::offset);
  for (size_t i = 1; i < by_offset.size(); ++i) {
    const BncSection &before = *by_offset[i - 1], &after = *by_offset[i];
    if (before.offset + before.size_bytes > after.offset)
      return make_error(StatusCode::kDataCorrupt,
                        "{}: section {} at {} + {} bytes overlaps section {} at {}", origin_,
                        before.name, before.offset, before.size_bytes, after.name, after.offset);
  }
  return {};
}

Result<std::span<const uint8_t>> BncReader::section(const std::string& name) const {
  const auto found = by_name_.find(name);
  if (found == by_name_.end())
    return make_error(StatusCode::kDataCorrupt, "{}: section {} is missing", origin_, name);
  const BncSection& section = sections_[found->second];
  return bytes_.subspan(section.offset, section.size_bytes);
}

bool looks_like_bnc(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  uint8_t first[sizeof kBncMagic] = {};
  const ssize_t count = ::read(fd, first, sizeof first);
  ::close(fd);
  return count == sizeof first && std::memcmp(first, kBncMagic, sizeof kBncMagic) == 0;
}

}  // namespace bitnetc
