// The connections of one client: one a broker for its work, one more a broker for coordinating (as Java has, so that a
// long fetch never stands before a heartbeat), and one a bootstrap address until brokers are known.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "core/client/broker_connection.h"

namespace harrow {

class ConnectionPool final : public ConnectionListener {
 public:
  ConnectionPool(Host& host, const ClientConfig& config);

  /// What metadata said last. Addresses of brokers that are no longer named are kept until they are named anew.
  void set_broker(NodeId node, const Endpoint& endpoint);
  /// The brokers that any() may pick: those of the newest metadata.
  void set_live(std::vector<NodeId> live) { live_ = std::move(live); }
  bool knows(NodeId node) const { return endpoints_.contains(node); }

  /// The work connection to a known broker.
  BrokerConnection& to(NodeId node);
  /// The coordinating connection.
  BrokerConnection& coordinator(NodeId node, const Endpoint& endpoint);
  /// A broker for a request that any broker answers: up and least loaded if there is one.
  BrokerConnection& any();

  void add_listener(ConnectionListener& listener) { listeners_.push_back(&listener); }
  void connection_changed(BrokerConnection& connection) override;

 private:
  Host& host_;
  const ClientConfig& config_;
  Random random_;
  std::map<NodeId, Endpoint> endpoints_;
  std::vector<NodeId> live_;
  std::vector<ConnectionListener*> listeners_;
  std::map<NodeId, std::unique_ptr<BrokerConnection>> brokers_;  // bootstrap addresses at -2, -3, ...
  std::map<NodeId, std::unique_ptr<BrokerConnection>> coordinators_;
};

}  // namespace harrow
