// Kernels that LLVM made, from the disk: loaded without generating, and as little trusted as fresh
// ones.
#include <filesystem>
#include <fstream>

#include "runtime/kernel_store.h"
#include "tests/codegen/llvm/llvm_generator.h"
#include "tests/support/child_process.h"
#include "tests/support/collected_notes.h"
#include "tests/support/model_folder.h"

#ifdef BITNETC_HAVE_LLVM
#include "codegen/llvm/llvm_target.h"
#include "codegen/llvm/stored_code.h"

namespace bitnetc::test {
namespace {

namespace fs = std::filesystem;
using Bytes = std::vector<uint8_t>;

constexpr NormQuantizeSpec kQuantizeSpec{.k = 200, .eps = 1e-5f};
constexpr RmsNormSpec kRmsSpec{.k = 200, .eps = 1e-5f};
constexpr char kRmsGenerator[] = "llvm_rms_norm";

class StoredKernelTest : public LlvmTest {
 protected:
  void SetUp() override {
    LlvmTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    if (runnable_tiers().empty()) GTEST_SKIP() << "LLVM makes no kernels for this CPU";
#ifndef __x86_64__
    GTEST_SKIP() << "code for this architecture is not stored: it depends on where it lies";
#endif
    published_.set_wants_assembly(false);
  }

  static KernelRequest request(const KernelSpec& spec) {
    return {.spec = spec, .plan = {}, .target = target_for(runnable_tiers().back())};
  }
  KernelStoreKey rms_key() const {
    return {.generator = kRmsGenerator,
            .revision = rms_norm_->revision(),
            .kernel = kernel_name(request(kRmsSpec), *rms_norm_),
            .target = llvm_target_text(request(kRmsSpec).target),
            .toolchain = llvm_toolchain()};
  }
  std::vector<std::string> files() const {
    std::vector<std::string> found;
    for (const auto& entry : fs::directory_iterator(folder_.path() / "cache/kernels"))
      found.push_back(entry.path().filename());
    return found;
  }
  // As a process does that has built nothing yet. Both kernels must pass their proofs.
  struct Outcome {
    int64_t hits;
    std::string said;
  };
  Outcome build_and_prove(const KernelSpec& spec, const char* generator) {
    CollectedNotes notes;
    KernelStore store(cache_, notes);
    KernelBuilder builder({.observer = &published_, .store = &store, .notes = &notes});
    const auto built = builder.build_with(generator, request(spec));
    EXPECT_TRUE(built.ok()) << built.status().message();
    return {.hits = store.hits(), .said = notes.take()};
  }
  // Stored code that is whole by its checksum, and wrong.
  void expect_replaced(const Bytes& packed) {
    KernelStore(cache_, no_notes()).put(rms_key(), packed);
    const Outcome mended = build_and_prove(kRmsSpec, kRmsGenerator);
    EXPECT_NE(mended.said.find("it is generated again"), std::string::npos) << mended.said;
    const Outcome again = build_and_prove(kRmsSpec, kRmsGenerator);
    EXPECT_EQ(again.said, "");
    EXPECT_EQ(again.hits, 1);
  }
  static Bytes pack(const Bytes& code) {
    const LlvmCode made{
        .entry = reinterpret_cast<Kernel::Entry>(reinterpret_cast<uintptr_t>(code.data())),
        .block = code,
        .instructions = code,
        .position_independent = true};
    return pack_code(made);
  }

