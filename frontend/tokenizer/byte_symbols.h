// The byte alphabet of byte-level BPE: every byte is written as one printable character, so that a
// vocabulary of byte strings fits into JSON. Bytes 33-126, 161-172 and 174-255 stand for
// themselves, the other 68 are U+0100, U+0101, ... in order (space is U+0120, newline U+010A).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace bitnetc {

constexpr uint32_t kByteSymbolEnd = 0x144;  // every byte symbol is below this code point

uint32_t byte_symbol(uint8_t byte);
std::optional<uint8_t> symbol_byte(uint32_t code_point);

// Appends the symbols of `bytes`; at most two bytes of UTF-8 each.
void append_byte_symbols(std::string_view bytes, std::string& out);

// The bytes that `token` spells. A token with any character outside the alphabet (an added token in
// plain text) stands for its own UTF-8.
std::string bytes_of_token(std::string_view token);

}  // namespace bitnetc
