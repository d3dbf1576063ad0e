#include "sim/check/judge.h"

#include <algorithm>

#include "sim/check/determinism.h"
#include "sim/check/log_reader.h"
#include "sim/check/registry.h"

namespace harrow::sim {
namespace {
constexpr std::int64_t tick_ns = 1'000'000'000;
FailureKind failure_kind_of(CheckKind kind) {
  switch (kind) {
    case CheckKind::safety: return FailureKind::safety;
    case CheckKind::liveness: return FailureKind::liveness;
    case CheckKind::slo: return FailureKind::slo;
  }
  return FailureKind::safety;
}
}  // namespace

Judge::Judge(Kernel& kernel, std::unique_ptr<View> view, JudgeSetup setup)
    : kernel_(kernel),
      view_(std::move(view)),
      setup_(std::move(setup)),
      oracle_(setup_, [&kernel](std::uint32_t number) -> const std::string& { return kernel.subject(number); }) {
  make_checks();
}

Judge::~Judge() = default;

void Judge::make_checks() {
  const std::span<const CheckRow> rows = all_checks();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::vector<std::string>& off = setup_.checks.off;
    if (std::find(off.begin(), off.end(), rows[i].id) != off.end() || std::find(off.begin(), off.end(), rows[i].name) != off.end()) continue;
    checks_.push_back(rows[i].make());
    Check& check = *checks_.back();
    check.place(*this, i);
    for (const TraceKind kind : check.kinds()) by_kind_[static_cast<std::size_t>(kind)].push_back(&check);
  }
  for (const TraceKind kind : Oracle::kinds()) oracle_wants_[static_cast<std::size_t>(kind)] = true;
  for (const TraceKind kind : Marks::kinds()) marks_want_[static_cast<std::size_t>(kind)] = true;
  noted_.resize(rows.size(), false);
}

void Judge::attach() {
  for (std::size_t kind = 0; kind < trace_kind_limit; ++kind)
    if (oracle_wants_[kind] || marks_want_[kind] || !by_kind_[kind].empty()) kernel_.listen(static_cast<TraceKind>(kind), *this);
  kernel_.at(kernel_.now_ns() + tick_ns, tick_);
}

void Judge::on_event(const TraceEvent& event, const void* payload) {
  const auto kind = static_cast<std::size_t>(event.kind);
  if (oracle_.of_another_topic(event, payload)) return;
  if (oracle_wants_[kind]) oracle_.on_event(event, payload);
  if (marks_want_[kind]) marks_.on_event(event, payload, oracle_);
  for (Check* const check : by_kind_[kind]) check->on_event(event, payload);
}

void Judge::defer(Check& check, std::uint64_t token) {
  deferred_.push_back({&check, token});
  if (!sweep_.armed()) kernel_.at(kernel_.now_ns(), sweep_);
}

void Judge::between_turns() {
  running_.swap(deferred_);
  for (const Deferred& one : running_) one.check->between_turns(one.token);
  running_.clear();
}

void Judge::tick() {
  judge_expectations(false);
  if (!ended_) kernel_.at(kernel_.now_ns() + tick_ns, tick_);
}

void Judge::judge_expectations(bool at_end) {
  ClusterFigures figures;
  const std::size_t before = expectations_.broken().size();
  if (const controller::Image* const image = setup_.checks.eventually.empty() ? nullptr : view_->image()) {
    for (const auto& [id, topic] : image->topics())
      for (const controller::PartitionImage& partition : topic.partitions) {
        if (partition.isr.size() < partition.replicas.size()) ++figures.under_replicated;
        if (partition.leader == no_node) ++figures.offline;
      }
  }
  if (at_end) expectations_.conclude(setup_.checks, kernel_.now_ns(), healed_at_ns_, figures);
  else expectations_.look(setup_.checks, kernel_.now_ns(), healed_at_ns_, figures);
  for (std::size_t i = before; i < expectations_.broken().size(); ++i) {
    const Expectations::Broken& one = expectations_.broken()[i];
    note_failure("", one.name, one.liveness ? FailureKind::liveness : FailureKind::slo, Where{}, one.message);
  }
}

void Judge::compare_hash(std::uint64_t before, std::uint64_t now) {
  for (const auto& check : checks_)
    if (auto* const determinism = dynamic_cast<Determinism*>(check.get())) determinism->compare(before, now);
}

