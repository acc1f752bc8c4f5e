// The vectors of texts, by a text encoder.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "runtime/cancel_token.h"
#include "runtime/executor.h"
#include "runtime/model_config.h"
#include "runtime/status.h"

namespace bitnetc {

// Token ids of a text, not empty.
using TextIds = std::vector<int32_t>;

// Calls `visit(text, vector)` for every text of `texts`, in order. A vector has length 1
// (Euclidean), but is all zero where the rows are. Rows of several texts go through the model
// together; sums are made in double in the order of the tokens, so that the bits of a vector depend
// on its own tokens alone. Error: as Executor::run().
Status embed_texts(Executor& executor, std::span<const TextIds> texts, Pooling pooling,
                   const std::function<void(size_t text, std::vector<float> vector)>& visit,
                   const CancelToken* cancel = nullptr);

// Of two vectors of length 1, or 0 where one is zero.
double cosine_similarity(std::span<const float> a, std::span<const float> b);

}  // namespace bitnetc
