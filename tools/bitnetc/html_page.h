// The frame of the pages that `--html` writes: one file, no scripts, nothing fetched.
#pragma once

#include <string>

#include "codegen/weight_layout.h"

namespace bitnetc {

std::string html_page(const std::string& title, const std::string& body);
// Every layout has its colour on every page.
const char* colour_of(LayoutId layout);
std::string layout_key();  // a coloured square and the name of each

}  // namespace bitnetc
