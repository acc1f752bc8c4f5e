#include "tools/bitnetc/plan_options.h"

#include "tools/engine/engine.h"

namespace bitnetc {

void add_threads_option(Command& command, int& threads) {
  command.integer("-t,--threads", threads, kThreadRange,
                  "Threads (default: all CPUs this process may use)");
}

void add_device_option(Command& command, std::string& device) {
  command.text(
      "--device", device, "DEVICE",
      "Where kernels run: cpu, cuda, cuda:N, or emulated (a GPU played by the CPU, slowly, "
      "to check kernels) (default: cpu)");
}

void add_usage_option(Command& command, Usage& usage) {
  std::vector<std::string> names;
  for (const Usage each : kUsages) names.emplace_back(usage_name(each));
  const std::string help =
      fmt::format("What layouts are chosen for (default: {})", usage_name(usage));
  command.choice("--for", names, help.c_str(),
                 [&usage](const std::string& name) { usage = *parse_usage(name); });
}

void add_layout_option(Command& command, std::string& layout, const char* meaning) {
  command.choice("--layout", layout_choices(), meaning,
                 [&layout](const std::string& name) { layout = name; });
}

void add_kv_option(Command& command, KvType& type) {
  command.choice("--kv", kv_type_choices(),
                 "Type of keys and values; i8 takes half the memory of f16 and rounds more "
                 "(default: f16)",
                 [&type](const std::string& name) { type = *parse_kv_type(name); });
}

}  // namespace bitnetc
