#include "core/log/inspect.h"

#include <algorithm>
#include <fmt/format.h>

#include "core/log/checkpoint_files.h"
#include "core/log/epoch_cache.h"
#include "core/log/file_reader.h"
#include "core/log/offset_index.h"
#include "core/log/producer_state.h"
#include "core/log/segment.h"
#include "core/log/time_index.h"
#include "core/log/txn_index.h"

namespace harrow {
namespace {

/// What a scan keeps of each batch.
struct Seen {
  std::uint64_t position;
  Offset base, last;
  WallMs max_timestamp;
};

// An index of an open segment is followed by zeros up to its full size.
Bytes without_zeros(const Bytes& file, std::uint64_t entry_bytes) {
  std::uint64_t size = file.size() - file.size() % entry_bytes;
  const std::string raw = file.sub(0, size).to_string();
  const std::string zero(entry_bytes, '\0');
  while (size > 0 && raw.compare(size - entry_bytes, entry_bytes, zero) == 0) size -= entry_bytes;
  return file.sub(0, size);
}

class Inspection {
 public:
  Inspection(Disk& disk, std::string folder) : disk_(disk), folder_(std::move(folder)) {}

  Task<Result<FolderReport>> verify() {
    const Result<std::vector<std::string>> names = disk_.list(folder_);
    if (!names) co_return pass(names.error());
    std::vector<Offset> bases;
    for (const std::string& name : *names)
      if (const auto base = segment_offset_of(name, ".log")) bases.push_back(*base);
    for (std::size_t i = 0; i < bases.size(); ++i) {
      const Offset base = bases[i];
    const bool is_last = i + 1 == bases.size();
    const Result<bool> scanned = co_await segment(base, is_last);
      if (!scanned) co_return pass(scanned.error());
    }
    if (report_.end == no_offset && !bases.empty()) report_.first = report_.end = bases.front();
    for (const std::string& name : *names) {
      const Result<bool> checked = co_await side_file(name);
      if (!checked) co_return pass(checked.error());
    }
    co_return std::move(report_);
  }

 private:
  void found(const std::string& file, std::uint64_t position, std::string what) {
    report_.findings.push_back(Finding{file, position, std::move(what)});
  }

  Task<Result<bool>> segment(Offset base, bool newest) {
    const std::string name = segment_file_name(base, ".log");
    const Result<FilePtr> file = disk_.open(folder_ + "/" + name, OpenMode::existing);
    if (!file) co_return pass(file.error());
    ++report_.segments;
    report_.bytes += (*file)->size();
    if (report_.end != no_offset && base < report_.end) found(name, 0, "the segment begins before the end of the one before");
    std::vector<Seen> seen;
    FileReader reader(*file, 0, (*file)->size());
    while (true) {
      const Result<FileReader::Found> look = co_await reader.look(true);
      if (!look) co_return pass(look.error());
      if (*look == FileReader::Found::end) break;
      if (*look == FileReader::Found::bad) {
        found(name, reader.position(), "no sound batch: wrong form, length or CRC");
        break;
      }
      batch(name, reader, base);
      seen.push_back(Seen{reader.position(), reader.header().base_offset, reader.header().last_offset(), reader.header().max_timestamp});
      reader.advance();
    }
    const Result<bool> offsets = co_await offset_index(base, newest, seen);
    if (!offsets) co_return pass(offsets.error());
    const Result<bool> times = co_await time_index(base, newest, seen);
    co_return times;
  }

  void batch(const std::string& name, const FileReader& reader, Offset base) {
    const BatchHeader& header = reader.header();
    ++report_.batches;
    report_.records += static_cast<std::uint64_t>(header.record_count);
    if (header.base_offset < base) found(name, reader.position(), "a batch's offset lies before its segment");
    if (report_.end != no_offset && header.base_offset < report_.end) found(name, reader.position(), "offsets do not increase");
    if (header.leader_epoch < last_epoch_) found(name, reader.position(), "leader epochs decrease");
    last_epoch_ = std::max(last_epoch_, header.leader_epoch);
    if (header.leader_epoch > epochs_.latest()) {
      epochs_.assign(header.leader_epoch, header.base_offset);
      gap_before_epoch_.push_back(report_.end == no_offset ? base : report_.end);
    }
    has_gaps_ = has_gaps_ || header.base_offset > (report_.end == no_offset ? base : report_.end);
    if (report_.first == no_offset) report_.first = header.base_offset;
    report_.end = std::max(report_.end, header.end_offset());
    Result<RecordReader> records = RecordReader::open(reader.batch());
    Record record;
    Offset next = header.base_offset;
    while (records && records->next(record)) {
      if (record.offset < next) found(name, reader.position(), "offsets of records do not increase");
      next = record.offset + 1;
    }
    if (!records || records->failed()) found(name, reader.position(), "records cannot be read");
  }

