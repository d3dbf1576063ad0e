// `serve --record FILE`: what the brokers of this process answered, as client operations, one JSON object a line, for
// `harrow judge`. Owner: the served cluster. The nodes' threads write to it, one line at a time.
#pragma once

#include <cstdio>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "core/base/trace.h"
#include "core/model/ids.h"

namespace harrow::cli {

class HistoryFile {
 public:
  HistoryFile() = default;
  HistoryFile(const HistoryFile&) = delete;
  ~HistoryFile();
  bool open(const std::string& path);
  void write(const std::string& line);
  /// Everything is in the file. False if something could not be written.
  bool flush();

 private:
  std::mutex lock_;
  std::FILE* file_ = nullptr;
  bool failed_ = false;
};

/// One node's part of it; lives on the node's thread. An answer to a producer is joined with the batch that was appended for
/// it: batches that nobody waits for (acks=0) are forgotten after a while.
class HistoryRecorder {
 public:
  explicit HistoryRecorder(HistoryFile& file) : file_(file) {}
  void on_event(const TraceEvent& event, const void* payload);

 private:
  struct Place {
    std::string topic;
    std::int32_t partition;
    std::int64_t base_offset;
    friend auto operator<=>(const Place&, const Place&) = default;
  };
  HistoryFile& file_;
  std::map<Place, std::vector<std::uint64_t>> appended_;  // hashes of the values
};

}  // namespace harrow::cli
