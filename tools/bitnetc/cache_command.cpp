// bitnetc cache: what is kept under the cache directory, whether it is sound, and how to get rid of it.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <ctime>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "autotune/profile.h"
#include "runtime/cache_directory.h"
#include "runtime/compiled_model.h"
#include "runtime/kernel_store.h"
#include "runtime/options.h"
#include "tools/bitnetc/commands.h"
#include "tools/bitnetc/console.h"

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
Status check_cache_dir() {
  if (!options().cache_dir.empty()) return {};
  return Status(StatusCode::kInvalidArgument,
                "there is no cache directory: neither XDG_CACHE_HOME nor HOME is set");
}

std::string model_problem(const std::string& path) {
  return CompiledModel::open(path).status().message();
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

Result<std::vector<CacheEntry>> kernel_entries() {
  BITNETC_ASSIGN_OR_RETURN(const std::vector<StoredKernel> stored,
                           KernelStore::process().entries());
  std::vector<CacheEntry> entries;
  for (const StoredKernel& each : stored)
    entries.push_back({.name = each.file,
                       .size_bytes = each.size_bytes,
                       .used_ns = each.used_ns,
                       .key = each.key,
                       .problem = each.problem});
  return entries;
}

Result<std::vector<CacheEntry>> file_entries(const CacheKind& kind, Depth depth) {
  BITNETC_ASSIGN_OR_RETURN(const CacheDirectory directory, CacheDirectory::open(kind.name));
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

KindContent look_into(const CacheKind& kind, Depth depth) {
  KindContent content{
      .kind = &kind, .path = options().cache_dir + "/" + kind.name, .problem = {}, .entries = {}};
  // What is not there is not made.
  std::error_code error;
  if (fs::symlink_status(content.path, error).type() == fs::file_type::not_found) return content;
  auto entries =
      kind.name == std::string_view("kernels") ? kernel_entries() : file_entries(kind, depth);
  if (entries.ok()) {
    content.entries = *std::move(entries);
  } else {
    content.problem = entries.status().message();
  }
  return content;
}

std::vector<KindContent> look_into_all(Depth depth) {
  std::vector<KindContent> all;
  for (const CacheKind& kind : kKinds) all.push_back(look_into(kind, depth));
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

void print_text(const std::vector<KindContent>& all) {
  fmt::print("cache       {}\n", options().cache_dir);
  for (const KindContent& content : all) {
    const size_t count = content.entries.size();
    fmt::print("{:<12}{} file{}, {}\n", content.kind->name, count, count == 1 ? "" : "s",
               format_bytes(static_cast<double>(content.size_bytes())));
    for (const CacheEntry& entry : content.entries) {
      fmt::print("  {:<44} {:>10}  used {}{}{}\n", entry.name,
                 format_bytes(static_cast<double>(entry.size_bytes)), local_time(entry.used_ns),
                 entry.key.empty() ? "" : "\n    ", entry.key);
    }
  }
}

void print_json(const std::vector<KindContent>& all, const std::vector<std::string>& problems) {
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
  const nlohmann::json document = {
      {"cache_dir", options().cache_dir}, {"entries", entries}, {"problems", problems}};
  fmt::print("{}\n", document.dump(2));
}

Result<int> list_cache(const CacheOptions& cache) {
  BITNETC_RETURN_IF_ERROR(check_cache_dir());
  const std::vector<KindContent> all = look_into_all(Depth::kList);
  const std::vector<std::string> problems = problems_of(all);
  if (cache.json) {
    print_json(all, problems);
  } else {
    print_text(all);
    for (const std::string& problem : problems) print_note(problem);
  }
  return kExitOk;
}

Result<int> verify_cache(const CacheOptions& cache) {
  BITNETC_RETURN_IF_ERROR(check_cache_dir());
  const std::vector<KindContent> all = look_into_all(Depth::kVerify);
  const std::vector<std::string> problems = problems_of(all);
  if (cache.json) {
    print_json(all, problems);
  } else {
    for (const KindContent& content : all) {
      const auto bad =
          std::count_if(content.entries.begin(), content.entries.end(),
                        [](const CacheEntry& entry) { return !entry.problem.empty(); });
      fmt::print("{:<12}{} checked, {} bad\n", content.kind->name, content.entries.size(), bad);
    }
    for (const std::string& problem : problems) fmt::print(stderr, "problem: {}\n", problem);
  }
  return problems.empty() ? kExitOk : kExitCheckFailed;
}

// Removes the entries of one kind, or those with a problem, and says what went.
Status clear_kind(const CacheKind& kind, bool damaged_only) {
  const KindContent content = look_into(kind, damaged_only ? Depth::kVerify : Depth::kList);
  if (!content.problem.empty()) return Status(StatusCode::kIoError, content.problem);
  int removed = 0;
  int64_t removed_bytes = 0;
  if (!content.entries.empty()) {
    BITNETC_ASSIGN_OR_RETURN(const CacheDirectory directory, CacheDirectory::open(kind.name));
    for (const CacheEntry& entry : content.entries) {
      if (damaged_only && entry.problem.empty()) continue;
      BITNETC_RETURN_IF_ERROR(directory.remove(entry.name));
      ++removed;
      removed_bytes += entry.size_bytes;
    }
  }
  fmt::print("{:<12}{} removed, {}\n", kind.name, removed,
             format_bytes(static_cast<double>(removed_bytes)));
  return {};
}

Status clear_cache(const CacheOptions& cache) {
  const bool any_kind =
      cache.kernels || cache.models || cache.profiles || cache.limits || cache.all;
  if (!any_kind && !cache.damaged) {
    return Status(StatusCode::kInvalidArgument,
                  "say what to remove: --kernels, --models, --profiles, --limits or --all; with "
                  "--damaged only what `cache verify` complains about");
  }
  BITNETC_RETURN_IF_ERROR(check_cache_dir());
  const bool chosen[] = {cache.models, cache.kernels, cache.profiles, cache.models,
                         cache.limits};
  for (size_t i = 0; i < std::size(kKinds); ++i)
    if (cache.all || !any_kind || chosen[i])
      BITNETC_RETURN_IF_ERROR(clear_kind(kKinds[i], cache.damaged));
  return {};
}

int exit_code_of_result(const Result<int>& result) {
  return result.ok() ? *result : report_failure(result.status());
}

}  // namespace

void add_cache_command(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<CacheOptions>();
  CLI::App* command =
      app.add_subcommand("cache", "What is kept between runs: compiled models, kernels, profiles");
  command->require_subcommand(1);
  command->footer(
      "Examples:\n"
      "  bitnetc cache ls                  everything, with size and last use\n"
      "  bitnetc cache verify              exit code 4 if something is damaged\n"
      "  bitnetc cache clear --models      compiled models are made again when they are used\n"
      "Nothing in the cache is needed: all of it is made again.");

  CLI::App* list = command->add_subcommand("ls", "List everything by kind");
  list->add_flag("--json", options->json, "As JSON");
  list->callback([options, &exit_code] { exit_code = exit_code_of_result(list_cache(*options)); });

  CLI::App* verify = command->add_subcommand("verify", "Read everything and check its checksums");
  verify->add_flag("--json", options->json, "As JSON");
  verify->callback(
      [options, &exit_code] { exit_code = exit_code_of_result(verify_cache(*options)); });

  CLI::App* clear = command->add_subcommand("clear", "Remove entries and say which");
  clear->add_flag("--kernels", options->kernels, "Generated kernels");
  clear->add_flag("--models", options->models, "Compiled models");
  clear->add_flag("--profiles", options->profiles, "Tuning profiles (tuning takes time to repeat)");
  clear->add_flag("--limits", options->limits, "Measured limits of the machine");
  clear->add_flag("--all", options->all, "All of these");
  clear->add_flag(
      "--damaged", options->damaged,
      "Only entries that `cache verify` complains about (of the kinds given, or of all)");
  clear->callback([options, &exit_code] { exit_code = exit_code_of(clear_cache(*options)); });
}

}  // namespace bitnetc