  Task<Result<bool>> offset_index(Offset base, bool newest, const std::vector<Seen>& seen) {
    const std::string name = segment_file_name(base, ".index");
    if (!disk_.exists(folder_ + "/" + name)) {
      if (!newest) found(name, 0, "the index is missing");
      co_return true;
    }
    const Result<std::string> text = co_await read_text(disk_, folder_ + "/" + name);
    if (!text) co_return pass(text.error());
    OffsetIndex index;
    if (!OffsetIndex::decode(without_zeros(Bytes::copy_of(*text), offset_entry_bytes), UINT64_MAX, index)) {
      found(name, 0, "entries do not increase");
      co_return true;
    }
    std::uint64_t at = 0;
    for (const OffsetEntry& entry : index.entries()) {
      const auto batch = std::lower_bound(seen.begin(), seen.end(), entry.position,
                                          [](const Seen& one, std::uint64_t wanted) { return one.position < wanted; });
      const Offset offset = base + entry.relative_offset;
      if (batch == seen.end() || batch->position != entry.position) found(name, at, "an entry points at no batch");
      else if (batch->last > offset) found(name, at, "an entry's offset lies before its batch's end");
      else if (batch + 1 != seen.end() && (batch + 1)->base <= offset && (batch + 1)->last > offset)
        found(name, at, "an entry's offset lies within a later batch");
      at += offset_entry_bytes;
    }
    co_return true;
  }

  Task<Result<bool>> time_index(Offset base, bool newest, const std::vector<Seen>& seen) {
    const std::string name = segment_file_name(base, ".timeindex");
    if (!disk_.exists(folder_ + "/" + name)) {
      if (!newest) found(name, 0, "the index is missing");
      co_return true;
    }
    const Result<std::string> text = co_await read_text(disk_, folder_ + "/" + name);
    if (!text) co_return pass(text.error());
    TimeIndex index;
    if (!TimeIndex::decode(without_zeros(Bytes::copy_of(*text), time_entry_bytes), index)) {
      found(name, 0, "entries do not increase");
      co_return true;
    }
    std::uint64_t at = 0;
    std::size_t i = 0;
    WallMs largest{-1};
    for (const TimeEntry& entry : index.entries()) {
      for (; i < seen.size() && seen[i].last <= base + entry.relative_offset; ++i) largest = std::max(largest, seen[i].max_timestamp);
      if (largest > entry.timestamp) found(name, at, "a batch before an entry's offset is younger than the entry says");
      at += time_entry_bytes;
    }
    for (const Seen& batch : seen) largest = std::max(largest, batch.max_timestamp);
    if (!newest && largest.value() >= 0 && index.last_timestamp() != largest)
      found(name, at, "the largest timestamp of a closed segment is missing");
    co_return true;
  }

  Task<Result<bool>> side_file(std::string name) {
    const std::string path = folder_ + "/" + name;
    const bool wanted = segment_offset_of(name, ".snapshot") || segment_offset_of(name, ".txnindex") ||
                        name == "leader-epoch-checkpoint" || name == "partition.metadata";
    if (!wanted) co_return true;
    const Result<std::string> text = co_await read_text(disk_, path);
    if (!text) co_return pass(text.error());
    const Bytes bytes = Bytes::copy_of(*text);
    if (const auto offset = segment_offset_of(name, ".snapshot")) {
      const Result<ProducerState> state = ProducerState::decode(bytes);
      if (!state) {
        found(name, 0, state.error().what);
        co_return true;
      }
      for (const auto& [id, entry] : state->producers())
        if (entry.last() != nullptr && entry.last()->last_offset >= *offset)
          found(name, 0, fmt::format("producer {} has an offset behind the snapshot's", id.value()));
    } else if (segment_offset_of(name, ".txnindex")) {
      if (!decode_aborted(bytes)) found(name, 0, "aborted transactions cannot be read");
    } else if (name == "partition.metadata") {
      if (!parse_partition_metadata(*text)) found(name, 0, "partition.metadata is damaged");
    } else {
      epoch_file(name, *text);
    }
    co_return true;
  }

