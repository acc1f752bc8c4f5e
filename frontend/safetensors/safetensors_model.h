// The weights of a model folder: one model.safetensors, or the shards that
// model.safetensors.index.json lists. Immutable once opened: any thread may read it.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "frontend/safetensors/safetensors_file.h"
#include "runtime/mapped_file.h"
#include "runtime/status.h"

namespace bitnetc {

class SafetensorsModel {
 public:
  // With both model.safetensors and an index in the folder the single file is taken, as Hugging
  // Face does. Error: whatever SafetensorsFile::open reports; kNotFound when the folder has
  // neither, or when the index names a tensor its file lacks; kIoError when the folder may not be
  // searched; kDataCorrupt for an index that is not one, or that points outside the folder.
  static Result<SafetensorsModel> open(const std::string& folder);

  const std::string& folder() const { return folder_; }
  const StoredTensor* find(std::string_view name) const;  // null when absent
  std::vector<std::string> tensor_names() const;          // sorted
  // What was found but is not used: a shadowed index, the tensors that the index does not list.
  const std::vector<std::string>& notes() const { return notes_; }
  // Every file that was read, index included, for digests.
  const std::vector<std::shared_ptr<const MappedFile>>& files() const { return files_; }

 private:
  explicit SafetensorsModel(std::string folder) : folder_(std::move(folder)) {}
  Status open_single(const std::string& path);
  Status open_shards(const std::string& index_path);
  Result<SafetensorsFile> open_file(const std::string& path);

  std::string folder_;
  std::map<std::string, StoredTensor, std::less<>> tensors_;
  std::vector<std::shared_ptr<const MappedFile>> files_;
  std::vector<std::string> notes_;
};

// "1 tensor (a)", "12 tensors (a, b, c, ...)": for a note, the first few names printable.
std::string tensor_list(std::span<const std::string> names);

}  // namespace bitnetc
