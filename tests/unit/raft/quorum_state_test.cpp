#include <gtest/gtest.h>

#include "core/raft/quorum_math.h"
#include "core/raft/quorum_state_file.h"

namespace harrow::raft {
namespace {

TEST(QuorumState, is_written_as_kafka_writes_it) {
  HardState state;
  state.leader = NodeId{3000};
  state.epoch = LeaderEpoch{7};
  const VoterSet voters({ReplicaKey{NodeId{3001}, {}}, ReplicaKey{NodeId{3000}, {}}});
  EXPECT_EQ(quorum_state_text(state, voters, 1),
            R"({"leaderId":3000,"leaderEpoch":7,"votedId":-1,"votedDirectoryId":"AAAAAAAAAAAAAAAAAAAAAA","data_version":1})");
  EXPECT_EQ(quorum_state_text(state, voters, 0),
            R"({"clusterId":"","leaderId":3000,"leaderEpoch":7,"votedId":-1,"appliedOffset":0,)"
            R"("currentVoters":[{"voterId":3000},{"voterId":3001}],"data_version":0})");
}

TEST(QuorumState, reads_back_both_versions) {
  HardState state;
  state.epoch = LeaderEpoch{12};
  state.voted = ReplicaKey{NodeId{2}, Uuid{0x1122334455667788, 0x99aabbccddeeff00}};
  const auto one = parse_quorum_state(quorum_state_text(state, VoterSet{}, 1));
  ASSERT_TRUE(one);
  EXPECT_EQ(*one, state);
  state.voted.directory = Uuid{};
  const auto zero = parse_quorum_state(quorum_state_text(state, VoterSet({ReplicaKey{NodeId{1}, {}}}), 0));
  ASSERT_TRUE(zero);
  EXPECT_EQ(*zero, state);
}

TEST(QuorumState, refuses_what_is_cut_off_or_not_its_own) {
  const std::string whole = quorum_state_text(HardState{}, VoterSet{}, 1);
  for (std::size_t cut = 0; cut < whole.size(); ++cut) EXPECT_FALSE(parse_quorum_state(whole.substr(0, cut))) << cut;
  EXPECT_FALSE(parse_quorum_state(R"({"leaderId":1,"leaderEpoch":1,"votedId":-1,"data_version":2})"));
  EXPECT_FALSE(parse_quorum_state(R"({"leaderId":1,"votedId":-1,"data_version":1})"));
  EXPECT_FALSE(parse_quorum_state(whole + "x"));
}

TEST(QuorumMath, a_majority_reaches_the_middle_end) {
  const auto ends = [](std::vector<int> numbers) {
    std::vector<Offset> out;
    for (const int n : numbers) out.push_back(Offset{n});
    return majority_end(out).value();
  };
  EXPECT_EQ(ends({5}), 5);
  EXPECT_EQ(ends({5, 9}), 5);
  EXPECT_EQ(ends({1, 9, 5}), 5);
  EXPECT_EQ(ends({-1, -1, 5}), -1);
  EXPECT_EQ(ends({4, 3, 2, 1}), 2);
  EXPECT_EQ(ends({5, 4, 3, 2, 1}), 3);
}

TEST(QuorumMath, a_ballot_is_decided_as_soon_as_it_can_be) {
  EXPECT_EQ(count_ballot(3, 2, 0), Ballot::won);
  EXPECT_EQ(count_ballot(3, 1, 1), Ballot::open);
  EXPECT_EQ(count_ballot(3, 1, 2), Ballot::lost);
  EXPECT_EQ(count_ballot(4, 2, 2), Ballot::lost);
  EXPECT_EQ(count_ballot(1, 1, 0), Ballot::won);
}

}  // namespace
}  // namespace harrow::raft
