#include "sim/net/link.h"

#include "sim/net/fabric.h"

namespace harrow::sim {
namespace {

constexpr std::int64_t accept_retry_ns = 10 * ns_per_ms;  // while the listening process is paused

}  // namespace

Link::Link(Fabric& fabric, std::uint64_t number, HostIndex client, HostIndex server, std::uint16_t port)
    : fabric_(fabric), number_(number), hosts_{client, server}, port_(port), random_(fabric.random_.fork("link", number)),
      forth_(*this, 0), back_(*this, 1) {}

Link::~Link() {
  forth_.drop_travelling();
  back_.drop_travelling();
  for (End* const end : ends_)
    if (end != nullptr) end->link_ = nullptr;
}

std::unique_ptr<End> Link::make_end(unsigned side, Endpoint peer) {
  auto end = std::make_unique<End>(*this, side, std::move(peer));
  ends_[side] = end.get();
  return end;
}

void Link::emit_closed(unsigned side, Code code) {
  fabric_.kernel_.emit(TraceEvent{TraceKind::connection_closed, hosts_[side], 0, fabric_.kernel_.now_ns(), hosts_[1 - side],
                                  static_cast<std::int64_t>(code)},
                       nullptr);
}

void Link::accept() {
  Port& port = *fabric_.ports_[hosts_[1]];
  const auto listener = port.listeners_.find(port_);
  if (sides_[1] != Side::open || listener == port.listeners_.end()) {
    const std::unique_ptr<End> refused = std::move(unaccepted_);
    return;  // the link may be gone with it
  }
  if (port.queue_->parked()) {
    fabric_.kernel_.at(fabric_.kernel_.now_ns() + accept_retry_ns, accept_);
    return;
  }
  running() = Running{port.queue_, "accept"};
  listener->second(std::move(unaccepted_));
  running() = Running{};
}

void Link::wake_reader(unsigned side) {
  End* const end = ends_[side];
  if (end == nullptr || end->reader_ == nullptr) return;
  if (!stream(1 - side).take(end->limit_bytes_, *end->reader_)) close(side);
}

void Link::send_reset(unsigned side) {
  if (reset_sent_[side]) return;
  reset_sent_[side] = true;
  stream(side).send_mark(Frame::Kind::rst);
}

void Link::close(unsigned side) {
  if (End* const end = ends_[side]; end != nullptr) {
    end->local_closed_ = true;
    if (end->reader_ != nullptr) end->reader_->complete(error(Code::closed, "connection closed"));
    if (end->flusher_ != nullptr) end->flusher_->complete(error(Code::closed, "connection closed"));
  }
  if (sides_[side] != Side::open) return;
  sides_[side] = Side::closed;
  // As TCP does: with bytes unread, the peer is told that they were in vain.
  if (stream(1 - side).has_arrived()) send_reset(side);
  else stream(side).send_mark(Frame::Kind::fin);
  stream(1 - side).discard_arrived();
  emit_closed(side, Code::closed);
}

void Link::fail(unsigned side, Code code) {
  if (sides_[side] == Side::crashed) return;
  const bool was_open = sides_[side] == Side::open;
  sides_[side] = Side::closed;
  stream(side).drop_travelling();
  if (!was_open) return;
  if (End* const end = ends_[side]; end != nullptr) {
    end->error_ = code;
    if (end->reader_ != nullptr) end->reader_->complete(error(code, "connection reset"));
    if (end->flusher_ != nullptr) end->flusher_->complete(error(code, "connection reset"));
  }
  emit_closed(side, code);
}

void Link::peer_closed(unsigned side) {
  End* const end = ends_[side];
  if (end == nullptr || end->error_ != Code::none) return;
  end->error_ = Code::closed;
  if (end->reader_ != nullptr) end->reader_->complete(error(Code::closed, "closed by the peer"));
}

void Link::kill(unsigned side, bool host_lives) {
  const bool was_open = sides_[side] == Side::open;
  if (End* const end = ends_[side]; end != nullptr) {
    if (end->reader_ != nullptr) end->reader_->detach();
    if (end->flusher_ != nullptr) end->flusher_->detach();
    end->local_closed_ = true;
    end->error_ = Code::connection_reset;
  }
  if (!was_open && host_lives) return;  // its kernel goes on with what was closed
  sides_[side] = Side::crashed;
  stream(1 - side).discard_arrived();
  stream(side).drop_unsent();
  if (host_lives) send_reset(side);
  else if (!keepalive_.armed()) fabric_.kernel_.at(fabric_.kernel_.now_ns() + fabric_.profile_.keepalive_ns, keepalive_);
}

void Link::Keepalive::fire() {
  for (unsigned side = 0; side < 2; ++side)
    if (link_.sides_[1 - side] == Side::crashed) link_.fail(side, Code::connection_reset);
}

void Link::rules_changed() {
  bool reset = false;
  bool dropping = false;
  for (const auto& [id, standing] : fabric_.rules_) {
    const Rule& rule = standing.rule;
    if (!rule.covers(hosts_[0], hosts_[1]) && !rule.covers(hosts_[1], hosts_[0])) continue;
    reset = reset || (!rule.api && rule.mode == RuleMode::reset);
    dropping = dropping || rule.mode == RuleMode::drop;
  }
  if (reset || (broken_ && !dropping)) {
    broken_ = false;
    return fail_both();
  }
  forth_.rules_changed();
  back_.rules_changed();
}

void Link::end_gone(unsigned side) {
  close(side);
  ends_[side] = nullptr;
  if (ends_[0] == nullptr && ends_[1] == nullptr) delete this;
}

// --- what a node holds

End::~End() {
  if (link_ != nullptr) link_->end_gone(side_);
}

void End::send(Bytes frame) {
  if (link_ == nullptr || local_closed_ || (error_ != Code::none && error_ != Code::closed)) return;
  link_->stream(side_).send(std::move(frame));
}

std::uint64_t End::unsent_bytes() const { return link_ == nullptr ? 0 : link_->stream(side_).unsent_bytes(); }

void End::close() {
  if (link_ != nullptr && !local_closed_) link_->close(side_);
}

bool End::closed() const { return link_ == nullptr || local_closed_ || error_ != Code::none; }

void End::start_read(std::uint32_t limit_bytes, Completion<Result<Bytes>>& done) {
  CHECK_SAYING(reader_ == nullptr, "one reader at a time");
  if (link_ == nullptr || local_closed_) return done.complete(error(Code::closed, "connection closed"));
  Stream& incoming = link_->stream(1 - side_);
  if (incoming.has_arrived()) {
    if (!incoming.take(limit_bytes, done)) link_->close(side_);
    return;
  }
  if (error_ != Code::none) return done.complete(error(error_, "connection gone"));
  limit_bytes_ = limit_bytes;
  done.attach(&reader_);
}

void End::start_flush(Completion<Result<bool>>& done) {
  if (link_ == nullptr || local_closed_) return done.complete(error(Code::closed, "connection closed"));
  if (error_ != Code::none && error_ != Code::closed) return done.complete(error(error_, "connection gone"));
  if (link_->stream(side_).unsent_bytes() == 0) return done.complete(true);
  CHECK_SAYING(flusher_ == nullptr, "one flush at a time");
  done.attach(&flusher_);
}

}  // namespace harrow::sim
