// What operations declare about themselves.
#include <gtest/gtest.h>

#include <set>

#include "codegen/proof/problem.h"
#include "tests/support/operation_engines.h"

namespace bitnetc {
namespace {

const Operand& find(const std::vector<Operand>& operands, std::string_view name) {
  for (const Operand& operand : operands)
    if (operand.name == name) return operand;
  ADD_FAILURE() << "no operand " << name;
  return operands.front();
}

template <typename Spec>
void expect_sound(const Spec& spec) {
  SCOPED_TRACE(Operation<Spec>::name(spec));
  EXPECT_TRUE(Operation<Spec>::validate(spec).ok());
  EXPECT_EQ(parse_spec(Operation<Spec>::name(spec)).value(), KernelSpec(spec));
  std::set<std::string_view> names;
  std::set<size_t> offsets;
  for (const Operand& operand : operands(spec)) {
    EXPECT_TRUE(names.insert(operand.name).second) << operand.name;
    EXPECT_TRUE(offsets.insert(operand.args_offset).second) << operand.name;
    EXPECT_LE(operand.args_offset + sizeof(void*), sizeof(typename Operation<Spec>::Args));
    EXPECT_TRUE(operand.fixed != 0 || operand.per_row != 0 || operand.per_position != 0)
        << operand.name << " is empty";
  }
}

TEST(Operations, DeclarationsAreSound) {
  test::for_each_sampled_operation([]<typename Spec>() {
    for (const Spec& spec : Operation<Spec>::samples()) expect_sound(spec);
  });
  for (const Epilogue epilogue : kEpilogues)
    expect_sound(MatmulSpec{.n = 64, .k = 100, .epilogue = epilogue, .row_absmax = true});
}

TEST(Operations, OperandsOfAMatmul) {
  const MatmulSpec plain{.n = 64, .k = 100};
  EXPECT_EQ(find(operands(plain), "x").per_row, 128);
  EXPECT_EQ(find(operands(plain), "w").fixed, plain.weight_layout().total_bytes());
  EXPECT_EQ(find(operands(plain), "tile_scale").fixed, 4);
  EXPECT_EQ(find(operands(plain), "y").per_row, 64);
  EXPECT_EQ(operands(plain).size(), 6u);

  const MatmulSpec gated{.n = 64,
                         .k = 100,
                         .layout = LayoutId::kTl2,
                         .epilogue = Epilogue::kSiluMul,
                         .row_absmax = true};
  EXPECT_EQ(find(operands(gated), "y").per_row, 32);
  EXPECT_EQ(find(operands(gated), "tables").fixed, kUnknownExtent);
  EXPECT_TRUE(find(operands(gated), "tables").optional);
  EXPECT_TRUE(find(operands(gated), "row_absmax").per_worker);
}

TEST(Operations, WorkCountsWhatACallMustRead) {
  const Work head = work(HeadSpec{.n = 10, .k = 64, .type = FloatType::kBf16}, 1);
  EXPECT_EQ(head.bytes_read, 10 * 64 * 2 + 64 * 4);
  EXPECT_EQ(head.macs, 640);
  const Work embed = work(EmbedSpec{.k = 64, .type = FloatType::kF16}, 3);
  EXPECT_EQ(embed.bytes_read, 3 * 64 * 2);
  EXPECT_EQ(embed.macs, 0);
}

TEST(Problem, EqualArgumentsMakeEqualCalls) {
  const QuantizeSpec spec{.k = 100};
  const auto memory = proof::heap_memory();
  const proof::CallCase call_case = Operation<QuantizeSpec>::cases(spec).back();
  proof::Problem<QuantizeSpec> a(spec, call_case, 5, *memory), b(spec, call_case, 5, *memory);
  EXPECT_EQ(a.buffers.first_difference(b.buffers), "");
  a.buffers.get<float>("x")[7] = 3;
  EXPECT_EQ(a.buffers.first_difference(b.buffers).substr(0, 17), "x: element 7 is 3");
}

}  // namespace
}  // namespace bitnetc
