#include "sim/net/fabric.h"

#include <algorithm>

#include "sim/net/latency.h"

namespace harrow::sim {
namespace {

constexpr std::int64_t first_syn_retry_ns = ns_per_s;

}  // namespace

/// A connection attempt: the way there, and the way of the answer.
class Connecting final : public Event, public Hook {
 public:
  Connecting(Fabric& fabric, Port& from, HostIndex to, Endpoint endpoint, std::uint64_t number)
      : fabric_(fabric), from_(from), to_(to), endpoint_(std::move(endpoint)), random_(fabric.random_.fork("connect", number)),
        deadline_ns_(fabric.kernel_.now_ns() + fabric.profile_.connect_timeout_ns) {
    travel(from_.host_, to_);
  }
  ~Connecting() override {
    if (done != nullptr) done->detach();
  }
  HostIndex from() const { return from_.host_; }

  void fire() override {
    switch (stage_) {
      case Stage::asks: return asks();
      case Stage::refused:
        if (fabric_.blocked(to_, from_.host_)) return retry();
        return finish(error(Code::connection_refused, "nobody listens"));
      case Stage::accepted:
        if (fabric_.blocked(to_, from_.host_)) return retry();
        if (end_ != nullptr)
          fabric_.kernel_.emit(TraceEvent{TraceKind::connected, from_.host_, 0, fabric_.kernel_.now_ns(), to_, endpoint_.port}, nullptr);
        return finish(ConnectionPtr(std::move(end_)));
    }
  }

  Completion<Result<ConnectionPtr>>* done = nullptr;

 private:
  enum class Stage { asks, refused, accepted };

  std::int64_t draw(HostIndex a, HostIndex b) {
    return fabric_.topology_.path(a, b).one_way_ns + draw_exponential(fabric_.profile_.jitter_mean_ns, random_);
  }
  void travel(HostIndex a, HostIndex b) { fabric_.kernel_.at(fabric_.kernel_.now_ns() + draw(a, b), *this); }
  void retry() {
    const std::int64_t now = fabric_.kernel_.now_ns();
    if (now >= deadline_ns_) return finish(error(Code::timed_out, "no answer"));
    fabric_.kernel_.at(std::min(now + retry_ns_, deadline_ns_), *this);
    retry_ns_ *= 2;
  }
  void finish(Result<ConnectionPtr> result) {
    if (done != nullptr) done->complete(std::move(result));
    delete this;  // without a waiter, the connection is closed with the result
  }
  void asks() {
    const Port* const port = fabric_.port_of(to_);
    if (port == nullptr || !port->host_up_ || fabric_.blocked(from_.host_, to_)) return retry();
    if (!port->process_up_ || !port->listeners_.contains(endpoint_.port) || fabric_.refused(from_.host_, to_)) {
      stage_ = Stage::refused;
      return travel(to_, from_.host_);
    }
    stage_ = Stage::accepted;
    travel(to_, from_.host_);
    Link* const link = new Link(fabric_, fabric_.next_link_++, from_.host_, to_, endpoint_.port);
    fabric_.links_.link_back(*link);
    end_ = link->make_end(0, endpoint_);
    link->unaccepted_ = link->make_end(1, Endpoint{fabric_.topology_.name(from_.host_), 0});
    link->stream(1).set_earliest_arrival(at.value());
    fabric_.kernel_.at(fabric_.kernel_.now_ns(), link->accept_);
  }

