// silu and gelu as the matmul programs emit them, against runtime/math.cpp bit by bit, over the
// whole range of finite floats.
#include <gtest/gtest.h>

#include <bit>
#include <cstdio>
#include <vector>

#include "codegen/x64/x64_generators.h"
#include "runtime/cpu_features.h"
#include "runtime/math.h"

namespace bitnetc {
namespace {

constexpr int64_t kColumns = 16;
constexpr int64_t kPairs = 256;  // gate values of a call

// Products in which gate p is the scale of tile 2p, once with each sign, and up is 1.
class GateSweep {
 public:
  GateSweep(const Generator& generator, Isa isa, Epilogue epilogue)
      : spec_{.n = 2 * kTileRows * kPairs, .k = kColumns, .epilogue = epilogue},
        w_(static_cast<size_t>(spec_.weight_layout().total_bytes())),
        tile_scale_(static_cast<size_t>(spec_.weight_layout().tiles()), 1.0f),
        y_(static_cast<size_t>(spec_.output_columns())) {
    std::vector<int8_t> trits(static_cast<size_t>(spec_.n * spec_.k));
    for (int64_t n = 0; n < spec_.n; ++n) {
      const bool negative = n / kTileRows % 2 == 0 && n % 2 == 1;
      trits[static_cast<size_t>(n * spec_.k)] = negative ? -1 : 1;
    }
    EXPECT_TRUE(pack(spec_.weight_layout(), trits, w_).ok());
    const KernelRequest request{spec_, {}, target_for(isa)};
    auto kernel = generator.build(request, kernel_name(request, generator), {});
    EXPECT_TRUE(kernel.ok()) << kernel.status().message();
    kernel_ = *std::move(kernel);
  }

  // y of row r is the function of +gates[p] where r is even, of -gates[p] where it is odd.
  void expect_exact(const std::vector<float>& gates) {
    for (size_t p = 0; p < gates.size(); ++p) tile_scale_[2 * p] = gates[p];
    kernel_(MatmulArgs{.x = x_,
                       .tables = nullptr,
                       .w = w_.data(),
                       .y = y_.data(),
                       .x_scale = &x_scale_,
                       .x_sum = &x_sum_,
                       .tile_scale = tile_scale_.data(),
                       .residual = nullptr,
                       .x_stride = 64,
                       .y_stride = spec_.output_columns(),
                       .tile_begin = 0,
                       .tile_end = spec_.weight_layout().tiles(),
                       .m = 1});
    for (size_t i = 0; i < gates.size() * kTileRows; ++i) {
      const float gate = i % 2 == 0 ? gates[i / kTileRows] : -gates[i / kTileRows];
      const float expected =
          spec_.epilogue == Epilogue::kSiluMul ? math::silu_f32(gate) : math::gelu_f32(gate);
      ASSERT_EQ(std::bit_cast<uint32_t>(y_[i]), std::bit_cast<uint32_t>(expected))
          << spec_name(spec_) << " of " << gate;
    }
  }

 private:
  const MatmulSpec spec_;
  std::vector<uint8_t> w_;
  std::vector<float> tile_scale_, y_;
  Kernel kernel_;
  const int8_t x_[64] = {1};
  const float x_scale_ = 1;
  const int32_t x_sum_ = 1;
};

void sweep(const Generator& generator, Isa isa) {
  if (!machine_target().supports(isa)) {
    std::printf("SKIPPED RUNNING %s\n", std::string(generator.name()).c_str());
    GTEST_SKIP() << "this CPU lacks " << isa_name(isa);
  }
  constexpr uint32_t kInfinity = 0x7f800000, kStride = 9973;
  for (const Epilogue epilogue : {Epilogue::kSiluMul, Epilogue::kGeluMul}) {
    GateSweep products(generator, isa, epilogue);
    std::vector<float> gates;
    for (uint32_t bits = 0; bits < kInfinity; bits += kStride) {
      gates.push_back(std::bit_cast<float>(bits));
      if (gates.size() < kPairs) continue;
      products.expect_exact(gates);
      if (testing::Test::HasFatalFailure()) return;
      gates.clear();
    }
    products.expect_exact(gates);
  }
}

TEST(GateFunctions, EveryExponentOnAvx2) {
  sweep(*make_x64_matmul_i2s_avx2(), Isa::kAvx2);
}

TEST(GateFunctions, EveryExponentOnAvx512) {
  sweep(*make_x64_matmul_i2s_avx512vnni(), Isa::kAvx512Vnni);
}

}  // namespace
}  // namespace bitnetc
