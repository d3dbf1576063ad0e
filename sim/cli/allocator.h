// What a long-lived process wants of its allocator. Owner: `harrow serve`.
#pragma once

namespace harrow::cli {

/// Keeps freed pages for a moment before the system gets them back: frames of a megabyte come and go all the time, and a
/// page that is fresh each time costs a fault and is cleared first.
void keep_freed_pages_a_moment();

}  // namespace harrow::cli
