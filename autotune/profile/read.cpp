// Reading a profile is strict: an entry ends with the checksum of its text, and what was read must
// print to that text again.
#include <algorithm>
#include <chrono>
#include <map>
#include <optional>

#include "autotune/profile/line_reader.h"
#include "autotune/profile/text.h"

namespace bitnetc {
namespace {

constexpr std::string_view kMachine = "machine ";
constexpr size_t kMostLineBytes = 4096, kMostHeaderBytes = 256;
constexpr int kMostProblems = 20;

double read_seconds(LineReader& line) {
  return static_cast<double>(line.ticks(kMicrosecondDecimals)) / kTicksPerSecond;
}

Confidence read_confidence(LineReader& line) {
  const std::string_view word = line.until(',');
  for (const Confidence each : {Confidence::kSure, Confidence::kTie, Confidence::kNoisy})
    if (word == confidence_name(each)) return each;
  line.refuse(quote(word), "sure, tie or noisy");
  return Confidence::kNoisy;
}

int64_t read_time_of_day(LineReader& line) {
  namespace chrono = std::chrono;
  const int year = line.small(10000);
  line.expect("-");
  const int month = line.small(13);
  line.expect("-");
  const int day = line.small(32);
  line.expect("T");
  const int hour = line.small(24);
  line.expect(":");
  const int minute = line.small(60);
  line.expect(":");
  const int second = line.small(60);
  line.expect("Z");
  const chrono::year_month_day date(chrono::year(year), chrono::month(static_cast<unsigned>(month)),
                                    chrono::day(static_cast<unsigned>(day)));
  if (!date.ok()) return line.fail("a date that exists"), 0;
  const auto time = chrono::sys_days(date) + chrono::hours(hour) + chrono::minutes(minute) +
                    chrono::seconds(second);
  return chrono::duration_cast<chrono::seconds>(time.time_since_epoch()).count();
}

void read_key(LineReader& line, ProfileKey& key) {
  const std::string_view name = line.until(' ');
  const auto spec = parse_spec(name);
  const auto* matmul = spec.ok() ? std::get_if<MatmulSpec>(&*spec) : nullptr;
  if (matmul == nullptr)
    return line.refuse(quote(name),
                       "a matmul such as " + spec_name(MatmulSpec{.n = 2560, .k = 6912}));
  key.spec = *matmul;
  line.expect(" on ");
  key.target = line.until(' ');
  if (!is_target_name(key.target)) return line.refuse(quote(key.target), "a target such as avx2");
  line.expect(" with ");
  key.threads = line.small(1 << 20);
  line.expect(key.threads == 1 ? " thread: " : " threads: ");
}

void read_head(LineReader& line, ProfileEntry& entry) {
  read_key(line, entry.key);
  entry.confidence = read_confidence(line);
  line.expect(", ");
  entry.measured_at_s = read_time_of_day(line);
  line.expect(", took ");
  entry.took_s = static_cast<double>(line.ticks(kTookDecimals)) / kTookTicksPerSecond;
  line.expect(" s");
}

void read_field(LineReader& line, ProfileEntry& entry) {
  line.expect("  field");
  while (!line.at_end()) {
    line.expect(" ");
    entry.field.emplace_back(line.until(' '));
  }
}

void read_measurement(LineReader& line, ProfileEntry& entry) {
  Measurement measured;
  line.skip_spaces();
  measured.median_s = read_seconds(line);
  line.expect(" us  (");
  measured.low_s = read_seconds(line);
  line.expect(" .. ");
  measured.high_s = read_seconds(line);
  line.expect(", ");
  measured.samples = line.integer();
  line.expect(measured.samples == 1 ? " sample)  predicted " : " samples)  predicted ");
  const std::string_view predicted = line.until(' ');
  if (predicted != "-") {
    LineReader number(predicted);
    measured.predicted_s = read_seconds(number);
    if (!number.failure().empty() || !number.at_end())
      line.refuse(quote(predicted), "a time in us or '-'");
  }
  line.expect("  ");
  measured.generator = line.until('.');
  line.expect(".");
  measured.revision = line.small(1 << 30);
  line.expect(" ");
  const std::string_view plan = line.until(' ');
  const auto parsed = parse_plan(plan);
  if (!parsed.ok()) return line.refuse(quote(plan), "a plan such as t1u4p0");
  measured.plan = *parsed;
  entry.measurements.push_back(std::move(measured));
}

// The lines of a text, counted.
class Lines {
 public:
  explicit Lines(std::string_view text) : rest_(text) {}
  bool at_end() const { return rest_.empty(); }
  std::string_view peek() const { return rest_.substr(0, rest_.find('\n')); }
  std::string_view next() {
    const std::string_view line = peek();
    ++number_;
    rest_.remove_prefix(std::min(line.size() + 1, rest_.size()));
    return line;
  }
  std::string_view rest() const { return rest_; }
  int64_t number() const { return number_; }  // of the line that next() gave last

