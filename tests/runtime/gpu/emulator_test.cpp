// The emulated GPU on PTX written by hand: what instructions compute at their edges, that mistakes
// of kernels are found and named, and when streams do their work. No NVRTC is needed.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>

#include "runtime/gpu_emulator.h"

namespace bitnetc {
namespace {

constexpr int kThreads = 32;

std::string module_of(const std::string& body, const std::string& declarations = "") {
  return ".version 9.0\n.target sm_90\n.address_size 64\n" + declarations +
         "\n.visible .entry test(.param .align 8 .b8 test_param_0[24])\n{\n"
         "  .reg .pred %p<9>;\n  .reg .b16 %rs<9>;\n  .reg .b32 %r<40>;\n  .reg .f32 %f<20>;\n"
         "  .reg .b64 %rd<20>;\n  .reg .f64 %fd<9>;\n" +
         body + "\n  ret;\n}\n";
}

GpuLaunch fixed_launch(const void*, const GpuCode& code) {
  return {.blocks_x = static_cast<uint32_t>(code.numbers[0]),
          .threads = static_cast<uint32_t>(code.numbers[1]),
          .shared_bytes = static_cast<uint32_t>(code.numbers[2]),
          .all_resident = code.numbers[3] != 0};
}

struct Shape {
  int64_t blocks = 1, threads = kThreads, shared_bytes = 0;
  bool all_resident = false;
};

struct TestArgs {
  const void* in = nullptr;
  void* out = nullptr;
  int64_t number = 0;
};

Kernel kernel_of(const std::string& ptx, const Shape& shape = {}) {
  auto code = std::make_shared<GpuCode>();
  code->entry = "test";
  code->ptx = ptx;
  code->sm = 90;
  code->args_bytes = sizeof(TestArgs);
  code->launch = fixed_launch;
  code->numbers[0] = shape.blocks;
  code->numbers[1] = shape.threads;
  code->numbers[2] = shape.shared_bytes;
  code->numbers[3] = shape.all_resident ? 1 : 0;
  return GpuCode::kernel("kernel", code);
}

// `in` and `out` in the registers %rd1 and %rd2, 8 bytes per thread; the thread in %r1.
constexpr char kBegin[] =
    "  ld.param.u64 %rd1, [test_param_0];\n  ld.param.u64 %rd2, [test_param_0+8];\n"
    "  mov.u32 %r1, %tid.x;\n  mul.wide.u32 %rd3, %r1, 8;\n  add.s64 %rd1, %rd1, %rd3;\n"
    "  add.s64 %rd2, %rd2, %rd3;\n";

class Emulator : public testing::Test {
 protected:
  Emulator() : gpu_(*make_emulated_gpu({.sm = 90, .most_instructions = 1'000'000})) {}

  // What `body` leaves of a value of each thread: both 8 bytes, of which it reads and writes what
  // it likes.
  std::vector<uint64_t> map(const std::string& body, std::vector<uint64_t> in) {
    in.resize(kThreads);
    std::vector<uint64_t> out(kThreads);
    status_ = run(std::string(kBegin) + body, in, out);
    EXPECT_TRUE(status_.ok()) << status_.message();
    return out;
  }
  Status run(const std::string& body, const std::vector<uint64_t>& in, std::vector<uint64_t>& out,
             const Shape& shape = {}, const std::string& declarations = "") {
    const size_t bytes = in.size() * 8;
    BITNETC_ASSIGN_OR_RETURN(const DeviceMemory from, gpu_->allocate(bytes));
    BITNETC_ASSIGN_OR_RETURN(const DeviceMemory to, gpu_->allocate(bytes));
    BITNETC_RETURN_IF_ERROR(gpu_->upload(from.address, in.data(), bytes));
    const TestArgs args{.in = from.address, .out = to.address};
    BITNETC_RETURN_IF_ERROR(
        gpu_->run(kernel_of(module_of(body, declarations), shape), &args, sizeof args));
    return gpu_->download(out.data(), to.address, bytes);
  }
  // The error of `body`.
  std::string fault(const std::string& body, const Shape& shape = {},
                    const std::string& declarations = "") {
    const std::vector<uint64_t> in(64);
    std::vector<uint64_t> out(64);
    return run(std::string(kBegin) + body, in, out, shape, declarations).message();
  }

