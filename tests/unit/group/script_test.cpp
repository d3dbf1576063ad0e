// Conversations as text: tests/data/group/*.txt. A block is commands, a line "----", and what is expected to happen up
// to an empty line. `group_test --rewrite` writes what did happen into the files; read the difference before you keep it.
//
//   join GROUP MEMBER|- [instance=I] [session=MS] [rebalance=MS] [protocols=a,b] [topics=t,u] [type=T] [v=N]
//   sync GROUP MEMBER gen=N [instance=I] [assign=m1:t/0+t/1;m2:t/2] [protocol=P]
//   heartbeat GROUP MEMBER gen=N [instance=I]      leave GROUP MEMBER [instance=I] [v=N]
//   commit GROUP MEMBER|- gen=N [instance=I] [retention=MS] [metadata=SIZE] t/0=5 ...      fetch GROUP [t/0 ...]
//   delete GROUP...   delete-offsets GROUP t/0 ...   delete-topic T   describe GROUP [v=N]   list [states=S,..]
//   time 3s|500ms|7d   expire [LIMIT]   hold (the log replicates nothing)   release   time-out   refuse CODE (next write)
//   fail-over [BUFFERS]   print
// Member ids are shown as m1, m2, ... in the order in which they were made.
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include "tests/unit/script_runner.h"
#include "tests/unit/group/world.h"

namespace harrow::group {
namespace {

std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, at);) parts.push_back(part);
  return parts;
}

TopicPartition partition_of(const std::string& text) {
  const auto slash = text.find('/');
  return {text.substr(0, slash), std::stoi(text.substr(slash + 1))};
}

class Script {
 public:
  std::string run(const std::vector<std::string>& commands) {
    out_.clear();
    for (const std::string& command : commands) {
      std::istringstream words(command);
      words_.clear();
      options_.clear();
      for (std::string word; words >> word;) {
        const auto equals = word.find('=');
        if (equals == std::string::npos || word.find('/') < equals) words_.push_back(word);
        else options_[word.substr(0, equals)] = word.substr(equals + 1);
      }
      execute();
      show();
    }
    return out_;
  }

 private:
  template <class... Arguments>
  void say(fmt::format_string<Arguments...> text, Arguments&&... arguments) {
    out_ += fmt::format(text, std::forward<Arguments>(arguments)...) + "\n";
  }
  std::string option(const std::string& name, const std::string& fallback) const {
    const auto found = options_.find(name);
    return found == options_.end() ? fallback : found->second;
  }
  std::optional<std::string> instance() const {
    const auto found = options_.find("instance");
    return found == options_.end() ? std::nullopt : std::optional(found->second);
  }
  std::string id_of(const std::string& alias) const {
    const auto found = ids_.find(alias);
    return alias == "-" ? "" : found == ids_.end() ? alias : found->second;
  }
  std::string alias_of(const std::string& id) {
    if (id.empty()) return "-";
    if (id.find('-') == std::string::npos) return id;  // none of the coordinator's
    for (const auto& [alias, known] : ids_)
      if (known == id) return alias;
    const std::string alias = "m" + std::to_string(ids_.size() + 1);
    ids_[alias] = id;
    return alias;
  }
  static std::string code(std::int16_t number) { return std::string(kafka_name_of(static_cast<Code>(number))); }
  static std::string partitions(const Bytes& assignment) {
    if (assignment.empty()) return "";
    std::string text;
    const auto list = decode_assignment(assignment);
    for (const TopicPartition& p : *list) text += fmt::format("{}{}/{}", text.empty() ? "" : "+", p.topic, p.partition);
    return text;
  }

