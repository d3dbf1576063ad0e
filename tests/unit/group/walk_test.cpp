// Random walks of clients, time and coordinator failures over one shard, with the group invariants held at every step.
#include <gtest/gtest.h>

#include <set>

#include "tests/unit/group/world.h"

namespace harrow::group {
namespace {

constexpr int topic_partitions = 6;

struct Client {
  std::string member_id;
  std::optional<std::string> instance_id;
  std::int32_t generation = -1;
  Ticket joining = no_ticket;
  Ticket syncing = no_ticket;
  std::vector<std::string> members;  // as the leader
  std::set<std::int32_t> owned;
};

class Walk {
 public:
  explicit Walk(std::uint64_t seed) : random_(seed), clients_(4) {
    clients_[2].instance_id = "static-2";
    clients_[3].instance_id = "static-3";
  }

  void run(int steps) {
    for (int i = 0; i < steps && !testing::Test::HasFailure(); ++i) {
      step();
      settle();
      check();
    }
  }
  int stable_seen = 0, loads_seen = 0, refused_seen = 0, commits_seen = 0, expired_seen = 0;

 private:
  void step() {
    Client& client = clients_[random_.below(clients_.size())];
    const std::uint64_t dice = random_.below(100);
    if (dice < 25) join(client);
    else if (dice < 55) heartbeat(client);
    else if (dice < 75) commit(client);
    else if (dice < 79) leave(client);
    else if (dice < 90) world_.advance_ms(random_.chance(1, 3) ? 12'000 : 1'500);
    else if (dice < 93) world_.hold = true;
    else if (dice < 96) world_.hold = false, world_.release();
    else if (dice < 97) refuse_next_ = true;
    else if (dice < 98) fail_over();
    else if (dice < 99) client = Client{"", client.instance_id, -1, no_ticket, no_ticket, {}, {}};  // its process restarts
    else expire();
  }

