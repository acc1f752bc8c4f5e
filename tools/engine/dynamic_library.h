// A shared library that is opened when it is needed: starting the program does not pay for it, and
// a system without it can do everything else. Not closed before the process ends.
#pragma once

#include <string>

#include "runtime/status.h"

namespace bitnetc {

class DynamicLibrary {
 public:
  // `name`: "libcurl.so.4". `package`: what a message suggests to install. Error: kUnsupported.
  static Result<DynamicLibrary> open(const std::string& name, const std::string& package);

  // Points `function` at the symbol. Error: kUnsupported where the library has none.
  template <typename Function>
  Status find(const char* symbol, Function*& function) const {
    BITNETC_ASSIGN_OR_RETURN(void* const address, address_of(symbol));
    function = reinterpret_cast<Function*>(address);
    return {};
  }

 private:
  DynamicLibrary(std::string name, void* handle) : name_(std::move(name)), handle_(handle) {}
  Result<void*> address_of(const char* symbol) const;

  std::string name_;
  void* handle_;
};

}  // namespace bitnetc
