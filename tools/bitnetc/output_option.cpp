#include "tools/bitnetc/output_option.h"

#include "tools/bitnetc/signals.h"

namespace bitnetc {

Result<std::unique_ptr<OutputFile>> open_output(const std::string& path, Notes& notes) {
  if (path.empty()) return std::unique_ptr<OutputFile>();
  return OutputFile::create(path, OutputFile::Accepts::kAnything,
                            {.notes = &notes, .cancel = &interrupted()});
}

}  // namespace bitnetc
