// A scenario as plain data: what the file said, with every default filled in, every unit resolved and every per-seed
// draw made. The reader (read.h) makes it; the cluster, workload, fault and check builders consume it and never see YAML.
// Owner: sim/scenario. May touch: the standard library only. Invariants: integers everywhere (times are nanoseconds of
// virtual time, sizes bytes, probabilities and factors millionths); names are unique within their list; whatever a
// field refers to (rack, topic, producer, group) exists.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace harrow::sim {

/// Kafka configuration by Kafka's own names; values as Kafka would read them from a properties file ("3600000", "all").
using ConfigMap = std::map<std::string, std::string, std::less<>>;

/// A distribution as data; sim/kernel/sampler.h draws from it. The unit of the values is the field's.
struct Distribution {
  enum class Shape : std::uint8_t { constant, uniform, exp, normal, lognormal, zipf };
  Shape shape = Shape::constant;
  /// constant: the value. uniform: lowest. exp, normal: mean. lognormal: median. zipf: number of items (ranks 0..a-1).
  std::int64_t a = 0;
  /// uniform: highest (included). normal: standard deviation. lognormal: sigma in millionths. zipf: exponent in millionths.
  std::int64_t b = 0;
  friend bool operator==(const Distribution&, const Distribution&) = default;
};
constexpr Distribution constant(std::int64_t value) { return {Distribution::Shape::constant, value, 0}; }

// ---- cluster ----

