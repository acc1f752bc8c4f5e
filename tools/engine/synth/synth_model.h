// Writes a random model of a given shape as a Hugging Face folder: config, generation config,
// a byte-level tokenizer and one model.safetensors, as a stream. Weights are scaled so that
// activations stay of the order of one through any number of layers.
#pragma once

#include <optional>
#include <string>

#include "runtime/cancel_token.h"
#include "runtime/notes.h"
#include "runtime/status.h"
#include "tools/engine/synth/shape.h"

namespace bitnetc {

struct SynthRequest {
  SynthShape shape;
  uint64_t seed = 0;
  double zeros = 1.0 / 3;  // share of the trits that are zero, 0 to 1
  // Share of the neurons whose gate is positive, whatever the token; none: about half of them, by
  // chance. Squared ReLU only.
  std::optional<double> active = {};
};

// Bytes of model.safetensors.
int64_t synth_bytes(const SynthRequest& request);

// Into `folder`, which is free or an empty folder. config.json is written last: until then the
// folder is no model. Error: kInvalidArgument (the request, a folder that holds something), kIoError
// (also where the file system has not enough room, before anything is written), kCancelled (what
// was written is removed).
Status write_synth_folder(const SynthRequest& request, const std::string& folder, Notes& notes,
                          const CancelToken* cancel = nullptr);

}  // namespace bitnetc
