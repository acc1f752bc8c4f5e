// The shape of the tree, checked line by line: who may include whom, where third parties may
// appear, how long files and lines may be, who reads the environment, and that codegen/kernels.inc
// names what exists.
//
//   tools, tests -> everything      autotune -> compiler -> codegen -> runtime
//   frontend -> compiler/graph.h, runtime
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace bitnetc {
namespace {

namespace fs = std::filesystem;

constexpr int kMaxFileLines = 600;
constexpr size_t kMaxColumns = 100;

struct SourceFile {
  std::string path;  // from the repository root
  std::string text;
};

using Violations = std::vector<std::string>;

const std::map<std::string, std::set<std::string>, std::less<>>& arrows() {
  static const std::map<std::string, std::set<std::string>, std::less<>> allowed = {
      {"runtime", {"runtime"}},
      {"codegen", {"codegen", "runtime"}},
      {"compiler", {"compiler", "codegen", "runtime"}},
      {"frontend", {"frontend", "runtime"}},  // and compiler/graph.h
      {"autotune", {"autotune", "compiler", "codegen", "runtime"}},
      {"tools", {"tools", "autotune", "frontend", "compiler", "codegen", "runtime"}},
      {"tests", {"tests", "tools", "autotune", "frontend", "compiler", "codegen", "runtime"}},
  };
  return allowed;
}

struct Fence {
  std::string_view prefix;  // of what stands between < and >
  std::string_view inside;  // the only folder or file that may say it
};
constexpr std::string_view kNowhere = "(no file)";
constexpr Fence kFences[] = {{"xbyak/", "codegen/x64/"},
                             {"llvm/", "codegen/llvm/module/"},
                             {"llvm-c/", "codegen/llvm/module/"},
                             {"gtest/", "tests/"},
                             {"gmock/", "tests/"},
                             {"benchmark/", "tests/"},
                             {"pcre2.h", "frontend/"},
                             {"CLI/", "tools/"},
                             {"hwloc", "autotune/topology.cpp"},
                             {"curl/", "tools/engine/hub/http_client.cpp"},
                             {"openssl/", "tools/engine/hub/file_digest.cpp"},
                             {"histedit.h", "tools/chat/line_editor.cpp"},
                             {"boost/", "tools/serve/http/"},
                             {"prometheus/", "tools/serve/metrics.cpp"},
                             {"utf8proc.h", "frontend/unicode/"},
                             // CUDA is opened when it is needed; none of its headers is.
                             {"cuda", kNowhere},
                             {"nvrtc", kNowhere},
                             {"mma.h", kNowhere},
                             {"cooperative_groups", kNowhere},
                             {"sentencepiece", "frontend/tokenizer/sentence_piece_model.cpp"}};

std::string top_folder(std::string_view path) {
  return std::string(path.substr(0, path.find('/')));
}

bool is_tests(std::string_view path) {
  return path.starts_with("tests/");
}

// "compiler/graph.h" is at the top of its folder, "codegen/x64/regs.h" is private to codegen.
bool is_private_header(std::string_view path) {
  return std::count(path.begin(), path.end(), '/') > 1;
}

// The rooms of tools/ that a room there may look into. The command and the library are two doors of
// the engine; examples are programs of somebody else, who has <bitnetc.h> alone.
const std::map<std::string, std::set<std::string>, std::less<>>& rooms_of_tools() {
  static const std::map<std::string, std::set<std::string>, std::less<>> allowed = {
      {"engine", {"engine"}},       {"serve", {"serve", "engine"}},
      {"chat", {"chat", "engine"}}, {"bitnetc", {"bitnetc", "serve", "chat", "engine"}},
      {"capi", {"capi", "engine"}}, {"examples", {}},
  };
  return allowed;
}

// "tools/engine/hub/pull.h" -> "engine"
std::string room_of(std::string_view path) {
  const std::string_view below = path.substr(path.find('/') + 1);
  return std::string(below.substr(0, below.find('/')));
}

std::optional<std::string> quarrel_between_rooms(const std::string& includer,
                                                 const std::string& header) {
  const auto rooms = rooms_of_tools().find(room_of(includer));
  if (rooms == rooms_of_tools().end() || rooms->second.contains(room_of(header)))
    return std::nullopt;
  return fmt::format("tools/{} may not include tools/{}", rooms->first, room_of(header));
}

std::optional<std::string> quarrel_with_own(const std::string& includer,
                                            const std::string& header) {
  const std::string from = top_folder(includer), to = top_folder(header);
  if (header.find('/') == std::string::npos || !arrows().contains(to))
    return "includes are written from the repository root";
  const bool graph_for_frontend = from == "frontend" && header == "compiler/graph.h";
  if (!arrows().at(from).contains(to) && !graph_for_frontend)
    return fmt::format("{} may not include {}", from, to);
  if (is_private_header(header) && from != to && !is_tests(includer))
    return fmt::format("sub-folders of {} are private to it", to);
  if (includer.starts_with("tests/capi/") && to != "tests")
    return "what is tested through the library sees <bitnetc.h> alone";
  if (includer.starts_with("tools/examples/")) return "examples see <bitnetc.h> alone";
  if (from == "tools" && to == "tools") return quarrel_between_rooms(includer, header);
  return std::nullopt;
}

std::optional<std::string> quarrel_with_third_party(const std::string& includer,
                                                    const std::string& header) {
  // Libraries of NVIDIA are opened at run time, their functions declared by us.
  for (const std::string_view cuda : {"cuda", "nvrtc", "nvml", "cublas"})
    if (header.starts_with(cuda)) return "CUDA's headers are not needed to build";
  for (const Fence& fence : kFences)
    if (header.starts_with(fence.prefix) && !includer.starts_with(fence.inside))
      return fmt::format("{} belongs to {} only", fence.prefix, fence.inside);
  return std::nullopt;
}

std::string_view skip_spaces(std::string_view text) {
  return text.substr(std::min(text.find_first_not_of(" \t\r\n"), text.size()));
}

bool consume(std::string_view& text, std::string_view word) {
  if (!text.starts_with(word)) return false;
  text = skip_spaces(text.substr(word.size()));
  return true;
}

struct Include {
  bool own;  // between quotes
  std::string header;
};

std::optional<Include> parse_include(std::string_view line) {
  line = skip_spaces(line);
  if (!consume(line, "#") || !consume(line, "include") || line.empty()) return std::nullopt;
  const bool own = line.front() == '"';
  if (!own && line.front() != '<') return std::nullopt;
  line.remove_prefix(1);
  return Include{own, std::string(line.substr(0, line.find(own ? '"' : '>')))};
}

void check_includes(const SourceFile& file, Violations& found) {
  std::istringstream lines(file.text);
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    const std::optional<Include> include = parse_include(line);
    if (!include) continue;
    const auto quarrel = include->own ? quarrel_with_own(file.path, include->header)
                                      : quarrel_with_third_party(file.path, include->header);
    if (quarrel)
      found.push_back(fmt::format("{}:{}: {}: {}", file.path, number, include->header, *quarrel));
  }
}

void check_length(const SourceFile& file, Violations& found) {
  const auto lines = std::count(file.text.begin(), file.text.end(), '\n');
  if (lines > kMaxFileLines)
    found.push_back(fmt::format("{}:{}: longer than {} lines", file.path, lines, kMaxFileLines));
}

// Code points: UTF-8 continuation bytes take no column.
size_t columns_of(std::string_view line) {
  return static_cast<size_t>(
      std::ranges::count_if(line, [](char c) { return (c & 0xc0) != 0x80; }));
}

void check_columns(const SourceFile& file, Violations& found) {
  const bool is_page = file.path.ends_with(".md");
  std::istringstream lines(file.text);
  int number = 0;
  bool quotes_output = false;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    // On a page a row of a table is one line, and what a program prints stands as it is.
    if (is_page && line.starts_with("```")) quotes_output = !quotes_output;
    if (is_page && (quotes_output || skip_spaces(line).starts_with('|'))) continue;
    if (columns_of(line) > kMaxColumns)
      found.push_back(fmt::format("{}:{}: longer than {} columns", file.path, number, kMaxColumns));
  }
}

