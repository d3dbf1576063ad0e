// libFuzzer target: a stranger's connection to a running broker or controller. The first bytes choose the listener, an API
// and a version, the rest is the body; or the whole input is the stream as it is. The nodes must go on, whatever comes. They live
// on from input to input and are renewed now and then: an input that fails only behind others is found in the log of
// the run (-runs=1 with that input alone passes then).
#include <cstddef>
#include <cstdint>
#include <memory>

#include "tests/fuzz/target_node.h"

using namespace harrow;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static std::unique_ptr<test::TargetNode> target;
  static int inputs = 0;
  if (size < 4) return 0;
  if (inputs++ % 500 == 0) target = std::make_unique<test::TargetNode>();
  const bool to_controller = (data[0] & 1) != 0;
  const std::string body(reinterpret_cast<const char*>(data) + 3, size - 3);
  if ((data[0] & 2) != 0) {
    target->send({body}, to_controller);
  } else {
    const auto rows = to_controller ? controller_apis() : broker_apis();
    const ApiRow& row = rows[data[1] % rows.size()];
    const auto version = static_cast<std::int16_t>(row.min_version + data[2] % (row.max_version - row.min_version + 1));
    target->send({test::frame_of(row.key, version, body)}, to_controller);
  }
  target->expect_alive();
  return 0;
}
