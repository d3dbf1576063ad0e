#include "core/node/api/refusals.h"

namespace harrow {
namespace {

std::int16_t number_of(Code code) { return static_cast<std::int16_t>(to_wire(code)); }

/// One row a resource, group or topic of the request.
template <class Rows, class Asked, class Fill>
void mirror(Rows& rows, const Asked& asked, Code code, Fill fill) {
  rows.reserve(asked.size());
  for (const auto& one : asked) {
    auto& row = rows.emplace_back();
    row.error_code = number_of(code);
    fill(row, one);
  }
}

template <class Response, class Request>
Response refuse_resources(const Request& request, Code code) {
  Response response;
  mirror(response.responses, request.resources, code, [](auto& row, const auto& resource) {
    row.resource_type = resource.resource_type;
    row.resource_name = resource.resource_name;
  });
  return response;
}

}  // namespace

wire::ProduceResponse refuse(const wire::ProduceRequest& request, Code code) {
  wire::ProduceResponse response;
  for (const auto& topic : request.topic_data) {
    auto& answered = response.responses.emplace_back();
    answered.name = topic.name;
    answered.topic_id = topic.topic_id;
    mirror(answered.partition_responses, topic.partition_data, code, [](auto& row, const auto& partition) {
      row.index = partition.index;
      row.base_offset = -1;
    });
  }
  return response;
}

wire::ListOffsetsResponse refuse(const wire::ListOffsetsRequest& request, Code code) {
  wire::ListOffsetsResponse response;
  for (const auto& topic : request.topics) {
    auto& answered = response.topics.emplace_back();
    answered.name = topic.name;
    mirror(answered.partitions, topic.partitions, code, [](auto& row, const auto& partition) { row.partition_index = partition.partition_index; });
  }
  return response;
}

wire::OffsetCommitResponse refuse(const wire::OffsetCommitRequest& request, Code code) {
  wire::OffsetCommitResponse response;
  for (const auto& topic : request.topics) {
    auto& answered = response.topics.emplace_back();
    answered.name = topic.name;
    answered.topic_id = topic.topic_id;
    mirror(answered.partitions, topic.partitions, code, [](auto& row, const auto& partition) { row.partition_index = partition.partition_index; });
  }
  return response;
}

// Version 8 on asks for groups; before, for topics of one, and the error stands at the top as well.
wire::OffsetFetchResponse refuse(const wire::OffsetFetchRequest& request, Code code) {
  wire::OffsetFetchResponse response;
  if (!request.groups.empty()) {
    mirror(response.groups, request.groups, code, [](auto& row, const auto& group) { row.group_id = group.group_id; });
    return response;
  }
  response.error_code = number_of(code);
  if (!request.topics) return response;
  for (const auto& topic : *request.topics) {
    auto& answered = response.topics.emplace_back();
    answered.name = topic.name;
    mirror(answered.partitions, topic.partition_indexes, code, [](auto& row, std::int32_t partition) {
      row.partition_index = partition;
      row.committed_offset = -1;
    });
  }
  return response;
}

// Version 4 on asks for several keys.
wire::FindCoordinatorResponse refuse(const wire::FindCoordinatorRequest& request, Code code) {
  wire::FindCoordinatorResponse response;
  if (request.coordinator_keys.empty()) {
    response.error_code = number_of(code);
    response.node_id = -1;
    response.port = -1;
    return response;
  }
  mirror(response.coordinators, request.coordinator_keys, code, [](auto& row, const std::string& key) {
    row.key = key;
    row.node_id = -1;
    row.port = -1;
  });
  return response;
}

wire::DescribeGroupsResponse refuse(const wire::DescribeGroupsRequest& request, Code code) {
  wire::DescribeGroupsResponse response;
  mirror(response.groups, request.groups, code, [](auto& row, const std::string& group) { row.group_id = group; });
  return response;
}

wire::CreateTopicsResponse refuse(const wire::CreateTopicsRequest& request, Code code) {
  wire::CreateTopicsResponse response;
  mirror(response.topics, request.topics, code, [](auto& row, const auto& topic) { row.name = topic.name; });
  return response;
}

wire::DeleteTopicsResponse refuse(const wire::DeleteTopicsRequest& request, Code code) {
  wire::DeleteTopicsResponse response;
  mirror(response.responses, request.topics, code, [](auto& row, const auto& topic) {
    row.name = topic.name;
    row.topic_id = topic.topic_id;
  });
  mirror(response.responses, request.topic_names, code, [](auto& row, const std::string& name) { row.name = name; });
  return response;
}

wire::DeleteRecordsResponse refuse(const wire::DeleteRecordsRequest& request, Code code) {
  wire::DeleteRecordsResponse response;
  for (const auto& topic : request.topics) {
    auto& answered = response.topics.emplace_back();
    answered.name = topic.name;
    mirror(answered.partitions, topic.partitions, code, [](auto& row, const auto& partition) {
      row.partition_index = partition.partition_index;
      row.low_watermark = -1;
    });
  }
  return response;
}

wire::OffsetForLeaderEpochResponse refuse(const wire::OffsetForLeaderEpochRequest& request, Code code) {
  wire::OffsetForLeaderEpochResponse response;
  for (const auto& topic : request.topics) {
    auto& answered = response.topics.emplace_back();
    answered.topic = topic.topic;
    mirror(answered.partitions, topic.partitions, code, [](auto& row, const auto& partition) { row.partition = partition.partition; });
  }
  return response;
}

wire::DescribeConfigsResponse refuse(const wire::DescribeConfigsRequest& request, Code code) {
  wire::DescribeConfigsResponse response;
  mirror(response.results, request.resources, code, [](auto& row, const auto& resource) {
    row.resource_type = resource.resource_type;
    row.resource_name = resource.resource_name;
  });
  return response;
}

wire::AlterConfigsResponse refuse(const wire::AlterConfigsRequest& request, Code code) { return refuse_resources<wire::AlterConfigsResponse>(request, code); }

wire::IncrementalAlterConfigsResponse refuse(const wire::IncrementalAlterConfigsRequest& request, Code code) {
  return refuse_resources<wire::IncrementalAlterConfigsResponse>(request, code);
}

wire::CreatePartitionsResponse refuse(const wire::CreatePartitionsRequest& request, Code code) {
  wire::CreatePartitionsResponse response;
  mirror(response.results, request.topics, code, [](auto& row, const auto& topic) { row.name = topic.name; });
  return response;
}

wire::DeleteGroupsResponse refuse(const wire::DeleteGroupsRequest& request, Code code) {
  wire::DeleteGroupsResponse response;
  mirror(response.results, request.groups_names, code, [](auto& row, const std::string& group) { row.group_id = group; });
  return response;
}

wire::DescribeProducersResponse refuse(const wire::DescribeProducersRequest& request, Code code) {
  wire::DescribeProducersResponse response;
  for (const auto& topic : request.topics) {
    auto& answered = response.topics.emplace_back();
    answered.name = topic.name;
    mirror(answered.partitions, topic.partition_indexes, code, [](auto& row, std::int32_t partition) { row.partition_index = partition; });
  }
  return response;
}

wire::DescribeTopicPartitionsResponse refuse(const wire::DescribeTopicPartitionsRequest& request, Code code) {
  wire::DescribeTopicPartitionsResponse response;
  mirror(response.topics, request.topics, code, [](auto& row, const auto& topic) { row.name = topic.name; });
  return response;
}

// The partitions that have something to say: a session's others are known to their client already.
bool mark(wire::FetchResponse& response, Code code) {
  bool any = false;
  for (auto& topic : response.responses)
    for (auto& partition : topic.partitions) {
      partition.error_code = number_of(code);
      partition.high_watermark = -1;
      partition.last_stable_offset = -1;
      partition.log_start_offset = -1;
      partition.records = Bytes();
      any = true;
    }
  return any;
}

bool mark(wire::MetadataResponse& response, Code code) {
  for (auto& topic : response.topics) {
    topic.error_code = number_of(code);
    topic.partitions.clear();
  }
  return !response.topics.empty();
}

}  // namespace harrow
