#include "tools/engine/fingerprint.h"

#include <xxhash.h>

namespace bitnetc {
namespace {

// Counts up when a revision of the rules changes an answer.
constexpr int kAnswerRevision = 1;

}  // namespace

std::string answer_fingerprint(const Engine& engine, const std::string& template_source) {
  std::string all =
      fmt::format("{}\n{}\n", kAnswerRevision, kv_type_name(engine.executable->kv.type));
  for (const SourceFile& file : engine.model->description().sources)
    all += fmt::format("{} {}\n", file.name, file.xxh3);
  all += template_source;
  return fmt::format("fp_{:016x}", XXH3_64bits(all.data(), all.size()));
}

}  // namespace bitnetc
