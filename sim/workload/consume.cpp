#include "sim/workload/consume.h"

#include "sim/workload/client_options.h"

namespace harrow::sim {
namespace {
// A poll may wait as long as its fetches do: a quiet topic costs one wake-up a fetch, not one a second.
constexpr std::int64_t poll_ms = 30'000;
constexpr std::int64_t retry_ms = 100;
}  // namespace

ConsumerWorkload::ConsumerWorkload(Cluster& cluster, Machine& machine, Job job)
    : cluster_(cluster), machine_(machine), job_(std::move(job)), name_(job_.plan->name + "/" + std::to_string(job_.instance)), work_(job_.plan->work_ns) {}

ConsumerWorkload::~ConsumerWorkload() {
  if (machine_.running()) kill();
}

void ConsumerWorkload::start() {
  machine_.start([this](SimHost& host) {
    consumer_ = std::make_unique<Consumer>(host.host(), consumer_config_of(*job_.plan, cluster_.bootstrap(), name_, machine_.rack()));
    run(host.scope(), Label("consumer workload"));
  });
}

void ConsumerWorkload::kill() {
  if (!machine_.running()) return;
  cluster_.fabric().crash(machine_.index(), CrashMode::reset);
  machine_.host()->scope().destroy_all();
  consumer_.reset();
  machine_.kill();
}

void ConsumerWorkload::restart_after(std::int64_t ns) {
  const std::uint32_t incarnation = machine_.incarnation();
  cluster_.kernel().call_at(cluster_.kernel().now_ns() + ns, [this, incarnation] {
    if (!machine_.running() && machine_.incarnation() == incarnation) start();
  });
}

Root ConsumerWorkload::run(Scope&, Label) {
  Host& host = machine_.host()->host();
  Kernel& kernel = cluster_.kernel();
  const ConsumerPlan& plan = *job_.plan;
  if (kernel.now_ns() < plan.from_ns) co_await Sleep(host.timers, host.clock.mono() + (plan.from_ns - kernel.now_ns()), "workload start");
  consumer_->subscribe(plan.topics);
  const bool works = !(plan.work_ns == constant(0));
  while (plan.until_ns < 0 || kernel.now_ns() < plan.until_ns) {
    const std::int64_t left_ms = plan.until_ns < 0 ? poll_ms : std::min(poll_ms, (plan.until_ns - kernel.now_ns()) / ns_per_ms + 1);
    Task<Result<Polled>> polling = consumer_->poll(left_ms);
    const Result<Polled> polled = co_await polling;
    if (!polled) {
      co_await Sleep(host.timers, after_ms(host.clock.mono(), retry_ms), "poll retry");
      continue;
    }
    consumed_ += static_cast<std::int64_t>(polled->size());
    if (works && !polled->empty()) {
      std::int64_t work_ns = 0;
      for (std::size_t i = 0; i < polled->size(); ++i) work_ns += work_.draw(job_.random);
      co_await Sleep(host.timers, host.clock.mono() + work_ns, "application work");
    }
    if (plan.commit == ConsumerPlan::Commit::each_poll && !polled->empty()) {
      Task<Result<bool>> committing = consumer_->commit();
      co_await committing;
    }
  }
  Task<Result<bool>> closing = consumer_->close();
  co_await closing;
}

}  // namespace harrow::sim
