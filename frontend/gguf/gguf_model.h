// A GGUF model: one file, or the parts of a split one ("model-00001-of-00003.gguf"), of which the
// first holds the metadata. Immutable once opened: any thread may read it.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "frontend/gguf/gguf_file.h"
#include "runtime/mapped_file.h"
#include "runtime/status.h"

namespace bitnetc {

// The names of a part: "model-00002-of-00003.gguf".
struct GgufPartName {
  std::string prefix;  // "folder/model"
  int64_t number = 0;  // from 1
  int64_t count = 0;
  // Nothing for a path of another form.
  static std::optional<GgufPartName> parse(std::string_view path);
  std::string path_of(int64_t part) const;
};

class GgufModel {
 public:
  // Opens all parts. Error: as GgufFile::open(); kInvalidArgument for a part that is not the first,
  // naming that; kNotFound for a part that is missing; kDataCorrupt for parts that contradict each
  // other or hold one tensor twice.
  static Result<GgufModel> open(const std::string& path);
  // One file in memory, not split.
  static Result<GgufModel> from_file(GgufFile file);

  const std::string& origin() const { return parts_.front().origin(); }
  const GgufFile& first() const { return parts_.front(); }  // with the metadata
  const GgufTensor* find(std::string_view name) const;      // null when absent
  std::vector<std::string> tensor_names() const;            // sorted
  const std::vector<std::shared_ptr<const MappedFile>>& files() const { return files_; }

 private:
  GgufModel() = default;
  Status open_parts(const std::string& path);
  Status add_part(GgufFile part);

  std::vector<GgufFile> parts_;
  std::vector<std::shared_ptr<const MappedFile>> files_;
  std::map<std::string, const GgufTensor*, std::less<>> tensors_;  // into parts_
};

}  // namespace bitnetc
