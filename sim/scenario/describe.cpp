#include "sim/scenario/describe.h"

#include <array>
#include <nlohmann/json.hpp>

#include "core/model/config_keys.h"
#include "sim/scenario/keys.h"
#include "sim/scenario/read.h"
#include "sim/scenario/units.h"

namespace harrow::sim {

namespace {

using Json = nlohmann::ordered_json;

constexpr const char* duration_pattern = "^-?(0|([0-9]+(\\.[0-9]+)?(ns|us|µs|ms|s|min|m|h|d|w))+)$";
constexpr const char* bytes_pattern = "^(0|[0-9]+(\\.[0-9]+)? ?(B|KiB|MiB|GiB|TiB|kB|KB|MB|GB|TB))$";
constexpr const char* rate_pattern = "^[0-9]+(\\.[0-9]+)?[kKMG]? ?/ ?(s|min|m|h|d)$";
constexpr const char* name_pattern = "^[A-Za-z0-9._-]{1,249}$";
constexpr const char* selector_pattern =
    "^(broker\\([0-9]+\\)|controller(\\([0-9]+\\))?|(leader|follower)\\([^()]+/[0-9]+\\)|coordinator\\([^()]+\\)|rack:.+|zone:.+|(producer|consumer)\\([^()]+\\)|any-broker|minority|all)$";

Json text_like(const char* pattern) { return {{"type", "string"}, {"pattern", pattern}}; }
Json or_number(Json schema) { return {{"anyOf", Json::array({std::move(schema), Json{{"type", "number"}}})}}; }
Json reference(std::string_view section) { return {{"$ref", "#/definitions/" + std::string(section)}}; }

Json choices(std::string_view text) {
  Json list = Json::array();
  while (true) {
    const std::size_t bar = text.find('|');
    list.push_back(std::string(text.substr(0, bar)));
    if (bar == std::string_view::npos) return {{"enum", list}};
    text = text.substr(bar + 1);
  }
}

Json one_or_list(const Json& item) { return {{"anyOf", Json::array({item, Json{{"type", "array"}, {"items", item}}})}}; }

Json config_schema(KeyType type) {
  Json properties = Json::object();
  const Json value = Json{{"type", Json::array({"string", "number", "boolean", "array"})}};
  if (type == KeyType::client_config) {
    for (const ClientKey& key : client_keys()) {
      Json row = value;
      row["description"] = std::string(key.doc) + (key.fallback.empty() ? "" : " Default " + std::string(key.fallback) + ".");
      properties[std::string(key.name)] = row;
    }
  } else {
    for (const ConfigRow& config : config_rows()) {
      if (type == KeyType::topic_config ? config.scope == ConfigScope::broker : config.scope == ConfigScope::topic) continue;
      Json row = value;
      row["description"] = std::string(config.doc) + (config.default_text != nullptr ? " Default " + std::string(config.default_text) + "." : "");
      properties[std::string(config.name)] = row;
    }
  }
  // a value may also be drawn per seed
  for (auto& [name, row] : properties.items()) row = Json{{"description", row["description"]}, {"anyOf", Json::array({value, reference("draw")})}};
  return {{"type", "object"}, {"properties", properties}, {"additionalProperties", false}};
}

Json type_schema(const Key& key) {
  switch (key.type) {
    case KeyType::text: return {{"type", Json::array({"string", "number"})}};
    case KeyType::name: return or_number(text_like(name_pattern));
    case KeyType::integer: {
      Json number{{"type", "integer"}};
      if (key.least != INT64_MIN && !(key.least == 0 && key.most == 0)) number["minimum"] = key.least;
      if (key.most != INT64_MAX && !(key.least == 0 && key.most == 0)) number["maximum"] = key.most;
      return {{"anyOf", Json::array({number, text_like("^-?[0-9]+(\\.[0-9]+)?[kKMG]?$")})}};
    }
    case KeyType::duration:
    case KeyType::signed_duration: return or_number(text_like(duration_pattern));
    case KeyType::bytes: return or_number(text_like(bytes_pattern));
    case KeyType::rate: return text_like(rate_pattern);
    case KeyType::probability: return or_number(text_like("^[0-9.]+ ?(%|ppm)?$"));
    case KeyType::factor: return {{"type", "number"}};
    case KeyType::bandwidth: return text_like("^[0-9.]+ ?([kKMG]?bps|([kMG]|Ki|Mi|Gi)?B/s)$");
    case KeyType::drift: return or_number(text_like("^-?[0-9.]+ ?(ppm|ppb)$"));
    case KeyType::flag: return {{"type", "boolean"}};
    case KeyType::wall_time: return text_like("^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$");
    case KeyType::choice: return choices(key.detail);
    case KeyType::names: return one_or_list(Json{{"type", Json::array({"string", "number"})}});
    case KeyType::times:
    case KeyType::signed_times:
    case KeyType::sizes: return or_number(Json{{"type", "string"}});
    case KeyType::keys: return text_like("^(none|uniform\\(.+\\)|zipf\\(.+,.+\\))$");
    case KeyType::selector: return text_like(selector_pattern);
    case KeyType::selectors: return one_or_list(text_like(selector_pattern));
    case KeyType::sides: return {{"type", "array"}, {"minItems", 2}, {"items", Json{{"type", "array"}, {"items", text_like(selector_pattern)}}}};
    case KeyType::condition: return {{"type", "string"}};
    case KeyType::partition: return text_like("^.+/[0-9]+$");
    case KeyType::api: {
      Json list = Json::array();
      for (const ApiRow& row : api_rows()) list.push_back(std::string(row.name));
      return {{"enum", list}};
    }
    case KeyType::restart: return text_like("^(never|after .+)$");
    case KeyType::limit_time:
    case KeyType::limit_number: return text_like("^< *[0-9].*$");
    case KeyType::when: return or_number(Json{{"type", "string"}});
    case KeyType::config:
    case KeyType::topic_config:
    case KeyType::client_config: return reference(key.type == KeyType::config ? "config" : key.type == KeyType::topic_config ? "topic-config" : "client-config");
    case KeyType::groups_of_names: return {{"type", "object"}, {"additionalProperties", one_or_list(Json{{"type", Json::array({"string", "number"})}})}};
    case KeyType::assignment: return {{"type", "array"}, {"items", Json{{"type", "array"}, {"items", Json{{"type", "integer"}}}}}};
    case KeyType::weights: {
      Json properties = Json::object();
      for (const FaultRow& row : fault_rows()) properties[std::string(name_of(row.kind))] = Json{{"type", "integer"}, {"minimum", 0}};
      return {{"type", "object"}, {"properties", properties}, {"additionalProperties", false}};
    }
    case KeyType::hardware: return {{"anyOf", Json::array({choices("default|nvme|gp3|hdd"), reference("hardware")})}};
    case KeyType::section: return {{"anyOf", Json::array({reference(key.detail), Json{{"type", "null"}}})}};
    case KeyType::sections: return {{"type", "array"}, {"items", reference(key.detail)}};
    case KeyType::faults: return {{"type", "array"}, {"items", reference("fault")}};
    case KeyType::checks: return {{"type", "array"}, {"items", reference("check")}};
  }
  return Json::object();
}

Json key_schema(const Key& key) {
  Json schema = type_schema(key);
  Json described{{"description", key.doc}};
  if (key.fallback != nullptr && key.fallback[0] != '\0') described["description"] = std::string(key.doc) + " Default " + key.fallback + ".";
  const bool scalar = key.type != KeyType::section && key.type != KeyType::sections && key.type != KeyType::faults && key.type != KeyType::checks &&
                      key.type != KeyType::config && key.type != KeyType::topic_config && key.type != KeyType::client_config;
  if (scalar) {
    described["anyOf"] = Json::array({std::move(schema), reference("draw")});
  } else {
    described["allOf"] = Json::array({std::move(schema)});
  }
  return described;
}

Json section_schema(const Section& section) {
  Json properties = Json::object(), required = Json::array();
  for (const Key& key : section.keys) {
    properties[key.name] = key_schema(key);
    if (key.required) required.push_back(key.name);
  }
  Json schema{{"type", "object"}, {"description", section.doc}, {"properties", properties}, {"additionalProperties", false}};
  if (!required.empty()) schema["required"] = required;
  return schema;
}

Json target_schema(const FaultRow& row) {
  switch (row.form) {
    case TargetForm::selectors: return one_or_list(text_like(selector_pattern));
    case TargetForm::sides: return type_schema(Key{"", KeyType::sides, nullptr, ""});
    case TargetForm::map: return reference(row.section);
    case TargetForm::topic: return or_number(text_like(name_pattern));
    case TargetForm::partition: return text_like("^.+/[0-9]+$");
    case TargetForm::code: return text_like("^[A-Z_]+$");
  }
  return Json::object();
}

std::string type_words(const Key& key) {
  switch (key.type) {
    case KeyType::text: return "text";
    case KeyType::name: return "name";
    case KeyType::integer: return "number";
    case KeyType::duration: return "time";
    case KeyType::signed_duration: return "time, may be negative";
    case KeyType::bytes: return "size";
    case KeyType::rate: return "rate";
    case KeyType::probability: return "share";
    case KeyType::factor: return "factor";
    case KeyType::bandwidth: return "bandwidth";
    case KeyType::drift: return "clock rate";
    case KeyType::flag: return "true or false";
    case KeyType::wall_time: return "date and time";
    case KeyType::choice: {
      std::string text(key.detail);
      for (std::size_t bar = 0; (bar = text.find('|', bar)) != std::string::npos; bar += 2) text.replace(bar, 1, ", ");
      return text;
    }
    case KeyType::names: return "name or list of names";
    case KeyType::times: return "time or distribution";
    case KeyType::signed_times: return "time or distribution, may be negative";
    case KeyType::sizes: return "size or distribution";
    case KeyType::keys: return "keys";
    case KeyType::selector: return "selector";
    case KeyType::selectors: return "selector or list of selectors";
    case KeyType::sides: return "list of lists of selectors";
    case KeyType::condition: return "condition";
    case KeyType::partition: return "topic/partition";
    case KeyType::api: return "request name";
    case KeyType::restart: return "`after` time, or `never`";
    case KeyType::limit_time: return "limit of a time";
    case KeyType::limit_number: return "limit of a number";
    case KeyType::when: return "time, or `heal`";
    case KeyType::config: return "broker configuration";
    case KeyType::topic_config: return "topic configuration";
    case KeyType::client_config: return "client configuration";
    case KeyType::groups_of_names: return "map of lists of names";
    case KeyType::assignment: return "list of lists of broker ids";
    case KeyType::weights: return "map of faults to weights";
    case KeyType::hardware: return "profile, or [hardware](#hardware)";
    case KeyType::section:
    case KeyType::sections: {
      std::string anchor = section_named(key.detail).title, words = anchor;
      for (char& c : anchor)
        if (c == ' ') c = '-';
      return (key.type == KeyType::sections ? "list of [" : "[") + words + "](#" + anchor + ")";
    }
    case KeyType::faults: return "list of faults (see the fault reference)";
    case KeyType::checks: return "list of [checks](#checks)";
  }
  return "";
}

void put_table(std::string& out, const Section& section) {
  out += "| key | value | default | meaning |\n|---|---|---|---|\n";
  for (const Key& key : section.keys) {
    std::string fallback = key.required ? "must be given" : key.fallback == nullptr ? "" : key.fallback[0] == '\0' ? "see there" : "`" + std::string(key.fallback) + "`";
    out += "| `" + std::string(key.name) + "` | " + type_words(key) + " | " + fallback + " | " + key.doc + " |\n";
  }
  out += "\n";
}

constexpr const char* quantities_page = R"(## Quantities

| kind | written |
|---|---|
| number | `12`, `10k`, `3M`; never with a leading zero |
| time | `250ms`, `5s`, `1h30m`, `8d`; a unit is needed: ns, us, ms, s, min (or m), h, d, w |
| size | `512B`, `16KiB`, `1MiB`, `1GB` |
| rate | `500/s`, `10k/s`, `30/min` |
| share | `0.01%`, `100ppm`, `0.5` |
| bandwidth | `10Gbps`, `125MB/s` |
| clock rate | `20ppm`, `-500ppb` |
| distribution | a quantity alone, `uniform(low, high)` or `low..high`, `exp(mean)`, `normal(mean, deviation)`, `lognormal(median, sigma)` |
| keys | `none`, `uniform(10k)`, `zipf(10k, 0.99)` |
| limit | `"< 250ms"`, `"< 1000 at end"` |

Kafka configuration takes plain numbers as in a properties file, or quantities with units: `retention.ms: 1h` is `3600000`.

Any single value may be drawn per seed: `{ draw: [1MiB, 4MiB, 16MiB] }` takes one of a list, `{ draw: 16KiB..1MiB }` a value between (each
doubling equally likely). The draw depends on the seed and on where it stands, and on nothing else; `check --expand --seed N` shows it.

`--set PATH=VALUE` changes a value from the command line. Parts of the path are separated by `/`; items of a list go by their name or number:
`--set cluster/config/min.insync.replicas=1`, `--set workload/producers/checkout/rate=1k/s`.

)";

constexpr const char* selectors_page = R"(## Selectors

| written | who |
|---|---|
| `broker(2)` | the broker with id 2 |
| `controller` | the active controller |
| `controller(1)` | the first controller |
| `leader(t/p)`, `follower(t/p)` | the leader, or one of the followers, of partition p of topic t |
| `coordinator(group)` | the broker that coordinates the group |
| `rack:a`, `zone:z1` | every node (and, for faults of the network, client) there |
| `producer(name/i)`, `consumer(name/i)` | a client; without `/i` all of that name |
| `any-broker` | one, drawn |
| `minority` | fewer than half of the controllers and of the brokers, drawn |
| `all` | every broker and controller |

Whoever is drawn is drawn when the fault begins, and written to `faults.jsonl`.

## Conditions

`when:` compares a measure with a number by `<`, `<=`, `==`, `!=`, `>=`, `>`; several are joined by `and`. Measures: `isr(t/p)` size of the
in-sync set, `leader(t/p)` broker id or -1, `leader-epoch(t/p)`, `high-watermark(t/p)`, `under-replicated`, `offline`, `lag(group)`,
`members(group)`, `active-controller`, `time`.

)";

}  // namespace

