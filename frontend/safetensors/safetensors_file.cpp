// A .safetensors file:   u64 header_bytes | header (JSON, right-padded with spaces) | data
// The header maps a tensor's name to {dtype, shape, data_offsets: [begin, end]}, offsets relative
// to data.
#include "frontend/safetensors/safetensors_file.h"

#include <algorithm>
#include <optional>

#include "frontend/json/strict_json.h"
#include "frontend/stand_in.h"
#include "runtime/printable.h"

namespace bitnetc {
namespace {

using Json = nlohmann::json;

constexpr uint64_t kMaxHeaderBytes = 100'000'000;
constexpr size_t kLengthBytes = 8;

struct TypeRow {
  TensorType type;
  std::string_view name;
  int64_t bytes;
};
constexpr TypeRow kTypes[] = {
    {TensorType::kF64, "F64", 8},        {TensorType::kF32, "F32", 4},
    {TensorType::kF16, "F16", 2},        {TensorType::kBf16, "BF16", 2},
    {TensorType::kI64, "I64", 8},        {TensorType::kI32, "I32", 4},
    {TensorType::kI16, "I16", 2},        {TensorType::kI8, "I8", 1},
    {TensorType::kU64, "U64", 8},        {TensorType::kU32, "U32", 4},
    {TensorType::kU16, "U16", 2},        {TensorType::kU8, "U8", 1},
    {TensorType::kBool, "BOOL", 1},      {TensorType::kF8E4M3, "F8_E4M3", 1},
    {TensorType::kF8E5M2, "F8_E5M2", 1},
};

// Null for a dtype that this build does not know.
const TypeRow* type_row(std::string_view name) {
  const auto* row = std::find_if(std::begin(kTypes), std::end(kTypes),
                                 [&](const TypeRow& candidate) { return candidate.name == name; });
  return row == std::end(kTypes) ? nullptr : row;
}

// Where a tensor lies, in bytes from the start of the data section.
struct Extent {
  uint64_t begin = 0, end = 0;
};

// Reads and checks the header; one object per parse so that every message can name the file.
class HeaderReader {
 public:
  HeaderReader(std::span<const uint8_t> bytes, std::string origin,
               std::shared_ptr<const MappedFile> file)
      : bytes_(bytes), origin_(std::move(origin)), file_(std::move(file)) {}

  Result<std::vector<StoredTensor>> read() {
    const std::string_view text(reinterpret_cast<const char*>(bytes_.data()), bytes_.size());
    BITNETC_RETURN_IF_ERROR(check_is_not_stand_in(text).with_context(origin_));
    BITNETC_ASSIGN_OR_RETURN(const std::string_view json, header_text());
    BITNETC_ASSIGN_OR_RETURN(const Json header, parse_strict_json(json, origin_ + ": header"));
    for (const auto& [name, entry] : header.items()) {
      BITNETC_RETURN_IF_ERROR(name == "__metadata__" ? check_metadata(entry)
                                                     : add_tensor(name, entry));
    }
    BITNETC_RETURN_IF_ERROR(check_cover());
    std::vector<StoredTensor> tensors;
    tensors.reserve(placed_.size());
    for (Placed& placed : placed_) tensors.push_back(std::move(placed.tensor));
    return tensors;
  }

 private:
  struct Placed {
    Extent extent;
    StoredTensor tensor;
  };

  template <typename... Args>
  Status error(fmt::format_string<Args...> format, Args&&... args) const {
    return make_error(StatusCode::kDataCorrupt, "{}: {}", origin_,
                      printable(fmt::format(format, std::forward<Args>(args)...)));
  }