  void show() {
    for (const Note& note : std::exchange(world_.notes, {})) {
      if (note.kind == TraceKind::group_state) say("{} is {}, generation {}", note.group, name_of(static_cast<GroupState>(note.a)), note.b);
      if (note.kind == TraceKind::offset_expired) say("expired {} {}/{} = {}", note.group, note.topic, note.partition, note.a);
    }
    for (const Answer& answer : std::exchange(world_.answers, {}))
      std::visit([&](const auto& body) { show_answer(answer.ticket, body); }, answer.body);
  }
  void show_answer(Ticket ticket, const wire::JoinGroupResponse& r) {
    if (r.error_code != 0) return say("#{} join {} member={}", ticket, code(r.error_code), alias_of(r.member_id));
    std::string members;
    const std::string self = alias_of(r.member_id);
    for (const auto& m : r.members) members += " " + alias_of(m.member_id) + (m.group_instance_id ? "(" + *m.group_instance_id + ")" : "");
    say("#{} join NONE member={} gen={} protocol={} leader={}{}{}", ticket, self, r.generation_id, r.protocol_name.value_or("null"),
        alias_of(r.leader), r.skip_assignment ? " skip" : "", members.empty() ? "" : " sees" + members);
  }
  void show_answer(Ticket ticket, const wire::SyncGroupResponse& r) {
    say("#{} sync {} {}", ticket, code(r.error_code), r.error_code == 0 ? "[" + partitions(r.assignment) + "]" : "");
  }
  void show_answer(Ticket ticket, const wire::LeaveGroupResponse& r) {
    say("#{} leave {}", ticket, code(r.error_code));
    for (const auto& m : r.members) say("  {} {}", alias_of(m.member_id), code(m.error_code));
  }
  void show_answer(Ticket ticket, const wire::OffsetCommitResponse& r) {
    for (const auto& t : r.topics)
      for (const auto& p : t.partitions) say("#{} commit {}/{} {}", ticket, t.name, p.partition_index, code(p.error_code));
  }
  void show_answer(Ticket ticket, const wire::OffsetDeleteResponse& r) {
    say("#{} delete-offsets {}", ticket, code(r.error_code));
    for (const auto& t : r.topics)
      for (const auto& p : t.partitions) say("  {}/{} {}", t.name, p.partition_index, code(p.error_code));
  }
  void show_answer(Ticket ticket, const wire::DeleteGroupsResponse& r) {
    for (const auto& g : r.results) say("#{} delete {} {}", ticket, g.group_id, code(g.error_code));
  }

