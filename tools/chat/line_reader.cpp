#include "tools/chat/line_reader.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace bitnetc::chat {
namespace {

constexpr size_t kMostLineBytes = size_t{64} << 20;

class PlainReader final : public LineReader {
 public:
  PlainReader(int input, int output, const ReadStop& stop)
      : input_(input), output_(output), stop_(stop) {}

  Result<TypedLine> read(const std::string& prompt) override {
    show(prompt);
    while (true) {
      if (const size_t end = waiting_.find('\n', searched_); end != waiting_.npos)
        return take(end, end + 1);
      searched_ = waiting_.size();
      if (is_over_) return at_the_end();
      if (!wait_for_input(input_, stop_, [] {})) return stopped();
      BITNETC_RETURN_IF_ERROR(read_more());
    }
  }
  void remember(const std::string&) override {}

 private:
  void show(std::string_view text) const {
    while (output_ >= 0 && !text.empty()) {
      const ssize_t count = ::write(output_, text.data(), text.size());
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) return;
      text.remove_prefix(static_cast<size_t>(count));
    }
  }
  TypedLine take(size_t end, size_t next) {
    TypedLine line{.text = waiting_.substr(0, end)};
    waiting_.erase(0, next);
    searched_ = 0;
    return line;
  }
  // The last line need not have an end.
  TypedLine at_the_end() {
    if (!waiting_.empty()) return take(waiting_.size(), waiting_.size());
    show("\n");
    return {.kind = TypedLine::Kind::kEnd};
  }
  // A terminal has dropped what was typed on the line, too.
  TypedLine stopped() {
    show("\n");
    return {.kind = TypedLine::Kind::kStopped};
  }
  Status read_more() {
    char block[1 << 16];
    const ssize_t count = ::read(input_, block, sizeof block);
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) return {};
    if (count < 0)
      return make_error(StatusCode::kIoError, "stdin: cannot read: {}", std::strerror(errno));
    is_over_ = count == 0;
    waiting_.append(block, static_cast<size_t>(count));
    if (waiting_.size() > kMostLineBytes)
      return make_error(StatusCode::kUnsupported,
                        "stdin: a line of more than {} MiB, which is the limit",
                        kMostLineBytes >> 20);
    return {};
  }

  const int input_, output_;
  const ReadStop stop_;
  std::string waiting_;
  size_t searched_ = 0;  // of waiting_: there is no end of line before it
  bool is_over_ = false;
};

}  // namespace

std::unique_ptr<LineReader> make_plain_reader(int input, int output, const ReadStop& stop) {
  return std::make_unique<PlainReader>(input, output, stop);
}

bool wait_for_input(int input, const ReadStop& stop, const std::function<void()>& on_wake) {
  pollfd polled[] = {{input, POLLIN, 0}, {stop.wake_fd, POLLIN, 0}};
  while (true) {
    if (stop.stop != nullptr && stop.stop->exchange(false)) return false;
    if (::poll(polled, 2, -1) < 0 && errno != EINTR) return true;  // read() says what is wrong
    if (polled[1].revents != 0) {
      char drained[64];
      while (::read(stop.wake_fd, drained, sizeof drained) > 0) continue;
      on_wake();
    } else if (polled[0].revents != 0) {
      return true;
    }
    polled[0].revents = polled[1].revents = 0;
  }
}

}  // namespace bitnetc::chat
