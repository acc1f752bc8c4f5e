// A .gguf file:
//   "GGUF" | u32 version | u64 tensors | u64 values
//   values  x { string key | u32 type | value }                  string = u64 length | bytes
//   tensors x { string name | u32 dimensions | u64 extents[] | u32 type | u64 offset }
//   padding to the alignment | data; offsets count from here
#include "frontend/gguf/gguf_file.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <fstream>
#include <set>
#include <tuple>

#include "frontend/stand_in.h"
#include "frontend/unicode/utf8.h"
#include "runtime/printable.h"

namespace bitnetc {
namespace {

constexpr std::string_view kMagic = "GGUF";
constexpr char kAlignmentKey[] = "general.alignment";
constexpr int kMaxArrayDepth = 4;
constexpr size_t kMaxKeyBytes = 65535;
// The fewest bytes of an entry: the header cannot announce more entries than the file has room for.
constexpr uint64_t kLeastValueBytes = 8 + 1 + 4 + 1;
constexpr uint64_t kLeastTensorBytes = 8 + 1 + 4 + 8 + 4 + 8;
// Many times what any model has: an entry takes more memory than bytes in the file.
constexpr uint64_t kMostValues = uint64_t{1} << 16;
constexpr uint64_t kMostTensors = uint64_t{1} << 18;
constexpr uint64_t kMaxAlignment = uint64_t{1} << 30;

std::string_view as_text(std::span<const uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

uint64_t aligned(uint64_t offset, uint64_t alignment) {
  return (offset + alignment - 1) / alignment * alignment;
}

}  // namespace

// Reads and checks the header; one object per parse so that every message can name the file.
class GgufHeaderReader {
 public:
  GgufHeaderReader(std::span<const uint8_t> bytes, std::string origin,
                   std::shared_ptr<const MappedFile> mapped)
      : bytes_(bytes), mapped_(std::move(mapped)) {
    file_.origin_ = std::move(origin);
  }

  Result<GgufFile> read() {
    BITNETC_RETURN_IF_ERROR(read_opening());
    for (uint64_t i = 0; i < value_count_; ++i) BITNETC_RETURN_IF_ERROR(read_entry(i));
    BITNETC_RETURN_IF_ERROR(read_alignment());
    // Metadata that takes more than the file leaves no room for what the header announces.
    BITNETC_RETURN_IF_ERROR(check_count("tensors", tensor_count_, kLeastTensorBytes, kMostTensors));
    for (uint64_t i = 0; i < tensor_count_; ++i) BITNETC_RETURN_IF_ERROR(read_tensor(i));
    BITNETC_RETURN_IF_ERROR(place_tensors());
    return std::move(file_);
  }

 private:
  template <typename... Args>
  Status error(fmt::format_string<Args...> format, Args&&... args) const {
    return make_error(StatusCode::kDataCorrupt, "{}: {}", file_.origin_,
                      fmt::format(format, std::forward<Args>(args)...));
  }

  uint64_t left() const { return bytes_.size() - at_; }

  template <typename T>
  bool take(T* value) {
    if (left() < sizeof(T)) return false;
    std::memcpy(value, bytes_.data() + at_, sizeof(T));
    at_ += sizeof(T);
    return true;
  }

  Status ends_inside(const std::string& what) const {
    return error("the file of {} bytes ends inside {} (truncated?)", bytes_.size(), what);
  }

  // `what` opens the message: "the key of value 3".
  Result<std::string_view> take_text(const std::string& what) {
    uint64_t length = 0;
    if (!take(&length)) return ends_inside(what);
    if (length > left())
      return error("{} is {} bytes long, but only {} follow it", what, length, left());
    const auto text = as_text(bytes_.subspan(at_, static_cast<size_t>(length)));
    at_ += static_cast<size_t>(length);
    return text;
  }

