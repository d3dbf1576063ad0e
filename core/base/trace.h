// What happened, as data. An event is a 32-byte header; every emitted header is folded into the node's and the run's
// hash whether or not anybody listens, so checks on or off give one hash. A payload (a pointer to the struct that
// trace_kinds.def names for the kind) is passed along only to listeners and never hashed.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "core/base/random.h"

namespace harrow {

enum class TraceKind : std::uint16_t {
#define HARROW_TRACE(number, name, a, b, payload) name = number,
#include "core/base/trace_kinds.def"
#undef HARROW_TRACE
};
std::string_view name_of(TraceKind kind);
/// Names of the two integers of a kind; "" where unused.
std::string_view first_field_of(TraceKind kind);
std::string_view second_field_of(TraceKind kind);
constexpr std::uint16_t trace_kind_limit = 256;

struct TraceEvent {
  TraceKind kind;
  std::uint16_t node;      // index of the node in the run, not its id
  std::uint32_t subject;   // interned name (see Tracer::intern), 0 = none
  std::int64_t time_ns;    // virtual time of the run
  std::int64_t a;
  std::int64_t b;
};
static_assert(sizeof(TraceEvent) == 32);

class TraceListener {
 public:
  virtual ~TraceListener() = default;
  /// Called within the turn that emitted; must not change the node. `payload` is null if the kind has none.
  virtual void on_event(const TraceEvent& event, const void* payload) = 0;
};

/// The run's collector: hashes, interns subjects, hands events to listeners in the order in which they registered.
class TraceSink {
 public:
  virtual ~TraceSink() = default;
  virtual std::uint32_t intern(std::string_view name) = 0;
  virtual void emit(const TraceEvent& event, const void* payload) = 0;
  virtual bool wants(TraceKind kind) const = 0;
};

/// A node's handle on the run's trace. `now_ns` points at the run's clock.
class Tracer {
 public:
  Tracer(TraceSink& sink, std::uint16_t node, const std::int64_t& now_ns) : sink_(&sink), now_ns_(&now_ns), node_(node) {}
  /// A number for a subject ("orders-3", "group billing"); the same name gives the same number in a run.
  std::uint32_t intern(std::string_view name) { return sink_->intern(name); }
  void emit(TraceKind kind, std::uint32_t subject, std::int64_t a = 0, std::int64_t b = 0, const void* payload = nullptr) {
    sink_->emit(TraceEvent{kind, node_, subject, *now_ns_, a, b}, payload);
  }
  /// Whether building a payload for this kind is worth while.
  bool wants(TraceKind kind) const { return sink_->wants(kind); }

 private:
  TraceSink* sink_;
  const std::int64_t* now_ns_;
  std::uint16_t node_;
};

/// Folds one event into a hash; order matters. The same on every build and processor.
inline std::uint64_t fold(std::uint64_t hash, const TraceEvent& event) {
  const std::uint64_t head = static_cast<std::uint64_t>(event.kind) | static_cast<std::uint64_t>(event.node) << 16 |
                             static_cast<std::uint64_t>(event.subject) << 32;
  const auto mixed = [](std::uint64_t x, std::uint64_t y) {
    const u128 product = static_cast<u128>(x ^ 0x9e3779b97f4a7c15ULL) * (y ^ 0xd6e8feb86659fd93ULL);
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
  };
  hash = mixed(hash ^ head, static_cast<std::uint64_t>(event.time_ns) + 0x2545f4914f6cdd1dULL);
  return mixed(hash ^ static_cast<std::uint64_t>(event.a), static_cast<std::uint64_t>(event.b) + 0x165667b19e3779f9ULL) + hash;
}

}  // namespace harrow
