#include "sim/trace/compare_events.h"

#include <zstd.h>

#include <array>
#include <cstdio>
#include <memory>

namespace harrow::sim {
namespace {

/// Lines of a compressed file; a file that was cut ends with its last whole line.
class Lines {
 public:
  explicit Lines(const std::string& path) : file_(std::fopen(path.c_str(), "rb")), context_(ZSTD_createDCtx()) {}
  Lines(const Lines&) = delete;
  ~Lines() {
    if (file_ != nullptr) std::fclose(file_);
    ZSTD_freeDCtx(context_);
  }
  bool opened() const { return file_ != nullptr; }
  bool damaged() const { return damaged_; }
  bool next(std::string& line) {
    for (;;) {
      if (const std::size_t end = text_.find('\n', at_); end != std::string::npos) {
        line.assign(text_, at_, end - at_);
        at_ = end + 1;
        return true;
      }
      text_.erase(0, at_);
      at_ = 0;
      if (!fill()) return false;
    }
  }

 private:
  bool fill() {
    if (in_.pos == in_.size) {
      in_ = {packed_.data(), std::fread(packed_.data(), 1, packed_.size(), file_), 0};
      if (in_.size == 0) return false;
    }
    ZSTD_outBuffer out{plain_.data(), plain_.size(), 0};
    const std::size_t left = ZSTD_decompressStream(context_, &out, &in_);
    if (ZSTD_isError(left) != 0) {
      damaged_ = true;
      return false;
    }
    text_.append(plain_.data(), out.pos);
    return true;
  }

  std::FILE* file_;
  ZSTD_DCtx* context_;
  std::array<char, 1 << 16> packed_;
  std::array<char, 1 << 17> plain_;
  ZSTD_inBuffer in_{packed_.data(), 0, 0};
  std::string text_;
  std::size_t at_ = 0;
  bool damaged_ = false;
};

}  // namespace

std::optional<EventDifference> first_difference(const std::string& first_path, const std::string& second_path, std::string& problem) {
  const auto first = std::make_unique<Lines>(first_path);
  const auto second = std::make_unique<Lines>(second_path);
  for (const auto& [lines, path] : {std::pair{first.get(), &first_path}, std::pair{second.get(), &second_path}})
    if (!lines->opened()) {
      problem = *path + " cannot be read";
      return std::nullopt;
    }
  EventDifference difference;
  for (;;) {
    ++difference.number;
    difference.first.clear();
    difference.second.clear();
    const bool one = first->next(difference.first);
    const bool other = second->next(difference.second);
    if (first->damaged() || second->damaged()) {
      problem = (first->damaged() ? first_path : second_path) + " is damaged";
      return std::nullopt;
    }
    if (!one && !other) return std::nullopt;
    if (difference.first != difference.second) return difference;
  }
}

}  // namespace harrow::sim
