#include "tools/bitnetc/html_page.h"

#include <fmt/format.h>

#include "tools/bitnetc/svg_plot.h"

namespace bitnetc {
namespace {

constexpr char kStyle[] =
    "body{font:14px/1.5 system-ui,sans-serif;color:#222;background:#fff;max-width:1000px;"
    "margin:32px auto;padding:0 24px}"
    "h1{font-size:24px;margin:0 0 4px}h2{font-size:19px;margin:40px 0 8px;"
    "border-top:1px solid #ddd;padding-top:20px}"
    "p{margin:4px 0;color:#444}svg{display:block;margin:16px 0;font:12px system-ui,sans-serif;"
    "max-width:100%;height:auto}"
    "table{border-collapse:collapse;margin:12px 0;font-size:13px}"
    "td,th{padding:3px 12px 3px 0;text-align:right;white-space:nowrap}"
    "td.name,th.name{text-align:left}th{color:#777;font-weight:500;border-bottom:1px solid #ccc}"
    "tr.winner td{font-weight:600}summary{cursor:pointer;color:#2f6fb0;margin-top:8px}"
    ".key{display:inline-block;width:12px;height:12px;margin:0 5px 0 14px;vertical-align:-1px}";

}  // namespace

std::string html_page(const std::string& title, const std::string& body) {
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>"
      "<title>{}</title><style>{}</style></head>\n<body>\n{}</body></html>\n",
      escape_xml(title), kStyle, body);
}

const char* colour_of(LayoutId layout) {
  switch (layout) {
    case LayoutId::kI2S: return "#2f6fb0";
    case LayoutId::kTl1: return "#d9822b";
    case LayoutId::kTl2: return "#2e8b62";
    case LayoutId::kB3: return "#8457b0";
  }
  return "#777";
}

std::string layout_key() {
  std::string text;
  for (const LayoutId layout : kLayouts)
    text += fmt::format("<span class=\"key\" style=\"background:{}\"></span>{}", colour_of(layout),
                        layout_name(layout));
  return text;
}

}  // namespace bitnetc
