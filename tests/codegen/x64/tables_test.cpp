// The builders of lookup tables against codegen/reference, between guard pages.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstring>
#include <random>

#include "codegen/reference/reference.h"
#include "codegen/x64/x64_generators.h"
#include "runtime/cpu_features.h"
#include "runtime/rounding.h"
#include "tests/support/abi_trampoline.h"
#include "tests/support/guarded_buffer.h"

namespace bitnetc {
namespace {

using test::Edge;
using test::GuardedBuffer;

constexpr LayoutId kWordLayouts[] = {LayoutId::kTl1, LayoutId::kTl2, LayoutId::kB3};

struct Builder {
  std::unique_ptr<Generator> generator;
  TableForm form;
  Isa isa;
};

std::vector<Builder> builders() {
  std::vector<Builder> all;
  all.push_back({make_x64_tables_avx2(), TableForm::kBytes, Isa::kAvx2});
  all.push_back({make_x64_tables_avx512(), TableForm::kWords, Isa::kAvx512Vnni});
  return all;
}

Kernel build(const Builder& builder, const TablesSpec& spec) {
  const KernelRequest request{.spec = spec, .plan = {}, .target = target_for(builder.isa)};
  const Status accepted = builder.generator->accepts(request);
  EXPECT_TRUE(accepted.ok()) << accepted.message();
  auto kernel = builder.generator->build(request, kernel_name(request, *builder.generator), {});
  EXPECT_TRUE(kernel.ok()) << kernel.status().message();
  return kernel.ok() ? *kernel : Kernel();
}

enum class Row { kRandom, kAll127, kAllMinus128 };

// Runs `kernel` on [begin, end) and compares the whole table, what lies outside included.
void expect_exact(const Kernel& kernel, const TablesSpec& spec, Row row, Edge edge, int64_t begin,
                  int64_t end) {
  SCOPED_TRACE(fmt::format("{} blocks {}..{}", spec_name(spec), begin, end));
  GuardedBuffer<int8_t> x(round_up(static_cast<size_t>(spec.k), kQuantPad), edge);
  std::mt19937 random(7);
  for (int64_t k = 0; k < spec.k; ++k) {
    const int any = static_cast<int>(random() % 256) - 128;
    x[static_cast<size_t>(k)] = static_cast<int8_t>(row == Row::kRandom   ? any
                                                    : row == Row::kAll127 ? 127
                                                                          : -128);
  }
  const auto bytes = static_cast<size_t>(spec.table_bytes());
  GuardedBuffer<uint8_t> tables(bytes, edge);
  std::vector<uint8_t> expected(bytes, 0xcc);
  std::memset(tables.data(), 0xcc, bytes);
  BuildTablesArgs args{
      .x = x.data(), .tables = expected.data(), .block_begin = begin, .block_end = end};
  reference::build_tables(spec, args);
  args.tables = tables.data();
  ASSERT_EQ(test::call_and_check_abi(kernel.entry(), &args, nullptr), "");
  for (size_t i = 0; i < bytes; ++i) ASSERT_EQ(tables[i], expected[i]) << "byte " << i;
  EXPECT_TRUE(tables.slack_intact());
}

TEST(Tables, EqualTheReference) {
  for (const Builder& builder : builders()) {
    if (!machine_target().supports(builder.isa)) {
      std::printf("skipped: this CPU lacks %s\n", std::string(isa_name(builder.isa)).c_str());
      continue;
    }
    for (const LayoutId layout : kWordLayouts) {
      for (const int64_t k : {1, 4, 9, 16, 20, 36, 37, 63, 64, 65, 100, 128, 180, 2560, 6912}) {
        const TablesSpec spec{.k = k, .layout = layout, .form = builder.form};
        const Kernel kernel = build(builder, spec);
        if (!kernel) continue;
        const int64_t blocks = spec.blocks();
        for (const Edge edge : {Edge::kEnd, Edge::kBegin}) {
          for (const Row row : {Row::kRandom, Row::kAll127, Row::kAllMinus128})
            expect_exact(kernel, spec, row, edge, 0, blocks);
          expect_exact(kernel, spec, Row::kRandom, edge, blocks - 1, blocks);
          expect_exact(kernel, spec, Row::kRandom, edge, blocks / 3, blocks - blocks / 3);
          expect_exact(kernel, spec, Row::kRandom, edge, blocks, blocks);
          expect_exact(kernel, spec, Row::kRandom, edge, 0, 0);
        }
      }
    }
  }
}

TEST(Tables, RefuseWhatTheyDoNotMake) {
  const auto avx2 = make_x64_tables_avx2(), avx512 = make_x64_tables_avx512();
  const TablesSpec words{.k = 64, .layout = LayoutId::kTl2, .form = TableForm::kWords};
  TablesSpec bytes = words;
  bytes.form = TableForm::kBytes;
  EXPECT_EQ(avx2->accepts({words, {}, target_for(Isa::kAvx2)}).message(),
            "builds tables of bytes, not of words");
  EXPECT_EQ(avx512->accepts({words, {}, target_for(Isa::kAvx2)}).message(),
            "needs avx512vnni, target is avx2");
  EXPECT_EQ(avx512->accepts({MatmulSpec{.n = 16, .k = 16}, {}, target_for(Isa::kAmx)}).message(),
            "makes tables kernels only");
  EXPECT_TRUE(avx2->accepts({bytes, {}, target_for(Isa::kAvx2)}).ok());
}

}  // namespace
}  // namespace bitnetc