  TempFolder folder_;
  const std::string cache_ = folder_.file("cache");
  PublishedKernels published_;
};

TEST_F(StoredKernelTest, TheSecondBuildGeneratesNothing) {
  const auto first = build_and_prove(kQuantizeSpec, "llvm_norm_quantize");
  EXPECT_EQ(first.hits, 0);
  EXPECT_EQ(build_and_prove(kRmsSpec, kRmsGenerator).hits, 0);
  EXPECT_EQ(files().size(), 2u);
  for (int i = 0; i < 3; ++i) {
    const auto again = build_and_prove(kQuantizeSpec, "llvm_norm_quantize");
    EXPECT_EQ(again.hits, 1);
    EXPECT_EQ(again.said, "");
  }
  EXPECT_EQ(files().size(), 2u);
}

TEST_F(StoredKernelTest, CodeOfEveryTierMovesAndIsTheSame) {
  KernelStore store(cache_, no_notes());
  const BuildSettings settings{.observer = &published_, .store = &store};
  for (const Isa isa : tiers()) {
    const Kernel fresh = build(*norm_quantize_, kQuantizeSpec, isa, settings);
    const Bytes code = published_.at(name_of(kQuantizeSpec, isa)).code;
    const int64_t hits = store.hits();
    const Kernel stored = build(*norm_quantize_, kQuantizeSpec, isa, settings);
    EXPECT_EQ(store.hits(), hits + 1) << isa_name(isa);
    EXPECT_NE(stored.entry(), fresh.entry());
    EXPECT_EQ(published_.at(name_of(kQuantizeSpec, isa)).code, code);
  }
}

TEST_F(StoredKernelTest, WhoeverReadsTheTextGetsFreshCode) {
  build_and_prove(kRmsSpec, kRmsGenerator);
  published_.set_wants_assembly(true);
  EXPECT_EQ(build_and_prove(kRmsSpec, kRmsGenerator).hits, 0);
  const std::string name = kernel_name(request(kRmsSpec), *rms_norm_);
  EXPECT_NE(published_.at(name).assembly.find("define void"), std::string::npos);
}

TEST_F(StoredKernelTest, StoredCodeThatDoesNothingFailsItsProofAndIsReplaced) {
  expect_replaced(pack({0xc3}));  // ret
}

TEST_F(StoredKernelTest, StoredCodeThatCrashesFailsItsProofAndIsReplaced) {
  expect_replaced(pack({0x0f, 0x0b}));                                      // ud2
  expect_replaced(pack({0xc6, 0x04, 0x25, 0x00, 0x00, 0x00, 0x00, 0x01}));  // writes to address 0
}

TEST_F(StoredKernelTest, DamagedFilesAreMissesAndReplaced) {
  build_and_prove(kRmsSpec, kRmsGenerator);
  ASSERT_EQ(files().size(), 1u);
  const std::string path = folder_.file("cache/kernels/" + files()[0]);
  const std::string whole = read_file(path);
  for (const size_t at : {size_t{0}, size_t{20}, whole.size() / 2, whole.size() - 1}) {
    std::string flipped = whole;
    flipped[at] = static_cast<char>(flipped[at] ^ 0x10);
    write_file(path, flipped);
    EXPECT_EQ(build_and_prove(kRmsSpec, kRmsGenerator).hits, 0) << "byte " << at;
    EXPECT_EQ(read_file(path), whole) << "byte " << at;
  }
}

TEST_F(StoredKernelTest, TwoProcessesWhoseEntriesAreDamagedAlwaysGetAProvenKernel) {
  constexpr int kRounds = 200, kDamageEvery = 8;
  const std::string path = folder_.file("cache/kernels/" + rms_key().digest());
  build_and_prove(kRmsSpec, kRmsGenerator);
  // In place, so that the other process may read it half written.
  const auto damage = [&](int round) {
    // The other process may have taken it away.
    std::ifstream file(path, std::ios::binary);
    std::string bytes(std::istreambuf_iterator<char>(file), {});
    if (bytes.empty()) return;
    bytes[static_cast<size_t>(round) * 37 % bytes.size()] ^= 1;
    write_file(path, bytes);
  };
  const auto work = [&](int first) {
    return [&, first]() -> std::string {
      KernelStore store(cache_, no_notes());
      for (int round = 0; round < kRounds; ++round) {
        if (round % kDamageEvery == first && fs::exists(path)) damage(round);
        KernelBuilder builder({.store = &store});
        const auto built = builder.build_with(kRmsGenerator, request(kRmsSpec));
        if (!built.ok()) return fmt::format("round {}: {}", round, built.status().message());
      }
      return store.hits() > 0 ? "" : "nothing was ever found";
    };
  };
  ChildProcess one(work(0)), two(work(kDamageEvery / 2));
  EXPECT_EQ(one.wait(), "");
  EXPECT_EQ(two.wait(), "");
}

TEST_F(StoredKernelTest, AnEntryThatHoldsNoPackedCodeIsAMiss) {
  for (const Bytes& nonsense : {Bytes{}, Bytes(15, 1), Bytes(16, 0), Bytes(64, 0xff)}) {
    EXPECT_FALSE(load_code(nonsense).ok()) << nonsense.size();
    expect_replaced(nonsense);
  }
  Bytes packed = pack({0x90, 0x90, 0xc3});
  EXPECT_TRUE(load_code(packed).ok());
  for (const size_t field : {0, 4, 8, 12}) {
    Bytes beyond = packed;
    beyond[field] = 0x70;
    EXPECT_FALSE(load_code(beyond).ok()) << "field at " << field;
  }
  packed.push_back(0);
  EXPECT_FALSE(load_code(packed).ok());
}

}  // namespace
}  // namespace bitnetc::test
#endif
