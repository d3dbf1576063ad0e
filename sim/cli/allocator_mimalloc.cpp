// In place of allocator.cpp where the program is linked with mimalloc 2.0.
#include <mimalloc.h>

#include "sim/cli/allocator.h"

namespace harrow::cli {

void keep_freed_pages_a_moment() {
  constexpr long delay_ms = 1000;
  mi_option_set(mi_option_decommit_delay, delay_ms);
}

}  // namespace harrow::cli
