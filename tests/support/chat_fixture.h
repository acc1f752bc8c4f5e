// Tests of `bitnetc chat` with the bundled model, which has no chat template of its own.
#pragma once

#include <fstream>

#include "tests/support/cli_fixture.h"
#include "tests/support/terminal_program.h"

namespace bitnetc::test {

// A turn ends with the model's end of text.
inline constexpr char kTestTemplate[] =
    "{% for m in messages %}{% if m.role == 'system' %}{{ m.content }}\n"
    "{% elif m.role == 'user' %}Question: {{ m.content }}\n"
    "{% else %}Answer:{{ m.content }}<|end_of_text|>\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}Answer:{% endif %}";

class ChatFixture : public CliFixture {
 protected:
  void SetUp() override { std::ofstream(folder_.file("t.jinja")) << kTestTemplate; }

  // With short greedy answers, unless `more` says otherwise.
  std::vector<std::string> chat(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> all = {"chat", "--chat-template", folder_.file("t.jinja")};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  std::map<std::string, std::string> environment() const {
    return {{"XDG_CACHE_HOME", cache_home()}, {"XDG_STATE_HOME", folder_.file("state")}};
  }
  ProcessResult through_a_pipe(const std::string& input,
                               const std::vector<std::string>& more = {}) const {
    return bitnetc(chat(more), environment(), input);
  }
  std::unique_ptr<TerminalProgram> on_a_terminal(const std::vector<std::string>& more = {},
                                                 int columns = 80) const {
    return std::make_unique<TerminalProgram>(
        BITNETC_BINARY,
        TerminalOptions{.arguments = chat(more), .environment = environment(), .columns = columns});
  }
  std::string history_file() const { return folder_.file("state/bitnetc/chat-history.jsonl"); }
};

}  // namespace bitnetc::test
