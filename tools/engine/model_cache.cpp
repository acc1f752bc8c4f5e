#include "tools/engine/model_cache.h"

#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "runtime/bnc_file.h"
#include "runtime/cache_directory.h"

namespace bitnetc {
namespace {

namespace fs = std::filesystem;

// What a cached artifact depends on: the source files as they lie on disk, and what would compile them how.
std::string cache_key(const CachedModelRequest& request) {
  std::vector<std::string> facts;
  for (const auto& entry : fs::directory_iterator(request.source_folder)) {
    struct stat info;
    if (::stat(entry.path().c_str(), &info) != 0 || !S_ISREG(info.st_mode)) continue;
    facts.push_back(fmt::format("{} {} {}.{}", entry.path().filename().string(), info.st_size,
                                info.st_mtim.tv_sec, info.st_mtim.tv_nsec));
  }
  std::sort(facts.begin(), facts.end());
  std::string text = fmt::format("{} {} {} {}\n", fs::canonical(request.source_folder).string(),
                                 BITNETC_VERSION, kBncVersion, request.plan);
  for (const std::string& fact : facts) text += fact + "\n";
  return fmt::format("{:016x}", XXH3_64bits(text.data(), text.size()));
}

// "fairytale-6m-<key>.bnc"; a folder's name that cannot begin a cache file's is left out.
std::string cached_model_name(const CachedModelRequest& request) {
  const std::string key = cache_key(request);
  const std::string stem = fs::canonical(request.source_folder).filename().string();
  const std::string name = fmt::format("{}-{}.bnc", stem, key);
  return is_cache_file_name(name) ? name : fmt::format("model-{}.bnc", key);
}

// A compiled model of an earlier run. Null: there is none that can be used; if it should be, that is said.
Result<std::shared_ptr<const CompiledModel>> open_cached(const CacheDirectory& directory,
                                                         const std::string& name) {
  BITNETC_ASSIGN_OR_RETURN(const std::vector<CacheFile> files, directory.list());
  const auto found = std::find_if(files.begin(), files.end(),
                                  [&](const CacheFile& file) { return file.name == name; });
  if (found == files.end()) return std::shared_ptr<const CompiledModel>();
  const std::string path = directory.path() + "/" + name;
  if (!found->problem.empty())
    return make_error(StatusCode::kIoError, "{} {}", path, found->problem);
  directory.touch(name);
  return CompiledModel::open(path);
}

Result<std::shared_ptr<const CompiledModel>> compile_and_open(const CompileTo& compile,
                                                              const std::string& path) {
  BITNETC_RETURN_IF_ERROR(compile(path));
  return CompiledModel::open(path);
}

Result<std::shared_ptr<const CompiledModel>> compile_to_temporary(const CompileTo& compile) {
  std::error_code error;
  const fs::path temporary = fs::temp_directory_path(error);
  if (error) return make_error(StatusCode::kIoError, "no temporary directory: {}", error.message());
  const std::string path = temporary / fmt::format("bitnetc-{}.bnc", ::getpid());
  auto model = compile_and_open(compile, path);
  ::unlink(path.c_str());
  return model;
}

}  // namespace

Result<std::shared_ptr<const CompiledModel>> open_cached_model(const CachedModelRequest& request,
                                                               const CompileTo& compile,
                                                               Notes& notes) {
  constexpr char kInstead[] = "compiling into a temporary file instead";
  const auto directory = CacheDirectory::open("models");
  if (!directory.ok()) {
    notes.note(NoteKind::kCache,
               fmt::format("{}; {}", directory.status().message(), kInstead));
    return compile_to_temporary(compile);
  }
  const std::string name = cached_model_name(request);
  auto cached = open_cached(*directory, name);
  if (cached.ok() && *cached != nullptr) return cached;
  if (!cached.ok()) {
    notes.note(NoteKind::kCache, fmt::format("the cached model is unusable and is made again: {}",
                                             cached.status().message()));
  }
  auto model = compile_and_open(compile, directory->path() + "/" + name);
  if (model.ok() || model.status().code() != StatusCode::kIoError) return model;
  notes.note(NoteKind::kCache, fmt::format("{}; {}", model.status().message(), kInstead));
  return compile_to_temporary(compile);
}

}  // namespace bitnetc
