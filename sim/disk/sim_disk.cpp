#include "sim/disk/sim_disk.h"

#include <algorithm>
#include <functional>

#include "sim/disk/crash_dice.h"
#include "sim/disk/operation.h"

namespace harrow::sim {
namespace {

constexpr std::int64_t scan_ns = 5'000'000'000;           // how often write-back looks around; also a journal's interval
constexpr std::uint64_t read_ahead_bytes = 128u << 10;
constexpr std::uint32_t zero_slice_bytes = 64u << 10;

}  // namespace

class SimFile final : public File {
 public:
  SimFile(SimDisk& disk, NodePtr node) : disk_(disk), node_(std::move(node)), incarnation_(disk.incarnation_) {}

  Result<bool> write(std::uint64_t at, const Bytes& bytes) override {
    if (incarnation_ != disk_.incarnation_) [[unlikely]] return error(Code::io_error, "the host has crashed");
    return disk_.write_file(node_, at, bytes);
  }
  Result<bool> truncate(std::uint64_t size) override {
    if (incarnation_ != disk_.incarnation_) [[unlikely]] return error(Code::io_error, "the host has crashed");
    return disk_.truncate_file(node_, size);
  }
  std::uint64_t size() const override { return node_->size; }
  bool cached(std::uint64_t at, std::uint64_t size, Bytes& out) override {
    return incarnation_ == disk_.incarnation_ && disk_.read_now(*node_, at, size, out);
  }

 protected:
  void start_read(std::uint64_t at, std::uint64_t size, Completion<Result<Bytes>>& done) override {
    if (incarnation_ != disk_.incarnation_) return done.complete(error(Code::io_error, "the host has crashed"));
    disk_.begin_read(node_, at, size, done);
  }
  void start_sync(Completion<Result<bool>>& done) override {
    if (incarnation_ != disk_.incarnation_) return done.complete(error(Code::io_error, "the host has crashed"));
    disk_.begin_sync(node_, done);
  }