  // A key or the name of a tensor.
  Result<std::string> take_name(const std::string& what, size_t most_bytes) {
    BITNETC_ASSIGN_OR_RETURN(const std::string_view name, take_text(what));
    if (name.empty()) return error("{} is empty", what);
    if (name.size() > most_bytes)
      return error("{} is {} bytes long (\"{}\"), expected at most {}", what, name.size(),
                   printable(name, 80), most_bytes);
    if (const size_t bad = find_invalid_utf8(name); bad != name.npos)
      return error("{} is not UTF-8 at byte {} (\"{}\")", what, bad, printable(name, 80));
    if (name.find('\0') != name.npos)
      return error("{} holds a NUL byte (\"{}\")", what, printable(name, 80));
    return std::string(name);
  }

  Status check_count(const char* what, uint64_t count, uint64_t least_bytes, uint64_t most) const {
    if (count > left() / least_bytes)
      return error("the header announces {} {}, but the {} bytes that are left hold at most {}",
                   count, what, left(), left() / least_bytes);
    if (count > most) return error("it has {} {}, expected at most {}", count, what, most);
    return {};
  }

  Status read_opening() {
    BITNETC_RETURN_IF_ERROR(check_is_not_stand_in(as_text(bytes_)).with_context(file_.origin_));
    if (!as_text(bytes_).starts_with(kMagic))
      return error("the magic is \"{}\", expected \"GGUF\"",
                   printable(as_text(bytes_.first(std::min<size_t>(4, bytes_.size())))));
    at_ = kMagic.size();
    uint32_t version = 0;
    if (!take(&version) || !take(&tensor_count_) || !take(&value_count_))
      return ends_inside("its header");
    if (version != 0 && (version & 0xffffu) == 0)
      return make_error(StatusCode::kUnsupported,
                        "{}: version {:#x}: a big-endian GGUF file, only little-endian ones are "
                        "read",
                        file_.origin_, version);
    if (version != kGgufVersion && version != 2)
      return make_error(StatusCode::kUnsupported,
                        "{}: version {} of GGUF is not supported, expected 2 or 3", file_.origin_,
                        version);
    return check_count("values", value_count_, kLeastValueBytes, kMostValues);
  }

  Status read_entry(uint64_t index) {
    BITNETC_ASSIGN_OR_RETURN(std::string key,
                             take_name(fmt::format("the key of value {}", index), kMaxKeyBytes));
    const std::string where = fmt::format("key {}", printable(key, 100));
    uint32_t type = 0;
    if (!take(&type)) return ends_inside(where);
    BITNETC_ASSIGN_OR_RETURN(const GgufValue value, read_value(where, type, 0));
    if (!file_.metadata_.emplace(std::move(key), value).second)
      return error("{} occurs twice", where);
    return {};
  }

