#include "sim/size/wish.h"

#include <gtest/gtest.h>

namespace harrow::size {
namespace {

WishOptions good() { return {{"ingress", "200MB/s"}, {"record", "1KiB"}, {"egress", "3x"}, {"retention", "3d"}, {"survive", "zone"}, {"slo", "produce-p99=50ms"}}; }

WishOptions with(WishOptions options, const std::string& name, const std::string& text) {
  std::erase_if(options, [&](const auto& one) { return one.first == name; });
  options.emplace_back(name, text);
  return options;
}

/// The one problem that these options have.
std::string problem(const WishOptions& options) {
  const auto wish = parse_wish(options);
  if (wish) return "";
  return wish.error().size() == 1 ? wish.error()[0] : "several";
}

TEST(Wish, UnitsBecomeBytesAndSeconds) {
  const auto wish = parse_wish(good());
  ASSERT_TRUE(wish);
  EXPECT_DOUBLE_EQ(wish->ingress, 200e6);
  EXPECT_DOUBLE_EQ(wish->record, 1024);
  EXPECT_DOUBLE_EQ(wish->egress, 3);
  EXPECT_DOUBLE_EQ(wish->retention_s, 3 * 86400);
  EXPECT_EQ(wish->survive, Survive::zone);
  EXPECT_EQ(wish->zones, 3);
  EXPECT_EQ(wish->min_isr, 2);
  ASSERT_EQ(wish->objectives.size(), 1u);
  EXPECT_DOUBLE_EQ(wish->objectives[0].limit_s, 0.05);
  EXPECT_DOUBLE_EQ(*parse_byte_rate("1.6Gbps"), 200e6);
}

TEST(Wish, MissingUnitsAreNamed) {
  EXPECT_EQ(problem(with(good(), "ingress", "200")), "--ingress: missing unit in '200': expected bytes a second such as 200MB/s, 1.5GiB/s or 1.6Gbps");
  EXPECT_EQ(problem(with(good(), "egress", "3")), "--egress: missing unit in '3': expected how many times the bytes produced are consumed, such as 3x");
  EXPECT_NE(problem(with(good(), "record", "1024")).find("missing unit in '1024'"), std::string::npos);
  EXPECT_NE(problem(with(good(), "retention", "3")).find("missing unit in '3'"), std::string::npos);
  EXPECT_NE(problem(with(good(), "slo", "produce-p99=50")).find("missing unit in '50'"), std::string::npos);
}

TEST(Wish, MixedUpUnitsAreNamed) {
  EXPECT_EQ(problem(with(good(), "ingress", "200MB")), "--ingress: '200MB' is a size, not a rate: write 200MB/s");
  EXPECT_EQ(problem(with(good(), "record", "1KiB/s")), "--record: '1KiB/s' is a rate, not a size: expected a size such as 1KiB");
  EXPECT_NE(problem(with(good(), "egress", "3MB/s")).find("expected how many times"), std::string::npos);
  EXPECT_NE(problem(with(good(), "retention", "3GB")).find("unknown unit"), std::string::npos);
}

TEST(Wish, NegativeAndEmptyAmountsAreRefused) {
  EXPECT_EQ(problem(with(good(), "ingress", "-200MB/s")), "--ingress: must not be negative: '-200MB/s'");
  EXPECT_EQ(problem(with(good(), "egress", "-1x")), "--egress: must not be negative: '-1x'");
  EXPECT_EQ(problem(with(good(), "retention", "-3d")), "--retention: must not be negative: '-3d'");
  EXPECT_EQ(problem(with(good(), "record", "0")), "--record: must be more than nothing: '0'");
  EXPECT_EQ(problem(with(good(), "retention", "0")), "--retention: a log that keeps nothing serves nobody");
}

TEST(Wish, ContradictionsAreRefused) {
  EXPECT_EQ(problem(with(good(), "zones", "1")), "--survive zone needs two zones or more, but --zones is 1");
  EXPECT_EQ(problem(with(good(), "replication", "1")).substr(0, 14), "--survive zone");
  EXPECT_NE(problem(with(good(), "min-isr", "3")), "");
  EXPECT_EQ(problem(with(good(), "mean", "300MB/s")), "--mean is above the peak that --ingress gives");
  EXPECT_EQ(problem(with(good(), "egress", "0x")), "");
  EXPECT_EQ(problem(with(with(good(), "egress", "0x"), "slo", "e2e-p99=1s")), "--slo: 'e2e-p99=1s' is about consumers, but --egress is 0x");
  WishOptions twice = good();
  twice.emplace_back("slo", "produce-p99=60ms");
  EXPECT_EQ(problem(twice), "--slo: 'produce-p99=50ms' and 'produce-p99=60ms' contradict each other");
  WishOptions both = good();
  both.emplace_back("records", "5k/s");
  EXPECT_EQ(problem(both), "--ingress and --records both give the rate: give one of them");
  EXPECT_EQ(problem(with(good(), "zones", "2")), "--survive zone is not possible with 3 copies over 2 zones and min ISR 2: a zone holds 2 of them");
  EXPECT_EQ(problem(with(good(), "most-brokers", "2")), "--most-brokers 2 cannot hold --replication 3");
}

TEST(Wish, NothingThatMustBeSaidHasADefault) {
  const auto wish = parse_wish({});
  ASSERT_FALSE(wish);
  EXPECT_EQ(wish.error().size(), 4u);
}

TEST(Wish, WhatNobodySaidIsListed) {
  const auto wish = parse_wish(good());
  ASSERT_TRUE(wish);
  for (const char* const name : {"mean rate", "zones", "replication", "batch", "compression", "keys", "one partition", "flush"})
    EXPECT_TRUE(std::any_of(wish->assumptions.begin(), wish->assumptions.end(), [&](const Assumption& one) { return one.name == name; })) << name;
}

TEST(Wish, TextForPeopleHasThreeDigits) {
  EXPECT_EQ(rate_text(200e6), "200 MB/s");
  EXPECT_EQ(size_text(1.5e12), "1.5 TB");
  EXPECT_EQ(span_text(0.0042), "4.2 ms");
  EXPECT_EQ(money_text(12164.2), "12,164");
  EXPECT_EQ(number_text(1234567), "1,234,567");
  EXPECT_EQ(number_text(999.7), "1,000");
}

}  // namespace
}  // namespace harrow::size
