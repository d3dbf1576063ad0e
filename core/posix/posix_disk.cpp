#include "core/posix/posix_disk.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <span>

namespace harrow::posix {

namespace fs = std::filesystem;

namespace {

tl::unexpected<Error> io_failed(int number, const char* what) {
  switch (number) {
    case ENOENT: return error(Code::not_found, what);
    case EEXIST:
    case ENOTEMPTY: return error(Code::already_exists, what);
    case ENOSPC:
    case EDQUOT: return error(Code::disk_full, what);
    default: return error(Code::io_error, what);
  }
}
tl::unexpected<Error> io_failed(const std::error_code& failed, const char* what) { return io_failed(failed.value(), what); }

constexpr const char* refused = "a path that leaves the node's folder";

class PosixFile final : public File, public std::enable_shared_from_this<PosixFile> {
 public:
  PosixFile(std::shared_ptr<OpenFiles> files, std::shared_ptr<FileRounds> rounds, Durability durability, std::shared_ptr<DiskFaults> faults, std::string path)
      : files_(std::move(files)), rounds_(std::move(rounds)), durability_(durability), faults_(std::move(faults)), path_(std::move(path)) {}
  ~PosixFile() override { files_->close(file_); }
  bool open(std::string name, int flags) { return files_->open(file_, std::move(name), flags); }

  Result<bool> write(std::uint64_t at, const Bytes& bytes) override;
  Result<bool> truncate(std::uint64_t size) override {
    if (::ftruncate(descriptor(), static_cast<off_t>(size)) != 0) return io_failed(errno, "cannot be truncated");
    size_ = size;
    writes_ = true;
    return true;
  }
  /// A file has one handle that writes, which knows its size; others ask.
  std::uint64_t size() const override {
    if (writes_) return size_;
    struct stat found {};
    // A file that cannot be opened any more fails at the read or write that follows.
    return ::fstat(descriptor(), &found) == 0 ? static_cast<std::uint64_t>(found.st_size) : size_;
  }
  bool cached(std::uint64_t at, std::uint64_t size, Bytes& out) override {
    if (faults_->stalled() || faults_->fails(DiskFaults::Operation::read, path_)) return false;
    Result<Bytes> bytes = read_now(at, size);
    if (!bytes) return false;
    out = std::move(*bytes);
    return true;
  }

 protected:
  void start_read(std::uint64_t at, std::uint64_t size, Completion<Result<Bytes>>& done) override {
    const auto read = [self = shared_from_this(), at, size]() -> Result<Bytes> {
      if (self->faults_->strike(DiskFaults::Operation::read, self->path_)) return error(Code::io_error, "cannot be read");
      return self->read_now(at, size);
    };
    if (ParkedWork* const later = put_off()) return later->park<Result<Bytes>>(done, read);
    done.complete(read());
  }
  void start_sync(Completion<Result<bool>>& done) override {
    if (ParkedWork* const later = put_off()) return later->park<Result<bool>>(done, [self = shared_from_this()] { return self->sync_now(); });
    done.complete(sync_now());
  }

