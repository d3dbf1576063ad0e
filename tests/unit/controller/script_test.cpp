// Conversations with a controller as text: tests/data/controller/*.txt. A line `> command` is followed by what it prints.
// `controller_test --rewrite` writes the present answers into the files.
#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/unit/controller/cluster.h"

namespace harrow::controller {
namespace {

class Words {
 public:
  explicit Words(const std::string& line) {
    std::istringstream in(line);
    for (std::string word; in >> word;) words_.push_back(word);
  }
  std::string at(std::size_t i) const { return i < words_.size() ? words_[i] : ""; }
  bool has(const std::string& word) const { return std::find(words_.begin(), words_.end(), word) != words_.end(); }
  std::optional<std::string> value(const std::string& key) const {
    for (const std::string& word : words_) {
      if (word.starts_with(key + "=")) return word.substr(key.size() + 1);
    }
    return std::nullopt;
  }
  int number(const std::string& key, int otherwise) const {
    const auto text = value(key);
    return text ? std::stoi(*text) : otherwise;
  }

 private:
  std::vector<std::string> words_;
};

std::vector<std::int32_t> numbers(const std::string& list) {
  std::vector<std::int32_t> out;
  std::istringstream in(list);
  for (std::string item; std::getline(in, item, ',');) {
    if (item != "-") out.push_back(std::stoi(item));
  }
  return out;
}

class Script {
 public:
  std::string run(const std::string& line) {
    const Words w(line);
    cluster_.facts.clear();
    const std::size_t before = cluster_.log.size();
    std::string out = answer(w);
    for (const Fact& fact : cluster_.facts) out += text_of(fact);
    if (w.at(0) != "print" && w.at(0) != "cluster") out += fmt::format("{} records\n", cluster_.log.size() - before);
    return out;
  }

 private:
  static std::string text_of(Code code) { return std::string(name_of(code)) + "\n"; }
  std::string text_of(const Fact& f) const {
    switch (f.kind) {
      case Fact::Kind::leader_elected: {
        const TopicImage* const t = cluster_.image().topic(f.partition.topic_id);
        return fmt::format("elected {} for {}/{} epoch={}{}{}\n", f.leader.value(), t == nullptr ? "?" : t->name,
                           f.partition.partition, f.leader_epoch.value(), f.unclean ? " unclean" : "", f.from_elr ? " from-elr" : "");
      }
      case Fact::Kind::broker_registered: return fmt::format("registered {} epoch={}\n", f.broker.value(), f.broker_epoch.value());
      case Fact::Kind::broker_fenced: return fmt::format("fenced {}\n", f.broker.value());
      case Fact::Kind::broker_unfenced: return fmt::format("unfenced {}\n", f.broker.value());
    }
    return "";
  }
  /// "orders/0"
  static std::pair<std::string, int> partition_of(const std::string& text) {
    const std::size_t slash = text.find('/');
    return {text.substr(0, slash), std::stoi(text.substr(slash + 1))};
  }

