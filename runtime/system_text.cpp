#include "runtime/system_text.h"

#include <fstream>
#include <iterator>

namespace bitnetc {

std::optional<std::string> read_system_text(const std::string& path) {
  std::ifstream file(path);
  if (!file) return std::nullopt;
  return std::string(std::istreambuf_iterator<char>(file), {});
}

}  // namespace bitnetc