std::string json_schema() {
  Json definitions = Json::object();
  definitions["draw"] = {{"description", "Drawn per seed: one of a list, or a value of a range."},
                         {"type", "object"},
                         {"properties", Json{{"draw", Json{{"type", Json::array({"array", "string"})}}}}},
                         {"required", Json::array({"draw"})},
                         {"additionalProperties", false}};
  definitions["config"] = config_schema(KeyType::config);
  definitions["topic-config"] = config_schema(KeyType::topic_config);
  definitions["client-config"] = config_schema(KeyType::client_config);
  Json root;
  for (const Section& section : sections()) {
    Json schema = section_schema(section);
    if (std::string_view(section.name) == "scenario") {
      root = schema;
      continue;
    }
    if (std::string_view(section.name) == "fault") {
      for (const FaultRow& row : fault_rows()) {
        Json target = target_schema(row);
        schema["properties"][std::string(name_of(row.kind))] = Json{{"description", std::string(row.doc) + " Example: " + row.example}, {"allOf", Json::array({target})}};
      }
    }
    definitions[section.name] = schema;
  }
  Json check_properties = Json::object(), check_names = Json::array();
  for (const CheckRow& row : check_rows()) {
    Json value = row.section[0] != '\0' ? Json{{"anyOf", Json::array({reference(row.section), Json{{"type", "null"}}})}} : one_or_list(Json{{"type", "string"}});
    check_properties[row.name] = Json{{"description", row.doc}, {"allOf", Json::array({value})}};
    check_names.push_back(row.name);
  }
  definitions["check"] = {{"anyOf", Json::array({Json{{"enum", check_names}},
                                                  Json{{"type", "object"}, {"properties", check_properties}, {"minProperties", 1}, {"maxProperties", 1}, {"additionalProperties", false}}})}};
  Json schema;
  schema["$schema"] = "http://json-schema.org/draft-07/schema#";
  schema["title"] = "Harrow scenario";
  for (auto& [key, value] : root.items()) schema[key] = value;
  schema["definitions"] = definitions;
  return schema.dump(1) + "\n";
}

