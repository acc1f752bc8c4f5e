// The command and its LLVM module: opened for what the kernel store has not, and only then; without
// it the text is the same, and one line says so.
#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "tests/support/cli_fixture.h"

namespace bitnetc::test {
namespace {

namespace fs = std::filesystem;

#ifdef BITNETC_HAVE_LLVM

constexpr int kCheckFailed = 4;
constexpr char kModel[] = BITNETC_SOURCE_DIR "/tools/models/fairytale-6m";

class LlvmModuleOfTheCommand : public CliFixture {
 protected:
  static std::vector<std::string> story() {
    return {"run", kModel, "-p", "Once upon a time", "-n", "8"};
  }
  // A copy of the command in a place where there is no module; links would lead back.
  ProcessResult elsewhere(const std::vector<std::string>& arguments) const {
    const fs::path program = folder_.path() / "prefix/bin/bitnetc";
    fs::create_directories(program.parent_path());
    fs::copy_file(BITNETC_BINARY, program, fs::copy_options::skip_existing);
    return run_program(program.string(),
                       {.arguments = arguments, .environment = {{"XDG_CACHE_HOME", cache_home()}}});
  }
  // Whether the dynamic linker loads LLVM.
  ProcessResult traced(const std::vector<std::string>& arguments) const {
    return bitnetc(arguments, {{"LD_DEBUG", "files"}});
  }
  static bool loads_llvm(const ProcessResult& result) {
    return result.err.find("libLLVM") != std::string::npos;
  }
  fs::path module_elsewhere() const {
    const fs::path lib = fs::relative(fs::path(BITNETC_LLVM_MODULE_FILE).parent_path(),
                                      fs::path(BITNETC_BINARY).parent_path());
    return (folder_.path() / "prefix/bin" / lib).lexically_normal() /
           fs::path(BITNETC_LLVM_MODULE_FILE).filename();
  }
};

TEST_F(LlvmModuleOfTheCommand, IsOpenedForWhatTheKernelStoreHasNot) {
  const auto version = traced({"--version"});
  EXPECT_NE(version.err.find("libc.so"), std::string::npos) << "LD_DEBUG says nothing here";
  EXPECT_FALSE(loads_llvm(version));
  const auto first = traced(story());
  EXPECT_EQ(first.exit_code, 0);
  EXPECT_TRUE(loads_llvm(first));
  const auto second = traced(story());
  EXPECT_EQ(second.out, first.out);
#ifdef __x86_64__
  EXPECT_FALSE(loads_llvm(second));
#endif
}

TEST_F(LlvmModuleOfTheCommand, WithoutItTheTextIsTheSameAndALineSaysWhy) {
  const auto without = elsewhere(story());
  EXPECT_EQ(without.exit_code, 0) << without.err;
  const std::string folder = module_elsewhere().parent_path().string();
  EXPECT_NE(without.err.find("note: norms run on slower kernels than those of LLVM: "
                             "bitnetc-llvm.so is missing (looked in " +
                             folder),
            std::string::npos)
      << without.err;
  EXPECT_EQ(without.err.find("bitnetc-llvm.so"), without.err.rfind("bitnetc-llvm.so"))
      << "said more than once:\n"
      << without.err;
  const auto with = bitnetc(story());
  EXPECT_EQ(with.out, without.out);
  EXPECT_EQ(with.err.find("bitnetc-llvm"), std::string::npos) << with.err;
#ifdef __x86_64__
  // Now the kernels are stored, and nothing is missing.
  const auto stored = elsewhere(story());
  EXPECT_EQ(stored.out, without.out);
  EXPECT_EQ(stored.err.find("bitnetc-llvm"), std::string::npos) << stored.err;
#endif
}

TEST_F(LlvmModuleOfTheCommand, ABrokenOneIsNamed) {
  elsewhere({"--version"});
  fs::create_directories(module_elsewhere().parent_path());
  write_file(module_elsewhere(), "no module");
  const auto broken = elsewhere(story());
  EXPECT_EQ(broken.exit_code, 0) << broken.err;
  EXPECT_NE(broken.err.find(module_elsewhere().string() + ": cannot be opened: file too short"),
            std::string::npos)
      << broken.err;
}

TEST_F(LlvmModuleOfTheCommand, DoctorLooksForIt) {
  EXPECT_EQ(bitnetc(story()).exit_code, 0);
  const auto broken = elsewhere({"doctor"});
  EXPECT_EQ(broken.exit_code, kCheckFailed) << broken.out;
  EXPECT_NE(broken.out.find("llvm        bitnetc-llvm.so is missing (looked in "),
            std::string::npos)
      << broken.out;
  EXPECT_NE(broken.out.find("PROBLEM     norms run on slower kernels"), std::string::npos)
      << broken.out;
  const auto whole = bitnetc({"doctor", "--json"});
  const auto document = nlohmann::json::parse(whole.out);
  const auto llvm = document["llvm"].get<std::string>();
  EXPECT_TRUE(llvm.starts_with("LLVM 19.") && llvm.ends_with("bitnetc-llvm.so")) << llvm;
}

#else

TEST(LlvmModuleOfTheCommand, IsMissing) {
  GTEST_SKIP() << "this build has no LLVM (BITNETC_LLVM=OFF)";
}

#endif

}  // namespace
}  // namespace bitnetc::test