/// What a machine can do. `lanes` is how many CPU spends of one node run at once.
struct Hardware {
  std::string name = "default";
  std::int32_t cores = 4;
  std::int32_t lanes = 1;
  std::int64_t memory_bytes = std::int64_t{16} << 30;
  std::int64_t nic_bits_per_s = 10'000'000'000;
  std::int64_t disk_bytes_per_s = 500'000'000;
  std::int64_t disk_iops = 16'000;
  std::int64_t disk_capacity_bytes = std::int64_t{1} << 40;
  Distribution disk_read_ns = constant(100'000);
  Distribution disk_sync_ns{Distribution::Shape::lognormal, 1'000'000, 500'000};
  std::string filesystem = "ext4";  // ext4 | xfs | strict | adversarial: what a power loss may keep
  friend bool operator==(const Hardware&, const Hardware&) = default;
};

struct NodeSet {
  std::int32_t count = 3;
  std::vector<std::string> racks;  // one a node
  Hardware hardware;
  ConfigMap config;  // the cluster's config with this set's own laid over it
};

struct NetworkPlan {
  std::int64_t rtt_rack_ns = 100'000;       // two hosts of one zone
  std::int64_t rtt_zone_ns = 500'000;       // two zones of one region
  std::int64_t rtt_region_ns = 30'000'000;  // two regions
  Distribution jitter_ns{Distribution::Shape::exp, 50'000, 0};  // added to each one-way delay
  std::int64_t loss_millionths = 0;         // a lost packet is a retransmission delay
  std::int64_t bandwidth_bits_per_s = 10'000'000'000;  // of a host's link, each direction
};

struct ClockPlan {
  Distribution offset_ns = constant(0);  // of each node's wall clock at the start
  std::int64_t drift_ppb = 0;            // each node draws a rate within plus or minus this, parts per billion
};

/// Node ids: brokers are 1..count; controllers are 3001.. (combined: nodes 1..count are both).
constexpr std::int32_t first_broker_id = 1;
constexpr std::int32_t first_controller_id = 3001;

struct ClusterPlan {
  bool combined = false;  // every broker is a controller too; `controllers` then describes the same nodes
  NodeSet controllers;
  NodeSet brokers;
  std::map<std::string, std::string> zone_of_rack;
  std::map<std::string, std::string> region_of_zone;
  NetworkPlan network;
  ClockPlan clocks;
  std::int64_t start_wall_ms = 1'767'600'000'000;  // 2026-01-05T08:00:00Z

  std::int32_t broker_id(std::int32_t index) const { return first_broker_id + index; }
  std::int32_t controller_id(std::int32_t index) const { return combined ? first_broker_id + index : first_controller_id + index; }
};

struct TopicPlan {
  std::string name;
  std::int32_t partitions = 3;
  std::int16_t replication = 3;
  std::vector<std::vector<std::int32_t>> assignment;  // empty: the controller places; else broker ids per partition
  ConfigMap config;
};

// ---- workload ----

/// Recorded events: gaps, order, keys and sizes come from the file (sim/workload/replay_file.h reads it).
struct ReplayPlan {
  std::string file;  // path that opens from the current folder
  std::string time_column, key_column, size_column;  // key and size may be empty
  std::int64_t speed_millionths = 1'000'000;         // 60 = sixty times as fast as recorded
  std::int64_t time_unit_ns = 1'000'000;             // of the numbers in the time column
  bool loop = false;                                 // start again at the end
};

/// `count` producers with one job. Instance i is "name/i" and sits in racks[i].
struct ProducerPlan {
  std::string name;
  std::int32_t count = 1;
  std::vector<std::string> racks;
  std::string topic;
  std::int64_t rate_micro_per_s = 100'000'000;  // records per second of all instances together, in millionths
  enum class Arrival : std::uint8_t { poisson, even } arrival = Arrival::poisson;
  /// Every `burst_every_ns` the rate is multiplied by `burst_factor_millionths` for `burst_for_ns`; 0 = no bursts.
  std::int64_t burst_every_ns = 0, burst_for_ns = 0, burst_factor_millionths = 1'000'000;
  Distribution size_bytes = constant(512);
  /// Key numbers; a constant -1 means records without a key.
  Distribution keys{Distribution::Shape::uniform, 0, 9'999};
  Distribution key_bytes = constant(12);
  std::int64_t tombstones_millionths = 0;
  std::int64_t from_ns = 0;
  std::int64_t until_ns = -1;   // -1: until heal-and-drain near the end of the run (Scenario::produce_until_ns)
  std::int64_t records = -1;    // -1: no limit
  std::optional<ReplayPlan> replay;
  std::string preset;           // where the figures came from, "" if none
  ConfigMap client;             // Java's names: acks, linger.ms, ...
  // read off `client` for those who judge
  std::int16_t acks = -1;
  bool idempotent = true;
};

/// `count` consumers of one group. Instance i is "name/i".
struct ConsumerPlan {
  std::string name;
  std::int32_t count = 1;
  std::vector<std::string> racks;
  std::string group;
  std::vector<std::string> topics;
  Distribution work_ns = constant(0);  // application time per record
  enum class Commit : std::uint8_t { automatic, each_poll, none } commit = Commit::automatic;
  std::int64_t from_ns = 0;
  std::int64_t until_ns = -1;  // then the members leave and the group falls silent; -1: the whole run
  ConfigMap client;
};

// ---- faults ----

struct Selector {
  enum class Kind : std::uint8_t {
    broker,             // index = node id
    active_controller,
    controller,         // index = 1..count, the n-th controller
    leader,             // name = topic, index = partition
    follower,           // name = topic, index = partition; one of them, drawn
    coordinator,        // name = group: the broker that leads its partition of __consumer_offsets
    rack,               // name
    zone,               // name
    producer,           // name, index = instance or -1 for all
    consumer,           // name, index = instance or -1 for all
    any_broker,         // drawn
    minority,           // fewer than half of the controllers and of the brokers, drawn
    all,                // every broker and controller
  };
  Kind kind = Kind::any_broker;
  std::string name;
  std::int32_t index = -1;
  friend bool operator==(const Selector&, const Selector&) = default;
};
std::string to_text(const Selector& selector);

enum class FaultKind : std::uint8_t {
  kill, power_loss, stop, rolling_restart, pause, slow_cpu,
  partition, one_way, isolate, hold_api, drop_api, delay, loss, bandwidth, reset,
  slow_disk, stall_disk, full_disk, disk_error, sync_error, bit_rot, misdirect, wipe_disk,
  clock_step, clock_drift,
  move_leader, delete_topic, create_topic, add_partitions, alter_config, delete_records,
  inject, disconnect, advance_clock,
};
constexpr std::size_t fault_kinds = static_cast<std::size_t>(FaultKind::advance_clock) + 1;
/// The name in scenario files, e.g. "power-loss".
std::string_view name_of(FaultKind kind);

/// Comparison of one measure with a number: `isr(orders/0) < 3`.
struct Clause {
  enum class Measure : std::uint8_t {
    isr,                    // size of the ISR of name/index
    leader,                 // broker id that leads name/index, -1 = none
    leader_epoch,           // of name/index
    high_watermark,         // of name/index at its leader
    under_replicated,       // partitions with an ISR smaller than their replicas
    offline,                // partitions without a leader
    lag,                    // of group `name`, records
    members,                // of group `name`
    active_controller,      // node id, -1 = none
    time,                   // virtual nanoseconds
  };
  enum class Compare : std::uint8_t { less, less_equal, equal, not_equal, greater_equal, greater };
  Measure measure = Measure::time;
  std::string name;
  std::int32_t index = -1;
  Compare compare = Compare::greater;
  std::int64_t number = 0;
  friend bool operator==(const Clause&, const Clause&) = default;
};
bool holds(Clause::Compare compare, std::int64_t left, std::int64_t right);
/// All clauses must hold.
using Condition = std::vector<Clause>;
std::string to_text(const Condition& condition);

struct Fault {
  FaultKind kind = FaultKind::kill;
  // when: at a time, or when a condition becomes true (once, or each time that it becomes true again)
  std::int64_t at_ns = 0;
  Condition when;       // empty: at_ns counts. Otherwise not before at_ns
  bool once = true;
  std::int64_t for_ns = -1;  // -1: until heal (or an event without duration)
  // whom
  std::vector<Selector> targets;             // T; a list means each of them
  std::vector<std::vector<Selector>> sides;  // partition: two or more sides
  std::vector<Selector> from, to;            // one-way, drop-api, delay, loss, bandwidth; empty = everybody
  // what
  enum class Restart : std::uint8_t { after, never } restart = Restart::after;
  std::int64_t restart_after_ns = 5'000'000'000;  // kill, power-loss, stop, rolling-restart
  std::int64_t gap_ns = 5'000'000'000;            // rolling-restart: from one node back in every ISR to the next stop
  std::string profile;                            // power-loss: ext4 | xfs | strict | adversarial; "" = the hardware's
  std::int64_t factor_millionths = 1'000'000;     // slow-cpu, slow-disk
  enum class Mode : std::uint8_t { hold, drop, reset } mode = Mode::hold;  // partition, one-way, isolate
  std::string api;                                // hold-api, drop-api, inject, disconnect: Kafka's name, "Produce"
  std::int16_t api_key = -1;                      // -1: any (inject, disconnect)
  enum class Side : std::uint8_t { request, response } side = Side::request;
  Distribution delay_ns;                          // delay, hold-api: added
  std::int64_t loss_millionths = 0;               // loss
  std::int64_t bandwidth_bits_per_s = 0;          // bandwidth
  enum class Op : std::uint8_t { read, write, any } op = Op::any;  // disk-error
  enum class FileClass : std::uint8_t { any, log, index, checkpoint, quorum_state, metadata } file = FileClass::any;
  std::int32_t count = 1;                         // how many times the disk fault strikes; 0 = for its whole time
  std::int16_t code = 0;                          // inject: Kafka's number of the error
  std::string code_name;                          // and its name
  std::int64_t first_call = 1, last_call = 1;     // inject, disconnect: of the calls that match; last 0 = no end
  std::int64_t probability_millionths = 1'000'000;  // inject, disconnect: of each matching call
  bool after_commit = true;                       // disconnect: the request has taken effect
  std::int64_t by_ns = 0;                         // clock-step, may be negative; advance-clock
  std::int64_t drift_ppb = 0;                     // clock-drift, may be negative
  std::string topic;                              // move-leader, delete-topic, create-topic, add-partitions, delete-records, alter-config
  std::int32_t partition = -1;
  std::optional<Selector> new_leader;             // move-leader `to`; none = any other member of the ISR
  std::int32_t partitions = 3;                    // create-topic, add-partitions `to` (new total)
  std::int16_t replication = 3;                   // create-topic
  std::int64_t before_offset = -1;                // delete-records; -1 = the high watermark
  std::string config_key, config_value;           // alter-config; an empty value removes the key
  std::optional<std::string> config_of_broker;    // alter-config of a broker (its id) or of all ("")
  std::string position;                           // "file:line:column" of the line that asked for it
  bool drawn = false;                             // from a random phase
  std::size_t phase = 0;                          // which of them
};

struct RandomFaults {
  std::int64_t from_ns = 0;
  std::int64_t until_ns = 0;
  std::int64_t mean_gap_ns = 4'000'000'000;
  std::int32_t max_concurrent = 1;
  bool budget = true;  // false = `budget: none`
  std::vector<std::pair<FaultKind, std::int32_t>> pick;  // kinds and weights
  Distribution duration_ns{Distribution::Shape::exp, 3'000'000'000, 0};
};

// ---- checks ----

struct Slo {
  std::optional<std::int64_t> produce_p50_ns, produce_p99_ns, produce_p999_ns;
  std::optional<std::int64_t> end_to_end_p50_ns, end_to_end_p99_ns, end_to_end_p999_ns;
  std::optional<std::int64_t> unavailable_per_fault_ns, unavailable_total_ns;
  std::optional<std::int64_t> lag_at_end, lag_max;
  std::optional<std::int64_t> under_replicated_ns;  // time with any under-replicated partition
  bool empty() const;
};

struct Eventually {
  std::optional<std::int64_t> under_replicated, offline, lag;  // must be at most this
  std::int64_t within_ns = 30'000'000'000;
  std::int64_t after_ns = -1;  // -1 = heal
};

struct CheckPlan {
  std::vector<std::string> off;        // ids: "I59"
  /// no-acked-loss always runs; empty = every producer.
  std::vector<std::string> loss_producers;
  bool count_unpromised = false;       // `count: acked`: what the settings allow counts as a failure too
  Slo slo;
  std::vector<Eventually> eventually;
  std::vector<std::string> sometimes;  // marks; never reached over a swarm fails the swarm
  std::vector<std::string> reached;    // marks; not reached fails the run
  std::string expect_fails;            // name of the check that this counter-example breaks; "" = none
};

struct Scenario {
  std::string name;
  std::string description;
  std::string file;         // as given on the command line
  std::uint64_t seed = 1;   // with which draws were made
  std::vector<std::pair<std::string, std::string>> drawn;  // path and value of each `draw:`
  ClusterPlan cluster;
  std::vector<TopicPlan> topics;
  std::vector<ProducerPlan> producers;
  std::vector<ConsumerPlan> consumers;
  std::vector<Fault> faults;  // in the order of the file
  std::vector<RandomFaults> random_faults;
  CheckPlan checks;
  std::int64_t heal_ns = -1;                      // all faults end; -1 = at the end of production
  std::int64_t after_ns = 60'000'000'000;         // the run ends

  /// Producers stop early enough that consumers can drain: given, or at heal plus half of what is left.
  std::int64_t produce_until_ns() const;
  std::int64_t heal_at_ns() const { return heal_ns >= 0 ? heal_ns : produce_until_ns(); }
  const TopicPlan* topic(std::string_view name) const;
};

}  // namespace harrow::sim