// Whether `word` stands in `text` and is not a part of a longer name.
bool has_word(std::string_view text, std::string_view word) {
  const auto in_name = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '_';
  };
  for (size_t at = text.find(word); at != text.npos; at = text.find(word, at + 1)) {
    const size_t end = at + word.size();
    if ((at == 0 || !in_name(text[at - 1])) && (end == text.size() || !in_name(text[end])))
      return true;
  }
  return false;
}

// Tests may save and restore variables; everything else is handed values.
void check_environment(const SourceFile& file, Violations& found) {
  if (is_tests(file.path) || file.path == "runtime/options.cpp") return;
  std::istringstream lines(file.text);
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    const std::string_view code = std::string_view(line).substr(0, line.find("//"));
    for (const char* word : {"getenv", "secure_getenv", "environ"})
      if (has_word(code, word))
        found.push_back(fmt::format("{}:{}: only runtime/options.cpp reads the environment",
                                    file.path, number));
  }
}

// Below the command nothing prints: notes go to a sink (runtime/notes.h), failures are returned.
// Only an internal error is printed, before abort(). Examples are programs.
bool may_print(std::string_view path) {
  return is_tests(path) || path.starts_with("tools/bitnetc/") ||
         path.starts_with("tools/examples/") || path == "runtime/status.cpp";
}