  Fabric& fabric_;
  Port& from_;
  HostIndex to_;
  Endpoint endpoint_;
  Random random_;
  std::int64_t deadline_ns_;
  std::int64_t retry_ns_ = first_syn_retry_ns;
  Stage stage_ = Stage::asks;
  std::unique_ptr<End> end_;
};

// --- a host's network

Port::~Port() = default;

Result<bool> Port::listen(std::uint16_t port, AcceptHandler on_accept) {
  if (!listeners_.emplace(port, std::move(on_accept)).second) return error(Code::already_exists, "the port is taken");
  return true;
}

void Port::start_connect(const Endpoint& to, Completion<Result<ConnectionPtr>>& done) {
  const HostIndex host = fabric_.host_named(to.host);
  if (host == no_host) return done.complete(error(Code::not_found, "no such host"));
  Connecting* const connecting = new Connecting(fabric_, *this, host, to, fabric_.next_connect_++);
  fabric_.connecting_.link_back(*connecting);
  done.attach(&connecting->done);
}

// --- the fabric

Fabric::Fabric(Kernel& kernel, Topology topology, Random random, TransportProfile profile)
    : kernel_(kernel), topology_(std::move(topology)), random_(random), profile_(profile), sharing_(kernel) {}

Fabric::~Fabric() {
  while (!connecting_.empty()) delete &connecting_.front();
  while (!links_.empty()) delete &links_.front();
}

Port& Fabric::attach(HostIndex host, std::string_view name, ReadyQueue& queue) {
  CHECK_SAYING(host < topology_.hosts(), "no such host");
  if (ports_.size() <= host) ports_.resize(host + 1u);
  if (ports_[host] == nullptr) ports_[host] = std::make_unique<Port>(*this, host);
  Port& port = *ports_[host];
  port.queue_ = &queue;
  port.host_up_ = port.process_up_ = true;
  names_.insert_or_assign(std::string(name), host);
  return port;
}

HostIndex Fabric::add_host(std::string_view name, std::string_view rack, std::string_view zone, std::string_view region) {
  return topology_.add_host(name, rack, zone, region);
}

HostIndex Fabric::host_named(const std::string& name) const {
  const auto known = names_.find(name);
  return known != names_.end() ? known->second : topology_.find(name);
}

Pipes Fabric::pipes_of(const std::vector<PipeIndex>& path) {
  const std::vector<std::uint64_t>& capacities = topology_.pipe_capacities();
  while (pipe_numbers_.size() < capacities.size()) pipe_numbers_.push_back(sharing_.add_pipe(capacities[pipe_numbers_.size()]));
  Pipes pipes;
  for (const PipeIndex pipe : path) pipes.push_back(pipe_numbers_[pipe]);
  return pipes;
}

void Fabric::crash(HostIndex host, CrashMode mode) {
  Port* const port = port_of(host);
  if (port == nullptr) return;
  port->process_up_ = false;
  port->host_up_ = mode == CrashMode::reset;
  port->listeners_.clear();
  std::vector<Connecting*> given_up;
  connecting_.for_each([&](Hook& hook) {
    Connecting& connecting = static_cast<Connecting&>(hook);
    if (connecting.from() == host) given_up.push_back(&connecting);
  });
  for (Connecting* const connecting : given_up) delete connecting;
  links_.for_each([&](Link& link) {
    for (unsigned side = 0; side < 2; ++side)
      if (link.host(side) == host) link.kill(side, port->host_up_);
    if (link.host(1) == host && link.unaccepted_ != nullptr) kernel_.at(kernel_.now_ns(), link.accept_);
  });
}

void Fabric::restart(HostIndex host) {
  Port* const port = port_of(host);
  if (port == nullptr) return;
  ++port->incarnation_;
  port->host_up_ = port->process_up_ = true;
}

std::uint32_t Fabric::incarnation(HostIndex host) const {
  const Port* const port = port_of(host);
  return port == nullptr ? 0 : port->incarnation_;
}

void Fabric::set_rule(std::uint32_t id, Rule rule) {
  StandingRule standing;
  if (rule.bandwidth_bytes_per_s != 0) standing.pipe = sharing_.add_pipe(rule.bandwidth_bytes_per_s);
  standing.rule = std::move(rule);
  rules_.insert_or_assign(id, std::move(standing));
  rules_changed();
}

void Fabric::clear_rule(std::uint32_t id) {
  if (rules_.erase(id) != 0) rules_changed();
}

void Fabric::clear_rules() {
  if (rules_.empty()) return;
  rules_.clear();
  rules_changed();
}

void Fabric::rules_changed() {
  ++rules_generation_;
  links_.for_each([](Link& link) { link.rules_changed(); });
}

void Fabric::reset_connections(HostIndex host) {
  links_.for_each([host](Link& link) {
    for (unsigned side = 0; side < 2; ++side) {
      if (link.host(side) != host || link.sides_[side] != Link::Side::open) continue;
      link.fail(side, Code::connection_reset);
      link.send_reset(side);
    }
  });
}

bool Fabric::blocked_by_mode(HostIndex from, HostIndex to, RuleMode a, RuleMode b) const {
  for (const auto& [id, standing] : rules_)
    if (!standing.rule.api && (standing.rule.mode == a || standing.rule.mode == b) && standing.rule.covers(from, to)) return true;
  return false;
}

bool Fabric::blocked(HostIndex from, HostIndex to) const {
  if (!topology_.path(from, to).reachable) return true;
  if (rules_.empty()) return false;
  return blocked_by_mode(from, to, RuleMode::hold, RuleMode::drop);
}

bool Fabric::refused(HostIndex from, HostIndex to) const {
  return blocked_by_mode(from, to, RuleMode::reset, RuleMode::reset) || blocked_by_mode(to, from, RuleMode::reset, RuleMode::reset);
}

bool Fabric::reachable(HostIndex from, HostIndex to) const {
  const Port* const port = port_of(to);
  return port != nullptr && port->process_up_ && !blocked(from, to) && !refused(from, to);
}

std::size_t Fabric::connections() {
  std::size_t count = 0;
  links_.for_each([&](Link&) { ++count; });
  return count;
}

}  // namespace harrow::sim