std::string scenario_reference() {
  std::string out =
      "# Scenario files\n\nMade from the reader's own table (`harrow check --reference scenario`); do not edit. YAML, read strictly: unknown and duplicate keys, missing\n"
      "units and numbers that look octal are errors with file, line and column. Every part has a default: a file with only `harrow: 1` runs three\n"
      "controllers and three brokers, one topic, one producer with acks=all and one group for 60 s.\n\n";
  out += quantities_page;
  for (const Section& section : sections()) {
    const std::string_view name = section.name;
    bool of_fault = name == "fault" || name == "random";
    for (const FaultRow& row : fault_rows()) of_fault = of_fault || name == row.section;
    if (of_fault) continue;
    out += "## " + std::string(section.title) + "\n\n" + section.doc + "\n\n";
    put_table(out, section);
  }
  out += "## checks\n\nEvery safety invariant always runs. The list adds expectations and parameters.\n\n| check | meaning | example |\n|---|---|---|\n";
  for (const CheckRow& row : check_rows()) out += "| `" + std::string(row.name) + "` | " + row.doc + " | `" + row.example + "` |\n";
  out += "\n## invariants\n\n| id | name | what holds |\n|---|---|---|\n";
  for (const InvariantRow& row : invariant_rows()) out += "| " + std::string(row.id) + " | `" + std::string(row.name) + "` | " + std::string(row.statement) + " |\n";
  out += "\n## marks\n\nNames for `sometimes` and `reached`.\n\n| mark | reached when |\n|---|---|\n";
  for (const MarkRow& row : mark_rows()) out += "| `" + std::string(row.name) + "` | " + std::string(row.doc) + " |\n";
  out += "\n## client configuration\n\n| key | default | of | meaning |\n|---|---|---|---|\n";
  for (const ClientKey& key : client_keys())
    out += "| `" + std::string(key.name) + "` | " + (key.fallback.empty() ? "" : "`" + std::string(key.fallback) + "`") + " | " +
           (key.producer && key.consumer ? "both" : key.producer ? "producers" : "consumers") + " | " + std::string(key.doc) + " |\n";
  out += "\n## presets\n\n| preset | what it is | source of its figures |\n|---|---|---|\n";
  for (const PresetNote& note : preset_notes()) out += "| `" + note.name + "` | " + note.description + " | " + note.source + " |\n";
  return out;
}

