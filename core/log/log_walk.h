// Internal to core/log: looking at batches of a segment without waiting, and saying which bytes are missing if that fails.
#pragma once

#include <algorithm>

#include "core/log/log.h"

namespace harrow {

/// What a synchronous look at files needed but did not find in the page cache; and what was read for it meanwhile.
struct Log::Peek {
  FilePtr file;  // set: these bytes are missing
  std::uint64_t at = 0;
  std::uint64_t size = 0;
  FilePtr had_file;
  std::uint64_t had_at = 0;
  Bytes had;

  bool get(const FilePtr& from, std::uint64_t position, std::uint64_t wanted, Bytes& out) {
    if (had_file == from && position >= had_at && position + wanted <= had_at + had.size()) {
      out = had.sub(position - had_at, wanted);
      return true;
    }
    if (from->cached(position, wanted, out)) return true;
    file = from;
    at = position;
    size = wanted;
    return false;
  }
  /// How much to read for it at once.
  static constexpr std::uint64_t read_ahead = 64 * 1024;
  void learn(Bytes bytes) {
    had_file = std::move(file);
    file.reset();
    had_at = at;
    had = std::move(bytes);
  }
  static tl::unexpected<Error> missing() { return error(Code::not_cached, "a page is not in the cache"); }
};

/// Goes over the batches of one segment from a position that is a batch boundary.
class Log::Walk {
 public:
  Walk(const Segment& segment, std::uint64_t position, Peek& peek) : segment_(segment), peek_(peek), next_(position) {}
  /// True: header() is valid. False: the segment's end. not_cached, or corrupt_message where no batch stands.
  Result<bool> next() {
    position_ = next_;
    if (position_ >= segment_.size()) return false;
    const std::uint64_t left = segment_.size() - position_;
    if (left < batch_header_bytes) return error(Code::corrupt_message, "a segment ends within a header");
    if (position_ < window_at_ || position_ + batch_header_bytes > window_at_ + window_.size()) {
      constexpr std::uint64_t window_bytes = 4096;
      if (!peek_.get(segment_.file(), position_, std::min(left, window_bytes), window_)) return Peek::missing();
      window_at_ = position_;
    }
    TRY(header_, parse_batch_header(window_, position_ - window_at_));
    if (header_.size_bytes() > left) return error(Code::corrupt_message, "a segment ends within a batch");
    next_ = position_ + header_.size_bytes();
    return true;
  }
  const BatchHeader& header() const { return header_; }
  std::uint64_t position() const { return position_; }
  std::uint64_t end_position() const { return next_; }

 private:
  const Segment& segment_;
  Peek& peek_;
  std::uint64_t next_;
  std::uint64_t position_ = 0;
  BatchHeader header_;
  Bytes window_;
  std::uint64_t window_at_ = 0;
};

}  // namespace harrow
