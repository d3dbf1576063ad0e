// I19, same image: whoever has replayed the metadata log up to an offset has the same image, by its hash.
// Listens to: image_published.
// Legal exceptions: none.
#include "sim/check/oracle.h"
#include "sim/check/registry.h"

namespace harrow::sim {
namespace {

class SameImage final : public Check {
 public:
  std::span<const TraceKind> kinds() const override {
    static constexpr TraceKind list[] = {TraceKind::image_published};
    return list;
  }
  void on_event(const TraceEvent& event, const void* payload) override {
    const std::uint64_t* const first = oracle().image_hash_exactly(event.a);
    if (first == nullptr || oracle().image_is_new()) return;
    expect(*first == static_cast<std::uint64_t>(event.b), Where{event.node, 0, event.a, std::string(metadata_topic_name), 0}, [&] { return "its image at metadata offset " + std::to_string(event.a) + " differs from the first one seen there"; });
  }
};

}  // namespace

std::unique_ptr<Check> make_same_image() { return std::make_unique<SameImage>(); }

}  // namespace harrow::sim
