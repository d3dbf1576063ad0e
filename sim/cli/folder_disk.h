// A folder of this machine as a Disk that is only read: every operation is done at once, so tasks over it never wait.
#pragma once

#include <string>

#include "core/host/disk.h"

namespace harrow::cli {

class FolderDisk final : public Disk {
 public:
  explicit FolderDisk(std::string root) : root_(std::move(root)) {}
  Result<FilePtr> open(std::string_view path, OpenMode mode) override;
  Result<std::vector<std::string>> list(std::string_view folder) override;
  bool exists(std::string_view path) override;
  Result<bool> rename(std::string_view from, std::string_view to) override;
  Result<bool> remove(std::string_view path) override;
  Result<bool> make_folder(std::string_view path) override;

 protected:
  void start_sync_dir(const std::string& folder, Completion<Result<bool>>& done) override;
  void start_room(std::uint64_t bytes, Completion<Result<bool>>& done) override;

 private:
  std::string full(std::string_view path) const { return path.empty() ? root_ : root_ + "/" + std::string(path); }
  std::string root_;
};

}  // namespace harrow::cli