  void epoch_file(const std::string& name, const std::string& text) {
    Result<EpochCache> cache = EpochCache::parse(text);
    if (!cache) {
      found(name, 0, cache.error().what);
      return;
    }
    // The log may start later than its first batch, and a leader may have begun an epoch without a record.
    // Where it starts at its end, what is left of the older epochs begins there, too, though their batches still lie below.
    EpochCache stored = *cache;
    EpochCache expected = epochs_;
    if (!stored.entries().empty()) expected.truncate_from_start(stored.entries().front().start);
    stored.truncate_from_end(report_.end);
    expected.truncate_from_end(report_.end);
    if (stored.entries() == expected.entries()) return;
    if (!has_gaps_) return found(name, 0, "epochs differ from those of the batches");
    // Compaction takes batches that began an epoch, and all of one: what the file says may lie in the gap before the first
    // batch that is left.
    const std::vector<EpochStart>& seen = epochs_.entries();
    const auto fits = [&](const EpochStart& entry) {
      bool in_gap = false;
      for (std::size_t i = 0; i < seen.size(); ++i) {
        const bool here = entry.start >= gap_before_epoch_[i] && entry.start <= seen[i].start;
        if (seen[i].epoch == entry.epoch) return here;
        in_gap = in_gap || here;
      }
      return in_gap;
    };
    const auto named = [&](const EpochStart& one) {
      return std::any_of(stored.entries().begin(), stored.entries().end(), [&](const EpochStart& entry) { return entry.epoch == one.epoch; });
    };
    const bool first_trimmed = !stored.entries().empty();  // the log's start is its first epoch's
    if (!std::all_of(stored.entries().begin() + (first_trimmed ? 1 : 0), stored.entries().end(), fits) ||
        !std::all_of(expected.entries().begin(), expected.entries().end(), named))
      found(name, 0, "epochs differ from those of the batches");
  }

