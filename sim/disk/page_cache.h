// What a file or folder is: its present bytes as sparse extents of shared slices, and beside them what is not durable
// yet, as changes that can be undone. Nothing here waits or knows the time.
// Invariants: extents are sorted and do not overlap, holes read as zeros; undoing all pending changes, latest first,
// gives the contents of the last sync.
#pragma once

#include <boost/container/flat_map.hpp>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/base/bytes.h"

namespace harrow::sim {

constexpr std::uint64_t sector_bytes = 512;
constexpr std::uint64_t page_bytes = 4096;

struct Extent {
  std::uint64_t at;
  Slice slice;
  std::uint64_t end() const { return at + slice.size(); }
};

/// The bytes of a file.
class Extents {
 public:
  /// Writes over what is there; the bytes that were there are added to `old` (if given), in order.
  void write(std::uint64_t at, const Bytes& bytes, std::vector<Extent>* old);
  /// Makes [at, end) a hole.
  void erase(std::uint64_t at, std::uint64_t end, std::vector<Extent>* old);
  /// [at, at + size) with zeros in the holes.
  Bytes read(std::uint64_t at, std::uint64_t size, const Slice& zeros) const;
  std::uint64_t stored_bytes() const { return stored_; }
  std::uint64_t count() const { return extents_.size(); }
  std::uint64_t end() const { return extents_.empty() ? 0 : extents_.back().end(); }
  /// Whether any byte of [at, end) is stored.
  bool any(std::uint64_t at, std::uint64_t end) const;
  const std::vector<Extent>& all() const { return extents_; }
  void clear();

 private:
  void push_back(std::uint64_t at, const Slice& slice);
  void insert(std::uint64_t at, const Bytes& bytes);
  std::size_t first_ending_after(std::uint64_t at) const;
  /// Where short appends are gathered, one after another: a block of this file's own. A copy of the file begins another.
  class Gather {
   public:
    Gather() = default;
    Gather(const Gather&) {}
    Gather& operator=(const Gather&) {
      drop();
      return *this;
    }
    ~Gather() { drop(); }
    Slice add(const Slice& slice);
    void drop();

   private:
    Block* block_ = nullptr;
    std::uint32_t used_ = 0;
  };
  std::vector<Extent> extents_;
  std::uint64_t stored_ = 0;
  Gather gather_;
};

/// A change of contents or size since the last sync. [at, end) changed; `old` is what stood there.
struct Change {
  std::uint64_t at;
  std::uint64_t end;
  std::uint64_t old_size;
  std::uint64_t new_size;
  std::vector<Extent> old;
  std::uint64_t number;
  bool sealed = false;  // a sync has begun: later appends are another change
  bool lost = false;    // a failed sync or a misdirection: clean, but not on the disk
};

struct Node;
using NodePtr = std::shared_ptr<Node>;

/// A file or a folder. Names are in the folders.
struct Node {
  bool folder = false;
  Node* parent = nullptr;  // of the present tree; null when removed
  std::string name;

  // folders: the entries now, and those that are durable
  std::map<std::string, NodePtr, std::less<>> entries;
  std::map<std::string, NodePtr, std::less<>> durable;

  // files
  std::uint64_t size = 0;
  Extents data;
  std::vector<Change> changes;     // not durable, oldest first
  std::uint64_t synced_size = 0;   // after the last successful sync (write-back does not count)
  std::uint64_t dirty_bytes = 0;
  std::int64_t dirty_since_ns = 0;
  bool listed_dirty = false;
  bool writing_back = false;
  bool unlinked = false;           // no name any more: its bytes count for nothing
  std::uint32_t trace_subject = 0;
  struct Flip {
    std::uint8_t mask;
    std::uint32_t fault;
  };
  boost::container::flat_map<std::uint64_t, Flip> rot;  // by offset: laid over the pristine bytes when read
  bool all_cached = true;
  boost::container::flat_map<std::uint64_t, std::uint64_t> cached;  // start -> end, when not all
  std::uint64_t cached_bytes = 0;
  std::uint64_t last_use = 0;
  std::uint64_t flushed_by_rename = 0;  // changes up to here went to disk with the rename that replaced a file (ext4)
};

/// A change of names. `to_folder` is null for a removal, `from_folder` for a creation.
struct NameChange {
  std::uint64_t number;
  std::int64_t time_ns;
  NodePtr from_folder, to_folder;
  std::string from, to;
  NodePtr node;
  NodePtr replaced;
  std::uint64_t data_up_to = 0;  // with `replaced`: the node's change number then
};

// A file's contents and pending changes.
void apply_write(Node& file, std::uint64_t at, const Bytes& bytes, std::uint64_t number);
void apply_truncate(Node& file, std::uint64_t size, std::uint64_t number);
/// Undoes the change in [at, end) only; sizes are the caller's.
void undo_within(Node& file, const Change& change, std::uint64_t at, std::uint64_t end);
/// All changes up to this number are durable now (or lost, after a failed sync).
void settle_changes(Node& file, std::uint64_t up_to, bool lost);
/// The contents of the last sync.
std::pair<Extents, std::uint64_t> durable_state(const Node& file);
/// Lays the rot over bytes read from `at`.
Bytes with_rot(const Node& file, std::uint64_t at, Bytes bytes);

// What is in the cache.
bool is_cached(const Node& file, std::uint64_t at, std::uint64_t end);
void mark_cached(Node& file, std::uint64_t at, std::uint64_t end);
void cool(Node& file);

void apply_name_change(const NameChange& change);

}  // namespace harrow::sim
