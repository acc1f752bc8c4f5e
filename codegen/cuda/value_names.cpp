#include "codegen/cuda/value_names.h"

namespace bitnetc::cuda {

std::string_view gate_name(Epilogue epilogue) {
  switch (epilogue) {
    case Epilogue::kSiluMul: return "kSilu";
    case Epilogue::kGeluMul: return "kGelu";
    default: return "kRelu2";
  }
}

std::string_view float_name(FloatType type) {
  switch (type) {
    case FloatType::kF32: return "kF32";
    case FloatType::kF16: return "kF16";
    case FloatType::kBf16: return "kBf16";
  }
  return "?";
}

std::string_view kv_name(KvType type) {
  switch (type) {
    case KvType::kF16: return "kF16";
    case KvType::kF32: return "kF32";
    case KvType::kI8: return "kI8";
  }
  return "?";
}

}  // namespace bitnetc::cuda
