// Line editing by libedit, which is opened when a chat begins on a terminal. The only user of it.
// The locale is UTF-8 for this thread and while libedit runs.
#include <fcntl.h>
#include <histedit.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <clocale>
#include <cstdio>
#include <cstring>
#include <cwchar>
#include <memory>
#include <optional>

#include "tools/chat/line_reader.h"
#include "tools/engine/dynamic_library.h"

namespace bitnetc::chat {
namespace {

constexpr wchar_t kReplacement = 0xfffd;
constexpr int kHistoryLines = 1000;

// The functions of libedit that are used.
struct LibEdit {
  decltype(::el_init_fd)* init = nullptr;
  decltype(::el_end)* end = nullptr;
  decltype(::el_wset)* set = nullptr;
  decltype(::el_wgets)* gets = nullptr;
  decltype(::el_resize)* resize = nullptr;
  decltype(::history_winit)* history_init = nullptr;
  decltype(::history_wend)* history_end = nullptr;
  decltype(::history_w)* history = nullptr;

  static Result<LibEdit> open() {
    BITNETC_ASSIGN_OR_RETURN(const DynamicLibrary library,
                             DynamicLibrary::open("libedit.so.2", "libedit2"));
    LibEdit edit;
    BITNETC_RETURN_IF_ERROR(library.find("el_init_fd", edit.init));
    BITNETC_RETURN_IF_ERROR(library.find("el_end", edit.end));
    BITNETC_RETURN_IF_ERROR(library.find("el_wset", edit.set));
    BITNETC_RETURN_IF_ERROR(library.find("el_wgets", edit.gets));
    BITNETC_RETURN_IF_ERROR(library.find("el_resize", edit.resize));
    BITNETC_RETURN_IF_ERROR(library.find("history_winit", edit.history_init));
    BITNETC_RETURN_IF_ERROR(library.find("history_wend", edit.history_end));
    BITNETC_RETURN_IF_ERROR(library.find("history_w", edit.history));
    return edit;
  }
};

class Utf8Locale {
 public:
  Utf8Locale() : locale_(::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr)) {}
  ~Utf8Locale() {
    if (locale_ != nullptr) ::freelocale(locale_);
  }
  Utf8Locale(const Utf8Locale&) = delete;
  Utf8Locale& operator=(const Utf8Locale&) = delete;
  locale_t get() const { return locale_; }

 private:
  const locale_t locale_;
};

class LocaleScope {
 public:
  explicit LocaleScope(const Utf8Locale& locale) : before_(::uselocale(locale.get())) {}
  ~LocaleScope() { ::uselocale(before_); }
  LocaleScope(const LocaleScope&) = delete;
  LocaleScope& operator=(const LocaleScope&) = delete;

 private:
  const locale_t before_;
};

// Both in the locale of this thread.
std::wstring wide(std::string_view text) {
  std::wstring out;
  std::mbstate_t state = {};
  while (!text.empty()) {
    wchar_t character = 0;
    const size_t bytes = std::mbrtowc(&character, text.data(), text.size(), &state);
    const bool is_valid = bytes <= text.size() && bytes > 0;
    out += is_valid ? character : kReplacement;
    text.remove_prefix(is_valid ? bytes : 1);
    if (!is_valid) state = {};
  }
  return out;
}

std::string narrow(std::wstring_view text) {
  std::string out;
  std::mbstate_t state = {};
  for (const wchar_t each : text) {
    char bytes[MB_LEN_MAX];
    const size_t count = std::wcrtomb(bytes, each, &state);
    if (count <= sizeof bytes) out.append(bytes, count);
  }
  return out;
}

class LineEditor final : public LineReader {
 public:
  LineEditor(const LibEdit& edit, int input, int output, const ReadStop& stop)
      : edit_(edit), input_(input), output_(output), stop_(stop) {}
  ~LineEditor() override {
    const LocaleScope scope(locale_);
    if (editor_ != nullptr) edit_.end(editor_);
    if (history_ != nullptr) edit_.history_end(history_);
    for (FILE* each : {screen_, silence_})
      if (each != nullptr) std::fclose(each);
  }

  Status start(const std::vector<std::string>& history);
  Result<TypedLine> read(const std::string& prompt) override;
  void remember(const std::string& line) override {
    const LocaleScope scope(locale_);
    HistEventW event = {};
    edit_.history(history_, &event, H_ENTER, wide(line).c_str());
  }

 private:
  void bind(const wchar_t* key, const wchar_t* command) {
    edit_.set(editor_, EL_BIND, key, command, static_cast<wchar_t*>(nullptr));
  }
  int next_byte(char* byte);
  int next_character(wchar_t* character);
  void follow_size();
  void follow_terminal();
  void end_line(std::string_view mark) const;

