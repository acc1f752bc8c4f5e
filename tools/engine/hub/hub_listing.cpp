#include "tools/engine/hub/hub_listing.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "runtime/printable.h"

namespace bitnetc {
namespace {

using nlohmann::json;

constexpr std::string_view kConfig = "config.json";
// Of a folder with *.safetensors.
constexpr std::string_view kFolderFiles[] = {kConfig,
                                             "generation_config.json",
                                             "tokenizer.json",
                                             "tokenizer.model",
                                             "added_tokens.json",
                                             "tokenizer_config.json",
                                             "special_tokens_map.json",
                                             "chat_template.jinja",
                                             "model.safetensors.index.json",
                                             "modules.json",
                                             "config_sentence_transformers.json",
                                             "sentence_bert_config.json",
                                             "sentence_bert_config.json",
                                             "1_Pooling/config.json",
                                             "LICENSE"};

bool has_ending(std::string_view name, std::string_view ending) {
  return name.ends_with(ending) && name.find('/') == name.npos;
}

// A relative path that stays in its folder and means the same to every file system.
bool is_safe_name(std::string_view name) {
  if (name.empty() || name.size() > 255 || name.front() == '/' || name.back() == '/') return false;
  if (!std::ranges::all_of(name, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               std::string_view("._-/+ ").find(c) != std::string_view::npos;
      }))
    return false;
  for (size_t begin = 0; begin <= name.size();) {
    const size_t end = std::min(name.find('/', begin), name.size());
    const std::string_view part = name.substr(begin, end - begin);
    if (part.empty() || part == "." || part == "..") return false;
    begin = end + 1;
  }
  return true;
}

bool is_hex(const std::string& text, size_t digits) {
  return text.size() == digits && std::ranges::all_of(text, [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

std::string text_of(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

int64_t bytes_of(const json& object) {
  const auto found = object.find("size");
  const bool is_size = found != object.end() && found->is_number_integer();
  return is_size ? found->get<int64_t>() : -1;
}

// Nothing where an entry lacks what a download needs.
std::optional<HubFile> parse_file(const json& entry) {
  if (!entry.is_object()) return std::nullopt;
  HubFile file{.name = text_of(entry, "rfilename"),
               .bytes = bytes_of(entry),
               .digest = text_of(entry, "blobId")};
  const auto large = entry.find("lfs");
  if (large != entry.end() && large->is_object()) {
    file.bytes = bytes_of(*large);
    file.digest_kind = DigestKind::kSha256;
    file.digest = text_of(*large, "sha256");
  }
  const size_t digits = file.digest_kind == DigestKind::kSha256 ? 64 : 40;
  if (file.bytes < 0 || !is_hex(file.digest, digits)) return std::nullopt;
  return file;
}

std::string names_of(const std::vector<HubFile>& files, std::string_view ending) {
  std::string names;
  for (const HubFile& file : files)
    if (file.name.ends_with(ending))
      names += fmt::format("{}{}", names.empty() ? "" : ", ", printable(file.name, 100));
  return names;
}

}  // namespace

Result<HubListing> parse_hub_listing(std::string_view text, const std::string& origin) {
  const json document = json::parse(text, nullptr, /*allow_exceptions=*/false);
  const auto wrong = [&](std::string_view what) {
    return make_error(StatusCode::kDataCorrupt, "{}: {}", origin, what);
  };
  if (!document.is_object()) return wrong("the answer is no JSON object; is it a model hub?");
  HubListing listing{.commit = text_of(document, "sha"), .files = {}};
  if (!is_hex(listing.commit, 40)) return wrong("sha: expected a commit of 40 hex digits");
  const auto entries = document.find("siblings");
  if (entries == document.end() || !entries->is_array())
    return wrong("siblings: expected a list of files");
  for (const json& entry : *entries) {
    auto file = parse_file(entry);
    if (!file)
      return wrong(fmt::format("siblings: {}: expected rfilename, size and a digest",
                               printable(entry.dump(-1, ' ', true), 100)));
    // Names that could lead out of the folder are nothing a model is read from.
    if (is_safe_name(file->name)) listing.files.push_back(*std::move(file));
  }
  return listing;
}

Result<std::vector<HubFile>> choose_files(const HubListing& listing,
                                          const std::vector<std::string>& wanted,
                                          const std::string& repository) {
  std::vector<HubFile> chosen;
  const auto take = [&](const auto& is_wanted) {
    std::ranges::copy_if(listing.files, std::back_inserter(chosen), is_wanted);
  };
  const auto is_gguf = [](const HubFile& file) { return file.name.ends_with(".gguf"); };
  for (const std::string& name : wanted) {
    if (std::ranges::find(listing.files, name, &HubFile::name) == listing.files.end())
      return make_error(StatusCode::kInvalidArgument, "{}: no file '{}' in it", repository,
                        printable(name, 100));
    take([&](const HubFile& file) { return file.name == name; });
  }
  const bool has_folder = std::ranges::any_of(
      listing.files, [](const HubFile& file) { return has_ending(file.name, ".safetensors"); });
  if (wanted.empty() && has_folder) {
    take([](const HubFile& file) {
      return has_ending(file.name, ".safetensors") ||
             std::ranges::find(kFolderFiles, file.name) != std::end(kFolderFiles);
    });
  } else if (wanted.empty()) {
    take(is_gguf);
    if (chosen.size() > 1)
      return make_error(StatusCode::kInvalidArgument, "{}: expected --file with one of {}",
                        repository, names_of(chosen, ".gguf"));
    if (chosen.empty())
      return make_error(StatusCode::kInvalidArgument,
                        "{}: expected *.safetensors or *.gguf in it; there is neither", repository);
  }
  std::ranges::stable_partition(chosen, [](const HubFile& file) { return file.name != kConfig; });
  return chosen;
}

}  // namespace bitnetc
