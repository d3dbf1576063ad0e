// inject, disconnect, advance-clock: what clients are told, how often, and what took effect.
#include "stage.h"

namespace harrow::sim {
namespace {

constexpr auto produce_key = static_cast<std::int64_t>(wire::ApiKey::produce);

/// Answers of one API with an error at their top or in a partition, by code.
class Answers final : public TraceListener {
 public:
  explicit Answers(std::int64_t api) : api_(api) {}
  void on_event(const TraceEvent& event, const void*) override {
    if (event.kind == TraceKind::response_sent && event.a == api_) ++codes[event.b];
    if (event.kind == TraceKind::produce_answered) ++appends;
  }
  std::map<std::int64_t, int> codes;
  int appends = 0;

 private:
  std::int64_t api_;
};

TEST(ProtocolFaults, inject_answers_so_many_requests_with_the_error_and_serves_none_of_them) {
  Answers produce(produce_key);
  Stage stage({"{ at: 10s, inject: NOT_LEADER_OR_FOLLOWER, api: Produce, calls: 3 }"});
  stage.kernel.listen_all(produce);
  stage.until(9);
  EXPECT_EQ(produce.codes[6], 0);
  stage.until(20);
  EXPECT_EQ(produce.codes[6], 3);
  EXPECT_EQ(stage.fault().target, "controller-1,broker-1,broker-2,broker-3");
  EXPECT_GT(stage.fault().until_ns, 10 * second) << "it ends with its last call";
  EXPECT_LT(stage.fault().until_ns, 20 * second);
  stage.until(30);
  EXPECT_EQ(produce.codes[6], 3);
  const int answered = produce.codes[0];
  stage.until(40);
  EXPECT_GT(produce.codes[0], answered) << "the producer has tried again and goes on";
}

TEST(ProtocolFaults, calls_may_begin_with_a_later_request) {
  std::vector<std::int64_t> codes;
  struct Order final : TraceListener {
    explicit Order(std::vector<std::int64_t>& codes) : codes(codes) {}
    void on_event(const TraceEvent& event, const void*) override {
      if (event.kind == TraceKind::response_sent && event.a == produce_key && event.time_ns >= 10 * second) codes.push_back(event.b);
    }
    std::vector<std::int64_t>& codes;
  } order(codes);
  Stage stage({"{ at: 10s, inject: REQUEST_TIMED_OUT, api: Produce, calls: 2..3 }"});
  stage.kernel.listen_all(order);
  stage.until(15);
  ASSERT_GE(codes.size(), 4u);
  EXPECT_EQ(codes[0], 0);
  EXPECT_EQ(std::count(codes.begin(), codes.end(), 7), 2);
}

TEST(ProtocolFaults, inject_for_a_time_strikes_every_request_of_one_broker) {
  Answers produce(produce_key);
  Stage stage({"{ at: 10s, for: 5s, inject: NOT_LEADER_OR_FOLLOWER, api: Produce, target: leader(orders/0) }"});
  stage.kernel.listen_all(produce);
  stage.until_ms(10'500);
  const int before = produce.codes[0];
  stage.until_ms(14'990);
  EXPECT_LE(produce.codes[0] - before, 0);
  EXPECT_GT(produce.codes[6], 5);
  stage.until(30);
  EXPECT_GT(produce.codes[0], before);
  EXPECT_EQ(stage.fault().until_ns, 15 * second);
}

TEST(ProtocolFaults, an_injected_reset_of_offsets_makes_a_consumer_begin_anew) {
  Stage stage({"{ at: 10s, inject: OFFSET_OUT_OF_RANGE, api: Fetch, calls: 1 }"});
  stage.until_ms(9'990);
  EXPECT_EQ(stage.count(TraceKind::position_reset), 1) << "its first position";
  stage.until(20);
  EXPECT_EQ(stage.count(TraceKind::position_reset), 2);
}

TEST(ProtocolFaults, followers_are_not_told_what_is_meant_for_clients) {
  Stage stage({"{ at: 10s, for: 20s, inject: NOT_LEADER_OR_FOLLOWER, api: Fetch }"});
  stage.until(29);
  EXPECT_EQ(stage.isr(), 3u) << "replication goes on";
}

TEST(ProtocolFaults, a_disconnect_after_the_append_makes_the_retry_a_duplicate_that_is_not_stored_twice) {
  Answers produce(produce_key);
  Stage stage({"{ at: 10s, disconnect: leader(orders/0), api: Produce, after: commit }"});
  stage.kernel.listen_all(produce);
  stage.until_ms(9'990);
  EXPECT_EQ(stage.count(TraceKind::duplicate_answered), 0);
  stage.until(20);
  EXPECT_EQ(stage.count(TraceKind::duplicate_answered), 1);
}

TEST(ProtocolFaults, a_disconnect_before_the_request_changes_nothing) {
  Stage stage({"{ at: 10s, disconnect: leader(orders/0), api: Produce, after: request }"});
  stage.until(20);
  EXPECT_GT(stage.fault().until_ns, 0);
  EXPECT_EQ(stage.count(TraceKind::duplicate_answered), 0);
  EXPECT_GT(stage.acked(), 400);
}

TEST(ProtocolFaults, advance_clock_makes_sessions_due) {
  // The controller's clock jumps over the brokers' session time-out: it fences them, and they come back.
  Stage stage({"{ at: 10s, advance-clock: controller(1), by: 60s }"});
  stage.until_ms(9'990);
  const std::int64_t fenced = stage.count(TraceKind::broker_fenced);
  stage.until(11);
  EXPECT_GT(stage.count(TraceKind::broker_fenced), fenced);
  stage.until(40);
  EXPECT_EQ(stage.isr(), 3u);
}

}  // namespace
}  // namespace harrow::sim
