#include "sim/size/report.h"

#include <fmt/format.h>

#include <cmath>

#include <nlohmann/json.hpp>

namespace harrow::size {
namespace {

using Json = nlohmann::ordered_json;

std::string percent(double share) {
  if (std::isnan(share)) return "-";
  if (share > 0 && share < 0.005) return "< 1 %";
  return fmt::format("{:.0f} %", share * 100);
}

std::string more(double factor) {
  if (factor >= 999) return "no limit";
  if (factor >= 3) return number_text(factor) + " times";
  return fmt::format("+{:.0f} %", (factor - 1) * 100);
}

std::string_view words_of(State state) { return state == State::now ? "now" : state == State::broker_lost ? "a broker lost" : "a zone lost"; }

std::string storage_words(const Storage& storage) {
  if (storage.local) return fmt::format("{} local disk{}, {}", storage.volumes, storage.volumes == 1 ? "" : "s", size_text(storage.size));
  return fmt::format("{}{} at {} and {} operations/s", storage.volumes > 1 ? fmt::format("{} volumes, ", storage.volumes) : "", size_text(storage.size), rate_text(storage.throughput), number_text(storage.iops));
}

std::string bold(const std::string& text, const ReportStyle& style) { return style.colour ? "\033[1m" + text + "\033[0m" : text; }

std::string wish_line(const Wish& wish) {
  std::string text = fmt::format("{} in ({} records/s of {})", rate_text(wish.ingress), number_text(wish.ingress / wish.record), size_text(wish.record));
  if (wish.mean_ingress < wish.ingress) text += fmt::format(", {} in the mean", rate_text(wish.mean_ingress));
  text += fmt::format(", {}x out, kept {}", number_text(wish.egress), span_text(wish.retention_s));
  text += wish.survive == Survive::none ? "; nothing need survive" : fmt::format("; survives a {}", name_of(wish.survive));
  for (const Objective& objective : wish.objectives) text += "; " + objective.text;
  return text;
}

std::string design_text(const Answer& answer, const Design& design, std::size_t number, const ReportStyle& style) {
  const Wish& wish = answer.wish;
  const Candidate& c = design.candidate;
  std::string text = bold(fmt::format("Design {}: {} x {}", number, number_text(c.brokers), c.machine->name), style);
  if (c.clusters > 1) text += fmt::format(" in {} clusters", number_text(c.clusters));
  text += fmt::format(", {}, {} partitions of {} {}\n\n", wish.zones == 1 ? "one zone" : fmt::format("{} zones", wish.zones), number_text(c.partitions), wish.replication, wish.replication == 1 ? "copy" : "copies");
  text += fmt::format("  {:<24}{:>8}{:>14}{:>12}{:>10}\n", "of what a broker has", "now", "broker lost", "zone lost", "allowed");
  for (int row = 0; row < constraints; ++row) {
    const auto constraint = static_cast<Constraint>(row);
    if ((design.table.row(row) == 0).all()) continue;
    if (constraint == Constraint::disk_read && design.demand.disk_read(0) == 0) continue;
    std::string line = fmt::format("  {:<24}{:>8}{:>14}{:>12}{:>10}", size::words_of(constraint), percent(design.table(row, 0)), percent(design.table(row, 1)), percent(design.table(row, 2)), percent(limit_of(constraint, *c.machine)));
    if (constraint == design.verdict.binding) line = bold(line + "  <- binds", style);
    text += line + "\n";
  }
  const auto field = [&](std::string_view name, const std::string& value) { text += fmt::format("  {:<12}{}\n", name, value); };
  text += "\n";
  field("machine", fmt::format("{} processors, {} of memory, {} each way", number_text(c.machine->vcpu), size_text(c.machine->memory), rate_text(c.machine->net)));
  field("disk", fmt::format("{} a broker; {} of logs for {}", storage_words(c.storage), size_text(design.demand.space), span_text(wish.retention_s)));
  field("page cache", fmt::format("the last {} of records: readers further behind read from the disk", span_text(design.demand.cache_s)));
  if (design.demand.rebuild_s > 0 && std::isfinite(design.demand.rebuild_s)) field("rebuild", fmt::format("a lost broker's {} is copied in {} at the peak", size_text(design.demand.space), span_text(design.demand.rebuild_s)));
  else if (wish.survive != Survive::none) field("rebuild", c.brokers - 1 < wish.replication ? "no broker is left to rebuild on: wait for the lost one" : "no room to rebuild at the peak");
  const State worst = wish.survive == Survive::zone ? State::zone_lost : wish.survive == Survive::broker ? State::broker_lost : State::now;
  field("latency", fmt::format("produce p99 about {}{} (equations)", span_text(design.latency.produce_p99_s), worst == State::now ? "" : fmt::format(", {} with {}", span_text(design.latency_lost.produce_p99_s), words_of(worst))));
  field("room", fmt::format("ingress {}, egress {}, retention {}, partitions {}", more(design.growth.ingress), wish.egress == 0 ? "-" : more(design.growth.egress), more(design.growth.retention), more(design.growth.partitions)));
  const std::string& currency = c.machine->prices->currency;
  text += fmt::format("\n  {:<24}{:>12} {}\n", "cost a month", "", currency);
  text += fmt::format("  {:<24}{:>12}\n", "machines", money_text(design.cost.machines));
  text += fmt::format("  {:<24}{:>12}\n", "storage", money_text(design.cost.storage));
  text += fmt::format("  {:<24}{:>12}  producers {}, replication {}, consumers {}\n", "cross-zone traffic", money_text(design.cost.cross_zone), money_text(design.cost.produce_zone),
                      c.machine->prices->replication_billed ? money_text(design.cost.replication_zone) : "not billed", wish.rack_aware ? "none: rack-aware" : money_text(design.cost.consume_zone));
  text += bold(fmt::format("  {:<24}{:>12}\n", "together", money_text(design.cost.total())), style);
  return text;
}

std::string step_text(const Step& step) {
  return fmt::format("  {:>6.2f}  {:<9}{:>12}{:>12}{:>8}{:>8}{:>8}{:>8}  {}\n", step.multiple, step.held ? "held" : "not held", span_text(step.produce_p99_s), span_text(step.end_to_end_p99_s), percent(step.cpu),
                     percent(step.net_in), percent(step.net_out), percent(step.disk), step.why);
}

std::string confirmed_text(const Answer& answer, const Confirmed& confirmed, const ReportStyle& style) {
  std::string text = bold(fmt::format("Confirmed by simulation: {}", confirmed.interrupted ? "stopped before the end" : confirmed.held ? "held" : "NOT held"), style) + fmt::format(", {} of computing\n\n", span_text(confirmed.wall_s));
  text += fmt::format("  {:>6}  {:<9}{:>12}{:>12}{:>8}{:>8}{:>8}{:>8}\n", "rate", "", "produce p99", "e2e p99", "cpu", "in", "out", "disk");
  for (const Step& step : confirmed.ladder) text += step_text(step);
  if (confirmed.seeds.size() > 1) {
    text += "  the wished rate under other seeds\n";
    for (std::size_t i = 1; i < confirmed.seeds.size(); ++i) text += step_text(confirmed.seeds[i]);
  }
  text += "\n";
  if (confirmed.past > 0)
    text += fmt::format("  knee        {}, {} of the wished rate; at {} {} is used most\n", rate_text(confirmed.knee), percent(confirmed.knee / answer.wish.ingress), rate_text(confirmed.past), confirmed.gave_way);
  else
    text += fmt::format("  knee        not below {}\n", rate_text(confirmed.knee));
  for (const Loss& loss : confirmed.losses)
    text += fmt::format("  {:<12}{}: afterwards produce p99 {}, {:.1f} % acknowledged in time; longest wait {}, {} of {} acknowledged lost{}\n", loss.what == "broker" ? "broker lost" : loss.what == "zone" ? "zone lost" : loss.what,
                        loss.held ? "held" : "not held", span_text(loss.after.produce_p99_s), loss.after.sent_share * 100, span_text(loss.longest_wait_s), loss.lost, number_text(static_cast<double>(loss.acked)), loss.why.empty() ? "" : " (" + loss.why + ")");
  for (const std::string& difference : confirmed.differences) text += "  apart       " + difference + "\n";
  for (const std::string& note : confirmed.scale.notes) text += "  scale       " + note + "\n";
  return text;
}

Json share_json(double value) { return std::isnan(value) || std::isinf(value) ? Json(nullptr) : Json(std::round(value * 1e4) / 1e4); }
Json count_json(double value) { return std::isnan(value) || std::isinf(value) ? Json(nullptr) : Json(static_cast<std::int64_t>(std::llround(value))); }
Json round_json(double value, double unit) {
  if (unit >= 1 || std::isnan(value) || std::isinf(value)) return count_json(value);
  return Json(std::round(value / unit) / std::round(1 / unit));
}
Json ms_json(double seconds) { return std::isnan(seconds) || std::isinf(seconds) ? Json(nullptr) : Json(std::round(seconds * 1e6) / 1e3); }
Json growth_json(double factor) { return factor >= 999 ? Json(nullptr) : Json(std::round(factor * 1e3) / 1e3); }

Json step_json(const Step& step) {
  Json out;
  out["multiple"] = share_json(step.multiple);
  out["seed"] = step.seed;
  out["held"] = step.held;
  if (!step.why.empty()) out["why"] = step.why;
  out["sent_share"] = share_json(step.sent_share);
  out["behind_share"] = share_json(step.behind_share);
  out["produce_p50_ms"] = ms_json(step.produce_p50_s);
  out["produce_p99_ms"] = ms_json(step.produce_p99_s);
  out["end_to_end_p99_ms"] = ms_json(step.end_to_end_p99_s);
  out["cpu"] = share_json(step.cpu);
  out["net_in"] = share_json(step.net_in);
  out["net_out"] = share_json(step.net_out);
  out["disk"] = share_json(step.disk);
  return out;
}

Json confirmed_json(const Answer& answer, const Confirmed& confirmed) {
  Json out;
  out["held"] = confirmed.held;
  out["knee"] = round_json(confirmed.knee, 1);
  out["knee_to_peak"] = share_json(confirmed.knee / answer.wish.ingress);
  out["past_knee"] = confirmed.past > 0 ? round_json(confirmed.past, 1) : Json(nullptr);
  out["gave_way"] = confirmed.gave_way.empty() ? Json(nullptr) : Json(confirmed.gave_way);
  for (const Step& step : confirmed.ladder)
    if (step.multiple == 1) {
      out["produce_p50_ms"] = ms_json(step.produce_p50_s);
      out["produce_p99_ms"] = ms_json(step.produce_p99_s);
      out["end_to_end_p99_ms"] = ms_json(step.end_to_end_p99_s);
    }
  out["ladder"] = Json::array();
  for (const Step& step : confirmed.ladder) out["ladder"].push_back(step_json(step));
  out["seeds"] = Json::array();
  for (const Step& step : confirmed.seeds) out["seeds"].push_back(step_json(step));
  out["losses"] = Json::array();
  for (const Loss& loss : confirmed.losses) {
    Json one;
    one["what"] = loss.what;
    one["held"] = loss.held;
    if (!loss.why.empty()) one["why"] = loss.why;
    one["longest_wait_ms"] = ms_json(loss.longest_wait_s);
    one["acked"] = loss.acked;
    one["lost"] = loss.lost;
    one["after"] = step_json(loss.after);
    out["losses"].push_back(std::move(one));
  }
  Json scale;
  scale["brokers"] = count_json(confirmed.scale.brokers);
  scale["share"] = share_json(confirmed.scale.share);
  scale["thin"] = share_json(confirmed.scale.thin);
  scale["byte"] = share_json(confirmed.scale.byte);
  scale["notes"] = confirmed.scale.notes;
  out["scale"] = std::move(scale);
  out["differences"] = confirmed.differences;
  out["wall_s"] = share_json(confirmed.wall_s);
  return out;
}

Json design_json(const Answer& answer, const Design& design) {
  const Wish& wish = answer.wish;
  const Candidate& c = design.candidate;
  Json out;
  out["profile"] = c.machine->name;
  out["brokers"] = count_json(c.brokers);
  out["clusters"] = count_json(c.clusters);
  out["partitions"] = count_json(c.partitions);
  out["replication"] = wish.replication;
  out["zones"] = wish.zones;
  Json cost;
  cost["currency"] = c.machine->prices->currency;
  cost["date"] = c.machine->prices->date;
  cost["month"] = round_json(design.cost.total(), 0.01);
  cost["machines"] = round_json(design.cost.machines, 0.01);
  cost["storage"] = round_json(design.cost.storage, 0.01);
  cost["cross_zone"] = round_json(design.cost.cross_zone, 0.01);
  cost["cross_zone_parts"] = {{"produce", round_json(design.cost.produce_zone, 0.01)}, {"replication", round_json(design.cost.replication_zone, 0.01)}, {"consume", round_json(design.cost.consume_zone, 0.01)}};
  out["cost"] = std::move(cost);
  out["constraints"] = Json::array();
  for (int row = 0; row < constraints; ++row) {
    const auto constraint = static_cast<Constraint>(row);
    Json one;
    one["name"] = std::string(name_of(constraint));
    one["now"] = share_json(design.table(row, 0));
    one["broker_lost"] = share_json(design.table(row, 1));
    one["zone_lost"] = share_json(design.table(row, 2));
    one["allowed"] = limit_of(constraint, *c.machine);
    out["constraints"].push_back(std::move(one));
  }
  out["binding"] = std::string(name_of(design.verdict.binding));
  out["binding_state"] = design.verdict.state == State::now ? "now" : design.verdict.state == State::broker_lost ? "broker_lost" : "zone_lost";
  Json disk;
  disk["local"] = c.storage.local;
  disk["bytes"] = round_json(c.storage.size, 1);
  disk["used_bytes"] = round_json(design.demand.space, 1);
  disk["bytes_per_s"] = round_json(c.storage.throughput, 1);
  disk["iops"] = count_json(c.storage.iops);
  disk["volumes"] = c.storage.volumes;
  out["disk"] = std::move(disk);
  out["page_cache_s"] = round_json(design.demand.cache_s, 0.1);
  out["rebuild_s"] = design.demand.rebuild_s > 0 ? round_json(design.demand.rebuild_s, 1) : Json(nullptr);
  out["estimate"] = {{"knee", round_json(design.knee, 1)}, {"knee_constraint", std::string(name_of(design.knee_constraint))}, {"produce_p99_ms", ms_json(design.latency.produce_p99_s)},
                     {"produce_p99_lost_ms", ms_json(design.latency_lost.produce_p99_s)}, {"end_to_end_p99_ms", ms_json(design.latency.end_to_end_p99_s)}};
  out["confirmed"] = nullptr;
  out["growth"] = {{"ingress", growth_json(design.growth.ingress)}, {"egress", growth_json(design.growth.egress)}, {"retention", growth_json(design.growth.retention)}, {"partitions", growth_json(design.growth.partitions)}};
  return out;
}

}  // namespace

std::string text_of(const Answer& answer, const Confirmed* confirmed, const ReportStyle& style) {
  std::string text = bold("Wish", style) + "  " + wish_line(answer.wish) + "\n";
  if (!answer.wish.title.empty()) text += "      " + answer.wish.title + "\n";
  if (!answer.wish.source.empty() && style.verbose) text += "      " + answer.wish.source + "\n";
  text += "\n";
  if (answer.impossible) {
    const Impossible& impossible = *answer.impossible;
    text += bold("Not possible", style) + fmt::format(": {} wished {}, possible {}\n  {}\n", impossible.constraint, impossible.wished, impossible.possible.empty() ? "nothing near it" : impossible.possible, impossible.why);
    if (impossible.nearest)
      text += fmt::format("  nearest: {} x {}, {} {} a month\n", number_text(impossible.nearest->candidate.brokers), impossible.nearest->candidate.machine->name, money_text(impossible.nearest->cost.total()), impossible.nearest->candidate.machine->prices->currency);
    text += "\n";
  } else {
    for (std::size_t i = 0; i < answer.designs.size(); ++i) {
      const Design& design = answer.designs[i];
      text += fmt::format("  {}  {:>6} x {:<15}{:>11} {} a month   binds: {}{}\n", i + 1, number_text(design.candidate.brokers), design.candidate.machine->name, money_text(design.cost.total()), design.candidate.machine->prices->currency,
                          size::words_of(design.verdict.binding), design.verdict.state == State::now ? "" : fmt::format(", {}", words_of(design.verdict.state)));
    }
    text += "\n" + design_text(answer, answer.designs[0], 1, style);
    if (confirmed != nullptr) text += "\n" + confirmed_text(answer, *confirmed, style);
    for (std::size_t i = 1; i < answer.designs.size(); ++i) text += "\n" + design_text(answer, answer.designs[i], i + 1, style);
    text += "\n" + bold("Other people's rules for the same", style) + "\n";
    for (const std::string& line : answer.other_rules) text += "  " + line + "\n";
    text += "\n";
  }
  text += bold("Taken as given", style) + "\n";
  for (const Assumption& assumption : answer.assumptions)
    if (style.verbose || assumption.name != "prices") text += fmt::format("  {:<21}{:<18} {}\n", assumption.name, assumption.value, assumption.why);
    else text += fmt::format("  {:<21}{}\n", assumption.name, assumption.value + " (sources: -v)");
  return text;
}

std::string json_of(const Answer& answer, const Confirmed* confirmed) {
  Json out;
  const Wish& wish = answer.wish;
  Json asked;
  asked["ingress"] = round_json(wish.ingress, 1);
  asked["mean"] = round_json(wish.mean_ingress, 1);
  asked["record"] = count_json(wish.record);
  asked["egress"] = wish.egress;
  asked["retention_s"] = count_json(wish.retention_s);
  asked["survive"] = std::string(name_of(wish.survive));
  asked["slo"] = Json::array();
  for (const Objective& objective : wish.objectives) asked["slo"].push_back(objective.text);
  out["wish"] = std::move(asked);
  out["designs"] = Json::array();
  for (const Design& design : answer.designs) out["designs"].push_back(design_json(answer, design));
  if (confirmed != nullptr && !answer.designs.empty()) out["designs"][0]["confirmed"] = confirmed_json(answer, *confirmed);
  out["assumptions"] = Json::array();
  for (const Assumption& assumption : answer.assumptions) out["assumptions"].push_back({{"name", assumption.name}, {"value", assumption.value}, {"why", assumption.why}});
  out["other_rules"] = answer.other_rules;
  out["impossible"] = nullptr;
  if (answer.impossible) {
    const Impossible& impossible = *answer.impossible;
    Json one;
    one["constraint"] = impossible.constraint;
    one["wished"] = impossible.wished;
    one["possible"] = impossible.possible;
    one["why"] = impossible.why;
    one["nearest"] = impossible.nearest ? design_json(answer, *impossible.nearest) : Json(nullptr);
    out["impossible"] = std::move(one);
  }
  return out.dump(2) + "\n";
}

}  // namespace harrow::size
