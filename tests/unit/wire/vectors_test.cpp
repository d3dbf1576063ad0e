// Byte equality with Apache Kafka's own message classes: tests/data/wire/vectors.txt holds what they encode, and
// tests/interop/vectors/run.sh makes it. Each line: message, version, encoding, the values of its fields in order.
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "core/base/buffer.h"
#include "core/wire/any_message.h"

namespace harrow::wire {
namespace {

// A printed message without its field names: the values in order.
std::string values_of(const std::string& json) {
  std::string out;
  for (std::size_t at = 0; at < json.size(); ++at) {
    if (json[at] == '{' || json[at] == '}') {
      out += json[at] == '{' ? '[' : ']';
      continue;
    }
    if (json[at] != '"') {
      out += json[at];
      continue;
    }
    std::size_t end = at + 1;
    while (json[end] != '"') end += json[end] == '\\' ? 2 : 1;
    if (json.compare(end + 1, 2, ": ") == 0) {
      at = end + 2;
      continue;
    }
    out += json.substr(at, end + 1 - at);
    at = end;
  }
  return out;
}

TEST(WireVectors, DecodeToTheSameValuesAndEncodeToTheSameBytesAsApacheKafka) {
  std::ifstream file(HARROW_SOURCE_DIR "/tests/data/wire/vectors.txt");
  ASSERT_TRUE(file.is_open());
  std::map<std::string, std::set<std::int16_t>> seen;
  std::string line;
  std::size_t lines = 0;
  while (std::getline(file, line)) {
    std::istringstream in(line);
    std::string name, hex, values;
    std::int16_t version = 0;
    in >> name >> version >> hex;
    in.get();
    std::getline(in, values);
    SCOPED_TRACE(name + " version " + std::to_string(version));
    const MessageInfo* const info = find_message(name);
    ASSERT_NE(info, nullptr);
    const Bytes bytes = hex == "-" ? Bytes() : bytes_from_hex(hex);
    Reader r(bytes);
    const auto message = info->decode(r, version);
    ASSERT_TRUE(message.has_value()) << hex << "\n" << values;
    EXPECT_EQ(r.left(), 0u);
    EXPECT_EQ(values_of((*message)->print()), values);
    Writer w;
    (*message)->encode(w, version);
    EXPECT_EQ(w.finish().to_hex(), bytes.to_hex());
    seen[name].insert(version);
    ++lines;
    if (testing::Test::HasFailure()) return;
  }
  EXPECT_GT(lines, 2000u);
  for (const MessageInfo* const info : all_messages())
    for (std::int16_t version = info->min_version; version <= info->max_version; ++version)
      EXPECT_TRUE(seen[std::string(info->name)].contains(version)) << info->name << " version " << version << " has no vector";
  EXPECT_EQ(seen.size(), all_messages().size());
}

}  // namespace
}  // namespace harrow::wire
