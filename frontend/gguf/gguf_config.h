// The metadata of a GGUF model as the facts that a family needs. A key that would change the
// computation and is not implemented is an error; general.file_type decides nothing.
#pragma once

#include "frontend/families/family.h"
#include "frontend/gguf/gguf_architecture.h"
#include "frontend/gguf/gguf_model.h"
#include "frontend/gguf/metadata_reader.h"
#include "frontend/load.h"
#include "runtime/status.h"

namespace bitnetc {

struct GgufConfig {
  const GgufArchitecture* architecture = nullptr;
  const Family* family = nullptr;
  ModelFacts facts;
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
