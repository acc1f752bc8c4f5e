// Options that several commands share because they say what a model is planned for.
#pragma once

#include "autotune/usage.h"
#include "runtime/kv_type.h"
#include "tools/bitnetc/command_line.h"

namespace bitnetc {

inline constexpr IntegerRange kThreadRange = {.least = 1, .most = 1024};
inline constexpr DecimalRange kSecondsRange = {.least = 0,
                                               .most = 1e6,
                                               .expected = "seconds, more than 0 and at most 1e6",
                                               .above_least = true};

void add_threads_option(Command& command, int& threads);
// --device cpu|cuda|cuda:N|emulated|emulated:sm_N
void add_device_option(Command& command, std::string& device);
// --for generation|chat|prefill|server
void add_usage_option(Command& command, Usage& usage);
// --layout i2s|tl1|tl2|b3|auto
void add_layout_option(Command& command, std::string& layout, const char* meaning);

// --kv f16|f32|i8
void add_kv_option(Command& command, KvType& type);

}  // namespace bitnetc
