// What a stranger may send. A frame cut at any byte, with any length field, ends at worst its own connection.
#include <gtest/gtest.h>

#include <algorithm>

#include "core/wire/api_versions_request.h"
#include "tests/fuzz/target_node.h"

namespace harrow::test {
namespace {

/// Versions that are offered and not spoken (Produce below 3) get the body of the lowest one that is.
std::string body_of(wire::ApiKey api, std::int16_t offered, std::uint64_t seed) {
  const auto message = request_of(api)->create();
  const std::int16_t version = std::max(offered, request_of(api)->min_version);
  Random random(seed);
  message->randomise(random, version);
  Writer w;
  message->encode(w, version);
  return w.finish().to_string();
}

class Frames : public testing::TestWithParam<bool> {
 protected:
  std::span<const ApiRow> rows() const { return GetParam() ? controller_apis() : broker_apis(); }
};

TEST_P(Frames, cut_at_any_byte_end_only_their_connection) {
  TargetNode target;
  for (const ApiRow& row : rows()) {
    const std::string body = body_of(row.key, row.max_version, 3);
    const std::string whole = frame_of(row.key, row.max_version, body);
    std::vector<std::string> streams;
    for (std::size_t end = 0; end < whole.size(); ++end) {
      streams.push_back(whole.substr(0, end));  // the size field promises more than ever comes
      if (end >= whole.size() - body.size()) streams.push_back(frame_of(row.key, row.max_version, std::string_view(body).substr(0, end - (whole.size() - body.size()))));
    }
    SCOPED_TRACE(static_cast<int>(row.key));
    target.send(streams, GetParam());
    target.expect_alive();
  }
}

TEST_P(Frames, with_wrong_lengths_anywhere_end_only_their_connection) {
  TargetNode target;
  for (const ApiRow& row : rows()) {
    const std::string whole = frame_of(row.key, row.max_version, body_of(row.key, row.max_version, 4));
    std::vector<std::string> streams;
    for (std::size_t at = 0; at + 4 <= whole.size(); ++at)
      for (const std::string_view length : {std::string_view("\x7f\xff\xff\xff", 4), std::string_view("\xff\xff\xff\xff", 4), std::string_view("\x80\x00\x00\x00", 4),
                                            std::string_view("\x00\x10\x00\x00", 4), std::string_view("\xff\xff\xff\x0f", 4)}) {
        std::string wrong = whole;
        wrong.replace(at, 4, length);
        // Behind the size field, the stream keeps its own length right: the damage is inside the frame.
        streams.push_back(std::move(wrong));
      }
    SCOPED_TRACE(static_cast<int>(row.key));
    target.send(streams, GetParam());
    target.expect_alive();
  }
}

TEST_P(Frames, of_every_version_with_any_content_are_answered_or_end_their_connection) {
  TargetNode target;
  for (const ApiRow& row : rows())
    for (std::int16_t version = row.min_version; version <= row.max_version; ++version) {
      std::vector<std::string> streams;
      for (std::uint64_t seed = 1; seed <= 5; ++seed) streams.push_back(frame_of(row.key, version, body_of(row.key, version, seed)));
      SCOPED_TRACE(static_cast<int>(row.key));
      target.send(streams, GetParam());
    }
  EXPECT_GT(target.answers(), rows().size()) << "most of them are right, and answered";
  target.expect_alive();
}

TEST_P(Frames, with_bytes_behind_the_request_are_answered_as_if_they_were_not_there) {
  TargetNode target;
  const std::uint64_t before = target.answers();
  wire::ApiVersionsRequest request;
  request.client_software_name = "library";
  request.client_software_version = "1";
  Writer w;
  request.encode(w, 3);
  target.send({frame_of(wire::ApiKey::api_versions, 3, w.finish().to_string() + std::string("\1\0\0", 3))}, GetParam());
  EXPECT_EQ(target.answers(), before + 1);
}

TEST_P(Frames, that_are_none_end_their_connection) {
  TargetNode target;
  target.send({"", std::string(1, '\0'), "GET / HTTP/1.1\r\n\r\n", std::string("\xff\xff\xff\xff", 4), std::string("\x7f\xff\xff\xff", 4), std::string("\0\0\0\0", 4),
               std::string("\0\0\0\1x", 5), std::string("\0\0\0\4\0\x12\0\0", 8), std::string(5000, '\xff'), std::string(5000, '\0')},
              GetParam());
  target.expect_alive();
}

INSTANTIATE_TEST_SUITE_P(Listeners, Frames, testing::Bool(), [](const auto& row) { return row.param ? std::string("controller") : std::string("broker"); });

}  // namespace
}  // namespace harrow::test
