#include "codegen/cuda/nvrtc_compiler.h"

#include <dlfcn.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <map>

#include "runtime/printable.h"

namespace bitnetc::cuda {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSonames[] = {"libnvrtc.so.13", "libnvrtc.so.12"};
constexpr int kLeastMajor = 12;
constexpr char kRemedy[] =
    "install the package cuda-nvrtc of CUDA 12 or 13, or set CUDA_HOME to the folder of a CUDA "
    "toolkit";

// As NVRTC declares them.
using NvrtcProgram = void*;
enum NvrtcResult : int {
  kSuccess = 0,
  kBuiltinOperationFailure = 7,
};

// What dlopen() said.
std::string linker_error() {
  const char* const said = ::dlerror();
  return said != nullptr ? said : "the dynamic linker gives no reason";
}

// The first lines that say "error", else the first of all, on one line.
std::string first_errors(const std::string& log) {
  constexpr size_t kMostLines = 3;
  std::vector<std::string_view> all, errors;
  for (size_t begin = 0; begin < log.size();) {
    const size_t end = std::min(log.find('\n', begin), log.size());
    const std::string_view line = std::string_view(log).substr(begin, end - begin);
    begin = end + 1;
    if (line.find_first_not_of(" \t^~") == line.npos) continue;
    all.push_back(line);
    if (line.find("error") != line.npos) errors.push_back(line);
  }
  auto& shown = errors.empty() ? all : errors;
  if (shown.size() > kMostLines) shown.resize(kMostLines);
  return shown.empty() ? "it gives no reason" : fmt::format("{}", fmt::join(shown, "; "));
}

// The number that stands before `word` in `text`. 0: it is not there.
int number_before(std::string_view text, std::string_view word) {
  const size_t at = text.find(word);
  if (at == text.npos) return 0;
  size_t begin = at;
  while (begin > 0 && text[begin - 1] >= '0' && text[begin - 1] <= '9') --begin;
  int number = 0;
  std::from_chars(text.data() + begin, text.data() + at, number);
  return number;
}

// "0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads" and "Used 40 registers, used 1
// barriers, 17024 bytes smem", of the one kernel that a program has.
GpuResources read_resources(std::string_view log) {
  return {.registers = number_before(log, " registers"),
          .stack_bytes = number_before(log, " bytes stack frame"),
          .spill_bytes =
              number_before(log, " bytes spill stores") + number_before(log, " bytes spill loads"),
          .shared_bytes = number_before(log, " bytes smem")};
}

}  // namespace

struct NvrtcCompiler::Functions {
  const char* (*error_string)(NvrtcResult);
  NvrtcResult (*version)(int* major, int* minor);
  NvrtcResult (*count_architectures)(int* count);
  NvrtcResult (*architectures)(int* all);
  NvrtcResult (*create)(NvrtcProgram* program, const char* source, const char* name, int headers,
                        const char* const* header_texts, const char* const* header_names);
  NvrtcResult (*destroy)(NvrtcProgram* program);
  NvrtcResult (*compile)(NvrtcProgram program, int options, const char* const* all);
  NvrtcResult (*log_size)(NvrtcProgram program, size_t* bytes);
  NvrtcResult (*log)(NvrtcProgram program, char* text);
  NvrtcResult (*ptx_size)(NvrtcProgram program, size_t* bytes);
  NvrtcResult (*ptx)(NvrtcProgram program, char* text);
  NvrtcResult (*cubin_size)(NvrtcProgram program, size_t* bytes);
  NvrtcResult (*cubin)(NvrtcProgram program, char* bytes);

  // The name of the first function that the library lacks; null: none.
  const char* load(void* library) {
    const char* missing = nullptr;
    const auto find = [&]<typename F>(F& function, const char* name) {
      function = reinterpret_cast<F>(::dlsym(library, name));
      if (function == nullptr && missing == nullptr) missing = name;
    };
    find(version, "nvrtcVersion");
    find(error_string, "nvrtcGetErrorString");
    find(count_architectures, "nvrtcGetNumSupportedArchs");
    find(architectures, "nvrtcGetSupportedArchs");
    find(create, "nvrtcCreateProgram");
    find(destroy, "nvrtcDestroyProgram");
    find(compile, "nvrtcCompileProgram");
    find(log_size, "nvrtcGetProgramLogSize");
    find(log, "nvrtcGetProgramLog");
    find(ptx_size, "nvrtcGetPTXSize");
    find(ptx, "nvrtcGetPTX");
    find(cubin_size, "nvrtcGetCUBINSize");
    find(cubin, "nvrtcGetCUBIN");
    return missing;
  }

