#include "tools/engine/npy.h"

#include <string>
#include <string_view>

namespace bitnetc {

Status write_npy(OutputFile& file, std::span<const float> values) {
  // The dictionary ends with a newline and is padded so that the data starts at a multiple of 64
  // bytes.
  constexpr char kMagic[] = {'\x93', 'N', 'U', 'M', 'P', 'Y', 1, 0};
  constexpr size_t kPreambleBytes = sizeof kMagic + 2;
  std::string dictionary =
      fmt::format("{{'descr': '<f4', 'fortran_order': False, 'shape': ({},), }}", values.size());
  dictionary.resize((kPreambleBytes + dictionary.size() + 1 + 63) / 64 * 64 - kPreambleBytes - 1,
                    ' ');
  dictionary += '\n';

  const char length[2] = {static_cast<char>(dictionary.size() & 0xff),
                          static_cast<char>(dictionary.size() >> 8)};
  BITNETC_RETURN_IF_ERROR(file.write(std::string_view(kMagic, sizeof kMagic)));
  BITNETC_RETURN_IF_ERROR(file.write(std::string_view(length, sizeof length)));
  BITNETC_RETURN_IF_ERROR(file.write(dictionary));
  BITNETC_RETURN_IF_ERROR(
      file.write({reinterpret_cast<const uint8_t*>(values.data()), values.size() * sizeof(float)}));
  return file.finish();
}

}  // namespace bitnetc
