#include "core/client/connection_pool.h"

namespace harrow {

ConnectionPool::ConnectionPool(Host& host, const ClientConfig& config)
    : host_(host), config_(config), random_(host.random.fork(config.client_id).fork("least loaded broker")) {}

void ConnectionPool::set_broker(NodeId node, const Endpoint& endpoint) {
  endpoints_[node] = endpoint;
  const auto found = brokers_.find(node);
  if (found != brokers_.end()) found->second->set_endpoint(endpoint);
}

BrokerConnection& ConnectionPool::to(NodeId node) {
  std::unique_ptr<BrokerConnection>& connection = brokers_[node];
  if (connection == nullptr) {
    const auto endpoint = endpoints_.find(node);
    CHECK_SAYING(endpoint != endpoints_.end(), "only known brokers have a connection");
    connection = std::make_unique<BrokerConnection>(host_, config_, node, endpoint->second, this);
  }
  return *connection;
}

BrokerConnection& ConnectionPool::coordinator(NodeId node, const Endpoint& endpoint) {
  std::unique_ptr<BrokerConnection>& connection = coordinators_[node];
  if (connection == nullptr) connection = std::make_unique<BrokerConnection>(host_, config_, node, endpoint, this);
  connection->set_endpoint(endpoint);
  return *connection;
}

BrokerConnection& ConnectionPool::any() {
  CHECK_SAYING(!config_.bootstrap_servers.empty(), "a client needs a bootstrap address");
  BrokerConnection* best = nullptr;
  std::size_t best_cost = SIZE_MAX;
  const auto consider = [&](BrokerConnection& connection) {
    const std::size_t cost = connection.up() ? connection.in_flight() : connection.backing_off() ? 2000 : 1000;
    if (cost >= best_cost) return;
    best = &connection;
    best_cost = cost;
  };
  // Starting somewhere else each time spreads clients that have no reason to choose.
  if (!live_.empty()) {
    const std::size_t start = random_.below(live_.size());
    for (std::size_t i = 0; i < live_.size(); ++i) consider(to(live_[(start + i) % live_.size()]));
  }
  if (best_cost < 2000) return *best;
  const std::size_t count = config_.bootstrap_servers.size();
  const std::size_t start = random_.below(count);
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t index = (start + i) % count;
    std::unique_ptr<BrokerConnection>& connection = brokers_[NodeId(-2 - static_cast<std::int32_t>(index))];
    if (connection == nullptr) {
      connection = std::make_unique<BrokerConnection>(host_, config_, NodeId(-2 - static_cast<std::int32_t>(index)),
                                                      config_.bootstrap_servers[index], this);
    }
    consider(*connection);
  }
  return *best;
}

void ConnectionPool::connection_changed(BrokerConnection& connection) {
  for (ConnectionListener* const listener : listeners_) listener->connection_changed(connection);
}

}  // namespace harrow