void check_printing(const SourceFile& file, Violations& found) {
  if (may_print(file.path)) return;
  std::istringstream lines(file.text);
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    const std::string_view code = std::string_view(line).substr(0, line.find("//"));
    for (const char* word : {"print", "printf", "fprintf", "puts", "cerr", "cout", "stderr"})
      if (has_word(code, word))
        found.push_back(fmt::format("{}:{}: only the command prints", file.path, number));
  }
}

// Settings reach what is below the command as values: there is no accessor of global ones, and
// nothing there knows the names of the environment. The library asks where the cache directory is.
void check_settings(const SourceFile& file, Violations& found) {
  if (is_tests(file.path) || file.path.starts_with("tools/bitnetc/")) return;
  std::istringstream lines(file.text);
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    const std::string_view code = std::string_view(line).substr(0, line.find("//"));
    for (const char* word : {"options()", "set_options"})
      if (has_word(code, word))
        found.push_back(fmt::format("{}:{}: settings are handed down", file.path, number));
    const auto include = parse_include(line);
    if (include && include->header == "runtime/options.h" && file.path != "runtime/options.cpp" &&
        file.path != "tools/capi/model.cpp")
      found.push_back(
          fmt::format("{}:{}: only the command reads runtime/options.h", file.path, number));
  }
}

// "name()" followed by a body; "name();" only declares.
bool defines_factory(std::string_view text, const std::string& name) {
  const std::string call = " " + name + "()";
  for (size_t at = text.find(call); at != text.npos; at = text.find(call, at + 1))
    if (skip_spaces(text.substr(at + call.size())).starts_with('{')) return true;
  return false;
}

// Every factory of the list has its definition in codegen/.
void check_kernel_list(const SourceFile& list, const std::vector<SourceFile>& files,
                       Violations& found) {
  std::istringstream lines(list.text);
  int number = 0, entries = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    std::string_view rest = line;
    if (!consume(rest, "BITNETC_GENERATOR(")) continue;
    ++entries;
    const std::string name(rest.substr(0, rest.find(')')));
    const bool exists = std::any_of(files.begin(), files.end(), [&](const SourceFile& file) {
      return file.path.starts_with("codegen/") && file.path.ends_with(".cpp") &&
             defines_factory(file.text, name);
    });
    if (!exists)
      found.push_back(fmt::format("{}:{}: no factory {}() in codegen/", list.path, number, name));
  }
  if (entries == 0) found.push_back(fmt::format("{}:1: lists no generator", list.path));
}

SourceFile read_source(const fs::path& root, const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file.good()) << path;
  return {fs::relative(path, root).generic_string(),
          std::string(std::istreambuf_iterator<char>(file), {})};
}

const fs::path& root() {
  static const fs::path path = BITNETC_SOURCE_DIR;
  return path;
}

