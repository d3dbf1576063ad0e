#include "core/raft/voters.h"

#include <algorithm>
#include <fmt/format.h>

#include "core/base/check.h"

namespace harrow::raft {

bool same_replica(const ReplicaKey& expected, const ReplicaKey& given) {
  if (expected.id != given.id) return false;
  return expected.directory.is_zero() || given.directory.is_zero() || expected.directory == given.directory;
}

VoterSet::VoterSet(std::vector<ReplicaKey> voters) : voters_(std::move(voters)) {
  std::sort(voters_.begin(), voters_.end());
  for (std::size_t i = 1; i < voters_.size(); ++i) CHECK_SAYING(voters_[i - 1].id != voters_[i].id, "voter ids are unique");
}

bool VoterSet::contains(const ReplicaKey& replica) const {
  return std::any_of(voters_.begin(), voters_.end(), [&](const ReplicaKey& v) { return same_replica(v, replica); });
}

bool VoterSet::contains_id(NodeId id) const {
  return std::any_of(voters_.begin(), voters_.end(), [&](const ReplicaKey& v) { return v.id == id; });
}

std::string VoterSet::print() const {
  std::string text;
  for (const ReplicaKey& voter : voters_) {
    if (!text.empty()) text += ' ';
    text += fmt::format("{}", voter.id.value());
    if (!voter.directory.is_zero()) text += fmt::format("/{}", to_text(voter.directory));
  }
  return text;
}

}  // namespace harrow::raft
