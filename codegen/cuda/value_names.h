// Names of values that several families of CUDA kernels are instantiated with.
#pragma once

#include <string_view>

#include "codegen/operations/matmul.h"
#include "runtime/float_type.h"
#include "runtime/kv_type.h"

namespace bitnetc::cuda {

// Of the enums Gate, Float and Kv of the device code. An epilogue without a gate is any.
std::string_view gate_name(Epilogue epilogue);
std::string_view float_name(FloatType type);
std::string_view kv_name(KvType type);

}  // namespace bitnetc::cuda
