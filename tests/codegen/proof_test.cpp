#include <gtest/gtest.h>

#include <cstring>

#include "codegen/kernel_builder.h"
#include "codegen/reference/reference.h"
#include "runtime/device.h"

namespace bitnetc {
namespace {

constexpr uint64_t kSeed = 11;
const MatmulSpec kMatmul{.n = 160, .k = 100, .m = 3, .epilogue = Epilogue::kResidual};

// Writes to a page that is never mapped; the compiler is not to know.
void write_nowhere() {
  volatile uintptr_t address = 64;
  *reinterpret_cast<volatile int*>(address) = 1;
}

Kernel kernel_of(Kernel::Entry entry, const void* context = nullptr) {
  return Kernel("kernel_under_proof", entry, context, nullptr);
}

template <auto kReference, typename Args, typename Spec>
Kernel reference_kernel(const Spec& spec) {
  return kernel_of(
      [](const void* args, const void* context) {
        kReference(*static_cast<const Spec*>(context), *static_cast<const Args*>(args));
      },
      &spec);
}

void expect_proven(const KernelSpec& spec, const Kernel& kernel) {
  const Status status = prove(spec, kernel, cpu_device(), kSeed);
  EXPECT_TRUE(status.ok()) << status.message();
}

std::string disqualification(const KernelSpec& spec, const Kernel& kernel) {
  const Status status = prove(spec, kernel, cpu_device(), kSeed);
  EXPECT_EQ(status.code(), StatusCode::kDisqualified);
  return status.message();
}

TEST(Proof, TheReferenceIsProven) {
  expect_proven(kMatmul, reference_kernel<reference::matmul, MatmulArgs>(kMatmul));
  static const MatmulSpec pairs{.n = 192, .k = 48, .m = 8, .epilogue = Epilogue::kRelu2Mul};
  expect_proven(pairs, reference_kernel<reference::matmul, MatmulArgs>(pairs));
  static const NormQuantizeSpec quantize{.k = 100, .eps = 1e-5f};
  expect_proven(quantize, reference_kernel<reference::norm_quantize, NormQuantizeArgs>(quantize));
  static const MatmulSpec with_absmax{
      .n = 192, .k = 48, .m = kAnyM, .epilogue = Epilogue::kSiluMul, .row_absmax = true};
  expect_proven(with_absmax, reference_kernel<reference::matmul, MatmulArgs>(with_absmax));
  static const QuantizeSpec known{.k = 100};
  expect_proven(known, reference_kernel<reference::quantize, QuantizeArgs>(known));
  static const RmsNormSpec norm{.k = 100, .eps = 1e-5f};
  expect_proven(norm, reference_kernel<reference::rms_norm, RmsNormArgs>(norm));
  static const RopeAppendSpec rope{.q_heads = 4, .kv_heads = 2, .head_dim = 32};
  expect_proven(rope, reference_kernel<reference::rope_append, RopeAppendArgs>(rope));
  static const AttentionSpec attention{.head_dim = 32, .scale = 0.1f};
  expect_proven(attention, reference_kernel<reference::attention, AttentionArgs>(attention));
  for (const FloatType type : {FloatType::kF32, FloatType::kF16, FloatType::kBf16}) {
    const EmbedSpec embed{.k = 40, .type = type};
    expect_proven(embed, reference_kernel<reference::embed, EmbedArgs>(embed));
    const HeadSpec head{.n = 500, .k = 70, .type = type};
    expect_proven(head, reference_kernel<reference::head, HeadArgs>(head));
  }
}

TEST(Proof, OneWrongBitInTheLastTileDisqualifies) {
  const Kernel kernel = kernel_of([](const void* args, const void*) {
    const auto& a = *static_cast<const MatmulArgs*>(args);
    reference::matmul(kMatmul, a);
    if (a.tile_end != kMatmul.n / kTileRows) return;
    float& last = a.y[2 * a.y_stride + kMatmul.n - 1];
    uint32_t bits;
    std::memcpy(&bits, &last, sizeof bits);
    bits ^= 1;
    std::memcpy(&last, &bits, sizeof bits);
  });
  const std::string message = disqualification(kMatmul, kernel);
  EXPECT_NE(
      message.find("kernel_under_proof: start-up proof: against the reference, token 2 of columns "
                   "from 144: element 15 is"),
      std::string::npos)
      << message;
}

TEST(Proof, ARowAbsmaxThatIsNotLeftDisqualifies) {
  static const MatmulSpec spec{.n = 160, .k = 64, .m = 3, .row_absmax = true};
  const Kernel kernel = kernel_of([](const void* args, const void*) {
    MatmulSpec without = spec;
    without.row_absmax = false;
    reference::matmul(without, *static_cast<const MatmulArgs*>(args));
  });
  const std::string message = disqualification(spec, kernel);
  EXPECT_NE(message.find("row_absmax of token 0: element 0 is 0"), std::string::npos) << message;
}

TEST(Proof, ADifferenceBetweenTileGroupsDisqualifies) {
  const Kernel kernel = kernel_of([](const void* args, const void*) {
    const auto& a = *static_cast<const MatmulArgs*>(args);
    reference::matmul(kMatmul, a);
    if (a.tile_end - a.tile_begin > 1) a.y[(a.tile_begin + 1) * kTileRows] += 1.0f;
  });
  EXPECT_NE(disqualification(kMatmul, kernel).find("several tiles against one"), std::string::npos);
}

TEST(Proof, AKernelThatDoesNothingIsDisqualified) {
  const Kernel nothing = kernel_of([](const void*, const void*) {});
  for (const KernelSpec& spec :
       {KernelSpec(kMatmul), KernelSpec(NormQuantizeSpec{.k = 64}),
        KernelSpec(RmsNormSpec{.k = 64}), KernelSpec(GluSpec{.n = 64}),
        KernelSpec(HeadNormSpec{.heads = 2, .head_dim = 16}),
        KernelSpec(RopeAppendSpec{.q_heads = 1, .kv_heads = 1, .head_dim = 16}),
        KernelSpec(AttentionSpec{.head_dim = 16, .scale = 1}), KernelSpec(EmbedSpec{.k = 16}),
        KernelSpec(QuantizeSpec{.k = 64}), KernelSpec(HeadSpec{.n = 16, .k = 16}),
        KernelSpec(TablesSpec{.k = 64})}) {
    EXPECT_NE(disqualification(spec, nothing), "") << spec_name(spec);
  }
}

// Right outputs do not excuse a write to an input.
TEST(Proof, AKernelThatWritesAnInputIsDisqualified) {
  static const RmsNormSpec spec{.k = 64, .eps = 1e-5f};
  const Kernel kernel = kernel_of([](const void* args, const void*) {
    const auto& a = *static_cast<const RmsNormArgs*>(args);
    reference::rms_norm(spec, a);
    const_cast<float*>(a.x)[5] += 1;
  });
  const std::string message = disqualification(spec, kernel);
  EXPECT_NE(message.find("start-up proof: values up to 1: x: element 5 is"), std::string::npos)
      << message;
}

TEST(Proof, CrashesAreReportedNotSuffered) {
  const Kernel illegal = kernel_of([](const void*, const void*) { __builtin_trap(); });
  const Kernel wild = kernel_of([](const void*, const void*) { write_nowhere(); });
  for (int repeat = 0; repeat < 3; ++repeat) {
    EXPECT_EQ(disqualification(kMatmul, illegal),
              "kernel_under_proof: start-up proof: raised Illegal instruction");
    EXPECT_EQ(disqualification(kMatmul, wild),
              "kernel_under_proof: start-up proof: raised Segmentation fault");
  }
}

// The CPU as a device with memory of its own, and with one of its operations left out.
class CopyingDevice final : public Device {
 public:
  enum Fault { kNone, kNoMemory, kNoUpload, kNoDownload };
  explicit CopyingDevice(Fault fault) : fault_(fault) {}

