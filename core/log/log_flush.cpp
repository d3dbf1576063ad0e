#include <algorithm>

#include "core/base/mutation.h"
#include "core/log/log.h"

namespace harrow {

/// Somebody whose records are not durable yet while another one's sync is under way.
struct Log::FlushWait : Ready {
  struct Member : Hook {
    FlushWait* wait = nullptr;
  };
  explicit FlushWait(Log& log) : log_(log) {}
  FlushWait(FlushWait&&) = delete;
  bool await_ready() const { return !log_.flushing_; }
  void await_suspend(std::coroutine_handle<> handle) {
    suspend(handle, "log flush");
    member_.wait = this;
    log_.flush_waits_.link_back(member_);
  }
  void await_resume() {}

 private:
  Log& log_;
  Member member_;
};

/// The right to sync; when it ends, even by cancellation, the next one looks.
struct Log::FlushTurn {
  explicit FlushTurn(Log& log, Offset target) : log_(log) {
    log_.flushing_ = true;
    log_.flush_target_ = target;
  }
  FlushTurn(FlushTurn&&) = delete;
  ~FlushTurn() {
    log_.flushing_ = false;
    log_.flush_target_ = no_offset;
    while (!log_.flush_waits_.empty()) {
      auto& member = static_cast<FlushWait::Member&>(log_.flush_waits_.front());
      member.unlink();
      member.wait->post();
    }
  }

 private:
  Log& log_;
};

bool Log::flush_time_due(WallMs now) const {
  if (!dying_.empty() && dying_.front().due <= now && folder_synced_ < dying_.front().names) return true;
  return durable_end_ < end_ && unflushed_since_.value() >= 0 && now - unflushed_since_ >= config().flush_ms;
}

Task<Result<bool>> Log::synced(Offset end) {
  while (true) {
    if (failed_) co_return error(Code::io_error, "the log has failed");
    const bool durable = durable_end_ >= std::min(end, end_);
    if (durable && !(end >= active_base() && snapshot_unsynced())) co_return true;
    if (flushing_) {
      FlushWait wait(*this);
      co_await wait;
      continue;
    }
    const Offset target = end > active_base() ? end_ : std::min(end_, active_base());
    FlushTurn turn(*this, target);
    const Result<bool> done = co_await sync_up_to(target);
    if (!done) co_return pass(done.error());
  }
}

Task<Result<bool>> Log::flush() {
  while (flushing_) {
    FlushWait wait(*this);
    co_await wait;
  }
  if (failed_) co_return error(Code::io_error, "the log has failed");
  FlushTurn turn(*this, end_);
  const Result<bool> done = co_await sync_up_to(end_);
  co_return done;
}

// Files first, then the names; the recovery point moves last. A dropped caller may end this at any wait, so nothing
// counts as synced before its sync has returned; segments may come and go meanwhile and are looked up anew after each.
Task<Result<bool>> Log::sync_up_to(Offset target) {
  Offset done_below{0};  // segments whose records this call has synced: what is appended meanwhile is the next one's
  while (true) {
    FilePtr file;
    FilePtr second;
    bool records = false;
    Offset base = no_offset;
    std::uint64_t size = 0;
    for (const Segment& segment : segments_) {
      if (segment.base() >= target && !closed_) break;
      base = segment.base();
      if (segment.needs_sync() && base >= done_below) {
        file = segment.file();
        second = segment.txn_file();
        size = segment.size();
        records = true;
        break;
      }
      if ((segment.sealed || closed_) && !segment.indexes_synced && segment.offset_file() != nullptr) {
        file = segment.offset_file();
        second = segment.time_file();
        break;
      }
    }
    if (file == nullptr) {
      base = no_offset;
      file = epoch_file_;
      for (const Snapshot& snapshot : snapshots_)
        if (file == nullptr) file = snapshot.file;
      if (file == nullptr) break;
    }
    const std::uint32_t changes = changes_;
    const Result<bool> synced = co_await file->sync();
    if (!synced) co_return broken(synced.error());
    if (second != nullptr) {
      const Result<bool> more = co_await second->sync();
      if (!more) co_return broken(more.error());
    }
    if (epoch_file_ == file) epoch_file_.reset();
    for (Snapshot& snapshot : snapshots_)
      if (snapshot.file == file) snapshot.file.reset();
    if (records) done_below = base + 1;
    for (Segment& segment : segments_) {
      // A cut meanwhile may have put other bytes under the same length.
      if (segment.base() != base || changes != changes_) continue;
      if (records) {
        segment.synced_size = std::max(segment.synced_size, size);
        segment.cut_unsynced = false;
      } else {
        segment.indexes_synced = true;
        if (segment.sealed) segment.close_indexes();
      }
    }
  }
  const std::uint32_t names = folder_changes_;
  if (names != folder_synced_ && !mutated(Bug::L03)) {
    const Result<bool> named = co_await place_.disk.sync_dir(folder_);
    if (!named) co_return broken(named.error());
    folder_synced_ = names;
  }
  if (!folder_named_ && !mutated(Bug::L03)) {
    const Result<bool> named = co_await place_.disk.sync_dir(place_.log_dir);
    if (!named) co_return broken(named.error());
    folder_named_ = true;
  }
  const Offset reached = std::min(flush_target_, end_);
  if (reached > durable_end_) {
    durable_end_ = reached;
    if (durable_end_ == end_) unflushed_since_ = WallMs(-1);
    place_.trace.emit(TraceKind::log_synced, subject_, durable_end_.value());
  }
  co_return true;
}

Task<Result<bool>> Log::close_clean() {
  if (failed_) co_return error(Code::io_error, "the log has failed");
  if (!closed_) {
    closed_ = true;
    if (active().size() > 0) {
      if (const auto sealed = active().seal(place_.disk, folder_); !sealed) co_return broken(sealed.error());
      ++folder_changes_;
    }
    if (const auto taken = take_producer_snapshot(end_); !taken) co_return pass(taken.error());
  }
  while (flushing_) {
    FlushWait wait(*this);
    co_await wait;
  }
  FlushTurn turn(*this, end_);
  const Result<bool> done = co_await sync_up_to(end_);
  co_return done;
}

}  // namespace harrow