  Result<GgufValue> read_value(const std::string& where, uint32_t type, int depth) {
    if (type >= kGgufValueTypes)
      return error("{}: value type {} is unknown, expected 0 to {}", where, type,
                   kGgufValueTypes - 1);
    GgufValue value{.type = static_cast<GgufValueType>(type), .bytes = {}};
    if (value.type == GgufValueType::kString) {
      BITNETC_ASSIGN_OR_RETURN(const std::string_view text, take_text(where + ": the string"));
      value.bytes = {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
      return value;
    }
    if (value.type == GgufValueType::kArray) return read_array(where, depth);
    BITNETC_ASSIGN_OR_RETURN(value.bytes, take_fixed(where, value.type, 1));
    return value;
  }

  // `count` numbers or bools.
  Result<std::span<const uint8_t>> take_fixed(const std::string& where, GgufValueType type,
                                              uint64_t count) {
    const size_t width = gguf_value_bytes(type);
    if (count > left() / width)
      return error("{}: {} {} need more than the {} bytes that are left (truncated?)", where, count,
                   gguf_value_type_name(type), left());
    const auto bytes = bytes_.subspan(at_, static_cast<size_t>(count) * width);
    at_ += bytes.size();
    if (type == GgufValueType::kBool) {
      const auto bad = std::find_if(bytes.begin(), bytes.end(), [](uint8_t b) { return b > 1; });
      if (bad != bytes.end()) return error("{}: a bool is {}, expected 0 or 1", where, *bad);
    }
    return bytes;
  }

  Result<GgufValue> read_array(const std::string& where, int depth) {
    if (depth == kMaxArrayDepth)
      return error("{}: arrays are nested deeper than {}", where, kMaxArrayDepth);
    uint32_t element = 0;
    GgufValue value{.type = GgufValueType::kArray, .bytes = {}};
    if (!take(&element) || !take(&value.count)) return ends_inside(where);
    if (element >= kGgufValueTypes)
      return error("{}: element type {} is unknown, expected 0 to {}", where, element,
                   kGgufValueTypes - 1);
    value.element = static_cast<GgufValueType>(element);
    const size_t begin = at_;
    if (gguf_value_bytes(value.element) > 0) {
      BITNETC_ASSIGN_OR_RETURN(value.bytes, take_fixed(where, value.element, value.count));
      return value;
    }
    // Every string and array has a length of its own.
    if (value.count > left() / sizeof(uint64_t))
      return error("{}: {} elements need more than the {} bytes that are left (truncated?)", where,
                   value.count, left());
    for (uint64_t i = 0; i < value.count; ++i) {
      if (value.element == GgufValueType::kString) {
        uint64_t length = 0;
        if (!take(&length) || length > left())
          return error(
              "{}: string {} of {} needs more than the {} bytes that are left (truncated?)", where,
              i, value.count, left());
        at_ += static_cast<size_t>(length);
      } else {
        BITNETC_RETURN_IF_ERROR(read_array(where, depth + 1).status());
      }
    }
    value.bytes = bytes_.subspan(begin, at_ - begin);
    return value;
  }

  Status read_alignment() {
    const GgufValue* value = file_.find_value(kAlignmentKey);
    if (value == nullptr) return {};
    const auto alignment = value->integer();
    const bool fits = alignment && *alignment > 0 &&
                      static_cast<uint64_t>(*alignment) <= kMaxAlignment &&
                      std::has_single_bit(static_cast<uint64_t>(*alignment));
    if (!fits)
      return error("key {} is {}, expected a power of two up to {}", kAlignmentKey,
                   describe(*value), kMaxAlignment);
    alignment_ = static_cast<uint64_t>(*alignment);
    return {};
  }

  Status read_tensor(uint64_t index) {
    Placed placed;
    BITNETC_ASSIGN_OR_RETURN(
        placed.tensor.name,
        take_name(fmt::format("the name of tensor {}", index), kGgufMaxTensorNameBytes));
    GgufTensor& tensor = placed.tensor;
    tensor.origin = file_.origin_;
    tensor.alignment = alignment_;
    tensor.file = mapped_;
    uint32_t dimensions = 0;
    if (!take(&dimensions)) return ends_inside("tensor " + printable(tensor.name));
    if (dimensions < 1 || dimensions > kGgufMaxDimensions)
      return error("tensor {} has {} dimensions, expected 1 to {}", printable(tensor.name),
                   dimensions, kGgufMaxDimensions);
    tensor.elements = 1;
    for (uint32_t d = 0; d < dimensions; ++d) {
      uint64_t extent = 0;
      if (!take(&extent)) return ends_inside("tensor " + printable(tensor.name));
      if (extent == 0)
        return error("tensor {}: extent {} is 0, expected at least 1", printable(tensor.name), d);
      if (extent > static_cast<uint64_t>(INT64_MAX) ||
          __builtin_mul_overflow(tensor.elements, static_cast<int64_t>(extent), &tensor.elements))
        return error("tensor {}: its extents multiply to more than 2^63 - 1 elements",
                     printable(tensor.name));
      tensor.extents.push_back(static_cast<int64_t>(extent));
    }
    if (!take(&tensor.type_id) || !take(&placed.offset))
      return ends_inside("tensor " + printable(tensor.name));
    if (placed.offset % alignment_ != 0)
      return error("tensor {}: offset {} is no multiple of the alignment {}",
                   printable(tensor.name), placed.offset, alignment_);
    if (!names_.insert(tensor.name).second)
      return error("tensor {} occurs twice", printable(tensor.name));
    placed_.push_back(std::move(placed));
    return {};
  }

  // Gives every tensor the room up to the next one.
  Status place_tensors() {
    if (placed_.empty()) return {};
    const uint64_t begin = aligned(at_, alignment_);
    const uint64_t data_bytes = begin < bytes_.size() ? bytes_.size() - begin : 0;
    std::sort(placed_.begin(), placed_.end(), [](const Placed& a, const Placed& b) {
      return std::tie(a.offset, a.tensor.name) < std::tie(b.offset, b.tensor.name);
    });
    if (placed_[0].offset != 0)
      return error("tensor {} is the first and begins at {} of the data, expected 0",
                   printable(placed_[0].tensor.name), placed_[0].offset);
    for (size_t i = 0; i < placed_.size(); ++i) {
      Placed& placed = placed_[i];
      if (placed.offset >= data_bytes)
        return error("tensor {} begins at {} of the data, which has {} bytes (truncated?)",
                     printable(placed.tensor.name), placed.offset, data_bytes);
      placed.tensor.is_last = i + 1 == placed_.size();
      const uint64_t end =
          placed.tensor.is_last ? data_bytes : std::min(placed_[i + 1].offset, data_bytes);
      if (end == placed.offset)
        return error("tensors {} and {} both begin at {} of the data",
                     printable(placed.tensor.name), printable(placed_[i + 1].tensor.name),
                     placed.offset);
      placed.tensor.room = bytes_.subspan(static_cast<size_t>(begin + placed.offset),
                                          static_cast<size_t>(end - placed.offset));
    }
    file_.tensors_.reserve(placed_.size());
    for (Placed& placed : placed_) file_.tensors_.push_back(std::move(placed.tensor));
    return {};
  }

  struct Placed {
    uint64_t offset = 0;
    GgufTensor tensor;
  };

  std::span<const uint8_t> bytes_;
  size_t at_ = 0;
  std::shared_ptr<const MappedFile> mapped_;
  uint64_t tensor_count_ = 0, value_count_ = 0, alignment_ = kGgufDefaultAlignment;
  std::set<std::string> names_;
  std::vector<Placed> placed_;
  GgufFile file_;
};

std::string extents_text(std::span<const int64_t> extents) {
  return fmt::format("[{}]", fmt::join(extents, ", "));
}

std::string GgufTensor::label() const {
  return fmt::format("{}: tensor {}", origin, printable(name));
}

Result<GgufFile> GgufFile::open(const std::string& path) {
  BITNETC_ASSIGN_OR_RETURN(const std::shared_ptr<const MappedFile> mapped, MappedFile::open(path));
  return open(mapped);
}

Result<GgufFile> GgufFile::open(const std::shared_ptr<const MappedFile>& file) {
  return parse(file->bytes(), printable_path(file->path()), file);
}

Result<GgufFile> GgufFile::parse(std::span<const uint8_t> bytes, std::string origin) {
  return parse(bytes, std::move(origin), nullptr);
}

Result<GgufFile> GgufFile::parse(std::span<const uint8_t> bytes, std::string origin,
                                 std::shared_ptr<const MappedFile> file) {
  return GgufHeaderReader(bytes, std::move(origin), std::move(file)).read();
}

const GgufValue* GgufFile::find_value(std::string_view key) const {
  const auto it = metadata_.find(key);
  return it == metadata_.end() ? nullptr : &it->second;
}

bool begins_like_gguf(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  char magic[4] = {};
  return file.read(magic, sizeof magic) && std::string_view(magic, sizeof magic) == kMagic;
}

}  // namespace bitnetc