  // A text of the program: log, PTX or cubin. Empty where NVRTC has none.
  static std::string text(NvrtcProgram program, NvrtcResult (*size)(NvrtcProgram, size_t*),
                          NvrtcResult (*get)(NvrtcProgram, char*)) {
    size_t bytes = 0;
    if (size(program, &bytes) != kSuccess || bytes == 0) return {};
    std::string read(bytes, '\0');
    return get(program, read.data()) == kSuccess ? read : std::string();
  }
};

Result<std::shared_ptr<const NvrtcCompiler>> NvrtcCompiler::open(const std::string& library) {
  ::dlerror();
  void* const handle = ::dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    const std::string why = linker_error();
    std::error_code error;
    const bool is_there = library.find('/') != library.npos && fs::exists(library, error);
    if (!is_there) return make_error(StatusCode::kNotFound, "{}: {}", library, why);
    return make_error(StatusCode::kUnsupported, "NVRTC cannot be opened, {}: {}", why, kRemedy);
  }
  const std::shared_ptr<NvrtcCompiler> compiler(new NvrtcCompiler());
  const auto functions = std::make_shared<Functions>();
  const char* const missing = functions->load(handle);
  Dl_info info = {};
  const bool is_known = functions->version != nullptr &&
                        ::dladdr(reinterpret_cast<const void*>(functions->version), &info) != 0;
  compiler->path_ = printable_path(is_known ? info.dli_fname : library);
  const auto refuse = [&](const std::string& why) {
    return make_error(StatusCode::kUnsupported, "{}: {}: {}", compiler->path_, why, kRemedy);
  };
  if (functions->version != nullptr &&
      functions->version(&compiler->major_, &compiler->minor_) == kSuccess &&
      compiler->major_ < kLeastMajor)
    return refuse(
        fmt::format("{} is too old, expected {}.0 or newer", compiler->describe(), kLeastMajor));
  if (missing != nullptr) return refuse(fmt::format("is no NVRTC, it has no {}", missing));
  int count = 0;
  if (functions->count_architectures(&count) != kSuccess || count <= 0)
    return refuse("names no GPU that it compiles for");
  compiler->architectures_.resize(static_cast<size_t>(count));
  if (functions->architectures(compiler->architectures_.data()) != kSuccess)
    return refuse("names no GPU that it compiles for");
  std::ranges::sort(compiler->architectures_);
  compiler->functions_ = functions;
  return std::shared_ptr<const NvrtcCompiler>(compiler);
}

std::string NvrtcCompiler::describe() const {
  return fmt::format("NVRTC {}.{}", major_, minor_);
}

Result<std::vector<std::string>> NvrtcCompiler::options(int sm) const {
  const auto above = std::ranges::upper_bound(architectures_, sm);
  if (above == architectures_.begin())
    return make_error(StatusCode::kUnsupported, "{} makes code from sm_{} on, target is sm_{}",
                      describe(), architectures_.front(), sm);
  const int highest = *(above - 1);
  // sm_: machine code and PTX; compute_: PTX alone.
  std::vector<std::string> all = {
      fmt::format("--gpu-architecture={}_{}", highest == sm ? "sm" : "compute", highest),
      "--std=c++17",
      "--fmad=false",
      "--ftz=false",
      "--prec-div=true",
      "--prec-sqrt=true",
      "--ptxas-options=-v"};
  // From 12.9 on NVRTC has a cache of its own; ours is the only one.
  if (std::pair(major_, minor_) >= std::pair(12, 9)) all.emplace_back("--no-cache");
  return all;
}

