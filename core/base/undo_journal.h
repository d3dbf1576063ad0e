// The way back to committed state (design 11.6). An active controller or coordinator applies a record the moment it is
// appended; until the record commits, what it overwrote is kept here. Losing leadership plays the journal back, newest
// change first; a commit forgets the oldest part.
//
// `Change` is a plain value of the owner, usually a variant of `Before<Key, Value>` (one alternative a container): "under
// this key stood this". No closures, no pointers into the state: a journal can be copied and printed like any state.
// Each change carries the offset of the record that caused it; offsets never go down.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <utility>

#include "core/base/check.h"

namespace harrow {

/// What a container held under `key` before a change; nothing means the key was absent.
template <class Key, class Value>
struct Before {
  Key key;
  std::optional<Value> value;
};

/// What `map` holds under `key` now.
template <class Map, class Key>
Before<typename Map::key_type, typename Map::mapped_type> before_of(const Map& map, const Key& key) {
  const auto found = map.find(key);
  if (found == map.end()) return {typename Map::key_type(key), std::nullopt};
  return {found->first, found->second};
}

/// Puts `before` back into `map`.
template <class Map>
void restore(Map& map, Before<typename Map::key_type, typename Map::mapped_type> before) {
  if (before.value) map.insert_or_assign(std::move(before.key), std::move(*before.value));
  else map.erase(before.key);
}

template <class Change>
class UndoJournal {
 public:
  /// Keeps what the record at `offset` is about to overwrite.
  void note(std::int64_t offset, Change change) {
    CHECK(entries_.empty() || entries_.back().offset <= offset);
    entries_.push_back({offset, std::move(change)});
  }
  /// Records below `end` are committed: their changes can no longer be undone.
  void commit_to(std::int64_t end) {
    while (!entries_.empty() && entries_.front().offset < end) entries_.pop_front();
  }
  /// Hands each change of the records at or above `end` to `restore(Change&&)`, newest first, and forgets it.
  template <class Restore>
  void revert_to(std::int64_t end, Restore&& restore) {
    while (!entries_.empty() && entries_.back().offset >= end) {
      Change change = std::move(entries_.back().change);
      entries_.pop_back();
      restore(std::move(change));
    }
  }
  bool empty() const { return entries_.empty(); }
  std::size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    std::int64_t offset;
    Change change;
  };
  std::deque<Entry> entries_;
};

}  // namespace harrow