  Disk& disk_;
  std::string folder_;
  FolderReport report_;
  EpochCache epochs_;
  std::vector<Offset> gap_before_epoch_;  // the end of what stands before each epoch's first batch
  bool has_gaps_ = false;
  LeaderEpoch last_epoch_ = no_epoch;
};

std::string shown(std::optional<std::string_view> text) {
  if (!text) return "null";
  std::string out = "\"";
  for (const char c : *text) {
    if (c == '"' || c == '\\') out.push_back('\\');
    if (c >= ' ' && c <= '~') out.push_back(c);
    else out += fmt::format("\\x{:02x}", static_cast<unsigned>(static_cast<unsigned char>(c)));
  }
  return out + "\"";
}

std::string shown(const BatchHeader& header, std::uint64_t position) {
  std::string line = fmt::format("offsets {}..{} position {} size {} records {} epoch {} time {}..{} {}", header.base_offset.value(),
                                 header.last_offset().value(), position, header.size_bytes(), header.record_count,
                                 header.leader_epoch.value(), header.base_timestamp.value(), header.max_timestamp.value(),
                                 header.codec_bits() <= 4 ? name_of(header.codec()) : std::string_view("?"));
  if (header.timestamp_type() == TimestampType::log_append_time) line += " append-time";
  if (header.has_producer())
    line += fmt::format(" producer {}/{} sequence {}..{}", header.producer_id.value(), header.producer_epoch.value(),
                        header.base_sequence, header.last_sequence());
  if (header.is_transactional()) line += " transactional";
  if (header.is_control()) line += " control";
  return line;
}

std::string shown(const Record& record, bool control) {
  constexpr std::string_view control_names[] = {"abort",           "commit",        "leader-change", "snapshot-header",
                                                "snapshot-footer", "kraft-version", "kraft-voters"};
  const std::optional<ControlType> type = control ? control_type_of(record) : std::nullopt;
  std::string line = fmt::format("  {} time {}", record.offset.value(), record.timestamp.value());
  if (type) line += fmt::format(" {}", control_names[static_cast<std::size_t>(*type)]);
  else line += fmt::format(" key {} value {}", shown(record.key), shown(record.value));
  for (const RecordHeader& header : record.headers()) line += fmt::format(" {}={}", header.key, shown(header.value));
  return line;
}

}  // namespace

Result<std::vector<std::string>> partition_folders(Disk& disk, std::string_view log_dir) {
  TRY(const std::vector<std::string> names, disk.list(log_dir));
  std::vector<std::string> folders;
  for (const std::string& name : names) {
    if (name.empty() || name.back() != '/') continue;
    const std::string folder = name.substr(0, name.size() - 1);
    const std::size_t dash = folder.rfind('-');
    if (dash == std::string::npos || dash + 1 == folder.size() || dash == 0) continue;
    if (std::all_of(folder.begin() + static_cast<std::ptrdiff_t>(dash) + 1, folder.end(), [](char c) { return c >= '0' && c <= '9'; }))
      folders.push_back(folder);
  }
  return folders;
}

Task<Result<FolderReport>> verify_folder(Disk& disk, std::string folder) {
  Inspection inspection(disk, std::move(folder));
  Result<FolderReport> report = co_await inspection.verify();
  co_return std::move(report);
}

Task<Result<bool>> dump_folder(Disk& disk, std::string folder, bool with_records, LineSink sink) {
  const Result<std::vector<std::string>> names = disk.list(folder);
  if (!names) co_return pass(names.error());
  for (const std::string& name : *names) {
    const bool is_log = segment_offset_of(name, ".log").has_value();
    const bool is_text = name == "leader-epoch-checkpoint" || name == "partition.metadata";
    const bool is_snapshot = segment_offset_of(name, ".snapshot").has_value();
    if (!is_log && !is_text && !is_snapshot) continue;
    const Result<FilePtr> file = disk.open(folder + "/" + name, OpenMode::existing);
    if (!file) co_return pass(file.error());
    sink(fmt::format("{} {} bytes", name, (*file)->size()));
    if (is_text || is_snapshot) {
      const Result<Bytes> bytes = co_await (*file)->read(0, (*file)->size());
      if (!bytes) co_return pass(bytes.error());
      if (is_text) {
        std::string text = bytes->to_string();
        for (std::size_t end = text.find('\n'); !text.empty(); end = text.find('\n')) {
          sink("  " + text.substr(0, end));
          text.erase(0, end == std::string::npos ? end : end + 1);
        }
        continue;
      }
      const Result<ProducerState> state = ProducerState::decode(*bytes);
      if (!state) sink(fmt::format("  damaged: {}", state.error().what));
      if (!state) continue;
      for (const auto& [id, entry] : state->producers()) {
        const ProducerBatch* const last = entry.last();
        sink(fmt::format("  producer {}/{} last sequence {} offset {} open transaction {}", id.value(), entry.epoch,
                         last != nullptr ? last->last_sequence : -1, last != nullptr ? last->last_offset.value() : -1,
                         entry.open_transaction.value()));
      }
      continue;
    }
    FileReader reader(*file, 0, (*file)->size());
    while (true) {
      const Result<FileReader::Found> look = co_await reader.look(true);
      if (!look) co_return pass(look.error());
      if (*look == FileReader::Found::end) break;
      if (*look == FileReader::Found::bad) {
        sink(fmt::format("  no sound batch at {}: {} bytes left", reader.position(), (*file)->size() - reader.position()));
        break;
      }
      sink("  " + shown(reader.header(), reader.position()));
      if (with_records) {
        Result<RecordReader> records = RecordReader::open(reader.batch());
        Record record;
        while (records && records->next(record)) sink("  " + shown(record, reader.header().is_control()));
        if (!records || records->failed()) sink("    records cannot be read");
      }
      reader.advance();
    }
  }
  co_return true;
}

}  // namespace harrow
