// A cluster for tests of the client: in-memory logs with the leader's checks that matter to a client (epochs, producer
// sequences, log ends), the real group shard, and a network of fixed delay. A test scripts trouble through `meddle`.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/async/wait.h"
#include "core/group/shard.h"
#include "core/host/host.h"
#include "core/model/record_batch.h"
#include "core/wire/fetch_response.h"
#include "core/wire/frame.h"
#include "core/wire/produce_request.h"
#include "core/wire/produce_response.h"
#include "sim/kernel/kernel.h"

namespace harrow::test {

constexpr std::int64_t delay_ns = ns_per_ms;

/// What becomes of one request.
struct Meddling {
  enum What { nothing, lose_request, lose_answer, stay_silent } what = nothing;
  Code code = Code::none;       // answer this instead of doing it (produce, fetch: for each partition)
  bool do_it_anyway = false;    // do it and answer the code all the same
};

class FakeConnection;

class FakeCluster final : public Network {
 public:
  struct Entry {
    std::int32_t first = 0, last = 0;
    Offset offset;
  };
  struct Log {
    NodeId leader{1};
    LeaderEpoch epoch{0};
    std::vector<Bytes> batches;
    Offset start{0}, end{0};
    std::map<std::int32_t, std::int64_t> epoch_ends;  // of finished epochs
    struct Producer {
      std::int16_t epoch = -1;
      std::deque<Entry> last;
    };
    std::map<std::int64_t, Producer> producers;
  };

  FakeCluster();
  ~FakeCluster() override;

  void create_topic(const std::string& name, std::int32_t partitions);
  Log& log(const std::string& topic, std::int32_t partition) { return logs.at(TopicPartition{topic, partition}); }
  /// Another leader under the next epoch; its log ends at `cut_to` if that is given.
  void move_leader(const std::string& topic, std::int32_t partition, NodeId to, std::optional<Offset> cut_to = std::nullopt);
  /// Values of a log, in order ("-" for a control batch).
  std::vector<std::string> values(const std::string& topic, std::int32_t partition);
  void append_control_batch(const std::string& topic, std::int32_t partition);
  /// Number of requests of this API that arrived.
  int count(wire::ApiKey api) const;
  void run_ms(std::int64_t ms) { kernel.run_until(kernel.now_ns() + ms * ns_per_ms); }
  bool run_until(const std::function<bool()>& done, std::int64_t limit_ms = 120'000);

  Result<bool> listen(std::uint16_t, AcceptHandler) override { return true; }

  sim::Kernel kernel;
  std::int32_t brokers = 2;
  std::map<std::string, Uuid> topics;
  std::map<TopicPartition, Log> logs;
  std::vector<std::pair<wire::ApiKey, std::string>> journal;
  std::set<std::int32_t> down;  // brokers that refuse connections
  std::int16_t newest_api_versions = 4;
  std::function<Meddling(std::int32_t broker, wire::ApiKey api, const std::string& line)> meddle;
  group::Shard shard{0, group::Config()};
  std::int64_t next_producer_id = 1000;

 private:
  friend class FakeConnection;
  void start_connect(const Endpoint& to, Completion<Result<ConnectionPtr>>& done) override;
  void arrived(std::uint64_t connection, Bytes frame);
  void handle(std::uint64_t connection, Bytes frame);
  void answer(std::uint64_t connection, Bytes frame, bool lose);
  void reset(std::uint64_t connection);
  void serve_fetch(std::uint64_t connection, std::int32_t correlation, std::int16_t version, Bytes frame, std::int64_t until_ns, Meddling meddling);
  Code append(Log& log, const Bytes& records, Offset& base);
  const std::string& name_of_topic(const Uuid& id) const;
  void shard_outcome(group::Outcome outcome);
  void arm_shard();
  group::Now now() const { return group::Now{WallMs(kernel.now_ns() / ns_per_ms + 1'700'000'000'000), MonoNs(kernel.now_ns())}; }

  struct Peer {
    FakeConnection* connection = nullptr;
    std::int32_t broker = 0;
    std::deque<Bytes> inbox;
    bool busy = false;
    struct Session {
      std::int32_t id = 0, epoch = 0;
      std::map<TopicIdPartition, std::pair<std::int64_t, std::int32_t>> partitions;
    };
    Session session;
  };
  std::map<std::uint64_t, Peer> peers_;
  std::map<group::Ticket, std::function<void(const group::Body&)>> tickets_;
  std::uint64_t next_peer_ = 1;
  group::Ticket next_ticket_ = 1;
  std::int32_t next_session_ = 1;
  Random random_{7};
};

/// A client's machine.
class FakeMachine {
 public:
  FakeMachine(FakeCluster& cluster, std::uint16_t node);
  Host& host() { return host_; }

 private:
  struct FixedClock final : Clock {
    explicit FixedClock(sim::Kernel& k) : kernel(k) {}
    WallMs wall() const override { return WallMs(1'700'000'000'000 + kernel.now_ns() / ns_per_ms); }
    MonoNs mono() const override { return MonoNs(kernel.now_ns()); }
    sim::Kernel& kernel;
  };
  struct FreeCpu final : Cpu {
    void start_spend(Work, std::uint64_t, Completion<bool>& done) override { done.complete(true); }
  };
  struct NoDisk final : Disk {
    Result<FilePtr> open(std::string_view, OpenMode) override { return error(Code::not_found); }
    Result<std::vector<std::string>> list(std::string_view) override { return std::vector<std::string>(); }
    bool exists(std::string_view) override { return false; }
    Result<bool> rename(std::string_view, std::string_view) override { return true; }
    Result<bool> remove(std::string_view) override { return true; }
    Result<bool> make_folder(std::string_view) override { return true; }
    void start_sync_dir(const std::string&, Completion<Result<bool>>& done) override { done.complete(true); }
    void start_room(std::uint64_t, Completion<Result<bool>>& done) override { done.complete(true); }
  };
  FixedClock clock_;
  FreeCpu cpu_;
  NoDisk disk_;
  ReadyQueue queue_;

 public:
  Scope scope;  // before what it runs; tests start roots here

 private:
  Host host_;
};

}  // namespace harrow::test
