// What a group's leader deals out.
#include "core/client/assignors.h"

#include <gtest/gtest.h>

#include <set>

namespace harrow::test {
namespace {

using Partitions = std::vector<TopicPartition>;

Partitions orders(std::initializer_list<std::int32_t> numbers) {
  Partitions partitions;
  for (const std::int32_t number : numbers) partitions.push_back({"orders", number});
  return partitions;
}

group::Subscription member(Partitions owned = {}, std::int32_t generation = -1) {
  group::Subscription subscription;
  subscription.topics = {"orders"};
  subscription.owned = std::move(owned);
  subscription.generation = generation;
  return subscription;
}

GroupAssignment deal(const GroupSubscriptions& members, std::int32_t partitions, Assignor assignor = Assignor::cooperative_sticky) {
  return assign_partitions(assignor, members, {{"orders", partitions}});
}

TEST(Assignors, cooperative_sticky_gives_what_moves_to_nobody_until_its_owner_let_go) {
  const GroupAssignment first = deal({{"a", member(orders({0, 1, 2, 3}), 1)}, {"b", member()}}, 4);
  ASSERT_EQ(first.at("a").size(), 2u);
  EXPECT_TRUE(first.at("b").empty());
  const GroupAssignment second = deal({{"a", member(first.at("a"), 2)}, {"b", member({}, 2)}}, 4);
  EXPECT_EQ(second.at("a"), first.at("a")) << "what stays, stays";
  EXPECT_EQ(second.at("b").size(), 2u);
}

TEST(Assignors, cooperative_sticky_gives_what_nobody_holds_at_once) {
  const GroupAssignment dealt = deal({{"a", member(orders({0, 1}), 4)}, {"c", member(orders({4, 5}), 4)}}, 6);
  EXPECT_EQ(dealt.at("a").size(), 3u);
  EXPECT_EQ(dealt.at("c").size(), 3u);
}

TEST(Assignors, of_two_claims_the_later_generation_counts) {
  for (const char* const stale : {"a", "z"}) {
    const GroupAssignment dealt = deal({{stale, member(orders({0, 1}), 3)}, {"m", member(orders({0, 1}), 5)}}, 4);
    EXPECT_EQ(dealt.at("m"), orders({0, 1})) << stale;
    EXPECT_EQ(dealt.at(stale), orders({2, 3}));
  }
}

TEST(Assignors, a_claim_of_two_in_one_generation_counts_for_neither_and_is_given_up_by_both) {
  const GroupAssignment dealt = deal({{"a", member(orders({0, 1, 2}), 3)}, {"b", member(orders({2, 3, 4}), 3)}, {"c", member()}}, 6);
  EXPECT_EQ(dealt.at("a"), orders({0, 1}));
  EXPECT_EQ(dealt.at("b"), orders({3, 4}));
  EXPECT_EQ(dealt.at("c"), orders({5})) << "2 must be revoked by both first";
  const GroupAssignment settled = deal({{"a", member(orders({0, 1, 2}), 3)}, {"b", member(orders({2, 3, 4}), 3)}, {"c", member(orders({2, 5}), 4)}}, 6);
  EXPECT_EQ(settled.at("c"), orders({2, 5})) << "a later claim settles it";
}

TEST(Assignors, a_member_that_leaves_or_joins_moves_no_more_than_balance_asks_for) {
  const GroupSubscriptions three{{"a", member(orders({0, 3, 6, 9}), 7)}, {"b", member(orders({1, 4, 7, 10}), 7)}, {"c", member()}};
  const GroupAssignment joined = deal(three, 12);
  for (const std::string id : {"a", "b"}) {
    EXPECT_EQ(joined.at(id).size(), 4u);
    EXPECT_EQ(joined.at(id), three.at(id).owned);
  }
  EXPECT_EQ(joined.at("c"), orders({2, 5, 8, 11})) << "they were nobody's";
}

TEST(Assignors, a_strategy_is_cooperative_only_if_all_of_it_is) {
  EXPECT_TRUE(is_cooperative(std::vector{Assignor::cooperative_sticky}));
  EXPECT_FALSE(is_cooperative(std::vector{Assignor::range, Assignor::cooperative_sticky}));
  EXPECT_FALSE(is_cooperative(std::vector<Assignor>{}));
  EXPECT_EQ(assignor_named("cooperative-sticky"), Assignor::cooperative_sticky);
  EXPECT_EQ(assignor_named("uniform"), std::nullopt);
}

}  // namespace
}  // namespace harrow::test
