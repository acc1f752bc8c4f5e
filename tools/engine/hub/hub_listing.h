// What is in a repository of a hub.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/status.h"
#include "tools/engine/hub/file_digest.h"

namespace bitnetc {

struct HubFile {
  std::string name;  // "model.safetensors", "1_Pooling/config.json"; never outside the folder
  int64_t bytes = 0;
  DigestKind digest_kind = DigestKind::kGitBlob;
  std::string digest;  // lower-case hex
};

struct HubListing {
  std::string commit;
  std::vector<HubFile> files;
};

// The answer of /api/models/NAME/revision/REVISION?blobs=true. `origin` opens every message.
// Error: kDataCorrupt.
Result<HubListing> parse_hub_listing(std::string_view json, const std::string& origin);

// Those of `listing` that a model is read from, config.json last. Error: kInvalidArgument: a name
// of `wanted` that is not there, no model at all, or several GGUF files and none is wanted.
Result<std::vector<HubFile>> choose_files(const HubListing& listing,
                                          const std::vector<std::string>& wanted,
                                          const std::string& repository);

}  // namespace bitnetc
