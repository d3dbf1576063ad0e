// The simulated disk of one host: a page cache over a device with queues, and a file system that forgets.
// Purpose: implements core/host/disk.h. Owner: the cluster; it outlives the node's incarnations. It touches the kernel.
// Invariants: what was covered by a successful sync survives any crash; the rest survives as the file system's habits
// allow; a file's bytes are shared slices, never copied for keeping; preallocated zeros cost nothing; each byte that a
// fault made wrong is in damages().
//
// A crash: destroy the node's scope (its handles and waits), then call crash_process or crash_power, and
// prepare_start() before the next incarnation.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/random.h"
#include "core/host/disk.h"
#include "sim/disk/device.h"
#include "sim/disk/page_cache.h"
#include "sim/disk/profile.h"
#include "sim/kernel/kernel.h"

namespace harrow::sim {

class SimFile;
class DiskOperation;

class SimDisk final : public Disk {
 public:
  SimDisk(Kernel& kernel, std::uint16_t node, DiskProfile profile, Random random);
  SimDisk(const SimDisk&) = delete;
  SimDisk& operator=(const SimDisk&) = delete;
  ~SimDisk() override;

  // Disk
  Result<FilePtr> open(std::string_view path, OpenMode mode) override;
  Result<std::vector<std::string>> list(std::string_view folder) override;
  bool exists(std::string_view path) override;
  Result<bool> rename(std::string_view from, std::string_view to) override;
  Result<bool> remove(std::string_view path) override;
  Result<bool> make_folder(std::string_view path) override;

  // The host's life
  /// kill -9: handles and waits die, the page cache and everything written survive.
  void crash_process();
  /// Power loss: un-synced data and entries are diced; nothing is cached afterwards.
  void crash_power(FileSystem file_system, Random random);
  void crash_power(Random random) { crash_power(profile_.file_system, random); }
  /// An empty disk at once.
  void wipe();
  /// Before a node starts on it: carries out a wipe that was ordered.
  void prepare_start();

  // Faults. `id` is the fault's number in damages().
  void set_slow(std::uint32_t factor);              // times slower; 1 = as built
  void stall_until(std::int64_t time_ns);           // no progress before; a time in the past ends it
  void set_full(bool full);                         // every growing write fails with disk_full
  void set_free_bytes(std::uint64_t bytes);         // quota from now on; UINT64_MAX = none
  enum class Operation : std::uint8_t { read, write, sync };
  /// The next `count` operations of this kind on files of this class fail (io_error). count 0 = all until the end.
  /// A failed sync makes the pages clean: they are read back until they leave the cache, and never become durable.
  void fail(std::uint32_t id, Operation operation, FileClass files, std::uint32_t count);
  /// Flips one bit in each of `count` places of stored files of this class; the number of places found.
  std::uint32_t rot(std::uint32_t id, FileClass files, std::uint32_t count, Random random);
  /// The next `count` writes to files of this class land at another place or in another file of the class.
  void misdirect(std::uint32_t id, FileClass files, std::uint32_t count, Random random);
  void wipe_at_next_start() { wipe_ordered_ = true; }
  /// The one switch: nothing goes wrong from now on. Damage that was done stays.
  void end_faults();

  // The oracle's view
  std::vector<std::string> durable_paths() const;
  /// What the file would be after a power loss that keeps nothing un-synced; nothing if its entry is not durable.
  std::optional<std::uint64_t> durable_size(std::string_view path) const;
  std::optional<Bytes> durable_bytes(std::string_view path) const;
  /// The file as the node sees it; no waiting, no faults, the pristine bytes if `repaired`.
  std::optional<Bytes> current_bytes(std::string_view path, bool repaired = false) const;
  std::vector<std::string> current_paths() const;
  const std::vector<Damage>& damages() const { return damages_; }
  bool damaged(std::string_view path) const;
  std::uint64_t used_bytes() const { return used_; }
  std::uint64_t dirty_bytes() const { return dirty_; }
  std::uint64_t stored_slices() const;  // for memory tests
  std::uint64_t syncs() const { return syncs_; }
  const DiskProfile& profile() const { return profile_; }
  void set_profile(DiskProfile profile);

 protected:
  void start_sync_dir(const std::string& folder, Completion<Result<bool>>& done) override;
  void start_room(std::uint64_t bytes, Completion<Result<bool>>& done) override;

