// Every message at every version: what is encoded is decoded to the same, cut input is refused, no input crashes.
#include <gtest/gtest.h>

#include "core/base/buffer.h"
#include "core/base/random.h"
#include "core/wire/any_message.h"
#include "core/wire/api.h"

namespace harrow::wire {
namespace {

Bytes encoded(const AnyMessage& message, std::int16_t version) {
  Writer w;
  message.encode(w, version);
  return w.finish();
}

template <class Each>
void each_version(Each each) {
  for (const MessageInfo* const info : all_messages())
    for (std::int16_t version = info->min_version; version <= info->max_version; ++version) {
      SCOPED_TRACE(std::string(info->name) + " version " + std::to_string(version));
      each(*info, version);
      if (testing::Test::HasFailure()) return;
    }
}

TEST(WireRoundTrip, EveryMessageAtEveryVersionComesBackAsItWas) {
  Random random(1);
  each_version([&](const MessageInfo& info, std::int16_t version) {
    for (int i = 0; i < 20; ++i) {
      const auto message = info.create();
      message->randomise(random, version);
      const Bytes bytes = encoded(*message, version);
      Reader r(bytes);
      const auto again = info.decode(r, version);
      ASSERT_TRUE(again.has_value()) << message->print();
      ASSERT_EQ(r.left(), 0u) << message->print();
      ASSERT_TRUE((*again)->equals(*message)) << message->print() << "\n" << (*again)->print();
      ASSERT_EQ(encoded(**again, version).to_hex(), bytes.to_hex());
      ASSERT_EQ((*again)->print(), message->print());
    }
  });
}

TEST(WireRoundTrip, AFreshMessageIsEqualToAnotherAndPrintsAsOneObject) {
  each_version([&](const MessageInfo& info, std::int16_t version) {
    const auto message = info.create();
    const std::string text = message->print();
    EXPECT_EQ(text.front(), '{');
    EXPECT_EQ(text.back(), '}');
    EXPECT_TRUE(message->equals(*info.create()));
  });
}

TEST(WireRoundTrip, AMessageCutAtAnyByteIsRefused) {
  Random random(2);
  each_version([&](const MessageInfo& info, std::int16_t version) {
    for (int i = 0; i < 2; ++i) {
      const auto message = info.create();
      message->randomise(random, version);
      const Bytes bytes = encoded(*message, version);
      const std::uint64_t limit = std::min<std::uint64_t>(bytes.size(), 600);
      for (std::uint64_t size = 0; size < limit; ++size) {
        const Bytes cut = bytes.sub(0, size);
        Reader r(cut);
        ASSERT_FALSE(info.decode(r, version).has_value()) << "cut to " << size << " of " << bytes.size();
      }
    }
  });
}

TEST(WireRoundTrip, AMessageInManySlicesReadsLikeOneInOne) {
  Random random(3);
  each_version([&](const MessageInfo& info, std::int16_t version) {
    const auto message = info.create();
    message->randomise(random, version);
    const Bytes bytes = encoded(*message, version);
    Bytes pieces;
    for (std::uint64_t at = 0; at < bytes.size();) {
      const std::uint64_t size = std::min<std::uint64_t>(1 + random.below(7), bytes.size() - at);
      pieces.append(Bytes::copy_of(bytes.sub(at, size).to_string()));
      at += size;
    }
    Reader r(pieces);
    const auto again = info.decode(r, version);
    ASSERT_TRUE(again.has_value());
    ASSERT_TRUE((*again)->equals(*message));
  });
}

TEST(WireRoundTrip, DamagedInputIsReadOrRefusedButNeverCrashes) {
  Random random(4);
  each_version([&](const MessageInfo& info, std::int16_t version) {
    const auto message = info.create();
    message->randomise(random, version);
    const std::string good = encoded(*message, version).to_string();
    for (int i = 0; i < 20 && !good.empty(); ++i) {
      std::string raw = good;
      for (std::uint64_t n = 1 + random.below(4); n > 0; --n) {
        const std::size_t at = static_cast<std::size_t>(random.below(raw.size()));
        raw[at] = static_cast<char>(random.chance(1, 2) ? 0xff : random.below(256));
      }
      const Bytes bytes = Bytes::copy_of(raw);
      Reader r(bytes);
      const auto decoded = info.decode(r, version);
      if (!decoded) continue;
      // What was understood can be said again, and is then understood to be the same.
      const Bytes canonical = encoded(**decoded, version);
      Reader second(canonical);
      const auto again = info.decode(second, version);
      ASSERT_TRUE(again.has_value()) << (*decoded)->print();
      ASSERT_EQ(encoded(**again, version).to_hex(), canonical.to_hex());
    }
  });
}

TEST(WireRoundTrip, VersionsOutsideTheTableAreRefused) {
  for (const MessageInfo* const info : all_messages()) {
    const Bytes nothing = Bytes::zeros(64);
    for (const int version : {info->min_version - 1, info->max_version + 1}) {
      Reader r(nothing);
      const auto decoded = info->decode(r, static_cast<std::int16_t>(version));
      ASSERT_FALSE(decoded.has_value()) << info->name;
      EXPECT_EQ(decoded.error().code, Code::unsupported_version);
    }
  }
}

TEST(WireRoundTrip, AHugeCountInAShortMessageAllocatesNothingAndIsRefused) {
  for (const MessageInfo* const info : all_messages()) {
    for (std::int16_t version = info->min_version; version <= info->max_version; ++version) {
      const Bytes all_ones = Bytes::copy_of(std::string("\x7f\xff\xff\xff\x7f\xff\xff\xff\x7f\xff\xff\xff", 12));
      Reader r(all_ones);
      const auto decoded = info->decode(r, version);
      if (decoded) {
        EXPECT_LT((*decoded)->print().size(), 2000u) << info->name;
      }
    }
  }
}

TEST(WireRegistry, FindsMessagesByNameAndApisByNumber) {
  ASSERT_NE(find_message("FetchRequest"), nullptr);
  EXPECT_EQ(find_message("FetchRequest")->key, 1);
  EXPECT_EQ(find_message("NoSuchMessage"), nullptr);
  for (const ApiInfo& info : all_apis()) {
    EXPECT_EQ(find_api(static_cast<std::int16_t>(info.key)), &info);
    for (const char* const part : {"Request", "Response"}) {
      const MessageInfo* const message = find_message(std::string(info.name) + part);
      ASSERT_NE(message, nullptr) << info.name;
      EXPECT_EQ(message->min_version, info.min_version);
      EXPECT_EQ(message->max_version, info.newest_version);
    }
  }
  EXPECT_EQ(find_api(4), nullptr);
  EXPECT_EQ(find_api(-1), nullptr);
  EXPECT_EQ(find_api(1000), nullptr);
}

}  // namespace
}  // namespace harrow::wire
