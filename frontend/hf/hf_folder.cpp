#include "frontend/hf/hf_folder.h"

#include <xxhash.h>

#include <algorithm>
#include <filesystem>

#include "frontend/hf/bitnet_graph.h"
#include "frontend/hf/hf_config.h"
#include "frontend/json/object_reader.h"
#include "frontend/json/strict_json.h"
#include "frontend/safetensors/safetensors_model.h"
#include "runtime/mapped_file.h"

namespace bitnetc {
namespace {

std::string_view text_of(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

struct FreeHashState {
  void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
};

// Reads the whole file, a part at a time so that little of it is resident at once.
SourceFile describe(const MappedFile& file) {
  constexpr size_t kPartBytes = size_t{16} << 20;
  const std::unique_ptr<XXH3_state_t, FreeHashState> state(XXH3_createState());
  BITNETC_CHECK(state != nullptr, "no memory for a hash state");
  XXH3_128bits_reset(state.get());
  for (auto rest = file.bytes(); !rest.empty();) {
    const auto part = rest.first(std::min(kPartBytes, rest.size()));
    XXH3_128bits_update(state.get(), part.data(), part.size());
    file.forget(part);
    rest = rest.subspan(part.size());
  }
  const XXH128_hash_t digest = XXH3_128bits_digest(state.get());
  return {.name = std::filesystem::path(file.path()).filename().string(),
          .size_bytes = file.bytes().size(),
          .xxh3 = fmt::format("{:016x}{:016x}", digest.high64, digest.low64)};
}

class FolderLoader {
 public:
  explicit FolderLoader(const std::string& folder) : folder_(folder) {}

  Result<LoadedModel> load() {
    BITNETC_ASSIGN_OR_RETURN(const auto config_file, open("config.json"));
    BITNETC_ASSIGN_OR_RETURN(
        const HfConfig config,
        read_hf_config(text_of(*config_file), config_file->path(), &model_.report));
    graph().config = config.model;
    if (config.storage == WeightStorage::kMasters)
      model_.report.notes.push_back(
          "float masters: quantised with absmean, scales rounded to bf16");
    BITNETC_RETURN_IF_ERROR(load_tokenizer());
    BITNETC_RETURN_IF_ERROR(load_chat_template());
    BITNETC_RETURN_IF_ERROR(load_generation(config));
    BITNETC_RETURN_IF_ERROR(load_weights(config));
    BITNETC_RETURN_IF_ERROR(validate(graph()).with_context(folder_));
    return std::move(model_);
  }

 private:
  Graph& graph() { return model_.graph; }

  Result<std::shared_ptr<const MappedFile>> open(const char* name) {
    BITNETC_ASSIGN_OR_RETURN(auto file, MappedFile::open(folder_ + "/" + name));
    graph().sources.push_back(describe(*file));
    return file;
  }

  // Null when there is no such file.
  Result<std::shared_ptr<const MappedFile>> open_optional(const char* name) {
    auto file = open(name);
    if (!file.ok() && file.status().code() == StatusCode::kNotFound)
      return std::shared_ptr<const MappedFile>();
    return file;
  }

  Status load_tokenizer() {
    auto file = open("tokenizer.json");
    if (!file.ok()) return file.status().with_context("a model needs its tokenizer");
    graph().tokenizer_json = text_of(**file);
    if (graph().tokenizer_json.empty())
      return make_error(StatusCode::kDataCorrupt, "{}: is empty", (*file)->path());
    return {};
  }

  // A chat_template.jinja of its own goes before the field in tokenizer_config.json, as in transformers.
  Status load_chat_template() {
    BITNETC_ASSIGN_OR_RETURN(const auto jinja, open_optional("chat_template.jinja"));
    if (jinja) {
      graph().chat_template = text_of(*jinja);
      return {};
    }
    BITNETC_ASSIGN_OR_RETURN(const auto file, open_optional("tokenizer_config.json"));
    if (!file) return {};
    BITNETC_ASSIGN_OR_RETURN(const auto document, parse_strict_json(text_of(*file), file->path()));
    BITNETC_ASSIGN_OR_RETURN(ObjectReader reader, ObjectReader::open(document, file->path()));
    const nlohmann::json* chat_template = reader.find("chat_template");
    if (chat_template == nullptr) return {};
    if (chat_template->is_string()) {
      graph().chat_template = chat_template->get<std::string>();
    } else {
      model_.report.notes.push_back(fmt::format("{}: chat_template is {}, not a string: not used",
                                                file->path(), json_excerpt(*chat_template)));
    }
    return {};
  }

  Status load_generation(const HfConfig& config) {
    BITNETC_ASSIGN_OR_RETURN(const auto file, open_optional("generation_config.json"));
    if (!file) {
      graph().generation = generation_defaults(config);
      return {};
    }
    BITNETC_ASSIGN_OR_RETURN(
        graph().generation,
        read_generation_config(text_of(*file), file->path(), config, &model_.report));
    return {};
  }

  Status load_weights(const HfConfig& config) {
    BITNETC_ASSIGN_OR_RETURN(const SafetensorsModel tensors, SafetensorsModel::open(folder_));
    for (const std::string& note : tensors.notes()) model_.report.notes.push_back(note);
    for (const auto& file : tensors.files()) graph().sources.push_back(describe(*file));
    return build_bitnet_graph(config, tensors, &graph(), &model_.report);
  }

  std::string folder_;
  LoadedModel model_;
};

}  // namespace

Result<LoadedModel> load_hf_folder(const std::string& folder) {
  return FolderLoader(folder).load();
}

}  // namespace bitnetc
