// Internal to core/log: goes through a segment's file in order, waiting for the disk where it must.
#pragma once

#include <algorithm>
#include <optional>

#include "core/async/task.h"
#include "core/host/disk.h"
#include "core/model/record_batch.h"

namespace harrow {

class FileReader {
 public:
  FileReader(FilePtr file, std::uint64_t from, std::uint64_t to) : file_(std::move(file)), position_(from), to_(to) {}

  enum class Found { batch, end, bad };
  /// The batch at position(), whole and with a right CRC if asked; then advance().
  Task<Result<Found>> look(bool check_crc) {
    if (position_ >= to_) co_return Found::end;
    std::uint64_t wanted = batch_header_bytes;
    while (true) {
      if (position_ + wanted > to_) co_return Found::bad;
      if (position_ < at_ || position_ + wanted > at_ + chunk_.size()) {
        const std::uint64_t size = std::min(std::max(wanted, chunk_bytes), to_ - position_);
        Result<Bytes> got = co_await file_->read(position_, size);
        if (!got) co_return pass(got.error());
        if (got->size() < wanted) co_return Found::bad;
        chunk_ = std::move(*got);
        at_ = position_;
      }
      const Result<BatchHeader> header = parse_batch_header(chunk_, position_ - at_);
      if (!header) co_return Found::bad;
      header_ = *header;
      if (!check_crc) {
        if (position_ + header_.size_bytes() > to_) co_return Found::bad;
        co_return Found::batch;
      }
      if (position_ + header_.size_bytes() <= at_ + chunk_.size()) break;
      wanted = header_.size_bytes();
    }
    if (batch_crc(chunk_, position_ - at_, header_) != header_.crc) co_return Found::bad;
    co_return Found::batch;
  }
  const BatchHeader& header() const { return header_; }
  std::uint64_t position() const { return position_; }
  /// The present batch's bytes; only after look(true).
  Bytes batch() const { return chunk_.sub(position_ - at_, header_.size_bytes()); }
  void advance() { position_ += header_.size_bytes(); }

 private:
  static constexpr std::uint64_t chunk_bytes = 1 << 18;
  FilePtr file_;
  std::uint64_t position_;
  std::uint64_t to_;
  std::uint64_t at_ = 0;
  Bytes chunk_;
  BatchHeader header_;
};

}  // namespace harrow
