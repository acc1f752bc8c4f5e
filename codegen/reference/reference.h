// The numerics specification (docs/numerics.md) in executable form: plain scalar C++ with run-time
// shapes. Every kernel of every back-end is compared with these functions bit by bit. They are also
// what runs when nothing better can. Shapes and strides are those of the Args structs in
// runtime/kernel.h.
#pragma once

#include "codegen/kernel_spec.h"
#include "runtime/kernel.h"

namespace bitnetc::reference {

void matmul(const MatmulSpec& spec, const MatmulArgs& args);
void build_tables(const TablesSpec& spec, const BuildTablesArgs& args);
void norm_quantize(const NormQuantizeSpec& spec, const NormQuantizeArgs& args);
void quantize(const QuantizeSpec& spec, const QuantizeArgs& args);
void rms_norm(const RmsNormSpec& spec, const RmsNormArgs& args);
void rope_append(const RopeAppendSpec& spec, const RopeAppendArgs& args);
void attention(const AttentionSpec& spec, const AttentionArgs& args);
void embed(const EmbedSpec& spec, const EmbedArgs& args);
void head(const HeadSpec& spec, const HeadArgs& args);

}  // namespace bitnetc::reference
