// Rotation and windows of attention in the metadata of a GGUF model, as llama.cpp spells them; both
// ways.
//
//   rope.scaling.*           linear: factor
//                            yarn: factor, original_context_length, yarn_beta_fast, yarn_beta_slow;
//                            the amplitude is attn_factor times the published one
//   rope_freqs.weight        llama3: what the frequency of each pair is divided by,
//                            f32[head_dim / 2]
//   attention.sliding_window, .sliding_window_pattern, rope.freq_base_swa
//                            of every so many layers the last sees all positions, the others see a
//                            window and turn by a theta of their own, unscaled
#pragma once

#include <vector>

#include "frontend/gguf/gguf_architecture.h"
#include "frontend/gguf/gguf_model.h"
#include "frontend/gguf/gguf_writer.h"
#include "frontend/gguf/metadata_reader.h"
#include "runtime/model_config.h"
#include "runtime/status.h"

namespace bitnetc {

// Fills rope_theta, rope_scaling and layer_facts of `config`, whose shapes have been read.
// Error: kDataCorrupt (missing, wrong type or range, contradiction), kUnsupported for scaling that
// is not implemented or factors of no known scaling, naming file, key or tensor, and value.
Status read_gguf_rope(const GgufModel& model, const GgufArchitecture& architecture,
                      MetadataReader* reader, ModelConfig* config);

// The inverse, so that reading gives the same `config`. What is returned is the content of
// rope_freqs.weight; empty: there is none.
// Error: kUnsupported naming what a GGUF file cannot say.
Result<std::vector<float>> add_gguf_rope(const GgufArchitecture& architecture,
                                         const ModelConfig& config, GgufWriter* writer);

}  // namespace bitnetc
