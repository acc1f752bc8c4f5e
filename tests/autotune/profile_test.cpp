// The text form of a profile: what is printed reads back, anything else is refused with its place
// and reason.
#include "autotune/profile.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <random>
#include <tuple>

#include "codegen/matmul_plans.h"
#include "tests/support/expect_error.h"

namespace bitnetc::test {
namespace {

const MatmulSpec kSpec{.n = 3840, .k = 2560};
const std::vector<std::string> kField = {"static_matmul_avx2.1", "x64_lut_avx2.12"};

Measurement measurement(std::string generator, int revision, double median_s) {
  return {.generator = std::move(generator),
          .revision = revision,
          .plan = DirectPlan{.tiles_per_step = 1, .k_unroll = 8, .prefetch_bytes = 8192},
          .predicted_s = 58.1e-6,
          .median_s = median_s,
          .low_s = 60.8e-6,
          .high_s = 61.7e-6,
          .samples = 37};
}

ProfileEntry entry(const MatmulSpec& spec = kSpec, int threads = 2) {
  return {.key = {.spec = spec, .target = "avx2", .threads = threads},
          .confidence = Confidence::kSure,
          .measured_at_s = 1'795'275'840,
          .took_s = 1.82,
          .field = kField,
          .measurements = {measurement("x64_lut_avx2", 12, 61.2e-6)}};
}

Profile profile_of(std::vector<ProfileEntry> entries) {
  return {.fingerprint = "0123456789abcdef",
          .machine = "AMD EPYC 9B45, 2 CPUs",
          .entries = std::move(entries)};
}

struct Read {
  Profile profile;
  std::vector<std::string> problems;
};
Read read(const std::string& text) {
  Read read;
  auto profile = parse_profile(text, "p", read.problems);
  EXPECT_TRUE(profile.ok()) << profile.status().message();
  if (profile.ok()) read.profile = *std::move(profile);
  return read;
}

// The text with the first `from` replaced.
std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, text.npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(Profile, IsWrittenForPeople) {
  ProfileEntry second = entry({.n = 3840, .k = 2560, .m = kAnyM}, 1);
  second.confidence = Confidence::kNoisy;
  second.measurements[0].predicted_s = 0;
  second.measurements[0].samples = 1;
  ProfileEntry first = entry();
  first.measurements.push_back(measurement("static_matmul_avx2", 1, 1234.56785e-6));
  first.measurements.back().high_s = 0.0125;
  EXPECT_EQ(print_profile(profile_of({second, first})),
            R"(bitnetc-profile 1
machine 0123456789abcdef AMD EPYC 9B45, 2 CPUs

matmul_i8_i2s_f32_n3840_k2560_mN_scale on avx2 with 1 thread: noisy, )"
            R"(2026-11-21T15:44:00Z, took 1.820 s
  field static_matmul_avx2.1 x64_lut_avx2.12
       61.2000 us  (60.8000 .. 61.7000, 1 sample)  predicted -  x64_lut_avx2.12 t1u8p8192
  end c3c22782bc4bbf0d

matmul_i8_i2s_f32_n3840_k2560_m1_scale on avx2 with 2 threads: sure, )"
            R"(2026-11-21T15:44:00Z, took 1.820 s
  field static_matmul_avx2.1 x64_lut_avx2.12
       61.2000 us  (60.8000 .. 61.7000, 37 samples)  predicted 58.1000  x64_lut_avx2.12 t1u8p8192
     1234.5679 us  (60.8000 .. 12500.0000, 37 samples)  predicted 58.1000  )"
            R"(static_matmul_avx2.1 t1u8p8192
  end 835a5092606497b5
)");
}

