#include "tools/engine/dynamic_library.h"

#include <dlfcn.h>

namespace bitnetc {

Result<DynamicLibrary> DynamicLibrary::open(const std::string& name, const std::string& package) {
  void* const handle = ::dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr)
    return make_error(StatusCode::kUnsupported, "{} cannot be opened ({}); install the package {}",
                      name, ::dlerror(), package);
  return DynamicLibrary(name, handle);
}

Result<void*> DynamicLibrary::address_of(const char* symbol) const {
  void* const address = ::dlsym(handle_, symbol);
  if (address == nullptr)
    return make_error(StatusCode::kUnsupported, "{} has no {}; expected a newer one", name_,
                      symbol);
  return address;
}

}  // namespace bitnetc
