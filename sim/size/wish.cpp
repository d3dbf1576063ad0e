#include "sim/size/wish.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "sim/scenario/tree.h"
#include "sim/scenario/units.h"

namespace harrow::size {
namespace {

// Format v2: a header a batch, and about that much framing a record (lengths, deltas, an empty key and no headers).
constexpr double batch_header_bytes = 61;
constexpr double record_frame_bytes = 10;
constexpr double payload_rate_most = 1e15;

std::string quoted(std::string_view text) { return "'" + std::string(text) + "'"; }

Asked<double> positive(Asked<double> value, std::string_view text, bool zero_is_good = false) {
  if (!value) return value;
  if (*value < 0) return tl::unexpected<std::string>("must not be negative: " + quoted(text));
  if (*value == 0 && !zero_is_good) return tl::unexpected<std::string>("must be more than nothing: " + quoted(text));
  return value;
}

Asked<std::int32_t> parse_count(std::string_view text, std::int32_t least, std::int32_t most) {
  const auto value = sim::parse_integer(text);
  if (!value) return tl::unexpected<std::string>(value.error());
  if (*value < least || *value > most) return tl::unexpected<std::string>(fmt::format("must be {} to {}, not {}", least, most, *value));
  return static_cast<std::int32_t>(*value);
}

Asked<bool> parse_yes(std::string_view text) {
  if (text == "yes" || text == "true") return true;
  if (text == "no" || text == "false") return false;
  return tl::unexpected<std::string>("expected yes or no, found " + quoted(text));
}

/// "zipf(10k, 0.99)", "uniform(10k)" or "none".
Asked<std::pair<double, double>> parse_keys(std::string_view text) {
  const std::string hint = "expected none, uniform(10k) or zipf(10k, 0.99), found " + quoted(text);
  if (text == "none") return std::pair<double, double>{0, 0};
  const std::size_t open = text.find('(');
  if (open == std::string_view::npos || text.back() != ')') return tl::unexpected<std::string>(hint);
  const std::string_view shape = text.substr(0, open);
  const std::string_view inside = text.substr(open + 1, text.size() - open - 2);
  const std::size_t comma = inside.find(',');
  const auto many = sim::parse_integer(inside.substr(0, comma));
  if (!many || *many < 1) return tl::unexpected<std::string>(hint);
  if (shape == "uniform" && comma == std::string_view::npos) return std::pair<double, double>{static_cast<double>(*many), 0};
  if (shape != "zipf" || comma == std::string_view::npos) return tl::unexpected<std::string>(hint);
  const auto alpha = sim::parse_millionths(inside.substr(comma + 1));
  if (!alpha || *alpha < 0) return tl::unexpected<std::string>(hint);
  return std::pair<double, double>{static_cast<double>(*many), static_cast<double>(*alpha) / 1e6};
}

bool ends_with(std::string_view text, std::string_view end) { return text.size() >= end.size() && text.substr(text.size() - end.size()) == end; }

}  // namespace

std::string_view name_of(Survive survive) {
  switch (survive) {
    case Survive::none: return "none";
    case Survive::broker: return "broker";
    case Survive::zone: return "zone";
  }
  return "?";
}

double Wish::records_a_batch() const { return std::max(1.0, std::floor(batch / record)); }
double Wish::batch_log_bytes() const { return batch_header_bytes + records_a_batch() * (record / compression + record_frame_bytes); }
double Wish::log_rate() const { return ingress / (record * records_a_batch()) * batch_log_bytes(); }
double Wish::mean_log_rate() const { return log_rate() * mean_ingress / ingress; }

Asked<double> parse_byte_rate(std::string_view text) {
  const std::string hint = "expected bytes a second such as 200MB/s, 1.5GiB/s or 1.6Gbps";
  if (text.find("/s") == std::string_view::npos && !ends_with(text, "bps")) {
    if (const auto size = sim::parse_bytes(text); size && *size != 0)
      return tl::unexpected<std::string>(quoted(text) + " is a size, not a rate: write " + std::string(text) + "/s");
    if (text.find('/') != std::string_view::npos) return tl::unexpected<std::string>(hint + ", found " + quoted(text));
  }
  const auto bits = sim::parse_bits_per_s(text);
  if (!bits) return tl::unexpected<std::string>(bits.error().find("missing unit") != std::string::npos ? "missing unit in " + quoted(text) + ": " + hint : hint + ", found " + quoted(text));
  return positive(static_cast<double>(*bits) / 8, text);
}

Asked<double> parse_size(std::string_view text) {
  if (ends_with(text, "/s") || ends_with(text, "bps")) return tl::unexpected<std::string>(quoted(text) + " is a rate, not a size: expected a size such as 1KiB");
  const auto bytes = sim::parse_bytes(text);
  if (!bytes) return tl::unexpected<std::string>(bytes.error());
  return positive(static_cast<double>(*bytes), text);
}

Asked<double> parse_seconds(std::string_view text) {
  const auto ns = sim::parse_duration_ns(text);
  if (!ns) return tl::unexpected<std::string>(ns.error());
  return positive(static_cast<double>(*ns) / 1e9, text, true);
}

Asked<double> parse_times(std::string_view text) {
  const std::string hint = "expected how many times the bytes produced are consumed, such as 3x";
  if (text.empty() || (text.back() != 'x' && text.back() != 'X')) {
    const auto plain = sim::parse_millionths(text);
    if (plain) return tl::unexpected<std::string>("missing unit in " + quoted(text) + ": " + hint);
    return tl::unexpected<std::string>(hint + ", found " + quoted(text));
  }
  const auto value = sim::parse_millionths(text.substr(0, text.size() - 1));
  if (!value) return tl::unexpected<std::string>(hint + ", found " + quoted(text));
  return positive(static_cast<double>(*value) / 1e6, text, true);
}

Asked<Objective> parse_objective(std::string_view text) {
  const std::string hint = "expected produce-p99=50ms or e2e-p99=200ms (also p50, p95, p999), found " + quoted(text);
  const std::size_t sign = text.find('=');
  const std::size_t dash = text.find("-p");
  if (sign == std::string_view::npos || dash == std::string_view::npos || dash > sign) return tl::unexpected<std::string>(hint);
  Objective objective;
  objective.text = std::string(text);
  const std::string_view of = text.substr(0, dash);
  if (of == "e2e" || of == "end-to-end") objective.of = Objective::Of::end_to_end;
  else if (of != "produce") return tl::unexpected<std::string>(hint);
  const std::string_view rank = text.substr(dash + 2, sign - dash - 2);
  if (rank == "50") objective.quantile = 0.5;
  else if (rank == "95") objective.quantile = 0.95;
  else if (rank == "99") objective.quantile = 0.99;
  else if (rank == "999" || rank == "99.9") objective.quantile = 0.999;
  else return tl::unexpected<std::string>(hint);
  const auto limit = parse_seconds(text.substr(sign + 1));
  if (!limit) return tl::unexpected<std::string>(limit.error());
  if (*limit == 0) return tl::unexpected<std::string>("an objective of no time at all: " + quoted(text));
  objective.limit_s = *limit;
  return objective;
}

const std::vector<std::string_view>& wish_option_names() {
  static const std::vector<std::string_view> names{
      "ingress", "records", "mean", "record", "egress", "retention", "survive", "slo", "zones", "replication", "min-isr", "batch", "compression", "rewind",
      "catch-up", "rack-aware", "flush", "partitions", "consumers", "partition-rate", "keys", "most-brokers", "segment"};
  return names;
}

tl::expected<Wish, std::vector<std::string>> parse_wish(const WishOptions& options) {
  Wish wish;
  std::vector<std::string> problems;
  const auto texts = [&](std::string_view name) {
    std::vector<std::string> found;
    for (const auto& [key, text] : options)
      if (key == name) found.push_back(text);
    return found;
  };
  const auto assume = [&](std::string name, std::string value, std::string why) { wish.assumptions.push_back({std::move(name), std::move(value), std::move(why)}); };
  // Sets `field` if the option was given; several times is a contradiction.
  const auto take = [&](std::string_view name, auto parse, auto& field) {
    const std::vector<std::string> all = texts(name);
    if (all.empty()) return false;
    for (const std::string& text : all)
      if (text != all[0]) {
        problems.push_back(fmt::format("--{} is given twice and differently: '{}' and '{}'", name, all[0], text));
        return true;
      }
    const auto value = parse(std::string_view(all[0]));
    if (!value) problems.push_back(fmt::format("--{}: {}", name, value.error()));
    else field = *value;
    return true;
  };
  for (const auto& [key, text] : options) {
    const auto& names = wish_option_names();
    if (std::find(names.begin(), names.end(), key) == names.end()) problems.push_back("unknown wish '" + key + "'" + sim::did_you_mean(key, names));
  }

  const bool has_record = take("record", parse_size, wish.record);
  if (!has_record) problems.push_back("--record is missing: the bytes of a record, such as 1KiB");
  double records = 0;
  const bool has_rate = take("ingress", parse_byte_rate, wish.ingress);
  const bool has_records = take("records", [](std::string_view text) -> Asked<double> {
    const auto micro = sim::parse_rate_micro_per_s(text);
    if (!micro) return tl::unexpected<std::string>(micro.error());
    return positive(static_cast<double>(*micro) / 1e6, text);
  }, records);
  if (has_rate && has_records) problems.push_back("--ingress and --records both give the rate: give one of them");
  if (!has_rate && !has_records) problems.push_back("--ingress is missing: bytes written a second at the peak, such as 200MB/s (or --records 500k/s)");
  if (has_records && !has_rate) wish.ingress = records * wish.record;
  if (wish.ingress > payload_rate_most) problems.push_back("--ingress: more than a petabyte a second is no wish that this can weigh");
  if (!take("egress", parse_times, wish.egress)) problems.push_back("--egress is missing: bytes consumed per byte produced, such as 3x (replication is not counted)");
  const bool has_retention = take("retention", parse_seconds, wish.retention_s);
  if (!has_retention) problems.push_back("--retention is missing: how long records are kept, such as 3d");
  else if (wish.retention_s == 0 && problems.empty()) problems.push_back("--retention: a log that keeps nothing serves nobody");

  if (take("mean", parse_byte_rate, wish.mean_ingress)) {
    if (wish.mean_ingress > wish.ingress) problems.push_back("--mean is above the peak that --ingress gives");
  } else {
    wish.mean_ingress = wish.ingress;
    assume("mean rate", "the peak", "storage and transfer are billed as if the peak lasted; --mean gives the mean");
  }

  std::string survive = "zone";
  const auto as_text = [](std::string_view text) -> Asked<std::string> { return std::string(text); };
  if (!take("survive", as_text, survive)) assume("survive", "zone", "the loss of a whole zone at the peak; --survive broker|zone|none");
  if (survive == "none") wish.survive = Survive::none;
  else if (survive == "broker") wish.survive = Survive::broker;
  else if (survive == "zone") wish.survive = Survive::zone;
  else problems.push_back("--survive: expected broker, zone or none, found '" + survive + "'");

  const auto count = [](std::int32_t least, std::int32_t most) { return [least, most](std::string_view text) { return parse_count(text, least, most); }; };
  if (!take("zones", count(1, 9), wish.zones)) {
    wish.zones = wish.survive == Survive::zone ? 3 : 1;
    assume("zones", std::to_string(wish.zones), wish.zones == 1 ? "one zone is enough for what must survive; --zones N spreads" : "so that a majority stays when one is lost; --zones changes it");
  }
  if (!take("replication", count(1, 9), wish.replication)) {
    wish.replication = wish.survive == Survive::none ? 1 : 3;
    assume("replication", std::to_string(wish.replication), wish.replication == 1 ? "nothing must survive: a lost disk is lost data" : "with min.insync.replicas 2: one may be away and writes go on");
  }
  if (!take("min-isr", count(1, 9), wish.min_isr)) wish.min_isr = std::min(2, std::max(1, wish.replication - 1));
  if (wish.min_isr > wish.replication) problems.push_back(fmt::format("--min-isr {} is above --replication {}", wish.min_isr, wish.replication));
  if (wish.survive != Survive::none && wish.replication < 2) problems.push_back("--survive " + survive + " needs --replication 2 or more: with one copy a lost broker is lost data");
  if (wish.survive == Survive::zone && wish.zones < 2) problems.push_back("--survive zone needs two zones or more, but --zones is 1");
  if (wish.survive != Survive::none && wish.replication >= 2 && wish.min_isr >= wish.replication)
    problems.push_back(fmt::format("--survive {} and --min-isr {} contradict each other: with {} copies writes stop when one is away", survive, wish.min_isr, wish.replication));
  if (wish.survive == Survive::zone && wish.zones >= 2 && wish.replication >= 2) {
    // The fullest zone holds this many of a partition's copies.
    const std::int32_t together = (wish.replication + wish.zones - 1) / wish.zones;
    if (wish.replication - together < wish.min_isr)
      problems.push_back(fmt::format("--survive zone is not possible with {} copies over {} zones and min ISR {}: a zone holds {} of them", wish.replication, wish.zones, wish.min_isr, together));
  }

  for (const std::string& text : texts("slo")) {
    const auto objective = parse_objective(text);
    if (!objective) problems.push_back("--slo: " + objective.error());
    else wish.objectives.push_back(*objective);
  }
  for (std::size_t i = 0; i < wish.objectives.size(); ++i)
    for (std::size_t k = i + 1; k < wish.objectives.size(); ++k) {
      const Objective &a = wish.objectives[i], &b = wish.objectives[k];
      if (a.of == b.of && a.quantile == b.quantile && a.limit_s != b.limit_s) problems.push_back("--slo: '" + a.text + "' and '" + b.text + "' contradict each other");
    }
  for (const Objective& objective : wish.objectives)
    if (objective.of == Objective::Of::end_to_end && wish.egress == 0) problems.push_back("--slo: '" + objective.text + "' is about consumers, but --egress is 0x");

  const auto ratio = [](double least) {
    return [least](std::string_view text) -> Asked<double> {
      const auto value = parse_times(text);
      if (value && *value < least) return tl::unexpected<std::string>(fmt::format("must be at least {}x, found '{}'", least, text));
      return value;
    };
  };
  if (!take("batch", parse_size, wish.batch) && wish.record > 0)
    assume("batch", size_text(wish.records_a_batch() * wish.record), fmt::format("{} records a batch: producers fill batch.size 16 KiB; --batch changes it", number_text(wish.records_a_batch())));
  if (!take("compression", ratio(1), wish.compression)) assume("compression", "none", "payload is as it comes; --compression 3x if producers compress");
  if (!take("rewind", parse_seconds, wish.rewind_s)) assume("old data", "nobody reads it at the peak", "--rewind 1h: a group that catches up from there");
  if (!take("catch-up", ratio(1), wish.catch_up) && wish.rewind_s > 0) {
    wish.catch_up = 2;
    assume("catch-up", "2x", "a group that is behind reads at twice the rate");
  }
  if (!take("rack-aware", parse_yes, wish.rack_aware) && wish.zones > 1) assume("rack-aware consumers", "no", "they read from leaders, also across zones; --rack-aware yes");
  if (!take("flush", parse_yes, wish.flush)) assume("flush", "by the operating system", "durability comes from replication; --flush yes syncs each batch");
  take("partitions", count(1, 10'000'000), wish.partitions);
  take("consumers", count(1, 1'000'000), wish.consumers);
  if (!take("partition-rate", parse_byte_rate, wish.partition_rate))
    assume("one partition", rate_text(wish.partition_rate), "what one partition takes and one consumer reads; measure yours, --partition-rate");
  std::pair<double, double> keys{0, 0};
  if (!take("keys", parse_keys, keys)) assume("keys", "none", "batches spread evenly; --keys 'zipf(10k, 0.99)' weighs a skew");
  wish.keys = keys.first;
  wish.key_alpha = keys.second;
  take("most-brokers", count(1, 1'000'000), wish.most_brokers);
  take("segment", parse_size, wish.segment);
  if (wish.most_brokers > 0 && wish.most_brokers < wish.replication)
    problems.push_back(fmt::format("--most-brokers {} cannot hold --replication {}", wish.most_brokers, wish.replication));
  if (!problems.empty()) return tl::unexpected<std::vector<std::string>>(std::move(problems));
  return wish;
}

namespace {

std::string with_separators(const std::string& digits) {
  const std::size_t point = std::min(digits.find('.'), digits.size());
  const std::size_t first = !digits.empty() && digits[0] == '-' ? 1 : 0;
  std::string text;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i > first && i < point && (point - i) % 3 == 0) text.push_back(',');
    text.push_back(digits[i]);
  }
  return text;
}

