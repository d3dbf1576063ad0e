// A disk with a node's queue, for the disk's tests.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>

#include "core/async/task.h"
#include "sim/disk/sim_disk.h"

namespace harrow::sim {

constexpr std::int64_t ms = ns_per_ms;

struct Rig {
  explicit Rig(DiskProfile profile = DiskProfile::instant(), std::uint64_t seed = 1)
      : disk(kernel, 0, profile, Random(seed)), queue(kernel.run_list()), scope(std::make_unique<Scope>(queue)) {}

  FilePtr open(std::string_view path, OpenMode mode = OpenMode::create) {
    Result<FilePtr> file = disk.open(path, mode);
    EXPECT_TRUE(file) << path;
    return file ? *file : nullptr;
  }
  Code append(File& file, std::string_view text) {
    const Result<bool> written = file.write(file.size(), Bytes::copy_of(text));
    return written ? Code::none : written.error().code;
  }

  struct Answer {
    std::optional<Code> code;  // none while it is under way
    std::int64_t time_ns = -1;
    std::string text;
  };
  static Root sync_root(Scope& scope, Label label, Rig& rig, FilePtr file, Answer& answer) {
    const Result<bool> synced = co_await file->sync();
    answer.code = synced ? Code::none : synced.error().code;
    answer.time_ns = rig.kernel.now_ns();
  }
  static Root sync_dir_root(Scope& scope, Label label, Rig& rig, std::string folder, Answer& answer) {
    const Result<bool> synced = co_await rig.disk.sync_dir(folder);
    answer.code = synced ? Code::none : synced.error().code;
    answer.time_ns = rig.kernel.now_ns();
  }
  static Root read_root(Scope& scope, Label label, Rig& rig, FilePtr file, std::uint64_t at, std::uint64_t size, Answer& answer) {
    const Result<Bytes> bytes = co_await file->read(at, size);
    answer.code = bytes ? Code::none : bytes.error().code;
    if (bytes) answer.text = bytes->to_string();
    answer.time_ns = rig.kernel.now_ns();
  }
  static Root room_root(Scope& scope, Label label, Rig& rig, std::uint64_t size, Answer& answer) {
    const Result<bool> room = co_await rig.disk.room(size);
    answer.code = room ? Code::none : room.error().code;
    answer.time_ns = rig.kernel.now_ns();
  }
  void run_for(std::int64_t ns) { kernel.run_until(kernel.now_ns() + ns); }
  Code sync(const FilePtr& file) {
    Answer answer;
    sync_root(*scope, Label("sync"), *this, file, answer);
    run_for(1000 * ms);
    return answer.code.value_or(Code::timed_out);
  }
  Code sync_dir(const std::string& folder) {
    Answer answer;
    sync_dir_root(*scope, Label("sync folder"), *this, folder, answer);
    run_for(1000 * ms);
    return answer.code.value_or(Code::timed_out);
  }
  Answer read(const FilePtr& file, std::uint64_t at, std::uint64_t size) {
    Answer answer;
    read_root(*scope, Label("read"), *this, file, at, size, answer);
    run_for(10'000 * ms);
    return answer;
  }
  std::string text_of(std::string_view path) {
    const std::optional<Bytes> bytes = disk.current_bytes(path);
    return bytes ? bytes->to_string() : "(none)";
  }
  void lose_power(FileSystem file_system, std::uint64_t seed = 1) {
    scope->destroy_all();
    disk.crash_power(file_system, Random(seed));
    disk.prepare_start();
  }
  void kill() {
    scope->destroy_all();
    disk.crash_process();
    disk.prepare_start();
  }

  Kernel kernel;
  SimDisk disk;
  ReadyQueue queue;
  std::unique_ptr<Scope> scope;
};

}  // namespace harrow::sim
