// The i2_s microkernel of the VNNI tiers: vpdpbusd, which multiplies four unsigned codes with four
// signed activations and adds to an int32 lane, one lane per output row. A tier adds the encodings
// of its vector length and how its dot product takes activations.
//
// Work       vector ALU operations per vector of bytes: 4 and + M * 4 vpdpbusd, and no shift while
//            registers suffice for four accumulators a sum; else 1 or 3 (emit/i2s_planes.h)
// Exactness  vpdpbusd does not saturate. A scale-64 product of four columns is at most
//            4 * 128*128 = 2^16 in magnitude and one joins a lane every 16 columns: 2^12 * K < 2^31
//            for K < 2^19. Sums of scaled products are multiples of their scale, so the final
//            shifts are exact.
#pragma once

#include <algorithm>

#include "codegen/x64/emit/i2s_planes.h"
#include "codegen/x64/matmul_direct.h"

namespace bitnetc::x64 {

// How the vector registers are shared out. Accumulators come first, then masks, codes, planes and
// the activations.
struct VnniRegisters {
  int tiles, tokens, parts;  // one pass
  int scales;                // accumulators per sum
  int chains = 1;            // of each of those: cells take turns

  int codes() const { return tiles * parts; }
  // One token uses a plane once; more tokens need the planes of all codes at the same time.
  int planes() const { return tokens == 1 ? 1 : codes(); }
  int accumulators() const { return codes() * tokens * scales * chains; }
  int kept() const { return accumulators() + scales; }  // the epilogue must leave the masks alone
  int count() const { return kept() + std::max(codes() + planes() + 1, kEpilogueVectors); }
};

// Whole tiles if they fit, else half tiles; most scales first; two chains where one would leave
// vpdpbusd waiting for itself. `scales` is 0 if nothing fits.
VnniRegisters choose_vnni_registers(VectorFile vectors, const MatmulSpec& spec,
                                    const KernelPlan& plan);
// The refusal, with its numbers, when nothing fits.
Status check_vnni_registers(VectorFile vectors, const MatmulSpec& spec, const KernelPlan& plan);

// MatmulFamily::work, for the registers that are chosen.
MatmulWork vnni_work(VectorFile vectors, const MatmulSpec& spec, const KernelPlan& plan,
                     int64_t tokens);

inline constexpr int64_t kVnniKLimit = int64_t{1} << 19;

class MatmulI2sVnni : public MatmulDirect {
 protected:
  MatmulI2sVnni(VectorFile vectors, const MatmulSpec& spec, const KernelPlan& plan);

  virtual void zero(const Xbyak::Xmm& to) = 0;
  // to = from & mask
  virtual void mask_plane(const Xbyak::Xmm& to, const Xbyak::Xmm& from, const Xbyak::Xmm& mask) = 0;
  // sum += dot(codes, activations)
  virtual void dot(const Xbyak::Xmm& sum, const Xbyak::Xmm& codes,
                   const Xbyak::Operand& activations) = 0;
  // Whether dot() takes a broadcast from memory.
  virtual bool dot_broadcasts() const = 0;

 private:
  // Register map; the remainder loop runs it with fewer tiles.
  Xbyak::Xmm acc(int tile, int part, int token, int scale, int chain) const;
  Xbyak::Xmm mask(int scale) const { return vec(registers_.accumulators() + scale); }
  Xbyak::Xmm bytes(int tile, int part) const;
  Xbyak::Xmm plane(int tile, int part) const;
  Xbyak::Xmm x() const { return vec(registers_.kept() + registers_.codes() + registers_.planes()); }

  void load_constants() final;
  void begin(const Pass& pass) final;
  void cells(const Pass& pass, int count) final;
  void end(const Pass& pass) final;

  void cell(const Pass& pass, int cell);
  void decode_and_dot(const Pass& pass, int cell, int p);
  void decode_then_dot(const Pass& pass, int cell, int p);
  void decode(int tile, int part, int p);
  void dot_token(const Pass& pass, int tile, int part, int token, int cell, int p);
  int chain_of(int cell) const { return cell % registers_.chains; }
  // An activation that only one vector needs is broadcast by the dot product itself.
  bool dots_from_memory(const Pass& pass) const {
    return dot_broadcasts() && pass.tiles * pass.parts == 1;
  }
  void reduce(int tile, int part, int token);

  template <typename Body>
  void for_each_vector(const Pass& pass, Body body) {
    for (int tile = 0; tile < pass.tiles; ++tile)
      for (int part = 0; part < pass.parts; ++part) body(tile, part);
  }

  const VnniRegisters registers_;
  const I2sPlanes planes_;
};

}  // namespace bitnetc::x64
