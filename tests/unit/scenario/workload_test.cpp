#include <gtest/gtest.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>

#include "sim/trace/histogram.h"
#include "sim/kernel/fixed_math.h"
#include "sim/workload/replay_file.h"
#include "sim/kernel/sampler.h"

namespace harrow::sim {
namespace {

constexpr int draws = 200'000;

std::vector<std::int64_t> samples(const Distribution& distribution, std::uint64_t seed = 5) {
  const Sampler sampler(distribution);
  Random random(seed);
  std::vector<std::int64_t> values(draws);
  for (std::int64_t& value : values) value = sampler.draw(random);
  std::sort(values.begin(), values.end());
  return values;
}
double mean_of(const std::vector<std::int64_t>& values) {
  double sum = 0;
  for (const std::int64_t value : values) sum += static_cast<double>(value);
  return sum / static_cast<double>(values.size());
}
double at(const std::vector<std::int64_t>& sorted, double q) { return static_cast<double>(sorted[static_cast<std::size_t>(q * (draws - 1))]); }

TEST(FixedMath, AgreesWithTheLibrary) {
  for (const std::uint64_t n : {1ull, 2ull, 3ull, 7ull, 1000ull, 123456789ull, 1ull << 40, ~0ull})
    EXPECT_NEAR(static_cast<double>(fixed::log2(n)) / 4294967296.0, std::log2(static_cast<double>(n)), 1e-5) << n;
  for (const double x : {-20.0, -1.5, -0.001, 0.0, 0.3, 1.0, 7.77, 20.0}) {
    const double unit = 1ll << 40;
    EXPECT_NEAR(static_cast<double>(fixed::exp2(static_cast<std::int64_t>(x * 4294967296.0), 1ll << 40)) / (unit * std::exp2(x)), 1.0, 1e-5) << x;
  }
  for (std::uint64_t turn = 0; turn < (1ull << 32); turn += 12'345'677)
    EXPECT_NEAR(static_cast<double>(fixed::cosine_of_turn(static_cast<std::uint32_t>(turn))) / 4294967296.0, std::cos(static_cast<double>(turn) / 4294967296.0 * 2 * M_PI), 2e-5);
  EXPECT_EQ(fixed::root(u128{1} << 100), std::uint64_t{1} << 50);
}

TEST(Sampler, ExponentialHasItsMeanAndQuantiles) {
  const auto values = samples({Distribution::Shape::exp, 1'000'000, 0});
  EXPECT_NEAR(mean_of(values), 1e6, 1e4);
  EXPECT_NEAR(at(values, 0.5), 1e6 * std::log(2.0), 1e4);
  EXPECT_NEAR(at(values, 0.99), 1e6 * std::log(100.0), 1e5);
  EXPECT_GE(values.front(), 0);
}

TEST(Sampler, NormalHasItsMeanDeviationAndTails) {
  const auto values = samples({Distribution::Shape::normal, 500'000, 100'000});
  EXPECT_NEAR(mean_of(values), 5e5, 1e3);
  EXPECT_NEAR(at(values, 0.8413), 6e5, 2e3);
  EXPECT_NEAR(at(values, 0.0013), 2e5, 1e4);
  EXPECT_NEAR(at(values, 0.9987), 8e5, 1e4);
}

TEST(Sampler, LognormalHasItsMedianAndTail) {
  const auto values = samples({Distribution::Shape::lognormal, 100'000, 500'000});
  EXPECT_NEAR(at(values, 0.5), 1e5, 1e3);
  EXPECT_NEAR(at(values, 0.99), 1e5 * std::exp(0.5 * 2.3263), 6e3);
  EXPECT_NEAR(mean_of(values), 1e5 * std::exp(0.125), 1e3);
  for (const std::int64_t value : samples({Distribution::Shape::lognormal, 1'000'000'000, 4'000'000})) EXPECT_GE(value, 0);
}

TEST(Sampler, UniformReachesBothEnds) {
  const auto values = samples({Distribution::Shape::uniform, 3, 7});
  EXPECT_EQ(values.front(), 3);
  EXPECT_EQ(values.back(), 7);
}

TEST(Sampler, ZipfGivesEachRankItsShare) {
  for (const std::int64_t s : {0, 500'000, 990'000, 1'200'000, 2'677'400}) {
    constexpr std::int64_t items = 100'000;
    const auto values = samples({Distribution::Shape::zipf, items, s});
    double sum = 0;
    std::vector<double> cumulative(items);
    for (std::int64_t k = 0; k < items; ++k) cumulative[static_cast<std::size_t>(k)] = sum += std::pow(static_cast<double>(k + 1), -static_cast<double>(s) / 1e6);
    EXPECT_LT(values.back(), items);
    for (const std::int64_t rank : {0, 1, 9, 99, 4095, 4200, 20'000, 90'000}) {
      const double seen = static_cast<double>(std::upper_bound(values.begin(), values.end(), rank) - values.begin()) / draws;
      EXPECT_NEAR(seen, cumulative[static_cast<std::size_t>(rank)] / sum, 0.004) << "rank " << rank << " exponent " << s;
    }
  }
}

TEST(Sampler, TheSameOnEveryBuild) {
  std::uint64_t hash = 0;
  for (const Distribution& d : {Distribution{Distribution::Shape::exp, 50'000, 0}, Distribution{Distribution::Shape::normal, 0, 2'000'000},
                                Distribution{Distribution::Shape::lognormal, 1024, 500'000}, Distribution{Distribution::Shape::zipf, 10'000, 990'000}}) {
    const Sampler sampler(d);
    Random random(42);
    for (int i = 0; i < 10'000; ++i) hash = mix64(hash ^ static_cast<std::uint64_t>(sampler.draw(random)));
  }
  EXPECT_EQ(hash, 1356118229724712426u);
}

TEST(Histogram, QuantilesAreWithinOnePercent) {
  Histogram all, half, other;
  for (std::int64_t i = 1; i <= 1'000'000; ++i) {
    all.add(i * 37);
    (i % 2 == 0 ? half : other).add(i * 37);
  }
  for (const std::int64_t q : {10'000, 500'000, 990'000, 999'000, 1'000'000}) EXPECT_NEAR(static_cast<double>(all.quantile(q)), static_cast<double>(q) * 37, static_cast<double>(q) * 37 * 0.01);
  half.merge(other);
  EXPECT_EQ(half.quantile(990'000), all.quantile(990'000));
  EXPECT_EQ(half.count(), all.count());
  EXPECT_EQ(Histogram().quantile(500'000), 0);
  Histogram one;
  one.add(7);
  EXPECT_EQ(one.quantile(1), 7);
  EXPECT_EQ(one.quantile(999'999), 7);
}

ReplayPlan plan() {
  ReplayPlan plan;
  plan.file = "t.csv";
  plan.time_column = "time_ms";
  plan.key_column = "page";
  plan.size_column = "bytes";
  plan.speed_millionths = 10'000'000;
  return plan;
}
std::string why(std::string_view text, bool json = false) {
  const auto result = read_replay_text(text, json, plan());
  return result ? "" : to_text(result.error());
}

TEST(Replay, TakesGapsOrderKeysAndSizesFromCsv) {
  const auto result = read_replay_text("time_ms,page,bytes\r\n1000,\"a, \"\"b\"\"\",10\n1500,c,20\n1500,,30\n", false, plan());
  ASSERT_TRUE(result) << to_text(result.error());
  ASSERT_EQ(result->events.size(), 3u);
  EXPECT_EQ(result->events[0].at_ns, 0);
  EXPECT_EQ(result->events[1].at_ns, 50'000'000);
  EXPECT_EQ(result->events[2].key, -1);
  EXPECT_EQ(result->keys, (std::vector<std::string>{"a, \"b\"", "c"}));
  EXPECT_EQ(result->events[1].size_bytes, 20);
}

TEST(Replay, TakesThemFromJsonLines) {
  const auto result =
      read_replay_text("{\"time_ms\": 1000, \"x\": {\"y\": [1, \"]\"]}, \"page\": \"a\\u00e9\", \"bytes\": 10}\n\n{\"bytes\":5,\"page\":null,\"time_ms\":\"1970-01-01T00:00:02.5Z\"}", true, plan());
  ASSERT_TRUE(result) << to_text(result.error());
  ASSERT_EQ(result->events.size(), 2u);
  EXPECT_EQ(result->events[1].at_ns, 150'000'000);
  EXPECT_EQ(result->events[1].key, -1);
  EXPECT_EQ(result->keys[0], "a\xc3\xa9");
}

TEST(Replay, ADamagedFileNamesTheLine) {
  const std::string head = "time_ms,page,bytes\n1000,a,10\n";
  EXPECT_EQ(why(head + "2000,b"), "t.csv:3:1: ends without a line break: the file is cut");
  EXPECT_EQ(why(head + "2000,b\n"), "t.csv:3:1: expected 3 fields, found 2");
  EXPECT_EQ(why(head + "2000,\"b,5\n"), "t.csv:3:1: a quote that does not close");
  EXPECT_EQ(why(head + "soon,b,5\n"), "t.csv:3:1: column 'time_ms' holds no time: 'soon'");
  EXPECT_EQ(why(head + "900,b,5\n"), "t.csv:3:1: out of order: earlier than the line before");
  EXPECT_EQ(why(head + "2000,b,-5\n"), "t.csv:3:1: column 'bytes' holds no size up to 16 MiB: '-5'");
  EXPECT_EQ(why("time_ms,key,bytes\n1,a,1\n"), "t.csv:1:1: there is no column 'page', only time_ms, key, bytes");
  EXPECT_EQ(why(""), "t.csv: holds no events");
  EXPECT_EQ(why("{\"time_ms\": 1, \"page\": \"a\", \"bytes\": 1}\n{\"time_ms\": 2, \"pa", true), "t.csv:2:1: not a whole JSON object with plain values in the columns wanted");
  EXPECT_EQ(why("{\"page\": \"a\", \"bytes\": 1}\n", true), "t.csv:1:1: there is no member 'time_ms'");
}

TEST(Replay, ACutOrDamagedGzipFileNamesTheLine) {
  const std::filesystem::path path = std::filesystem::temp_directory_path() / ("harrow-replay-" + std::to_string(::getpid()) + ".csv.gz");
  std::string text = "time_ms,page,bytes\n";
  for (int i = 0; i < 20'000; ++i) text += std::to_string(1000 + i * 7) + ",page" + std::to_string(i * 7919 % 1000) + "," + std::to_string(i % 999) + "\n";
  gzFile const out = gzopen(path.c_str(), "wb");
  gzwrite(out, text.data(), static_cast<unsigned>(text.size()));
  gzclose(out);
  ReplayPlan p = plan();
  p.file = path.string();
  const auto whole = read_replay_file(p);
  ASSERT_TRUE(whole) << to_text(whole.error());
  EXPECT_EQ(whole->events.size(), 20'000u);
  const auto size = std::filesystem::file_size(path);
  std::filesystem::resize_file(path, size / 2);
  const auto cut = read_replay_file(p);
  ASSERT_FALSE(cut);
  EXPECT_GT(cut.error().line, 1000);
  EXPECT_NE(cut.error().text.find("the file is cut"), std::string::npos);
  {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(size / 4));
    file.write("\xff\xff\xff\xff\xff\xff\xff\xff", 8);
  }
  EXPECT_FALSE(read_replay_file(p));
  std::filesystem::remove(path);
  EXPECT_FALSE(read_replay_file(p));
}

}  // namespace
}  // namespace harrow::sim
