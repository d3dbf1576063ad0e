// SimDisk: the host's crashes, the faults, and the oracle's view.
#include <algorithm>
#include <functional>

#include "sim/disk/crash_dice.h"
#include "sim/disk/operation.h"
#include "sim/disk/sim_disk.h"

namespace harrow::sim {

// --- crashes

void SimDisk::crash_process() {
  ++incarnation_;
  std::vector<DiskOperation*> reads;
  operations_.for_each([&](Hook& hook) {
    DiskOperation& operation = static_cast<DiskOperation&>(hook);
    operation.forget_waiter();
    if (operation.kind == DiskOperation::Kind::read) reads.push_back(&operation);
  });
  for (DiskOperation* const read : reads) delete read;
  for (const auto& waiter : room_waiters_)
    if (waiter->slot != nullptr) waiter->slot->detach();
  room_waiters_.clear();
}

void SimDisk::crash_power(FileSystem file_system, Random random) {
  crash_process();
  while (!operations_.empty()) delete &operations_.front();
  device_.reset();
  write_back_event_.disarm();
  dirty_nodes_.clear();
  Random name_dice = random.fork("names");
  dice_names(file_system, name_dice);
  used_ = dirty_ = cached_ = 0;
  visit_files(*root_, "", false, [&](const std::string& path, const NodePtr& node) {
    Random dice = random.fork(path);
    const CrashLoss loss = dice_file(*node, file_system, node->flushed_by_rename, dice);
    node->dirty_bytes = 0;
    node->listed_dirty = node->writing_back = false;
    node->flushed_by_rename = 0;
    cool(*node);
    used_ += node->data.stored_bytes();
    if (loss.bytes > 0) emit(TraceKind::unsynced_lost, node.get(), static_cast<std::int64_t>(loss.bytes));
  });
}

void SimDisk::dice_names(FileSystem file_system, Random& random) {
  std::vector<const Node*> stuck;  // a node whose earlier move was lost cannot have moved on from there
  std::size_t prefix = 0;
  if (file_system == FileSystem::ext4 || file_system == FileSystem::xfs) {
    constexpr std::int64_t journal_interval_ns = 5'000'000'000;
    std::size_t committed = 0;
    for (const NameChange& change : journal_)
      if (change.number <= journal_committed_ || change.time_ns + journal_interval_ns <= kernel_.now_ns()) ++committed;
    prefix = dice_prefix(journal_.size(), committed, random);
  }
  for (std::size_t i = 0; i < journal_.size(); ++i) {
    const NameChange& change = journal_[i];
    bool kept = i < prefix;
    if (file_system == FileSystem::adversarial) {
      kept = random.chance(1, 2);
      if (std::find(stuck.begin(), stuck.end(), change.node.get()) != stuck.end()) kept = false;
      if (!kept && change.from_folder != nullptr) stuck.push_back(change.node.get());
    }
    if (!kept) continue;
    apply_name_change(change);
    if (file_system == FileSystem::ext4 && change.replaced != nullptr)
      change.node->flushed_by_rename = std::max(change.node->flushed_by_rename, change.data_up_to);
  }
  journal_.clear();
  restore_tree(*root_);
}

void SimDisk::restore_tree(Node& folder) {
  folder.entries = folder.durable;
  for (auto& [name, node] : folder.entries) {
    node->parent = &folder;
    node->name = name;
    node->unlinked = false;
    node->trace_subject = 0;
    if (node->folder) restore_tree(*node);
  }
}

void SimDisk::wipe() {
  crash_process();
  while (!operations_.empty()) delete &operations_.front();
  write_back_event_.disarm();
  dirty_nodes_.clear();
  journal_.clear();
  root_ = std::make_shared<Node>();
  root_->folder = true;
  used_ = dirty_ = cached_ = 0;
}

void SimDisk::prepare_start() {
  if (!wipe_ordered_) return;
  wipe_ordered_ = false;
  wipe();
}

// --- faults

void SimDisk::note_armed() { armed_ = full_ || !failures_.empty() || !misdirections_.empty(); }

void SimDisk::set_slow(std::uint32_t factor) { device_.set_slow(factor); }

void SimDisk::stall_until(std::int64_t time_ns) {
  const std::int64_t now = kernel_.now_ns();
  const std::int64_t stalled = device_.stalled_until();
  device_.stall_until(time_ns);
  if (stalled <= now || time_ns >= stalled) return;
  // It goes on earlier than those who wait were told.
  const std::int64_t from = std::max(now, time_ns);
  std::vector<DiskOperation*> waiting;
  operations_.for_each([&](Hook& hook) { waiting.push_back(&static_cast<DiskOperation&>(hook)); });
  for (DiskOperation* const operation : waiting) {
    operation->ends_ns = operation->ends_ns >= stalled ? operation->ends_ns - stalled + from : std::max(operation->ends_ns, from);
    kernel_.at(operation->ends_ns, *operation);
  }
}

void SimDisk::set_full(bool full) {
  full_ = full;
  note_armed();
}

void SimDisk::set_free_bytes(std::uint64_t bytes) { quota_ = bytes > UINT64_MAX - used_ ? UINT64_MAX : used_ + bytes; }

void SimDisk::fail(std::uint32_t id, Operation operation, FileClass files, std::uint32_t count) {
  failures_.push_back(Failure{id, operation, files, count == 0 ? UINT32_MAX : count});
  note_armed();
}

bool SimDisk::fails(Operation operation, const Node& node) {
  if (failures_.empty()) return false;
  const std::string path = path_of(node);
  for (std::size_t i = 0; i < failures_.size(); ++i) {
    Failure& failure = failures_[i];
    if (failure.operation != operation || !matches(failure.files, path)) continue;
    failing_id_ = failure.id;
    if (failure.left != UINT32_MAX && --failure.left == 0) {
      failures_.erase(failures_.begin() + static_cast<std::ptrdiff_t>(i));
      note_armed();
    }
    emit(TraceKind::disk_failed, const_cast<Node*>(&node), static_cast<std::int64_t>(Code::io_error));
    return true;
  }
  return false;
}

std::uint32_t SimDisk::rot(std::uint32_t id, FileClass files, std::uint32_t count, Random random) {
  std::vector<std::pair<std::string, NodePtr>> found;
  std::uint64_t total = 0;
  visit_files(*root_, "", false, [&](const std::string& path, const NodePtr& node) {
    if (!matches(files, path) || node->data.stored_bytes() == 0) return;
    found.emplace_back(path, node);
    total += node->data.stored_bytes();
  });
  if (total == 0) return 0;
  std::uint32_t done = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    std::uint64_t place = random.below(total);
    const auto mask = static_cast<std::uint8_t>(1u << random.below(8));
    for (const auto& [path, node] : found) {
      if (place >= node->data.stored_bytes()) {
        place -= node->data.stored_bytes();
        continue;
      }
      for (const Extent& extent : node->data.all()) {
        if (place >= extent.slice.size()) {
          place -= extent.slice.size();
          continue;
        }
        const std::uint64_t at = extent.at + place;
        const auto [flip, fresh] = node->rot.emplace(at, Node::Flip{mask, id});
        if (fresh) {
          damages_.push_back(Damage{id, Damage::Kind::rot, path, at, 1, kernel_.now_ns()});
          ++done;
        }
        break;
      }
      break;
    }
  }
  return done;
}

