// The tile registers of AMX, as programs here use them.
#pragma once

#include <cstdint>

namespace bitnetc::x64 {

inline constexpr int kTileRegisters = 8;
inline constexpr int kTileRegisterRows = 16;      // the most
inline constexpr int kTileRegisterRowBytes = 64;  // the most

// The operand of ldtilecfg.
struct TileConfig {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};
};
static_assert(sizeof(TileConfig) == 64);

}  // namespace bitnetc::x64
