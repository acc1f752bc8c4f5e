// Opening the LLVM module: what is wrong with a file is said, and nothing is believed of it.
#include <filesystem>

#include "codegen/llvm_back_end.h"
#include "tests/codegen/llvm/llvm_generator.h"
#include "tests/support/expect_error.h"
#include "tests/support/model_folder.h"

#ifdef BITNETC_HAVE_LLVM
#include "codegen/llvm/module_loader.h"

namespace bitnetc::test {
namespace {

class LlvmModuleTest : public testing::Test {
 protected:
  std::string write(const std::string& bytes) const {
    write_file(folder_.path() / "module.so", bytes);
    return folder_.file("module.so");
  }

  TempFolder folder_;
};

TEST_F(LlvmModuleTest, TheOneOfThisBuildIsFoundFromThisProgram) {
  const auto& opened = llvm_module();
  ASSERT_TRUE(opened.ok()) << opened.status().message();
  EXPECT_TRUE(std::filesystem::equivalent(opened->path, BITNETC_LLVM_MODULE_FILE)) << opened->path;
  EXPECT_TRUE(llvm_module_was_asked_for());
  const auto described = open_llvm_back_end();
  ASSERT_TRUE(described.ok()) << described.status().message();
  EXPECT_TRUE(described->starts_with("LLVM 19.") && described->ends_with(opened->path))
      << *described;
  EXPECT_TRUE(llvm_back_end_status().ok());
}

TEST_F(LlvmModuleTest, WhatIsNoModuleIsRefusedWithItsName) {
  const auto refuses = [](const std::string& path, const char* why) {
    expect_error(open_llvm_module(path), StatusCode::kUnsupported, {path, why});
  };
  refuses(folder_.file("absent.so"), "cannot be opened: cannot open shared object file");
  refuses(write(""), "cannot be opened: file too short");
  refuses(write(std::string(10000, 'x')), "cannot be opened: invalid ELF header");
  refuses("libm.so.6", "is no LLVM module: ");
}

TEST_F(LlvmModuleTest, AModuleThatIsCutShortIsRefused) {
  const std::string whole = read_file(BITNETC_LLVM_MODULE_FILE);
  const std::string path = write(whole.substr(0, 100));
  expect_error(open_llvm_module(path), StatusCode::kUnsupported, {path, "cannot be opened"});
}

TEST_F(LlvmModuleTest, TheModuleOfAnotherBuildIsRefused) {
  std::string bytes = read_file(BITNETC_LLVM_MODULE_FILE);
  const size_t at = bytes.find("with LLVM 19.");
  ASSERT_NE(at, std::string::npos);
  bytes.replace(at, 13, "with LLVM 18.");
  const std::string path = write(bytes);
  expect_error(open_llvm_module(path), StatusCode::kUnsupported,
               {path, "belongs to another build", "with LLVM 18.", "with LLVM 19."});
}

}  // namespace
}  // namespace bitnetc::test

#endif