 private:
  SimDisk& disk_;
  NodePtr node_;
  std::uint32_t incarnation_;
};

SimDisk::SimDisk(Kernel& kernel, std::uint16_t node, DiskProfile profile, Random random)
    : kernel_(kernel), node_(node), profile_(profile), random_(random), device_(profile_), root_(std::make_shared<Node>()),
      zeros_(Bytes::zeros(zero_slice_bytes).slices()[0]), write_back_event_(*this) {
  root_->folder = true;
}

SimDisk::~SimDisk() {
  while (!operations_.empty()) delete &operations_.front();
}

// --- names

SimDisk::Place SimDisk::place_of(std::string_view path) const {
  Place place;
  NodePtr at = root_;
  while (!path.empty() && path.back() == '/') path.remove_suffix(1);
  if (path.empty()) {
    place.node = root_;
    return place;
  }
  for (;;) {
    const std::size_t slash = path.find('/');
    const std::string_view part = path.substr(0, slash);
    const auto entry = at->entries.find(part);
    const NodePtr next = entry == at->entries.end() ? nullptr : entry->second;
    if (slash == std::string_view::npos) {
      place.folder = at.get();
      place.name = std::string(part);
      place.node = next;
      return place;
    }
    if (next == nullptr || !next->folder) return place;
    at = next;
    path.remove_prefix(slash + 1);
  }
}

NodePtr SimDisk::shared(Node& node) const { return node.parent == nullptr ? root_ : node.parent->entries.find(node.name)->second; }

void SimDisk::note_change(NodePtr from_folder, std::string from, NodePtr to_folder, std::string to, NodePtr node, NodePtr replaced) {
  NameChange change{next_change_++, kernel_.now_ns(), std::move(from_folder), std::move(to_folder), std::move(from), std::move(to),
                    std::move(node), std::move(replaced), 0};
  if (change.replaced != nullptr && !change.node->changes.empty()) {
    change.data_up_to = change.node->changes.back().number;
    change.node->changes.back().sealed = true;
  }
  journal_.push_back(std::move(change));
  arm_write_back();
}

NodePtr SimDisk::add_node(Node& folder, const std::string& name, bool is_folder) {
  auto node = std::make_shared<Node>();
  node->folder = is_folder;
  node->parent = &folder;
  node->name = name;
  folder.entries[name] = node;
  note_change(nullptr, "", shared(folder), name, node, nullptr);
  return node;
}

Node* SimDisk::folder_for(std::string_view path) {
  Node* at = root_.get();
  for (;;) {
    const std::size_t slash = path.find('/');
    if (slash == std::string_view::npos) return at;
    const std::string part(path.substr(0, slash));
    const auto entry = at->entries.find(part);
    if (entry == at->entries.end()) at = add_node(*at, part, true).get();
    else if (!entry->second->folder) return nullptr;
    else at = entry->second.get();
    path.remove_prefix(slash + 1);
  }
}

void SimDisk::unlink_node(Node& node) {
  for (auto& [name, child] : node.entries) unlink_node(*child);
  node.unlinked = true;
  node.parent = nullptr;
  used_ -= node.data.stored_bytes();
  cleaned(node, node.dirty_bytes);
}

void SimDisk::drop_entry(Node& folder, const std::string& name) {
  const auto entry = folder.entries.find(name);
  const NodePtr node = entry->second;
  // From the leaves up, as a recursive removal goes: a crash may leave half of it.
  while (!node->entries.empty()) drop_entry(*node, std::string(node->entries.begin()->first));
  note_change(shared(folder), name, nullptr, "", node, nullptr);
  folder.entries.erase(entry);
  unlink_node(*node);
}

Result<FilePtr> SimDisk::open(std::string_view path, OpenMode mode) {
  Place place = place_of(path);
  if (place.node != nullptr) {
    if (mode == OpenMode::create_new) return error(Code::already_exists, "the file exists");
    if (place.node->folder) return error(Code::io_error, "it is a folder");
    return FilePtr(std::make_shared<SimFile>(*this, place.node));
  }
  if (mode == OpenMode::existing) return error(Code::not_found, "no such file");
  if (full_) return error(Code::disk_full, "no space left");
  Node* const folder = folder_for(path);
  if (folder == nullptr) return error(Code::io_error, "a file is in the way of a folder");
  const std::size_t slash = path.rfind('/');
  const std::string name(slash == std::string_view::npos ? path : path.substr(slash + 1));
  return FilePtr(std::make_shared<SimFile>(*this, add_node(*folder, name, false)));
}

Result<std::vector<std::string>> SimDisk::list(std::string_view folder) {
  std::vector<std::string> names;
  const Place place = place_of(folder);
  if (place.node == nullptr || !place.node->folder) return names;
  for (const auto& [name, node] : place.node->entries) names.push_back(node->folder ? name + "/" : name);
  std::sort(names.begin(), names.end());
  return names;
}

bool SimDisk::exists(std::string_view path) { return place_of(path).node != nullptr; }

Result<bool> SimDisk::rename(std::string_view from, std::string_view to) {
  const Place source = place_of(from);
  if (source.node == nullptr || source.folder == nullptr) return error(Code::not_found, "no such file");
  const Place target = place_of(to);
  if (target.folder == nullptr) return error(Code::not_found, "no such folder");
  if (target.node == source.node) return true;
  if (target.node != nullptr && target.node->folder && !target.node->entries.empty())
    return error(Code::already_exists, "the folder is not empty");
  const NodePtr moved = source.node;
  note_change(shared(*source.folder), source.name, shared(*target.folder), target.name, moved, target.node);
  source.folder->entries.erase(source.name);
  if (target.node != nullptr) unlink_node(*target.node);
  target.folder->entries[target.name] = moved;
  moved->parent = target.folder;
  moved->name = target.name;
  moved->trace_subject = 0;
  return true;
}

Result<bool> SimDisk::remove(std::string_view path) {
  const Place place = place_of(path);
  if (place.node == nullptr || place.folder == nullptr) return true;
  drop_entry(*place.folder, place.name);
  return true;
}

Result<bool> SimDisk::make_folder(std::string_view path) {
  while (!path.empty() && path.back() == '/') path.remove_suffix(1);
  const Place place = place_of(path);
  if (place.node != nullptr) {
    if (place.node->folder) return true;
    return error(Code::already_exists, "a file has this name");
  }
  Node* const folder = folder_for(std::string(path) + "/");
  if (folder == nullptr) return error(Code::io_error, "a file is in the way of a folder");
  return true;
}

std::string SimDisk::path_of(const Node& node) const {
  if (node.parent == nullptr) return node.name;
  std::string path = node.name;
  for (const Node* at = node.parent; at != nullptr && at != root_.get(); at = at->parent) path = at->name + "/" + path;
  return path;
}

// --- contents

bool SimDisk::has_space_for(const Node& node, std::uint64_t at, std::uint64_t size) const {
  const std::uint64_t limit = std::min(profile_.capacity_bytes, quota_);
  if (used_ + size <= limit) [[likely]] return true;
  return at + size <= node.data.end() && node.data.any(at, at + size);  // in place
}

void SimDisk::store(const NodePtr& node, std::uint64_t at, const Bytes& bytes) {
  Node& file = *node;
  const std::uint64_t stored = file.data.stored_bytes();
  apply_write(file, at, bytes, next_change_++);
  if (!file.unlinked) used_ += file.data.stored_bytes() - stored;
  if (!file.rot.empty()) [[unlikely]] {
    auto flip = file.rot.lower_bound(at);
    while (flip != file.rot.end() && flip->first < at + bytes.size()) flip = file.rot.erase(flip);
  }
  if (!file.all_cached) mark_cached(file, at, at + bytes.size());
  touch_dirty(node, bytes.size());
}

Result<bool> SimDisk::write_file(const NodePtr& node, std::uint64_t at, const Bytes& bytes) {
  if (armed_) [[unlikely]] return write_with_faults(node, at, bytes);
  if (!has_space_for(*node, at, bytes.size())) [[unlikely]] return error(Code::disk_full, "no space left");
  store(node, at, bytes);
  return true;
}

Result<bool> SimDisk::write_with_faults(const NodePtr& node, std::uint64_t at, const Bytes& bytes) {
  if (!has_space_for(*node, at, bytes.size()) || (full_ && at + bytes.size() > node->data.end())) {
    emit(TraceKind::disk_failed, node.get(), static_cast<std::int64_t>(Code::disk_full));
    return error(Code::disk_full, "no space left");
  }
  if (fails(Operation::write, *node)) return error(Code::io_error, "write failed");
  if (!misdirected(node, at, bytes)) store(node, at, bytes);
  return true;
}

Result<bool> SimDisk::truncate_file(const NodePtr& node, std::uint64_t size) {
  if (armed_ && fails(Operation::write, *node)) return error(Code::io_error, "truncate failed");
  const std::uint64_t stored = node->data.stored_bytes();
  apply_truncate(*node, size, next_change_++);
  if (!node->unlinked) used_ -= stored - node->data.stored_bytes();
  if (!node->rot.empty()) node->rot.erase(node->rot.lower_bound(size), node->rot.end());
  touch_dirty(node, 0);
  return true;
}

bool SimDisk::read_now(Node& node, std::uint64_t at, std::uint64_t size, Bytes& out) {
  const std::uint64_t end = std::min(node.size, size > UINT64_MAX - at ? UINT64_MAX : at + size);
  if (at >= end) {
    out.clear();
    return true;
  }
  if (!failures_.empty()) [[unlikely]] {
    const std::string path = path_of(node);
    for (const Failure& failure : failures_)
      if (failure.operation == Operation::read && matches(failure.files, path)) return false;
  }
  if (!is_cached(node, at, end)) return false;
  node.last_use = ++use_clock_;
  out = node.data.read(at, end - at, zeros_);
  if (!node.rot.empty()) [[unlikely]] out = with_rot(node, at, std::move(out));
  return true;
}

void SimDisk::begin_read(const NodePtr& node, std::uint64_t at, std::uint64_t size, Completion<Result<Bytes>>& done) {
  Bytes bytes;
  if (read_now(*node, at, size, bytes)) return done.complete(std::move(bytes));
  auto operation = std::make_unique<DiskOperation>(*this, DiskOperation::Kind::read);
  operation->node = node;
  operation->at = at;
  operation->size = std::min(size, node->size - std::min(at, node->size));
  operation->failed = fails(Operation::read, *node);
  done.attach(&operation->read_done);
  const std::int64_t end = device_.submit(kernel_.now_ns(), Device::Kind::read, operation->size);
  launch(std::move(operation), end);
}

void SimDisk::begin_sync(const NodePtr& node, Completion<Result<bool>>& done) {
  auto operation = std::make_unique<DiskOperation>(*this, DiskOperation::Kind::sync);
  operation->node = node;
  if (!node->changes.empty()) node->changes.back().sealed = true;
  operation->up_to = next_change_ - 1;
  operation->size = node->dirty_bytes;
  operation->failed = fails(Operation::sync, *node);
  operation->fault = failing_id_;
  done.attach(&operation->done);
  const std::int64_t end = device_.submit(kernel_.now_ns(), Device::Kind::sync, operation->size);
  launch(std::move(operation), end);
}

void SimDisk::start_sync_dir(const std::string& folder, Completion<Result<bool>>& done) {
  const Place place = place_of(folder);
  if (place.node == nullptr || !place.node->folder) return done.complete(error(Code::not_found, "no such folder"));
  auto operation = std::make_unique<DiskOperation>(*this, DiskOperation::Kind::sync_folder);
  operation->node = place.node;
  operation->up_to = next_change_ - 1;
  operation->failed = fails(Operation::sync, *place.node);
  done.attach(&operation->done);
  const std::int64_t end = device_.submit(kernel_.now_ns(), Device::Kind::sync, 0);
  launch(std::move(operation), end);
}

void SimDisk::start_room(std::uint64_t bytes, Completion<Result<bool>>& done) {
  if (room_waiters_.empty() && (dirty_ == 0 || dirty_ + bytes <= profile_.dirty_limit_bytes)) [[likely]] return done.complete(true);
  auto waiter = std::make_unique<RoomWaiter>();
  waiter->bytes = bytes;
  done.attach(&waiter->slot);
  room_waiters_.push_back(std::move(waiter));
  write_back_all();
}

void SimDisk::wake_room() {
  while (!room_waiters_.empty()) {
    RoomWaiter& waiter = *room_waiters_.front();
    if (waiter.slot != nullptr) {
      if (dirty_ != 0 && dirty_ + waiter.bytes > profile_.dirty_limit_bytes) return;
      waiter.slot->complete(true);
    }
    room_waiters_.pop_front();
  }
}

// --- the way to the device

void SimDisk::launch(std::unique_ptr<DiskOperation> operation, std::int64_t at_ns) {
  DiskOperation& started = *operation.release();  // the list owns it from here on
  operations_.link_back(started);
  started.ends_ns = at_ns;
  // A device that takes no time answers at once, so that tests need no kernel to run.
  if (at_ns <= kernel_.now_ns()) finish(started);
  else kernel_.at(at_ns, started);
}

void DiskOperation::fire() { disk_.finish(*this); }

void SimDisk::finish(DiskOperation& operation) {
  if (device_.stalled_until() > kernel_.now_ns()) {
    kernel_.at(device_.stalled_until(), operation);
    return;
  }
  operation.unlink();
  const std::unique_ptr<DiskOperation> owned(&operation);
  Node& node = *operation.node;
  switch (operation.kind) {
    case DiskOperation::Kind::read: {
      if (operation.read_done == nullptr) return;
      if (operation.failed) return operation.read_done->complete(error(Code::io_error, "read failed"));
      const std::uint64_t end = std::min(node.size, operation.at + operation.size);
      if (operation.at >= end) return operation.read_done->complete(Bytes());
      mark_cached(node, operation.at, std::min(node.size, end + read_ahead_bytes));
      node.last_use = ++use_clock_;
      cached_ += end - operation.at;
      keep_within_cache();
      return operation.read_done->complete(with_rot(node, operation.at, node.data.read(operation.at, end - operation.at, zeros_)));
    }
    case DiskOperation::Kind::sync: {
      ++syncs_;
      std::uint64_t damaged_bytes = 0;
      if (operation.failed)
        for (const Change& change : node.changes)
          if (change.number <= operation.up_to && !change.lost) {
            damages_.push_back(Damage{operation.fault, Damage::Kind::sync_lost, path_of(node), change.at, change.end - change.at, kernel_.now_ns()});
            damaged_bytes += change.end - change.at;
          }
      settle_changes(node, operation.up_to, operation.failed);
      if (!operation.failed) {
        node.synced_size = node.size;
        for (const Change& change : node.changes)
          if (!change.lost) {
            node.synced_size = change.old_size;
            break;
          }
        journal_committed_ = std::max(journal_committed_, operation.up_to);
        emit(TraceKind::synced, &node, static_cast<std::int64_t>(node.synced_size));
      } else {
        emit(TraceKind::unsynced_lost, &node, static_cast<std::int64_t>(damaged_bytes));
      }
      cleaned(node, std::min(node.dirty_bytes, operation.size));
      if (operation.done == nullptr) return;
      if (operation.failed) return operation.done->complete(error(Code::io_error, "sync failed"));
      return operation.done->complete(true);
    }
    case DiskOperation::Kind::sync_folder:
      ++syncs_;
      if (!operation.failed) {
        commit_folder(&node, operation.up_to);
        journal_committed_ = std::max(journal_committed_, operation.up_to);
      }
      if (operation.done == nullptr) return;
      if (operation.failed) return operation.done->complete(error(Code::io_error, "sync failed"));
      return operation.done->complete(true);
    case DiskOperation::Kind::write_back:
      settle_changes(node, operation.up_to, false);
      cleaned(node, std::min(node.dirty_bytes, operation.size));
      node.writing_back = false;
      // What came meanwhile: somebody waits for it to go.
      if (!room_waiters_.empty()) write_back_all();
      return;
  }
}

void SimDisk::touch_dirty(const NodePtr& node, std::uint64_t bytes) {
  node->last_use = ++use_clock_;
  if (node->unlinked) return;
  node->dirty_bytes += bytes;
  dirty_ += bytes;
  if (!node->listed_dirty) {
    node->listed_dirty = true;
    node->dirty_since_ns = kernel_.now_ns();
    dirty_nodes_.push_back(node);
    arm_write_back();
  }
  if (profile_.cache_bytes != 0) {
    cached_ += bytes;
    if (cached_ > profile_.cache_bytes) keep_within_cache();
  }
}

void SimDisk::cleaned(Node& node, std::uint64_t bytes) {
  node.dirty_bytes -= bytes;
  dirty_ -= bytes;
  if (!room_waiters_.empty()) wake_room();
}

void SimDisk::arm_write_back() {
  if (!write_back_event_.armed()) kernel_.at(kernel_.now_ns() + scan_ns, write_back_event_);
}

void SimDisk::write_back() {
  const std::int64_t due_ns = kernel_.now_ns() - profile_.write_back_ns;
  commit_older(due_ns);
  std::vector<NodePtr> left;
  std::vector<NodePtr> due;
  for (NodePtr& node : dirty_nodes_) {
    if (node->unlinked || (node->changes.empty() && node->dirty_bytes == 0)) node->listed_dirty = false;
    else if (node->dirty_since_ns <= due_ns) due.push_back(std::move(node));
    else left.push_back(std::move(node));
  }
  dirty_nodes_ = std::move(left);
  for (const NodePtr& node : due) write_back_node(node);
  if (!dirty_nodes_.empty() || !journal_.empty()) arm_write_back();
}

void SimDisk::write_back_all() {
  std::vector<NodePtr> all = std::move(dirty_nodes_);
  dirty_nodes_.clear();
  for (const NodePtr& node : all) {
    node->listed_dirty = false;
    if (!node->unlinked) write_back_node(node);
  }
}

void SimDisk::write_back_node(const NodePtr& node) {
  node->listed_dirty = false;
  if (node->writing_back) {
    node->listed_dirty = true;
    dirty_nodes_.push_back(node);
    return;
  }
  auto operation = std::make_unique<DiskOperation>(*this, DiskOperation::Kind::write_back);
  operation->node = node;
  if (!node->changes.empty()) node->changes.back().sealed = true;
  operation->up_to = next_change_ - 1;
  operation->size = node->dirty_bytes;
  node->writing_back = true;
  const std::int64_t end = device_.submit(kernel_.now_ns(), Device::Kind::write, operation->size);
  launch(std::move(operation), end);
}

void SimDisk::keep_within_cache() {
  if (profile_.cache_bytes == 0 || cached_ <= profile_.cache_bytes) return;
  std::vector<NodePtr> files;
  visit_files(*root_, "", false, [&](const std::string&, const NodePtr& node) { files.push_back(node); });
  const auto held = [](const Node& node) { return node.all_cached ? node.data.stored_bytes() : node.cached_bytes; };
  cached_ = 0;
  for (const NodePtr& node : files) cached_ += held(*node);
  std::stable_sort(files.begin(), files.end(), [](const NodePtr& a, const NodePtr& b) { return a->last_use < b->last_use; });
  const std::uint64_t goal = profile_.cache_bytes - profile_.cache_bytes / 10;
  for (const NodePtr& node : files) {
    if (cached_ <= goal) break;
    if (node->dirty_bytes > 0) continue;
    cached_ -= held(*node);
    cool(*node);
  }
}

// --- names on their way to the disk

void SimDisk::commit_folder(Node* folder, std::uint64_t up_to) {
  // The folder itself is there once something in it is: every file system sees to that.
  std::vector<const Node*> above;
  for (const Node* at = folder; at != nullptr; at = at->parent) above.push_back(at);
  std::deque<NameChange> left;
  for (NameChange& change : journal_) {
    const bool within = change.from_folder.get() == folder || change.to_folder.get() == folder;
    const bool makes_folder_above =
        change.from_folder == nullptr && std::find(above.begin(), above.end(), change.node.get()) != above.end();
    if (change.number <= up_to && (within || makes_folder_above)) apply_name_change(change);
    else left.push_back(std::move(change));
  }
  journal_ = std::move(left);
}

void SimDisk::commit_older(std::int64_t than_ns) {
  while (!journal_.empty() && journal_.front().time_ns <= than_ns) {
    apply_name_change(journal_.front());
    journal_.pop_front();
  }
}

void SimDisk::emit(TraceKind kind, Node* node, std::int64_t value) {
  std::uint32_t subject = 0;
  if (node != nullptr) {
    if (node->trace_subject == 0) node->trace_subject = kernel_.intern(path_of(*node));
    subject = node->trace_subject;
  }
  kernel_.emit(TraceEvent{kind, node_, subject, kernel_.now_ns(), kind == TraceKind::disk_failed ? value : subject,
                          kind == TraceKind::disk_failed ? 0 : value},
               nullptr);
}

void SimDisk::set_profile(DiskProfile profile) { profile_ = profile; }

}  // namespace harrow::sim