void SimDisk::misdirect(std::uint32_t id, FileClass files, std::uint32_t count, Random random) {
  misdirections_.push_back(Misdirection{id, files, count, random});
  note_armed();
}

bool SimDisk::misdirected(const NodePtr& node, std::uint64_t at, const Bytes& bytes) {
  if (misdirections_.empty() || bytes.empty()) return false;
  const std::string path = path_of(*node);
  for (std::size_t i = 0; i < misdirections_.size(); ++i) {
    Misdirection& misdirection = misdirections_[i];
    if (!matches(misdirection.files, path)) continue;
    std::vector<std::pair<std::string, NodePtr>> places;
    visit_files(*root_, "", false, [&](const std::string& other, const NodePtr& candidate) {
      if (matches(misdirection.files, other) && candidate->size >= bytes.size()) places.emplace_back(other, candidate);
    });
    if (places.empty()) return false;
    const auto& [wrong_path, wrong] = places[misdirection.random.below(places.size())];
    const std::uint64_t sectors = (wrong->size - bytes.size()) / sector_bytes + 1;
    const std::uint64_t wrong_at = misdirection.random.below(sectors) * sector_bytes;
    if (wrong == node && wrong_at == at) return false;
    damages_.push_back(Damage{misdirection.id, Damage::Kind::misdirected_from, path, at, bytes.size(), kernel_.now_ns()});
    damages_.push_back(Damage{misdirection.id, Damage::Kind::misdirected_to, wrong_path, wrong_at, bytes.size(), kernel_.now_ns()});
    store(wrong, wrong_at, bytes);
    // The file believes that it was written: it grows, and what it shows there is what was there before.
    if (at + bytes.size() > node->size) {
      apply_truncate(*node, at + bytes.size(), next_change_++);
      touch_dirty(node, 0);
    }
    if (--misdirection.left == 0) {
      misdirections_.erase(misdirections_.begin() + static_cast<std::ptrdiff_t>(i));
      note_armed();
    }
    return true;
  }
  return false;
}

