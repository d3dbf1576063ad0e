#include "core/base/check.h"

#include <cstdio>
#include <cstdlib>

namespace harrow {
namespace {
CheckFailureHook failure_hook = nullptr;
}

void set_check_failure_hook(CheckFailureHook hook) { failure_hook = hook; }

void check_failed(const char* expression, const char* file, int line, const char* message) {
  CheckFailureHook const hook = failure_hook;
  failure_hook = nullptr;  // a check that fails inside the hook must not call it again
  if (hook != nullptr) hook(expression, file, line, message);
  std::fprintf(stderr, "CHECK failed: %s at %s:%d %s\n", expression, file, line, message);
  std::abort();
}

}  // namespace harrow
