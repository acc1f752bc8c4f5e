// The `bitnetc` program and GPUs: what `doctor` says of them, and that nothing of CUDA is needed.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "tests/support/cli_fixture.h"
#include "tests/support/subprocess.h"

namespace bitnetc::test {
namespace {

using nlohmann::json;

using GpuCli = CliFixture;

TEST_F(GpuCli, DoctorListsTheGpusOfTheDriver) {
  const auto result = bitnetc({"doctor", "--json"}, {{"BITNETC_LIBCUDA", BITNETC_STUB_LIBCUDA}});
  const json doctor = json::parse(result.out, nullptr, /*allow_exceptions=*/false);
  ASSERT_TRUE(doctor.is_object()) << result.out << result.err;
  ASSERT_EQ(doctor["gpus"].size(), 1u) << doctor["gpu_refusal"];
  const json& gpu = doctor["gpus"][0];
  EXPECT_EQ(gpu["name"], "NVIDIA Stub");
  EXPECT_EQ(gpu["driver"], "580.159.03");
  EXPECT_EQ(gpu["target"], "sm_90");
  EXPECT_EQ(gpu["usable"], true);
  EXPECT_EQ(gpu["multiprocessors"], 132);
  EXPECT_EQ(gpu["memory_bytes"], 1 << 20);
  EXPECT_EQ(gpu["l2_bytes"], 50 << 20);
  EXPECT_EQ(doctor["gpu_refusal"], "");
  const auto text = bitnetc({"doctor"}, {{"BITNETC_LIBCUDA", BITNETC_STUB_LIBCUDA}});
  EXPECT_NE(text.out.find("gpu 0       NVIDIA Stub, sm_90: 132 multiprocessors, 1 MiB of memory, "
                          "50 MiB of L2, driver 580.159.03\n"),
            std::string::npos)
      << text.out;
}

TEST_F(GpuCli, AMissingGpuIsSaidButNoProblem) {
  const auto result = bitnetc({"doctor", "--json"}, {{"BITNETC_LIBCUDA", "/no/libcuda.so.1"}});
  const json doctor = json::parse(result.out, nullptr, /*allow_exceptions=*/false);
  ASSERT_TRUE(doctor.is_object()) << result.out << result.err;
  EXPECT_EQ(doctor["gpus"], json::array());
  const std::string refusal = doctor["gpu_refusal"];
  EXPECT_TRUE(refusal.starts_with("no NVIDIA driver (/no/libcuda.so.1: ")) << refusal;
  EXPECT_EQ(doctor["problems"].dump().find("NVIDIA"), std::string::npos) << doctor["problems"];
}

// What the dynamic linker loads before main().
TEST_F(GpuCli, TheProgramIsNotLinkedWithCuda) {
  const auto result = run_program("/usr/bin/readelf", {.arguments = {"-d", BITNETC_BINARY}});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_NE(result.out.find("libc.so"), std::string::npos) << result.out;
  for (const char* library : {"libcuda", "libcudart", "libnvrtc", "libnvidia"})
    EXPECT_EQ(result.out.find(library), std::string::npos) << result.out;
}

}  // namespace
}  // namespace bitnetc::test