std::string fault_reference() {
  std::string out =
      "# Faults\n\nMade from the reader's own table (`harrow check --reference faults`); do not edit. A line under `faults:` names one fault and its target, when it\n"
      "begins (`at`, or `when` a condition becomes true) and what it takes. `stop: { heal: ... }` ends them all.\n\n| fault | target | takes | means | example |\n|---|---|---|---|---|\n";
  for (const FaultRow& row : fault_rows()) {
    std::string takes;
    for (std::string_view rest = row.arguments; !rest.empty();) {
      const std::size_t space = rest.find(' ');
      takes += (takes.empty() ? "`" : ", `") + std::string(rest.substr(0, space)) + "`";
      rest = space == std::string_view::npos ? std::string_view() : rest.substr(space + 1);
    }
    constexpr std::array<const char*, 6> forms = {"selector", "sides", "map", "topic", "topic/partition", "error"};
    static_assert(forms.size() == static_cast<std::size_t>(TargetForm::code) + 1);
    out += "| `" + std::string(name_of(row.kind)) + "` | " + forms[static_cast<std::size_t>(row.form)] + " | " + takes + " | " + row.doc + " | `" + row.example + "` |\n";
  }
  out += "\n";
  for (const Section& section : sections()) {
    const std::string_view name = section.name;
    bool of_fault = name == "fault" || name == "random";
    for (const FaultRow& row : fault_rows()) of_fault = of_fault || name == row.section;
    if (!of_fault) continue;
    out += "## " + std::string(section.title) + "\n\n" + section.doc + "\n\n";
    put_table(out, section);
  }
  return out + selectors_page;
}

