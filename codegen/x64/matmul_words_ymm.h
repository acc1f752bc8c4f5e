// What the word-layout programs share that decode one tile into 256-bit registers: codes come dot
// group by dot group and are multiplied while they are in registers. A tier chooses the order of
// the rows and adds its dot product and its accumulators.
//
// Registers  ymm: accumulators from 0 up, what else the tier wants, then the decoder's. General
//            registers as in MatmulRegs; eax is free between begin() and end().
#pragma once

#include <memory>

#include "codegen/x64/decode/ymm_group_decoder.h"
#include "codegen/x64/matmul_direct.h"

namespace bitnetc::x64 {

inline constexpr int kYmmParts = 2;

class MatmulWordsYmm : public MatmulDirect {
 protected:
  MatmulWordsYmm(const MatmulSpec& spec, const KernelPlan& plan, const YmmDecoderUse& use);

  // An epilogue changes the registers of some constants: they are loaded for each tile.
  void begin(const Pass&) override { decoder_->load_constants(*this); }
  // All sums += codes · activations, of group `group` of block `block` from the current position.
  // Codes are not needed afterwards.
  virtual void multiply(int block, int group, const Xbyak::Ymm& part0, const Xbyak::Ymm& part1) = 0;
  // After blocks_per_iteration() blocks, or less.
  virtual void end_iteration(const Pass&) {}

 private:
  void load_constants() final {}
  void emit_data() final;
  void blocks(const Pass& pass, int count) final;
  void cut_block(const Pass& pass, int block, int groups) final;

  const std::unique_ptr<YmmGroupDecoder> decoder_;
};

// The refusal of plans with more than one tile per group.
Status accept_one_tile(const KernelPlan& plan);

}  // namespace bitnetc::x64
