// Turns a function compiled ahead of time, void(const Spec&, const Args&), into a Kernel whose
// context is its own copy of the spec. Used by the static and the reference generators.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "runtime/kernel.h"
#include "runtime/kernel_args.h"

namespace bitnetc {

// make_function_kernel<reference::attention>(name, spec)
template <auto kFunction, typename Spec>
Kernel make_function_kernel(std::string name, const Spec& spec) {
  // Names Spec and Args from the function's signature; the spec given must be its Spec.
  constexpr auto entry_of = []<typename Args>(void (*)(const Spec&, const Args&)) -> Kernel::Entry {
    return [](const void* args, const void* context) {
      kFunction(*static_cast<const Spec*>(context), *static_cast<const Args*>(args));
    };
  };
  auto context = std::make_shared<const Spec>(spec);
  const void* const address = context.get();
  return Kernel(std::move(name), entry_of(kFunction), address, std::move(context));
}

}  // namespace bitnetc
