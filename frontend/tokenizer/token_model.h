// The model of a tokenizer: what turns a piece of text into ids. Immutable; any thread may use one,
// each with a ModelScratch of its own.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "runtime/status.h"

namespace bitnetc {

// Memory that a model uses again and again; what is in it is the model's own business.
class ModelScratch {
 public:
  virtual ~ModelScratch() = default;
};

class TokenModel {
 public:
  virtual ~TokenModel() = default;
  virtual std::unique_ptr<ModelScratch> make_scratch() const = 0;
  // Appends the ids of `piece`, which is valid UTF-8 and not empty; `scratch` is of this model.
  // Error: kInvalidArgument naming a character that has no token when there is no unknown token.
  virtual Status encode(std::string_view piece, ModelScratch& scratch,
                        std::vector<int32_t>& ids) const = 0;
  virtual std::optional<int32_t> unk_id() const = 0;
};

}  // namespace bitnetc
