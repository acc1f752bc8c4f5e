#include "frontend/safetensors/safetensors_model.h"

#include <algorithm>
#include <filesystem>

#include "frontend/json/strict_json.h"
#include "runtime/printable.h"

namespace bitnetc {
namespace {

constexpr const char* kSingleName = "model.safetensors";
constexpr const char* kIndexName = "model.safetensors.index.json";

// tensor name -> shard file name
using WeightMap = std::map<std::string, std::string>;

// Whether there is anything of this name. Error: kIoError when that cannot be told (a folder that
// may not be searched).
Result<bool> is_there(const std::string& path) {
  std::error_code failure;
  const auto type = std::filesystem::status(path, failure).type();
  if (type == std::filesystem::file_type::none)
    return make_error(StatusCode::kIoError, "{}: {}", printable_path(path), failure.message());
  return type != std::filesystem::file_type::not_found;
}

// `origin` is the index's path as messages show it.
Result<WeightMap> parse_index(const MappedFile& index, const std::string& origin) {
  const auto bytes = index.bytes();
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  BITNETC_ASSIGN_OR_RETURN(const auto json, parse_strict_json(text, origin));
  if (!json.is_object() || !json.contains("weight_map") || !json.at("weight_map").is_object())
    return make_error(StatusCode::kDataCorrupt, "{}: weight_map is missing or not an object",
                      origin);
  WeightMap weight_map;
  for (const auto& [tensor, file] : json.at("weight_map").items()) {
    if (!file.is_string())
      return make_error(StatusCode::kDataCorrupt, "{}: weight_map: {} is {}, expected a file name",
                        origin, printable(tensor), json_excerpt(file));
    const auto& name = file.template get_ref<const std::string&>();
    const bool plain = !name.empty() && name != "." && name != ".." && name == printable(name) &&
                       name.find_first_of("/\\") == std::string::npos;
    if (!plain)
      return make_error(
          StatusCode::kDataCorrupt,
          "{}: weight_map: {} is in {}, expected the name of a file in the same folder", origin,
          printable(tensor), json_excerpt(file));
    weight_map[tensor] = name;
  }
  if (weight_map.empty())
    return make_error(StatusCode::kDataCorrupt, "{}: weight_map is empty", origin);
  return weight_map;
}

}  // namespace

Result<SafetensorsModel> SafetensorsModel::open(const std::string& folder) {
  const std::string single_path = folder + "/" + kSingleName;
  const std::string index_path = folder + "/" + kIndexName;
  BITNETC_ASSIGN_OR_RETURN(const bool has_single, is_there(single_path));
  BITNETC_ASSIGN_OR_RETURN(const bool has_index, is_there(index_path));
  if (!has_single && !has_index)
    return make_error(StatusCode::kNotFound, "{}: holds neither {} nor {}", printable_path(folder),
                      kSingleName, kIndexName);

  SafetensorsModel model(folder);
  if (has_single && has_index)
    model.notes_.push_back(
        fmt::format("{} and {} both exist: the index is not used", kSingleName, kIndexName));
  BITNETC_RETURN_IF_ERROR(has_single ? model.open_single(single_path)
                                     : model.open_shards(index_path));
  return model;
}

Result<SafetensorsFile> SafetensorsModel::open_file(const std::string& path) {
  BITNETC_ASSIGN_OR_RETURN(auto mapped, MappedFile::open(path));
  files_.push_back(mapped);
  return SafetensorsFile::open(std::move(mapped));
}

Status SafetensorsModel::open_single(const std::string& path) {
  BITNETC_ASSIGN_OR_RETURN(const SafetensorsFile file, open_file(path));
  for (const StoredTensor& tensor : file.tensors()) tensors_.emplace(tensor.name, tensor);
  return {};
}

Status SafetensorsModel::open_shards(const std::string& index_path) {
  BITNETC_ASSIGN_OR_RETURN(auto index, MappedFile::open(index_path));
  files_.push_back(index);
  const std::string origin = printable_path(index_path);
  BITNETC_ASSIGN_OR_RETURN(const WeightMap weight_map, parse_index(*index, origin));

  std::map<std::string, SafetensorsFile> shards;
  for (const auto& [name, shard_name] : weight_map) {
    auto shard = shards.find(shard_name);
    if (shard == shards.end()) {
      auto opened = open_file(folder_ + "/" + shard_name);
      if (!opened.ok()) return opened.status().with_context(origin);
      shard = shards.emplace(shard_name, std::move(opened).value()).first;
    }
    const StoredTensor* tensor = shard->second.find(name);
    if (tensor == nullptr)
      return make_error(StatusCode::kNotFound, "{}: weight_map says {} is in {}, which lacks it",
                        origin, printable(name), shard_name);
    tensors_.emplace(name, *tensor);
  }
  std::vector<std::string> unlisted;
  for (const auto& [shard_name, shard] : shards)
    for (const StoredTensor& tensor : shard.tensors()) {
      const auto entry = weight_map.find(tensor.name);
      if (entry == weight_map.end() || entry->second != shard_name)
        unlisted.push_back(fmt::format("{} of {}", tensor.name, shard_name));
    }
  if (!unlisted.empty())
    notes_.push_back(
        fmt::format("not listed in {} and not used: {}", kIndexName, tensor_list(unlisted)));
  return {};
}

const StoredTensor* SafetensorsModel::find(std::string_view name) const {
  const auto it = tensors_.find(name);
  return it == tensors_.end() ? nullptr : &it->second;
}

std::string tensor_list(std::span<const std::string> names) {
  constexpr size_t kMaxNames = 3;
  std::string text = fmt::format("{} tensor{}", names.size(), names.size() == 1 ? "" : "s");
  for (size_t i = 0; i < std::min(names.size(), kMaxNames); ++i)
    text += fmt::format("{}{}", i == 0 ? " (" : ", ", printable(names[i], 100));
  if (names.size() > kMaxNames) text += ", ...";
  return names.empty() ? text : text + ")";
}

std::vector<std::string> SafetensorsModel::tensor_names() const {
  std::vector<std::string> names;
  names.reserve(tensors_.size());
  for (const auto& entry : tensors_) names.push_back(entry.first);
  return names;
}

}  // namespace bitnetc
