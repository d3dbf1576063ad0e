#include "core/async/ready.h"

#include <cstdlib>
#include <new>

namespace harrow {

constinit thread_local Running detail::running_now;

namespace {

constexpr std::size_t class_bytes = 64;
constexpr std::size_t classes = 48;  // frames of up to 3 KiB; larger ones come from malloc

struct FreeFrame {
  FreeFrame* next;
};

struct Local {
  FreeFrame* free[classes] = {};
};
constinit thread_local Local local;

#if defined(__SANITIZE_ADDRESS__)
constexpr bool pooled = false;  // let the sanitizer see each frame on its own
#else
constexpr bool pooled = true;
#endif

}  // namespace

void* allocate_frame(std::size_t size) {
  const std::size_t index = (size + class_bytes - 1) / class_bytes;
  if (pooled && index < classes) {
    if (FreeFrame* const frame = local.free[index]; frame != nullptr) {
      local.free[index] = frame->next;
      return frame;
    }
    size = index * class_bytes;
  }
  void* const memory = std::malloc(size);
  CHECK_SAYING(memory != nullptr, "out of memory");
  return memory;
}

void free_frame(void* frame, std::size_t size) {
  const std::size_t index = (size + class_bytes - 1) / class_bytes;
  if (pooled && index < classes) {
    local.free[index] = new (frame) FreeFrame{local.free[index]};
    return;
  }
  std::free(frame);
}

}  // namespace harrow
