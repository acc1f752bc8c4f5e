#include "tools/engine/npy.h"

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace bitnetc {

Status write_npy(const std::string& path, std::span<const float> values) {
  // The dictionary ends with a newline and is padded so that the data starts at a multiple of 64 bytes.
  constexpr char kMagic[] = {'\x93', 'N', 'U', 'M', 'P', 'Y', 1, 0};
  constexpr size_t kPreambleBytes = sizeof kMagic + 2;
  std::string dictionary =
      fmt::format("{{'descr': '<f4', 'fortran_order': False, 'shape': ({},), }}", values.size());
  dictionary.resize((kPreambleBytes + dictionary.size() + 1 + 63) / 64 * 64 - kPreambleBytes - 1,
                    ' ');
  dictionary += '\n';

  std::FILE* file = std::fopen(path.c_str(), "wb");
  if (file == nullptr)
    return make_error(StatusCode::kIoError, "{}: cannot create: {}", path, std::strerror(errno));
  const unsigned char length[2] = {static_cast<unsigned char>(dictionary.size() & 0xff),
                                   static_cast<unsigned char>(dictionary.size() >> 8)};
  bool written = std::fwrite(kMagic, sizeof kMagic, 1, file) == 1 &&
                 std::fwrite(length, sizeof length, 1, file) == 1 &&
                 std::fwrite(dictionary.data(), dictionary.size(), 1, file) == 1 &&
                 std::fwrite(values.data(), sizeof(float), values.size(), file) == values.size();
  written = std::fclose(file) == 0 && written;
  if (!written)
    return make_error(StatusCode::kIoError, "{}: cannot write: {}", path, std::strerror(errno));
  return {};
}

}  // namespace bitnetc
