// The table of everything that may stand in a scenario file: one row a key, with type, default, range and meaning. The
// binder, the JSON schema, the reference pages, `harrow new` and `check --expand` are all made from it.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "sim/scenario/scenario.h"

namespace harrow::sim {

enum class KeyType : std::uint8_t {
  text,
  name,             // letters, digits, '.', '_', '-'
  integer,
  duration,
  signed_duration,
  bytes,
  rate,
  probability,
  factor,
  bandwidth,
  drift,
  flag,
  wall_time,
  choice,
  names,            // one name or a list
  times,            // distribution of times
  signed_times,
  sizes,            // distribution of bytes
  keys,             // distribution of key numbers
  selectors,        // one selector or a list
  selector,
  sides,            // list of lists of selectors
  condition,
  partition,        // topic/number
  api,
  restart,          // "after 5s" or "never"
  limit_time,       // "< 250ms"
  limit_number,     // "< 1000 at end"
  when,             // a time, or "heal"
  config,           // Kafka configuration of brokers
  topic_config,
  client_config,
  groups_of_names,  // map from a name to a list of names
  assignment,       // list of lists of broker ids
  weights,          // map from fault kinds to numbers
  hardware,         // a profile's name or a section
  section,          // a map with keys of its own
  sections,         // a list of such maps
  faults,           // the list of faults
  checks,           // the list of checks
};

struct Key {
  const char* name;
  KeyType type;
  const char* fallback;  // null: none; "": worked out (the meaning says how)
  const char* doc;
  const char* detail = "";  // choices separated by '|'; name of the section
  std::int64_t least = INT64_MIN;
  std::int64_t most = INT64_MAX;
  bool required = false;
};

struct Section {
  const char* name;
  const char* title;  // for people: "producer"
  std::span<const Key> keys;
  const char* doc;
};

std::span<const Section> sections();
const Section& section_named(std::string_view name);

/// How the target of a fault is written.
enum class TargetForm : std::uint8_t { selectors, sides, map, topic, partition, code };
struct FaultRow {
  FaultKind kind;
  TargetForm form;
  const char* section;    // of a map target: name of its section
  const char* arguments;  // keys of the "fault" section that it takes besides at, when, once; separated by ' '
  const char* needed;     // those that must be given
  const char* doc;
  const char* example;
};
std::span<const FaultRow> fault_rows();
const FaultRow& row_of(FaultKind kind);
const FaultRow* find_fault(std::string_view name);

struct CheckRow {
  const char* name;
  const char* section;  // "" = a list of names
  const char* doc;
  const char* example;
};
std::span<const CheckRow> check_rows();

/// Marks that runs reach sometimes; sim/check emits them.
struct MarkRow {
  std::string_view name;
  std::string_view doc;
};
std::span<const MarkRow> mark_rows();

/// The invariants that always run.
struct InvariantRow {
  std::string_view id, name, statement;
};
std::span<const InvariantRow> invariant_rows();

struct ApiRow {
  std::string_view name;
  std::int16_t key;
};
std::span<const ApiRow> api_rows();

enum class ClientType : std::uint8_t { integer, milliseconds, bytes, flag, choice, text };
struct ClientKey {
  std::string_view name;
  ClientType type;
  std::string_view fallback;
  std::string_view choices;
  bool producer, consumer;
  std::string_view doc;
};
std::span<const ClientKey> client_keys();

}  // namespace harrow::sim
