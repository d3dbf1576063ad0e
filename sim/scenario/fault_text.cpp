#include "sim/scenario/fault_text.h"

#include "sim/scenario/units.h"

namespace harrow::sim {
namespace {

std::string list_of(const std::vector<Selector>& selectors) {
  std::string text;
  for (const Selector& selector : selectors) text += (text.empty() ? "" : ", ") + to_text(selector);
  return selectors.size() == 1 ? text : "[" + text + "]";
}

std::string distribution_text(const Distribution& distribution) {
  const std::string mean = duration_text(distribution.a);
  return distribution.shape == Distribution::Shape::exp ? "exp(" + mean + ")" : mean;
}

}  // namespace

std::string to_text(const Fault& fault) {
  const std::string kind(name_of(fault.kind));
  std::string text = "{ at: " + duration_text(fault.at_ns) + ", " + kind + ": ";
  const std::string lasts = ", for: " + duration_text(fault.for_ns);
  const std::string restart = ", restart: after " + duration_text(fault.restart_after_ns);
  const std::string from = fault.from.empty() ? "" : "from: " + list_of(fault.from) + " ";
  switch (fault.kind) {
    case FaultKind::one_way: text += "{ " + from + "}" + lasts; break;
    case FaultKind::delay: text += "{ " + from.substr(0, from.size() - 1) + ", by: " + distribution_text(fault.delay_ns) + " }" + lasts; break;
    case FaultKind::loss: text += "{ " + from.substr(0, from.size() - 1) + ", share: " + std::to_string(fault.loss_millionths) + "ppm }" + lasts; break;
    case FaultKind::bandwidth: text += "{ " + from.substr(0, from.size() - 1) + ", limit: " + std::to_string(fault.bandwidth_bits_per_s) + "bps }" + lasts; break;
    case FaultKind::alter_config: text += fault.topic + ", set: " + fault.config_key + "=" + fault.config_value; break;
    case FaultKind::move_leader:
    case FaultKind::delete_records: text += fault.topic + "/" + std::to_string(fault.partition); break;
    case FaultKind::kill:
    case FaultKind::power_loss:
    case FaultKind::stop:
    case FaultKind::rolling_restart:
    case FaultKind::wipe_disk: text += list_of(fault.targets) + restart; break;
    case FaultKind::slow_cpu:
    case FaultKind::slow_disk: text += list_of(fault.targets) + ", factor: " + millionths_text(fault.factor_millionths) + lasts; break;
    case FaultKind::clock_step:
    case FaultKind::advance_clock: text += list_of(fault.targets) + ", by: " + duration_text(fault.by_ns); break;
    case FaultKind::clock_drift: text += list_of(fault.targets) + ", ppm: " + std::to_string(fault.drift_ppb) + "ppb" + lasts; break;
    case FaultKind::inject: text += fault.code_name + (fault.api.empty() ? "" : ", api: " + fault.api); break;
    case FaultKind::disconnect:
    case FaultKind::reset:
    case FaultKind::bit_rot:
    case FaultKind::misdirect: text += list_of(fault.targets); break;
    default: text += list_of(fault.targets) + lasts; break;
  }
  return text + " }";
}

}  // namespace harrow::sim