const std::vector<SourceFile>& sources() {
  static const std::vector<SourceFile> files = [] {
    std::vector<SourceFile> found;
    for (const auto& [folder, allowed] : arrows()) {
      if (!fs::exists(root() / folder)) continue;
      for (const auto& entry : fs::recursive_directory_iterator(root() / folder)) {
        const std::string extension = entry.path().extension().string();
        if (extension == ".h" || extension == ".cpp" || extension == ".c" || extension == ".inc" ||
            extension == ".cuh")
          found.push_back(read_source(root(), entry.path()));
      }
    }
    return found;
  }();
  return files;
}

// The Markdown and Python of the tree. The root holds build folders too, so only its own files
// count.
std::vector<SourceFile> pages() {
  std::vector<SourceFile> found;
  const auto add = [&](const fs::directory_entry& entry) {
    const std::string extension = entry.path().extension().string();
    if (extension == ".md" || extension == ".py")
      found.push_back(read_source(root(), entry.path()));
  };
  for (const auto& entry : fs::directory_iterator(root())) add(entry);
  for (const char* folder : {"docs", "tools", "tests"})
    for (const auto& entry : fs::recursive_directory_iterator(root() / folder)) add(entry);
  return found;
}

std::string joined(const Violations& violations) {
  return fmt::format("{}", fmt::join(violations, "\n"));
}

template <typename Check>
Violations over_the_tree(const Check& check) {
  Violations found;
  for (const SourceFile& file : sources()) check(file, found);
  return found;
}

TEST(Structure, TheTreeIsHere) {
  std::set<std::string> folders;
  for (const SourceFile& file : sources()) folders.insert(top_folder(file.path));
  EXPECT_EQ(folders, (std::set<std::string>{"autotune", "codegen", "compiler", "frontend",
                                            "runtime", "tests", "tools"}));
  EXPECT_GT(sources().size(), 50u);
}

TEST(Structure, IncludesFollowTheArrowsAndFences) {
  const Violations found = over_the_tree(check_includes);
  EXPECT_TRUE(found.empty()) << joined(found);
}

TEST(Structure, FilesAreOfReadableLength) {
  const Violations found = over_the_tree(check_length);
  EXPECT_TRUE(found.empty()) << joined(found);
}

TEST(Structure, LinesAreOfReadableLength) {
  Violations found = over_the_tree(check_columns);
  for (const SourceFile& page : pages()) check_columns(page, found);
  EXPECT_TRUE(found.empty()) << joined(found);
}

TEST(Structure, OnlyOptionsReadTheEnvironment) {
  const Violations found = over_the_tree(check_environment);
  EXPECT_TRUE(found.empty()) << joined(found);
}

TEST(Structure, OnlyTheCommandPrints) {
  const Violations found = over_the_tree(check_printing);
  EXPECT_TRUE(found.empty()) << joined(found);
}

TEST(Structure, SettingsAreHandedDown) {
  const Violations found = over_the_tree(check_settings);
  EXPECT_TRUE(found.empty()) << joined(found);
}

TEST(Structure, TheKernelListNamesWhatExists) {
  Violations found;
  check_kernel_list(read_source(root(), root() / "codegen/kernels.inc"), sources(), found);
  EXPECT_TRUE(found.empty()) << joined(found);
}

// The rules themselves, on files that break them.

std::string complaint(const std::string& path, const std::string& text) {
  Violations found;
  check_includes({path, text}, found);
  check_length({path, text}, found);
  check_environment({path, text}, found);
  return joined(found);
}

TEST(StructureRules, ArrowsNeverTurnBack) {
  EXPECT_EQ(complaint("runtime/a.cpp", "#include \"codegen/b.h\"\n"),
            "runtime/a.cpp:1: codegen/b.h: runtime may not include codegen");
  EXPECT_NE(complaint("codegen/a.h", "#include \"compiler/graph.h\"\n"), "");
  EXPECT_NE(complaint("compiler/a.h", "#include \"autotune/machine.h\"\n"), "");
  EXPECT_NE(complaint("compiler/a.h", "#include \"frontend/load.h\"\n"), "");
  EXPECT_NE(complaint("autotune/a.h", "#include \"tools/x.h\"\n"), "");
  EXPECT_EQ(complaint("compiler/a.h", "#include \"codegen/kernel_spec.h\"\n"), "");
  EXPECT_EQ(complaint("tools/a.cpp", "#include \"frontend/load.h\"\n"), "");
}

