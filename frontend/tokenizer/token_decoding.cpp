#include "frontend/tokenizer/token_decoding.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "frontend/tokenizer/byte_symbols.h"
#include "frontend/unicode/utf8.h"

namespace bitnetc {
namespace {

std::optional<char> byte_token(std::string_view token) {
  if (token.size() != 6 || !token.starts_with("<0x") || token.back() != '>') return std::nullopt;
  const char* const digits = token.data() + 3;
  unsigned byte = 0;
  const auto [end, error] = std::from_chars(digits, digits + 2, byte, 16);
  if (error != std::errc() || end != digits + 2) return std::nullopt;
  return static_cast<char>(byte);
}

}  // namespace

Status TokenDecoding::add(int32_t id, std::string_view token, bool is_special) {
  BITNETC_ASSIGN_OR_RETURN(std::string text, plan_.per_token.apply(std::string(token)));
  Kind kind = is_special ? Kind::kSpecialText : Kind::kText;
  if (plan_.join == DecoderPlan::Join::kBytes) text = bytes_of_token(text);
  if (plan_.join == DecoderPlan::Join::kByteRuns) {
    if (const std::optional<char> byte = byte_token(text); byte && !is_special) {
      text.assign(1, *byte);
      kind = Kind::kByte;
    }
  }
  if (texts_.size() + text.size() > UINT32_MAX) {
    return Status(StatusCode::kUnsupported, "the decoded vocabulary is larger than 4 GiB");
  }
  entries_.resize(static_cast<size_t>(id) + 1);
  entries_.back() = {static_cast<uint32_t>(texts_.size()), static_cast<uint32_t>(text.size()),
                     kind};
  texts_.append(text);
  return {};
}

bool TokenDecoding::is_known(int32_t id) const {
  return id >= 0 && id < id_end() && entries_[static_cast<size_t>(id)].kind != Kind::kHole;
}

bool TokenDecoding::is_special(int32_t id) const {
  return id >= 0 && id < id_end() && entries_[static_cast<size_t>(id)].kind == Kind::kSpecialText;
}

void TokenDecoding::decode(int32_t id, DecodeState& state, std::string& text) const {
  const Entry& entry = entries_[static_cast<size_t>(id)];
  const std::string_view piece = std::string_view(texts_).substr(entry.offset, entry.length_bytes);
  switch (plan_.join) {
    case DecoderPlan::Join::kSpaces:
      if (!std::exchange(state.is_first, false)) emit(" ", state, text);
      emit(piece, state, text);
      break;
    case DecoderPlan::Join::kText:
      if (plan_.metaspace.empty()) {
        emit(piece, state, text);
      } else {
        emit(without_metaspace(piece, std::exchange(state.is_first, false)), state, text);
      }
      break;
    case DecoderPlan::Join::kBytes: {
      state.pending.append(piece);
      std::string repaired;
      state.pending.erase(0, append_repaired_utf8(state.pending, false, repaired));
      emit(repaired, state, text);
      break;
    }
    case DecoderPlan::Join::kByteRuns:
      if (entry.kind == Kind::kByte) {
        state.pending.append(piece);
      } else {
        end_byte_run(state, text);
        emit(piece, state, text);
      }
      break;
  }
}

Result<std::vector<std::string>> TokenDecoding::token_bytes(bool as_first) const {
  if (plan_.join == DecoderPlan::Join::kSpaces)
    return Status(StatusCode::kUnsupported,
                  "the tokenizer has no decoder: its tokens have a space between them");
  if (plan_.strip_start > 1)
    return make_error(
        StatusCode::kUnsupported,
        "the tokenizer's decoder strips {} characters from the front of a text, which "
        "several tokens may hold",
        plan_.strip_start);
  std::vector<std::string> found(entries_.size());
  for (size_t id = 0; id < entries_.size(); ++id) {
    const Entry& entry = entries_[id];
    if (entry.kind == Kind::kHole || entry.kind == Kind::kSpecialText) continue;
    std::string piece = texts_.substr(entry.offset, entry.length_bytes);
    if (plan_.join == DecoderPlan::Join::kText && !plan_.metaspace.empty())
      piece = without_metaspace(piece, as_first);
    // A decoder that strips sees what is certain of a text: of bytes that are no character yet,
    // nothing.
    if (as_first && plan_.strip_start == 1 && piece.starts_with(plan_.strip_content))
      piece.erase(0, plan_.strip_content.size());
    found[id] = std::move(piece);
  }
  return found;
}

void TokenDecoding::finish(DecodeState& state, std::string& text) const {
  if (plan_.join == DecoderPlan::Join::kByteRuns) {
    end_byte_run(state, text);
    return;
  }
  std::string repaired;
  append_repaired_utf8(state.pending, true, repaired);
  state.pending.clear();
  emit(repaired, state, text);
}

void TokenDecoding::end_byte_run(DecodeState& state, std::string& text) const {
  const std::string run = std::exchange(state.pending, {});
  if (find_invalid_utf8(run) == std::string::npos) {
    emit(run, state, text);
  } else {
    for (size_t i = 0; i < run.size(); ++i) emit(kReplacementCharacter, state, text);
  }
}

std::string TokenDecoding::without_metaspace(std::string_view piece, bool is_first) const {
  const std::string_view space = is_first && plan_.first_drops_metaspace ? "" : " ";
  std::string text;
  while (!piece.empty()) {
    const size_t at = std::min(piece.find(plan_.metaspace), piece.size());
    text.append(piece.substr(0, at));
    if (at < piece.size()) text.append(space);
    piece.remove_prefix(std::min(at + plan_.metaspace.size(), piece.size()));
  }
  return text;
}

void TokenDecoding::emit(std::string_view piece, DecodeState& state, std::string& text) const {
  while (state.strip_left > 0 && !piece.empty()) {
    const bool strips = piece.starts_with(plan_.strip_content);
    if (strips) piece.remove_prefix(plan_.strip_content.size());
    state.strip_left = strips ? state.strip_left - 1 : 0;
  }
  text.append(piece);
}

}  // namespace bitnetc
