// The folder of one run: results/runs/<scenario>/<UTC>-s<seed>/ with run.json, the expanded scenario, faults, history,
// events, metrics, logs and report. Every file is written so that what is there after a full disk or an interruption is
// whole lines; a failed write is remembered and said once, and never ends the run.
#pragma once

#include <cstdint>
#include <cstdio>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/trace.h"
#include "sim/trace/collector.h"

namespace harrow::sim {

/// Text of a string as a JSON literal, with quotes.
std::string json_text(std::string_view text);

/// A file of whole lines, buffered.
class LineFile {
 public:
  LineFile() = default;
  ~LineFile() { close(); }
  LineFile(LineFile&& other) noexcept;
  LineFile& operator=(LineFile&&) = delete;
  bool open(const std::string& path);
  /// `line` without its end.
  void write(std::string_view line);
  /// False if anything could not be written.
  bool close();
  bool failed() const { return failed_; }

 private:
  void flush();
  std::FILE* file_ = nullptr;
  std::string buffer_;
  bool failed_ = false;
};

class RunFolder {
 public:
  /// Makes the folder: `out` if given, else below `root` ("results/runs"). False when that fails.
  bool make(const std::string& root, const std::string& out, const std::string& scenario, std::uint64_t seed, std::int64_t utc_s);
  const std::string& path() const { return path_; }
  std::string file(std::string_view name) const { return path_ + "/" + std::string(name); }
  /// Whole file, by a temporary one and renaming. False when that fails (and then the old one is still there).
  bool write(std::string_view name, std::string_view text);
  /// Moves the links `latest` and, for a failed run, `latest-failed` (below the root only).
  void link(bool failed);
  const std::vector<std::string>& unwritten() const { return unwritten_; }

 private:
  std::string root_, path_;
  bool linked_ = false;
  std::vector<std::string> unwritten_;
};

/// history.jsonl: what clients asked and were told (invoke, ok, fail, info).
class HistoryWriter final : public TraceListener {
 public:
  bool open(const std::string& path) { return file_.open(path); }
  void on_event(const TraceEvent& event, const void* payload) override;
  bool close() { return file_.close(); }
  static std::span<const TraceKind> kinds();

 private:
  LineFile file_;
};

/// events.jsonl.zst and logs/<node>.log: every event as a line.
class EventWriter final : public TraceListener {
 public:
  EventWriter();
  ~EventWriter() override;
  bool open(const std::string& events_path, const std::string& logs_folder);
  void name_subjects(std::function<std::string(std::uint32_t)> subject) { subject_ = std::move(subject); }
  void name_nodes(std::vector<std::string> nodes) { nodes_ = std::move(nodes); }
  void on_event(const TraceEvent& event, const void* payload) override;
  /// Ends the compressed stream; false if anything could not be written.
  bool close();

 private:
  struct Stream;
  void compress(bool end);
  std::string node_name(std::uint16_t node) const;

  std::unique_ptr<Stream> stream_;
  std::string pending_;
  std::string logs_folder_;
  std::map<std::uint16_t, LineFile> logs_;
  std::vector<std::string> nodes_;
  std::function<std::string(std::uint32_t)> subject_;
  bool failed_ = false;
};

/// metrics.csv: t_s,node,metric,labels,value
std::string metrics_csv(const std::vector<MetricRow>& rows);
/// One line of text for an event, as the logs have it.
std::string event_text(const TraceEvent& event, std::string_view node, std::string_view subject);

}  // namespace harrow::sim
