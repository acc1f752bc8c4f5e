#include "codegen/operations/operation.h"

namespace bitnetc {

int64_t bytes_read(const std::vector<Operand>& operands, int64_t rows, int64_t positions) {
  int64_t bytes = 0;
  for (const Operand& operand : operands) {
    const bool is_read = operand.role != Role::kOutput && operand.role != Role::kScratch;
    if (is_read && !operand.optional)
      bytes += elements(operand, rows, positions) * element_bytes(operand.type);
  }
  return bytes;
}

}  // namespace bitnetc
