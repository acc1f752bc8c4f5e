// bitnetc cache: what is kept under the cache directory, whether it is sound, and how to get rid of
// it.
#include <algorithm>
#include <ctime>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "autotune/profile.h"
#include "compiler/check_program.h"
#include "runtime/cache_directory.h"
#include "runtime/compiled_model.h"
#include "tools/bitnetc/command_context.h"
#include "tools/bitnetc/commands.h"
#include "tools/bitnetc/console.h"
#include "tools/bitnetc/json_output.h"
#include "tools/bitnetc/text_input.h"

namespace bitnetc {
namespace {

namespace fs = std::filesystem;

// One file of the cache.
struct CacheEntry {
  std::string name;
  int64_t size_bytes = 0;
  int64_t used_ns = 0;
  std::string key;      // kernels: what the code depends on
  std::string problem;  // empty: none that was looked for
};

// One kind of file, in a folder of its own.
struct CacheKind {
  const char* name;    // "models"; also the folder
  const char* remedy;  // what to do about a bad entry
};
constexpr CacheKind kKinds[] = {
    {"models", "it is compiled again when it is next used; `bitnetc cache clear --damaged`"},
    {"kernels", "it is generated again when it is next used; `bitnetc cache clear --damaged`"},
    {"profiles", "entries that read are used; `bitnetc autotune` measures the others again"},
    {"sources", "the files are read again; `bitnetc cache clear --damaged`"},
    {"limits", "`bitnetc cache clear --damaged`; limits are measured again when asked for"},
};

struct KindContent {
  const CacheKind* kind;
  std::string path;
  std::string problem;  // of the folder itself
  std::vector<CacheEntry> entries;

