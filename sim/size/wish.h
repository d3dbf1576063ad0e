// Sizing: from a traffic and a wish ("survive a zone, p99 below 50 ms") to machines, their count and their price.
// Purpose: `harrow size`. Owner: sim/size. It may touch sim/scenario (units, YAML, runs) and Eigen; the equations
// (model.h, design.h) are pure. Invariants: every number that was not asked for is an assumption that the answer lists;
// hardware, prices and processor costs are data (profiles/*.yaml and files of the user), never constants of the code;
// nothing that is missing becomes a silent default.
//
// Units inside: bytes, seconds, bytes/s as doubles. This is arithmetic about runs, no part of a run: no trace hash
// depends on it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

namespace harrow::size {

enum class Survive : std::uint8_t { none, broker, zone };
std::string_view name_of(Survive survive);

/// A latency that must hold: `produce-p99=50ms`.
struct Objective {
  enum class Of : std::uint8_t { produce, end_to_end };
  Of of = Of::produce;
  double quantile = 0.99;
  double limit_s = 0;
  std::string text;  // "produce-p99=50ms"
};

/// What was taken as given because nobody said otherwise, or said so: shown with every answer.
struct Assumption {
  std::string name;   // "batch"
  std::string value;  // "16 KiB"
  std::string why;    // "batch.size, full; --batch changes it"
};

struct Wish {
  double ingress = 0;         // payload bytes/s at the peak
  double mean_ingress = 0;    // over a month: storage and transfer are billed by it
  double record = 0;          // payload bytes of a record
  double egress = 0;          // bytes consumed per byte produced
  double retention_s = 0;
  Survive survive = Survive::zone;
  std::int32_t zones = 3;
  std::int32_t replication = 3;
  std::int32_t min_isr = 2;
  std::vector<Objective> objectives;

  double batch = 16384;         // bytes of payload that come to a partition in one batch, before compression
  double compression = 1;       // by how much producers make batches smaller
  double rewind_s = 0;          // how far behind a group may be that catches up during the peak; 0: nobody reads old data
  double catch_up = 1;          // at how many times its rate such a group reads
  bool rack_aware = false;      // consumers fetch from a replica in their zone
  bool flush = false;           // each batch is flushed before it is answered
  std::int32_t partitions = 0;  // 0: chosen
  std::int32_t consumers = 0;   // members of the largest group; 0: as many as the partition rate needs
  double partition_rate = 10e6; // bytes/s that one partition takes or one consumer reads
  double key_alpha = 0;         // Zipf exponent of the keys; 0 with keys > 0: uniform
  double keys = 0;              // distinct keys; 0: none, batches go where there is room
  std::int32_t most_brokers = 0;  // 0: no wish
  double segment = 1073741824;    // log.segment.bytes

  std::vector<Assumption> assumptions;
  std::string title;   // preset, file or nothing
  std::string source;  // where a preset's figures come from

  double records_a_batch() const;
  /// Bytes of one batch in the log: the format's header and per-record framing included.
  double batch_log_bytes() const;
  /// Log bytes/s of one copy, at the peak and in the mean.
  double log_rate() const;
  double mean_log_rate() const;
  double batches_a_second() const { return log_rate() / batch_log_bytes(); }
};

/// Options as given on the command line or in a preset: name ("ingress") and text ("200MB/s").
using WishOptions = std::vector<std::pair<std::string, std::string>>;

/// Every name that parse_wish knows.
const std::vector<std::string_view>& wish_option_names();
/// All mistakes at once, one line each; contradictions are mistakes.
tl::expected<Wish, std::vector<std::string>> parse_wish(const WishOptions& options);

// The units, each with a message that says what was expected.
template <class T>
using Asked = tl::expected<T, std::string>;
Asked<double> parse_byte_rate(std::string_view text);    // "200MB/s", also "1.6Gbps"
Asked<double> parse_size(std::string_view text);         // "1KiB"
Asked<double> parse_seconds(std::string_view text);      // "3d"
Asked<double> parse_times(std::string_view text);        // "3x"
Asked<Objective> parse_objective(std::string_view text); // "produce-p99=50ms"

// For people.
std::string rate_text(double bytes_a_second);  // "200 MB/s"
std::string size_text(double bytes);           // "1.5 TB"
std::string span_text(double seconds);         // "3 d", "52 s"
std::string money_text(double amount);         // "12,164"
std::string number_text(double value);         // three significant digits, thousands separated

}  // namespace harrow::size