  Target target() const override { return cpu_device().target(); }
  bool shares_host_memory() const override { return false; }
  Result<DeviceMemory> allocate(size_t bytes) override {
    if (fault_ == kNoMemory) return Status(StatusCode::kOutOfMemory, "no memory here");
    return cpu_device().allocate(bytes);
  }
  Status upload(std::byte* to, const void* from, size_t bytes) override {
    return fault_ == kNoUpload ? Status() : cpu_device().upload(to, from, bytes);
  }
  Status download(void* to, const std::byte* from, size_t bytes) override {
    return fault_ == kNoDownload ? Status() : cpu_device().download(to, from, bytes);
  }
  Status copy(std::byte* to, const std::byte* from, size_t bytes) override {
    return cpu_device().copy(to, from, bytes);
  }
  Status run(const Kernel& kernel, const void* args, size_t args_bytes) override {
    return cpu_device().run(kernel, args, args_bytes);
  }

 private:
  const Fault fault_;
};

// Where memory is not shared a proof sees a kernel through copies only: right code on a device that
// copies is proven, on one that does not it is wrong.
TEST(Proof, OperandsAreCopiedToADeviceWithMemoryOfItsOwn) {
  static const MatmulSpec maxima{
      .n = 192, .k = 48, .m = kAnyM, .epilogue = Epilogue::kSiluMul, .row_absmax = true};
  static const RmsNormSpec norm{.k = 100, .eps = 1e-5f};
  static const QuantizeSpec quantize{.k = 100};
  static const RopeAppendSpec rope{.q_heads = 4, .kv_heads = 2, .head_dim = 32};
  static const AttentionSpec attention{.head_dim = 32, .scale = 0.1f};
  static const HeadSpec head{.n = 3000, .k = 70};
  const std::pair<KernelSpec, Kernel> right[] = {
      {kMatmul, reference_kernel<reference::matmul, MatmulArgs>(kMatmul)},
      {maxima, reference_kernel<reference::matmul, MatmulArgs>(maxima)},
      {norm, reference_kernel<reference::rms_norm, RmsNormArgs>(norm)},
      {quantize, reference_kernel<reference::quantize, QuantizeArgs>(quantize)},
      {rope, reference_kernel<reference::rope_append, RopeAppendArgs>(rope)},
      {attention, reference_kernel<reference::attention, AttentionArgs>(attention)},
      {head, reference_kernel<reference::head, HeadArgs>(head)}};
  using Fault = CopyingDevice::Fault;
  for (const auto& [spec, kernel] : right) {
    SCOPED_TRACE(spec_name(spec));
    CopyingDevice whole(Fault::kNone), no_memory(Fault::kNoMemory);
    const Status proven = prove(spec, kernel, whole, kSeed);
    EXPECT_TRUE(proven.ok()) << proven.message();
    EXPECT_EQ(prove(spec, kernel, no_memory, kSeed).message(), "no memory here");
    for (const Fault fault : {Fault::kNoUpload, Fault::kNoDownload}) {
      CopyingDevice device(fault);
      EXPECT_EQ(prove(spec, kernel, device, kSeed).code(), StatusCode::kDisqualified) << fault;
    }
  }
}

TEST(Proof, CodeOfAnotherDeviceIsDisqualified) {
  const Kernel elsewhere("elsewhere", nullptr, &kMatmul, nullptr);
  EXPECT_EQ(disqualification(kMatmul, elsewhere),
            "elsewhere: start-up proof: elsewhere is not code of a CPU");
}

// A crash outside a proof is not ours to swallow.
TEST(ProofDeathTest, OtherCrashesStillEndTheProcess) {
  expect_proven(kMatmul, reference_kernel<reference::matmul, MatmulArgs>(kMatmul));
  EXPECT_DEATH(write_nowhere(), "");
}

}  // namespace
}  // namespace bitnetc
