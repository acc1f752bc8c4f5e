// The metadata of a GGUF model as the facts that a family needs. A key that would change the
// computation and is not implemented is an error; general.file_type decides nothing.
#pragma once

#include <array>
#include <optional>

#include "frontend/families/family.h"
#include "frontend/gguf/gguf_architecture.h"
#include "frontend/gguf/gguf_model.h"
#include "frontend/gguf/metadata_reader.h"
#include "frontend/load.h"
#include "runtime/status.h"

namespace bitnetc {

// The values of pooling_type; the one behind them is that of rankers.
inline constexpr std::array<std::optional<Pooling>, 4> kGgufPoolings = {
    std::nullopt, Pooling::kMean, Pooling::kFirst, Pooling::kLast};
// Where a file that bitnetc wrote has its config_sentence_transformers.json: GGUF has no key for
// prompts.
inline constexpr char kGgufPromptsKey[] = "sentence_transformers.config";

struct GgufConfig {
  const GgufArchitecture* architecture = nullptr;
  const Family* family = nullptr;
  ModelFacts facts;
  EncoderDefaults encoder;
};

// Error: kDataCorrupt (missing, wrong type, contradiction) or kUnsupported, naming file, key and
// value.
Result<GgufConfig> read_gguf_config(const GgufModel& model, MetadataReader* reader);

// The keys that nobody has read: of the architecture as notes, since they speak of the model,
// others as LoadReport::ignored_keys. Error: kUnsupported for a key of a kind that changes the
// computation whatever it says.
Status report_unread_keys(const GgufArchitecture& architecture, const MetadataReader& reader,
                          LoadReport* report);

}  // namespace bitnetc
