// The vector of a text, by a text encoder.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/cancel_token.h"
#include "runtime/model_config.h"
#include "runtime/session.h"
#include "runtime/status.h"

namespace bitnetc {

// Of length 1 (Euclidean), but all zero where the rows are. Sums are made in double in the order of
// the tokens: the bits depend on the tokens alone. `ids`: not empty. Error: as Session::append().
Result<std::vector<float>> embed_tokens(Session& session, std::span<const int32_t> ids,
                                        Pooling pooling, const CancelToken* cancel = nullptr);

// Of two vectors of length 1, or 0 where one is zero.
double cosine_similarity(std::span<const float> a, std::span<const float> b);

}  // namespace bitnetc
