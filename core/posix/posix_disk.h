// Files below one folder of this machine.
//
// Purpose: implements core/host/disk.h. Owner: PosixHost. It touches files below its root and nothing else: a path with
// an empty part, "." or ".." is refused. The root is locked while the object lives, so that no two nodes share it.
// However many files are open, their descriptors stay few (open_files.h).
// Limits of this version: everything is done in line. Writes go to the page cache at once (kill -9 loses nothing);
// reads may wait for the device and syncs do, and the whole node waits with them: with one, not with thousands in a row.
#pragma once

#include <memory>
#include <string>

#include "core/host/disk.h"
#include "core/posix/disk_faults.h"
#include "core/posix/open_files.h"

namespace harrow::posix {

/// Whether syncs reach the device. A folder that goes with the process needs none: it is in memory, as far as that goes.
enum class Durability : std::uint8_t { kept, forgotten };

class PosixDisk final : public Disk {
 public:
  /// Creates the folder if need be, and takes its lock. Errors: already_exists (another process has it), io_error.
  static Result<std::unique_ptr<PosixDisk>> open_root(const std::string& root, Durability durability = Durability::kept);
  /// `folder` stands for the node's only folder `name`: what the node calls NAME/x is x there. Errors as above.
  static Result<std::unique_ptr<PosixDisk>> open_as(const std::string& name, const std::string& folder, Durability durability = Durability::kept);

  Result<FilePtr> open(std::string_view path, OpenMode mode) override;
  Result<std::vector<std::string>> list(std::string_view folder) override;
  bool exists(std::string_view path) override;
  Result<bool> rename(std::string_view from, std::string_view to) override;
  Result<bool> remove(std::string_view path) override;
  Result<bool> make_folder(std::string_view path) override;
  DiskFaults& faults() { return *faults_; }
  /// Reads and syncs that come late in a round of the host's loop wait for the next one.
  FileRounds& rounds() { return *rounds_; }
  /// How many files have a descriptor at once; more is only a matter of speed.
  void set_most_descriptors(std::size_t most) { files_->set_most(most); }

 protected:
  void start_sync_dir(const std::string& folder, Completion<Result<bool>>& done) override;
  void start_room(std::uint64_t bytes, Completion<Result<bool>>& done) override;

 private:
  PosixDisk(std::string root, Descriptor lock, Durability durability)
      : root_(std::move(root)), lock_(std::move(lock)), durability_(durability) {}
  /// Empty for a path that is refused.
  std::string full(std::string_view path) const;
  std::string root_;
  Descriptor lock_;
  Durability durability_;
  std::shared_ptr<DiskFaults> faults_ = std::make_shared<DiskFaults>();  // the files' too
  std::shared_ptr<OpenFiles> files_ = std::make_shared<OpenFiles>();    // likewise
  std::shared_ptr<FileRounds> rounds_ = std::make_shared<FileRounds>();
  std::string name_;  // of the folder that stands for the root; empty: the root is itself
};

}  // namespace harrow::posix
