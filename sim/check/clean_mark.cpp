// I35, clean-shutdown mark: when it is written everything was flushed; a load that believes it finds the log exactly as it
// was, and no process began between the mark and that load.
// Listens to: clean_shutdown_marked, log_loaded.
// Legal exceptions: disk faults. A process that dies between its mark and its end has stopped cleanly all the same.
#include <map>

#include "sim/check/oracle.h"
#include "sim/check/registry.h"

namespace harrow::sim {
namespace {

class CleanMark final : public Check {
 public:
  std::span<const TraceKind> kinds() const override {
    static constexpr TraceKind list[] = {TraceKind::clean_shutdown_marked, TraceKind::log_loaded, TraceKind::node_crashed, TraceKind::node_halted, TraceKind::node_stopped};
    return list;
  }
  void on_event(const TraceEvent& event, const void* payload) override {
    switch (event.kind) {
      case TraceKind::clean_shutdown_marked:
        marks_[event.node] = Life{true, false};
        evaluated();
        for (const auto& [name, partition] : oracle().partitions()) {
          const ReplicaTruth* const replica = partition->metadata ? nullptr : partition->replica_on(event.node);
          if (replica == nullptr || !replica->loaded || replica->synced >= replica->end || replica->empty()) continue;
          fail(partition->where(event.node, replica->synced), "marked as clean with a log that ends at " + std::to_string(replica->end) + " and is synced up to " + std::to_string(replica->synced));
        }
        break;
      case TraceKind::log_loaded: {
        Life& life = marks_[event.node];
        const LoadView& load = oracle().load();
        if (load.partition == nullptr || load.partition->metadata) return;
        life.loading = true;
        if (!load.clean || load.end_before < 0) return;
        evaluated();
        if (!life.marked) fail(at(event, load.end), "loaded as after a clean stop, but a process died since the mark");
        else if (load.end != load.end_before && !load.disk_faulted)
          fail(at(event, load.end), "loaded as after a clean stop with an end of " + std::to_string(load.end) + ", the log ended at " + std::to_string(load.end_before));
        break;
      }
      default: {
        // The mark is for one start: whoever dies after it began to load has used it up.
        Life& life = marks_[event.node];
        if (life.loading) life = Life{};
      }
    }
  }

 private:
  struct Life {
    bool marked = false;
    bool loading = false;
  };
  std::map<std::uint16_t, Life> marks_;
};

}  // namespace

std::unique_ptr<Check> make_clean_mark() { return std::make_unique<CleanMark>(); }

}  // namespace harrow::sim
