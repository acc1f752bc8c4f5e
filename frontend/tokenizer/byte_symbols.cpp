#include "frontend/tokenizer/byte_symbols.h"

#include <array>

#include "frontend/unicode/utf8.h"

namespace bitnetc {
namespace {

struct ByteAlphabet {
  std::array<uint32_t, 256> symbol{};
  std::array<int16_t, kByteSymbolEnd> byte{};  // -1: not a symbol
};

constexpr ByteAlphabet make_alphabet() {
  ByteAlphabet alphabet;
  for (int16_t& byte : alphabet.byte) byte = -1;
  uint32_t next_stand_in = 0x100;
  for (uint32_t byte = 0; byte < 256; ++byte) {
    const bool stands_for_itself = (byte >= 33 && byte <= 126) || (byte >= 161 && byte != 173);
    alphabet.symbol[byte] = stands_for_itself ? byte : next_stand_in++;
    alphabet.byte[alphabet.symbol[byte]] = static_cast<int16_t>(byte);
  }
  return alphabet;
}

constexpr ByteAlphabet kAlphabet = make_alphabet();

}  // namespace

uint32_t byte_symbol(uint8_t byte) {
  return kAlphabet.symbol[byte];
}

std::optional<uint8_t> symbol_byte(uint32_t code_point) {
  if (code_point >= kByteSymbolEnd || kAlphabet.byte[code_point] < 0) return std::nullopt;
  return static_cast<uint8_t>(kAlphabet.byte[code_point]);
}

void append_byte_symbols(std::string_view bytes, std::string& out) {
  for (const char c : bytes) {
    const uint32_t symbol = kAlphabet.symbol[static_cast<uint8_t>(c)];
    if (symbol < 0x80) {
      out.push_back(static_cast<char>(symbol));
    } else {
      out.push_back(static_cast<char>(0xC0 | symbol >> 6));
      out.push_back(static_cast<char>(0x80 | (symbol & 0x3F)));
    }
  }
}

std::string bytes_of_token(std::string_view token) {
  std::string bytes;
  for (size_t at = 0; at < token.size();) {
    const Utf8Unit unit = first_utf8_unit(token.substr(at));
    const std::optional<uint8_t> byte = symbol_byte(unit.code_point);
    if (!byte) return std::string(token);
    bytes.push_back(static_cast<char>(*byte));
    at += unit.length_bytes;
  }
  return bytes;
}

}  // namespace bitnetc
