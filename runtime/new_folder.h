// A folder that a user named as the output of something: a name that is free, or an empty folder.
// Without keep() the files that were named by file() are removed again, and the folder where it was
// made here.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/status.h"

namespace bitnetc {

class NewFolder {
 public:
  // Error: kInvalidArgument where `path` is "-" or something is there; kIoError.
  static Result<std::unique_ptr<NewFolder>> create(const std::string& path);
  ~NewFolder();
  NewFolder(const NewFolder&) = delete;
  NewFolder& operator=(const NewFolder&) = delete;

  // The path of a file in it, "tokenizer.json", or "1_Pooling/config.json", whose folder is made.
  Result<std::string> file(const std::string& name);
  void keep() { written_.clear(), was_made_ = false; }

 private:
  NewFolder(std::string path, bool was_made) : path_(std::move(path)), was_made_(was_made) {}

  std::string path_;
  bool was_made_;
  std::vector<std::string> written_;  // paths of files and of folders in it, as they were named
};

}  // namespace bitnetc
