#include "frontend/tokenizer/unigram_model.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "frontend/unicode/utf8.h"

namespace bitnetc {
namespace {

// An unknown character costs this much more than the worst token.
constexpr double kUnkPenalty = 10;

}  // namespace

// The best cut of the text up to each byte.
class UnigramModel::Scratch final : public ModelScratch {
 public:
  struct End {
    double score = 0;
    uint32_t begin = kNone;  // of the last token
    int32_t id = -1;         // of it; -1: an unknown character
  };
  static constexpr uint32_t kNone = std::numeric_limits<uint32_t>::max();
  struct Part {
    uint32_t begin, end;
    int32_t id;
  };
  std::vector<End> ends;
  std::vector<Part> parts;
};

Result<UnigramModel> UnigramModel::create(const Vocabulary& vocabulary,
                                          std::span<const double> scores,
                                          const UnigramOptions& options) {
  UnigramModel model(vocabulary, options);
  model.scores_.assign(scores.begin(), scores.end());
  double least = 0;
  for (int32_t id = 0; id < vocabulary.id_end(); ++id) {
    const std::optional<std::string_view> text = vocabulary.text(id);
    if (!text) continue;
    const double score = scores[static_cast<size_t>(id)];
    if (text->empty() || !std::isfinite(score))
      return make_error(StatusCode::kDataCorrupt,
                        "model.vocab[{}] is \"{}\" with score {}: expected a text and a number", id,
                        *text, score);
    if (text->size() > kMaxTokenBytes)
      return make_error(StatusCode::kUnsupported,
                        "model.vocab[{}]: a token of {} bytes, expected at most {}", id,
                        text->size(), kMaxTokenBytes);
    least = std::min(least, score);
  }
  model.unk_score_ = least - kUnkPenalty;
  model.build_tree();
  return model;
}

// Every node is a range of the sorted tokens: those that share its beginning.
void UnigramModel::build_tree() {
  struct Cut {
    uint32_t begin, end;
    uint32_t depth;
  };
  std::vector<int32_t> sorted;
  for (int32_t id = 0; id < vocabulary_->id_end(); ++id)
    if (vocabulary_->text(id)) sorted.push_back(id);
  const auto text_of = [&](uint32_t at) { return *vocabulary_->text(sorted[at]); };
  std::sort(sorted.begin(), sorted.end(),
            [&](int32_t a, int32_t b) { return *vocabulary_->text(a) < *vocabulary_->text(b); });
  std::vector<Cut> cuts = {{0, static_cast<uint32_t>(sorted.size()), 0}};
  nodes_.emplace_back();
  for (size_t node = 0; node < nodes_.size(); ++node) {
    Cut rest = cuts[node];
    if (rest.begin < rest.end && text_of(rest.begin).size() == rest.depth)
      nodes_[node].id = sorted[rest.begin++];
    nodes_[node].first_child = static_cast<uint32_t>(nodes_.size());
    while (rest.begin < rest.end) {
      const char byte = text_of(rest.begin)[rest.depth];
      uint32_t end = rest.begin;
      while (end < rest.end && text_of(end)[rest.depth] == byte) ++end;
      nodes_.push_back({.byte = static_cast<uint8_t>(byte)});
      cuts.push_back({rest.begin, end, rest.depth + 1});
      ++nodes_[node].children;
      rest.begin = end;
    }
  }
}

const UnigramModel::Node* UnigramModel::child(const Node& node, uint8_t byte) const {
  const auto begin = nodes_.begin() + node.first_child;
  const auto end = begin + node.children;
  const auto found = std::lower_bound(
      begin, end, byte, [](const Node& each, uint8_t wanted) { return each.byte < wanted; });
  return found == end || found->byte != byte ? nullptr : &*found;
}

std::unique_ptr<ModelScratch> UnigramModel::make_scratch() const {
  return std::make_unique<Scratch>();
}

// Of equal sums the first one found stays: the one whose last token begins first.
Status UnigramModel::find_best_path(std::string_view piece, Scratch& scratch) const {
  scratch.ends.assign(piece.size() + 1, {});
  const auto offer = [&](size_t begin, size_t end, double score, int32_t id) {
    Scratch::End& best = scratch.ends[end];
    if (best.begin == Scratch::kNone || score > best.score)
      best = {score, static_cast<uint32_t>(begin), id};
  };
  for (size_t begin = 0; begin < piece.size();) {
    const size_t character_end = begin + first_utf8_unit(piece.substr(begin)).length_bytes;
    const double so_far = scratch.ends[begin].score;
    bool has_character = false;
    const Node* node = &nodes_.front();
    for (size_t end = begin; end < piece.size();) {
      node = child(*node, static_cast<uint8_t>(piece[end++]));
      if (node == nullptr) break;
      if (node->id < 0) continue;
      has_character |= end == character_end;
      offer(begin, end, so_far + scores_[static_cast<size_t>(node->id)], node->id);
    }
    if (!has_character) {
      if (!options_.unk_id)
        return make_error(
            StatusCode::kInvalidArgument,
            "character U+{:04X} of the text has no token and there is no model.unk_id",
            first_utf8_unit(piece.substr(begin)).code_point);
      offer(begin, character_end, so_far + unk_score_, *options_.unk_id);
    }
    begin = character_end;
  }
  return {};
}

Status UnigramModel::append_unknown(std::string_view text, std::vector<int32_t>& ids) const {
  const size_t first = ids.size();
  for (size_t i = 0; options_.byte_fallback && i < text.size(); ++i) {
    const std::string token = fmt::format("<0x{:02X}>", static_cast<uint8_t>(text[i]));
    const std::optional<int32_t> id = vocabulary_->find(token);
    if (!id) {
      ids.resize(first);
      break;
    }
    ids.push_back(*id);
  }
  if (ids.size() == first) ids.push_back(*options_.unk_id);
  return {};
}

// Neighbouring unknown characters are one unknown text.
Status UnigramModel::encode(std::string_view piece, ModelScratch& model_scratch,
                            std::vector<int32_t>& ids) const {
  auto& scratch = static_cast<Scratch&>(model_scratch);
  BITNETC_RETURN_IF_ERROR(find_best_path(piece, scratch));
  scratch.parts.clear();
  for (auto end = static_cast<uint32_t>(piece.size()); end > 0;) {
    const Scratch::End& last = scratch.ends[end];
    const bool joins =
        last.id == options_.unk_id && !scratch.parts.empty() && scratch.parts.back().id == last.id;
    if (joins) {
      scratch.parts.back().begin = last.begin;
    } else {
      scratch.parts.push_back({last.begin, end, last.id});
    }
    end = last.begin;
  }
  for (size_t i = scratch.parts.size(); i-- > 0;) {
    const Scratch::Part& part = scratch.parts[i];
    if (part.id == options_.unk_id) {
      BITNETC_RETURN_IF_ERROR(append_unknown(piece.substr(part.begin, part.end - part.begin), ids));
    } else {
      ids.push_back(part.id);
    }
  }
  return {};
}

}  // namespace bitnetc
