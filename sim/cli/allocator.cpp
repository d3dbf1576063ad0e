// Without an allocator of its own, the program takes the system's as it is.
#include "sim/cli/allocator.h"

namespace harrow::cli {

void keep_freed_pages_a_moment() {}

}  // namespace harrow::cli