  const LibEdit edit_;
  const int input_, output_;
  const ReadStop stop_;
  const Utf8Locale locale_;
  FILE *screen_ = nullptr, *silence_ = nullptr;
  EditLine* editor_ = nullptr;
  HistoryW* history_ = nullptr;
  std::wstring prompt_;
  winsize size_ = {};
  std::optional<char> begun_;  // a byte behind a character that is none
  // Of the read that runs.
  bool is_stopped_ = false, is_replaced_ = false;
  Status failure_;
};

// That libedit calls back for; it reads one line at a time.
LineEditor* g_reading = nullptr;

winsize size_of(int terminal) {
  winsize size = {};
  ::ioctl(terminal, TIOCGWINSZ, &size);
  return size;
}

Status LineEditor::start(const std::vector<std::string>& history) {
  const auto missing = [](const char* what) {
    return make_error(StatusCode::kUnsupported, "lines cannot be edited: there is no {}", what);
  };
  if (locale_.get() == nullptr) return missing("locale C.UTF-8");
  const LocaleScope scope(locale_);
  screen_ = ::fdopen(::fcntl(output_, F_DUPFD_CLOEXEC, 0), "w");
  silence_ = std::fopen("/dev/null", "we");  // it complains of terminals that it does not know
  if (screen_ == nullptr || silence_ == nullptr) return missing("file descriptor");
  editor_ = edit_.init("bitnetc", stdin, screen_, silence_, input_, output_, output_);
  history_ = edit_.history_init();
  if (editor_ == nullptr || history_ == nullptr) return missing("memory");
  size_ = size_of(output_);
  HistEventW event = {};
  edit_.history(history_, &event, H_SETSIZE, kHistoryLines);
  edit_.history(history_, &event, H_SETUNIQUE, 1);
  for (const std::string& line : history) remember(line);
  edit_.set(editor_, EL_EDITOR, L"emacs");
  edit_.set(editor_, EL_SIGNAL, 0);
  edit_.set(editor_, EL_HIST, edit_.history, history_);
  const auto next = [](EditLine*, wchar_t* character) {
    return g_reading->next_character(character);
  };
  edit_.set(editor_, EL_GETCFN, static_cast<int (*)(EditLine*, wchar_t*)>(next));
  const auto prompt = [](EditLine*) { return g_reading->prompt_.data(); };
  edit_.set(editor_, EL_PROMPT, static_cast<wchar_t* (*)(EditLine*)>(prompt));
  bind(L"^R", L"em-inc-search-prev");
  bind(L"\033[3~", L"ed-delete-next-char");
  bind(L"\033[1~", L"ed-move-to-beg");
  bind(L"\033[4~", L"ed-move-to-end");
  bind(L"\033[1;5C", L"em-next-word");
  bind(L"\033[1;5D", L"ed-prev-word");
  return {};
}

Result<TypedLine> LineEditor::read(const std::string& prompt) {
  const LocaleScope scope(locale_);
  prompt_ = wide(prompt);
  is_stopped_ = is_replaced_ = false;
  failure_ = {};
  g_reading = this;
  follow_size();
  edit_.set(editor_, EL_PREP_TERM, 1);  // before the prompt shows that keys are waited for
  int count = 0;
  const wchar_t* const typed = edit_.gets(editor_, &count);
  BITNETC_RETURN_IF_ERROR(failure_);
  std::wstring_view line;
  if (typed != nullptr && count > 0) line = {typed, static_cast<size_t>(count)};
  if (is_stopped_) {
    end_line("^C\n");
    return TypedLine{.kind = TypedLine::Kind::kStopped, .text = narrow(line)};
  }
  if (line.empty()) {
    end_line("\n");
    return TypedLine{.kind = TypedLine::Kind::kEnd};
  }
  if (line.ends_with(L'\n')) line.remove_suffix(1);
  const bool has_wrong_bytes = is_replaced_ && line.find(kReplacement) != line.npos;
  return TypedLine{.text = narrow(line), .has_wrong_bytes = has_wrong_bytes};
}

// 1, 0 at the end of the input, -1 where the read is to end.
int LineEditor::next_byte(char* byte) {
  while (true) {
    if (!wait_for_input(input_, stop_, [this] { follow_terminal(); })) {
      is_stopped_ = true;
      return -1;
    }
    const ssize_t count = ::read(input_, byte, 1);
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (count < 0)
      failure_ = make_error(StatusCode::kIoError, "stdin: cannot read: {}", std::strerror(errno));
    return static_cast<int>(count);
  }
}

// As of EL_GETCFN: what next_byte() gives, of a whole character.
int LineEditor::next_character(wchar_t* character) {
  std::mbstate_t state = {};
  for (bool is_first = true;; is_first = false) {
    char byte = 0;
    const int count = begun_ ? 1 : next_byte(&byte);
    if (count <= 0) return count;
    if (begun_) byte = *std::exchange(begun_, std::nullopt);
    const size_t bytes = std::mbrtowc(character, &byte, 1, &state);
    if (bytes == static_cast<size_t>(-2)) continue;  // there are more bytes of it
    if (bytes == static_cast<size_t>(-1)) {
      *character = kReplacement;
      is_replaced_ = true;
      if (!is_first) begun_ = byte;  // may begin another one
    }
    return 1;
  }
}

void LineEditor::follow_size() {
  const winsize now = size_of(output_);
  if (now.ws_col != size_.ws_col || now.ws_row != size_.ws_row) edit_.resize(editor_);
  size_ = now;
}

// After a signal that comes while a line is read: the terminal may have another size, and a shell
// that this process came back from may have left it as shells do.
void LineEditor::follow_terminal() {
  follow_size();
  edit_.set(editor_, EL_REFRESH);
  termios mode = {};
  if (::tcgetattr(input_, &mode) != 0 || (mode.c_lflag & ICANON) == 0) return;
  edit_.set(editor_, EL_PREP_TERM, 0);
  edit_.set(editor_, EL_PREP_TERM, 1);
  edit_.set(editor_, EL_REFRESH);
}

void LineEditor::end_line(std::string_view mark) const {
  std::fwrite(mark.data(), 1, mark.size(), screen_);
  std::fflush(screen_);
}

}  // namespace

Result<std::unique_ptr<LineReader>> make_line_editor(int input, int output, const ReadStop& stop,
                                                     const std::vector<std::string>& history) {
  BITNETC_ASSIGN_OR_RETURN(const LibEdit edit, LibEdit::open());
  auto editor = std::make_unique<LineEditor>(edit, input, output, stop);
  BITNETC_RETURN_IF_ERROR(editor->start(history));
  return std::unique_ptr<LineReader>(std::move(editor));
}

}  // namespace bitnetc::chat
