#include "frontend/stand_in.h"

#include <algorithm>

namespace bitnetc {
namespace {

constexpr std::string_view kPointerStarts[] = {"version https://git-lfs.github.com/spec/",
                                               "version https://hawser.github.com/spec/"};
constexpr std::string_view kPageStarts[] = {"<!doctype html", "<html", "<?xml"};  // lower case

char lower_case(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool starts_like(std::string_view text, std::string_view lower_case_start) {
  return text.size() >= lower_case_start.size() &&
         std::equal(lower_case_start.begin(), lower_case_start.end(), text.begin(),
                    [](char expected, char found) { return lower_case(found) == expected; });
}

}  // namespace

Status check_is_not_stand_in(std::string_view bytes) {
  const auto starts = [&](std::string_view start) { return starts_like(bytes, start); };
  if (std::any_of(std::begin(kPointerStarts), std::end(kPointerStarts), starts))
    return Status(StatusCode::kDataCorrupt,
                  "is a Git LFS pointer, not the file itself: run \"git lfs pull\" in the model's "
                  "folder, or download the file");
  bytes.remove_prefix(std::min(bytes.find_first_not_of(" \t\r\n"), bytes.size()));
  if (std::any_of(std::begin(kPageStarts), std::end(kPageStarts), starts))
    return Status(StatusCode::kDataCorrupt,
                  "is a web page, not the file itself: download the file again (the address may be "
                  "of a page about it, or need a login)");
  return {};
}

}  // namespace bitnetc