std::string scenario_template(const std::string& name) {
  return R"yaml(# yaml-language-server: $schema=scenario.schema.json
# A scenario. Everything but the first line has a default; `harrow check --expand` shows them all.
harrow: 1
name: )yaml" + name + R"yaml(
description: What this shows, in a sentence.

cluster:
  controllers: { count: 3, racks: [a, b, c] }
  brokers: { count: 3, racks: [a, b, c] }
  config: { min.insync.replicas: 2 }        # Kafka's names; values plain or with units

topics:
  - { name: orders, partitions: 6, replication: 3 }

workload:
  producers:
    # rate is of all instances together; `harrow list presets` shows published workloads
    - { name: checkout, count: 2, topic: orders, preset: online-store }
    - { name: audit, topic: orders, rate: 20/s, size: "lognormal(300B, 0.5)", keys: "zipf(1k, 0.99)", client: { acks: all, linger.ms: 5 } }
  consumers:
    - { name: billing, count: 3, group: billing, topics: [orders], work: exp(200us) }

faults:
  - { at: 10s, kill: leader(orders/0), restart: after 5s }
  - { at: 25s, for: 5s, partition: [[rack:a], [rack:b, rack:c]] }
  # - random: { from: 10s, until: 40s, mean-gap: 5s, pick: { kill: 3, pause: 2, one-way: 1 } }

checks:
  - no-acked-loss: { producers: [checkout, audit] }
  - slo: { unavailable: "< 15s per fault", consumer-lag: "< 1000 at end" }
  - eventually: { under-replicated-partitions: 0, within: 20s, after: heal }
  - sometimes: [leader-changed, isr-shrunk]

stop: { heal: 40s, after: 70s }
)yaml";
}

}  // namespace harrow::sim