std::string scaled_text(double value, std::string_view unit) {
  const char* const prefixes[] = {"", "k", "M", "G", "T", "P", "E"};
  std::size_t step = 0;
  while (std::abs(value) >= 999.5 && step + 1 < std::size(prefixes)) {
    value /= 1000;
    ++step;
  }
  return number_text(value) + " " + prefixes[step] + std::string(unit);
}

}  // namespace

std::string number_text(double value) {
  if (value == 0) return "0";
  if (std::abs(value) >= 999.5) return with_separators(fmt::format("{:.0f}", value));
  const int whole = static_cast<int>(std::floor(std::log10(std::abs(value)) + 1e-9)) + 1;
  std::string text = fmt::format("{:.{}f}", value, std::clamp(3 - whole, 0, 6));
  if (text.find('.') != std::string::npos) {
    while (text.back() == '0') text.pop_back();
    if (text.back() == '.') text.pop_back();
  }
  return text;
}

std::string rate_text(double bytes_a_second) { return scaled_text(bytes_a_second, "B/s"); }
std::string size_text(double bytes) { return scaled_text(bytes, "B"); }
std::string money_text(double amount) { return with_separators(fmt::format("{:.0f}", amount)); }
std::string span_text(double seconds) {
  if (seconds < 1e-3) return number_text(seconds * 1e6) + " us";
  if (seconds < 1) return number_text(seconds * 1e3) + " ms";
  if (seconds < 120) return number_text(seconds) + " s";
  if (seconds < 7200) return number_text(seconds / 60) + " min";
  if (seconds < 172800) return number_text(seconds / 3600) + " h";
  return number_text(seconds / 86400) + " d";
}

}  // namespace harrow::size
