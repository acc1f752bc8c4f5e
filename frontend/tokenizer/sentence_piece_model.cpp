#include "frontend/tokenizer/sentence_piece_model.h"

#include <sentencepiece_processor.h>

#include "frontend/unicode/utf8.h"

namespace bitnetc {
namespace {

class NoScratch final : public ModelScratch {};

constexpr std::string_view kSpace = "\xE2\x96\x81";  // U+2581

PieceType type_of(const sentencepiece::SentencePieceProcessor& processor, int id) {
  if (processor.IsUnknown(id)) return PieceType::kUnknown;
  if (processor.IsControl(id)) return PieceType::kControl;
  if (processor.IsByte(id)) return PieceType::kByte;
  return processor.IsUnused(id) ? PieceType::kUnused : PieceType::kNormal;
}

// Ids that a model does not have are negative, or beyond its pieces in files made wrong.
std::optional<int32_t> valid_id(int id, int count) {
  return id >= 0 && id < count ? std::optional<int32_t>(id) : std::nullopt;
}

}  // namespace

struct SentencePieceModel::Library {
  sentencepiece::SentencePieceProcessor processor;
};

SentencePieceModel::SentencePieceModel(std::unique_ptr<Library> library)
    : library_(std::move(library)) {}
SentencePieceModel::~SentencePieceModel() = default;

Result<std::unique_ptr<const SentencePieceModel>> SentencePieceModel::create(
    std::string_view bytes) {
  auto library = std::make_unique<Library>();
  sentencepiece::SentencePieceProcessor& processor = library->processor;
  const auto loaded = processor.LoadFromSerializedProto({bytes.data(), bytes.size()});
  if (!loaded.ok())
    return make_error(StatusCode::kDataCorrupt, "not a SentencePiece model: {}", loaded.message());
  auto model = std::unique_ptr<SentencePieceModel>(new SentencePieceModel(std::move(library)));
  ScoredPieces& pieces = model->pieces_;
  const int count = processor.GetPieceSize();
  for (int id = 0; id < count; ++id) {
    pieces.texts.push_back(processor.IdToPiece(id));
    pieces.scores.push_back(processor.GetScore(id));
    pieces.types.push_back(type_of(processor, id));
    if (find_invalid_utf8(pieces.texts.back()) != std::string::npos)
      return make_error(StatusCode::kDataCorrupt, "piece {} is not valid UTF-8", id);
  }
  pieces.begin_id = valid_id(processor.bos_id(), count);
  pieces.end_id = valid_id(processor.eos_id(), count);
  std::vector<std::string> probe;
  pieces.add_space_prefix = processor.Encode("a", &probe).ok() && !probe.empty() &&
                            std::string_view(probe.front()).starts_with(kSpace);
  return std::unique_ptr<const SentencePieceModel>(std::move(model));
}

std::unique_ptr<ModelScratch> SentencePieceModel::make_scratch() const {
  return std::make_unique<NoScratch>();
}

Status SentencePieceModel::encode(std::string_view piece, ModelScratch&,
                                  std::vector<int32_t>& ids) const {
  std::vector<int> found;
  const auto status = library_->processor.Encode({piece.data(), piece.size()}, &found);
  if (!status.ok())
    return make_error(StatusCode::kInvalidArgument, "SentencePiece: {}", status.message());
  ids.insert(ids.end(), found.begin(), found.end());
  return {};
}

std::optional<int32_t> SentencePieceModel::unk_id() const {
  return valid_id(library_->processor.unk_id(), library_->processor.GetPieceSize());
}

}  // namespace bitnetc
