#include "runtime/steps/embed_step.h"

namespace bitnetc {

void EmbedStep::run(const Pass& pass, Range units, int /*worker*/) const {
  for (int64_t row = units.begin; row < units.end; ++row)
    pass.call(kernel(), EmbedArgs{.table = operands_.table,
                                  .h = pass.at<float>(*this, operands_.h, row),
                                  .token = pass.rows[static_cast<size_t>(row)].token});
}

}  // namespace bitnetc
