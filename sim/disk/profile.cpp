#include "sim/disk/profile.h"

namespace harrow::sim {
namespace {

struct ClassName {
  std::string_view name;
  FileClass value;
};
constexpr ClassName class_names[] = {{"any", FileClass::any},
                                     {"log", FileClass::log},
                                     {"index", FileClass::index},
                                     {"checkpoint", FileClass::checkpoint},
                                     {"quorum-state", FileClass::quorum_state},
                                     {"metadata", FileClass::metadata},
                                     {"other", FileClass::other}};
struct SystemName {
  std::string_view name;
  FileSystem value;
};
constexpr SystemName system_names[] = {{"ext4", FileSystem::ext4},
                                       {"xfs", FileSystem::xfs},
                                       {"strict", FileSystem::strict},
                                       {"adversarial", FileSystem::adversarial}};

}  // namespace

FileClass class_of_file(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  std::string_view name = slash == std::string_view::npos ? path : path.substr(slash + 1);
  for (const std::string_view interim : {".cleaned", ".swap"})  // of compaction
    if (name.ends_with(interim)) name.remove_suffix(interim.size());
  const bool in_metadata_log = path.find("__cluster_metadata") != std::string_view::npos;
  if (name.starts_with("quorum-state")) return FileClass::quorum_state;
  if (name.ends_with("index")) return FileClass::index;
  if (in_metadata_log && (name.ends_with(".log") || name.ends_with(".checkpoint"))) return FileClass::metadata;
  if (name.starts_with("meta.properties")) return FileClass::metadata;
  if (name.ends_with(".log")) return FileClass::log;
  if (name.find("checkpoint") != std::string_view::npos || name.ends_with(".snapshot")) return FileClass::checkpoint;
  return FileClass::other;
}

bool matches(FileClass wanted, std::string_view path) { return wanted == FileClass::any || class_of_file(path) == wanted; }

std::optional<FileClass> parse_file_class(std::string_view text) {
  for (const ClassName& row : class_names)
    if (row.name == text) return row.value;
  return std::nullopt;
}

std::optional<FileSystem> parse_file_system(std::string_view text) {
  for (const SystemName& row : system_names)
    if (row.name == text) return row.value;
  return std::nullopt;
}

}  // namespace harrow::sim
