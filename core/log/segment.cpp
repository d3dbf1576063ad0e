#include "core/log/segment.h"

#include <algorithm>
#include <charconv>
#include <cstdio>

#include "core/base/buffer.h"

namespace harrow {

std::string segment_file_name(Offset base, std::string_view suffix) {
  char digits[24];
  const int size = std::snprintf(digits, sizeof(digits), "%020lld", static_cast<long long>(base.value()));
  std::string name(digits, static_cast<std::size_t>(size));
  return name.append(suffix);
}

std::optional<Offset> segment_offset_of(std::string_view name, std::string_view suffix) {
  constexpr std::size_t digits = 20;
  if (name.size() != digits + suffix.size() || name.substr(digits) != suffix) return std::nullopt;
  std::int64_t value = 0;
  const auto [end, code] = std::from_chars(name.data(), name.data() + digits, value);
  if (code != std::errc() || end != name.data() + digits || value < 0) return std::nullopt;
  return Offset(value);
}

bool Segment::must_roll(const BatchHeader& header, std::uint64_t bytes, const LogConfig& config, std::int64_t jitter_ms, WallMs now) const {
  if (header.last_offset() - base_ > INT32_MAX) return true;
  if (size_ == 0) return false;  // a batch that is too large for any segment gets one of its own
  if (size_ + bytes > static_cast<std::uint64_t>(config.segment_bytes)) return true;
  if (offset_index_.full(config.segment_index_bytes) || time_index_.full(config.segment_index_bytes)) return true;
  // Record time drives rolling; the wall clock only where records carry none.
  const bool timed = first_timestamp_.value() >= 0;
  const std::int64_t waited = timed ? header.max_timestamp - first_timestamp_ : first_append_.value() >= 0 ? now - first_append_ : 0;
  return waited > config.segment_ms - std::min(jitter_ms, config.segment_ms);
}

std::size_t Segment::free_index_entries(const LogConfig& config) const {
  const auto room = [&](std::int64_t entry_bytes, std::size_t used, std::int64_t spare) {
    return std::max<std::int64_t>(config.segment_index_bytes / entry_bytes - spare - static_cast<std::int64_t>(used), 0);
  };
  return static_cast<std::size_t>(
      std::min(room(offset_entry_bytes, offset_index_.entries().size(), 0), room(time_entry_bytes, time_index_.entries().size(), 1)));
}

Result<bool> Segment::write(const Bytes& batches) {
  TRY_VOID(file_->write(size_, batches));
  size_ += batches.size();
  return true;
}

void Segment::observe(const BatchHeader& header, std::uint64_t position) {
  if (header.max_timestamp > max_timestamp_) {
    max_timestamp_ = header.max_timestamp;
    offset_of_max_ = header.last_offset();
  }
  if (position == 0) first_timestamp_ = header.max_timestamp;
}

// Folds the batch into the marks; true when an index entry is due.
bool Segment::entry_due(const LogConfig& config, const BatchHeader& header, std::uint64_t position, OffsetEntry& offset_entry,
                        std::optional<TimeEntry>& time_entry) {
  observe(header, position);
  const bool due = bytes_since_entry_ > config.index_interval_bytes;
  if (due) {
    offset_entry = OffsetEntry{static_cast<std::uint32_t>(header.last_offset() - base_), static_cast<std::uint32_t>(position)};
    const TimeEntry newest{max_timestamp_, static_cast<std::uint32_t>(offset_of_max_ - base_)};
    if (max_timestamp_.value() >= 0 && time_index_.grows_with(newest)) time_entry = newest;
    bytes_since_entry_ = 0;
  }
  bytes_since_entry_ += static_cast<std::int64_t>(header.size_bytes());
  return due;
}

Result<bool> Segment::note(Disk& disk, const std::string& folder, const LogConfig& config, const BatchHeader& header,
                           std::uint64_t position, WallMs now) {
  if (now.value() >= 0) {
    if (position == 0 || first_append_.value() < 0) first_append_ = now;
    last_append_ = now;
  }
  if (recent_ == nullptr) recent_ = std::make_unique<Recent>();
  const std::uint32_t slot = recent_->next++ % Recent::size;
  recent_->base[slot] = header.base_offset;
  recent_->position[slot] = static_cast<std::uint32_t>(position);
  OffsetEntry offset_entry;
  std::optional<TimeEntry> time_entry;
  if (!entry_due(config, header, position, offset_entry, time_entry)) return true;
  TRY_VOID(open_index_files(disk, folder, config));
  const std::uint64_t offset_at = offset_index_.entries().size() * offset_entry_bytes;
  offset_index_.add(offset_entry);
  TRY_VOID(offset_file_->write(offset_at, OffsetIndex::encode(offset_entry)));
  if (!time_entry) return true;
  const std::uint64_t time_at = time_index_.entries().size() * time_entry_bytes;
  time_index_.add(*time_entry);
  return time_file_->write(time_at, TimeIndex::encode(*time_entry));
}

void Segment::note_scanned(const LogConfig& config, const BatchHeader& header, std::uint64_t position) {
  OffsetEntry offset_entry;
  std::optional<TimeEntry> time_entry;
  if (!entry_due(config, header, position, offset_entry, time_entry)) return;
  offset_index_.add(offset_entry);
  if (time_entry) time_index_.add(*time_entry);
}

Result<bool> Segment::open_index_files(Disk& disk, const std::string& folder, const LogConfig& config) {
  const auto whole = [&](std::int64_t entry) { return static_cast<std::uint64_t>(config.segment_index_bytes / entry * entry); };
  if (offset_file_ == nullptr) {
    TRY(offset_file_, disk.open(folder + "/" + segment_file_name(base_, ".index"), OpenMode::create));
    TRY_VOID(offset_file_->truncate(whole(offset_entry_bytes)));
    indexes_synced = false;
  }
  if (time_file_ == nullptr) {
    TRY(time_file_, disk.open(folder + "/" + segment_file_name(base_, ".timeindex"), OpenMode::create));
    TRY_VOID(time_file_->truncate(whole(time_entry_bytes)));
  }
  return true;
}

Result<bool> Segment::seal(Disk& disk, const std::string& folder) {
  if (offset_file_ == nullptr) { TRY(offset_file_, disk.open(folder + "/" + segment_file_name(base_, ".index"), OpenMode::create)); }
  if (time_file_ == nullptr) { TRY(time_file_, disk.open(folder + "/" + segment_file_name(base_, ".timeindex"), OpenMode::create)); }
  if (max_timestamp_.value() >= 0) {
    const TimeEntry last{max_timestamp_, static_cast<std::uint32_t>(offset_of_max_ - base_)};
    if (time_index_.grows_with(last)) {
      TRY_VOID(time_file_->write(time_index_.entries().size() * time_entry_bytes, TimeIndex::encode(last)));
      time_index_.add(last);
    }
  }
  TRY_VOID(offset_file_->truncate(offset_index_.entries().size() * offset_entry_bytes));
  TRY_VOID(time_file_->truncate(time_index_.entries().size() * time_entry_bytes));
  indexes_synced = false;
  return true;
}

void Segment::close_scanned() {
  sealed = true;
  if (max_timestamp_.value() < 0) return;
  const TimeEntry last{max_timestamp_, static_cast<std::uint32_t>(offset_of_max_ - base_)};
  if (time_index_.grows_with(last)) time_index_.add(last);
}

void Segment::take_age_of(const Segment& other) {
  if (first_append_.value() < 0) first_append_ = other.first_append_;
  last_append_ = other.last_append_;
}

Result<bool> Segment::write_indexes(Disk& disk, const std::string& folder, const LogConfig& config, bool open) {
  if (open && offset_index_.entries().empty()) {
    // Nothing to say yet: no file, as for a new segment.
    offset_file_.reset();
    time_file_.reset();
    TRY_VOID(disk.remove(folder + "/" + segment_file_name(base_, ".index")));
    TRY_VOID(disk.remove(folder + "/" + segment_file_name(base_, ".timeindex")));
    return true;
  }
  if (offset_file_ == nullptr) { TRY(offset_file_, disk.open(folder + "/" + segment_file_name(base_, ".index"), OpenMode::create)); }
  if (time_file_ == nullptr) { TRY(time_file_, disk.open(folder + "/" + segment_file_name(base_, ".timeindex"), OpenMode::create)); }
  TRY_VOID(offset_file_->truncate(0));
  TRY_VOID(time_file_->truncate(0));
  if (!offset_index_.entries().empty()) TRY_VOID(offset_file_->write(0, offset_index_.encode()));
  if (!time_index_.entries().empty()) TRY_VOID(time_file_->write(0, time_index_.encode()));
  indexes_synced = false;
  if (!open) return true;
  TRY_VOID(offset_file_->truncate(static_cast<std::uint64_t>(config.segment_index_bytes / offset_entry_bytes * offset_entry_bytes)));
  return time_file_->truncate(static_cast<std::uint64_t>(config.segment_index_bytes / time_entry_bytes * time_entry_bytes));
}

Result<bool> Segment::truncate(std::uint64_t position, Offset end) {
  TRY_VOID(file_->truncate(position));
  size_ = position;
  synced_size = std::min(synced_size, position);
  cut_unsynced = true;
  recent_.reset();
  offset_index_.truncate(end - base_);
  time_index_.truncate(end - base_);
  return true;
}

void Segment::reset_tail() {
  max_timestamp_ = time_index_.last_timestamp();
  offset_of_max_ = time_index_.entries().empty() ? no_offset : base_ + time_index_.entries().back().relative_offset;
  bytes_since_entry_ = 0;
}

void Segment::note_tail(const BatchHeader& header, std::uint64_t position) {
  observe(header, position);
  bytes_since_entry_ += static_cast<std::int64_t>(header.size_bytes());
}

std::uint64_t Segment::tail_position(Offset end) const {
  for (auto entry = offset_index_.entries().rbegin(); entry != offset_index_.entries().rend(); ++entry)
    if (entry->relative_offset < end - base_) return entry->position;
  return 0;
}

std::uint32_t Segment::floor_position(Offset offset) const {
  std::uint32_t position = offset_index_.floor_position(offset - base_);
  if (recent_ == nullptr) return position;
  const std::uint32_t count = std::min(recent_->next, Recent::size);
  for (std::uint32_t i = 0; i < count; ++i)
    if (recent_->base[i] <= offset && recent_->position[i] > position) position = recent_->position[i];
  return position;
}

std::optional<std::uint64_t> Segment::recent_position(Offset offset) const {
  if (recent_ == nullptr) return std::nullopt;
  const std::uint32_t count = std::min(recent_->next, Recent::size);
  for (std::uint32_t i = 0; i < count; ++i)
    if (recent_->base[i] == offset) return recent_->position[i];
  return std::nullopt;
}

void Segment::adopt_indexes(OffsetIndex offsets, TimeIndex times) {
  offset_index_ = std::move(offsets);
  time_index_ = std::move(times);
  reset_tail();
}

}  // namespace harrow
