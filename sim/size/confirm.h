// Confirmation: the recommended design run in the simulator, with the real broker and client code on that hardware.
//
// Scale. What is simulated is the design itself or a part that is not easier to hold than the whole:
// - batch level: one simulated record stands for a whole batch, with the batch's bytes; the processor pays per batch.
// - bytes: one simulated byte may stand for several. Links and disks shrink alike, so every
//   time stays what it was; headers do not shrink, so there is a little more of them.
// - brokers: a part of the cluster with its part of the load. Each broker carries what it would in the whole; losing one of
//   fewer brokers, or an equal zone, weighs at least as much.
// - thinner machines: where that is still too much, every machine and the load are divided by one number. A server cut
//   into slower ones is never faster, so latencies come out too high, never too low.
// Logs begin empty: retention, cold reads and rebuilding are judged by the equations only.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "sim/scenario/scenario.h"
#include "sim/size/design.h"

namespace harrow::size {

struct Scale {
  double brokers = 3;      // simulated
  double share = 1;        // of the design's brokers
  double thin = 1;         // machines and load divided by this
  double byte = 1;         // bytes that one simulated byte stands for
  double partitions = 3, groups = 0, producers = 1;
  std::int64_t cpu_factor = 1;  // of the simulator's processor costs
  std::vector<std::string> notes;
};

/// One run, at a multiple of the wished rate.
struct Step {
  double multiple = 1;
  std::uint64_t seed = 1;
  bool held = false;
  std::string why;              // what did not hold
  double sent_share = 0;        // acknowledged in time, of what was asked for
  double produce_p50_s = 0, produce_p99_s = 0, end_to_end_p50_s = 0, end_to_end_p99_s = 0;
  double behind_share = 0;      // of records, unread for more than a second
  double cpu = 0, net_in = 0, net_out = 0, disk = 0;  // of the busiest broker, share of what it has
  double wall_s = 0;
};

/// Something was taken away at the peak.
struct Loss {
  std::string what;             // "broker", "zone", "rolling restart", "slow disk"
  bool held = false;
  std::string why;
  Step after;                   // once a new leader is there
  double longest_wait_s = 0;    // of any record
  std::int64_t lost = 0;        // acknowledged and gone
  std::int64_t acked = 0;
};

struct Confirmed {
  bool held = false;
  Scale scale;
  std::vector<Step> ladder;     // in the order of rate
  double knee = 0;              // payload bytes/s of the whole cluster: the highest rate that held
  double past = 0;              // the lowest rate that did not; 0: none was tried
  std::string gave_way;         // the resource that was used up past the knee
  std::vector<Step> seeds;      // the wished rate under each seed
  std::vector<Loss> losses;
  std::vector<std::string> differences;  // where equations and simulation are more than 15 % apart
  double wall_s = 0;
  bool interrupted = false;
};

struct ConfirmOptions {
  bool thorough = false;        // five seeds, a finer knee, a rolling restart and a slow disk
  std::uint64_t seed = 1;
  double batches_most = 4000;   // a second, simulated: more are cut down by scale
  std::function<std::int64_t()> wall_ns;
  std::function<bool(const std::string&)> say;  // progress; false: stop
};

Scale scale_of(const Wish& wish, const Design& design, double batches_most);
/// The simulated cluster and its clients at a multiple of the wished rate, as a scenario file. `without_zone`: clients stay
/// out of the zone that will be lost.
std::string scenario_text(const Wish& wish, const Design& design, const Scale& scale, double multiple, double until_s, bool without_zone, const std::string& faults);
/// The same, ready to run. What no file says (links, dirty pages, processor) is set up when a run begins.
sim::Scenario scenario_of(const Wish& wish, const Design& design, const Scale& scale, double multiple, double until_s, bool without_zone, const std::string& faults);

Step run_step(const Wish& wish, const Design& design, const Scale& scale, double multiple, std::uint64_t seed, const ConfirmOptions& options);
enum class LossOf : std::uint8_t { broker, zone, rolling_restart, slow_disk };
Loss run_loss(const Wish& wish, const Design& design, const Scale& scale, LossOf what, std::uint64_t seed, const ConfirmOptions& options);

Confirmed confirm(const Wish& wish, const Design& design, const ConfirmOptions& options);

}  // namespace harrow::size
