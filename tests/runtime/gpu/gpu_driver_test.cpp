// The device behind the NVIDIA driver, with an imitation of the driver (stub_libcuda/).
#include "runtime/gpu_driver.h"

#include <dlfcn.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "tests/runtime/gpu/stub_libcuda/stub_state.h"

namespace bitnetc {
namespace {

struct Stub {
  StubState* state;
  int (*depth)();
};

Stub open_stub(const char* file) {
  void* const handle = dlopen(file, RTLD_NOW | RTLD_LOCAL);
  EXPECT_NE(handle, nullptr) << dlerror();
  const auto find_state = reinterpret_cast<StubState* (*)()>(dlsym(handle, "stub_libcuda_state"));
  return {find_state(), reinterpret_cast<int (*)()>(dlsym(handle, "stub_libcuda_depth"))};
}

struct TestArgs {
  uint64_t to = 0;
  uint32_t value = 0;
};

GpuLaunch launch_of(const void*, const GpuCode& code) {
  return {.blocks_x = static_cast<uint32_t>(code.numbers[0]), .threads = 64};
}

Kernel make_kernel(const std::string& name, GpuCode code) {
  code.entry = code.entry.empty() ? name : code.entry;
  code.args_bytes = sizeof(TestArgs);
  code.launch = launch_of;
  code.numbers[0] = 3;
  return GpuCode::kernel(name, std::make_shared<const GpuCode>(std::move(code)));
}

Kernel make_kernel(const std::string& name) {
  return make_kernel(name, {.ptx = ".version 9.0\n.target sm_90\n", .cubin = "ELF", .sm = 90});
}

class GpuDriver : public testing::Test {
 protected:
  void SetUp() override { stub() = {}; }
  void TearDown() override {
    device_.reset();
    EXPECT_EQ(stub().contexts, 0);
    EXPECT_EQ(stub().memory, 0);
    EXPECT_EQ(stub().streams, 0);
    EXPECT_EQ(stub().events, 0);
    EXPECT_EQ(stub().graphs, 0);
    EXPECT_EQ(stub().modules, 0);
    EXPECT_EQ(stub().calls_after_loss, 0);
    EXPECT_EQ(driver_.depth(), 0) << "a context was left current";
  }

  StubState& stub() { return *driver_.state; }
  GpuDevice& device() {
    if (!device_) device_ = open_gpu(0, settings_).value();
    return *device_;
  }
  std::unique_ptr<GpuStream> stream() { return device().create_stream().value(); }

  std::string open_error(int index = 0) { return open_gpu(index, settings_).status().message(); }
  std::string load_error(const Kernel& kernel) {
    return device().function(kernel).status().message();
  }
  std::string launch_error(const GpuLaunch& launch, size_t parameter_bytes = sizeof(TestArgs)) {
    const auto function = device().function(make_kernel("k")).value();
    const std::vector<std::byte> parameter(parameter_bytes);
    const Status status = stream()->launch(*function, launch, parameter.data(), parameter_bytes);
    EXPECT_TRUE(status.ok() || status.code() == StatusCode::kInvalidArgument);
    return status.message();
  }

