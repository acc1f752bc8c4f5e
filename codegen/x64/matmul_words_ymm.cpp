#include "codegen/x64/matmul_words_ymm.h"

namespace bitnetc::x64 {

using Xbyak::Ymm;

MatmulWordsYmm::MatmulWordsYmm(const MatmulSpec& spec, const KernelPlan& plan,
                               const YmmDecoderUse& use)
    : MatmulDirect(kYmmFile, spec, plan, kYmmParts, 0),
      decoder_(make_ymm_group_decoder(spec.layout, use)) {}

void MatmulWordsYmm::emit_data() {
  MatmulDirect::emit_data();
  decoder_->emit_data(*this);
}

void MatmulWordsYmm::blocks(const Pass& pass, int count) {
  for (int block = 0; block < count; ++block) cut_block(pass, block, groups_per_block());
  end_iteration(pass);
}

void MatmulWordsYmm::cut_block(const Pass& pass, int block, int groups) {
  prefetch(pass, block);
  decoder_->decode_groups(*this, codes(pass, 0, 0, block),
                          [&](int group, const Ymm& part0, const Ymm& part1) {
                            if (group < groups) multiply(block, group, part0, part1);
                          });
}

Status accept_one_tile(const KernelPlan& plan) {
  const int tiles = DirectPlan::from(plan).tiles_per_step;
  if (tiles == 1) return {};
  return make_error(StatusCode::kUnsupported, "tiles_per_step = {}, 16 ymm registers are for 1",
                    tiles);
}

}  // namespace bitnetc::x64