void SimDisk::end_faults() {
  set_slow(1);
  stall_until(0);
  full_ = false;
  quota_ = UINT64_MAX;
  failures_.clear();
  misdirections_.clear();
  wipe_ordered_ = false;
  note_armed();
}

// --- the oracle's view

void SimDisk::visit_files(const Node& folder, const std::string& prefix, bool durable, const Visitor& visit) const {
  for (const auto& [name, node] : durable ? folder.durable : folder.entries) {
    if (node->folder) visit_files(*node, prefix + name + "/", durable, visit);
    else visit(prefix + name, node);
  }
}

std::vector<std::string> SimDisk::durable_paths() const {
  std::vector<std::string> paths;
  visit_files(*root_, "", true, [&](const std::string& path, const NodePtr&) { paths.push_back(path); });
  return paths;
}

std::vector<std::string> SimDisk::current_paths() const {
  std::vector<std::string> paths;
  visit_files(*root_, "", false, [&](const std::string& path, const NodePtr&) { paths.push_back(path); });
  return paths;
}

NodePtr SimDisk::durable_node(std::string_view path) const {
  NodePtr at = root_;
  for (;;) {
    const std::size_t slash = path.find('/');
    const auto entry = at->durable.find(path.substr(0, slash));
    if (entry == at->durable.end()) return nullptr;
    if (slash == std::string_view::npos) return entry->second->folder ? nullptr : entry->second;
    at = entry->second;
    path.remove_prefix(slash + 1);
  }
}

std::optional<std::uint64_t> SimDisk::durable_size(std::string_view path) const {
  const NodePtr node = durable_node(path);
  if (node == nullptr) return std::nullopt;
  const std::uint64_t size = node->changes.empty() ? node->size : node->changes.front().old_size;
  return std::min(size, node->synced_size);
}

std::optional<Bytes> SimDisk::durable_bytes(std::string_view path) const {
  const NodePtr node = durable_node(path);
  if (node == nullptr) return std::nullopt;
  auto [data, size] = durable_state(*node);
  return with_rot(*node, 0, data.read(0, std::min(size, node->synced_size), zeros_));
}

std::optional<Bytes> SimDisk::current_bytes(std::string_view path, bool repaired) const {
  const Place place = place_of(path);
  if (place.node == nullptr || place.node->folder) return std::nullopt;
  Bytes bytes = place.node->data.read(0, place.node->size, zeros_);
  return repaired ? std::move(bytes) : with_rot(*place.node, 0, std::move(bytes));
}

bool SimDisk::damaged(std::string_view path) const {
  return std::any_of(damages_.begin(), damages_.end(), [&](const Damage& damage) { return damage.path == path; });
}

std::uint64_t SimDisk::stored_slices() const {
  std::uint64_t count = 0;
  visit_files(*root_, "", false, [&](const std::string&, const NodePtr& node) { count += node->data.count(); });
  return count;
}

}  // namespace harrow::sim