TEST(Profile, ReadsWhatItPrints) {
  std::mt19937 random(1);
  const auto ticks = [&](int64_t most) {
    return static_cast<double>(std::uniform_int_distribution<int64_t>(1, most)(random)) / 1e10;
  };
  for (int round = 0; round < 200; ++round) {
    std::vector<ProfileEntry> entries;
    for (int m = kAnyM; m <= 8; m += 1 + round % 3) {
      ProfileEntry each = entry({.n = 16 * (1 + round),
                                 .k = 1 + round,
                                 .m = m,
                                 .layout = kLayouts[round % 4],
                                 .epilogue = round % 2 ? Epilogue::kScale : Epilogue::kResidual,
                                 .row_absmax = round % 5 == 0},
                                1 + m);
      each.confidence = static_cast<Confidence>(round % 3);
      each.measured_at_s = round == 0 ? 0 : int64_t{253'402'300'799} / round;
      each.took_s = static_cast<double>(round) / 1000;
      each.measurements.clear();
      for (int i = 0; i <= round % 7; ++i) {
        const double low = ticks(int64_t{1} << (10 + round % 30));
        const double median = low + ticks(1000), high = median + ticks(1000);
        // Sums of ticks are off by a rounding; what is read is a tick.
        const auto to_tick = [](double seconds) { return std::round(seconds * 1e10) / 1e10; };
        each.measurements.push_back({.generator = i % 2 ? "x64_lut_avx2" : "static_matmul_avx2",
                                     .revision = i % 2 ? 12 : 1,
                                     .plan = PanelPlan{.tiles_per_step = 1 << (i % 4),
                                                       .k_unroll = 1 + i,
                                                       .prefetch_bytes = 1024 * i,
                                                       .block_k = i % 2 ? 0 : 256,
                                                       .tokens = i},
                                     .predicted_s = i % 3 ? ticks(1'000'000) : 0,
                                     .median_s = to_tick(median),
                                     .low_s = low,
                                     .high_s = to_tick(high),
                                     .samples = 1 + round * 1000});
      }
      entries.push_back(std::move(each));
    }
    const Profile profile = profile_of(entries);
    const std::string text = print_profile(profile);
    const Read back = read(text);
    EXPECT_TRUE(back.problems.empty()) << back.problems[0];
    ASSERT_EQ(back.profile.entries, profile.entries) << text;
    EXPECT_EQ(print_profile(back.profile), text);
    EXPECT_EQ(back.profile.fingerprint, profile.fingerprint);
    EXPECT_EQ(back.profile.machine, profile.machine);
  }
}

TEST(Profile, ThatIsNoneIsRefused) {
  std::vector<std::string> problems;
  const auto parsed = [&](const std::string& text) { return parse_profile(text, "p", problems); };
  expect_error(parsed(""), StatusCode::kDataCorrupt, {"p:1", "bitnetc-profile 1"});
  expect_error(parsed("hello\nworld\n"), StatusCode::kDataCorrupt, {"p:1", "'hello'"});
  expect_error(parsed("bitnetc-profile 2\nmachine a b\n"), StatusCode::kUnsupported,
               {"p:1", "version '2'", "reads 1"});
  expect_error(parsed("bitnetc-profile 1"), StatusCode::kDataCorrupt, {"p:2", "machine"});
  for (const char* line : {"machine", "machine  words", "machine a/b words", "machine abc",
                           "machine abc w\x01s", "machine abc w\xc3\xa4s", "Machine abc words"})
    expect_error(parsed(fmt::format("bitnetc-profile 1\n{}\n", line)), StatusCode::kDataCorrupt,
                 {"p:2", "fingerprint"});
  expect_error(parsed("bitnetc-profile 1\nmachine abc " + std::string(1 << 20, 'x') + "\n"),
               StatusCode::kDataCorrupt, {"p:2"});
  EXPECT_TRUE(problems.empty());
}

// Each takes the entry out, and only that one, whatever follows.
TEST(Profile, AnEntryThatDoesNotReadIsLeftOut) {
  const std::pair<const char*, const char*> changes[] = {
      {"matmul_i8_i2s_f32_n3840", "matmul_i8_i2s_f32_n3841"},
      {"matmul_i8_i2s_f32_n3840_k2560_m1_scale", "attention_f32_d128_scale0.088388346"},
      {"on avx2", "on avx9"},
      {"with 2 threads", "with 0 threads"},
      {"with 2 threads", "with 2 thread"},
      {"with 2 threads", "with 99999999999999999999 threads"},
      {"sure", "certain"},
      {"2026-11-21T15:44:00Z", "2026-02-31T15:44:00Z"},
      {"2026-11-21T15:44:00Z", "2026-11-21T25:44:00Z"},
      {"2026-11-21T15:44:00Z", "2026-11-21 15:44:00Z"},
      {"took 1.820 s", "took -1.820 s"},
      {"took 1.820 s", "took 1.82 s"},
      {"  field", "  Field"},
      {"static_matmul_avx2.1 x64_lut_avx2.12", "x64_lut_avx2.12 static_matmul_avx2.1"},
      {"static_matmul_avx2.1 x64_lut_avx2.12", "static_matmul_avx2.1"},
      {"static_matmul_avx2.1 ", "static_matmul_avx2 "},
      {"     61.2000 us", "     nan us"},
      {"     61.2000 us", "     -61.2000 us"},
      {"     61.2000 us", "     1e3 us"},
      {"     61.2000 us", "     61.200000 us"},
      {"     61.2000 us", "     99.2000 us"},
      {"     61.2000 us", "  61.2000 us"},
      {"61.7000", "99999999999999999999999.7000"},
      {"61.7000", "99999999999.7000"},
      {"37 samples", "0 samples"},
      {"37 samples", "37.5 samples"},
      {"predicted 58.1000", "predicted 0.0000"},
      {"predicted 58.1000", "predicted inf"},
      {"x64_lut_avx2.12 t1", "x64_lut_avx2.012 t1"},
      {"x64_lut_avx2.12 t1", "x64_lut_avx2.99999999999 t1"},
      {"x64_lut_avx2.12 t1", "../../x64_lut_avx2.12 t1"},
      {"t1u8p8192", "t1u8"},
      {"t1u8p8192", "t1u8p8192 "},
      {"t1u8p8192\n", "t1u8p8192\n\n"},
      {"t1u8p8192\n", "t1u8p8192\x01\n"},
      {"t1u8p8192\n", "t1u8p8192\xff\xfe\n"},
      {"t1u8p8192\n", "t1u8p8192\r\n"},
      {"  end ", "  end 0"},
      {"  end ", "  fin "},
  };
  const std::string other = "\n" + print_profile(profile_of({entry({.n = 64, .k = 64})}))
                                       .substr(print_profile(profile_of({})).size() + 1);
  for (const auto& [from, to] : changes) {
    const std::string text = replaced(print_profile(profile_of({entry()})), from, to) + other;
    const Read got = read(text);
    ASSERT_EQ(got.profile.entries.size(), 1u) << from << " -> " << to;
    EXPECT_EQ(got.profile.entries[0].key.spec.n, 64) << from << " -> " << to;
    ASSERT_GE(got.problems.size(), 1u) << from << " -> " << to;
    EXPECT_EQ(got.problems[0].rfind("p:", 0), 0u) << got.problems[0];
    for (const char c : got.problems[0]) EXPECT_TRUE(c >= 0x20 || c < 0) << got.problems[0];
  }
}

TEST(Profile, SaysWhereAndWhat) {
  const std::string good = print_profile(profile_of({entry()}));
  const std::tuple<const char*, const char*, const char*> cases[] = {
      {"n3840", "n3841",
       "p:4: 'matmul_i8_i2s_f32_n3841_k2560_m1_scale', expected a matmul such as matmul_i8_i2s"},
      {"sure", "good", "'good', expected sure, tie or noisy"},
      {"61.2000 us", "x us",
       "p:6: 'x us  (60.8000 .. 61.7000, 37 samples)  predicted 58.1000  x...'"},
      {"61.2000 us", "69.2000 us", "p:4: profile entry matmul_i8_i2s_f32_n3840_k2560_m1_scale on"},
      {"p8192", "p4096", "was altered: its checksum is"},
      {"t1u8p8192", "t1u8p8192m", "'t1u8p8192m', expected a plan such as t1u4p0"},
  };
  for (const auto& [from, to, expected] : cases) {
    const Read got = read(replaced(good, from, to));
    ASSERT_EQ(got.problems.size(), 1u) << from;
    EXPECT_NE(got.problems[0].find(expected), std::string::npos) << got.problems[0];
  }
}

// Cut anywhere and with any byte flipped, a profile never says anything that it did not say before.
TEST(Profile, DamageNeverMakesAnEntry) {
  const Profile profile =
      profile_of({entry({.n = 64, .k = 64}), entry({.n = 64, .k = 128}), entry()});
  const std::string good = print_profile(profile);
  const auto expect_subset = [&](const std::string& text, const std::string& what) {
    std::vector<std::string> problems;
    const auto parsed = parse_profile(text, "p", problems);
    if (!parsed.ok()) return;
    for (const ProfileEntry& each : parsed->entries)
      EXPECT_NE(std::ranges::find(profile.entries, each), profile.entries.end()) << what;
    const bool must_tell =
        parsed->entries.size() < profile.entries.size() && text.size() == good.size();
    EXPECT_TRUE(!must_tell || !problems.empty()) << what;
  };
  for (size_t size = 0; size < good.size(); ++size)
    expect_subset(good.substr(0, size), fmt::format("cut to {} bytes", size));
  for (size_t at = 0; at < good.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = good;
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << bit));
      expect_subset(damaged, fmt::format("bit {} of byte {} flipped", bit, at));
    }
  }
}