  Result<std::string_view> header_text() {
    if (bytes_.size() < kLengthBytes)
      return error("is {} bytes long, too short for the 8-byte header length", bytes_.size());
    uint64_t header_bytes = 0;
    for (size_t i = 0; i < kLengthBytes; ++i) header_bytes |= uint64_t{bytes_[i]} << (8 * i);
    if (header_bytes > kMaxHeaderBytes)
      return error("header length is {}, more than the {} allowed", header_bytes, kMaxHeaderBytes);
    if (header_bytes > bytes_.size() - kLengthBytes)
      return error("header length is {}, but only {} bytes follow it (truncated?)", header_bytes,
                   bytes_.size() - kLengthBytes);
    const auto header = bytes_.subspan(kLengthBytes, static_cast<size_t>(header_bytes));
    data_ = bytes_.subspan(kLengthBytes + header.size());
    if (header.empty() || header[0] != '{') return error("the header does not begin with '{{'");
    return std::string_view(reinterpret_cast<const char*>(header.data()), header.size());
  }

  Status check_metadata(const Json& metadata) const {
    if (!metadata.is_object())
      return error("__metadata__ is {}, expected an object", json_excerpt(metadata));
    for (const auto& [key, value] : metadata.items())
      if (!value.is_string())
        return error("__metadata__: {} is {}, expected a string", key, json_excerpt(value));
    return {};
  }

  Status add_tensor(const std::string& name, const Json& entry) {
    if (!entry.is_object())
      return error("tensor {}: is {}, expected an object", name, json_excerpt(entry));
    for (const auto& [key, value] : entry.items())
      if (key != "dtype" && key != "shape" && key != "data_offsets")
        return error("tensor {}: unknown field \"{}\"", name, key);
    for (const char* key : {"dtype", "shape", "data_offsets"})
      if (!entry.contains(key)) return error("tensor {}: {} is missing", name, key);

    StoredTensor tensor;
    tensor.name = name;
    tensor.origin = origin_;
    tensor.file = file_;
    BITNETC_RETURN_IF_ERROR(read_type(entry.at("dtype"), &tensor));
    BITNETC_ASSIGN_OR_RETURN(const std::optional<int64_t> bytes,
                             read_shape(entry.at("shape"), &tensor));
    BITNETC_ASSIGN_OR_RETURN(const Extent extent,
                             read_extent(entry.at("data_offsets"), tensor, bytes));
    tensor.bytes = data_.subspan(static_cast<size_t>(extent.begin),
                                 static_cast<size_t>(extent.end - extent.begin));
    placed_.push_back({extent, std::move(tensor)});
    return {};
  }

  Status read_type(const Json& dtype, StoredTensor* tensor) const {
    if (!dtype.is_string())
      return error("tensor {}: dtype is {}, expected a string", tensor->name, json_excerpt(dtype));
    tensor->dtype = dtype.get<std::string>();
    const TypeRow* row = type_row(tensor->dtype);
    tensor->type = row == nullptr ? TensorType::kOther : row->type;
    return {};
  }

  // The bytes that a tensor of this shape takes; nothing where the size of an element is not known.
  Result<std::optional<int64_t>> read_shape(const Json& shape, StoredTensor* tensor) const {
    if (!shape.is_array())
      return error("tensor {}: shape is {}, expected a list", tensor->name, json_excerpt(shape));
    const TypeRow* row = type_row(tensor->dtype);
    int64_t bytes = row == nullptr ? 1 : row->bytes;
    tensor->elements = 1;
    for (const Json& dimension : shape) {
      if (!dimension.is_number_unsigned() || dimension.get<uint64_t>() > uint64_t{INT64_MAX})
        return error("tensor {}: shape {} holds {}, expected an integer, at least 0", tensor->name,
                     json_excerpt(shape), json_excerpt(dimension));
      const int64_t extent = dimension.get<int64_t>();
      if (__builtin_mul_overflow(bytes, extent, &bytes))
        return error("tensor {}: shape {} overflows", tensor->name, json_excerpt(shape));
      tensor->elements *= extent;
      tensor->shape.push_back(extent);
    }
    return row == nullptr ? std::nullopt : std::optional(bytes);
  }

