// The voter set in force: who may vote, who counts for the high watermark. Static (`controller.quorum.voters`, no
// directory ids) or as a Voters record names it (kraft.version 1).
#pragma once

#include <string>
#include <vector>

#include "core/raft/messages.h"

namespace harrow::raft {

class VoterSet {
 public:
  VoterSet() = default;
  /// Sorted by id; ids are unique.
  explicit VoterSet(std::vector<ReplicaKey> voters);

  bool contains(const ReplicaKey& replica) const;
  bool contains_id(NodeId id) const;
  std::size_t size() const { return voters_.size(); }
  bool empty() const { return voters_.empty(); }
  bool is_only(const ReplicaKey& replica) const { return size() == 1 && contains(replica); }
  /// How many make a majority.
  std::size_t majority() const { return voters_.size() / 2 + 1; }
  const std::vector<ReplicaKey>& all() const { return voters_; }
  std::string print() const;
  friend bool operator==(const VoterSet&, const VoterSet&) = default;

 private:
  std::vector<ReplicaKey> voters_;
};

}  // namespace harrow::raft
