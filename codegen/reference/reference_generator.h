// The last candidate for every spec: the functions of reference.h as kernels. They need no
// executable memory and no particular CPU, and they define what every other kernel must return.
#pragma once

#include <memory>

#include "codegen/kernel_builder.h"

namespace bitnetc {

std::unique_ptr<Generator> make_reference();

}  // namespace bitnetc
