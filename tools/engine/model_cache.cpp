#include "tools/engine/model_cache.h"

#include <fcntl.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <vector>

#include "compiler/check_program.h"
#include "runtime/bnc_file.h"
#include "runtime/cache_directory.h"
#include "runtime/temporary_file.h"
#include "tools/engine/source_digest.h"

namespace bitnetc {
namespace {

namespace fs = std::filesystem;

using Model = std::shared_ptr<const CompiledModel>;

std::string digest_text(const std::string& text) {
  return fmt::format("{:016x}", XXH3_64bits(text.data(), text.size()));
}

// What the names of all entries of one source folder begin with: "fairytale-6m-<digest of its
// path>-". A folder's name that cannot begin a cache file's is left out.
std::string name_prefix(const std::string& folder) {
  std::error_code error;
  const fs::path path = fs::canonical(folder, error);
  const std::string prefix =
      fmt::format("{}-{:.8}-", path.filename().string(), digest_text(path.string()));
  constexpr size_t kMostBytes = 160;  // a key follows
  return is_cache_file_name(prefix) && prefix.size() <= kMostBytes
             ? prefix
             : fmt::format("model-{:.8}-", digest_text(path.string()));
}

Result<std::string> entry_key(const CachedModelRequest& request, const CancelToken* cancel) {
  BITNETC_ASSIGN_OR_RETURN(const std::string sources,
                           source_digest(request.source_path, request.cache_dir, cancel));
  return digest_text(
      fmt::format("{} {} {}\n{}", BITNETC_VERSION, kBncVersion, request.plan, sources));
}

// Entries of the same folder beyond those that are kept. Best effort: what cannot be removed is
// shown by `cache ls`.
void trim(const CacheDirectory& directory, const std::string& prefix, const std::string& newest) {
  auto files = directory.list();
  if (!files.ok()) return;
  std::erase_if(*files, [&](const CacheFile& file) {
    return file.name == newest || file.is_abandoned || !file.name.starts_with(prefix);
  });
  std::ranges::sort(*files, std::greater(), &CacheFile::used_ns);
  for (size_t i = kKeptPerSource - 1; i < files->size(); ++i)
    (void)directory.remove((*files)[i].name);
}

// A compiled model of an earlier run. Null: there is none, or it went while we looked.
Result<Model> open_cached(const CacheDirectory& directory, const std::string& name) {
  BITNETC_ASSIGN_OR_RETURN(const std::vector<CacheFile> files, directory.list());
  const auto found = std::find_if(files.begin(), files.end(),
                                  [&](const CacheFile& file) { return file.name == name; });
  if (found == files.end()) return Model();
  const std::string path = directory.path() + "/" + name;
  if (!found->problem.empty())
    return make_error(StatusCode::kIoError, "{} {}", path, found->problem);
  directory.touch(name);
  auto model = open_checked(path);
  if (!model.ok() && model.status().code() == StatusCode::kNotFound) return Model();
  return model;
}

// The name is drawn by the system: in a folder that others write to, nobody can have put a link
// there.
Result<Model> compile_to_temporary(const CompileTo& compile) {
  std::error_code error;
  const fs::path folder = fs::temp_directory_path(error);
  if (error) return make_error(StatusCode::kIoError, "no temporary directory: {}", error.message());
  const FileDescriptor folder_fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  auto placeholder = create_temporary(folder_fd.get(), "bitnetc", 0600);
  if (!placeholder.ok()) return placeholder.status().with_context(folder.string());
  const std::string path = folder / placeholder->name;
  const Status compiled = compile(path);
  auto model = compiled.ok() ? CompiledModel::open(path) : compiled;
  ::unlink(path.c_str());
  return model;
}

}  // namespace

Result<Model> open_cached_model(const CachedModelRequest& request, const CompileTo& compile,
                                Notes& notes, const CancelToken* cancel) {
  constexpr char kInstead[] = "compiling into a temporary file instead";
  const auto directory = CacheDirectory::open(request.cache_dir, "models");
  if (!directory.ok()) {
    notes.note(NoteKind::kCache, fmt::format("{}; {}", directory.status().message(), kInstead));
    return compile_to_temporary(compile);
  }
  directory->remove_abandoned();
  const std::string prefix = name_prefix(request.source_path);
  BITNETC_ASSIGN_OR_RETURN(const std::string key, entry_key(request, cancel));
  const std::string name = fmt::format("{}{}.bnc", prefix, key);
  auto cached = open_cached(*directory, name);
  if (cached.ok() && *cached != nullptr) return cached;
  if (!cached.ok()) {
    notes.note(NoteKind::kCache, fmt::format("the cached model is unusable and is made again: {}",
                                             cached.status().message()));
    // What is in the way may be a link, and a link must not be written through.
    if (const Status removed = directory->remove(name); !removed.ok()) {
      notes.note(NoteKind::kCache, fmt::format("{}; {}", removed.message(), kInstead));
      return compile_to_temporary(compile);
    }
  }
  const std::string path = directory->path() + "/" + name;
  Status problem = compile(path);
  if (problem.ok()) {
    trim(*directory, prefix, name);
    auto model = CompiledModel::open(path);
    // Not found: another process emptied the cache between writing and opening.
    if (model.ok() || model.status().code() != StatusCode::kNotFound) return model;
    problem = model.status();
  } else if (problem.code() != StatusCode::kIoError) {
    return problem;
  }
  notes.note(NoteKind::kCache, fmt::format("{}; {}", problem.message(), kInstead));
  return compile_to_temporary(compile);
}

}  // namespace bitnetc