Result<CompiledCode> NvrtcCompiler::compile(const std::string& kernel, const std::string& source,
                                            std::span<const DeviceSource> headers, int sm) const {
  BITNETC_ASSIGN_OR_RETURN(const std::vector<std::string> all, options(sm));
  std::vector<std::string> copies;  // what NVRTC reads ends with a zero
  for (const DeviceSource& each : headers) {
    copies.emplace_back(each.name);
    copies.emplace_back(each.text);
  }
  std::vector<const char*> names, texts, arguments;
  for (size_t i = 0; i < copies.size(); i += 2) {
    names.push_back(copies[i].c_str());
    texts.push_back(copies[i + 1].c_str());
  }
  for (const std::string& each : all) arguments.push_back(each.c_str());

  const auto fail = [&](NvrtcResult result, const std::string& log) {
    if (result == kBuiltinOperationFailure)
      return make_error(StatusCode::kUnsupported,
                        "{}: {} cannot open libnvrtc-builtins.so.{}.{}: install it beside {}",
                        kernel, describe(), major_, minor_, path_);
    return make_error(StatusCode::kUnsupported, "{}: {}: {}: {}", kernel, describe(),
                      functions_->error_string(result), first_errors(log));
  };
  NvrtcProgram program = nullptr;
  NvrtcResult result =
      functions_->create(&program, source.c_str(), (kernel + ".cu").c_str(),
                         static_cast<int>(names.size()), texts.data(), names.data());
  if (result != kSuccess) return fail(result, {});
  result = functions_->compile(program, static_cast<int>(arguments.size()), arguments.data());
  CompiledCode code{.ptx = Functions::text(program, functions_->ptx_size, functions_->ptx),
                    .cubin = Functions::text(program, functions_->cubin_size, functions_->cubin),
                    .log = Functions::text(program, functions_->log_size, functions_->log),
                    .resources = {}};
  functions_->destroy(&program);
  // Texts come with the zero at their end.
  for (std::string* text : {&code.ptx, &code.log})
    while (!text->empty() && text->back() == '\0') text->pop_back();
  if (result != kSuccess) return fail(result, code.log);
  if (code.ptx.empty()) return fail(result, "it made no PTX");
  code.resources = read_resources(code.log);
  return code;
}

bool NvrtcCompiler::is_first_time(int sm) const {
  const std::lock_guard lock(mutex_);
  return asked_for_.insert(sm).second;
}

Result<std::shared_ptr<const NvrtcCompiler>> open_nvrtc(std::span<const std::string> names,
                                                        std::span<const std::string> folders) {
  std::vector<std::string> libraries(names.begin(), names.end()), printed;
  for (const std::string& folder : folders) {
    printed.push_back(printable_path(folder));
    for (const char* soname : kSonames) libraries.push_back(folder + "/" + soname);
  }
  Status broken;
  for (const std::string& library : libraries) {
    auto opened = NvrtcCompiler::open(library);
    if (opened.ok()) return opened;
    if (opened.status().code() != StatusCode::kNotFound && broken.ok()) broken = opened.status();
  }
  if (!broken.ok()) return broken;
  return make_error(StatusCode::kNotFound,
                    "NVRTC, which compiles kernels for NVIDIA GPUs, is missing (looked for {} "
                    "where the dynamic linker looks{}{}): {}",
                    fmt::join(kSonames, " and "), printed.empty() ? "" : " and in ",
                    fmt::join(printed, ", "), kRemedy);
}

namespace {

// Where toolkits have their libraries, newest first.
std::vector<std::string> library_folders(const std::string& cuda_folder) {
  std::vector<std::string> toolkits;
  std::error_code error;
  for (const auto& each : fs::directory_iterator("/usr/local", error))
    if (each.path().filename().string().starts_with("cuda")) toolkits.push_back(each.path());
  std::ranges::sort(toolkits, std::greater());
  if (!cuda_folder.empty()) toolkits.insert(toolkits.begin(), cuda_folder);
  std::vector<std::string> folders;
  for (const std::string& each : toolkits)
    for (const char* below : {"lib64", "lib"}) folders.push_back(each + "/" + below);
  return folders;
}

}  // namespace

Result<std::shared_ptr<const NvrtcCompiler>> find_nvrtc(const std::string& cuda_folder) {
  static std::mutex mutex;
  static std::map<std::string, Result<std::shared_ptr<const NvrtcCompiler>>> opened;
  const std::lock_guard lock(mutex);
  if (const auto at = opened.find(cuda_folder); at != opened.end()) return at->second;
  const std::vector<std::string> names(std::begin(kSonames), std::end(kSonames));
  return opened.emplace(cuda_folder, open_nvrtc(names, library_folders(cuda_folder))).first->second;
}

}  // namespace bitnetc::cuda
