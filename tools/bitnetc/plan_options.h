// Options that several commands share because they say what a model is planned for.
#pragma once

#include <optional>

#include "autotune/search_space.h"
#include "tools/engine/engine.h"

namespace CLI {
class App;
}

namespace bitnetc {

void add_threads_option(CLI::App& command, int& threads);
// --for generation|chat|prefill|server
void add_usage_option(CLI::App& command, Usage& usage);
// --layout i2s|tl1|tl2|b3|auto
void add_layout_option(CLI::App& command, std::string& layout, const char* meaning);

}  // namespace bitnetc