  Stub driver_ = open_stub(BITNETC_STUB_LIBCUDA);
  GpuDriverSettings settings_{.library = BITNETC_STUB_LIBCUDA};
  std::unique_ptr<GpuDevice> device_;
};

void expect_has(const std::string& text, const std::vector<std::string>& parts) {
  for (const std::string& part : parts)
    EXPECT_NE(text.find(part), std::string::npos) << "no '" << part << "' in: " << text;
}

TEST_F(GpuDriver, TellsTheProperties) {
  stub().devices = 2;
  const auto gpus = list_gpus(settings_).value();
  ASSERT_EQ(gpus.size(), 2u);
  const GpuProperties& gpu = gpus[1];
  EXPECT_EQ(gpu.name, "NVIDIA Stub");
  EXPECT_EQ(gpu.driver, "580.159.03");
  EXPECT_EQ(gpu.sm, 90);
  EXPECT_EQ(gpu.multiprocessors, 132);
  EXPECT_EQ(gpu.clock_khz, 1980000);
  EXPECT_EQ(gpu.memory_clock_khz, 3201000);
  EXPECT_EQ(gpu.memory_bus_bits, 6144);
  EXPECT_EQ(gpu.memory_bytes, size_t{1} << 20);
  EXPECT_EQ(gpu.l2_bytes, size_t{50} << 20);
  EXPECT_EQ(gpu.shared_bytes_per_block, 232448);
  EXPECT_EQ(gpu.shared_bytes_per_multiprocessor, 233472);
  EXPECT_EQ(gpu.registers_per_multiprocessor, 65536);
  EXPECT_EQ(gpu.threads_per_multiprocessor, 2048);
  EXPECT_EQ(device().target().name(), "sm_90");
}

TEST_F(GpuDriver, SaysThatThereIsNoDriver) {
  settings_.library = "libcuda-that-is-not-here.so.1";
  for (const Status& status : {list_gpus(settings_).status(), open_gpu(0, settings_).status()}) {
    EXPECT_EQ(status.code(), StatusCode::kUnsupported);
    expect_has(status.message(), {"no NVIDIA driver", settings_.library, "install", "--gpus all"});
  }
  settings_.library = "libm.so.6";
  expect_has(open_error(), {"libm.so.6 is not the library of an NVIDIA driver"});
}

TEST_F(GpuDriver, OpensOrRefusesCleanlyOnAnyMachine) {
  const auto gpus = list_gpus({});
  const auto gpu = open_gpu(0, {});
  if (!gpus.ok()) {
    EXPECT_FALSE(gpu.ok());
    EXPECT_EQ(gpu.status().message(), gpus.status().message());
  } else {
    EXPECT_EQ(gpu.ok(), why_unusable(gpus->front()).empty()) << gpu.status().message();
  }
}

TEST_F(GpuDriver, SaysThatTheDriverIsTooOld) {
  // What was opened once is not asked again, so this is another file.
  Stub lacking = open_stub(BITNETC_STUB_LIBCUDA_LACKING);
  settings_.library = BITNETC_STUB_LIBCUDA_LACKING;
  lacking.state->cuda_version = 11040;
  expect_has(open_error(), {"too old", "CUDA 11.4", "CUDA 12.0 is needed", "525"});
  lacking.state->cuda_version = 13000;
  expect_has(open_error(), {"CUDA 13.0", "has no cuStreamEndCapture", "install"});
}

TEST_F(GpuDriver, SaysWhyTheDriverShowsNoGpu) {
  stub().devices = 0;
  expect_has(open_error(), {"580.159.03 shows no GPU", "nvidia-smi"});
  settings_.visible_devices = "-1";
  expect_has(open_error(), {"shows no GPU", "CUDA_VISIBLE_DEVICES=\"-1\"", "unset it"});
  stub().devices = 1;
  stub().init_result = 802;
  expect_has(open_error(), {"does not start", "CUDA_ERROR_SYSTEM_NOT_READY", "fabric manager"});
  stub().init_result = 803;
  expect_has(open_error(), {"CUDA_ERROR_SYSTEM_DRIVER_MISMATCH, 803", "restart the machine"});
  stub().init_result = 34;
  expect_has(open_error(), {"the toolkit's stub"});
  stub().init_result = 999;
  expect_has(open_error(), {"error 999 of the driver", "nvidia-smi"});
}

TEST_F(GpuDriver, SaysWhyAGpuIsRefused) {
  stub().devices = 2;
  const Status index = open_gpu(2, settings_).status();
  EXPECT_EQ(index.code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(index.message(), "GPU 2: expected 0 to 1, the driver shows 2 GPUs");
  expect_has(open_error(-1), {"GPU -1: expected 0 to 1"});
  stub().sm = 61;
  expect_has(open_error(), {"NVIDIA Stub has compute capability 6.1, kernels need 7.5"});
  stub().sm = 75;
  stub().retain_result = 46;
  expect_has(open_error(), {"not to be had", "CUDA_ERROR_DEVICE_UNAVAILABLE", "compute mode"});
  stub().retain_result = 2;
  EXPECT_EQ(open_gpu(0, settings_).status().code(), StatusCode::kOutOfMemory);
}

TEST_F(GpuDriver, MemoryIsZeroAndCopiesArrive) {
  const DeviceMemory memory = device().allocate(1000).value();
  EXPECT_EQ(reinterpret_cast<uintptr_t>(memory.address) % 256, 0u);
  std::vector<uint8_t> seen(1000, 1), sent(1000);
  ASSERT_TRUE(device().download(seen.data(), memory.address, 1000).ok());
  EXPECT_EQ(seen, std::vector<uint8_t>(1000, 0));
  for (size_t i = 0; i < sent.size(); ++i) sent[i] = static_cast<uint8_t>(i);
  ASSERT_TRUE(device().upload(memory.address, sent.data(), 1000).ok());
  const DeviceMemory second = device().allocate(1000).value();
  const DeviceMemory host = device().allocate_host(1000).value();
  EXPECT_EQ(std::memcmp(host.address, std::vector<uint8_t>(1000, 0).data(), 1000), 0);
  const auto work = stream();
  ASSERT_TRUE(work->copy(second.address, memory.address, 1000).ok());
  ASSERT_TRUE(work->clear(second.address, 10).ok());
  ASSERT_TRUE(work->download(host.address, second.address, 1000).ok());
  ASSERT_TRUE(work->wait().ok());
  std::fill_n(sent.begin(), 10, uint8_t{0});
  EXPECT_EQ(std::memcmp(host.address, sent.data(), 1000), 0);
  EXPECT_TRUE(device().allocate(0).ok());
  EXPECT_TRUE(work->upload(second.address, nullptr, 0).ok());
}

TEST_F(GpuDriver, SaysHowMuchMemoryIsFree) {
  const DeviceMemory some = device().allocate(48576).value();
  const Status status = device().allocate(2000000).status();
  EXPECT_EQ(status.code(), StatusCode::kOutOfMemory);
  EXPECT_EQ(status.message(),
            "NVIDIA Stub has no room for 2000000 bytes: 1000000 of its 1048576 bytes are free");
  EXPECT_FALSE(device().is_lost());
  const Status host = device().allocate_host(2000000).status();
  EXPECT_EQ(host.code(), StatusCode::kOutOfMemory);
  expect_has(host.message(), {"2000000 bytes of page-locked memory"});
}

TEST_F(GpuDriver, WhatIsMadeOfADeviceOutlivesIt) {
  const DeviceMemory memory = device().allocate(100).value();
  auto work = stream();
  const auto event = work->record().value();
  device_.reset();
  EXPECT_EQ(stub().contexts, 1);
  EXPECT_TRUE(work->clear(memory.address, 100).ok());
  EXPECT_TRUE(work->wait().ok());
}

TEST_F(GpuDriver, AKernelGetsItsLaunchAndItsParameter) {
  const DeviceMemory memory = device().allocate(64).value();
  stub().on_launch = [](const StubLaunch& launch) {
    TestArgs args;
    std::memcpy(&args, launch.parameter.data(), sizeof args);
    std::memcpy(reinterpret_cast<void*>(args.to), &args.value, sizeof args.value);
  };
  const TestArgs args{.to = reinterpret_cast<uint64_t>(memory.address), .value = 77};
  const Kernel kernel = make_kernel("k");
  ASSERT_TRUE(device().run(kernel, &args, sizeof args).ok());
  ASSERT_TRUE(device().run(kernel, &args, sizeof args).ok());
  uint32_t seen = 0;
  ASSERT_TRUE(device().download(&seen, memory.address, sizeof seen).ok());
  EXPECT_EQ(seen, 77u);
  EXPECT_EQ(stub().images, std::vector<std::string>{"ELF"}) << "loaded once";
  ASSERT_EQ(stub().launches.size(), 2u);
  const StubLaunch& launch = stub().launches[0];
  EXPECT_EQ(launch.kernel, "k");
  EXPECT_EQ(std::tuple(launch.blocks_x, launch.blocks_y, launch.threads, launch.shared_bytes),
            std::tuple(3u, 1u, 64u, 0u));
  EXPECT_EQ(launch.parameter.size(), sizeof args);
  const auto function = device().function(kernel).value();
  EXPECT_EQ(function->registers(), 40);
  EXPECT_EQ(function->local_bytes(), 16);
  EXPECT_EQ(stub().dynamic_shared_bytes, 232448 - 1024);
}

TEST_F(GpuDriver, ACooperativeLaunchFitsTheGpu) {
  EXPECT_EQ(launch_error({.blocks_x = 132, .blocks_y = 2, .all_resident = true}), "");
  ASSERT_EQ(stub().launches.size(), 1u);
  EXPECT_TRUE(stub().launches[0].cooperative);
  EXPECT_EQ(launch_error({.blocks_x = 265, .all_resident = true}),
            "k: 265 blocks are to be resident at once, 132 multiprocessors hold 2 each");
}

TEST_F(GpuDriver, RefusesLaunchesBeforeTheDriverDoes) {
  stub().function_max_threads = 512;
  EXPECT_EQ(launch_error({.blocks_x = 0}), "k: 0 blocks on the x axis, expected 1 to 2147483647");
  EXPECT_EQ(launch_error({.blocks_y = 65536}),
            "k: 65536 blocks on the y axis, expected 1 to 65535");
  EXPECT_EQ(launch_error({.threads = 513}),
            "k: 513 threads in a block, with 40 registers each, expected 1 to 512");
  EXPECT_EQ(launch_error({.shared_bytes = 231425}),
            "k: 231425 bytes of dynamic shared memory beside 1024 static ones, expected 0 to "
            "231424");
  EXPECT_EQ(launch_error({.shared_bytes = 231424}), "");
  EXPECT_EQ(launch_error({}, 4097), "k: 4097 bytes of parameters, expected 0 to 4096");
  EXPECT_EQ(stub().launches.size(), 1u);
}

TEST_F(GpuDriver, PicksMachineCodeOrPtx) {
  const std::string ptx = ".version 8.0\n";
  const auto load = [&](int sm, std::string cubin) {
    stub().images.clear();
    return load_error(make_kernel("k", {.ptx = ptx, .cubin = std::move(cubin), .sm = sm}));
  };
  EXPECT_EQ(load(90, "ELF"), "");
  EXPECT_EQ(stub().images, std::vector<std::string>{"ELF"});
  EXPECT_EQ(load(80, "ELF"), "");
  EXPECT_EQ(stub().images, std::vector<std::string>{ptx});
  EXPECT_EQ(load(90, ""), "");
  EXPECT_EQ(stub().images, std::vector<std::string>{ptx});
  stub().cubin_result = 209;
  EXPECT_EQ(load(90, "ELF"), "") << "PTX where the driver does not take the machine code";
  EXPECT_EQ(stub().images, (std::vector<std::string>{"ELF", ptx}));
  EXPECT_EQ(load(100, "ELF"), "k is made for sm_100, NVIDIA Stub (sm_90) cannot run it");
  EXPECT_EQ(load_error(make_kernel("k", {.cubin = "ELF", .sm = 80})),
            "k is machine code of sm_80 without PTX, NVIDIA Stub (sm_90) cannot run it");
}

TEST_F(GpuDriver, SaysWhyCodeIsRefused) {
  const auto ptx_error = [&](int code) {
    stub().ptx_result = code;
    return load_error(make_kernel("k", {.ptx = ".version 9.1\n", .sm = 90}));
  };
  expect_has(ptx_error(222), {"k is PTX 9.1", "driver 580.159.03 (CUDA 13.0)", "update the driver",
                              "CUDA_ERROR_UNSUPPORTED_PTX_VERSION, 222"});
  expect_has(ptx_error(221), {"libnvidia-ptxjitcompiler.so.1", "221"});
  stub().ptx_log = "line 7: unknown opcode\n";
  expect_has(ptx_error(218), {"loading kernel k", "CUDA_ERROR_INVALID_PTX, 218",
                              "it says: line 7: unknown opcode"});
  stub().cubin_result = 209;
  expect_has(load_error(make_kernel("k", {.cubin = "ELF", .sm = 90})),
             {"k is not code for NVIDIA Stub (sm_90)", "580.159.03", "209"});
  stub().ptx_result = 0;
  expect_has(load_error(make_kernel("k", {.entry = "absent", .ptx = ".version 9.0", .sm = 90})),
             {"looking up absent of kernel k", "CUDA_ERROR_NOT_FOUND"});
  EXPECT_FALSE(device().is_lost());
}

TEST_F(GpuDriver, AGraphRunsWhatWasCaptured) {
  const DeviceMemory memory = device().allocate(64).value();
  const auto work = stream();
  EXPECT_FALSE(work->end_capture().ok());
  ASSERT_TRUE(work->begin_capture().ok());
  EXPECT_FALSE(work->begin_capture().ok());
  EXPECT_FALSE(work->wait().ok());
  EXPECT_FALSE(work->record().ok());
  const TestArgs args;
  for (const char* name : {"first", "second"})
    ASSERT_TRUE(work->launch(*device().function(make_kernel(name)).value(), {.blocks_x = 5}, &args,
                             sizeof args)
                    .ok());
  ASSERT_TRUE(work->clear(memory.address, 64).ok());
  const auto graph = work->end_capture().value();
  EXPECT_TRUE(stub().launches.empty()) << "capturing does nothing";
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(work->launch(*graph).ok());
  ASSERT_TRUE(work->wait().ok());
  ASSERT_EQ(stub().launches.size(), 6u);
  EXPECT_EQ(stub().launches[5].kernel, "second");

  stub().fault = 719;
  ASSERT_TRUE(work->launch(*graph).ok());
  expect_has(work->wait().message(),
             {"NVIDIA Stub is lost: work in one of the kernels first, second", "719"});
}

TEST_F(GpuDriver, AnUnfinishedCaptureGoesWithItsStream) {
  const auto work = stream();
  ASSERT_TRUE(work->begin_capture().ok());
}

TEST_F(GpuDriver, EventsTellTheTimeBetweenThem) {
  const auto work = stream();
  const auto first = work->record().value(), second = work->record().value();
  EXPECT_EQ(second->milliseconds_since(*first).value(), 1.0);
}

TEST_F(GpuDriver, ObjectsOfAnotherDeviceAreRefused) {
  const auto other = open_gpu(0, settings_).value();
  const auto work = stream(), others = other->create_stream().value();
  const auto function = other->function(make_kernel("k")).value();
  const TestArgs args;
  EXPECT_EQ(work->launch(*function, {}, &args, sizeof args).message(),
            "the function is of another device");
  ASSERT_TRUE(others->begin_capture().ok());
  const auto graph = others->end_capture().value();
  EXPECT_EQ(work->launch(*graph).message(), "the graph is of another device");
  const auto here = work->record().value(), there = others->record().value();
  EXPECT_FALSE(here->milliseconds_since(*there).ok());
}

TEST_F(GpuDriver, AFaultInAKernelLosesTheGpu) {
  constexpr std::pair<int, const char*> kFaults[] = {
      {700, "an illegal memory access was encountered (CUDA_ERROR_ILLEGAL_ADDRESS, 700)"},
      {716, "CUDA_ERROR_MISALIGNED_ADDRESS, 716"},
      {719, "CUDA_ERROR_LAUNCH_FAILED, 719"},
      {214, "CUDA_ERROR_ECC_UNCORRECTABLE, 214"}};
  for (const auto& [fault, text] : kFaults) {
    const DeviceMemory memory = device().allocate(64).value();
    const auto work = stream();
    const auto event = work->record().value();
    ASSERT_TRUE(work->begin_capture().ok());
    const auto graph = work->end_capture().value();
    stub().fault = fault;
    const TestArgs args;
    const Kernel kernel = make_kernel("bad");
    const Status first = device().run(kernel, &args, sizeof args);
    EXPECT_EQ(first.code(), StatusCode::kUnsupported);
    expect_has(first.message(), {"NVIDIA Stub is lost: work in kernel bad: ", text});
    EXPECT_TRUE(device().is_lost());
    // All calls fail, with the first error.
    const auto same = [&](const Status& status) { EXPECT_EQ(status.message(), first.message()); };
    same(device().allocate(10).status());
    same(device().allocate_host(10).status());
    same(device().upload(memory.address, &args, 8));
    same(device().create_stream().status());
    same(device().function(make_kernel("other")).status());
    same(device().run(kernel, &args, sizeof args));
    same(work->clear(memory.address, 8));
    same(work->clear(memory.address, 0));
    same(work->record().status());
    same(work->launch(*graph));
    same(work->begin_capture());
    same(work->wait());
    same(event->milliseconds_since(*event).status());
    // Opened again once nothing is left of it.
    device_.reset();
    stub().fault = 0;
    EXPECT_EQ(stub().contexts, 1);
  }
}

TEST_F(GpuDriver, AGpuThatWasLostCanBeOpenedAgain) {
  stub().fault = 700;
  const TestArgs args;
  EXPECT_FALSE(device().run(make_kernel("bad"), &args, sizeof args).ok());
  device_.reset();
  stub().fault = 0;
  EXPECT_TRUE(device().run(make_kernel("good"), &args, sizeof args).ok());
}

TEST_F(GpuDriver, ALaunchThatTheDriverRefusesDoesNotLoseTheGpu) {
  stub().launch_result = 1;
  const TestArgs args;
  const Status status = device().run(make_kernel("k"), &args, sizeof args);
  expect_has(status.message(), {"launching kernel k", "CUDA_ERROR_INVALID_VALUE, 1"});
  EXPECT_FALSE(device().is_lost());
  stub().launch_result = 0;
  EXPECT_TRUE(device().run(make_kernel("k"), &args, sizeof args).ok());
}

TEST_F(GpuDriver, AnyThreadMayCall) {
  device();
  std::vector<std::thread> threads;
  for (uint8_t thread = 0; thread < 4; ++thread)
    threads.emplace_back([&, thread] {
      for (int round = 0; round < 50; ++round) {
        const DeviceMemory memory = device_->allocate(256).value();
        std::array<uint8_t, 256> sent, seen = {};
        sent.fill(thread);
        ASSERT_TRUE(device_->upload(memory.address, sent.data(), 256).ok());
        const TestArgs args;
        ASSERT_TRUE(device_->run(make_kernel("k"), &args, sizeof args).ok());
        ASSERT_TRUE(device_->download(seen.data(), memory.address, 256).ok());
        EXPECT_EQ(sent, seen);
      }
      EXPECT_EQ(driver_.depth(), 0);
    });
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace bitnetc