  /// Only of what is undone: an empty generation that is refused stays in memory, as in Kafka, and is not on the log.
  void refuse_if_armed() {
    if (std::exchange(refuse_next_, false)) world_.refuse_with = Code::not_enough_replicas;
  }
  void join(Client& client) {
    if (client.joining != no_ticket || client.syncing != no_ticket) return;
    wire::JoinGroupRequest r;
    r.group_id = "g";
    r.member_id = client.member_id;
    r.group_instance_id = client.instance_id;
    r.session_timeout_ms = 10'000;
    r.rebalance_timeout_ms = 20'000;
    r.protocol_type = "consumer";
    Subscription subscription;
    subscription.topics = {"t"};
    auto& protocol = r.protocols.emplace_back();
    protocol.name = "range";
    protocol.metadata = encode(subscription);
    client.joining = ++ticket_;
    client.owned.clear();  // eager: what it had is given up before it joins
    world_.carry_out(world_.shard().join_group(r, {"c", "h", 9}, client.joining, world_.now(), world_.random()));
  }
  void sync(Client& client) {
    wire::SyncGroupRequest r;
    r.group_id = "g";
    r.member_id = client.member_id;
    r.group_instance_id = client.instance_id;
    r.generation_id = client.generation;
    for (std::size_t i = 0; i < client.members.size(); ++i) {
      auto& given = r.assignments.emplace_back();
      given.member_id = client.members[i];
      std::vector<TopicPartition> list;
      for (int p = static_cast<int>(i); p < topic_partitions; p += static_cast<int>(client.members.size())) list.push_back({"t", p});
      given.assignment = encode_assignment(list);
    }
    client.syncing = ++ticket_;
    refuse_if_armed();
    world_.carry_out(world_.shard().sync_group(r, client.syncing, world_.now()));
    world_.refuse_with = Code::none;
  }
  void heartbeat(Client& client) {
    if (client.member_id.empty() || client.joining != no_ticket || client.syncing != no_ticket) return;
    wire::HeartbeatRequest r;
    r.group_id = "g";
    r.member_id = client.member_id;
    r.group_instance_id = client.instance_id;
    r.generation_id = client.generation;
    const auto code = static_cast<Code>(world_.shard().heartbeat(r, world_.now()).error_code);
    if (code == Code::rebalance_in_progress) join(client);
    else if (code != Code::none) lose(client, code);
  }
  void lose(Client& client, Code code) {
    client.owned.clear();
    client.generation = -1;
    if (code == Code::unknown_member_id || code == Code::fenced_instance_id) client.member_id.clear();
  }
  void commit(Client& client) {
    if (client.member_id.empty() || client.generation < 0) return;
    wire::OffsetCommitRequest r;
    r.group_id = "g";
    r.member_id = client.member_id;
    r.group_instance_id = client.instance_id;
    r.generation_id_or_member_epoch = client.generation;
    auto& topic = r.topics.emplace_back();
    topic.name = "t";
    auto& row = topic.partitions.emplace_back();
    row.partition_index = static_cast<std::int32_t>(random_.below(topic_partitions));
    row.committed_offset = ++next_offset_;
    const auto group = world_.shard().groups().find("g");
    const bool current = group != world_.shard().groups().end() && group->second.generation == client.generation &&
                         group->second.members.contains(client.member_id);
    commits_[++ticket_] = {row.partition_index, row.committed_offset, current};
    refuse_if_armed();
    world_.carry_out(world_.shard().offset_commit(r, ticket_, world_.now()));
    world_.refuse_with = Code::none;
  }
  void leave(Client& client) {
    if (client.member_id.empty() || client.joining != no_ticket || client.syncing != no_ticket) return;
    wire::LeaveGroupRequest r;
    r.group_id = "g";
    auto& m = r.members.emplace_back();
    m.member_id = client.member_id;
    m.group_instance_id = client.instance_id;
    world_.carry_out(world_.shard().leave_group(r, {"c", "h", 5}, ++ticket_, world_.now()));
    client = Client{"", client.instance_id, -1, no_ticket, no_ticket, {}, {}};
  }
  void fail_over() {
    // What was not committed is cut from the log of the next leader.
    if (!world_.written.empty()) {
      world_.hold = false;
      world_.release();
      settle();
    }
    const std::map<OffsetKey, CommittedOffset> before = world_.shard().offsets();
    world_.fail_over(1 + random_.below(5));
    EXPECT_EQ(world_.shard().offsets(), before) << "I53";
    ++loads_seen;
  }
  void expire() {
    world_.hold = false;  // no commit waits for eight days
    world_.release();
    settle();
    world_.advance_ms(random_.chance(1, 4) ? 8LL * 24 * 3'600'000 : 1000);
    const auto before = world_.shard().groups().find("g");
    const bool in_use = before != world_.shard().groups().end() && before->second.state != GroupState::empty;
    const bool recently_left = before != world_.shard().groups().end() && before->second.state_time &&
                               world_.now().wall - *before->second.state_time < world_.config_.offsets_retention_ms;
    world_.carry_out(world_.shard().expire_offsets(world_.now()));
    for (const Note& note : world_.notes)
      if (note.kind == TraceKind::offset_expired) {
        ++expired_seen;
        EXPECT_FALSE(in_use || recently_left) << "I52";
      }
  }

  /// Answers reach the clients, who go on at once; and so until nothing is answered any more.
  void settle() {
    world_.notes.clear();
    while (!world_.answers.empty()) {
      for (const Answer& answer : std::exchange(world_.answers, {})) {
        EXPECT_TRUE(answered_.insert(answer.ticket).second) << "a request is answered once";
        for (Client& client : clients_) {
          if (answer.ticket == client.joining) joined(client, std::get<wire::JoinGroupResponse>(answer.body));
          else if (answer.ticket == client.syncing) synced(client, std::get<wire::SyncGroupResponse>(answer.body));
        }
        if (const auto* const body = std::get_if<wire::OffsetCommitResponse>(&answer.body)) committed(answer.ticket, *body);
      }
    }
  }
  void joined(Client& client, const wire::JoinGroupResponse& r) {
    client.joining = no_ticket;
    const auto code = static_cast<Code>(r.error_code);
    if (code == Code::member_id_required) {
      client.member_id = r.member_id;
      return join(client);
    }
    if (code != Code::none) return lose(client, code);
    client.member_id = r.member_id;
    client.generation = r.generation_id;
    client.members.clear();
    if (!r.skip_assignment)
      for (const auto& m : r.members) client.members.push_back(m.member_id);
    sync(client);
  }
  void synced(Client& client, const wire::SyncGroupResponse& r) {
    client.syncing = no_ticket;
    const auto code = static_cast<Code>(r.error_code);
    if (code == Code::rebalance_in_progress) return join(client);
    if (code != Code::none) return lose(client, code);
    client.owned.clear();
    for (const std::int32_t p : partitions_of(r.assignment)) client.owned.insert(p);
  }
  void committed(Ticket ticket, const wire::OffsetCommitResponse& r) {
    const Asked& asked = commits_.at(ticket);
    const auto code = static_cast<Code>(r.topics.at(0).partitions.at(0).error_code);
    if (code == Code::none) {
      ++commits_seen;
      EXPECT_TRUE(asked.current) << "I50: a commit of a generation that is not the group's";
      wire::OffsetFetchRequest::OffsetFetchRequestGroup fetch;
      fetch.group_id = "g";
      fetch.topics.emplace();
      auto& topic = fetch.topics->emplace_back();
      topic.name = "t";
      topic.partition_indexes = {asked.partition};
      EXPECT_GE(world_.shard().offset_fetch(fetch).topics.at(0).partitions.at(0).committed_offset, asked.offset) << "I51";
    } else {
      ++refused_seen;
    }
  }