  int64_t size_bytes() const {
    int64_t sum = 0;
    for (const CacheEntry& entry : entries) sum += entry.size_bytes;
    return sum;
  }
};

enum class Depth { kList, kVerify };

struct CacheOptions {
  bool json = false;
  bool kernels = false, models = false, profiles = false, limits = false, all = false;
  bool damaged = false;
};

// Error: kInvalidArgument without a cache directory.
Status check_cache_dir(const CommandContext& context) {
  if (!context.options.cache_dir.empty()) return {};
  return Status(StatusCode::kInvalidArgument,
                "there is no cache directory: neither XDG_CACHE_HOME nor HOME is set");
}

std::string model_problem(const std::string& path) {
  return open_checked(path).status().message();
}

// Of the whole file, or of the first entry that does not read.
std::string profile_problem(const std::string& path) {
  const auto text = read_text(path);
  if (!text.ok()) return text.status().message();
  std::vector<std::string> problems;
  const auto profile = parse_profile(*text, path, problems);
  if (!profile.ok()) return profile.status().message();
  return problems.empty() ? "" : problems.front();
}

Result<std::vector<CacheEntry>> kernel_entries(const KernelStore& store) {
  BITNETC_ASSIGN_OR_RETURN(const std::vector<StoredKernel> stored, store.entries());
  std::vector<CacheEntry> entries;
  for (const StoredKernel& each : stored)
    entries.push_back({.name = each.file,
                       .size_bytes = each.size_bytes,
                       .used_ns = each.used_ns,
                       .key = each.key,
                       .problem = each.problem});
  return entries;
}

Result<std::vector<CacheEntry>> file_entries(const std::string& cache_dir, const CacheKind& kind,
                                             Depth depth) {
  BITNETC_ASSIGN_OR_RETURN(const CacheDirectory directory,
                           CacheDirectory::open(cache_dir, kind.name));
  BITNETC_ASSIGN_OR_RETURN(const std::vector<CacheFile> files, directory.list());
  const bool verifies = depth == Depth::kVerify;
  const bool reads_models = verifies && kind.name == std::string_view("models");
  const bool reads_profiles = verifies && kind.name == std::string_view("profiles");
  std::vector<CacheEntry> entries;
  for (const CacheFile& file : files) {
    entries.push_back({.name = file.name,
                       .size_bytes = file.size_bytes,
                       .used_ns = file.used_ns,
                       .key = {},
                       .problem = file.problem});
    if (reads_models && file.problem.empty())
      entries.back().problem = model_problem(directory.path() + "/" + file.name);
    if (reads_profiles && file.problem.empty())
      entries.back().problem = profile_problem(directory.path() + "/" + file.name);
  }
  return entries;
}

KindContent look_into(const CommandContext& context, const CacheKind& kind, Depth depth) {
  const std::string& cache_dir = context.options.cache_dir;
  KindContent content{
      .kind = &kind, .path = cache_dir + "/" + kind.name, .problem = {}, .entries = {}};
  // What is not there is not made.
  std::error_code error;
  if (fs::symlink_status(content.path, error).type() == fs::file_type::not_found) return content;
  auto entries = kind.name == std::string_view("kernels") ? kernel_entries(context.kernel_store)
                                                          : file_entries(cache_dir, kind, depth);
  if (entries.ok()) {
    content.entries = *std::move(entries);
  } else {
    content.problem = entries.status().message();
  }
  return content;
}

std::vector<KindContent> look_into_all(const CommandContext& context, Depth depth) {
  std::vector<KindContent> all;
  for (const CacheKind& kind : kKinds) all.push_back(look_into(context, kind, depth));
  return all;
}

// One line for everything that is wrong, with what to do.
std::vector<std::string> problems_of(const std::vector<KindContent>& all) {
  std::vector<std::string> problems;
  for (const KindContent& content : all) {
    if (!content.problem.empty()) problems.push_back(content.problem);
    for (const CacheEntry& entry : content.entries) {
      if (entry.problem.empty()) continue;
      const std::string path = content.path + "/" + entry.name;
      // The readers of models name the file themselves.
      problems.push_back(fmt::format("{}{}; {}", entry.problem.starts_with(path) ? "" : path + " ",
                                     entry.problem, content.kind->remedy));
    }
  }
  return problems;
}

std::string local_time(int64_t since_epoch_ns) {
  const std::time_t seconds = since_epoch_ns / 1'000'000'000;
  std::tm local = {};
  char text[32];
  if (::localtime_r(&seconds, &local) == nullptr ||
      std::strftime(text, sizeof text, "%Y-%m-%d %H:%M", &local) == 0)
    return "?";
  return text;
}

void print_text(const std::string& cache_dir, const std::vector<KindContent>& all) {
  print_out("cache       {}\n", cache_dir);
  for (const KindContent& content : all) {
    const size_t count = content.entries.size();
    print_out("{:<12}{} file{}, {}\n", content.kind->name, count, count == 1 ? "" : "s",
              format_bytes(static_cast<double>(content.size_bytes())));
    for (const CacheEntry& entry : content.entries) {
      print_out("  {:<44} {:>10}  used {}{}{}\n", entry.name,
                format_bytes(static_cast<double>(entry.size_bytes)), local_time(entry.used_ns),
                entry.key.empty() ? "" : "\n    ", entry.key);
    }
  }
}

void print_json(const char* schema, const std::string& cache_dir,
                const std::vector<KindContent>& all, const std::vector<std::string>& problems) {
  nlohmann::json entries = nlohmann::json::array();
  for (const KindContent& content : all) {
    for (const CacheEntry& entry : content.entries) {
      nlohmann::json each = {{"kind", content.kind->name},
                             {"path", content.path + "/" + entry.name},
                             {"size_bytes", entry.size_bytes},
                             {"used_unix_seconds", entry.used_ns / 1'000'000'000}};
      if (!entry.key.empty()) each["key"] = entry.key;
      if (!entry.problem.empty()) each["problem"] = entry.problem;
      entries.push_back(std::move(each));
    }
  }
  write_json(schema, 1, {{"cache_dir", cache_dir}, {"entries", entries}, {"problems", problems}});
}

Result<int> list_cache(const CacheOptions& cache, const CommandContext& context) {
  BITNETC_RETURN_IF_ERROR(check_cache_dir(context));
  const std::vector<KindContent> all = look_into_all(context, Depth::kList);
  const std::vector<std::string> problems = problems_of(all);
  if (cache.json) {
    print_json("cache-ls", context.options.cache_dir, all, problems);
  } else {
    print_text(context.options.cache_dir, all);
    for (const std::string& problem : problems) print_note(problem);
  }
  return kExitOk;
}

Result<int> verify_cache(const CacheOptions& cache, const CommandContext& context) {
  BITNETC_RETURN_IF_ERROR(check_cache_dir(context));
  const std::vector<KindContent> all = look_into_all(context, Depth::kVerify);
  const std::vector<std::string> problems = problems_of(all);
  if (cache.json) {
    print_json("cache-verify", context.options.cache_dir, all, problems);
  } else {
    for (const KindContent& content : all) {
      const auto bad =
          std::count_if(content.entries.begin(), content.entries.end(),
                        [](const CacheEntry& entry) { return !entry.problem.empty(); });
      print_out("{:<12}{} checked, {} bad\n", content.kind->name, content.entries.size(), bad);
    }
    for (const std::string& problem : problems) print_err("problem: {}\n", problem);
  }
  return problems.empty() ? kExitOk : kExitCheckFailed;
}

// Removes the entries of one kind, or those with a problem, and says what went.
Status clear_kind(const CommandContext& context, const CacheKind& kind, bool damaged_only) {
  const KindContent content =
      look_into(context, kind, damaged_only ? Depth::kVerify : Depth::kList);
  if (!content.problem.empty()) return Status(StatusCode::kIoError, content.problem);
  int removed = 0;
  int64_t removed_bytes = 0;
  if (!content.entries.empty()) {
    BITNETC_ASSIGN_OR_RETURN(const CacheDirectory directory,
                             CacheDirectory::open(context.options.cache_dir, kind.name));
    for (const CacheEntry& entry : content.entries) {
      if (damaged_only && entry.problem.empty()) continue;
      BITNETC_RETURN_IF_ERROR(directory.remove(entry.name));
      ++removed;
      removed_bytes += entry.size_bytes;
    }
  }
  print_out("{:<12}{} removed, {}\n", kind.name, removed,
            format_bytes(static_cast<double>(removed_bytes)));
  return {};
}

Status clear_cache(const CacheOptions& cache, const CommandContext& context) {
  const bool any_kind =
      cache.kernels || cache.models || cache.profiles || cache.limits || cache.all;
  if (!any_kind && !cache.damaged) {
    return Status(StatusCode::kInvalidArgument,
                  "say what to remove: --kernels, --models, --profiles, --limits or --all; with "
                  "--damaged only what `cache verify` complains about");
  }
  BITNETC_RETURN_IF_ERROR(check_cache_dir(context));
  const bool chosen[] = {cache.models, cache.kernels, cache.profiles, cache.models, cache.limits};
  for (size_t i = 0; i < std::size(kKinds); ++i)
    if (cache.all || !any_kind || chosen[i])
      BITNETC_RETURN_IF_ERROR(clear_kind(context, kKinds[i], cache.damaged));
  return {};
}

}  // namespace

void add_cache_command(Command parent, CommandContext& context) {
  auto options = std::make_shared<CacheOptions>();
  Command command =
      parent.subcommand("cache", "What is kept between runs: compiled models, kernels, profiles");
  command.set_footer(
      "Examples:\n"
      "  bitnetc cache ls                everything, with size and last use\n"
      "  bitnetc cache verify            exit code 4 if something is damaged\n"
      "  bitnetc cache clear --models    compiled models are made again when used\n"
      "Nothing in the cache is needed: all of it is made again.");

  Command list = command.subcommand("ls", "List everything by kind");
  list.json_flag(options->json);
  list.verbosity_flags(true, nullptr);
  list.set_action([options, &context] { return list_cache(*options, context); });

  Command verify = command.subcommand("verify", "Read everything and check its checksums");
  verify.json_flag(options->json);
  verify.verbosity_flags(true, nullptr);
  verify.set_action([options, &context] { return verify_cache(*options, context); });

  Command clear = command.subcommand("clear", "Remove entries and say which");
  clear.flag("--kernels", options->kernels, "Generated kernels");
  clear.flag("--models", options->models, "Compiled models");
  clear.flag("--profiles", options->profiles, "Tuning profiles (tuning takes time to repeat)");
  clear.flag("--limits", options->limits, "Measured limits of the machine");
  clear.flag("--all", options->all, "All of these");
  clear.flag("--damaged", options->damaged,
             "Only entries that `cache verify` complains about (of the kinds given, or of all)");
  clear.verbosity_flags(true, nullptr);
  clear.set_action([options, &context]() -> Result<int> {
    BITNETC_RETURN_IF_ERROR(clear_cache(*options, context));
    return kExitOk;
  });
}

}  // namespace bitnetc
