#include "core/node/node.h"

#include "core/log/checkpoint_files.h"
#include "core/model/trace_payloads.h"
#include "core/node/api_table.h"

namespace harrow {

Node::Node(Host& host, NodeConfig config) : host_(host), config_(std::move(config)) {
  auto settings = ConfigSnapshot::of_broker(config_.properties);
  CHECK_SAYING(settings.has_value(), "the node's properties were checked before");
  settings_ = std::move(*settings);
}

Node::~Node() = default;

void Node::start() { run(host_.scope, Label("node")); }

void Node::fail(const Error& why) {
  host_.trace.emit(TraceKind::node_halted, 0, static_cast<std::int64_t>(why.code));
  host_.halt(why.code);
}

bool Node::ready() const {
  if (!listening_) return false;
  return broker_ == nullptr || broker_->state() == BrokerState::running;
}

Task<Result<bool>> Node::prepare_folder() {
  const std::string path = config_.log_dir + "/meta.properties";
  if (host_.disk.exists(path)) {
    Task<Result<std::string>> reading = read_text(host_.disk, path);
    const Result<std::string> text = co_await reading;
    if (!text) co_return pass(text.error());
    const Result<MetaProperties> found = parse_meta_properties(*text);
    if (!found) co_return pass(found.error());
    if (found->cluster_id != config_.cluster_id || found->node_id != config_.id.value())
      co_return error(Code::inconsistent_cluster_id, "meta.properties belongs to another node or cluster");
    directory_id_ = found->directory_id;
    co_return true;
  }
  Random random = host_.random.fork("directory", static_cast<std::uint64_t>(host_.clock.mono().value()));
  directory_id_.high = random.next();
  directory_id_.low = random.next();
  MetaProperties fresh;
  fresh.cluster_id = config_.cluster_id;
  fresh.node_id = config_.id.value();
  fresh.directory_id = directory_id_;
  Task<Result<bool>> writing = write_durably(host_.disk, path, to_text(fresh));
  co_return co_await writing;
}

QuorumConfig Node::quorum_config() const {
  const auto ms = [this](ConfigKey key) { return settings_.number(key); };
  QuorumConfig quorum;
  quorum.self = config_.id;
  quorum.directory_id = directory_id_;
  quorum.cluster_id = config_.cluster_id;
  quorum.voters = config_.voters;
  quorum.log_dir = config_.log_dir;
  quorum.timeouts.election_ms = ms(ConfigKey::controller_quorum_election_timeout_ms);
  quorum.timeouts.election_backoff_max_ms = ms(ConfigKey::controller_quorum_election_backoff_max_ms);
  quorum.timeouts.fetch_ms = ms(ConfigKey::controller_quorum_fetch_timeout_ms);
  quorum.timeouts.request_ms = ms(ConfigKey::controller_quorum_request_timeout_ms);
  quorum.timeouts.retry_backoff_ms = ms(ConfigKey::controller_quorum_retry_backoff_ms);
  quorum.append_linger_ms = ms(ConfigKey::controller_quorum_append_linger_ms);
  quorum.segment_bytes = static_cast<std::uint64_t>(settings_.is_set(ConfigKey::internal_metadata_log_segment_bytes)
                                                        ? ms(ConfigKey::internal_metadata_log_segment_bytes)
                                                        : ms(ConfigKey::metadata_log_segment_bytes));
  quorum.segment_ms = ms(ConfigKey::metadata_log_segment_ms);
  quorum.retention_bytes = static_cast<std::uint64_t>(ms(ConfigKey::metadata_max_retention_bytes));
  quorum.retention_ms = ms(ConfigKey::metadata_max_retention_ms);
  quorum.snapshot_max_new_record_bytes = static_cast<std::uint64_t>(ms(ConfigKey::metadata_log_max_record_bytes_between_snapshots));
  quorum.snapshot_max_interval_ms = ms(ConfigKey::metadata_log_max_snapshot_interval_ms);
  return quorum;
}

Result<bool> Node::listen(bool on_controller) {
  return host_.net.listen(on_controller ? config_.controller_port : config_.broker_port, [this, on_controller](ConnectionPtr connection) {
    serve_connection(host_.scope, Label("connection"), *this, std::move(connection), on_controller);
  });
}

Root Node::run(Scope&, Label) {
  Task<Result<bool>> preparing = prepare_folder();
  const Result<bool> prepared = co_await preparing;
  if (!prepared) {
    fail(prepared.error());
    co_return;
  }
  quorum_ = std::make_unique<Quorum>(host_, quorum_config(), *this);
  if (config_.is_controller) controller_ = std::make_unique<ControllerShell>(host_, config_, settings_, *quorum_);
  Task<Result<bool>> opening = quorum_->open();
  const Result<bool> opened = co_await opening;
  if (!opened) {
    fail(opened.error());
    co_return;
  }
  if (config_.is_controller) {
    const Result<bool> listening = listen(true);
    if (!listening) {
      fail(listening.error());
      co_return;
    }
  }
  quorum_->start();
  if (config_.is_broker) {
    broker_ = std::make_unique<Broker>(host_, config_, settings_, *quorum_, image_, directory_id_);
    Task<Result<bool>> loading = broker_->load_logs();
    const Result<bool> loaded = co_await loading;
    if (!loaded) {
      fail(loaded.error());
      co_return;
    }
    broker_->start();
    const Result<bool> listening = listen(false);
    if (!listening) {
      fail(listening.error());
      co_return;
    }
  }
  listening_ = true;
  host_.trace.emit(TraceKind::node_started, 0);
}

Task<bool> Node::stop() {
  bool clean = true;
  if (broker_ != nullptr) {
    Task<bool> stopping = broker_->stop();
    clean = co_await stopping;
  }
  if (quorum_ != nullptr) {
    Task<bool> stopping = quorum_->stop();
    const bool stopped = co_await stopping;
    clean = clean && stopped;
  }
  host_.trace.emit(TraceKind::node_stopped, 0, clean ? 1 : 0);
  co_return clean;
}

void Node::emit_image() {
  const ImageNote note{&image_, config_.is_controller, true};
  host_.trace.emit(TraceKind::image_published, 0, image_.offset().value(), static_cast<std::int64_t>(image_.hash()), &note);
}

void Node::on_commit(const CommittedBatch& batch) {
  controller::Delta delta;
  for (std::size_t i = 0; i < batch.records.size(); ++i) {
    const Result<wire::MetadataRecord> record = wire::decode_record(batch.records[i]);
    const Result<void> replayed = record ? image_.replay(*record, batch.base + static_cast<std::int64_t>(i), &delta) : Result<void>(pass(record.error()));
    if (!replayed) {
      fail(replayed.error());
      return;
    }
  }
  image_.advance_to(batch.last);
  if (controller_ != nullptr) {
    const Result<void> applied = controller_->on_commit(batch);
    if (!applied) {
      fail(applied.error());
      return;
    }
  }
  emit_image();
  if (broker_ != nullptr) broker_->publish(delta);
}

void Node::on_leader_known(NodeId, LeaderEpoch) {}

void Node::on_leader(LeaderEpoch epoch, Offset start) {
  if (controller_ != nullptr) controller_->on_leader(epoch, start);
}

void Node::on_resign(LeaderEpoch epoch) {
  if (controller_ != nullptr) controller_->on_resign(epoch, image_.offset() + 1);
}

void Node::load_snapshot(const raft::OffsetAndEpoch& id, std::span<const Bytes> records) {
  std::vector<wire::MetadataRecord> decoded;
  for (const Bytes& value : records) {
    Result<wire::MetadataRecord> record = wire::decode_record(value);
    if (!record) {
      fail(record.error());
      return;
    }
    decoded.push_back(std::move(*record));
  }
  Result<controller::Image> image = controller::image_of(decoded, id.offset - 1);
  if (!image) {
    fail(image.error());
    return;
  }
  image_ = std::move(*image);
  if (controller_ != nullptr) controller_->load(image_);
  emit_image();
  if (broker_ != nullptr) broker_->publish_all();
}

std::vector<Bytes> Node::write_snapshot() {
  std::vector<Bytes> values;
  for (const wire::MetadataRecord& record : controller::snapshot_of(image_)) values.push_back(wire::encode_record(record));
  return values;
}

}  // namespace harrow
