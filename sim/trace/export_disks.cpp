#include "sim/trace/export_disks.h"

#include <filesystem>
#include <fstream>

namespace harrow::sim {
namespace {

bool export_folder(SimDisk& disk, const std::string& inside, const std::filesystem::path& outside) {
  std::error_code failed;
  std::filesystem::create_directories(outside, failed);
  const Result<std::vector<std::string>> names = disk.list(inside);
  if (!names || failed) return false;
  bool all = true;
  for (const std::string& name : *names) {
    const std::string path = inside.empty() ? name : inside + "/" + name;
    if (path.back() == '/') {
      all = export_folder(disk, path.substr(0, path.size() - 1), outside / name.substr(0, name.size() - 1)) && all;
      continue;
    }
    const Result<FilePtr> file = disk.open(path, OpenMode::existing);
    if (!file) {
      all = false;
      continue;
    }
    std::ofstream out(outside / name, std::ios::binary);
    constexpr std::uint64_t piece_bytes = 1 << 20;
    for (std::uint64_t at = 0; at < (*file)->size(); at += piece_bytes) {
      Bytes bytes;
      if (!(*file)->cached(at, std::min(piece_bytes, (*file)->size() - at), bytes)) {
        all = false;
        break;
      }
      for (const Slice& slice : bytes.slices()) out.write(reinterpret_cast<const char*>(slice.data()), slice.size());
    }
    all = static_cast<bool>(out) && all;
  }
  return all;
}

}  // namespace

bool export_disk(SimDisk& disk, const std::string& folder) { return export_folder(disk, "", folder); }

}  // namespace harrow::sim
