#include "sim/faults/injector.h"

#include <algorithm>

#include "core/model/trace_payloads.h"

namespace harrow::sim {
namespace {
constexpr std::int64_t condition_check_ns = 20 * ns_per_ms;
constexpr std::int64_t budget_retry_ns = 500 * ns_per_ms;
// A drop-api without a duration is over once its frames came by; it does not wait for them for ever.
constexpr std::int64_t drop_api_ns = 10 * ns_per_s;

bool is_process_fault(FaultKind kind) { return kind <= FaultKind::slow_cpu; }
bool is_network_fault(FaultKind kind) { return kind >= FaultKind::partition && kind <= FaultKind::reset; }
bool is_disk_fault(FaultKind kind) { return kind >= FaultKind::slow_disk && kind <= FaultKind::wipe_disk; }
bool is_clock_fault(FaultKind kind) { return kind == FaultKind::clock_step || kind == FaultKind::clock_drift || kind == FaultKind::advance_clock; }
bool is_protocol_fault(FaultKind kind) { return kind == FaultKind::inject || kind == FaultKind::disconnect; }
}  // namespace

Injector::Injector(Cluster& cluster, const Scenario& scenario, std::uint64_t seed, Clients& clients, Operator& admin, FaultObserver* observer)
    : cluster_(cluster),
      scenario_(scenario),
      clients_(clients),
      observer_(observer),
      draws_(Random(seed).fork("fault targets")),
      dice_(Random(seed).fork("fault dice")),
      drawn_(draw(scenario, seed)),
      operator_(admin) {
  const auto armed = [](const Fault& fault) { return is_protocol_fault(fault.kind); };
  if (std::any_of(scenario.faults.begin(), scenario.faults.end(), armed) || std::any_of(drawn_.begin(), drawn_.end(), armed))
    for (const auto& place : cluster_.nodes())
      if (place.config.is_broker) cluster_.find_node(place.config.id)->config.api_faults = (api_faults_[place.config.id] = std::make_unique<ArmedApiFaults>()).get();
  cluster_.on_start([this](const Machine& machine) { started(machine.index()); });
}

std::vector<Fault> Injector::draw(const Scenario& scenario, std::uint64_t seed) {
  std::vector<Fault> faults;
  std::size_t phase_number = 0;
  for (const RandomFaults& phase : scenario.random_faults) {
    const std::size_t number = phase_number++;
    Random random = Random(seed).fork("random faults", number);
    const Sampler gaps(Distribution{Distribution::Shape::exp, phase.mean_gap_ns, 0});
    const Sampler durations(phase.duration_ns);
    std::int64_t weights = 0;
    for (const auto& [kind, weight] : phase.pick) weights += weight;
    if (weights <= 0) continue;
    for (std::int64_t at = phase.from_ns + gaps.draw(random); at < phase.until_ns; at += gaps.draw(random)) {
      Fault fault;
      fault.drawn = true;
      fault.phase = number;
      fault.at_ns = at;
      std::int64_t ticket = random.between(0, weights - 1);
      for (const auto& [kind, weight] : phase.pick) {
        if (ticket < weight) {
          fault.kind = kind;
          break;
        }
        ticket -= weight;
      }
      fault.for_ns = std::max<std::int64_t>(durations.draw(random), 200 * ns_per_ms);
      fault.restart_after_ns = fault.for_ns;
      Selector any;
      any.kind = random.chance(1, 4) ? Selector::Kind::active_controller : Selector::Kind::any_broker;
      fault.targets = {any};
      switch (fault.kind) {
        case FaultKind::partition: fault.kind = FaultKind::isolate; break;
        case FaultKind::one_way:
        case FaultKind::delay:
        case FaultKind::loss:
        case FaultKind::bandwidth: fault.from = {any}; break;
        case FaultKind::move_leader:
        case FaultKind::delete_records:
          if (scenario.topics.empty()) break;
          {
            const TopicPlan& topic = scenario.topics[random.below(scenario.topics.size())];
            fault.targets.clear();
            fault.topic = topic.name;
            fault.partition = static_cast<std::int32_t>(random.between(0, topic.partitions - 1));
          }
          break;
        default: break;
      }
      fault.factor_millionths = random.between(10, 60) * 1'000'000;
      fault.loss_millionths = random.between(10'000, 300'000);
      fault.bandwidth_bits_per_s = random.between(1, 50) * 1'000'000;
      fault.delay_ns = Distribution{Distribution::Shape::exp, random.between(5, 300) * ns_per_ms, 0};
      fault.by_ns = random.between(-5'000, 5'000) * ns_per_ms;
      if (fault.kind == FaultKind::advance_clock) fault.by_ns = fault.by_ns < 0 ? -fault.by_ns : fault.by_ns;
      fault.drift_ppb = random.between(-200'000, 200'000);
      if (is_disk_fault(fault.kind) || is_clock_fault(fault.kind) || is_protocol_fault(fault.kind)) fault.targets[0].kind = Selector::Kind::any_broker;
      faults.push_back(std::move(fault));
    }
  }
  std::stable_sort(faults.begin(), faults.end(), [](const Fault& a, const Fault& b) { return a.at_ns < b.at_ns; });
  return faults;
}

void Injector::start() {
  for (const Fault& fault : scenario_.faults) schedule(fault);
  for (const Fault& fault : drawn_) schedule(fault);
  if (!waiting_.empty()) watch_conditions();
}

void Injector::schedule(const Fault& fault) {
  if (!fault.when.empty()) {
    waiting_.push_back({&fault});
    return;
  }
  cluster_.kernel().call_at(fault.at_ns, [this, &fault] { fire(fault); });
}

void Injector::watch_conditions() {
  if (healed_) return;
  bool more = false;
  for (Waiting& waiting : waiting_) {
    if (waiting.done) continue;
    more = true;
    if (cluster_.kernel().now_ns() < waiting.fault->at_ns) continue;
    const bool true_now = holds(waiting.fault->when);
    if (true_now && !waiting.was_true) {
      if (waiting.fault->once) waiting.done = true;
      fire(*waiting.fault);
    }
    waiting.was_true = true_now;
  }
  if (more) cluster_.kernel().call_at(cluster_.kernel().now_ns() + condition_check_ns, [this] { watch_conditions(); });
}

std::int64_t Injector::begin_record(const Fault& fault, std::string target) {
  FaultRecord record;
  record.id = static_cast<std::int64_t>(records_.size());
  record.kind = fault.kind;
  record.target = std::move(target);
  record.at_ns = cluster_.kernel().now_ns();
  record.drawn = fault.drawn;
  records_.push_back(std::move(record));
  return records_.back().id;
}

void Injector::fire(const Fault& fault) {
  if (healed_) return;
  Kernel& kernel = cluster_.kernel();
  if (fault.drawn) {
    const RandomFaults& phase = scenario_.random_faults.at(fault.phase);
    if (phase.budget && impaired_nodes() >= phase.max_concurrent) {
      if (kernel.now_ns() + budget_retry_ns < phase.until_ns) kernel.call_at(kernel.now_ns() + budget_retry_ns, [this, &fault] { fire(fault); });
      return;
    }
  }
  Targets targets = resolve(fault.targets);
  std::string described = names_of(targets);
  if (fault.kind == FaultKind::partition) {
    described.clear();
    for (const auto& side : fault.sides) described += (described.empty() ? "" : " | ") + names_of(resolve(side));
  } else if (!fault.from.empty() || !fault.to.empty()) {
    described = (fault.from.empty() ? "everybody" : names_of(resolve(fault.from))) + " -> " + (fault.to.empty() ? "everybody" : names_of(resolve(fault.to)));
  } else if (!fault.topic.empty() && fault.targets.empty()) {
    described = fault.topic + (fault.partition >= 0 ? "/" + std::to_string(fault.partition) : "");
  }
  const std::int64_t id = begin_record(fault, described);
  Active active;
  active.record = id;
  for (const Target& target : targets)
    if (target.node != no_node) active.impaired.insert(target.machine);
  bool acted = false;
  if (is_process_fault(fault.kind)) acted = act_on_process(fault, targets, active);
  else if (is_network_fault(fault.kind)) acted = act_on_network(fault, targets, active);
  else if (is_disk_fault(fault.kind)) acted = act_on_disk(fault, targets, active);
  else if (is_clock_fault(fault.kind)) acted = act_on_clock(fault, targets, active);
  else if (is_protocol_fault(fault.kind)) acted = act_on_protocol(fault, targets, active);
  else acted = act_on_metadata(fault, active);
  FaultRecord& record = records_[static_cast<std::size_t>(id)];
  if (!acted) {
    record.note = "nobody matched";
    record.until_ns = record.at_ns;
    return;
  }
  const FaultNote note{name_of(record.kind), record.target};
  kernel.emit(TraceEvent{TraceKind::fault_began, 0, kernel.intern(record.target), kernel.now_ns(), id, static_cast<std::int64_t>(fault.kind)}, &note);
  if (observer_ != nullptr) observer_->fault_began(record);
  active_.emplace(id, std::move(active));
  const bool has_end = fault.for_ns >= 0 && !(fault.kind <= FaultKind::rolling_restart);
  const bool instant = fault.kind == FaultKind::reset || fault.kind == FaultKind::clock_step || fault.kind == FaultKind::advance_clock || fault.kind == FaultKind::bit_rot;
  if (has_end) kernel.call_at(kernel.now_ns() + fault.for_ns, [this, id] { finish(id); });
  else if (instant) finish(id);
  else if (fault.kind == FaultKind::drop_api) kernel.call_at(kernel.now_ns() + drop_api_ns, [this, id] { finish(id); });
}

void Injector::finish(std::int64_t id) {
  const auto found = active_.find(id);
  if (found == active_.end()) return;
  Active active = std::move(found->second);
  active_.erase(found);
  for (auto it = active.undo.rbegin(); it != active.undo.rend(); ++it) (*it)();
  Kernel& kernel = cluster_.kernel();
  FaultRecord& record = records_[static_cast<std::size_t>(id)];
  record.until_ns = kernel.now_ns();
  const FaultNote note{name_of(record.kind), record.target};
  kernel.emit(TraceEvent{TraceKind::fault_ended, 0, kernel.intern(record.target), kernel.now_ns(), id, static_cast<std::int64_t>(record.kind)}, &note);
  if (observer_ != nullptr) observer_->fault_ended(record);
}

void Injector::heal() {
  if (healed_) return;
  healed_ = true;
  while (!active_.empty()) finish(active_.begin()->first);
  cluster_.fabric().clear_rules();
  for (std::size_t i = 0; i < cluster_.machines(); ++i) {
    Machine& machine = cluster_.machine(i);
    machine.disk().end_faults();
    machine.slow_cpu(1);
    if (machine.paused()) machine.resume();
  }
  cluster_.restart_all();
  for (auto& producer : clients_.producers)
    if (!producer->machine().running() && !producer->done()) producer->start();
  for (auto& consumer : clients_.consumers)
    if (!consumer->machine().running()) consumer->start();
  Kernel& kernel = cluster_.kernel();
  kernel.emit(TraceEvent{TraceKind::healed, 0, 0, kernel.now_ns(), 0, 0}, nullptr);
}

bool Injector::impaired(const Cluster::NodePlace& place) const {
  const harrow::Node* const node = place.machine->node();
  if (node == nullptr || place.machine->paused() || !node->ready()) return true;
  for (const auto& [id, active] : active_)
    if (active.impaired.count(place.machine->index()) != 0) return true;
  if (place.config.is_controller && (node->quorum() == nullptr || node->quorum()->leader() == no_node)) return true;
  if (!place.config.is_broker) return false;
  const controller::Image* const image = cluster_.newest_image();
  if (image == nullptr) return true;
  for (const auto& [id, topic] : image->topics())
    for (const controller::PartitionImage& partition : topic.partitions)
      if (partition.has_replica(place.config.id) && !partition.in_isr(place.config.id)) return true;
  return false;
}

std::int64_t Injector::impaired_nodes() const {
  std::int64_t count = 0;
  for (const auto& place : cluster_.nodes()) count += impaired(place) ? 1 : 0;
  return count;
}

}  // namespace harrow::sim
