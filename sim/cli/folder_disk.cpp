#include "sim/cli/folder_disk.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>

namespace harrow::cli {

namespace fs = std::filesystem;

namespace {

constexpr const char* read_only = "this folder is only read";

class ReadFile final : public File {
 public:
  explicit ReadFile(std::FILE* file) : file_(file) {
    std::fseek(file_, 0, SEEK_END);
    size_ = static_cast<std::uint64_t>(std::max<long>(std::ftell(file_), 0));
  }
  ~ReadFile() override { std::fclose(file_); }
  Result<bool> write(std::uint64_t, const Bytes&) override { return error(Code::io_error, read_only); }
  Result<bool> truncate(std::uint64_t) override { return error(Code::io_error, read_only); }
  std::uint64_t size() const override { return size_; }
  bool cached(std::uint64_t, std::uint64_t, Bytes&) override { return false; }

 protected:
  void start_read(std::uint64_t at, std::uint64_t size, Completion<Result<Bytes>>& done) override {
    const std::uint64_t left = at < size_ ? size_ - at : 0;
    std::vector<std::uint8_t> block(std::min(size, left));
    if (std::fseek(file_, static_cast<long>(at), SEEK_SET) != 0 || std::fread(block.data(), 1, block.size(), file_) != block.size()) {
      done.complete(error(Code::io_error, "cannot be read"));
      return;
    }
    done.complete(Bytes::copy_of(block));
  }
  void start_sync(Completion<Result<bool>>& done) override { done.complete(true); }

 private:
  std::FILE* file_;
  std::uint64_t size_ = 0;
};

}  // namespace

Result<FilePtr> FolderDisk::open(std::string_view path, OpenMode mode) {
  if (mode != OpenMode::existing) return error(Code::io_error, read_only);
  std::error_code ignored;
  if (!fs::is_regular_file(full(path), ignored)) return error(Code::not_found, "no such file");
  std::FILE* const file = std::fopen(full(path).c_str(), "rb");
  if (file == nullptr) return error(Code::io_error, "cannot be opened");
  return FilePtr(std::make_shared<ReadFile>(file));
}

Result<std::vector<std::string>> FolderDisk::list(std::string_view folder) {
  std::vector<std::string> names;
  std::error_code failed;
  for (const auto& entry : fs::directory_iterator(full(folder), failed)) {
    std::error_code ignored;
    names.push_back(entry.path().filename().string() + (entry.is_directory(ignored) ? "/" : ""));
  }
  std::sort(names.begin(), names.end());
  return names;
}

bool FolderDisk::exists(std::string_view path) {
  std::error_code ignored;
  return fs::exists(full(path), ignored);
}
Result<bool> FolderDisk::rename(std::string_view, std::string_view) { return error(Code::io_error, read_only); }
Result<bool> FolderDisk::remove(std::string_view) { return error(Code::io_error, read_only); }
Result<bool> FolderDisk::make_folder(std::string_view) { return error(Code::io_error, read_only); }
void FolderDisk::start_sync_dir(const std::string&, Completion<Result<bool>>& done) { done.complete(true); }
void FolderDisk::start_room(std::uint64_t, Completion<Result<bool>>& done) { done.complete(true); }

}  // namespace harrow::cli
