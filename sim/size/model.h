// The equations: what a traffic asks of each broker, and how much of what a machine has that is: now, with a broker lost,
// with a zone lost. Pure arithmetic on Eigen arrays: a row a constraint, a column a state.
//
// Symbols: W log bytes/s of one copy, r copies, F bytes consumed per byte produced, B brokers, k the fullest broker's load
// over the mean. Per broker: in k*W*r/B, out k*W*(r-1+F)/B, disk k*1.05*W*r/B. After the loss of a zone of A zones, r(A-1)/A
// copies stand on B(A-1)/A brokers: in and disk stay as they are, out grows, since the same consumers read from fewer.
#pragma once

#include <Eigen/Core>
#include <array>
#include <string>
#include <string_view>

#include "sim/size/hardware.h"
#include "sim/size/wish.h"

namespace harrow::size {

enum class Constraint : std::uint8_t { net_in, net_out, disk_write, disk_iops, disk_read, sync, cpu, space, cache, replicas, hot_partition };
constexpr int constraints = static_cast<int>(Constraint::hot_partition) + 1;
std::string_view name_of(Constraint constraint);
/// "network, into a broker"
std::string_view words_of(Constraint constraint);

enum class State : std::uint8_t { now, broker_lost, zone_lost };
constexpr int states = 3;

/// A row a constraint, a column a State.
using Table = Eigen::Array<double, constraints, states>;

/// How the keys spread: seeded placement of what the wish says about keys.
struct Spread {
  double broker_skew = 1.05;     // the fullest broker's load over the mean
  double partition_share = 0;    // of all bytes, in the fullest partition
  double hot_key_share = 0;      // of all bytes, of the most frequent key
};
Spread spread_of(const Wish& wish, double partitions, double brokers);

/// What is bought for each broker's logs.
struct Storage {
  bool local = false;
  double size = 0;        // bytes of one broker
  double iops = 0;
  double throughput = 0;  // bytes/s
  double read_s = 0, sync_s = 0;
  double month = 0;       // price of one broker's
  std::int32_t volumes = 0;
};

struct Candidate {
  const Machine* machine = nullptr;
  const CpuCosts* costs = nullptr;
  double brokers = 3;
  double clusters = 1;
  double partitions = 3;
  Storage storage;
  Spread spread;
};

/// Per broker, in each state: bytes/s and operations/s (not yet divided by what the machine has).
struct Demand {
  Eigen::Array<double, 1, states> brokers, copies;
  Eigen::Array<double, 1, states> net_in, net_out, disk_write, disk_read, iops, cpu_cores, produce_requests, fetch_requests, flushes;
  double space = 0;          // bytes on one broker
  double cache_s = 0;        // how long a record stays in the page cache
  double rebuild_s = 0;      // to copy a lost broker's data onto the others; 0: nowhere to
  double mean_service_s = 0; // of one spend of processor time
};
Demand demand_of(const Wish& wish, const Candidate& candidate);

/// Shares of what there is (1 = all of it); `limit_of` is what is allowed. A state that the design cannot be in is NaN.
Table utilisation_of(const Wish& wish, const Candidate& candidate, const Demand& demand);
double limit_of(Constraint constraint, const Machine& machine);
/// Whether this state must be within the limits.
bool counts(const Wish& wish, State state);

struct Verdict {
  bool holds = false;
  Constraint binding = Constraint::net_in;
  State state = State::now;
  double worst = 0;  // its utilisation over its limit
};
Verdict judge(const Wish& wish, const Candidate& candidate, const Table& table);

/// Latency by stations in a row: network, processor (Allen-Cunneen), the followers' fetch, the disk if flushed. To prune only.
struct Latency {
  double produce_p50_s = 0, produce_p99_s = 0, end_to_end_p50_s = 0, end_to_end_p99_s = 0;
  double quantile(const Objective& objective) const;
};
Latency latency_of(const Candidate& candidate, const Demand& demand, const Wish& wish, State state);
/// Mean wait in a station of `servers`, each `service_s` a job, at this utilisation; squared CoVs of gaps and services.
double waiting_s(double utilisation, double servers, double service_s, double gaps_scv = 1, double service_scv = 1);

struct Cost {
  double machines = 0, storage = 0, cross_zone = 0;  // a month
  double produce_zone = 0, replication_zone = 0, consume_zone = 0;  // what makes cross_zone up
  double total() const { return machines + storage + cross_zone; }
};
Cost cost_of(const Wish& wish, const Candidate& candidate);
/// The least partitions for this wish on so many brokers.
double partitions_for(const Wish& wish, double brokers);
/// The cheapest storage of one broker that carries this demand within the limits; size 0 if the machine cannot.
Storage storage_for(const Machine& machine, double space, double bytes_a_second, double iops);

// Other people's rules for the same wish, for comparison.
/// AWS's equation: most cluster throughput for B brokers of these limits (bytes/s each), r copies, g groups.
double aws_throughput(double brokers, double replication, double groups, double storage, double ebs, double net);
/// Google's: processors of a managed cluster at a target utilisation (produce, consume bytes/s).
double google_vcpus(double produce, double consume, double replication, double utilisation);
/// Alibaba's, Confluent edition.
double alibaba_brokers(double ingress, double fan_out, double replication);

}  // namespace harrow::size