TEST(StructureRules, TheFrontendSeesOnlyTheGraph) {
  EXPECT_EQ(complaint("frontend/hf/a.cpp", "#include \"compiler/graph.h\"\n"), "");
  EXPECT_EQ(complaint("frontend/hf/a.cpp", "\n  #  include \"compiler/compile.h\"\n"),
            "frontend/hf/a.cpp:2: compiler/compile.h: frontend may not include compiler");
}

TEST(StructureRules, SubFoldersArePrivate) {
  EXPECT_NE(complaint("compiler/a.cpp", "#include \"codegen/x64/regs.h\"\n"), "");
  EXPECT_EQ(complaint("codegen/a.cpp", "#include \"codegen/x64/regs.h\"\n"), "");
  EXPECT_EQ(complaint("tests/codegen/a.cpp", "#include \"codegen/x64/regs.h\"\n"), "");
  EXPECT_NE(complaint("codegen/x64/a.cpp", "#include \"regs.h\"\n"), "");
}

TEST(StructureRules, TheCommandAndTheLibraryStandOnTheEngine) {
  EXPECT_EQ(complaint("tools/engine/a.cpp", "#include \"tools/capi/outcome.h\"\n"),
            "tools/engine/a.cpp:1: tools/capi/outcome.h: tools/engine may not include tools/capi");
  EXPECT_NE(complaint("tools/engine/hub/a.cpp", "#include \"tools/bitnetc/console.h\"\n"), "");
  EXPECT_NE(complaint("tools/capi/a.cpp", "#include \"tools/bitnetc/console.h\"\n"), "");
  EXPECT_NE(complaint("tools/bitnetc/a.cpp", "#include \"tools/capi/bitnetc.h\"\n"), "");
  EXPECT_EQ(complaint("tools/capi/a.cpp", "#include \"tools/engine/engine.h\"\n"), "");
  EXPECT_NE(complaint("tools/examples/a.cpp", "#include \"runtime/status.h\"\n"), "");
  EXPECT_NE(complaint("tests/capi/a_test.cpp", "#include \"tools/engine/engine.h\"\n"), "");
  EXPECT_EQ(complaint("tests/capi/a_test.cpp", "#include \"tests/support/subprocess.h\"\n"), "");
}

TEST(StructureRules, ThirdPartiesAreFenced) {
  EXPECT_NE(complaint("codegen/a.cpp", "#include <xbyak/xbyak.h>\n"), "");
  EXPECT_EQ(complaint("codegen/x64/a.cpp", "#include <xbyak/xbyak.h>\n"), "");
  for (const char* header : {"cuda.h", "nvrtc.h", "cuda_runtime.h", "cuda/std/array"})
    EXPECT_NE(complaint("runtime/gpu/driver/a.cpp", fmt::format("#include <{}>\n", header)), "");
  EXPECT_NE(complaint("tests/a.cpp", "#include <llvm/IR/Module.h>\n"), "");
  EXPECT_EQ(complaint("codegen/llvm/module/a.h", "#include <llvm/IR/Module.h>\n"), "");
  EXPECT_NE(complaint("runtime/a.h", "#include <gtest/gtest.h>\n"), "");
  EXPECT_NE(complaint("autotune/a.cpp", "#include <hwloc.h>\n"), "");
  EXPECT_EQ(complaint("autotune/topology.cpp", "#include <hwloc.h>\n"), "");
  EXPECT_NE(complaint("codegen/cuda/a.cpp", "#include <cuda.h>\n"), "");
  EXPECT_NE(complaint("codegen/cuda/kernels/a.cuh", "#include <cuda_fp16.h>\n"), "");
  EXPECT_NE(complaint("runtime/gpu/a.cpp", "#include <nvrtc.h>\n"), "");
  EXPECT_EQ(complaint("runtime/a.h", "#include <vector>\n"), "");
}