  Result<Extent> read_extent(const Json& offsets, const StoredTensor& tensor,
                             std::optional<int64_t> expected_bytes) const {
    const bool well_formed = offsets.is_array() && offsets.size() == 2 &&
                             offsets[0].is_number_unsigned() && offsets[1].is_number_unsigned();
    if (!well_formed)
      return error("tensor {}: data_offsets is {}, expected [begin, end]", tensor.name,
                   json_excerpt(offsets));
    const Extent extent{offsets[0].get<uint64_t>(), offsets[1].get<uint64_t>()};
    if (extent.begin > extent.end)
      return error("tensor {}: data_offsets [{}, {}] are reversed", tensor.name, extent.begin,
                   extent.end);
    if (extent.end > data_.size())
      return error("tensor {}: data_offsets [{}, {}] reach past the {} bytes of data (truncated?)",
                   tensor.name, extent.begin, extent.end, data_.size());
    if (expected_bytes && extent.end - extent.begin != static_cast<uint64_t>(*expected_bytes))
      return error("tensor {}: data_offsets [{}, {}] span {} bytes, but {} {} needs {}",
                   tensor.name, extent.begin, extent.end, extent.end - extent.begin, tensor.dtype,
                   shape_text(tensor.shape), *expected_bytes);
    return extent;
  }

  // Sorts the tensors by place and requires them to cover the data exactly.
  Status check_cover() {
    std::sort(placed_.begin(), placed_.end(), [](const Placed& a, const Placed& b) {
      return std::pair(a.extent.begin, a.extent.end) < std::pair(b.extent.begin, b.extent.end);
    });
    uint64_t covered = 0;
    const std::string* previous = nullptr;
    for (const Placed& placed : placed_) {
      if (placed.extent.begin < covered)
        return error("tensor {} begins at {}, inside tensor {}, which ends at {}",
                     placed.tensor.name, placed.extent.begin, *previous, covered);
      if (placed.extent.begin > covered)
        return error("tensor {} begins at {}, leaving a hole from {}", placed.tensor.name,
                     placed.extent.begin, covered);
      covered = placed.extent.end;
      previous = &placed.tensor.name;
    }
    if (covered != data_.size())
      return error("{} bytes of data follow the last tensor, which ends at {}",
                   data_.size() - covered, covered);
    return {};
  }

  std::span<const uint8_t> bytes_, data_;
  std::string origin_;
  std::shared_ptr<const MappedFile> file_;
  std::vector<Placed> placed_;
};

}  // namespace

std::string shape_text(std::span<const int64_t> shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

std::string StoredTensor::label() const {
  return fmt::format("{}: tensor {}", origin, printable(name));
}

Result<SafetensorsFile> SafetensorsFile::open(const std::string& path) {
  BITNETC_ASSIGN_OR_RETURN(auto mapped, MappedFile::open(path));
  return open(std::move(mapped));
}

Result<SafetensorsFile> SafetensorsFile::open(std::shared_ptr<const MappedFile> file) {
  const auto bytes = file->bytes();
  const std::string origin = printable_path(file->path());
  return parse(bytes, origin, std::move(file));
}

Result<SafetensorsFile> SafetensorsFile::parse(std::span<const uint8_t> bytes, std::string origin) {
  return parse(bytes, std::move(origin), nullptr);
}

Result<SafetensorsFile> SafetensorsFile::parse(std::span<const uint8_t> bytes, std::string origin,
                                               std::shared_ptr<const MappedFile> file) {
  SafetensorsFile parsed;
  BITNETC_ASSIGN_OR_RETURN(parsed.tensors_,
                           HeaderReader(bytes, std::move(origin), std::move(file)).read());
  for (size_t i = 0; i < parsed.tensors_.size(); ++i) parsed.by_name_[parsed.tensors_[i].name] = i;
  return parsed;
}

const StoredTensor* SafetensorsFile::find(std::string_view name) const {
  const auto it = by_name_.find(name);
  return it == by_name_.end() ? nullptr : &tensors_[it->second];
}

}  // namespace bitnetc