  std::string answer(const Words& w) {
    const std::string verb = w.at(0);
    if (verb == "cluster") {
      std::destroy_at(&cluster_);
      std::construct_at(&cluster_, !w.has("no-elr"), w.number("min-isr", 1));
      return "";
    }
    if (verb == "register") {
      return text_of(cluster_.register_broker(std::stoi(w.at(1)), w.value("rack").value_or(""), w.number("life", 0), w.number("previous-epoch", -1)));
    }
    if (verb == "start") {
      for (int i = 1; !w.at(static_cast<std::size_t>(i)).empty(); ++i) {
        const std::string item = w.at(static_cast<std::size_t>(i));
        const std::size_t at = item.find('@');
        cluster_.start(std::stoi(item), at == std::string::npos ? "" : item.substr(at + 1));
      }
      return "";
    }
    if (verb == "heartbeat") {
      std::optional<Offset> applied;
      if (const auto text = w.value("applied")) applied = Offset(std::stoll(*text));
      const auto r = cluster_.heartbeat(std::stoi(w.at(1)), w.has("want-fence"), w.has("want-shut-down"), applied);
      if (r.error_code != 0) return text_of(static_cast<Code>(r.error_code));
      return fmt::format("caught-up={} fenced={} shut-down={}\n", r.is_caught_up, r.is_fenced, r.should_shut_down);
    }
    if (verb == "create") {
      if (const auto text = w.value("assign")) {
        std::vector<std::vector<std::int32_t>> lists;
        std::istringstream in(*text);
        for (std::string item; std::getline(in, item, ';');) lists.push_back(numbers(item));
        return text_of(cluster_.create(w.at(1), lists));
      }
      return text_of(cluster_.create(w.at(1), std::stoi(w.at(2)), w.number("rf", 1)));
    }
    if (verb == "delete") return text_of(cluster_.remove(w.at(1)));
    if (verb == "partitions") {
      wire::CreatePartitionsRequest request;
      auto& t = request.topics.emplace_back();
      t.name = w.at(1);
      t.count = std::stoi(w.at(2));
      return text_of(static_cast<Code>(cluster_.append(cluster_.controller.create_partitions(request)).results.front().error_code));
    }
    if (verb == "alter-partition") return alter_partition(w);
    if (verb == "silent") {
      cluster_.advance(9'001, std::stoi(w.at(1)));
      return "";
    }
    if (verb == "advance") {
      cluster_.advance(std::stoll(w.at(1)));
      return "";
    }
    if (verb == "elect") {
      const auto [topic, index] = partition_of(w.at(2));
      return text_of(cluster_.elect(w.at(1) == "preferred" ? 0 : 1, topic, index));
    }
    if (verb == "config") {
      const auto type = w.at(1) == "topic" ? ConfigResourceType::topic : ConfigResourceType::broker;
      const std::string resource = w.at(2) == "default" ? "" : w.at(2);
      const std::string key = w.at(3).substr(0, w.at(3).find('='));
      const int operation = w.has("append") ? 2 : w.has("subtract") ? 3 : 0;
      return text_of(cluster_.set_config(type, resource, key, w.value(key), operation));
    }
    if (verb == "reassign") {
      const auto [topic, index] = partition_of(w.at(1));
      std::optional<std::vector<std::int32_t>> replicas;
      if (w.at(2) != "cancel") replicas = numbers(w.at(2));
      return text_of(cluster_.reassign(topic, index, std::move(replicas)));
    }
    if (verb == "move-leader") {
      const auto [topic, index] = partition_of(w.at(1));
      const TopicIdPartition id{cluster_.image().topic(topic)->id, index};
      return text_of(cluster_.append(cluster_.controller.move_leader(id, NodeId(std::stoi(w.at(2))))));
    }
    if (verb == "producer-ids") {
      wire::AllocateProducerIdsRequest request;
      request.broker_id = std::stoi(w.at(1));
      const BrokerImage* const broker = cluster_.image().broker(NodeId(request.broker_id));
      request.broker_epoch = w.number("epoch", broker == nullptr ? -1 : static_cast<int>(broker->epoch.value()));
      const auto r = cluster_.append(cluster_.controller.allocate_producer_ids(request));
      if (r.error_code != 0) return text_of(static_cast<Code>(r.error_code));
      return fmt::format("{} from {}\n", r.producer_id_len, r.producer_id_start);
    }
    if (verb == "feature") {
      wire::UpdateFeaturesRequest request;
      auto& u = request.feature_updates.emplace_back();
      u.feature = w.at(1);
      u.max_version_level = static_cast<std::int16_t>(std::stoi(w.at(2)));
      u.upgrade_type = w.has("downgrade") ? 2 : 1;
      return text_of(static_cast<Code>(cluster_.append(cluster_.controller.update_features(request)).error_code));
    }
    if (verb == "unregister") return text_of(cluster_.unregister(std::stoi(w.at(1))));
    if (verb == "print") {
      if (w.at(1).empty()) return cluster_.image().print();
      const auto [topic, index] = partition_of(w.at(1));
      return print(cluster_.partition(topic, index)) + "\n";
    }
    ADD_FAILURE() << "unknown command " << verb;
    return "";
  }

  std::string alter_partition(const Words& w) {
    const auto [topic, index] = partition_of(w.at(1));
    wire::AlterPartitionRequest request = cluster_.proposal(topic, index, numbers(w.value("isr").value_or("")));
    auto& data = request.topics.front().partitions.front();
    request.broker_id = w.number("sender", request.broker_id);
    if (const BrokerImage* const sender = cluster_.image().broker(NodeId(request.broker_id))) {
      request.broker_epoch = w.number("sender-epoch", static_cast<int>(sender->epoch.value()));
    }
    data.leader_epoch = w.number("leader-epoch", data.leader_epoch);
    data.partition_epoch = w.number("partition-epoch", data.partition_epoch);
    data.leader_recovery_state = w.has("recovering") ? 1 : 0;
    if (w.value("epochs")) {
      const auto epochs = numbers(*w.value("epochs"));
      for (std::size_t i = 0; i < epochs.size(); ++i) data.new_isr_with_epochs[i].broker_epoch = epochs[i];
    }
    if (w.has("unknown-topic")) request.topics.front().topic_id = Uuid{1, 1};
    return text_of(cluster_.alter(request));
  }

  Cluster cluster_;
};

bool rewriting() {
  const auto args = ::testing::internal::GetArgvs();
  return std::find(args.begin(), args.end(), "--rewrite") != args.end();
}

class ControllerScripts : public ::testing::TestWithParam<std::string> {};

TEST_P(ControllerScripts, AnswersAsWritten) {
  const std::string path = std::string(HARROW_SOURCE_DIR) + "/tests/data/controller/" + GetParam() + ".txt";
  std::ifstream in(path);
  ASSERT_TRUE(in.good());
  std::string expected, actual;
  Script script;
  for (std::string line; std::getline(in, line);) {
    expected += line + "\n";
    if (line.starts_with("> ")) actual += line + "\n" + script.run(line.substr(2));
    else if (line.empty() || line.starts_with("#")) actual += line + "\n";
  }
  in.close();
  if (rewriting()) std::ofstream(path) << actual;
  else EXPECT_EQ(expected, actual);
}

std::vector<std::string> scripts() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(std::string(HARROW_SOURCE_DIR) + "/tests/data/controller")) {
    if (entry.path().extension() == ".txt") names.push_back(entry.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

INSTANTIATE_TEST_SUITE_P(Data, ControllerScripts, ::testing::ValuesIn(scripts()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace harrow::controller
