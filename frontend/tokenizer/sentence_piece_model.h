// A SentencePiece model run by its own library, which only sentence_piece_model.cpp includes.
#pragma once

#include <memory>
#include <string_view>

#include "frontend/scored_pieces.h"
#include "frontend/tokenizer/token_model.h"

namespace bitnetc {

// A piece of text comes as it was written: the library normalises it, and adds the space in front
// if the model wants one.
class SentencePieceModel final : public TokenModel {
 public:
  // `bytes`: a tokenizer.model. Error: kDataCorrupt if the library refuses it, or a piece is not
  // valid UTF-8.
  static Result<std::unique_ptr<const SentencePieceModel>> create(std::string_view bytes);
  ~SentencePieceModel() override;

  // The pieces with their types; user-defined ones count as normal, since the library finds them.
  const ScoredPieces& pieces() const { return pieces_; }

  std::unique_ptr<ModelScratch> make_scratch() const override;
  Status encode(std::string_view piece, ModelScratch& scratch,
                std::vector<int32_t>& ids) const override;
  std::optional<int32_t> unk_id() const override;

 private:
  struct Library;
  explicit SentencePieceModel(std::unique_ptr<Library> library);

  std::unique_ptr<Library> library_;
  ScoredPieces pieces_;
};

}  // namespace bitnetc
