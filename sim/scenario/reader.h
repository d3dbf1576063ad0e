// The reader's inside: one function a section. Only read*.cpp includes this.
#pragma once

#include <algorithm>
#include <set>

#include "sim/scenario/bind.h"
#include "sim/scenario/grammar.h"
#include "sim/scenario/lint.h"
#include "sim/scenario/read.h"

namespace harrow::sim {

class Reader {
 public:
  Reader(std::string path, std::uint64_t seed, Problems& problems) : path_(std::move(path)), problems_(problems) { scenario_.seed = seed; }
  std::optional<BoundScenario> read(Tree tree);

 private:
  void say(const Position& at, std::string text) { problems_.push_back({at, std::move(text)}); }
  void warn(const Position& at, std::string text) { warnings_.push_back({at, std::move(text)}); }

  // read.cpp
  Tree read_cluster(const Tree* tree, const Position& at);
  Tree read_nodes(const Tree* tree, const char* section, const Position& at, const ConfigMap& config, NodeSet& nodes);
  Tree read_hardware(const Value& value, const Position& at, Hardware& hardware);
  Tree read_network(const Tree* tree, const Position& at);
  void read_zones(Bound& bound);
  Tree read_topics(const Tree* tree, const Position& at);
  ConfigMap read_config_file(const Value& file, const ConfigMap& over);
  // read_workload.cpp
  Tree read_workload(const Tree* tree, const Position& at);
  Tree read_producer(const Tree& tree, ProducerPlan& producer, bool& skipped);
  Tree read_consumer(const Tree& tree, ConsumerPlan& consumer);
  Tree read_replay(const Tree& tree, ProducerPlan& producer, bool& skipped);
  std::optional<Tree> preset(const Value& name);
  std::vector<std::string> racks_of(const Value& value, std::int32_t count);
  // read_faults.cpp
  Tree read_faults(const Tree* tree);
  Tree read_fault(const Tree& tree);
  Tree read_random(const Tree& tree, const Position& at);
  void read_target(const FaultRow& row, const Tree& tree, Fault& fault, Tree& shown);
  void read_calls(const std::string& text, const Position& at, Fault& fault);
  void check_selector(const Selector& selector, const Position& at);
  void check_partition(const std::string& topic, std::int32_t partition, const Position& at);
  Tree read_checks(const Tree* tree);
  void read_check(const std::string& name, const Tree& tree, Tree& shown);

  /// A path that the file names, seen from where that file is.
  static std::string beside(const Position& at, const std::string& file);

  std::string path_;
  Problems& problems_;
  Problems warnings_;
  Scenario scenario_;
  Places places_;
  std::set<std::string, std::less<>> ordered_;  // topics whose readers rely on order
  std::vector<std::string> broker_racks_;  // distinct, in order
  std::set<std::string, std::less<>> created_topics_;
};

}  // namespace harrow::sim
