#include <gtest/gtest.h>
#include <unistd.h>
#include <zstd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "sim/scenario/run_json.h"
#include "sim/shrink/shrink.h"
#include "sim/trace/collector.h"
#include "sim/trace/report_html.h"
#include "sim/trace/results.h"

namespace harrow::sim {
namespace {

constexpr std::int64_t ms = 1'000'000;

SendNote sent(std::int64_t sequence, std::int64_t offset, std::int16_t acks = -1) {
  SendNote note{};
  note.producer = "shop/0";
  note.topic = "orders";
  note.partition = 0;
  note.acks = acks;
  note.sequence = sequence;
  note.value_hash = 1000 + static_cast<std::uint64_t>(sequence);
  note.offset = Offset(offset);
  return note;
}
ConsumeNote consumed(std::int64_t sequence, std::int64_t offset) {
  ConsumeNote note{};
  note.group = "billing";
  note.member = "billing/0";
  note.topic = "orders";
  note.partition = 0;
  note.offset = Offset(offset);
  note.value_hash = 1000 + static_cast<std::uint64_t>(sequence);
  return note;
}
template <class Note>
void tell(TraceListener& listener, TraceKind kind, std::int64_t time_ns, const Note& note, std::int64_t a = 0, std::int64_t b = 0) {
  listener.on_event(TraceEvent{kind, 0, 0, time_ns, a, b}, &note);
}

TEST(Collector, MeasuresLatencyLagAndHowLongProducersWaited) {
  Collector collector(CollectorSetup{{{"orders", 1}}, 1000 * ms, true});
  collector.fault_began(100 * ms, 1, "kill", "broker(1)");
  tell(collector, TraceKind::send_invoked, 10 * ms, sent(0, -1));
  tell(collector, TraceKind::send_acked, 14 * ms, sent(0, 0));
  tell(collector, TraceKind::send_invoked, 50 * ms, sent(1, -1));
  tell(collector, TraceKind::send_invoked, 900 * ms, sent(2, -1));
  tell(collector, TraceKind::send_acked, 3050 * ms, sent(1, 1));
  collector.fault_ended(2000 * ms, 1);
  tell(collector, TraceKind::send_acked, 3051 * ms, sent(2, 2));
  EXPECT_EQ(collector.lag_now(), 0);  // nobody has read yet
  tell(collector, TraceKind::record_consumed, 3100 * ms, consumed(0, 0));
  EXPECT_EQ(collector.lag_now(), 2);
  tell(collector, TraceKind::record_consumed, 3110 * ms, consumed(1, 1));
  tell(collector, TraceKind::record_consumed, 3110 * ms, consumed(2, 2));
  tell(collector, TraceKind::record_consumed, 3120 * ms, consumed(1, 1));  // delivered again: neither lag nor latency
  EXPECT_EQ(collector.lag_now(), 0);
  EXPECT_EQ(collector.lag_max(), 3);
  EXPECT_EQ(collector.acked(), 3);
  EXPECT_EQ(collector.end_to_end_ns().count(), 3);
  collector.finish(4000 * ms);
  EXPECT_EQ(collector.unavailable_max_ns(), 3000 * ms);
  ASSERT_EQ(collector.faults().size(), 1u);
  EXPECT_EQ(collector.faults()[0].unavailable_ns, 2950 * ms);  // from the fault on
  ReportData report;
  collector.fill(report);
  EXPECT_EQ(report.path.sequence, 0);
  EXPECT_EQ(report.path.steps.front().what, "produced");
  EXPECT_EQ(report.lag.size(), 1u);
  EXPECT_FALSE(report.metrics.empty());
}

TEST(Collector, CountsElectionsShrinksAndUnderReplicatedTime) {
  Collector collector(CollectorSetup{});
  const std::int32_t three[] = {1, 2, 3}, two[] = {2, 3};
  collector.partition_changed(0, "orders", 0, 1, 0, three, 3);
  collector.partition_changed(1000 * ms, "orders", 0, 2, 1, two, 3);
  collector.partition_changed(5000 * ms, "orders", 0, 2, 1, three, 3);
  collector.finish(9000 * ms);
  EXPECT_EQ(collector.elections(), 1);
  EXPECT_EQ(collector.isr_shrinks(), 1);
  EXPECT_EQ(collector.under_replicated_max(), 1);
  EXPECT_EQ(collector.under_replicated_ns(), 4000 * ms);
  ReportData report;
  collector.fill(report);
  ASSERT_EQ(report.partitions.size(), 1u);
  EXPECT_EQ(report.partitions[0].leaders.size(), 2u);
  EXPECT_EQ(report.partitions[0].isrs.back().until_ns, 9000 * ms);
  const std::string html = report_html(report, {"fail", "text <&>", "headline"});
  EXPECT_NE(html.find("orders/0"), std::string::npos);
  EXPECT_NE(html.find("text &lt;&amp;&gt;"), std::string::npos);
  EXPECT_EQ(html.find("http"), std::string::npos);  // one file, no network
}

TEST(Report, ShowsUsersTopicsFirstAndFoldsInternalOnes) {
  ReportData report;
  report.end_ns = 1000 * ms;
  for (const char* topic : {"__consumer_offsets", "orders"}) {
    PartitionTimeline timeline;
    timeline.topic = topic;
    timeline.replicas = 3;
    report.partitions.push_back(timeline);
  }
  const std::string html = report_html(report, {"pass", "", ""});
  const std::size_t folded = html.find("<details>");
  EXPECT_LT(html.find("orders/0"), folded);
  ASSERT_NE(folded, std::string::npos);
  EXPECT_GT(html.find("__consumer_offsets/0"), folded);
  EXPECT_LT(html.find("__consumer_offsets/0"), html.find("</details>"));
}

RunResult example() {
  RunResult r;
  r.verdict = Verdict::fail;
  r.scenario = "lose-a-message";
  r.seed = UINT64_MAX;
  r.trace_hash = 0xfedcba9876543210;
  r.version = "0.1.0";
  r.virtual_ns = 60'000'000'001;
  r.wall_ns = 123 * ms;
  r.records = {1000, 900, 800, 790, 0, 37, 0, 2, 37, 0};
  r.checks = {{"I13", "no-acked-loss", 900, 1}, {"I59", "send-inversion", 0, 0}};
  r.sometimes = {{"leader-changed", 3}, {"truncated", 0}};
  r.faults = {{"partition", "rack:a", 10'000 * ms, -1, 1234 * ms}};
  r.produce = {10, 4 * ms, 40 * ms, 400 * ms};
  r.failure = Failure{"no-acked-loss", "I13", FailureKind::safety, 12'500 * ms, "broker-1", "orders", 0, 4821, "record 77 of \"shop/0\"\nis gone", "harrow run x.yaml --seed 7"};
  return r;
}

TEST(RunJson, ReadsBackWhatItWrites) {
  const RunResult r = example();
  const auto again = parse_run_json(to_json(r));
  ASSERT_TRUE(again);
  EXPECT_EQ(to_json(*again), to_json(r));
  EXPECT_EQ(again->trace_hash, r.trace_hash);
  EXPECT_EQ(again->virtual_ns, r.virtual_ns);
  EXPECT_EQ(again->failure->message, r.failure->message);
  for (const std::string_view broken : {"", "{", "[]", "{\"verdict\": 3}", "null"}) EXPECT_FALSE(parse_run_json(broken));
}

TEST(RunJson, TheTextSaysWhatThePromiseWas) {
  const std::string text = to_text(example(), false);
  EXPECT_NE(text.find("acks=all: 0 lost. acks=1: 37 lost, as its settings allow."), std::string::npos);
  EXPECT_NE(text.find("not reached"), std::string::npos);
  EXPECT_NE(text.find("FAIL  lose-a-message"), std::string::npos);
}

class Folder : public ::testing::Test {
 protected:
  void SetUp() override { root_ = (std::filesystem::temp_directory_path() / ("harrow-results-" + std::to_string(::getpid()))).string(); }
  void TearDown() override { std::filesystem::remove_all(root_); }
  static std::string text_of(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
  }
  std::string root_;
};

TEST_F(Folder, IsNamedAfterScenarioTimeAndSeedAndLinked) {
  RunFolder folder, second;
  ASSERT_TRUE(folder.make(root_, "", "first-light", 7, 1'767'600'000));
  EXPECT_EQ(folder.path(), root_ + "/first-light/20260105T080000Z-s7");
  ASSERT_TRUE(second.make(root_, "", "first-light", 7, 1'767'600'000));
  EXPECT_NE(second.path(), folder.path());
  ASSERT_TRUE(folder.write("run.json", "{}\n"));
  folder.link(true);
  second.link(false);
  EXPECT_EQ(text_of(root_ + "/latest-failed/run.json"), "{}\n");
  EXPECT_FALSE(std::filesystem::exists(root_ + "/latest/run.json"));
  EXPECT_FALSE(std::filesystem::exists(folder.file("run.json.part")));
}

TEST_F(Folder, AFullDiskLeavesWholeLinesAndIsSaid) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP();
  LineFile file;
  ASSERT_TRUE(file.open("/dev/full"));
  for (int i = 0; i < 10'000; ++i) file.write("a line that does not fit");
  EXPECT_TRUE(file.failed());
  EXPECT_FALSE(file.close());
}

TEST_F(Folder, EventsAreCompressedLinesAndLogs) {
  std::filesystem::create_directories(root_);
  {
    EventWriter writer;
    ASSERT_TRUE(writer.open(root_ + "/events.jsonl.zst", root_ + "/logs"));
    writer.name_nodes({"broker-1", "shop/0"});
    writer.name_subjects([](std::uint32_t) { return std::string("orders-0"); });
    for (int i = 0; i < 20'000; ++i) writer.on_event(TraceEvent{TraceKind::appended, static_cast<std::uint16_t>(i % 2), 1, i * ms, i, i}, nullptr);
    EXPECT_TRUE(writer.close());
  }
  const std::string packed = text_of(root_ + "/events.jsonl.zst");
  std::string text(8 << 20, '\0');
  ZSTD_DCtx* const context = ZSTD_createDCtx();
  ZSTD_inBuffer in{packed.data(), packed.size(), 0};
  ZSTD_outBuffer out{text.data(), text.size(), 0};
  while (in.pos < in.size && ZSTD_isError(ZSTD_decompressStream(context, &out, &in)) == 0) {
  }
  ZSTD_freeDCtx(context);
  text.resize(out.pos);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 20'000);
  EXPECT_EQ(text.substr(0, text.find('\n')), R"x({"t_s":0.000000000,"node":"broker-1","event":"appended","subject":"orders-0","base_offset":0,"last_offset":0})x");
  EXPECT_TRUE(std::filesystem::exists(root_ + "/logs/shop-0.log"));
}

TEST(Shrink, FindsTheSmallestSetThatStillFails) {
  std::size_t trials = 0;
  const auto kept = smallest_failing(40, [&](const std::vector<std::size_t>& parts) {
    ++trials;
    return std::count(parts.begin(), parts.end(), 7u) + std::count(parts.begin(), parts.end(), 31u) == 2;
  }, 1000);
  EXPECT_EQ(kept, (std::vector<std::size_t>{7, 31}));
  EXPECT_LT(trials, 80u);
  EXPECT_TRUE(smallest_failing(5, [](const auto&) { return true; }, 100).empty());
  EXPECT_EQ(smallest_failing(5, [](const auto& parts) { return parts.size() == 5; }, 100).size(), 5u);
  EXPECT_EQ(smallest_failing(5, [](const auto&) { return false; }, 0).size(), 5u);
}

}  // namespace
}  // namespace harrow::sim
