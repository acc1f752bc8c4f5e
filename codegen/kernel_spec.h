// What a kernel computes: the operation and every number that is baked into its code. One struct
// per operation (codegen/operations/), plain values with defaulted comparison; `spec_name` prints
// one and `parse_spec` reads it back, so a name in a log, a .bnc file or on the command line is a
// spec.
//
//   matmul_i8_i2s_f32_n3840_k2560_m1_scale
//   matmul_i8_tl2_f32_n3840_k2560_mN_scale
//   normquant_f32_i8_k2560_eps1e-05
//   matmul_i8_i2s_f32_n13824_k2560_m1_silumul_rowmax, then quant_f32_i8_k6912
//   attention_f32_d128_g4_wall_scale0.088388346
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "codegen/operations/attention.h"
#include "codegen/operations/embed.h"
#include "codegen/operations/glu.h"
#include "codegen/operations/head.h"
#include "codegen/operations/head_norm.h"
#include "codegen/operations/matmul.h"
#include "codegen/operations/norm_quantize.h"
#include "codegen/operations/quantize.h"
#include "codegen/operations/rms_norm.h"
#include "codegen/operations/rope_append.h"
#include "codegen/operations/screen.h"
#include "codegen/operations/sparse_down.h"
#include "codegen/operations/sparse_up.h"
#include "codegen/operations/tables.h"
#include "runtime/status.h"

namespace bitnetc {

// The list of operations: names, checks, proofs, conformance tests and the reference derive from
// it.
using KernelSpec = std::variant<MatmulSpec, NormQuantizeSpec, RmsNormSpec, HeadNormSpec,
                                RopeAppendSpec, AttentionSpec, EmbedSpec, HeadSpec, QuantizeSpec,
                                TablesSpec, GluSpec, ScreenSpec, SparseUpSpec, SparseDownSpec>;

std::string spec_name(const KernelSpec& spec);
// Error: kInvalidArgument naming the text, the part that does not parse and the form that was
// expected.
Result<KernelSpec> parse_spec(std::string_view name);
// Numbers that no kernel of the operation can have (n not a multiple of 16, m neither 1..8 nor
// kAnyM, k <= 0 ...).
Status validate(const KernelSpec& spec);

std::string_view operation_name(const KernelSpec& spec);  // "matmul"
std::vector<Operand> operands(const KernelSpec& spec);    // in the order of codegen/operations/
// `positions`: keys that the rows see, for operations with a cache.
Work work(const KernelSpec& spec, int64_t rows, int64_t positions = 0);

}  // namespace bitnetc
