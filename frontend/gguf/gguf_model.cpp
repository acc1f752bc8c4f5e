#include "frontend/gguf/gguf_model.h"

#include <charconv>

#include "runtime/printable.h"

namespace bitnetc {
namespace {

constexpr char kNumberKey[] = "split.no";
constexpr char kCountKey[] = "split.count";
constexpr char kTensorsKey[] = "split.tensors.count";
constexpr std::string_view kExtension = ".gguf";
constexpr std::string_view kOf = "-of-";
constexpr size_t kDigits = 5;
constexpr int64_t kMostParts = 99999;

// `text` as a whole number of five digits.
std::optional<int64_t> five_digits(std::string_view text) {
  int64_t number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool whole = failure == std::errc() && end == text.data() + text.size() && number > 0;
  return text.size() == kDigits && whole ? std::optional(number) : std::nullopt;
}

// The integer at `key`, or `otherwise` when there is none.
Result<int64_t> split_integer(const GgufFile& file, const char* key, int64_t otherwise) {
  const GgufValue* value = file.find_value(key);
  if (value == nullptr) return otherwise;
  const auto integer = value->integer();
  if (!integer || *integer < 0)
    return make_error(StatusCode::kDataCorrupt, "{}: {} is {}, expected an integer from 0",
                      file.origin(), key, describe(*value));
  return *integer;
}

// That `file` says it is part `part` of `count`, counted from 1.
Status check_part(const GgufFile& file, int64_t part, int64_t count) {
  BITNETC_ASSIGN_OR_RETURN(const int64_t number, split_integer(file, kNumberKey, -1));
  BITNETC_ASSIGN_OR_RETURN(const int64_t own_count, split_integer(file, kCountKey, -1));
  if (number == part - 1 && own_count == count) return {};
  return make_error(StatusCode::kDataCorrupt,
                    "{}: {} is {} and {} is {}, expected {} and {} by its name", file.origin(),
                    kNumberKey, number, kCountKey, own_count, part - 1, count);
}

}  // namespace

std::optional<GgufPartName> GgufPartName::parse(std::string_view path) {
  if (!path.ends_with(kExtension)) return std::nullopt;
  path.remove_suffix(kExtension.size());
  const size_t tail = 1 + kDigits + kOf.size() + kDigits;  // "-00002-of-00003"
  if (path.size() <= tail) return std::nullopt;
  const std::string_view end = path.substr(path.size() - tail);
  const auto number = five_digits(end.substr(1, kDigits));
  const auto count = five_digits(end.substr(1 + kDigits + kOf.size()));
  if (end[0] != '-' || end.substr(1 + kDigits, kOf.size()) != kOf || !number || !count ||
      *number > *count)
    return std::nullopt;
  return GgufPartName{std::string(path.substr(0, path.size() - tail)), *number, *count};
}

std::string GgufPartName::path_of(int64_t part) const {
  return fmt::format("{}-{:05}{}{:05}{}", prefix, part, kOf, count, kExtension);
}

Result<GgufModel> GgufModel::open(const std::string& path) {
  GgufModel model;
  BITNETC_RETURN_IF_ERROR(model.open_parts(path));
  return model;
}

Result<GgufModel> GgufModel::from_file(GgufFile file) {
  BITNETC_ASSIGN_OR_RETURN(const int64_t count, split_integer(file, kCountKey, 1));
  if (count > 1)
    return make_error(StatusCode::kDataCorrupt, "{}: {} is {}, expected a whole model",
                      file.origin(), kCountKey, count);
  GgufModel model;
  BITNETC_RETURN_IF_ERROR(model.add_part(std::move(file)));
  return model;
}

Status GgufModel::open_parts(const std::string& path) {
  const auto open_file = [&](const std::string& name) -> Result<GgufFile> {
    BITNETC_ASSIGN_OR_RETURN(auto mapped, MappedFile::open(name));
    files_.push_back(std::move(mapped));
    return GgufFile::open(files_.back());
  };
  BITNETC_ASSIGN_OR_RETURN(GgufFile first, open_file(path));
  BITNETC_ASSIGN_OR_RETURN(const int64_t count, split_integer(first, kCountKey, 1));
  if (count <= 1) return add_part(std::move(first));

  const auto name = GgufPartName::parse(path);
  if (!name || name->count != count || count > kMostParts)
    return make_error(StatusCode::kDataCorrupt,
                      "{}: {} is {}, so its name must end in -00001-of-{:05}.gguf", first.origin(),
                      kCountKey, count, count);
  if (name->number != 1)
    return make_error(StatusCode::kInvalidArgument, "{}: is part {} of {}; open the first one, {}",
                      first.origin(), name->number, count, printable_path(name->path_of(1)));
  BITNETC_ASSIGN_OR_RETURN(const int64_t tensors, split_integer(first, kTensorsKey, -1));
  const std::string origin = first.origin();
  parts_.reserve(static_cast<size_t>(std::min<int64_t>(count, 1024)));
  BITNETC_RETURN_IF_ERROR(check_part(first, 1, count));
  BITNETC_RETURN_IF_ERROR(add_part(std::move(first)));
  for (int64_t part = 2; part <= count; ++part) {
    auto opened = open_file(name->path_of(part));
    if (!opened.ok())
      return opened.status().with_context(fmt::format("part {} of {}", part, origin));
    BITNETC_RETURN_IF_ERROR(check_part(*opened, part, count));
    BITNETC_RETURN_IF_ERROR(add_part(*std::move(opened)));
  }
  if (tensors >= 0 && std::ssize(tensors_) != tensors)
    return make_error(StatusCode::kDataCorrupt, "{}: {} is {}, but the parts hold {} tensors",
                      origin, kTensorsKey, tensors, tensors_.size());
  return {};
}

Status GgufModel::add_part(GgufFile part) {
  for (const GgufTensor& tensor : part.tensors()) {
    // The tensors stay where they are when the file that owns them is moved.
    const auto [at, is_new] = tensors_.emplace(tensor.name, &tensor);
    if (!is_new)
      return make_error(StatusCode::kDataCorrupt, "{}: is in {} too", tensor.label(),
                        at->second->origin);
  }
  parts_.push_back(std::move(part));
  return {};
}

const GgufTensor* GgufModel::find(std::string_view name) const {
  const auto it = tensors_.find(name);
  return it == tensors_.end() ? nullptr : it->second;
}

std::vector<std::string> GgufModel::tensor_names() const {
  std::vector<std::string> names;
  names.reserve(tensors_.size());
  for (const auto& entry : tensors_) names.push_back(entry.first);
  return names;
}

}  // namespace bitnetc
