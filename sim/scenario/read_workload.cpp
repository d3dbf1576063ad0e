// Producers, consumers, presets and replays.
#include <filesystem>

#include "sim/scenario/presets.h"
#include "sim/scenario/reader.h"

namespace harrow::sim {

namespace {

Tree named_item(const char* name, const Position& at) {
  Tree item = Tree::map(at);
  item.set("name", Tree::scalar(name, at));
  return item;
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

}  // namespace

std::vector<PresetNote> preset_notes() {
  std::vector<PresetNote> notes;
  for (const BuiltinPreset& preset : builtin_presets()) {
    Problems problems;
    const auto tree = parse_yaml(preset.text, std::string(preset.name), problems);
    const auto text = [&](const char* key) {
      const Tree* const value = tree ? tree->find(key) : nullptr;
      return value != nullptr ? value->text : std::string();
    };
    notes.push_back({std::string(preset.name), text("description"), text("source")});
  }
  return notes;
}

std::optional<Tree> Reader::preset(const Value& name) {
  std::optional<Tree> file;
  const std::string local = beside(name.at, "presets/" + name.text + ".yaml");
  if (name.at.file && std::filesystem::exists(local)) {
    file = read_yaml(local, problems_);
  } else {
    std::vector<std::string_view> names;
    for (const BuiltinPreset& preset : builtin_presets()) {
      names.push_back(preset.name);
      if (preset.name == name.text) file = parse_yaml(preset.text, "presets/" + name.text + ".yaml", problems_);
    }
    if (!file) say(name.at, "there is no preset '" + name.text + "'" + did_you_mean(name.text, names) + "; `harrow list presets` shows them");
  }
  if (!file) return std::nullopt;
  for (const Tree::Entry& entry : file->entries)
    if (entry.key != "producer" && entry.key != "description" && entry.key != "source")
      say(entry.at, "unknown key '" + entry.key + "' in preset" + did_you_mean(entry.key, {"producer", "description", "source"}));
  for (const char* needed : {"description", "source"})
    if (const Tree* const text = file->find(needed); text == nullptr || text->text.empty()) say(file->at, "a preset says its '" + std::string(needed) + "'");
  Tree* const producer = file->find("producer");
  if (producer == nullptr || producer->kind != Tree::Kind::map) {
    say(file->at, "a preset holds a map 'producer' with the keys of a producer");
    return std::nullopt;
  }
  return std::move(*producer);
}

std::vector<std::string> Reader::racks_of(const Value& value, std::int32_t count) {
  std::vector<std::string> from = value.names;
  if (from.size() == 1 && from[0] == "spread") from = broker_racks_;
  if (from.empty()) from.push_back("a");
  const std::vector<std::string_view> known(broker_racks_.begin(), broker_racks_.end());
  for (const std::string& rack : from)
    if (!scenario_.cluster.zone_of_rack.contains(rack)) say(value.at, "there is no rack '" + rack + "'" + did_you_mean(rack, known));
  std::vector<std::string> racks;
  for (std::int32_t i = 0; i < count && i < 10'000; ++i) racks.push_back(from[static_cast<std::size_t>(i) % from.size()]);
  return racks;
}

Tree Reader::read_workload(const Tree* tree, const Position& at) {
  Bound bound(section_named("workload"), tree, at, problems_);
  Tree producers = Tree::list(bound.at()), consumers = Tree::list(bound.at());
  Tree default_producers = Tree::list(bound.at()), default_consumers = Tree::list(bound.at());
  if (!scenario_.topics.empty()) {
    default_producers.items.push_back(named_item("producer", bound.at()));
    default_consumers.items.push_back(named_item("consumer", bound.at()));
  }
  const auto list_of = [&](const char* key, const Tree& fallback) -> const Tree& {
    const Tree* const given = bound[key].tree;
    if (given == nullptr) return fallback;
    if (given->kind == Tree::Kind::list) return *given;
    say(given->at, "expected a list of " + std::string(key) + ", such as [{ name: checkout }]");
    return fallback;
  };
  const auto name_is_new = [&](const auto& plans, const std::string& name, const Position& where) {
    for (const auto& plan : plans)
      if (!name.empty() && plan.name == name) say(where, "a second one named '" + name + "'");
  };
  for (const Tree& item : list_of("producers", default_producers).items) {
    ProducerPlan producer;
    bool skipped = false;
    Tree shown = read_producer(item, producer, skipped);
    if (skipped) continue;
    name_is_new(scenario_.producers, producer.name, item.at);
    producers.items.push_back(std::move(shown));
    scenario_.producers.push_back(std::move(producer));
  }
  for (const Tree& item : list_of("consumers", default_consumers).items) {
    ConsumerPlan consumer;
    Tree shown = read_consumer(item, consumer);
    name_is_new(scenario_.consumers, consumer.name, item.at);
    consumers.items.push_back(std::move(shown));
    scenario_.consumers.push_back(std::move(consumer));
  }
  bound.put("producers", std::move(producers));
  bound.put("consumers", std::move(consumers));
  return bound.counted();
}

Tree Reader::read_producer(const Tree& tree, ProducerPlan& producer, bool& skipped) {
  Tree given = tree;
  if (const Tree* const name = tree.kind == Tree::Kind::map ? tree.find("preset") : nullptr; name != nullptr && name->kind == Tree::Kind::scalar) {
    Value wanted;
    wanted.text = name->text;
    wanted.at = name->at;
    producer.preset = name->text;
    if (auto under = preset(wanted)) {
      const Position at = tree.at;
      given = merged(std::move(*under), tree);
      given.at = at;
    }
    // what counts is the merged line; the preset's name stays as a note in the plan
    std::erase_if(given.entries, [](const Tree::Entry& e) { return e.key == "preset"; });
  }
  Bound bound(section_named("producer"), &given, tree.at, problems_);
  producer.name = bound["name"].text;
  places_["producer " + producer.name] = tree.at;
  producer.count = static_cast<std::int32_t>(bound["count"].number);
  producer.racks = racks_of(bound["rack"], producer.count);
  if (!bound["topic"].given && !scenario_.topics.empty()) bound.fill("topic", scenario_.topics[0].name);
  producer.topic = bound["topic"].text;
  std::vector<std::string_view> topics;
  for (const TopicPlan& topic : scenario_.topics) topics.push_back(topic.name);
  if (scenario_.topic(producer.topic) == nullptr)
    say(bound["topic"].present ? bound["topic"].at : tree.at, producer.topic.empty() ? "a producer needs a topic" : "there is no topic '" + producer.topic + "'" + did_you_mean(producer.topic, topics));
  producer.rate_micro_per_s = bound["rate"].number;
  producer.arrival = bound["arrival"].number == 0 ? ProducerPlan::Arrival::poisson : ProducerPlan::Arrival::even;
  if (bound["burst"].given) {
    Bound burst(section_named("burst"), bound["burst"].tree, tree.at, problems_);
    producer.burst_every_ns = burst["every"].number;
    producer.burst_for_ns = burst["for"].number;
    producer.burst_factor_millionths = burst["factor"].number;
    if (producer.burst_for_ns > producer.burst_every_ns) say(burst["for"].at, "a burst that lasts longer than from one to the next");
    bound.put("burst", burst.counted());
  }
  producer.size_bytes = bound["size"].distribution;
  producer.keys = bound["keys"].distribution;
  producer.key_bytes = bound["key-size"].distribution;
  producer.tombstones_millionths = bound["tombstones"].number;
  producer.from_ns = bound["from"].number;
  if (!bound["until"].given) bound.fill("until", duration_text(scenario_.produce_until_ns()));
  producer.until_ns = bound["until"].number;
  if (producer.until_ns <= producer.from_ns) say(bound["from"].at, "the producer would stop at " + duration_text(producer.until_ns) + ", before it starts");
  producer.records = bound["records"].given ? bound["records"].number : -1;
  producer.client = bound["client"].config;
  const auto setting = [&](const char* key, const char* fallback) {
    const auto found = producer.client.find(key);
    return found == producer.client.end() ? std::string(fallback) : found->second;
  };
  for (const auto& [key, value] : producer.client)
    for (const ClientKey& row : client_keys())
      if (row.name == key && !row.producer) say(bound["client"].at, "'" + key + "' belongs to consumers");
  const std::string acks = setting("acks", "all");
  producer.acks = static_cast<std::int16_t>(acks == "0" ? 0 : acks == "1" ? 1 : -1);
  producer.idempotent = setting("enable.idempotence", "true") == "true" && producer.acks == -1;
  if (producer.acks != -1 && producer.client.contains("enable.idempotence") && setting("enable.idempotence", "") == "true")
    say(bound["client"].at, "enable.idempotence needs acks: all");
  if (producer.idempotent) {
    const auto in_flight = parse_integer(setting("max.in.flight.requests.per.connection", "5"));
    if (in_flight && *in_flight > 5) say(bound["client"].at, "an idempotent producer has at most 5 requests in flight");
  }
  if (bound["replay"].given) bound.put("replay", read_replay(*bound["replay"].tree, producer, skipped));
  return bound.counted();
}

Tree Reader::read_replay(const Tree& tree, ProducerPlan& producer, bool& skipped) {
  Bound bound(section_named("replay"), &tree, tree.at, problems_);
  ReplayPlan replay;
  const std::string& column = bound["time"].text;
  if (!bound["time-unit"].given) {
    std::string unit = "ms";
    for (const char* end : {"_s", "_ms", "_us", "_ns"})
      if (column.size() > 2 && column.size() >= std::string_view(end).size() && column.substr(column.size() - std::string_view(end).size()) == end) unit = end + 1;
    bound.fill("time-unit", unit);
  }
  static constexpr std::int64_t units[] = {1'000'000'000, 1'000'000, 1'000, 1};
  replay.time_unit_ns = units[static_cast<std::size_t>(bound["time-unit"].number)];
  replay.time_column = column;
  replay.key_column = bound["key"].text;
  replay.size_column = bound["size"].text;
  replay.speed_millionths = bound["speed"].number;
  replay.loop = bound["loop"].number != 0;
  const std::string& name = bound["file"].text;
  replay.file = beside(bound["file"].at, name);
  std::error_code ignored;
  if (!name.empty() && !std::filesystem::exists(replay.file, ignored)) {
    if (bound["missing"].text == "skip") {
      warn(bound["file"].at, "SKIPPED: producer '" + producer.name + "' does not run, its recorded events are not there (looked for " + replay.file + ")");
      skipped = true;
    } else {
      say(bound["file"].at, "'" + name + "' is not there (looked for " + replay.file + ")");
    }
  } else if (!name.empty()) {
    bound.fill("file", std::filesystem::absolute(replay.file, ignored).lexically_normal().string());
  }
  producer.replay = std::move(replay);
  return bound.counted();
}

Tree Reader::read_consumer(const Tree& tree, ConsumerPlan& consumer) {
  Bound bound(section_named("consumer"), &tree, tree.at, problems_);
  consumer.name = bound["name"].text;
  consumer.count = static_cast<std::int32_t>(bound["count"].number);
  consumer.racks = racks_of(bound["rack"], consumer.count);
  if (!bound["group"].given && !consumer.name.empty()) bound.fill("group", consumer.name);
  consumer.group = bound["group"].text;
  places_["group " + consumer.group] = tree.at;
  std::vector<std::string> all;
  for (const TopicPlan& topic : scenario_.topics) all.push_back(topic.name);
  if (!bound["topics"].given && !all.empty()) bound.fill("topics", joined(all));
  consumer.topics = bound["topics"].names;
  const std::vector<std::string_view> known(all.begin(), all.end());
  if (consumer.topics.empty()) say(tree.at, "a consumer needs a topic");
  for (const std::string& topic : consumer.topics)
    if (scenario_.topic(topic) == nullptr) say(bound["topics"].at, "there is no topic '" + topic + "'" + did_you_mean(topic, known));
  consumer.work_ns = bound["work"].distribution;
  consumer.commit = static_cast<ConsumerPlan::Commit>(bound["commit"].number);
  consumer.from_ns = bound["from"].number;
  consumer.until_ns = bound["until"].given ? bound["until"].number : -1;
  if (consumer.until_ns >= 0 && consumer.until_ns <= consumer.from_ns) say(bound["until"].at, "the members would leave before they start");
  consumer.client = bound["client"].config;
  for (const auto& [key, value] : consumer.client)
    for (const ClientKey& row : client_keys())
      if (row.name == key && !row.consumer) say(bound["client"].at, "'" + key + "' belongs to producers");
  std::int32_t partitions = 0;
  for (const std::string& topic : consumer.topics)
    if (const TopicPlan* const plan = scenario_.topic(topic)) partitions += plan->partitions;
  if (consumer.count > partitions && partitions > 0)
    warn(tree.at, std::to_string(consumer.count) + " members of '" + consumer.group + "' share " + std::to_string(partitions) + " partitions: some stay idle");
  return bound.counted();
}

}  // namespace harrow::sim
