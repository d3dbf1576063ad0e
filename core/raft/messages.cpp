#include "core/raft/messages.h"

#include <fmt/format.h>

namespace harrow::raft {

namespace {

std::string position_text(Offset offset, LeaderEpoch epoch) { return fmt::format("{}@{}", offset.value(), epoch.value()); }

std::string answer_text(const char* name, Code error, LeaderEpoch epoch, NodeId leader) {
  std::string text = fmt::format("{} epoch={}", name, epoch.value());
  if (error != Code::none) text += fmt::format(" error={}", name_of(error));
  if (leader != no_node) text += fmt::format(" leader={}", leader.value());
  return text;
}

struct Printer {
  std::string operator()(const VoteRequest& m) const {
    return fmt::format("{} epoch={} candidate={} last={}", m.pre_vote ? "PreVote" : "Vote", m.epoch.value(), m.candidate.id.value(),
                       position_text(m.last_offset, m.last_epoch));
  }
  std::string operator()(const VoteResponse& m) const {
    return answer_text("VoteAnswer", m.error, m.epoch, m.leader) + (m.granted ? " granted" : " refused");
  }
  std::string operator()(const BeginQuorumEpochRequest& m) const {
    return fmt::format("BeginQuorumEpoch epoch={} leader={}", m.epoch.value(), m.leader.value());
  }
  std::string operator()(const BeginQuorumEpochResponse& m) const {
    return answer_text("BeginQuorumEpochAnswer", m.error, m.epoch, m.leader);
  }
  std::string operator()(const EndQuorumEpochRequest& m) const {
    std::string text = fmt::format("EndQuorumEpoch epoch={} leader={} preferred=", m.epoch.value(), m.leader.value());
    for (const ReplicaKey& key : m.preferred) text += fmt::format("{}{}", &key == m.preferred.data() ? "" : ",", key.id.value());
    return text;
  }
  std::string operator()(const EndQuorumEpochResponse& m) const {
    return answer_text("EndQuorumEpochAnswer", m.error, m.epoch, m.leader);
  }
  std::string operator()(const FetchRequest& m) const {
    return fmt::format("Fetch epoch={} from={} hw={}", m.epoch.value(), position_text(m.offset, m.last_fetched_epoch),
                       m.high_watermark.value());
  }
  std::string operator()(const FetchResponse& m) const {
    std::string text = answer_text("FetchAnswer", m.error, m.epoch, m.leader);
    if (m.error != Code::none) return text;
    if (m.diverging) text += " diverging=" + print(*m.diverging);
    if (m.snapshot) text += " snapshot=" + print(*m.snapshot);
    if (!m.diverging && !m.snapshot) text += fmt::format(" hw={}", m.high_watermark.value());
    for (const Entry& entry : m.entries) text += fmt::format(" {}", position_text(entry.base, entry.epoch));
    return text;
  }
  std::string operator()(const FetchSnapshotRequest& m) const {
    return fmt::format("FetchSnapshot epoch={} id={} position={}", m.epoch.value(), print(m.id), m.position);
  }
  std::string operator()(const FetchSnapshotResponse& m) const {
    std::string text = answer_text("FetchSnapshotAnswer", m.error, m.epoch, m.leader);
    if (m.error == Code::none) text += fmt::format(" id={} position={} bytes={} of {}", print(m.id), m.position, m.chunk.size(), m.size);
    return text;
  }
};

}  // namespace

bool is_request(const Message& message) { return message.index() % 2 == 0; }

std::string print(const OffsetAndEpoch& position) { return position_text(position.offset, position.epoch); }

std::string print(const Message& message) { return std::visit(Printer{}, message); }

std::string print(const Envelope& envelope) {
  return fmt::format("{}->{} {}", envelope.from.value(), envelope.to.value(), print(envelope.message));
}

}  // namespace harrow::raft
