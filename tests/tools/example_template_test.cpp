// tools/examples/chat.jinja, the chat template for models that have none.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>

#include "frontend/chat.h"
#include "tests/support/cli_fixture.h"

namespace bitnetc::test {
namespace {

const std::string kExample = BITNETC_SOURCE_DIR "/tools/examples/chat.jinja";

class ExampleTemplate : public CliFixture {
 protected:
  static std::string rendered(const std::vector<ChatMessage>& messages, ChatEnd end) {
    std::ifstream in(kExample);
    const std::string source{std::istreambuf_iterator<char>(in), {}};
    const auto example = ChatTemplate::create(source, "chat.jinja", {});
    EXPECT_TRUE(example.ok()) << example.status().message();
    if (!example.ok()) return {};
    const auto prompt = (*example)->render(messages, {.end = end});
    EXPECT_TRUE(prompt.ok()) << prompt.status().message();
    return prompt.ok() ? prompt->text : "";
  }
};

// What a model wrote begins with a blank; it stands once.
TEST_F(ExampleTemplate, IsAPlainText) {
  const std::vector<ChatMessage> messages = {
      {"system", "Be brief.\n"}, {"user", "Why?"}, {"assistant", " So.\n"}, {"user", "  And how?"}};
  const std::string conversation = "Be brief.\n\nUser: Why?\nAssistant: So.\nUser: And how?\n";
  EXPECT_EQ(rendered(messages, ChatEnd::kConversation), conversation);
  EXPECT_EQ(rendered(messages, ChatEnd::kAnswerBegins), conversation + "Assistant:");
  EXPECT_EQ(rendered({{"user", "Hi."}}, ChatEnd::kAnswerBegins), "User: Hi.\nAssistant:");
  EXPECT_EQ(rendered({{"user", "Hi."}, {"assistant", "It"}}, ChatEnd::kWithinLastAnswer),
            "User: Hi.\nAssistant: It");
}

TEST_F(ExampleTemplate, TheBundledModelChatsWithIt) {
  const auto chat = bitnetc({"chat", "--chat-template", kExample, "--system", "An old tale.",
                             "--stop", "User:", "--greedy", "-n", "12", "-q"},
                            {}, "Who are you?\nAnd your brother?\n/stats\n");
  EXPECT_EQ(chat.exit_code, 0) << chat.err;
  EXPECT_GE(std::ranges::count(chat.out, '\n'), 2) << chat.out;
  EXPECT_NE(chat.err.find("2 turns"), std::string::npos) << chat.err;
}

}  // namespace
}  // namespace bitnetc::test