  static std::vector<std::int32_t> partitions_of(const Bytes& assignment) {
    std::vector<std::int32_t> partitions;
    if (const auto list = decode_assignment(assignment); list.has_value())
      for (const TopicPartition& p : *list) partitions.push_back(p.partition);
    return partitions;
  }
  void check() {
    const auto found = world_.shard().groups().find("g");
    if (found == world_.shard().groups().end()) return;
    const Group& group = found->second;
    if (group.leader) {
      EXPECT_TRUE(group.members.contains(*group.leader));
    }
    if (group.state == GroupState::stable) {
      ++stable_seen;
      std::multiset<std::int32_t> assigned;
      for (const auto& [id, member] : group.members)
        for (const std::int32_t p : partitions_of(member.assignment)) assigned.insert(p);
      EXPECT_EQ(assigned.size(), static_cast<std::size_t>(topic_partitions)) << "I49";
      EXPECT_EQ(std::set<std::int32_t>(assigned.begin(), assigned.end()).size(), assigned.size()) << "I48";
      // What clients hold that the coordinator would still accept from them.
      std::set<std::int32_t> held;
      for (const Client& client : clients_) {
        if (client.generation != group.generation || !group.members.contains(client.member_id)) continue;
        for (const std::int32_t p : client.owned) {
          EXPECT_TRUE(held.insert(p).second) << "I48, clients";
        }
      }
    }
    const bool at_rest = group.state == GroupState::stable || group.state == GroupState::empty;
    if (at_rest && world_.written.empty() && group.generation > 0) {
      EXPECT_EQ(world_.load(3).print(), world_.shard().print()) << "I53";
    }
  }

  struct Asked {
    std::int32_t partition;
    std::int64_t offset;
    bool current;
  };

  Random random_;
  std::vector<Client> clients_;
  World world_;
  Ticket ticket_ = 0;
  bool refuse_next_ = false;
  std::int64_t next_offset_ = 0;
  std::set<Ticket> answered_;
  std::map<Ticket, Asked> commits_;
};

TEST(GroupWalk, keeps_ownership_commits_and_expiry_right_whatever_happens) {
  int stable = 0, loads = 0, refused = 0, commits = 0, expired = 0;
  for (std::uint64_t seed = 1; seed <= 200 && !HasFailure(); ++seed) {
    SCOPED_TRACE(seed);
    Walk walk(seed);
    walk.run(400);
    stable += walk.stable_seen;
    loads += walk.loads_seen;
    refused += walk.refused_seen;
    commits += walk.commits_seen;
    expired += walk.expired_seen;
  }
  // The walk is worth something only if it got everywhere.
  EXPECT_GT(stable, 5000);
  EXPECT_GT(loads, 300);
  EXPECT_GT(refused, 100);
  EXPECT_GT(commits, 1000);
  EXPECT_GT(expired, 5);
}

TEST(GroupWalk, is_the_same_twice) {
  Walk a(5), b(5);
  a.run(300);
  b.run(300);
  EXPECT_EQ(a.commits_seen, b.commits_seen);
  EXPECT_EQ(a.stable_seen, b.stable_seen);
}

}  // namespace
}  // namespace harrow::group
