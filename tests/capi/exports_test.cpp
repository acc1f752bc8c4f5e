// What the library shows to the dynamic linker: the functions of the header and nothing else.
#include <algorithm>
#include <cstddef>
#include <set>
#include <sstream>

#include "tests/capi/api_fixture.h"

namespace bitnetc::test {
namespace {

std::set<std::string> functions_of_header() {
  std::ifstream file(BITNETC_SOURCE_DIR "/tools/capi/bitnetc.h");
  const std::string text(std::istreambuf_iterator<char>(file), {});
  const std::string_view mark = "\nBITNETC_API ";
  std::set<std::string> names;
  for (size_t at = text.find(mark); at != text.npos; at = text.find(mark, at + 1)) {
    const size_t end = text.find('(', at), begin = text.rfind("bitnetc_", end);
    names.insert(text.substr(begin, end - begin));
  }
  return names;
}

std::string output_of(const std::string& program, std::vector<std::string> arguments) {
  const ProcessResult result = run_program(program, {.arguments = std::move(arguments)});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  return result.out;
}

TEST(Exports, AreTheFunctionsOfTheHeader) {
  std::istringstream lines(
      output_of("/usr/bin/nm", {"-D", "--defined-only", "--extern-only", BITNETC_LIBRARY}));
  std::set<std::string> names;
  for (std::string address, type, name; lines >> address >> type >> name;) {
    if (type == "A") continue;  // the version of the symbols
    EXPECT_EQ(type, "T") << name;
    EXPECT_TRUE(name.ends_with("@@BITNETC_0")) << name;
    names.insert(name.substr(0, name.find('@')));
  }
  EXPECT_EQ(names, functions_of_header());
  EXPECT_GT(names.size(), 25u);
}

TEST(Exports, TheNameAndVersionsAgree) {
  const std::string headers = output_of("/usr/bin/objdump", {"-p", BITNETC_LIBRARY});
  std::istringstream words(headers.substr(headers.find("SONAME")));
  std::string key, soname;
  words >> key >> soname;
  EXPECT_EQ(soname, "libbitnetc.so." + std::to_string(BITNETC_ABI_VERSION));
  EXPECT_EQ(headers.find("TEXTREL"), std::string::npos) << "code that is not shared";
  EXPECT_EQ(bitnetc_abi_version(), BITNETC_ABI_VERSION);
  EXPECT_STREQ(bitnetc_version(), BITNETC_VERSION);
}

// What ABI 0 promised where pointers and size_t have 64 bits: where fields are, and what numbers
// mean. Structs may grow at their ends; then their first size is what kFirstSize
// (tools/capi/structs.h) has to say.
TEST(Exports, FieldsAndNumbersStayWhereTheyWere) {
  static_assert(BITNETC_ABI_VERSION == 0, "a new ABI has numbers of its own below");
  static_assert(offsetof(bitnetc_model_options, cancel) == 56);
  static_assert(offsetof(bitnetc_model_info, has_chat_template) == 64);
  static_assert(sizeof(bitnetc_chat_message) == 16, "an array of them cannot grow");
  static_assert(offsetof(bitnetc_sampling, seed) == 48);
  static_assert(offsetof(bitnetc_generate_options, cancel) == 64);
  static_assert(offsetof(bitnetc_generation, decode_seconds) == 72);
  static_assert(offsetof(bitnetc_embed_options, cancel) == 32);
  static_assert(sizeof(bitnetc_status) == 4 && sizeof(bitnetc_stop_reason) == 4);
  static_assert(BITNETC_INTERNAL == 12 && BITNETC_STOP_CALLBACK == 5 && BITNETC_NOTE_DETAIL == 1);
  // What the first program had: its sizes are accepted for ever.
  const size_t first_sizes[] = {offsetof(bitnetc_model_options, lock_memory),
                                sizeof(bitnetc_model_info),
                                sizeof(bitnetc_sampling),
                                sizeof(bitnetc_generate_options),
                                sizeof(bitnetc_generation),
                                sizeof(bitnetc_embed_options)};
  const size_t of_abi_0[] = {64, 72, 56, 72, 80, 40};
  EXPECT_TRUE(std::ranges::equal(first_sizes, of_abi_0)) << "a struct has grown: see kFirstSize";
}

TEST(Exports, TheCommandDoesNotNeedTheLibrary) {
  EXPECT_EQ(output_of("/usr/bin/objdump", {"-p", BITNETC_BINARY}).find("libbitnetc"),
            std::string::npos);
}

}  // namespace
}  // namespace bitnetc::test
