#include "tools/bitnetc/output_option.h"

#include "tools/bitnetc/command_context.h"
#include "tools/bitnetc/signals.h"
#include "tools/engine/models.h"

namespace bitnetc {

Result<std::unique_ptr<OutputFile>> open_output(const std::string& path, Notes& notes) {
  if (path.empty()) return std::unique_ptr<OutputFile>();
  return OutputFile::create(path, OutputFile::Accepts::kAnything,
                            {.notes = &notes, .cancel = &interrupted()});
}

Result<std::unique_ptr<OutputFile>> open_output_apart(const char* option, const std::string& path,
                                                      const std::string& model,
                                                      std::vector<std::string> other_inputs,
                                                      CommandContext& context) {
  if (path.empty()) return std::unique_ptr<OutputFile>();
  if (const auto location = locate_model(model, context.settings().program_dir); location.ok())
    for (std::string& file : model_files(*location)) other_inputs.push_back(std::move(file));
  BITNETC_RETURN_IF_ERROR(check_not_an_input(option, path, other_inputs));
  return open_output(path, context.notes);
}

}  // namespace bitnetc