TEST(Profile, OneEntryAKeyInAnyOrder) {
  const std::string head = print_profile(profile_of({}));
  const auto text_of = [&](const ProfileEntry& each) {
    return print_profile(profile_of({each})).substr(head.size());
  };
  ProfileEntry again = entry();
  again.confidence = Confidence::kTie;
  const Read got =
      read(head + text_of(entry()) + text_of(entry({.n = 64, .k = 64})) + "\n\n" + text_of(again));
  ASSERT_EQ(got.profile.entries.size(), 2u);
  EXPECT_EQ(got.profile.entries[0].key.spec.n, 64);
  EXPECT_EQ(got.profile.entries[1].confidence, Confidence::kSure);
  ASSERT_EQ(got.problems.size(), 1u);
  EXPECT_NE(got.problems[0].find("stands in line 4 already"), std::string::npos) << got.problems[0];
}

TEST(Profile, AMillionBadLinesAreToldInTwenty) {
  std::string text = print_profile(profile_of({entry()}));
  for (int i = 0; i < 1'000'000; ++i) text += "bad\n";
  const Read got = read(text);
  EXPECT_EQ(got.profile.entries.size(), 1u);
  ASSERT_EQ(got.problems.size(), 21u);
  EXPECT_EQ(got.problems.back(), "p: 999980 more entries were left out");
}

