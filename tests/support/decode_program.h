// A decoder of weights (codegen/x64/decode/) as a program of its own.
#pragma once

#include <cstdint>
#include <vector>

#include "codegen/weight_layout.h"
#include "codegen/x64/decode/ymm_decoder_use.h"

namespace bitnetc::test {

// What the code is called as: `blocks` >= 1 consecutive blocks to consecutive groups at `panel`,
// which is 64-byte aligned.
using DecodeEntry = void (*)(const uint8_t* w, uint8_t* panel, int64_t blocks);

// `vector_bytes`: 32 (AVX2) or 64 (AVX-512), as VectorFile.
std::vector<uint8_t> decode_program(LayoutId layout, int vector_bytes);
// A word layout's decoder by groups: both parts of a group behind each other, as `use` says.
std::vector<uint8_t> ymm_decode_program(LayoutId layout, const x64::YmmDecoderUse& use);

}  // namespace bitnetc::test
