// A disk in memory that completes everything at once, for tests of core/log alone: each file and each folder entry has a
// durable and a present state; power_loss() forgets what was not synced.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <string>

#include "core/host/disk.h"

namespace harrow::test {

class MemoryDisk final : public Disk {
 public:
  struct Node {
    std::string bytes, durable;
  };
  std::map<std::string, std::shared_ptr<Node>> files, durable_files;
  bool cached = true;          // reads find everything in the page cache
  bool keeps_entries = false;  // a power loss keeps names (as some file systems do) but not contents
  int syncs = 0, dir_syncs = 0, reads = 0, writes = 0;
  Code write_fails = Code::none;
  Code sync_fails = Code::none;

  class Handle final : public File {
   public:
    Handle(MemoryDisk& disk, std::shared_ptr<Node> node) : disk_(disk), node_(std::move(node)) {}
    Result<bool> write(std::uint64_t at, const Bytes& bytes) override {
      if (disk_.write_fails != Code::none) return error(disk_.write_fails);
      ++disk_.writes;
      if (node_->bytes.size() < at + bytes.size()) node_->bytes.resize(at + bytes.size());
      bytes.copy_to(0, std::span(reinterpret_cast<std::uint8_t*>(node_->bytes.data()) + at, bytes.size()));
      return true;
    }
    Result<bool> truncate(std::uint64_t size) override {
      node_->bytes.resize(size);
      return true;
    }
    std::uint64_t size() const override { return node_->bytes.size(); }
    bool cached(std::uint64_t at, std::uint64_t size, Bytes& out) override {
      if (!disk_.cached) return false;
      out = Bytes::copy_of(std::string_view(node_->bytes).substr(at, size));
      return true;
    }

   protected:
    void start_read(std::uint64_t at, std::uint64_t size, Completion<Result<Bytes>>& done) override {
      ++disk_.reads;
      at = std::min<std::uint64_t>(at, node_->bytes.size());
      done.complete(Bytes::copy_of(std::string_view(node_->bytes).substr(at, size)));
    }
    void start_sync(Completion<Result<bool>>& done) override {
      if (disk_.sync_fails != Code::none) {
        done.complete(error(disk_.sync_fails));
        return;
      }
      ++disk_.syncs;
      node_->durable = node_->bytes;
      done.complete(true);
    }

   private:
    MemoryDisk& disk_;
    std::shared_ptr<Node> node_;
  };

  Result<FilePtr> open(std::string_view path, OpenMode mode) override {
    auto& node = files[std::string(path)];
    if (node == nullptr && mode == OpenMode::existing) {
      files.erase(std::string(path));
      return error(Code::not_found);
    }
    if (node != nullptr && mode == OpenMode::create_new) return error(Code::already_exists);
    if (node == nullptr) node = std::make_shared<Node>();
    return FilePtr(std::make_shared<Handle>(*this, node));
  }
  Result<std::vector<std::string>> list(std::string_view folder) override {
    std::vector<std::string> names;
    const std::string prefix = folder.empty() ? "" : std::string(folder) + "/";
    for (const auto& [path, node] : files) {
      if (path.substr(0, prefix.size()) != prefix) continue;
      const std::string rest = path.substr(prefix.size());
      const std::size_t slash = rest.find('/');
      const std::string name = slash == std::string::npos ? rest : rest.substr(0, slash + 1);
      if (names.empty() || names.back() != name) names.push_back(name);
    }
    return names;
  }
  bool exists(std::string_view path) override { return files.count(std::string(path)) != 0; }
  Result<bool> rename(std::string_view from, std::string_view to) override {
    std::map<std::string, std::shared_ptr<Node>> moved;
    for (auto at = files.begin(); at != files.end();) {
      const bool within = at->first == from || at->first.substr(0, from.size() + 1) == std::string(from) + "/";
      if (within) {
        moved[std::string(to) + at->first.substr(from.size())] = at->second;
        at = files.erase(at);
      } else {
        ++at;
      }
    }
    for (auto& [path, node] : moved) files[path] = node;
    return true;
  }
  Result<bool> remove(std::string_view path) override {
    files.erase(std::string(path));
    return true;
  }
  Result<bool> make_folder(std::string_view) override { return true; }

  void power_loss() {
    if (!keeps_entries) files = durable_files;
    for (auto& [path, node] : files) node->bytes = node->durable;
    durable_files = files;
  }

 protected:
  void start_sync_dir(const std::string& folder, Completion<Result<bool>>& done) override {
    ++dir_syncs;
    const std::string prefix = folder.empty() ? "" : folder + "/";
    const auto within = [&](const std::string& path) {
      return path.substr(0, prefix.size()) == prefix && path.find('/', prefix.size()) == std::string::npos;
    };
    std::erase_if(durable_files, [&](const auto& entry) { return within(entry.first); });
    for (const auto& [path, node] : files)
      if (within(path)) durable_files[path] = node;
    done.complete(true);
  }
  void start_room(std::uint64_t, Completion<Result<bool>>& done) override { done.complete(true); }
};

}  // namespace harrow::test