TEST(Profile, ChecksWhatItIsGiven) {
  EXPECT_TRUE(validate(entry()).ok()) << validate(entry()).message();
  const auto refused = [](const std::function<void(ProfileEntry&)>& change, const char* named) {
    ProfileEntry changed = entry();
    change(changed);
    expect_error(validate(changed), StatusCode::kInvalidArgument, {named});
  };
  const double nan = std::numeric_limits<double>::quiet_NaN();
  refused([](ProfileEntry& e) { e.key.spec.n = 3; }, "n = 3");
  refused([](ProfileEntry& e) { e.key.target = "sse"; }, "sse");
  refused([](ProfileEntry& e) { e.key.threads = 0; }, "threads");
  refused([](ProfileEntry& e) { e.measured_at_s = -1; }, "-1 s after the epoch");
  refused([&](ProfileEntry& e) { e.took_s = nan; }, "took nan");
  refused([](ProfileEntry& e) { e.field = {"b.1", "a.1"}; }, "'a.1'");
  refused([](ProfileEntry& e) { e.field.push_back("x\n.1"); }, "field");
  refused([](ProfileEntry& e) { e.field.resize(65, "z.1"); }, "65 generators");
  refused([](ProfileEntry& e) { e.field = {"static_matmul_avx2.1"}; }, "not in the field");
  refused([](ProfileEntry& e) { e.measurements.clear(); }, "no measurement");
  refused([&](ProfileEntry& e) { e.measurements[0].median_s = nan; }, "median nan");
  refused([](ProfileEntry& e) { e.measurements[0].median_s = 0; }, "median 0");
  refused([](ProfileEntry& e) { e.measurements[0].low_s = 1; }, "1 ..");
  refused([](ProfileEntry& e) { e.measurements[0].high_s = 1e9; }, "1000000000");
  refused([](ProfileEntry& e) { e.measurements[0].predicted_s = -1; }, "predicted -1");
  refused([](ProfileEntry& e) { e.measurements[0].samples = 0; }, "0 samples");
  refused([](ProfileEntry& e) { e.measurements[0].revision = -2; }, "-2");
}

TEST(Profile, FindsAndReplaces) {
  Profile profile = profile_of({});
  EXPECT_EQ(profile.find(entry().key), nullptr);
  for (const int64_t n : {64, 32, 128, 64}) profile.put(entry({.n = n, .k = 64}));
  ASSERT_EQ(profile.entries.size(), 3u);
  EXPECT_TRUE(std::ranges::is_sorted(profile.entries, {}, &ProfileEntry::key));
  ProfileEntry again = entry({.n = 64, .k = 64});
  again.took_s = 7;
  profile.put(again);
  ASSERT_NE(profile.find(again.key), nullptr);
  EXPECT_EQ(profile.find(again.key)->took_s, 7);
  EXPECT_EQ(profile.find(entry({.n = 64, .k = 64}, 1).key), nullptr);
}

TEST(Profile, MergingKeepsTheNewer) {
  const auto at = [](int64_t n, int64_t time, double took) {
    ProfileEntry each = entry({.n = n, .k = 64});
    each.measured_at_s = time;
    each.took_s = took;
    return each;
  };
  Profile own = profile_of({at(16, 10, 1), at(32, 10, 1), at(48, 10, 1), at(80, 10, 1)});
  const Profile other =
      profile_of({at(32, 11, 2), at(48, 9, 2), at(64, 5, 2), at(80, 10, 1), at(96, 1, 2)});
  EXPECT_EQ(own.merge(other), 3);
  EXPECT_EQ(own.entries, (std::vector{at(16, 10, 1), at(32, 11, 2), at(48, 10, 1), at(64, 5, 2),
                                      at(80, 10, 1), at(96, 1, 2)}));
}

}  // namespace
}  // namespace bitnetc::test