void Judge::at_heal() { healed_at_ns_ = kernel_.now_ns(); }

void Judge::at_end() {
  if (ended_) return;
  ended_ = true;
  tick_.disarm();
  if (sweep_.armed()) {
    sweep_.disarm();
    between_turns();
  }
  const bool at_rest = healed_at_ns_ >= 0 && kernel_.now_ns() - healed_at_ns_ >= setup_.settle_ns;
  if (at_rest)
    for (const auto& check : checks_) check->at_quiescence();
  accounting_.count(oracle_, setup_, [this](const PartitionTruth& partition) { return read_partition(*view_, partition); });
  for (const auto& check : checks_) check->at_end();
  judge_expectations(true);
}

const Check* Judge::check(std::string_view id_or_name) const {
  const CheckRow* const row = find_check(id_or_name);
  for (const auto& check : checks_)
    if (row != nullptr && &all_checks()[check->row()] == row) return check.get();
  return nullptr;
}

void Judge::failed(Check& check, Where where, std::string message) {
  if (noted_[check.row()]) return;
  noted_[check.row()] = true;
  const CheckRow& row = all_checks()[check.row()];
  note_failure(row.id, row.name, failure_kind_of(row.kind), where, std::move(message));
}

void Judge::note_failure(std::string_view id, std::string_view name, FailureKind kind, const Where& where, std::string message) {
  Failure failure;
  failure.check = name;
  failure.id = id;
  failure.kind = kind;
  failure.at_ns = kernel_.now_ns();
  if (where.machine >= 0) failure.node = view_->machine_name(static_cast<std::uint16_t>(where.machine));
  failure.topic = where.topic;
  failure.partition = where.partition;
  if (where.topic.empty() && where.subject != 0) {
    if (const PartitionTruth* const partition = oracle_.partition(where.subject)) {
      failure.topic = partition->topic;
      failure.partition = partition->partition;
    } else {
      failure.topic = kernel_.subject(where.subject);
    }
  }
  failure.offset = where.offset;
  failure.message = std::move(message);
  failures_.push_back(failure);
  if (!first_) first_ = std::move(failure);
  if (stop_at_first_) kernel_.stop();
}

void Judge::fill(RunResult& result) const {
  const std::span<const CheckRow> rows = all_checks();
  for (const auto& check : checks_) {
    const CheckRow& row = rows[check->row()];
    result.checks.push_back({std::string(row.id), std::string(row.name), check->evaluations(), check->failures()});
  }
  if (expectations_.slo_evaluated() > 0) result.checks.push_back({"", "slo", expectations_.slo_evaluated(), expectations_.slo_failed()});
  if (expectations_.eventually_evaluated() > 0)
    result.checks.push_back({"", "eventually", expectations_.eventually_evaluated(), expectations_.eventually_failed()});
  // What the scenario asks for comes first, in its order; then what happened besides.
  std::vector<std::string_view> asked;
  for (const auto* const list : {&setup_.checks.sometimes, &setup_.checks.reached})
    for (const std::string& name : *list)
      if (std::find(asked.begin(), asked.end(), name) == asked.end()) asked.push_back(name);
  for (const std::string_view name : asked) result.sometimes.push_back({std::string(name), std::max<std::int64_t>(marks_.reached(name), 0)});
  for (const std::string_view name : mark_names())
    if (marks_.reached(name) > 0 && std::find(asked.begin(), asked.end(), name) == asked.end())
      result.sometimes.push_back({std::string(name), marks_.reached(name)});
  for (const std::string& name : setup_.checks.reached)
    if (marks_.reached(name) <= 0) result.unreached.push_back(name);
  if (accounting_.counted()) {
    result.records = accounting_.records();
  } else {
    result.records.sent = oracle_.sent();
    result.records.acked = oracle_.acked();
  }
  if (first_) {
    result.failure = *first_;
    result.verdict = Verdict::fail;
  } else if (!result.unreached.empty()) {
    Failure failure;
    failure.check = "reached";
    failure.kind = FailureKind::liveness;
    failure.at_ns = kernel_.now_ns();
    failure.message = "never reached: " + result.unreached.front();
    result.failure = std::move(failure);
    result.verdict = Verdict::fail;
  } else if (ended_) {
    result.verdict = Verdict::pass;
  }
}

}  // namespace harrow::sim