TEST(StructureRules, LongFilesAndGetenvAreFound) {
  EXPECT_EQ(complaint("runtime/a.cpp", std::string(601, '\n')),
            "runtime/a.cpp:601: longer than 600 lines");
  EXPECT_EQ(complaint("runtime/a.cpp", std::string(600, '\n')), "");
  EXPECT_EQ(complaint("tools/a.cpp", "int a;\nauto b = std::getenv(\"HOME\");\n"),
            "tools/a.cpp:2: only runtime/options.cpp reads the environment");
  EXPECT_EQ(complaint("tools/a.cpp", "// getenv() is not for us\n"), "");
  EXPECT_EQ(complaint("runtime/options.cpp", "std::getenv(\"HOME\");\n"), "");
}

TEST(StructureRules, LongLinesAreFound) {
  const auto long_lines = [](const std::string& path, const std::string& text) {
    Violations found;
    check_columns({path, text}, found);
    return joined(found);
  };
  const std::string wide(101, 'a');
  EXPECT_EQ(long_lines("runtime/a.cpp", "\n" + wide), "runtime/a.cpp:2: longer than 100 columns");
  EXPECT_EQ(long_lines("runtime/a.cpp", wide.substr(1) + "\n"), "");
  EXPECT_NE(long_lines("runtime/a.cpp", "| " + wide), "");
  EXPECT_EQ(long_lines("docs/a.md", "a\n" + wide), "docs/a.md:2: longer than 100 columns");
  EXPECT_EQ(long_lines("docs/a.md", "| " + wide + " |\n```\n" + wide + "\n```\n"), "");
  std::string arrows;
  for (int i = 0; i < 100; ++i) arrows += "\xe2\x86\x92";
  EXPECT_EQ(long_lines("docs/a.md", arrows), "");
}

TEST(StructureRules, PrintingBelowTheCommandIsFound) {
  const auto printed = [](const std::string& path, const std::string& text) {
    Violations found;
    check_printing({path, text}, found);
    return joined(found);
  };
  EXPECT_EQ(printed("compiler/a.cpp", "fmt::print(stdout, \"a\");\n"),
            "compiler/a.cpp:1: only the command prints");
  EXPECT_EQ(printed("tools/engine/a.cpp", "int fingerprint();  // print\n"), "");
  EXPECT_EQ(printed("tools/bitnetc/a.cpp", "fmt::print(\"a\");\n"), "");
  EXPECT_NE(complaint("tools/engine/a.cpp", "#include \"tools/bitnetc/console.h\"\n"), "");
}

TEST(StructureRules, GlobalSettingsBelowTheCommandAreFound) {
  const auto complaints = [](const std::string& path, const std::string& text) {
    Violations found;
    check_settings({path, text}, found);
    return joined(found);
  };
  EXPECT_EQ(complaints("codegen/a.cpp", "if (options().poison) poison();\n"),
            "codegen/a.cpp:1: settings are handed down");
  EXPECT_EQ(complaints("autotune/a.cpp", "auto o = script.contest_options();\n"), "");
  EXPECT_EQ(complaints("tools/engine/a.cpp", "#include \"runtime/options.h\"\n"),
            "tools/engine/a.cpp:1: only the command reads runtime/options.h");
  EXPECT_EQ(complaints("tools/bitnetc/a.cpp", "#include \"runtime/options.h\"\n"), "");
}

TEST(StructureRules, AMissingFactoryIsFound) {
  const std::vector<SourceFile> files = {
      {"codegen/a.cpp", "std::unique_ptr<Generator> make_here() {\n  return nullptr;\n}\n"},
      {"codegen/b.h", "std::unique_ptr<Generator> make_declared();\n"}};
  const auto check = [&](const std::string& text) {
    Violations found;
    check_kernel_list({"codegen/kernels.inc", text}, files, found);
    return joined(found);
  };
  EXPECT_EQ(check("// best first\nBITNETC_GENERATOR(make_here)\n"), "");
  EXPECT_EQ(check("BITNETC_GENERATOR(make_here)\nBITNETC_GENERATOR(make_declared)\n"),
            "codegen/kernels.inc:2: no factory make_declared() in codegen/");
  EXPECT_EQ(check("// nothing\n"), "codegen/kernels.inc:1: lists no generator");
}

}  // namespace
}  // namespace bitnetc
