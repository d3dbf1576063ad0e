#include "sim/trace/report_html.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace harrow::sim {

namespace {

constexpr int left = 230, width = 1000, right_pad = 20;
constexpr std::size_t label_letters = 36;  // what fits left of a bar, at the label's size
constexpr std::array<const char*, 8> broker_colours{"#4477aa", "#ee8866", "#44bb99", "#aa4499", "#bbcc33", "#99ddff", "#ffaabb", "#777777"};

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '&') out += "&amp;";
    else if (c == '<') out += "&lt;";
    else if (c == '>') out += "&gt;";
    else if (c == '"') out += "&quot;";
    else out += c;
  }
  return out;
}

/// A length of time for a reader in a hurry: "12 ms", "3.4 s", "2 min".
std::string brief(std::int64_t ns) {
  if (ns < 1'000'000'000) return fmt::format("{} ms", ns / 1'000'000);
  if (ns < 120'000'000'000) return fmt::format("{}.{} s", ns / 1'000'000'000, ns / 100'000'000 % 10);
  return fmt::format("{} min", ns / 60'000'000'000);
}

/// The smallest of 1, 2, 5, 10, 20, 50, ... that cuts `most` into at most five parts.
std::int64_t round_step(std::int64_t most) {
  for (std::int64_t base = 1;; base *= 10)
    for (const std::int64_t step : {base, 2 * base, 5 * base})
      if (step * 5 >= most) return step;
}

std::string seconds(std::int64_t ns) { return fmt::format("{}.{:03} s", ns / 1'000'000'000, ns / 1'000'000 % 1000); }

class Page {
 public:
  explicit Page(const ReportData& data) : data_(data), end_ns_(std::max<std::int64_t>(data.end_ns, 1)) {}

  double x(std::int64_t ns) const { return left + static_cast<double>(std::clamp<std::int64_t>(ns, 0, end_ns_)) * (width - left - right_pad) / static_cast<double>(end_ns_); }

  std::string axis(int height) const {
    std::int64_t step = 1'000'000'000;
    for (const std::int64_t next : {2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 86400, 172800})
      if (end_ns_ / step > 12) step = next * 1'000'000'000;
    std::string out;
    for (std::int64_t t = 0; t <= end_ns_; t += step) {
      const std::string label = step >= 86'400'000'000'000 ? fmt::format("{} d", t / 86'400'000'000'000) : step >= 3'600'000'000'000 ? fmt::format("{} h", t / 3'600'000'000'000) : fmt::format("{} s", t / 1'000'000'000);
      out += fmt::format("<line x1='{0:.1f}' y1='0' x2='{0:.1f}' y2='{1}' class='grid'/><text x='{0:.1f}' y='{2}' class='tick'>{3}</text>", x(t), height, height + 12, label);
    }
    if (data_.heal_ns >= 0) out += fmt::format("<line x1='{0:.1f}' y1='0' x2='{0:.1f}' y2='{1}' class='heal'><title>faults healed</title></line>", x(data_.heal_ns), height);
    return out;
  }

  std::string svg(int height, const std::string& inside) const {
    return fmt::format("<svg viewBox='0 0 {} {}' role='img'>{}{}</svg>\n", width, height + 18, axis(height), inside);
  }

  std::string label(int y, std::string_view text) const { return fmt::format("<text x='{}' y='{}' class='label'>{}</text>", left - 8, y, escaped(text)); }

  std::string faults() const {
    if (data_.faults.empty()) return "<p>None.</p>\n";
    std::string out;
    int y = 2;
    for (const FaultBar& fault : data_.faults) {
      const std::int64_t until = fault.until_ns < 0 ? end_ns_ : fault.until_ns;
      const std::string words = fault.kind + " " + fault.target;
      out += label(y + 10, words.size() > label_letters ? words.substr(0, label_letters - 1) + "…" : words);
      out += fmt::format("<rect x='{:.1f}' y='{}' width='{:.1f}' height='11' class='fault'><title>{}: {} to {}; producers waited {} ms</title></rect>", x(fault.from_ns), y,
                         std::max(2.0, x(until) - x(fault.from_ns)), escaped(words), seconds(fault.from_ns), fault.until_ns < 0 ? "the end" : seconds(until), fault.unavailable_ns / 1'000'000);
      // What it cost, beside the bar; on its left where the right has no room.
      if (const bool late = x(until) > width - 120; fault.unavailable_ns >= 1'000'000)
        out += fmt::format("<text x='{:.1f}' y='{}' class='cost' text-anchor='{}'>producers waited {}</text>", late ? x(fault.from_ns) - 4 : x(until) + 4, y + 10, late ? "end" : "start", brief(fault.unavailable_ns));
      y += 15;
    }
    return svg(y, out);
  }

  /// Topics of users; those of the cluster itself behind them, folded.
  std::string partitions() const {
    std::vector<const PartitionTimeline*> users, internal;
    for (const PartitionTimeline& p : data_.partitions) (p.topic.starts_with("__") ? internal : users).push_back(&p);
    if (users.empty() && internal.empty()) return "<p>No partitions were seen.</p>\n";
    std::string page = users.empty() ? "" : timelines(users);
    if (!internal.empty()) page += fmt::format("<details><summary>{} partitions of internal topics</summary>\n{}</details>\n", internal.size(), timelines(internal));
    return page;
  }

  std::string timelines(const std::vector<const PartitionTimeline*>& partitions) const {
    constexpr std::size_t most = 60;
    std::string out;
    int y = 2;
    std::size_t shown = 0;
    for (const PartitionTimeline* const timeline : partitions) {
      const PartitionTimeline& p = *timeline;
      if (shown++ == most) break;
      out += label(y + 10, p.topic + "/" + std::to_string(p.partition));
      for (const LeaderSpan& span : p.leaders) {
        if (span.until_ns <= span.from_ns) continue;
        const char* const colour = span.leader < 0 ? "#000000" : broker_colours[static_cast<std::size_t>(span.leader) % broker_colours.size()];
        out += fmt::format("<rect x='{:.1f}' y='{}' width='{:.1f}' height='8' fill='{}'><title>{} in epoch {}, {} to {}</title></rect>", x(span.from_ns), y,
                           std::max(0.5, x(span.until_ns) - x(span.from_ns)), colour, span.leader < 0 ? std::string("no leader") : "leader broker " + std::to_string(span.leader), span.epoch,
                           seconds(span.from_ns), seconds(span.until_ns));
      }
      for (const IsrSpan& span : p.isrs) {
        const auto size = static_cast<std::int32_t>(span.isr.size());
        if (size >= p.replicas || span.until_ns <= span.from_ns) continue;
        std::string members;
        for (const std::int32_t id : span.isr) members += (members.empty() ? "" : ", ") + std::to_string(id);
        out += fmt::format("<rect x='{:.1f}' y='{}' width='{:.1f}' height='4' class='{}'><title>in sync: {}; {} to {}</title></rect>", x(span.from_ns), y + 8,
                           std::max(0.5, x(span.until_ns) - x(span.from_ns)), size <= 1 ? "isr1" : "isr2", members.empty() ? "nobody" : members, seconds(span.from_ns), seconds(span.until_ns));
      }
      y += 16;
    }
    std::string page = svg(y, out);
    if (partitions.size() > most) page += fmt::format("<p>{} more partitions are not drawn.</p>\n", partitions.size() - most);
    return page;
  }

  std::string legend() const {
    std::vector<std::int32_t> brokers;
    for (const PartitionTimeline& p : data_.partitions)
      for (const LeaderSpan& span : p.leaders)
        if (span.leader >= 0 && std::find(brokers.begin(), brokers.end(), span.leader) == brokers.end()) brokers.push_back(span.leader);
    std::sort(brokers.begin(), brokers.end());
    std::string out = "<p class='legend'>Upper bar: leader ";
    for (const std::int32_t id : brokers) out += fmt::format("<i style='background:{}'></i>broker {} ", broker_colours[static_cast<std::size_t>(id) % broker_colours.size()], id);
    return out + "<i style='background:#000'></i>none. Lower bar: in-sync set <i class='isr2'></i>smaller than the replicas <i class='isr1'></i>one or none.</p>\n";
  }

  /// Curves on one scale from zero; `steps`: a count, which holds until it changes.
  std::string linear(const std::vector<Series>& all, std::string_view unit, bool steps = false) const {
    std::int64_t most = 1;
    for (const Series& series : all)
      for (const auto& [t, v] : series.points) most = std::max(most, v);
    const std::int64_t step = round_step(most), top = (most + step - 1) / step * step;
    const auto y_of = [top](std::int64_t v) { return curve_height - static_cast<double>(v) * (curve_height - 10) / static_cast<double>(top); };
    std::string out;
    for (std::int64_t v = 0; v <= top; v += step) out += tick(y_of(v), fmt::format("{} {}", v, unit));
    return drawn(all, y_of, out, steps);
  }

  /// Curves over decades, from the one that holds the smallest value; values are microseconds.
  std::string decades(const std::vector<Series>& all) const {
    std::int64_t least = 0, most = 1;
    for (const Series& series : all)
      for (const auto& [t, v] : series.points) {
        if (v > 0 && (least == 0 || v < least)) least = v;
        most = std::max(most, v);
      }
    std::int64_t first = 1;
    while (first * 10 <= least) first *= 10;
    int count = 1;
    for (std::int64_t n = first; n * 10 < most; n *= 10) ++count;
    const auto y_of = [first, count](std::int64_t v) {
      double place = 0;  // decades by repeated division: straight within a decade
      std::int64_t base = first;
      while (v >= base * 10) {
        base *= 10;
        place += 1;
      }
      if (v > base) place += static_cast<double>(v - base) / static_cast<double>(base * 9);
      return curve_height - place * (curve_height - 10) / count;
    };
    std::string out;
    std::int64_t v = first;
    for (int d = 0; d <= count; ++d, v *= 10) out += tick(y_of(v), v < 1000 ? fmt::format("{} µs", v) : v < 1'000'000 ? fmt::format("{} ms", v / 1000) : fmt::format("{} s", v / 1'000'000));
    return drawn(all, y_of, out, false);
  }

  std::string path() const {
    const RecordPath& path = data_.path;
    if (path.steps.empty()) return "<p>No record was followed.</p>\n";
    std::string out = fmt::format("<p>Record {} of producer {} in {}/{} at offset {}.{}</p>\n<ol class='path'>", path.sequence, escaped(path.producer), escaped(path.topic), path.partition, path.offset,
                                  path.note.empty() ? "" : " <b>" + escaped(path.note) + "</b>");
    const std::int64_t start = path.steps.front().at_ns;
    for (const RecordStep& step : path.steps) {
      const std::int64_t after = step.at_ns - start;
      out += fmt::format("<li><span>{}</span> <b>{}</b> {} <em>+{}.{:03} ms</em></li>", seconds(step.at_ns), escaped(step.what), step.where.empty() ? "" : "on " + escaped(step.where),
                         after / 1'000'000, after / 1'000 % 1000);
    }
    return out + "</ol>\n";
  }

 private:
  static constexpr int curve_height = 170;

  static std::string tick(double y, std::string_view words) {
    return fmt::format("<line x1='{0}' y1='{1:.1f}' x2='{2}' y2='{1:.1f}' class='grid'/><text x='{3}' y='{4:.1f}' class='label'>{5}</text>", left, y, width - right_pad, left - 8, y + 4, escaped(words));
  }

  template <class YOf>
  std::string drawn(const std::vector<Series>& all, const YOf& y_of, std::string out, bool steps) const {
    std::string legend = "<p class='legend'>";
    std::size_t index = 0, points_seen = 0;
    for (const Series& series : all) {
      const char* const colour = broker_colours[index++ % broker_colours.size()];
      // The usual distance of two points; a much longer one is a time in which nothing was measured, and stays empty.
      std::vector<std::int64_t> gaps;
      for (std::size_t i = 1; i < series.points.size(); ++i) gaps.push_back(series.points[i].first - series.points[i - 1].first);
      std::nth_element(gaps.begin(), gaps.begin() + static_cast<std::ptrdiff_t>(gaps.size() / 2), gaps.end());
      const std::int64_t silence_ns = gaps.empty() ? 0 : 4 * gaps[gaps.size() / 2];
      std::string points;
      const auto stroke = [&] {
        if (!points.empty())
          out += fmt::format("<polyline points='{}' fill='none' stroke='{}' stroke-width='1.4' stroke-linecap='round'><title>{}</title></polyline>", points, colour, escaped(series.name));
        points.clear();
      };
      double before = -1;
      std::int64_t before_ns = 0;
      for (const auto& [t, v] : series.points) {
        if (!steps && before >= 0 && t - before_ns > silence_ns) stroke();
        if (steps && before >= 0) points += fmt::format("{:.1f},{:.1f} ", x(t), before);
        before = y_of(v);
        before_ns = t;
        points += fmt::format("{:.1f},{:.1f} ", x(t), before);
        ++points_seen;
      }
      if (steps && before >= 0) points += fmt::format("{:.1f},{:.1f} ", x(end_ns_), before);
      stroke();
      if (!series.name.empty()) legend += fmt::format("<i style='background:{}'></i>{} ", colour, escaped(series.name));
    }
    if (points_seen == 0) return "<p>Nothing was measured.</p>\n";
    for (const FaultBar& fault : data_.faults)
      out += fmt::format("<rect x='{:.1f}' y='0' width='{:.1f}' height='{}' class='shade'><title>{}</title></rect>", x(fault.from_ns),
                         std::max(1.0, x(fault.until_ns < 0 ? end_ns_ : fault.until_ns) - x(fault.from_ns)), curve_height, escaped(fault.kind + " " + fault.target));
    return svg(curve_height, out) + legend + "</p>\n";
  }

  const ReportData& data_;
  std::int64_t end_ns_;
};

constexpr const char* style = R"css(body{font:14px/1.45 system-ui,sans-serif;max-width:1060px;margin:24px auto;padding:0 16px;color:#222;background:#fff}
h1{font-size:22px;margin:0 0 4px}h2{font-size:16px;margin:26px 0 6px;border-bottom:1px solid #ddd}
.verdict{display:inline-block;padding:2px 12px;border-radius:4px;color:#fff;font-weight:700;text-transform:uppercase}.pass{background:#228833}.fail{background:#cc3311}.undecided{background:#997700}
svg{width:100%;height:auto;display:block}.grid{stroke:#e4e4e4}.heal{stroke:#228833;stroke-dasharray:4 3}.tick{font-size:10px;fill:#777;text-anchor:middle}.label{font-size:11px;fill:#333;text-anchor:end}
.cost{font-size:10px;fill:#777}.fault{fill:#cc3311;fill-opacity:.75}.shade{fill:#cc3311;fill-opacity:.07}.isr2{fill:#ddaa33;background:#ddaa33}.isr1{fill:#cc3311;background:#cc3311}
details summary{cursor:pointer;color:#444;margin:6px 0}.legend{font-size:12px;color:#444;margin:2px 0}.legend i{display:inline-block;width:11px;height:11px;margin:0 4px 0 8px}
pre{background:#f6f6f6;padding:12px;overflow-x:auto;font-size:12.5px}.path{list-style:none;padding-left:8px;border-left:3px solid #4477aa}.path li{margin:3px 0 3px 8px}.path span{color:#777;display:inline-block;width:90px}.path em{color:#4477aa})css";

}  // namespace

std::string report_html(const ReportData& data, const ReportHead& head) {
  const Page page(data);
  std::string out = "<!DOCTYPE html>\n<html lang='en'><head><meta charset='utf-8'><meta name='viewport' content='width=device-width'>";
  out += "<title>" + escaped(data.scenario) + ": " + escaped(head.verdict) + "</title><style>" + style + "</style></head><body>\n";
  out += "<h1>" + escaped(data.scenario) + " <span class='verdict " + escaped(head.verdict) + "'>" + escaped(head.verdict) + "</span></h1>\n";
  out += "<p>" + escaped(data.description) + "</p>\n<p><b>" + escaped(head.headline) + "</b></p>\n";
  out += "<h2>Faults</h2>\n" + page.faults();
  out += "<h2>Leaders and in-sync sets</h2>\n" + page.legend() + page.partitions();
  out += "<h2>Latency</h2>\n" + page.decades(data.latency_ms_micro);
  out += "<h2>Consumer lag</h2>\n" + page.linear(data.lag, "records");
  out += "<h2>Under-replicated partitions</h2>\n" + page.linear({data.under_replicated}, "", true);
  out += "<h2>The way of one record</h2>\n" + page.path();
  out += "<h2>Result</h2>\n<pre>" + escaped(head.text) + "</pre>\n</body></html>\n";
  return out;
}

}  // namespace harrow::sim
