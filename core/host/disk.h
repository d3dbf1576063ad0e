// Files of one node. Real: POSIX files, with a small pool for fsync and cold reads. Simulated: a page cache over a
// device with queues, and a crash that keeps only what was synced plus a legal subset of the rest.
//
// Writing, truncating, creating, renaming and removing act on the page cache and the directory in memory: they are
// synchronous, cost no waiting, and are durable only after `sync` (contents and size of a file) and `sync_dir` (the
// entries of a folder). Reading, syncing and waiting for dirty-page space may wait.
// Paths are relative to the node's root, parts separated by '/'; no part is "." or "..".
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/async/completion.h"
#include "core/base/bytes.h"
#include "core/base/result.h"

namespace harrow {

class File {
 public:
  virtual ~File() = default;  // closes; an operation under way keeps what it needs

  /// Replaces [at, at + bytes.size()), growing the file (a gap reads as zeros). The bytes are shared, not copied.
  /// Errors: io_error, disk_full (then nothing was written).
  virtual Result<bool> write(std::uint64_t at, const Bytes& bytes) = 0;
  /// Sets the size; growing gives zeros and costs no space.
  virtual Result<bool> truncate(std::uint64_t size) = 0;
  virtual std::uint64_t size() const = 0;
  /// The bytes if they are all in the page cache (so that reading them needs no wait); empty optional otherwise.
  virtual bool cached(std::uint64_t at, std::uint64_t size, Bytes& out) = 0;

  class ReadWait : public Completion<Result<Bytes>> {
   public:
    ReadWait(File& file, std::uint64_t at, std::uint64_t size) : file_(file), at_(at), size_(size) {}
    bool await_ready() {
      file_.start_read(at_, size_, *this);
      return completed();
    }
    void await_suspend(std::coroutine_handle<> h) { suspend(h, "read file"); }
    Result<Bytes> await_resume() { return take(); }

   private:
    File& file_;
    std::uint64_t at_, size_;
  };
  /// Up to `size` bytes from `at` (fewer at the end of the file). Error: io_error.
  ReadWait read(std::uint64_t at, std::uint64_t size) { return ReadWait(*this, at, size); }

  class SyncWait : public Completion<Result<bool>> {
   public:
    explicit SyncWait(File& file) : file_(file) {}
    bool await_ready() {
      file_.start_sync(*this);
      return completed();
    }
    void await_suspend(std::coroutine_handle<> h) { suspend(h, "sync file"); }
    Result<bool> await_resume() { return take(); }

   private:
    File& file_;
  };
  /// Makes everything written before the call durable. After an error the pages count as clean: never retry and
  /// believe (io_error).
  SyncWait sync() { return SyncWait(*this); }

 protected:
  virtual void start_read(std::uint64_t at, std::uint64_t size, Completion<Result<Bytes>>& done) = 0;
  virtual void start_sync(Completion<Result<bool>>& done) = 0;
};

using FilePtr = std::shared_ptr<File>;

enum class OpenMode { existing, create, create_new };

class Disk {
 public:
  virtual ~Disk() = default;
  /// Folders on the way are created. Errors: not_found (existing), already_exists (create_new), io_error, disk_full.
  virtual Result<FilePtr> open(std::string_view path, OpenMode mode) = 0;
  /// Names in a folder, sorted; folders end in '/'. A missing folder is empty.
  virtual Result<std::vector<std::string>> list(std::string_view folder) = 0;
  virtual bool exists(std::string_view path) = 0;
  /// Replaces `to` atomically; works for files and folders.
  virtual Result<bool> rename(std::string_view from, std::string_view to) = 0;
  /// A file, or a folder with all it holds. Missing is no error.
  virtual Result<bool> remove(std::string_view path) = 0;
  virtual Result<bool> make_folder(std::string_view path) = 0;

  class SyncDirWait : public Completion<Result<bool>> {
   public:
    SyncDirWait(Disk& disk, std::string folder) : disk_(disk), folder_(std::move(folder)) {}
    bool await_ready() {
      disk_.start_sync_dir(folder_, *this);
      return completed();
    }
    void await_suspend(std::coroutine_handle<> h) { suspend(h, "sync folder"); }
    Result<bool> await_resume() { return take(); }

   private:
    Disk& disk_;
    std::string folder_;
  };
  /// Makes the folder's entries (creations, renames, removals) durable.
  SyncDirWait sync_dir(std::string folder) { return SyncDirWait(*this, std::move(folder)); }

  class RoomWait : public Completion<Result<bool>> {
   public:
    RoomWait(Disk& disk, std::uint64_t bytes) : disk_(disk), bytes_(bytes) {}
    bool await_ready() {
      disk_.start_room(bytes_, *this);
      return completed();
    }
    void await_suspend(std::coroutine_handle<> h) { suspend(h, "dirty pages"); }
    Result<bool> await_resume() { return take(); }

   private:
    Disk& disk_;
    std::uint64_t bytes_;
  };
  /// Waits while too many pages are dirty to take `bytes` more (back-pressure before an append).
  RoomWait room(std::uint64_t bytes) { return RoomWait(*this, bytes); }

 protected:
  virtual void start_sync_dir(const std::string& folder, Completion<Result<bool>>& done) = 0;
  virtual void start_room(std::uint64_t bytes, Completion<Result<bool>>& done) = 0;
};

}  // namespace harrow