  void execute() {
    const std::string verb = words_.at(0);
    const Now now = world_.now();
    if (verb == "hold") world_.hold = true;
    else if (verb == "release") world_.hold = false, world_.release();
    else if (verb == "time-out") world_.time_out();
    else if (verb == "refuse") world_.refuse_with = Code::not_enough_replicas;
    else if (verb == "time") advance(words_.at(1));
    else if (verb == "expire") world_.carry_out(world_.shard().expire_offsets(now, words_.size() > 1 ? std::stoul(words_[1]) : 1000));
    else if (verb == "fail-over") world_.fail_over(words_.size() > 1 ? std::stoul(words_[1]) : 1);
    else if (verb == "print") print();
    else if (verb == "join") join(now);
    else if (verb == "sync") sync(now);
    else if (verb == "heartbeat") heartbeat(now);
    else if (verb == "leave") leave(now);
    else if (verb == "commit") commit(now);
    else if (verb == "fetch") fetch();
    else if (verb == "delete") world_.carry_out(world_.shard().delete_groups(std::span(words_).subspan(1), ++ticket_, now));
    else if (verb == "delete-offsets") delete_offsets(now);
    else if (verb == "delete-topic") world_.carry_out(world_.shard().delete_topic_offsets(words_.at(1), now));
    else if (verb == "describe") describe();
    else if (verb == "list") list();
    else FAIL() << "unknown command " << verb;
  }
  void advance(const std::string& text) {
    std::size_t digits = 0;
    const std::int64_t n = std::stoll(text, &digits);
    const std::string unit = text.substr(digits);
    world_.advance_ms(n * (unit == "ms" ? 1 : unit == "s" ? 1000 : unit == "m" ? 60'000 : unit == "h" ? 3'600'000 : 86'400'000));
  }
  void join(Now now) {
    wire::JoinGroupRequest r;
    r.group_id = words_.at(1);
    r.member_id = id_of(words_.at(2));
    r.group_instance_id = instance();
    r.session_timeout_ms = std::stoi(option("session", "10000"));
    r.rebalance_timeout_ms = std::stoi(option("rebalance", "60000"));
    r.protocol_type = option("type", "consumer");
    for (const std::string& name : split(option("protocols", "range"), ',')) {
      Subscription subscription;
      subscription.topics = split(option("topics", "orders"), ',');
      auto& protocol = r.protocols.emplace_back();
      protocol.name = name;
      protocol.metadata = encode(subscription);
    }
    const Caller caller{option("client", "c"), "/10.0.0.1", static_cast<std::int16_t>(std::stoi(option("v", "9")))};
    world_.carry_out(world_.shard().join_group(r, caller, ++ticket_, now, world_.random()));
    if (const auto group = world_.shard().groups().find(r.group_id); group != world_.shard().groups().end())
      for (const auto& [id, member] : group->second.members)
        if (member.awaiting_join == ticket_) alias_of(id);
  }
  void sync(Now now) {
    wire::SyncGroupRequest r;
    r.group_id = words_.at(1);
    r.member_id = id_of(words_.at(2));
    r.generation_id = std::stoi(option("gen", "0"));
    r.group_instance_id = instance();
    if (options_.contains("protocol")) r.protocol_name = options_["protocol"];
    for (const std::string& part : split(option("assign", ""), ';')) {
      const auto colon = part.find(':');
      auto& given = r.assignments.emplace_back();
      given.member_id = id_of(part.substr(0, colon));
      std::vector<TopicPartition> list;
      for (const std::string& p : split(part.substr(colon + 1), '+')) list.push_back(partition_of(p));
      given.assignment = encode_assignment(list);
    }
    world_.carry_out(world_.shard().sync_group(r, ++ticket_, now));
  }
  void heartbeat(Now now) {
    wire::HeartbeatRequest r;
    r.group_id = words_.at(1);
    r.member_id = id_of(words_.at(2));
    r.generation_id = std::stoi(option("gen", "0"));
    r.group_instance_id = instance();
    say("heartbeat {}", code(world_.shard().heartbeat(r, now).error_code));
  }
  void leave(Now now) {
    wire::LeaveGroupRequest r;
    const auto version = static_cast<std::int16_t>(std::stoi(option("v", "5")));
    r.group_id = words_.at(1);
    if (version < 3) r.member_id = id_of(words_.at(2));
    for (std::size_t i = 2; i < words_.size() && version >= 3; ++i) {
      auto& m = r.members.emplace_back();
      m.member_id = id_of(words_[i]);
      m.group_instance_id = instance();
    }
    world_.carry_out(world_.shard().leave_group(r, {"c", "/10.0.0.1", version}, ++ticket_, now));
  }
  void commit(Now now) {
    wire::OffsetCommitRequest r;
    r.group_id = words_.at(1);
    r.member_id = id_of(words_.at(2));
    r.generation_id_or_member_epoch = std::stoi(option("gen", "-1"));
    r.group_instance_id = instance();
    r.retention_time_ms = std::stoll(option("retention", "-1"));
    for (std::size_t i = 3; i < words_.size(); ++i) {
      const auto equals = words_[i].find('=');
      const TopicPartition p = partition_of(words_[i].substr(0, equals));
      auto& topic = r.topics.emplace_back();
      topic.name = p.topic;
      auto& row = topic.partitions.emplace_back();
      row.partition_index = p.partition;
      row.committed_offset = std::stoll(words_[i].substr(equals + 1));
      row.committed_metadata = std::string(std::stoul(option("metadata", "0")), 'x');
    }
    world_.carry_out(world_.shard().offset_commit(r, ++ticket_, now));
  }
  void fetch() {
    wire::OffsetFetchRequest::OffsetFetchRequestGroup r;
    r.group_id = words_.at(1);
    r.topics.reset();  // all
    if (words_.size() > 2) r.topics.emplace();
    for (std::size_t i = 2; i < words_.size(); ++i) {
      const TopicPartition p = partition_of(words_[i]);
      auto& topic = r.topics->emplace_back();
      topic.name = p.topic;
      topic.partition_indexes = {p.partition};
    }
    const auto found = world_.shard().offset_fetch(r);
    std::string text = "fetched";
    for (const auto& t : found.topics)
      for (const auto& p : t.partitions) text += fmt::format(" {}/{}={}", t.name, p.partition_index, p.committed_offset);
    say("{}", text);
  }
  void delete_offsets(Now now) {
    wire::OffsetDeleteRequest r;
    r.group_id = words_.at(1);
    for (std::size_t i = 2; i < words_.size(); ++i) {
      const TopicPartition p = partition_of(words_[i]);
      auto& topic = r.topics.emplace_back();
      topic.name = p.topic;
      topic.partitions.emplace_back().partition_index = p.partition;
    }
    world_.carry_out(world_.shard().offset_delete(r, ++ticket_, now));
  }
  void describe() {
    const auto d = world_.shard().describe_group(words_.at(1), static_cast<std::int16_t>(std::stoi(option("v", "6"))));
    say("{} {} {} type={} protocol={}", code(d.error_code), d.group_id, d.group_state, d.protocol_type, d.protocol_data);
    for (const auto& m : d.members)
      say("  {}{} [{}]", alias_of(m.member_id), m.group_instance_id ? "(" + *m.group_instance_id + ")" : "", partitions(m.member_assignment));
  }
  void list() {
    wire::ListGroupsRequest r;
    r.states_filter = split(option("states", ""), ',');
    for (const auto& g : world_.shard().list_groups(r)) say("{} {} {} {}", g.group_id, g.protocol_type, g.group_state, g.group_type);
  }
  void print() {
    std::string text = world_.shard().print();
    for (const auto& [alias, id] : ids_)
      for (std::size_t at; (at = text.find(id)) != std::string::npos;) text.replace(at, id.size(), alias);
    out_ += text;
  }

  World world_;
  Ticket ticket_ = 0;
  std::map<std::string, std::string> ids_;
  std::vector<std::string> words_;
  std::map<std::string, std::string> options_;
  std::string out_;
};

class GroupScript : public testing::TestWithParam<std::string> {};

TEST_P(GroupScript, says_what_happens) { test::run_script<Script>(GetParam()); }

INSTANTIATE_TEST_SUITE_P(Files, GroupScript, testing::ValuesIn(test::scripts_of("group")), test::name_of_script);

}  // namespace
}  // namespace harrow::group
