// Answers that only say why a request is refused: each topic, partition, group or resource that it names gets the error,
// as Kafka's getErrorResponse does. Nothing took effect.
// `mark` puts the error into an answer that was worked out (reads, which change nothing); false if it has no place for it.
#pragma once

#include "core/node/api/handlers.h"

namespace harrow {

wire::ProduceResponse refuse(const wire::ProduceRequest& request, Code code);
wire::ListOffsetsResponse refuse(const wire::ListOffsetsRequest& request, Code code);
wire::OffsetCommitResponse refuse(const wire::OffsetCommitRequest& request, Code code);
wire::OffsetFetchResponse refuse(const wire::OffsetFetchRequest& request, Code code);
wire::FindCoordinatorResponse refuse(const wire::FindCoordinatorRequest& request, Code code);
wire::DescribeGroupsResponse refuse(const wire::DescribeGroupsRequest& request, Code code);
wire::CreateTopicsResponse refuse(const wire::CreateTopicsRequest& request, Code code);
wire::DeleteTopicsResponse refuse(const wire::DeleteTopicsRequest& request, Code code);
wire::DeleteRecordsResponse refuse(const wire::DeleteRecordsRequest& request, Code code);
wire::OffsetForLeaderEpochResponse refuse(const wire::OffsetForLeaderEpochRequest& request, Code code);
wire::DescribeConfigsResponse refuse(const wire::DescribeConfigsRequest& request, Code code);
wire::AlterConfigsResponse refuse(const wire::AlterConfigsRequest& request, Code code);
wire::IncrementalAlterConfigsResponse refuse(const wire::IncrementalAlterConfigsRequest& request, Code code);
wire::CreatePartitionsResponse refuse(const wire::CreatePartitionsRequest& request, Code code);
wire::DeleteGroupsResponse refuse(const wire::DeleteGroupsRequest& request, Code code);
wire::DescribeProducersResponse refuse(const wire::DescribeProducersRequest& request, Code code);
wire::DescribeTopicPartitionsResponse refuse(const wire::DescribeTopicPartitionsRequest& request, Code code);

bool mark(wire::FetchResponse& response, Code code);
bool mark(wire::MetadataResponse& response, Code code);

}  // namespace harrow