 private:
  std::string_view rest_;
  int64_t number_ = 0;
};

struct BadLine {
  int64_t line;  // of the entry's, from 0 on
  std::string what;
};

// `text` is an entry from its first line to its last. Says what is wrong with it, or fills `entry`.
std::optional<BadLine> read_entry(std::string_view text, ProfileEntry& entry) {
  const size_t last = text.rfind(kProfileEnd);
  const bool is_whole =
      last != text.npos && last > 0 && text[last - 1] == '\n' &&
      text.substr(last).size() == kProfileEnd.size() + entry_digest("").size() + 1;
  if (!is_whole)
    return BadLine{0, fmt::format("the entry of {} is cut short: expected a last line '{}...'",
                                  quote(text.substr(0, text.find(' '))), kProfileEnd)};
  const std::string_view body = text.substr(0, last);
  for (Lines lines(body); !lines.at_end();) {
    const int64_t number = lines.number();
    const std::string_view whole = lines.next();
    if (!is_printable(whole) || whole.size() > kMostLineBytes)
      return BadLine{number, fmt::format("{}, expected at most {} printable characters",
                                         quote(whole), kMostLineBytes)};
    LineReader line(whole);
    if (number == 0) {
      read_head(line, entry);
    } else if (number == 1) {
      read_field(line, entry);
    } else {
      read_measurement(line, entry);
    }
    if (!line.at_end()) line.fail("the end of the line");
    if (!line.failure().empty()) return BadLine{number, line.failure()};
  }
  if (const Status valid = validate(entry); !valid.ok()) return BadLine{0, valid.message()};
  const std::string printed = print_entry(entry);
  if (printed == text) return std::nullopt;
  if (printed.substr(0, printed.rfind(kProfileEnd)) == body)
    return BadLine{
        0, fmt::format("the entry of {} was altered: its checksum is {}, expected {}",
                       quote(entry.key.text()), quote(text.substr(last + kProfileEnd.size(), 16)),
                       entry_digest(body))};
  return BadLine{0, fmt::format("the entry of {} is not written as this program writes it",
                                quote(entry.key.text()))};
}

class ProfileReader {
 public:
  ProfileReader(std::string_view text, const std::string& origin,
                std::vector<std::string>& problems)
      : lines_(text), origin_(origin), problems_(problems) {}

  Result<Profile> run() {
    Profile profile;
    BITNETC_RETURN_IF_ERROR(read_header(profile));
    while (!lines_.at_end()) {
      if (lines_.peek().empty()) {
        lines_.next();
      } else {
        add_entry(next_entry(), profile);
      }
    }
    if (skipped_ > kMostProblems)
      problems_.push_back(
          fmt::format("{}: {} more entries were left out", origin_, skipped_ - kMostProblems));
    std::ranges::sort(profile.entries, {}, &ProfileEntry::key);
    return profile;
  }

 private:
  Status read_header(Profile& profile) {
    const std::string_view magic = lines_.next();
    if (!magic.starts_with(kProfileMagic))
      return make_error(StatusCode::kDataCorrupt, "{}:1: {}, expected '{}{}': not a profile",
                        origin_, quote(magic), kProfileMagic, kProfileVersion);
    if (const std::string_view version = magic.substr(kProfileMagic.size());
        version != fmt::to_string(kProfileVersion))
      return make_error(StatusCode::kUnsupported, "{}:1: profile version {}, this bitnetc reads {}",
                        origin_, quote(version), kProfileVersion);
    const std::string_view line = lines_.next();
    const bool is_machine = line.starts_with(kMachine);
    const std::string_view words = line.substr(is_machine ? kMachine.size() : 0);
    profile.fingerprint = words.substr(0, std::min(words.find(' '), kMostHeaderBytes));
    profile.machine = words.substr(std::min(profile.fingerprint.size() + 1, words.size()));
    if (is_machine && is_fingerprint(profile.fingerprint) && is_printable(profile.machine) &&
        line.size() <= kMostHeaderBytes && line == print_machine(profile))
      return {};
    return make_error(StatusCode::kDataCorrupt,
                      "{}:2: {}, expected 'machine', its fingerprint and its name", origin_,
                      quote(line));
  }

  // From a line that is not empty to the one before the next that is not indented.
  std::string_view next_entry() {
    const std::string_view from_here = lines_.rest();
    first_line_ = lines_.number() + 1;
    do lines_.next();
    while (!lines_.at_end() && lines_.peek().starts_with(' '));
    return from_here.substr(0, from_here.size() - lines_.rest().size());
  }

  void add_entry(std::string_view text, Profile& profile) {
    ProfileEntry entry;
    auto bad = read_entry(text, entry);
    if (!bad) {
      const auto [at, is_new] = line_of_.emplace(entry.key, first_line_);
      if (!is_new)
        bad = BadLine{0, fmt::format("{} stands in line {} already", entry.key.text(), at->second)};
    }
    if (!bad) {
      profile.entries.push_back(std::move(entry));
    } else if (++skipped_ <= kMostProblems) {
      problems_.push_back(fmt::format("{}:{}: {}; the entry is left out", origin_,
                                      first_line_ + bad->line, bad->what));
    }
  }

  Lines lines_;
  const std::string& origin_;
  std::vector<std::string>& problems_;
  std::map<ProfileKey, int64_t> line_of_;
  int64_t first_line_ = 0;  // of the entry being read
  int64_t skipped_ = 0;
};

}  // namespace

Result<Profile> parse_profile(std::string_view text, const std::string& origin,
                              std::vector<std::string>& problems) {
  return ProfileReader(text, origin, problems).run();
}

}  // namespace bitnetc