 private:
  /// Below 0 makes the call that gets it fail.
  int descriptor() const { return files_->descriptor(file_); }
  /// Where an operation waits that cannot be done at once; null if it can.
  ParkedWork* put_off() { return faults_->stalled() ? &faults_->parked() : rounds_->over() ? &rounds_->later() : nullptr; }
  Result<bool> sync_now() {
    const bool fails = faults_->strike(DiskFaults::Operation::sync, path_);
    if (durability_ == Durability::forgotten && !fails) return true;
    if (failed_ || fails || ::fdatasync(descriptor()) != 0) {
      failed_ = true;  // the kernel has dropped the pages: a second sync that succeeds would prove nothing
      return error(Code::io_error, "cannot be synced");
    }
    return true;
  }
  Result<Bytes> read_now(std::uint64_t at, std::uint64_t size) const;
  std::shared_ptr<OpenFiles> files_;
  std::shared_ptr<FileRounds> rounds_;
  mutable OpenFile file_;
  Durability durability_;
  std::shared_ptr<DiskFaults> faults_;
  std::string path_;
  std::uint64_t size_ = 0;  // once this handle writes
  bool writes_ = false;
  bool failed_ = false;
};

Result<bool> PosixFile::write(std::uint64_t at, const Bytes& bytes) {
  if (faults_->full) return error(Code::disk_full, "no space is left");
  if (faults_->strike(DiskFaults::Operation::write, path_)) return error(Code::io_error, "cannot be written");
  constexpr std::size_t most = 64;
  const std::uint64_t size_before = size();
  size_ = size_before;
  writes_ = true;
  const int file = descriptor();
  const std::span<const Slice> slices = bytes.slices();
  std::size_t first = 0;
  std::uint64_t skip = 0;  // of the first slice
  while (first < slices.size()) {
    iovec parts[most];
    const std::size_t count = std::min(slices.size() - first, most);
    for (std::size_t i = 0; i < count; ++i) {
      const Slice& slice = slices[first + i];
      const std::uint64_t from = i == 0 ? skip : 0;
      parts[i] = iovec{const_cast<std::uint8_t*>(slice.data()) + from, static_cast<std::size_t>(slice.size() - from)};
    }
    const ssize_t written = ::pwritev(file, parts, static_cast<int>(count), static_cast<off_t>(at));
    if (written < 0) {
      if (errno == EINTR) continue;
      const int number = errno;
      if (at > size_before && ::ftruncate(file, static_cast<off_t>(size_before)) != 0) return error(Code::io_error, "cannot be written");
      size_ = size_before;
      return io_failed(number, "cannot be written");
    }
    at += static_cast<std::uint64_t>(written);
    size_ = std::max(size_, at);
    skip += static_cast<std::uint64_t>(written);
    while (first < slices.size() && skip >= slices[first].size()) skip -= slices[first++].size();
  }
  return true;
}

Result<Bytes> PosixFile::read_now(std::uint64_t at, std::uint64_t size) const {
  const std::uint64_t end = this->size();
  const int file = descriptor();
  const std::uint64_t wanted = at < end ? std::min(size, end - at) : 0;
  Bytes read;
  while (read.size() < wanted) {
    const auto part = static_cast<std::uint32_t>(std::min<std::uint64_t>(wanted - read.size(), 1u << 30));
    Block* const block = Block::create(part);
    Slice slice = Slice::adopt(block, 0, part);
    const ssize_t got = ::pread(file, block->data(), part, static_cast<off_t>(at + read.size()));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return error(Code::io_error, "cannot be read");
    if (got == 0) break;  // it was cut meanwhile
    read.append(slice.sub(0, static_cast<std::uint32_t>(got)));
  }
  return read;
}

}  // namespace

Result<std::unique_ptr<PosixDisk>> PosixDisk::open_root(const std::string& root, Durability durability) {
  std::error_code failed;
  fs::create_directories(root, failed);
  if (failed) return error(Code::io_error, "the data folder cannot be made");
  Descriptor lock(::open((root + "/.lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (!lock.valid()) return error(Code::io_error, "the data folder cannot be written");
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) return error(Code::already_exists, "another process uses the data folder");
  return std::unique_ptr<PosixDisk>(new PosixDisk(root, std::move(lock), durability));
}

Result<std::unique_ptr<PosixDisk>> PosixDisk::open_as(const std::string& name, const std::string& folder, Durability durability) {
  Result<std::unique_ptr<PosixDisk>> disk = open_root(folder, durability);
  if (disk) (*disk)->name_ = name;
  return disk;
}

std::string PosixDisk::full(std::string_view path) const {
  while (!path.empty() && path.back() == '/') path.remove_suffix(1);
  if (path.empty()) return root_;
  if (!name_.empty()) {
    if (path.substr(0, name_.size()) != name_) return {};
    path.remove_prefix(name_.size());
    if (path.empty()) return root_;
    if (path.front() != '/') return {};
    path.remove_prefix(1);
  }
  for (std::string_view rest = path;;) {
    const std::size_t slash = rest.find('/');
    const std::string_view part = rest.substr(0, slash);
    if (part.empty() || part == "." || part == ".." || part.find('\0') != std::string_view::npos) return {};
    if (slash == std::string_view::npos) break;
    rest.remove_prefix(slash + 1);
  }
  return root_ + "/" + std::string(path);
}

Result<FilePtr> PosixDisk::open(std::string_view path, OpenMode mode) {
  const std::string name = full(path);
  if (name.empty() || name == root_) return error(Code::io_error, refused);
  if (mode != OpenMode::existing) {
    std::error_code failed;
    fs::create_directories(fs::path(name).parent_path(), failed);
    if (failed) return io_failed(failed, "a folder cannot be made");
  }
  int flags = O_RDWR;
  if (mode != OpenMode::existing) flags |= O_CREAT;
  if (mode == OpenMode::create_new) flags |= O_EXCL;
  auto file = std::make_shared<PosixFile>(files_, rounds_, durability_, faults_, std::string(path));
  if (!file->open(name, flags)) return io_failed(errno, "cannot be opened");
  return FilePtr(std::move(file));
}

Result<std::vector<std::string>> PosixDisk::list(std::string_view folder) {
  std::vector<std::string> names;
  const std::string name = full(folder);
  if (name.empty()) return error(Code::io_error, refused);
  std::error_code failed;
  fs::directory_iterator at;
  files_->with_room(failed, [&](std::error_code& code) { at = fs::directory_iterator(name, code); });
  if (failed == std::errc::no_such_file_or_directory || failed == std::errc::not_a_directory) return names;
  for (; !failed && at != fs::directory_iterator(); at.increment(failed)) {
    std::error_code unknown;
    const bool is_folder = at->is_directory(unknown);
    names.push_back(at->path().filename().string() + (is_folder ? "/" : ""));
  }
  if (failed) return error(Code::io_error, "a folder cannot be read");
  std::sort(names.begin(), names.end());
  return names;
}

bool PosixDisk::exists(std::string_view path) {
  const std::string name = full(path);
  struct stat found {};
  return !name.empty() && ::stat(name.c_str(), &found) == 0;
}

Result<bool> PosixDisk::rename(std::string_view from, std::string_view to) {
  const std::string source = full(from), target = full(to);
  if (source.empty() || target.empty() || source == root_ || target == root_) return error(Code::io_error, refused);
  files_->keep(target);
  if (::rename(source.c_str(), target.c_str()) != 0) return io_failed(errno, "cannot be renamed");
  files_->renamed(source, target);
  return true;
}

Result<bool> PosixDisk::remove(std::string_view path) {
  const std::string name = full(path);
  if (name.empty() || name == root_) return error(Code::io_error, refused);
  files_->keep(name);
  std::error_code failed;
  files_->with_room(failed, [&](std::error_code& code) { fs::remove_all(name, code); });
  if (failed) return io_failed(failed, "cannot be removed");
  return true;
}

Result<bool> PosixDisk::make_folder(std::string_view path) {
  const std::string name = full(path);
  if (name.empty()) return error(Code::io_error, refused);
  std::error_code failed;
  fs::create_directories(name, failed);
  if (failed) return io_failed(failed, "a folder cannot be made");
  return true;
}

void PosixDisk::start_sync_dir(const std::string& folder, Completion<Result<bool>>& done) {
  const std::string name = full(folder);
  if (name.empty()) return done.complete(error(Code::io_error, refused));
  if (durability_ == Durability::forgotten) return done.complete(true);
  const Descriptor opened = files_->open_other(name.c_str(), O_RDONLY | O_DIRECTORY);
  if (!opened.valid()) return done.complete(io_failed(errno, "no such folder"));
  if (::fsync(opened.get()) != 0) return done.complete(error(Code::io_error, "a folder cannot be synced"));
  done.complete(true);
}

void PosixDisk::start_room(std::uint64_t, Completion<Result<bool>>& done) { done.complete(true); }

}  // namespace harrow::posix
