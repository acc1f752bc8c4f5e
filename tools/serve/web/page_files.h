// The files of the page, as tools/serve/web holds them: tools/embed_files.cmake makes constants of
// them.
#pragma once

#include <string_view>

namespace bitnetc::serve {

extern const std::string_view kIndexHtml, kPageCss, kPageJs, kIconSvg;

}  // namespace bitnetc::serve
