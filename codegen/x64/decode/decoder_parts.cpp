#include "codegen/x64/decode/decoder_parts.h"

namespace bitnetc::x64 {

void VectorConstants::load(Xbyak::CodeGenerator& code) const {
  for (int i = 0; const Constant& constant : constants_) {
    if (constant.to) code.vmovups(*constant.to, in_memory(code, i));
    ++i;
  }
}

void VectorConstants::emit_data(Xbyak::CodeGenerator& code) {
  code.align(static_cast<size_t>(vector_bytes_));
  code.L(data_);
  for (const Constant& constant : constants_)
    code.db(constant.bytes.data(), static_cast<size_t>(vector_bytes_));
}

uint8_t code_of_trit(int value, int trits, int t) {
  int values = 1, weight = 1;
  for (int i = 0; i < trits; ++i) values *= 3;
  for (int i = t + 1; i < trits; ++i) weight *= 3;
  const int digits = value + (values - 1) / 2;
  if (digits < 0 || digits >= values) return 0;
  return static_cast<uint8_t>(digits / weight % 3);
}

int source_byte(DwordOrder order, int i) {
  const int row = i / 4, byte = i % 4;
  const int word = order == DwordOrder::kWordByWord ? byte / 2 : byte % 2;
  const int half = order == DwordOrder::kWordByWord ? byte % 2 : byte / 2;
  return static_cast<int>(kWordColumnBytes) * word + 2 * row + half;
}

void take_low_bytes(Xbyak::CodeGenerator& code, const Xbyak::Zmm& to, const Xbyak::Zmm& low,
                    const Xbyak::Operand& low_bytes) {
  constexpr uint8_t kThirdSelectsSecondElseFirst = 0b11'01'10'00;
  code.vpternlogd(to, low, low_bytes, kThirdSelectsSecondElseFirst);
}

void load_for_unpack(Xbyak::CodeGenerator& code, const Xbyak::Ymm& to, const Xbyak::RegExp& words) {
  constexpr uint8_t kQuadWords0213 = 0b11'01'10'00;
  code.vpermq(to, code.ptr[words], kQuadWords0213);
}

}  // namespace bitnetc::x64
