// A disk's speed and size, its file system's habits at a crash, and the kinds of files that faults choose among.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace harrow::sim {

/// What a power loss may do to un-synced state.
enum class FileSystem : std::uint8_t {
  ext4,         // ordered data: metadata is journalled in order; un-synced appends are lost from the tail, never garbage
  xfs,          // delayed allocation: as ext4, but pages within an un-synced tail may be zeros
  strict,       // everything un-synced is lost
  adversarial,  // any subset of sectors, sizes and directory entries
};

struct DiskProfile {
  std::int64_t read_ns = 100'000;
  std::int64_t write_ns = 30'000;
  std::int64_t fsync_ns = 500'000;
  std::uint64_t bandwidth_bytes_per_s = 500'000'000;
  std::uint64_t iops = 20'000;
  std::uint64_t capacity_bytes = std::uint64_t{1} << 42;
  std::uint64_t dirty_limit_bytes = 256u << 20;
  std::uint64_t cache_bytes = 0;  // page cache; 0 = as large as the data
  std::int64_t write_back_ns = 30'000'000'000;
  FileSystem file_system = FileSystem::ext4;

  /// No waiting anywhere; for tests.
  static DiskProfile instant() {
    DiskProfile profile;
    profile.read_ns = profile.write_ns = profile.fsync_ns = 0;
    profile.bandwidth_bytes_per_s = profile.iops = 0;
    return profile;
  }
};

enum class FileClass : std::uint8_t { any, log, index, checkpoint, quorum_state, metadata, other };

/// By name: `*.log` is log (in the metadata topic's folder: metadata), `*.index`, `*.timeindex`, `*.txnindex` index, checkpoints and
/// `*.snapshot` of producers checkpoint, `quorum-state` quorum_state, `*.checkpoint` and `meta.properties` metadata.
FileClass class_of_file(std::string_view path);
/// `wanted` covers `path`.
bool matches(FileClass wanted, std::string_view path);
std::optional<FileClass> parse_file_class(std::string_view text);  // as in scenario files: "quorum-state"
std::optional<FileSystem> parse_file_system(std::string_view text);

/// Damage that a fault did to stored bytes, for the oracle.
struct Damage {
  enum class Kind : std::uint8_t { rot, misdirected_from, misdirected_to, sync_lost };
  std::uint32_t fault;
  Kind kind;
  std::string path;  // when it was done
  std::uint64_t at;
  std::uint64_t size;
  std::int64_t time_ns;
};

}  // namespace harrow::sim
