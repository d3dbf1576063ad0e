#include "core/posix/disk_faults.h"

#include <algorithm>

namespace harrow::posix {

void DiskFaults::clear(std::uint32_t id) {
  rules_.remove_if([id](const Rule& rule) { return rule.id == id; });
}

bool DiskFaults::fails(Operation operation, std::string_view path) const {
  return std::any_of(rules_.begin(), rules_.end(), [&](const Rule& rule) { return rule.operation == operation && rule.hits(path); });
}

bool DiskFaults::strike(Operation operation, std::string_view path) {
  for (auto rule = rules_.begin(); rule != rules_.end(); ++rule) {
    if (rule->operation != operation || !rule->hits(path)) continue;
    if (rule->left == 1) rules_.erase(rule);
    else if (rule->left > 1) --rule->left;
    return true;
  }
  return false;
}

void DiskFaults::go_on() {
  stalled_ = false;
  parked_.do_all();
}

}  // namespace harrow::posix
