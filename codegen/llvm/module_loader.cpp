#include "codegen/llvm/module_loader.h"

#include <dlfcn.h>
#include <fmt/ranges.h>
#include <link.h>

#include <atomic>
#include <filesystem>
#include <string_view>
#include <vector>

#include "codegen/llvm/module_maker.h"
#include "runtime/printable.h"

namespace bitnetc {
namespace {

namespace fs = std::filesystem;

std::atomic<bool> asked_for = false;

// The folder of the file that holds this code: the program, or the shared library it is part of.
// Empty where the system does not say.
fs::path own_folder() {
  Dl_info info = {};
  void* map = nullptr;
  const auto* const here = reinterpret_cast<const void*>(&own_folder);
  if (::dladdr1(here, &info, &map, RTLD_DL_LINKMAP) == 0) return {};
  // The loader knows a program by the name it was started with, which may be no path at all.
  const char* const name = static_cast<const link_map*>(map)->l_name;
  std::error_code error;
  return fs::canonical(*name != '\0' ? name : "/proc/self/exe", error).parent_path();
}

// What dlopen() and dlsym() say, which may begin with the path.
std::string loader_error(const std::string& path) {
  const char* const said = ::dlerror();
  std::string_view text = said != nullptr ? said : "the dynamic linker gives no reason";
  if (text.starts_with(path)) text.remove_prefix(std::min(text.size(), path.size() + 2));
  return std::string(text);
}

Result<OpenedLlvmModule> find_and_open() {
  const fs::path own = own_folder();
  std::vector<std::string> folders;
  for (const char* from_own : {BITNETC_PROGRAM_TO_MODULES, BITNETC_LIBRARY_TO_MODULES}) {
    const fs::path folder = (own / from_own).lexically_normal();
    const fs::path file = folder / BITNETC_LLVM_MODULE;
    std::error_code error;
    if (!own.empty() && fs::exists(file, error)) return open_llvm_module(file.string());
    folders.push_back(printable_path(folder.string()));
  }
  return make_error(StatusCode::kNotFound,
                    "{} is missing (looked in {}): install it with the program",
                    BITNETC_LLVM_MODULE, fmt::join(folders, ", "));
}

}  // namespace

Result<OpenedLlvmModule> open_llvm_module(const std::string& path) {
  const auto refuse = [&](const std::string& why) {
    return make_error(StatusCode::kUnsupported, "{}: {}", printable_path(path), why);
  };
  ::dlerror();
  void* const handle = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) return refuse("cannot be opened: " + loader_error(path));
  const auto* const module = static_cast<const LlvmModule*>(::dlsym(handle, kLlvmModuleSymbol));
  if (module == nullptr) return refuse("is no LLVM module: " + loader_error(path));
  if (std::string_view(module->made_by) != kLlvmModuleMaker)
    return refuse(fmt::format("belongs to another build, {}; expected {}", module->made_by,
                              kLlvmModuleMaker));
  return OpenedLlvmModule{.module = module, .path = path};
}

const Result<OpenedLlvmModule>& llvm_module() {
  asked_for.store(true, std::memory_order_relaxed);
  static const Result<OpenedLlvmModule> opened = find_and_open();
  return opened;
}

bool llvm_module_was_asked_for() {
  return asked_for.load(std::memory_order_relaxed);
}

}  // namespace bitnetc