  std::unique_ptr<EmulatedGpu> gpu_;
  Status status_;
};

uint64_t bits(float value) {
  return std::bit_cast<uint32_t>(value);
}
uint64_t pair(uint32_t low, uint32_t high) {
  return uint64_t{high} << 32 | low;
}

constexpr float kEdges[] = {
    0.0f,    -0.0f,    1.0f,      -1.5f,     2.5f,
    3.5f,    -2.5f,    0x1p-149f, 0x1p-126f, -0x1.8p-130f,
    3.4e38f, -3.4e38f, 7.25e9f,   0.1f,      std::numeric_limits<float>::infinity()};

// Bits of a float result; every NaN is the same to us.
uint64_t expected_bits(float value) {
  return std::isnan(value) ? 0x7fffffff : bits(value);
}

TEST_F(Emulator, FloatsAreRoundedAsIeee754Says) {
  const std::pair<const char*, float (*)(float, float)> operations[] = {
      {"add.rn.f32", [](float a, float b) { return a + b; }},
      {"sub.rn.f32", [](float a, float b) { return a - b; }},
      {"mul.rn.f32", [](float a, float b) { return a * b; }},
      {"div.rn.f32", [](float a, float b) { return a / b; }}};
  for (const auto& [name, expected] : operations) {
    SCOPED_TRACE(name);
    for (const float a : kEdges) {
      std::vector<uint64_t> in;
      for (const float b : kEdges)
        in.push_back(pair(std::bit_cast<uint32_t>(a), std::bit_cast<uint32_t>(b)));
      const auto out = map(fmt::format("  ld.global.v2.f32 {{%f1, %f2}}, [%rd1];\n"
                                       "  {} %f3, %f1, %f2;\n  st.global.f32 [%rd2], %f3;\n",
                                       name),
                           in);
      for (size_t i = 0; i < std::size(kEdges); ++i)
        EXPECT_EQ(out[i], expected_bits(expected(a, kEdges[i]))) << a << " and " << kEdges[i];
    }
  }
}

TEST_F(Emulator, FusedProductsAreRoundedOnce) {
  std::mt19937 random(3);
  std::vector<uint64_t> in;
  for (int i = 0; i < kThreads; ++i)
    in.push_back(pair(random() & 0xbfffffff, random() & 0xbfffffff));
  const auto out =
      map("  ld.global.v2.f32 {%f1, %f2}, [%rd1];\n  neg.f32 %f3, %f1;\n"
          "  fma.rn.f32 %f4, %f1, %f2, %f3;\n  st.global.f32 [%rd2], %f4;\n",
          in);
  for (size_t i = 0; i < in.size(); ++i) {
    const auto a = std::bit_cast<float>(static_cast<uint32_t>(in[i])),
               b = std::bit_cast<float>(static_cast<uint32_t>(in[i] >> 32));
    EXPECT_EQ(out[i], expected_bits(std::fma(a, b, -a)));
  }
}

TEST_F(Emulator, GreaterAndLesserTakeTheNumber) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const auto of = [&](const char* name, float a, float b) {
    return map(fmt::format("  ld.global.v2.f32 {{%f1, %f2}}, [%rd1];\n  {} %f3, %f1, %f2;\n"
                           "  st.global.f32 [%rd2], %f3;\n",
                           name),
               {pair(std::bit_cast<uint32_t>(a), std::bit_cast<uint32_t>(b))})[0];
  };
  EXPECT_EQ(of("max.f32", nan, 2), bits(2));
  EXPECT_EQ(of("max.f32", 2, nan), bits(2));
  EXPECT_EQ(of("max.f32", nan, nan), 0x7fffffffU);
  EXPECT_EQ(of("max.f32", -0.0f, 0.0f), bits(0.0f));
  EXPECT_EQ(of("min.f32", 0.0f, -0.0f), bits(-0.0f));
  EXPECT_EQ(of("min.f32", -3, 2), bits(-3));
}

TEST_F(Emulator, ConversionsRoundAndSaturate) {
  const std::pair<float, uint32_t> nearest[] = {{2.5f, 2},
                                                {3.5f, 4},
                                                {-2.5f, static_cast<uint32_t>(-2)},
                                                {-0.4f, 0},
                                                {3e9f, 0x7fffffff},
                                                {-3e9f, 0x80000000},
                                                {std::numeric_limits<float>::quiet_NaN(), 0},
                                                {0x1p-149f, 0}};
  std::vector<uint64_t> in;
  for (const auto& [value, expected] : nearest) in.push_back(bits(value));
  const auto out = map(
      "  ld.global.f32 %f1, [%rd1];\n  cvt.rni.s32.f32 %r2, %f1;\n  st.global.u32 [%rd2], %r2;\n",
      in);
  for (size_t i = 0; i < std::size(nearest); ++i)
    EXPECT_EQ(out[i], nearest[i].second) << nearest[i].first;
  // The sign of a byte is that of the register.
  EXPECT_EQ(map("  ld.global.s8 %r2, [%rd1];\n  st.global.u32 [%rd2], %r2;\n", {0x80})[0],
            0xffffff80U);
  EXPECT_EQ(map("  ld.global.u32 %r2, [%rd1];\n  cvt.rn.f32.s32 %f1, %r2;\n"
                "  st.global.f32 [%rd2], %f1;\n",
                {0x80000000})[0],
            bits(-0x1p31f));
  EXPECT_EQ(map("  ld.global.u16 %rs1, [%rd1];\n  cvt.f32.f16 %f1, %rs1;\n"
                "  st.global.f32 [%rd2], %f1;\n",
                {0x0001})[0],
            bits(0x1p-24f));
}

// NVRTC widens signed values in the load itself.
TEST_F(Emulator, SignedLoadsAreAsWideAsTheirRegister) {
  for (const auto& [type, value, expected] :
       {std::tuple{"s8", uint64_t{0x80}, ~uint64_t{0x7f}},
        std::tuple{"s16", uint64_t{0x8000}, ~uint64_t{0x7fff}},
        std::tuple{"s32", uint64_t{0x80000000}, ~uint64_t{0x7fffffff}},
        std::tuple{"u32", uint64_t{0x80000000}, uint64_t{0x80000000}}})
    EXPECT_EQ(
        map(fmt::format("  ld.global.{} %rd5, [%rd1];\n  st.global.u64 [%rd2], %rd5;\n", type),
            {value})[0],
        expected)
        << type;
}

TEST_F(Emulator, IntegersWrapAround) {
  const auto of = [&](const char* code, uint32_t a, uint32_t b) {
    return map(fmt::format("  ld.global.v2.u32 {{%r2, %r3}}, [%rd1];\n  {}\n"
                           "  st.global.u32 [%rd2], %r4;\n",
                           code),
               {pair(a, b)})[0];
  };
  EXPECT_EQ(of("add.s32 %r4, %r2, %r3;", 0x7fffffff, 1), 0x80000000U);
  EXPECT_EQ(of("mul.lo.s32 %r4, %r2, %r3;", 0x80000000, 0xffffffff), 0x80000000U);
  EXPECT_EQ(of("mul.hi.s32 %r4, %r2, %r3;", 0x80000000, 2), 0xffffffffU);
  EXPECT_EQ(of("mul.hi.u32 %r4, %r2, %r3;", 0x80000000, 2), 1U);
  EXPECT_EQ(of("shl.b32 %r4, %r2, %r3;", 1, 32), 0U);
  EXPECT_EQ(of("shr.s32 %r4, %r2, %r3;", 0x80000000, 99), 0xffffffffU);
  EXPECT_EQ(of("shr.u32 %r4, %r2, %r3;", 0x80000000, 31), 1U);
  EXPECT_EQ(of("shf.l.wrap.b32 %r4, %r2, %r3, 8;", 0xaabbccdd, 0x11223344), 0x223344aaU);
  EXPECT_EQ(of("prmt.b32 %r4, %r2, %r3, 0xf470;", 0x8899aabb, 0x11223344), 0x0044'11bbU);
  EXPECT_EQ(of("lop3.b32 %r4, %r2, %r3, 255, 0x96;", 0xf0f0, 0xff00), 0xf0f0U ^ 0xff00U ^ 255U);
  EXPECT_EQ(of("bfe.s32 %r4, %r2, 4, 4;", 0x80, 0), 0xfffffff8U);
  EXPECT_EQ(of("bfe.u32 %r4, %r2, 28, 8;", 0xf0000000, 0), 0xfU);
  EXPECT_EQ(of("bfi.b32 %r4, %r2, %r3, 8, 8;", 0xff, 0), 0xff00U);
  EXPECT_EQ(of("dp4a.u32.s32 %r4, %r2, %r3, 5;", 0xffffffff, 0x80808080),
            static_cast<uint32_t>(5 - 4 * 255 * 128));
  EXPECT_EQ(of("abs.s32 %r4, %r2;", 0x80000000, 0), 0x80000000U);
  EXPECT_EQ(of("popc.b32 %r4, %r2;", 0xf0f00001, 0), 9U);
  EXPECT_EQ(map("  ld.global.u64 %rd5, [%rd1];\n  mul.hi.u64 %rd6, %rd5, %rd5;\n"
                "  st.global.u64 [%rd2], %rd6;\n",
                {~uint64_t{0}})[0],
            ~uint64_t{1});
}

TEST_F(Emulator, DivergedLanesMeetAgain) {
  // Odd lanes take another way; the shuffle needs all of them.
  const auto out =
      map("  and.b32 %r2, %r1, 1;\n  setp.eq.s32 %p1, %r2, 0;\n  mov.u32 %r3, 100;\n"
          "  @%p1 bra $even;\n  add.s32 %r3, %r3, %r1;\n$even:\n"
          "  shfl.sync.bfly.b32 %r4, %r3, 1, 31, -1;\n  st.global.u32 [%rd2], %r4;\n",
          {});
  for (uint32_t lane = 0; lane < kThreads; ++lane)
    EXPECT_EQ(out[lane], lane % 2 == 0 ? 101 + lane : 100);
}

TEST_F(Emulator, VotesReductionsAndShuffles) {
  const auto out =
      map("  setp.lt.u32 %p1, %r1, 5;\n  vote.sync.ballot.b32 %r2, %p1, -1;\n"
          "  redux.sync.max.u32 %r3, %r1, -1;\n  shfl.sync.down.b32 %r4|%p2, %r1, 4, 31, -1;\n"
          "  selp.u32 %r5, 1, 0, %p2;\n  add.s32 %r6, %r2, %r3;\n  shl.b32 %r7, %r5, 16;\n"
          "  or.b32 %r7, %r7, %r4;\n  st.global.v2.u32 [%rd2], {%r6, %r7};\n",
          {});
  for (uint32_t lane = 0; lane < kThreads; ++lane) {
    EXPECT_EQ(static_cast<uint32_t>(out[lane]), 31U + 31U);
    EXPECT_EQ(out[lane] >> 32, lane + 4 < 32 ? (1U << 16 | (lane + 4)) : lane);
  }
}

// Each lane's operands say where they are in the matrices.
TEST_F(Emulator, MatrixProductsAddWhatTheirLanesHold) {
  std::mt19937 random(5);
  uint8_t a[16][32];
  int8_t b[32][8];
  for (auto& row : a)
    for (uint8_t& value : row) value = static_cast<uint8_t>(random());
  for (auto& row : b)
    for (int8_t& value : row) value = static_cast<int8_t>(random());
  std::string loads;
  std::vector<uint64_t> in(6 * kThreads);
  const auto bytes_of_a = [&](int row, int column) {
    uint32_t word = 0;
    std::memcpy(&word, &a[row][column], 4);
    return word;
  };
  for (int lane = 0; lane < kThreads; ++lane) {
    const int g = lane / 4, q = lane % 4;
    uint32_t words[6] = {bytes_of_a(g, 4 * q),
                         bytes_of_a(g + 8, 4 * q),
                         bytes_of_a(g, 16 + 4 * q),
                         bytes_of_a(g + 8, 16 + 4 * q),
                         0,
                         0};
    for (int half = 0; half < 2; ++half)
      for (int k = 0; k < 4; ++k)
        words[4 + half] |= static_cast<uint32_t>(static_cast<uint8_t>(b[16 * half + 4 * q + k][g]))
                           << (8 * k);
    for (int k = 0; k < 6; ++k) in[static_cast<size_t>(kThreads * k + lane)] = words[k];
  }
  for (int k = 0; k < 6; ++k)
    loads += fmt::format("  ld.global.u32 %r{}, [%rd1+{}];\n", 10 + k, 8 * kThreads * k);
  std::vector<uint64_t> out(in.size());
  const Status status =
      run(kBegin + loads +
              "  mov.u32 %r20, 7;\n"
              "  mma.sync.aligned.m16n8k32.row.col.s32.u8.s8.s32 {%r21,%r22,%r23,%r24}, "
              "{%r10,%r11,%r12,%r13}, {%r14,%r15}, {%r20,%r20,%r20,%r20};\n"
              "  st.global.v2.u32 [%rd2], {%r21, %r22};\n"
              "  st.global.v2.u32 [%rd2+256], {%r23, %r24};\n",
          in, out);
  ASSERT_TRUE(status.ok()) << status.message();
  for (int row = 0; row < 16; ++row) {
    for (int column = 0; column < 8; ++column) {
      int32_t sum = 7;
      for (int k = 0; k < 32; ++k) sum += a[row][k] * b[k][column];
      const auto lane = static_cast<size_t>(row % 8 * 4 + column / 2);
      const uint64_t both = out[(row / 8) * static_cast<size_t>(kThreads) + lane];
      EXPECT_EQ(static_cast<int32_t>(both >> (32 * (column % 2))), sum) << row << ", " << column;
    }
  }
}

// ---- mistakes of kernels

constexpr char kStoreShared[] =
    "  shl.b32 %r2, %r1, 2;\n  cvt.u64.u32 %rd4, %r2;\n  st.shared.u32 [%rd4], %r1;\n";

TEST_F(Emulator, AccessesOutsideOfAllocationsAreFound) {
  EXPECT_EQ(fault("  ld.global.u32 %r2, [%rd1+512];\n").substr(0, 78),
            "kernel: PTX line 19, ld.global.u32, block 0,0, thread 0: reads 4 bytes at 0x10");
  EXPECT_TRUE(gpu_->is_lost());
  std::vector<uint64_t> out(4);
  EXPECT_NE(gpu_->allocate(8).status().message().find("behind the end of an allocation of 512"),
            std::string::npos);
}
TEST_F(Emulator, FreedMemoryIsNotMemory) {
  uint64_t address = 0;
  {
    const DeviceMemory memory = *gpu_->allocate(64);
    address = reinterpret_cast<uint64_t>(memory.address);
  }
  EXPECT_NE(fault(fmt::format("  mov.u64 %rd5, {};\n  ld.global.u32 %r2, [%rd5];\n", address))
                .find("in an allocation that was freed"),
            std::string::npos);
}
TEST_F(Emulator, MisalignedAccessesAreFound) {
  EXPECT_NE(fault("  ld.global.u32 %r2, [%rd1+2];\n").find("is not a multiple of 4"),
            std::string::npos);
}
TEST_F(Emulator, SharedMemoryHasAnEnd) {
  EXPECT_NE(fault(kStoreShared, {.shared_bytes = 64}).find("byte 64 of 64 of shared memory"),
            std::string::npos);
}
TEST_F(Emulator, RacesInSharedMemoryAreFound) {
  const std::string read =
      "  xor.b32 %r3, %r2, 128;\n  cvt.u64.u32 %rd5, %r3;\n"
      "  ld.shared.u32 %r4, [%rd5];\n";
  const Shape two_warps{.threads = 64, .shared_bytes = 256};
  EXPECT_NE(fault(kStoreShared + read, two_warps).find("a race: another warp"), std::string::npos);
  gpu_ = *make_emulated_gpu({.sm = 90});
  EXPECT_EQ(fault(kStoreShared + std::string("  bar.sync 0;\n") + read, two_warps), "");
}
TEST_F(Emulator, ABarrierThatSomeMissIsADeadlockOrAnError) {
  EXPECT_NE(fault("  setp.eq.s32 %p1, %r1, 3;\n  @%p1 bra $spin;\n  bar.sync 0;\n  bra $end;\n"
                  "$spin:\n  bra $spin;\n$end:\n")
                .find("an endless loop"),
            std::string::npos);
}
TEST_F(Emulator, AShuffleNeedsItsMembers) {
  EXPECT_NE(fault("  setp.lt.u32 %p1, %r1, 16;\n  @%p1 bra $left;\n"
                  "  shfl.sync.bfly.b32 %r4, %r1, 1, 31, -1;\n  bra $end;\n$left:\n"
                  "  shfl.sync.bfly.b32 %r4, %r1, 1, 31, -1;\n$end:\n")
                .find("a thread of the member mask is not here"),
            std::string::npos);
}
TEST_F(Emulator, BlocksThatWaitForOthersMustAllBeThere) {
  const std::string meet =
      "  ld.param.u64 %rd6, [test_param_0];\n  atom.global.add.u32 %r5, [%rd6], 1;\n$wait:\n"
      "  ld.acquire.gpu.global.u32 %r6, [%rd6];\n  setp.lt.u32 %p1, %r6, 128;\n"
      "  @%p1 bra $wait;\n";
  EXPECT_NE(fault(meet, {.blocks = 4}).find("an endless loop"), std::string::npos);
  gpu_ = *make_emulated_gpu({.sm = 90});
  EXPECT_EQ(fault(meet, {.blocks = 4, .all_resident = true}), "");
}
TEST_F(Emulator, ACopyIsThereOnlyAfterTheWait) {
  const std::string begin =
      "  shl.b32 %r2, %r1, 3;\n  cp.async.ca.shared.global [%r2], [%rd1], 8;\n"
      "  cp.async.commit_group;\n";
  const std::string end =
      "  cvt.u64.u32 %rd5, %r2;\n  ld.shared.u64 %rd6, [%rd5];\n"
      "  st.global.u64 [%rd2], %rd6;\n";
  const std::vector<uint64_t> in(kThreads, 42);
  std::vector<uint64_t> out(kThreads);
  const Shape shape{.shared_bytes = 256};
  ASSERT_TRUE(run(kBegin + begin + end, in, out, shape).ok());
  EXPECT_EQ(out[0], 0xCDCDCDCDCDCDCDCDU);
  ASSERT_TRUE(run(kBegin + begin + "  cp.async.wait_group 0;\n" + end, in, out, shape).ok());
  EXPECT_EQ(out, in);
}
// Whoever begins a copy where another warp still reads overwrites it, on a GPU, at any time.
TEST_F(Emulator, ACopyMustNotBeginWhereOthersRead) {
  const auto code = [](const char* between) {
    return fmt::format(
        "  shl.b32 %r2, %r1, 3;\n  st.shared.u64 [%r2], %rd2;\n  bar.sync 0;\n"
        "  xor.b32 %r3, %r2, 256;\n  ld.shared.u64 %rd6, [%r3];\n{}"
        "  cp.async.ca.shared.global [%r2], [%rd1], 8;\n  cp.async.commit_group;\n"
        "  bar.sync 0;\n  cp.async.wait_group 0;\n  bar.sync 0;\n",
        between);
  };
  const Shape two_warps{.threads = 64, .shared_bytes = 512};
  EXPECT_EQ(fault(code("  bar.sync 0;\n"), two_warps), "");
  EXPECT_NE(fault(code(""), two_warps).find("a race"), std::string::npos);
  // Nor may anybody else read between begin and end, whatever barriers there are.
  gpu_ = *make_emulated_gpu({.sm = 90});
  EXPECT_NE(fault("  shl.b32 %r2, %r1, 3;\n  cp.async.ca.shared.global [%r2], [%rd1], 8;\n"
                  "  cp.async.commit_group;\n  bar.sync 0;\n  xor.b32 %r3, %r2, 256;\n"
                  "  ld.shared.u64 %rd6, [%r3];\n  cp.async.wait_group 0;\n",
                  two_warps)
                .find("a race"),
            std::string::npos);
}
TEST_F(Emulator, WarpsAtDifferentBarriersAreADeadlock) {
  EXPECT_NE(fault("  setp.lt.u32 %p1, %r1, 32;\n  @%p1 bra $first;\n  bar.sync 1;\n  bra $end;\n"
                  "$first:\n  bar.sync 0;\n$end:\n",
                  {.threads = 64})
                .find("deadlock: at barrier 1, while other warps wait at barrier 0"),
            std::string::npos);
}
TEST_F(Emulator, OlderGpusLackInstructions) {
  const auto refused = [](int sm, const char* code) {
    const auto gpu = *make_emulated_gpu({.sm = sm});
    const Kernel kernel = kernel_of(module_of(code));
    const_cast<GpuCode*>(gpu_code(kernel))->sm = sm;
    return gpu->function(kernel).status().message();
  };
  constexpr char kProduct[] =
      "mma.sync.aligned.m16n8k32.row.col.s32.u8.s8.s32 {%r1,%r2,%r3,%r4}, {%r5,%r6,%r7,%r8}, "
      "{%r9,%r10}, {%r1,%r2,%r3,%r4};\n";
  EXPECT_NE(refused(75, kProduct).find("needs sm_80, this is sm_75"), std::string::npos);
  EXPECT_EQ(refused(80, kProduct), "");
  EXPECT_NE(refused(75, "cp.async.wait_all;\n").find("needs sm_80"), std::string::npos);
  EXPECT_NE(refused(89, "griddepcontrol.wait;\n").find("needs sm_90"), std::string::npos);
}
TEST_F(Emulator, WhatIsNotExactIsRefused) {
  const std::pair<const char*, const char*> refused[] = {
      {"add.f32 %f1, %f2, %f3;", "without .rn"},
      {"mul.rn.ftz.f32 %f1, %f2, %f3;", ".ftz is not exactly rounded"},
      {"ex2.approx.f32 %f1, %f2;", ".approx is not exactly rounded"},
      {"div.full.f32 %f1, %f2, %f3;", ".full is not exactly rounded"},
      {"atom.global.add.f32 %f1, [%rd1], %f2;", "depend on the order of threads"},
      {"fma.rz.f32 %f1, %f2, %f3, %f4;", "without .rn"},
      {"tanh.f32 %f1, %f2;", "an instruction that is not emulated"},
      {"add.s32 %r1, %r2, %q3;", "no operand that is known here"},
      {"bra $nowhere;", "not a label of the function"},
      {"ld.global.v8.u32 %r1, [%rd1];", "not emulated in this form"},
      {"add.s32 %r1, %r2;", "expected other operands"},
      {"mov.u32;", "expected other operands"},
      {"mul.lo.wide.s32 %rd1, %r2, %r3;", "not emulated in this form"},
      {"dp4a.u32.f32 %r1, %r2, %r3, %r4;", "not emulated"},
      {"fence.acq_rel.galaxy;", "not emulated"},
      {"prefetch.global.L7 [%rd1];", "not emulated"}};
  for (const auto& [code, why] : refused) {
    const std::string said = fault(fmt::format("  {}\n", code));
    EXPECT_NE(said.find(why), std::string::npos) << code << ": " << said;
    EXPECT_NE(said.find("PTX line 19"), std::string::npos) << said;
    EXPECT_FALSE(gpu_->is_lost());
  }
}
TEST_F(Emulator, LaunchesBeyondLimitsAreRefused) {
  EXPECT_EQ(fault("", {.threads = 2000}), "kernel: 2000 threads of a block, expected 1 to 1024");
  EXPECT_EQ(fault("", {.shared_bytes = 300'000}),
            "kernel: 300000 bytes of shared memory, emulated sm_90 has 232448");
  EXPECT_EQ(fault("", {.blocks = 5, .threads = 1024, .all_resident = true}),
            "kernel: 5 blocks at the same time, expected 1 to 4");
  EXPECT_EQ(make_emulated_gpu({.sm = 60}).status().message(),
            "an emulated GPU of sm_60, expected sm_75 to sm_129");
}

// Whatever the text is, it is read or refused.
TEST_F(Emulator, MangledTextsAreErrors) {
  const std::string whole =
      module_of(std::string(kBegin) +
                    "  ld.global.v2.f32 {%f1, %f2}, [%rd1+8];\n"
                    "  @!%p1 bra $l;\n$l:\n  add.rn.f32 %f1, %f1, 0f3F800000;\n",
                ".extern .shared .align 16 .b8 bytes[];\n");
  std::mt19937 random(1);
  const TestArgs args;
  for (int i = 0; i < 3000; ++i) {
    std::string text = whole;
    if (i % 2 == 0) text.resize(random() % text.size());
    for (uint32_t k = 0; k < random() % 4 && !text.empty(); ++k)
      text[random() % text.size()] = "{}[]();:.,%$ \n0a"[random() % 16];
    const auto gpu = *make_emulated_gpu({.sm = 90, .most_instructions = 1000});
    static_cast<void>(gpu->run(kernel_of(text), &args, sizeof args));  // it must only return
  }
}

// ---- streams

TEST_F(Emulator, AStreamWorksWhenSomebodyWaits) {
  const DeviceMemory memory = *gpu_->allocate(64);
  const auto stream = *gpu_->create_stream();
  uint32_t value = 5, seen = 0;
  ASSERT_TRUE(stream->upload(memory.address, &value, sizeof value).ok());
  value = 6;  // too early
  ASSERT_TRUE(stream->download(&seen, memory.address, sizeof seen).ok());
  EXPECT_EQ(seen, 0U);
  ASSERT_TRUE(stream->wait().ok());
  EXPECT_EQ(seen, 6U);
}

TEST_F(Emulator, AnEventMayGoBeforeItsPointIsReached) {
  const auto stream = *gpu_->create_stream();
  *stream->record();  // gone at once
  const auto event = *stream->record();
  EXPECT_TRUE(stream->wait().ok());
  EXPECT_TRUE(event->milliseconds_since(*event).ok());
}

TEST_F(Emulator, AGraphIsReplayed) {
  const DeviceMemory memory = *gpu_->allocate(512);
  const Kernel kernel = kernel_of(module_of(
      "  ld.param.u64 %rd2, [test_param_0+8];\n  mov.u32 %r1, %tid.x;\n"
      "  mul.wide.u32 %rd3, %r1, 8;\n  add.s64 %rd2, %rd2, %rd3;\n  ld.global.u64 %rd4, [%rd2];\n"
      "  add.s64 %rd4, %rd4, 1;\n  st.global.u64 [%rd2], %rd4;\n"));
  const auto function = gpu_->function(kernel);
  ASSERT_TRUE(function.ok()) << function.status().message();
  const auto stream = *gpu_->create_stream();
  const TestArgs args{.out = memory.address};
  ASSERT_TRUE(stream->begin_capture().ok());
  ASSERT_TRUE(stream->launch(**function, {.threads = 32}, &args, sizeof args).ok());
  const auto graph = *stream->end_capture();
  const auto before = *stream->record();
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(stream->launch(*graph).ok());
  const auto after = *stream->record();
  const auto took = after->milliseconds_since(*before);
  ASSERT_TRUE(took.ok());
  EXPECT_GE(*took, 0);
  uint64_t counts[64];
  ASSERT_TRUE(gpu_->download(counts, memory.address, sizeof counts).ok());
  EXPECT_EQ(counts[0], 3U);
  EXPECT_EQ(counts[31], 3U);
  EXPECT_EQ(counts[32], 0U);
  EXPECT_EQ(gpu_->take_metrics().global_requests, 6);
}

TEST_F(Emulator, AFullMemoryIsAnError) {
  const auto gpu = *make_emulated_gpu({.sm = 90, .memory_bytes = 1000});
  const DeviceMemory most = *gpu->allocate(900);
  EXPECT_EQ(gpu->allocate(200).status().message(),
            "no memory for 200 bytes on the emulated GPU: 900 of 1000 bytes are taken");
}

}  // namespace
}  // namespace bitnetc
