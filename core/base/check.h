// CHECK states what must hold; it stays on in release. A failed one calls the process's failure hook (which prints the
// node, the virtual time and the last events, and writes the failure record) and ends the process: never an exception.
#pragma once

namespace harrow {

/// Called once with literals; it may write and must not return to the caller's work. Set by the program's main.
using CheckFailureHook = void (*)(const char* expression, const char* file, int line, const char* message);
void set_check_failure_hook(CheckFailureHook hook);
[[noreturn]] void check_failed(const char* expression, const char* file, int line, const char* message);

}  // namespace harrow

#define CHECK_SAYING(condition, message)                                            \
  do {                                                                              \
    if (!(condition)) [[unlikely]]                                                  \
      ::harrow::check_failed(#condition, __FILE__, __LINE__, message);              \
  } while (false)
#define CHECK(condition) CHECK_SAYING(condition, "")

#ifdef HARROW_DCHECKS
#define DCHECK(condition) CHECK(condition)
#else
#define DCHECK(condition) static_cast<void>(sizeof(!(condition)))
#endif
