// A plan's client settings (Java's names) as our client's configuration. The reader has checked names and values.
#pragma once

#include "core/client/consumer.h"
#include "core/client/producer.h"
#include "sim/scenario/scenario.h"

namespace harrow::sim {

ProducerConfig producer_config_of(const ProducerPlan& plan, std::vector<Endpoint> bootstrap, std::string client_id);
ConsumerConfig consumer_config_of(const ConsumerPlan& plan, std::vector<Endpoint> bootstrap, std::string client_id, const std::string& rack);

}  // namespace harrow::sim