 private:
  friend class SimFile;
  friend class DiskOperation;
  struct Place {
    Node* folder = nullptr;  // where the last name would be; null: a folder on the way is missing
    std::string name;
    NodePtr node;            // null: no such entry
  };
  struct RoomWaiter {
    std::uint64_t bytes = 0;
    Completion<Result<bool>>* slot = nullptr;
  };
  class WriteBack final : public Event {
   public:
    explicit WriteBack(SimDisk& disk) : disk_(disk) {}
    void fire() override { disk_.write_back(); }

   private:
    SimDisk& disk_;
  };
  struct Failure {
    std::uint32_t id;
    Operation operation;
    FileClass files;
    std::uint32_t left;  // UINT32_MAX = no end
  };
  struct Misdirection {
    std::uint32_t id;
    FileClass files;
    std::uint32_t left;
    Random random;
  };

  Place place_of(std::string_view path) const;
  Node* folder_for(std::string_view path);  // makes what is missing on the way
  NodePtr add_node(Node& folder, const std::string& name, bool is_folder);
  void drop_entry(Node& folder, const std::string& name);
  void note_change(NodePtr from_folder, std::string from, NodePtr to_folder, std::string to, NodePtr node, NodePtr replaced);
  void unlink_node(Node& node);
  NodePtr shared(Node& node) const;

  Result<bool> write_file(const NodePtr& node, std::uint64_t at, const Bytes& bytes);
  Result<bool> write_with_faults(const NodePtr& node, std::uint64_t at, const Bytes& bytes);
  void store(const NodePtr& node, std::uint64_t at, const Bytes& bytes);
  bool has_space_for(const Node& node, std::uint64_t at, std::uint64_t size) const;
  Result<bool> truncate_file(const NodePtr& node, std::uint64_t size);
  bool misdirected(const NodePtr& node, std::uint64_t at, const Bytes& bytes);
  bool fails(Operation operation, const Node& node);
  void note_armed();
  void touch_dirty(const NodePtr& node, std::uint64_t bytes);
  bool read_now(Node& node, std::uint64_t at, std::uint64_t size, Bytes& out);
  void begin_read(const NodePtr& node, std::uint64_t at, std::uint64_t size, Completion<Result<Bytes>>& done);
  void begin_sync(const NodePtr& node, Completion<Result<bool>>& done);
  void launch(std::unique_ptr<DiskOperation> operation, std::int64_t at_ns);
  void finish(DiskOperation& operation);
  void write_back();
  void write_back_node(const NodePtr& node);
  void write_back_all();
  void arm_write_back();
  void cleaned(Node& node, std::uint64_t bytes);
  void wake_room();
  void commit_folder(Node* folder, std::uint64_t up_to);
  void commit_older(std::int64_t than_ns);
  void keep_within_cache();
  void dice_names(FileSystem file_system, Random& random);
  void restore_tree(Node& folder);
  std::string path_of(const Node& node) const;
  using Visitor = std::function<void(const std::string&, const NodePtr&)>;
  void visit_files(const Node& folder, const std::string& prefix, bool durable, const Visitor& visit) const;
  NodePtr durable_node(std::string_view path) const;
  void emit(TraceKind kind, Node* node, std::int64_t value);

  Kernel& kernel_;
  std::uint16_t node_;
  DiskProfile profile_;
  Random random_;
  Device device_;
  NodePtr root_;
  Slice zeros_;
  std::deque<NameChange> journal_;  // name changes that are not durable yet, in order
  std::uint64_t next_change_ = 1;
  std::uint64_t journal_committed_ = 0;  // what any sync has carried along on a journalling file system
  std::uint32_t incarnation_ = 0;
  List<DiskOperation> operations_;
  std::vector<NodePtr> dirty_nodes_;
  WriteBack write_back_event_;
  std::deque<std::unique_ptr<RoomWaiter>> room_waiters_;
  std::uint64_t used_ = 0;
  std::uint64_t dirty_ = 0;
  std::uint64_t cached_ = 0;
  std::uint64_t use_clock_ = 0;
  std::uint64_t quota_ = UINT64_MAX;  // limit of used_
  bool full_ = false;
  bool armed_ = false;  // some write fault is set: leave the fast path
  bool wipe_ordered_ = false;
  std::vector<Failure> failures_;
  std::vector<Misdirection> misdirections_;
  std::vector<Damage> damages_;
  std::uint64_t syncs_ = 0;
  std::uint32_t failing_id_ = 0;  // of the failure that fails() found last
};

}  // namespace harrow::sim
