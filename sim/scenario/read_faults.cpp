// Faults, random phases and checks.
#include "core/base/result.h"
#include "core/model/config_keys.h"
#include "sim/scenario/reader.h"

namespace harrow::sim {

namespace {

std::vector<std::string_view> words(std::string_view text) {
  std::vector<std::string_view> found;
  while (!text.empty()) {
    const std::size_t space = text.find(' ');
    if (space != 0) found.push_back(text.substr(0, space));
    if (space == std::string_view::npos) break;
    text = text.substr(space + 1);
  }
  return found;
}
bool has(std::string_view list, std::string_view word) {
  const auto all = words(list);
  return std::find(all.begin(), all.end(), word) != all.end();
}

}  // namespace

void Reader::check_partition(const std::string& topic, std::int32_t partition, const Position& at) {
  if (topic == "__consumer_offsets" || created_topics_.contains(topic)) return;
  const TopicPlan* const plan = scenario_.topic(topic);
  if (plan == nullptr) {
    std::vector<std::string_view> names;
    for (const TopicPlan& known : scenario_.topics) names.push_back(known.name);
    say(at, "there is no topic '" + topic + "'" + did_you_mean(topic, names));
  } else if (partition >= plan->partitions) {
    say(at, "'" + topic + "' has the partitions 0 to " + std::to_string(plan->partitions - 1) + ", not " + std::to_string(partition));
  }
}

void Reader::check_selector(const Selector& selector, const Position& at) {
  using Kind = Selector::Kind;
  const auto known_instance = [&](const auto& plans, const char* what) {
    std::vector<std::string_view> names;
    for (const auto& plan : plans) {
      names.push_back(plan.name);
      if (plan.name != selector.name) continue;
      if (selector.index >= plan.count) say(at, "there are the instances 0 to " + std::to_string(plan.count - 1) + " of '" + selector.name + "', not " + std::to_string(selector.index));
      return;
    }
    say(at, "there is no " + std::string(what) + " '" + selector.name + "'" + did_you_mean(selector.name, names));
  };
  const ClusterPlan& cluster = scenario_.cluster;
  switch (selector.kind) {
    case Kind::broker:
      if (selector.index < first_broker_id || selector.index >= first_broker_id + cluster.brokers.count)
        say(at, "there is no broker " + std::to_string(selector.index) + ": ids are 1 to " + std::to_string(cluster.brokers.count));
      return;
    case Kind::controller:
      if (selector.index < 1 || selector.index > cluster.controllers.count)
        say(at, "there is no controller " + std::to_string(selector.index) + ": controller(1) to controller(" + std::to_string(cluster.controllers.count) + "), or controller for the active one");
      return;
    case Kind::leader:
    case Kind::follower: return check_partition(selector.name, selector.index, at);
    case Kind::coordinator: {
      std::vector<std::string_view> names;
      for (const ConsumerPlan& consumer : scenario_.consumers) {
        names.push_back(consumer.group);
        if (consumer.group == selector.name) return;
      }
      return say(at, "there is no group '" + selector.name + "'" + did_you_mean(selector.name, names));
    }
    case Kind::rack: {
      if (cluster.zone_of_rack.contains(selector.name)) return;
      std::vector<std::string_view> names;
      for (const auto& [rack, zone] : cluster.zone_of_rack) names.push_back(rack);
      return say(at, "there is no rack '" + selector.name + "'" + did_you_mean(selector.name, names));
    }
    case Kind::zone:
      if (!cluster.region_of_zone.contains(selector.name)) say(at, "there is no zone '" + selector.name + "'");
      return;
    case Kind::producer: return known_instance(scenario_.producers, "producer");
    case Kind::consumer: return known_instance(scenario_.consumers, "consumer");
    case Kind::active_controller:
    case Kind::any_broker:
    case Kind::minority:
    case Kind::all: return;
  }
}

Tree Reader::read_faults(const Tree* tree) {
  Tree shown = Tree::list(tree != nullptr ? tree->at : Position());
  if (tree == nullptr) return shown;
  if (tree->kind != Tree::Kind::list) {
    say(tree->at, "expected a list of faults, such as [{ at: 10s, kill: broker(1) }]");
    return shown;
  }
  for (const Tree& item : tree->items)
    if (const Tree* const created = item.kind == Tree::Kind::map ? item.find("create-topic") : nullptr) created_topics_.insert(created->text);
  for (const Tree& item : tree->items) shown.items.push_back(read_fault(item));
  return shown;
}

Tree Reader::read_fault(const Tree& tree) {
  if (tree.kind != Tree::Kind::map) {
    say(tree.at, "expected a fault such as { at: 10s, kill: broker(1) }");
    return tree;
  }
  const Section& section = section_named("fault");
  std::vector<std::string_view> names;
  for (const Key& key : section.keys) names.push_back(key.name);
  for (const FaultRow& row : fault_rows()) names.push_back(name_of(row.kind));
  const FaultRow* row = nullptr;
  Tree rest = Tree::map(tree.at);
  const Tree::Entry* target = nullptr;
  bool wrong = false;
  for (const Tree::Entry& entry : tree.entries) {
    if (const FaultRow* const found = find_fault(entry.key)) {
      if (row != nullptr) {
        say(entry.at, "a line names one fault, this one names '" + target->key + "' and '" + entry.key + "'");
        wrong = true;
      }
      row = found;
      target = &entry;
    } else if (std::find(names.begin(), names.end(), entry.key) == names.end()) {
      say(entry.at, "unknown key '" + entry.key + "' in fault" + did_you_mean(entry.key, names));
      wrong = true;
    } else {
      rest.entries.push_back(entry);
    }
  }
  if (wrong) return tree;
  if (const Tree* const random = tree.find("random")) {
    if (tree.entries.size() > 1) say(tree.at, "'random' stands alone on its line");
    Tree shown = Tree::map(tree.at);
    shown.set("random", read_random(*random, tree.at));
    return shown;
  }
  if (row == nullptr) {
    say(tree.at, "expected a fault, such as kill, pause or partition, on this line");
    return tree;
  }
  const std::string kind(name_of(row->kind));
  Bound bound(section, &rest, tree.at, problems_);
  for (const Tree::Entry& entry : rest.entries) {
    if (entry.key == "at" || entry.key == "when" || entry.key == "once" || has(row->arguments, entry.key)) continue;
    std::string takes;
    for (const std::string_view word : words(row->arguments)) takes += (takes.empty() ? "" : ", ") + std::string(word);
    say(entry.at, "'" + entry.key + "' does not belong to " + kind + (takes.empty() ? ", which takes none" : " (it takes " + takes + ")"));
  }
  for (const std::string_view needed : words(row->needed))
    if (!bound[needed].given) say(tree.at, kind + " needs '" + std::string(needed) + "', as in " + row->example);

  Fault fault;
  fault.kind = row->kind;
  fault.position = to_text(tree.at);
  fault.at_ns = bound["at"].number;
  fault.when = bound["when"].condition;
  fault.once = bound["once"].number != 0;
  if (!bound["at"].given && !bound["when"].given) say(tree.at, "expected 'at' or 'when': " + std::string(row->example));
  if (bound["once"].given && !bound["when"].given) say(bound["once"].at, "'once' belongs to 'when'");
  if (bound["at"].given && fault.at_ns >= scenario_.heal_at_ns())
    say(bound["at"].at, "begins at " + duration_text(fault.at_ns) + ", not before faults are healed at " + duration_text(scenario_.heal_at_ns()));
  for (const Clause& clause : fault.when) {
    using Measure = Clause::Measure;
    if (clause.measure == Measure::isr || clause.measure == Measure::leader || clause.measure == Measure::leader_epoch || clause.measure == Measure::high_watermark)
      check_partition(clause.name, clause.index, bound["when"].at);
    if (clause.measure == Measure::lag || clause.measure == Measure::members) check_selector(Selector{Selector::Kind::coordinator, clause.name, -1}, bound["when"].at);
  }
  fault.for_ns = bound["for"].given ? bound["for"].number : -1;
  if (bound["for"].given && fault.for_ns == 0) say(bound["for"].at, "a fault that lasts no time");
  if (has(row->arguments, "restart")) {
    fault.restart = bound["restart"].number < 0 ? Fault::Restart::never : Fault::Restart::after;
    if (bound["restart"].number >= 0) fault.restart_after_ns = bound["restart"].number;
  }
  fault.gap_ns = bound["gap"].number;
  fault.profile = bound["profile"].text;
  fault.factor_millionths = bound["factor"].number;
  fault.mode = static_cast<Fault::Mode>(bound["mode"].number);
  fault.op = static_cast<Fault::Op>(bound["op"].number);
  fault.file = static_cast<Fault::FileClass>(bound["file"].number);
  fault.count = static_cast<std::int32_t>(bound["count"].number);
  fault.by_ns = bound["by"].number;
  fault.drift_ppb = bound["ppm"].number;
  fault.partitions = static_cast<std::int32_t>(bound["partitions"].number);
  if (row->kind == FaultKind::advance_clock && bound["by"].given && fault.by_ns <= 0) say(bound["by"].at, "advance-clock goes forwards: expected a time above zero");
  if (row->kind == FaultKind::inject || row->kind == FaultKind::disconnect) {
    fault.api = bound["api"].text;
    if (bound["api"].given) fault.api_key = static_cast<std::int16_t>(bound["api"].number);
    if (bound["probability"].given) fault.probability_millionths = bound["probability"].number;
    fault.after_commit = bound["after"].number == 0;
    fault.last_call = bound["for"].given || bound["probability"].given ? 0 : 1;
    if (bound["calls"].given) read_calls(bound["calls"].text, bound["calls"].at, fault);
    fault.targets = bound["target"].selectors;
    if (fault.targets.empty()) fault.targets.push_back(Selector{Selector::Kind::all, "", -1});
    for (const Selector& selector : bound["target"].selectors) check_selector(selector, bound["target"].at);
  }
  fault.before_offset = bound["before"].given ? bound["before"].number : -1;
  if (row->kind == FaultKind::create_topic && !bound["replication"].given) bound.fill("replication", std::to_string(std::clamp(scenario_.cluster.brokers.count, 1, 3)));
  if (bound["replication"].present) fault.replication = static_cast<std::int16_t>(bound["replication"].number);
  if (row->kind == FaultKind::create_topic && fault.replication > scenario_.cluster.brokers.count)
    say(bound["replication"].at, "replication " + std::to_string(fault.replication) + " needs as many brokers, but there are " + std::to_string(scenario_.cluster.brokers.count));
  Tree shown_target;
  read_target(*row, target->value, fault, shown_target);
  if (bound["to"].given && row->kind == FaultKind::move_leader) {
    const auto to = parse_selector(bound["to"].text);
    if (!to) {
      say(bound["to"].at, to.error());
    } else {
      check_selector(*to, bound["to"].at);
      fault.new_leader = *to;
    }
  }
  if (row->kind == FaultKind::alter_config && bound["set"].given) {
    const std::string& text = bound["set"].text;
    const std::size_t sign = std::min(text.find('='), text.size());
    fault.config_key = text.substr(0, sign);
    fault.config_value = text.substr(std::min(sign + 1, text.size()));
    const auto value = config_value(fault.config_of_broker ? ConfigOf::broker : ConfigOf::topic, fault.config_key, fault.config_value.empty() ? "0" : fault.config_value);
    if (sign == text.size()) say(bound["set"].at, "expected KEY=VALUE, found '" + text + "'");
    else if (!fault.config_value.empty() && !value) say(bound["set"].at, value.error());
    else if (!fault.config_value.empty()) fault.config_value = *value;
    else if (find_config(fault.config_key) == nullptr) say(bound["set"].at, value.error());
    if (const ConfigRow* const known = find_config(fault.config_key); known != nullptr && fault.config_of_broker && !known->dynamic)
      say(bound["set"].at, "'" + fault.config_key + "' cannot be changed while a broker runs");
  }
  if (bound["to"].given && row->kind == FaultKind::add_partitions) {
    const auto to = parse_integer(bound["to"].text);
    const TopicPlan* const plan = scenario_.topic(fault.topic);
    if (!to || *to < 1 || *to > 100'000) {
      say(bound["to"].at, "expected the new number of partitions, found '" + bound["to"].text + "'");
    } else {
      fault.partitions = static_cast<std::int32_t>(*to);
      if (plan != nullptr && fault.partitions <= plan->partitions) say(bound["to"].at, "'" + fault.topic + "' has " + std::to_string(plan->partitions) + " partitions already");
    }
  }
  Tree shown = Tree::map(tree.at);
  for (const char* key : {"at", "when", "once"})
    if (bound[key].given) shown.set(key, bound.shown(key));
  shown.set(kind, std::move(shown_target));
  for (const std::string_view key : words(row->arguments))
    if (bound[key].present) shown.set(key, bound.shown(key));
  scenario_.faults.push_back(std::move(fault));
  return shown;
}

void Reader::read_calls(const std::string& text, const Position& at, Fault& fault) {
  const std::size_t dots = text.find("..");
  const auto last = parse_integer(dots == std::string::npos ? std::string_view(text) : std::string_view(text).substr(dots + 2));
  const auto first = dots == std::string::npos ? Parsed<std::int64_t>(1) : parse_integer(std::string_view(text).substr(0, dots));
  if (!first || !last || *first < 1 || *last < *first) return say(at, "expected a number of requests such as 3, or 2..4, found '" + text + "'");
  fault.first_call = *first;
  fault.last_call = *last;
}

void Reader::read_target(const FaultRow& row, const Tree& tree, Fault& fault, Tree& shown) {
  const auto checked = [&](const std::vector<Selector>& selectors, const Position& at) {
    for (const Selector& selector : selectors) check_selector(selector, at);
  };
  const std::string kind(name_of(row.kind));
  shown = tree;
  switch (row.form) {
    case TargetForm::selectors: {
      const Key key{kind.c_str(), KeyType::selectors, nullptr, ""};
      Value value = parse_value(key, tree, problems_, shown);
      checked(value.selectors, tree.at);
      const bool clients_make_sense = row.kind == FaultKind::kill || row.kind == FaultKind::pause || row.kind == FaultKind::slow_cpu || row.kind == FaultKind::isolate ||
                                      row.kind == FaultKind::reset || row.kind == FaultKind::clock_step || row.kind == FaultKind::clock_drift || row.kind == FaultKind::stop ||
                                      row.kind == FaultKind::rolling_restart;
      for (const Selector& selector : value.selectors)
        if (!clients_make_sense && (selector.kind == Selector::Kind::producer || selector.kind == Selector::Kind::consumer)) say(tree.at, "clients have no disk: " + kind + " wants a node");
      fault.targets = std::move(value.selectors);
      return;
    }
    case TargetForm::sides: {
      const Key key{kind.c_str(), KeyType::sides, nullptr, ""};
      Value value = parse_value(key, tree, problems_, shown);
      std::vector<Selector> seen;
      for (const std::vector<Selector>& side : value.sides) {
        checked(side, tree.at);
        for (const Selector& selector : side) {
          if (std::find(seen.begin(), seen.end(), selector) != seen.end()) say(tree.at, to_text(selector) + " is on two sides");
          seen.push_back(selector);
        }
      }
      fault.sides = std::move(value.sides);
      return;
    }
    case TargetForm::topic: {
      const Key key{kind.c_str(), row.kind == FaultKind::alter_config ? KeyType::text : KeyType::name, nullptr, ""};
      fault.topic = parse_value(key, tree, problems_, shown).text;
      if (row.kind == FaultKind::alter_config) {
        const auto selector = parse_selector(fault.topic);
        if (selector && selector->kind == Selector::Kind::all) fault.config_of_broker = "";
        else if (selector && selector->kind == Selector::Kind::broker) {
          check_selector(*selector, tree.at);
          fault.config_of_broker = std::to_string(selector->index);
        } else {
          check_partition(fault.topic, -1, tree.at);
        }
      } else if (row.kind == FaultKind::create_topic) {
        const bool deleted_before = std::any_of(scenario_.faults.begin(), scenario_.faults.end(), [&](const Fault& before) { return before.kind == FaultKind::delete_topic && before.topic == fault.topic; });
        if (scenario_.topic(fault.topic) != nullptr && !deleted_before) say(tree.at, "there is a topic '" + fault.topic + "' from the start, and no line above deletes it");
      } else {
        check_partition(fault.topic, -1, tree.at);
      }
      return;
    }
    case TargetForm::partition: {
      const Key key{kind.c_str(), KeyType::partition, nullptr, ""};
      const Value value = parse_value(key, tree, problems_, shown);
      fault.topic = value.text;
      fault.partition = static_cast<std::int32_t>(value.number);
      if (tree.kind == Tree::Kind::scalar && !fault.topic.empty()) check_partition(fault.topic, fault.partition, tree.at);
      return;
    }
    case TargetForm::code: {
      const std::string text = tree.kind == Tree::Kind::scalar ? tree.text : "";
      std::vector<std::string_view> names;
      for (std::int16_t number = -1; number < 200; ++number) {
        const std::string_view name = kafka_name_of(static_cast<Code>(number));
        if (number == 0 || name == "UNKNOWN") continue;
        names.push_back(name);
        if (name != text) continue;
        fault.code = number;
        fault.code_name = text;
      }
      if (fault.code_name.empty()) say(tree.at, "expected Kafka's name of an error, such as NOT_LEADER_OR_FOLLOWER, found '" + text + "'" + did_you_mean(text, names));
      return;
    }
    case TargetForm::map: break;
  }
  Bound bound(section_named(row.section), &tree, tree.at, problems_);
  fault.from = bound["from"].selectors;
  fault.to = bound["to"].selectors;
  checked(fault.from, bound["from"].at);
  checked(fault.to, bound["to"].at);
  if (row.kind == FaultKind::one_way && fault.from.empty() && fault.to.empty()) say(tree.at, "expected 'from' or 'to': { from: rack:a, to: rack:b }");
  if (row.kind == FaultKind::hold_api || row.kind == FaultKind::drop_api) {
    fault.api = bound["api"].text;
    fault.api_key = static_cast<std::int16_t>(bound["api"].number);
    fault.side = bound["side"].number == 0 ? Fault::Side::request : Fault::Side::response;
  }
  if (row.kind == FaultKind::hold_api || row.kind == FaultKind::delay) fault.delay_ns = bound["by"].distribution;
  if (row.kind == FaultKind::loss) fault.loss_millionths = bound["share"].number;
  if (row.kind == FaultKind::bandwidth) fault.bandwidth_bits_per_s = bound["limit"].number;
  shown = bound.counted();
}

Tree Reader::read_random(const Tree& tree, const Position& at) {
  Bound bound(section_named("random"), &tree, at, problems_);
  RandomFaults random;
  random.from_ns = bound["from"].number;
  random.until_ns = bound["until"].number;
  random.mean_gap_ns = bound["mean-gap"].number;
  random.max_concurrent = static_cast<std::int32_t>(bound["max-concurrent"].number);
  random.duration_ns = bound["duration"].distribution;
  random.pick = bound["pick"].weights;
  random.budget = bound["budget"].text != "none";
  if (bound["until"].given && random.until_ns <= random.from_ns) say(bound["until"].at, "the phase ends before it begins");
  if (bound["until"].given && random.until_ns > scenario_.heal_at_ns())
    say(bound["until"].at, "the phase ends at " + duration_text(random.until_ns) + ", after faults are healed at " + duration_text(scenario_.heal_at_ns()));
  if (random.budget) {
    for (const auto& [kind, weight] : random.pick)
      if (kind == FaultKind::bit_rot || kind == FaultKind::misdirect || kind == FaultKind::wipe_disk)
        say(bound["pick"].at, "drawn '" + std::string(name_of(kind)) + "' needs `budget: none`: it may damage what nothing can repair");
  }
  scenario_.random_faults.push_back(std::move(random));
  return bound.counted();
}

Tree Reader::read_checks(const Tree* tree) {
  Tree shown = Tree::list(tree != nullptr ? tree->at : Position());
  if (tree == nullptr) return shown;
  if (tree->kind != Tree::Kind::list) {
    say(tree->at, "expected a list of checks, such as [no-acked-loss, { slo: { produce-p99: \"< 250ms\" } }]");
    return shown;
  }
  for (const Tree& item : tree->items) {
    std::string name;
    Tree parameters;
    Position at = item.at;
    if (item.kind == Tree::Kind::scalar) {
      name = item.text;
    } else if (item.kind == Tree::Kind::map && item.entries.size() == 1) {
      name = item.entries[0].key;
      parameters = item.entries[0].value;
      at = item.entries[0].at;
    } else {
      say(item.at, "expected one check, such as no-acked-loss or slo: { produce-p99: \"< 250ms\" }");
      continue;
    }
    if (parameters.is_null()) parameters.at = at;
    std::vector<std::string_view> names;
    bool known = false;
    for (const CheckRow& row : check_rows()) {
      names.push_back(row.name);
      known = known || row.name == name;
    }
    if (!known) {
      say(at, "unknown check '" + name + "'" + did_you_mean(name, names));
      continue;
    }
    Tree counted;
    read_check(name, parameters, counted);
    Tree line = Tree::map(item.at);
    line.set(name, std::move(counted));
    shown.items.push_back(std::move(line));
  }
  return shown;
}

void Reader::read_check(const std::string& name, const Tree& tree, Tree& shown) {
  CheckPlan& checks = scenario_.checks;
  shown = tree;
  if (name == "sometimes" || name == "reached" || name == "off") {
    const Key key{name.c_str(), KeyType::names, nullptr, ""};
    if (tree.is_null()) return say(tree.at, "expected a list for '" + name + "'");
    const Value value = parse_value(key, tree, problems_, shown);
    std::vector<std::string_view> marks;
    for (const MarkRow& row : mark_rows()) marks.push_back(row.name);
    for (const std::string& item : value.names) {
      if (name == "off") {
        const auto rows = invariant_rows();
        if (std::none_of(rows.begin(), rows.end(), [&](const InvariantRow& row) { return row.id == item; }))
          say(tree.at, "expected ids of invariants, such as I59, found '" + item + "'; `harrow list checks` shows them");
        checks.off.push_back(item);
      } else {
        if (std::find(marks.begin(), marks.end(), item) == marks.end()) say(tree.at, "unknown mark '" + item + "'" + did_you_mean(item, marks) + "; `harrow list marks` shows them");
        (name == "sometimes" ? checks.sometimes : checks.reached).push_back(item);
      }
    }
    return;
  }
  Bound bound(section_named(name), &tree, tree.at, problems_);
  if (name == "expect") {
    checks.expect_fails = bound["fails"].text;
    std::vector<std::string_view> known{"slo", "eventually", "reached", "no-crash"};
    for (const InvariantRow& row : invariant_rows()) {
      known.push_back(row.name);
      known.push_back(row.id);
    }
    if (bound["fails"].given && std::find(known.begin(), known.end(), checks.expect_fails) == known.end())
      say(bound["fails"].at, "there is no check '" + checks.expect_fails + "'" + did_you_mean(checks.expect_fails, known) + "; `harrow list checks` shows them");
  } else if (name == "no-acked-loss") {
    checks.loss_producers = bound["producers"].names;
    checks.count_unpromised = bound["count"].text == "acked";
    for (const std::string& producer : checks.loss_producers) check_selector(Selector{Selector::Kind::producer, producer, -1}, bound["producers"].at);
  } else if (name == "slo") {
    Slo& slo = checks.slo;
    const auto take = [&](const char* key, std::optional<std::int64_t>& limit) {
      if (bound[key].given) limit = bound[key].number;
    };
    take("produce-p50", slo.produce_p50_ns);
    take("produce-p99", slo.produce_p99_ns);
    take("produce-p999", slo.produce_p999_ns);
    take("end-to-end-p50", slo.end_to_end_p50_ns);
    take("end-to-end-p99", slo.end_to_end_p99_ns);
    take("end-to-end-p999", slo.end_to_end_p999_ns);
    take("under-replicated", slo.under_replicated_ns);
    take("unavailable", bound["unavailable"].text == "in total" ? slo.unavailable_total_ns : slo.unavailable_per_fault_ns);
    take("consumer-lag", bound["consumer-lag"].text == "at end" ? slo.lag_at_end : slo.lag_max);
    if (slo.empty()) say(tree.at, "an slo without a limit");
  } else if (name == "eventually") {
    Eventually eventually;
    const auto take = [&](const char* key, std::optional<std::int64_t>& limit) {
      if (bound[key].given) limit = bound[key].number;
    };
    take("under-replicated-partitions", eventually.under_replicated);
    take("offline-partitions", eventually.offline);
    take("consumer-lag", eventually.lag);
    eventually.within_ns = bound["within"].number;
    eventually.after_ns = bound["after"].number;
    if (!eventually.under_replicated && !eventually.offline && !eventually.lag) say(tree.at, "expected under-replicated-partitions, offline-partitions or consumer-lag");
    const std::int64_t from = eventually.after_ns < 0 ? scenario_.heal_at_ns() : eventually.after_ns;
    if (from + eventually.within_ns > scenario_.after_ns)
      say(tree.at, "would be judged at " + duration_text(from + eventually.within_ns) + ", after the run ends at " + duration_text(scenario_.after_ns));
    checks.eventually.push_back(eventually);
  }
  shown = bound.counted();
}

}  // namespace harrow::sim
