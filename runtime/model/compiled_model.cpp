#include "runtime/compiled_model.h"

#include <utility>

namespace bitnetc {

Result<std::shared_ptr<const CompiledModel>> CompiledModel::open(const std::string& path) {
  BITNETC_ASSIGN_OR_RETURN(auto reader, BncReader::open(path));
  return from_reader(std::move(reader));
}

Result<std::shared_ptr<const CompiledModel>> CompiledModel::from_reader(
    std::shared_ptr<const BncReader> reader) {
  auto model = std::make_shared<CompiledModel>();
  BITNETC_ASSIGN_OR_RETURN(model->description_,
                           parse_description(reader->description_json(), reader->origin()));
  BITNETC_RETURN_IF_ERROR(reader->section(kSectionTokenizer).status());
  model->file_ = std::move(reader);
  return std::shared_ptr<const CompiledModel>(std::move(model));
}

std::string_view CompiledModel::tokenizer_json() const {
  const auto bytes = file_->section(kSectionTokenizer).value();
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace bitnetc
