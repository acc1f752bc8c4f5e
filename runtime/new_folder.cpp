#include "runtime/new_folder.h"

#include <filesystem>

#include "runtime/printable.h"

namespace bitnetc {

namespace fs = std::filesystem;

Result<std::unique_ptr<NewFolder>> NewFolder::create(const std::string& path) {
  if (path == "-")
    return Status(StatusCode::kInvalidArgument, "-: a model cannot be written to stdout");
  std::error_code failure;
  const fs::file_status status = fs::status(path, failure);
  if (fs::exists(status) && (!fs::is_directory(status) || !fs::is_empty(path, failure)))
    return make_error(StatusCode::kInvalidArgument,
                      "{}: is there already; expected a name that is free or an empty folder",
                      printable_path(path));
  const bool was_made = fs::create_directory(path, failure);
  if (failure)
    return make_error(StatusCode::kIoError, "{}: cannot make the folder: {}", printable_path(path),
                      failure.message());
  return std::unique_ptr<NewFolder>(new NewFolder(path, was_made));
}

NewFolder::~NewFolder() {
  std::error_code ignored;
  for (auto path = written_.rbegin(); path != written_.rend(); ++path) fs::remove(*path, ignored);
  if (was_made_) fs::remove(path_, ignored);
}

Result<std::string> NewFolder::file(const std::string& name) {
  const fs::path path = fs::path(path_) / name;
  std::error_code failure;
  if (fs::create_directory(path.parent_path(), failure))
    written_.push_back(path.parent_path().string());
  if (failure)
    return make_error(StatusCode::kIoError, "{}: cannot make the folder: {}",
                      printable_path(path.parent_path().string()), failure.message());
  written_.push_back(path.string());
  return path.string();
}

}  // namespace bitnetc
