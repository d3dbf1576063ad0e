#include "sim/check/expectations.h"

#include "sim/trace/collector.h"

namespace harrow::sim {

void Expectations::compare(const char* what, std::int64_t value, const std::optional<std::int64_t>& limit, const char* unit, std::int64_t divisor) {
  if (!limit) return;
  ++slo_evaluated_;
  if (value < *limit) return;
  ++slo_failed_;
  broken_.push_back({"slo", false, std::string(what) + " is " + std::to_string(value / divisor) + unit + ", wanted below " + std::to_string(*limit / divisor) + unit});
}

void Expectations::judge_slo(const Slo& slo) {
  const auto quantile = [this](const Histogram& histogram, std::int64_t thousandths) { return histogram.quantile(thousandths * 1000); };
  const Histogram& produce = collector_->produce_latency_ns();
  const Histogram& end_to_end = collector_->end_to_end_ns();
  constexpr std::int64_t us = 1000;
  constexpr std::int64_t ms = 1'000'000;
  compare("produce p50", quantile(produce, 500), slo.produce_p50_ns, "us", us);
  compare("produce p99", quantile(produce, 990), slo.produce_p99_ns, "us", us);
  compare("produce p99.9", quantile(produce, 999), slo.produce_p999_ns, "us", us);
  compare("end-to-end p50", quantile(end_to_end, 500), slo.end_to_end_p50_ns, "us", us);
  compare("end-to-end p99", quantile(end_to_end, 990), slo.end_to_end_p99_ns, "us", us);
  compare("end-to-end p99.9", quantile(end_to_end, 999), slo.end_to_end_p999_ns, "us", us);
  std::int64_t longest = 0, total = 0;
  for (const FaultBar& fault : collector_->faults()) {
    longest = std::max(longest, fault.unavailable_ns);
    total += fault.unavailable_ns;
  }
  if (!collector_->faults().empty()) compare("unavailability per fault", longest, slo.unavailable_per_fault_ns, "ms", ms);
  compare("unavailability", total, slo.unavailable_total_ns, "ms", ms);
  compare("consumer lag at the end", collector_->lag_now(), slo.lag_at_end, "", 1);
  compare("consumer lag", collector_->lag_max(), slo.lag_max, "", 1);
  compare("under-replicated time", collector_->under_replicated_ns(), slo.under_replicated_ns, "ms", ms);
}

std::string Expectations::shortfall(const Eventually& wanted, const ClusterFigures& figures) const {
  if (wanted.under_replicated && figures.under_replicated > *wanted.under_replicated)
    return std::to_string(figures.under_replicated) + " partitions are under-replicated";
  if (wanted.offline && figures.offline > *wanted.offline) return std::to_string(figures.offline) + " partitions have no leader";
  if (wanted.lag && collector_ != nullptr && collector_->lag_now() > *wanted.lag)
    return "consumers lag " + std::to_string(collector_->lag_now()) + " records behind";
  return "";
}

void Expectations::look(const CheckPlan& plan, std::int64_t now_ns, std::int64_t healed_at_ns, const ClusterFigures& figures) {
  met_.resize(plan.eventually.size(), false);
  judged_.resize(plan.eventually.size(), false);
  for (std::size_t i = 0; i < plan.eventually.size(); ++i) {
    const Eventually& wanted = plan.eventually[i];
    const std::int64_t from = wanted.after_ns >= 0 ? wanted.after_ns : healed_at_ns;
    if (judged_[i] || from < 0 || now_ns < from) continue;
    const std::string missing = shortfall(wanted, figures);
    if (missing.empty()) met_[i] = true;
    if (!met_[i] && now_ns < from + wanted.within_ns) continue;
    judged_[i] = true;
    ++eventually_evaluated_;
    if (met_[i]) continue;
    ++eventually_failed_;
    broken_.push_back({"eventually", true, missing + " " + std::to_string(wanted.within_ns / 1'000'000'000) + " s after " + (wanted.after_ns >= 0 ? "the time named" : "the heal")});
  }
}

void Expectations::conclude(const CheckPlan& plan, std::int64_t now_ns, std::int64_t healed_at_ns, const ClusterFigures& figures) {
  look(plan, now_ns, healed_at_ns, figures);
  if (collector_ != nullptr) judge_slo(plan.slo);
}

}  // namespace harrow::sim
