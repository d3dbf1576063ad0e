// Stream: one direction of a link.
#include <algorithm>

#include "core/model/trace_payloads.h"
#include "sim/net/fabric.h"
#include "sim/net/latency.h"
#include "sim/net/link.h"

namespace harrow::sim {
namespace {

constexpr std::uint32_t segment_bytes = 1448;
constexpr std::uint64_t longest_frame_bytes = 1u << 30;

std::uint32_t be32(const std::uint8_t* at) {
  return std::uint32_t{at[0]} << 24 | std::uint32_t{at[1]} << 16 | std::uint32_t{at[2]} << 8 | at[3];
}

/// The first `size` bytes of a rope that is at least so long.
const std::uint8_t* head_of(const Bytes& bytes, std::size_t size, std::uint8_t* scratch) {
  const std::span<const Slice> slices = bytes.slices();
  if (slices[0].size() >= size) [[likely]] return slices[0].data();
  bytes.copy_to(0, std::span(scratch, size));
  return scratch;
}

}  // namespace

void FrameRing::grow() {
  std::vector<Frame> larger(frames_.empty() ? 4 : frames_.size() * 2);
  for (std::size_t i = 0; i < size_; ++i) larger[i] = std::move((*this)[i]);
  frames_ = std::move(larger);
  head_ = 0;
}

Stream::Stream(Link& link, unsigned side)
    : link_(link), side_(side), random_(link.random_.fork(side == 0 ? "forth" : "back")) {
  Fabric& fabric = link.fabric_;
  const Topology::Path& path = fabric.topology_.path(link.hosts_[side], link.hosts_[1 - side]);
  base_ns_ = path.one_way_ns;
  path_ = fabric.pipes_of(path.pipes);
}

// --- the sender's side

void Stream::send(Bytes&& frame) {
  if (closing_) return;
  if (partial_.empty() && frame.size() >= 4) [[likely]] {
    std::uint8_t scratch[4];
    if (be32(head_of(frame, 4, scratch)) == frame.size() - 4) [[likely]] return put(std::move(frame), Frame::Kind::data);
  }
  assemble(std::move(frame));
}

void Stream::assemble(Bytes bytes) {
  partial_.append(bytes);
  while (partial_.size() >= 4) {
    std::uint8_t scratch[4];
    const std::uint32_t size = be32(head_of(partial_, 4, scratch));
    if (size > longest_frame_bytes) {
      put(std::move(partial_), Frame::Kind::malformed);
      partial_.clear();
      return;
    }
    if (partial_.size() - 4 < size) return;
    put(partial_.sub(0, std::uint64_t{size} + 4), Frame::Kind::data);
    partial_ = partial_.from(std::uint64_t{size} + 4);
  }
}

void Stream::send_mark(Frame::Kind kind) {
  closing_ = true;
  put(Bytes(), kind);
}

void Stream::note_api(Frame& frame) {
  std::uint8_t scratch[12];
  if (side_ == 0) {
    if (frame.size < 12) return;
    const std::uint8_t* const head = head_of(frame.bytes, 12, scratch);
    frame.api = static_cast<std::int16_t>(head[4] << 8 | head[5]);
    if (link_.asked_count_ == Link::asked_limit) {
      ++link_.first_asked_;
      --link_.asked_count_;
    }
    link_.asked_[(link_.first_asked_ + link_.asked_count_++) % Link::asked_limit] =
        Link::Asked{static_cast<std::int32_t>(be32(head + 8)), frame.api};
    return;
  }
  if (frame.size < 8) return;
  const auto correlation = static_cast<std::int32_t>(be32(head_of(frame.bytes, 8, scratch) + 4));
  for (std::uint32_t i = 0; i < link_.asked_count_; ++i) {
    const Link::Asked& asked = link_.asked_[(link_.first_asked_ + i) % Link::asked_limit];
    if (asked.correlation != correlation) continue;
    frame.api = asked.api;
    link_.first_asked_ += i + 1;
    link_.asked_count_ -= i + 1;
    return;
  }
}

bool Stream::fits(const Frame& frame) const {
  return window_used_ == 0 || frame.size == 0 || window_used_ + frame.size <= link_.fabric_.profile_.receive_buffer_bytes;
}

void Stream::put(Bytes&& bytes, Frame::Kind kind) {
  Fabric& fabric = link_.fabric_;
  const bool behind_others = stalled() > 0;
  Frame& frame = ring_.push_back();
  frame.size = static_cast<std::uint32_t>(bytes.size());
  frame.bytes = std::move(bytes);
  frame.kind = kind;
  frame.api = -1;
  frame.judged = false;
  frame.sent_ns = fabric.kernel_.now_ns();
  if (kind == Frame::Kind::data) note_api(frame);
  ++fabric.frames_sent_;
  ++fabric.frames_in_flight_;
  if (behind_others || !fits(frame)) {
    unsent_ += frame.size;
    return;
  }
  launch(frame);
}

void Stream::launch(Frame& frame) {
  Fabric& fabric = link_.fabric_;
  window_used_ += frame.size;
  if (effects_.generation != fabric.rules_generation_) [[unlikely]] refresh();
  if (transmitting_ > 0) {
    ++transmitting_;
    return;
  }
  std::int64_t transmission_ns = 0;
  if (frame.size > 0) transmission_ns = effects_.narrowed ? -1 : fabric.sharing_.try_pass(path_, frame.size);
  if (transmission_ns < 0) {
    transmitting_ = 1;
    fabric.sharing_.start(transmission_, narrowed_, effects_.cap, frame.size);
    return;
  }
  depart(frame, fabric.kernel_.now_ns() + transmission_ns);
}

std::uint64_t Stream::transmitted() {
  const std::int64_t now = link_.fabric_.kernel_.now_ns();
  while (transmitting_ > 0) {
    --transmitting_;
    depart(ring_[arrived_ + travelling_], now);
    if (transmitting_ > 0 && ring_[arrived_ + travelling_].size > 0) return ring_[arrived_ + travelling_].size;
  }
  return 0;
}

void Stream::depart(Frame& frame, std::int64_t time_ns) {
  const TransportProfile& profile = link_.fabric_.profile_;
  std::int64_t latency = base_ns_ + effects_.extra_delay_ns;
  if (profile.jitter_mean_ns > 0) latency += draw_exponential(profile.jitter_mean_ns, random_);
  if (profile.slow_ppm != 0 && random_.below(1'000'000) < profile.slow_ppm) latency += draw_exponential(profile.slow_mean_ns, random_);
  if (effects_.loss_ppm != 0) [[unlikely]] latency += retransmission_ns(frame);
  last_arrival_ns_ = std::max(last_arrival_ns_, time_ns + latency);
  frame.arrival_ns = last_arrival_ns_;
  if (++travelling_ == 1) link_.fabric_.kernel_.at(frame.arrival_ns, arrival_);
}

std::int64_t Stream::retransmission_ns(const Frame& frame) {
  const TransportProfile& profile = link_.fabric_.profile_;
  const std::uint64_t segments = frame.size / segment_bytes + 1;
  std::uint64_t lost_ppm = std::min<std::uint64_t>(segments * effects_.loss_ppm, 990'000);
  std::int64_t delay = 0;
  std::int64_t rto = profile.rto_min_ns;
  // Segments that follow make the receiver complain at once; without them the sender finds out by its timer.
  bool noticed = segments > 3 || travelling_ >= 3;
  while (random_.below(1'000'000) < lost_ppm) {
    delay += noticed ? 2 * base_ns_ : rto;
    if (!noticed) rto = std::min(rto * 2, profile.rto_max_ns);
    noticed = false;
    lost_ppm = std::min<std::uint64_t>(effects_.loss_ppm, 990'000);  // only what was lost is sent again
  }
  return delay;
}

void Stream::open_window() {
  if (stalled() > 0 && !window_.armed()) link_.fabric_.kernel_.at(link_.fabric_.kernel_.now_ns() + base_ns_, window_);
}

void Stream::window_opened() {
  Fabric& fabric = link_.fabric_;
  const HostIndex from = link_.hosts_[side_];
  const HostIndex to = link_.hosts_[1 - side_];
  if (fabric.blocked(to, from)) {  // the receiver's word does not get through
    fabric.kernel_.at(fabric.kernel_.now_ns() + fabric.profile_.rto_min_ns, window_);
    return;
  }
  while (stalled() > 0) {
    Frame& frame = ring_[arrived_ + travelling_ + transmitting_];
    if (!fits(frame)) return;
    unsent_ -= frame.size;
    launch(frame);
  }
  if (End* const end = link_.ends_[side_]; end != nullptr && end->flusher_ != nullptr) end->flusher_->complete(true);
}

void Stream::discard_arrived() {
  for (; arrived_ > 0; --arrived_) {
    window_used_ -= ring_[0].size;
    ring_[0].bytes.clear();
    ring_.pop_front();
  }
  if (stalled() > 0) open_window();
}

void Stream::drop_unsent() {
  link_.fabric_.sharing_.stop(transmission_);
  const std::size_t gone = transmitting_ + stalled();
  for (std::size_t i = 0; i < transmitting_; ++i) window_used_ -= ring_[arrived_ + travelling_ + i].size;
  ring_.resize_down(ring_.size() - gone);
  link_.fabric_.frames_in_flight_ -= gone;
  transmitting_ = 0;
  unsent_ = 0;
  partial_.clear();
  window_.disarm();
}

void Stream::drop_travelling() {
  drop_unsent();
  for (std::size_t i = 0; i < travelling_; ++i) window_used_ -= ring_[arrived_ + i].size;
  ring_.resize_down(arrived_);
  link_.fabric_.frames_in_flight_ -= travelling_;
  travelling_ = 0;
  held_since_ns_ = -1;
  api_held_ = false;
  link_.reset_sent_[side_] = false;  // it may have been among them: the next frame that comes is answered again
  arrival_.disarm();
}

// --- the receiver's side

void Stream::refresh() {
  Fabric& fabric = link_.fabric_;
  const HostIndex from = link_.hosts_[side_];
  const HostIndex to = link_.hosts_[1 - side_];
  effects_ = Effects{};
  effects_.generation = fabric.rules_generation_;
  effects_.loss_ppm = fabric.profile_.loss_ppm;
  narrowed_ = path_;
  std::uint64_t whole = no_limit;
  for (const PipeIndex pipe : path_) whole = std::min(whole, fabric.sharing_.capacity(pipe));
  for (const auto& [id, standing] : fabric.rules_) {
    const Rule& rule = standing.rule;
    if (!rule.covers(from, to)) continue;
    if (rule.api) {
      effects_.api = true;
      continue;
    }
    effects_.hold = effects_.hold || rule.mode == RuleMode::hold;
    effects_.drop = effects_.drop || rule.mode == RuleMode::drop;
    effects_.extra_delay_ns += rule.extra_delay_ns;
    effects_.loss_ppm = std::min<std::uint32_t>(effects_.loss_ppm + rule.loss_ppm, 1'000'000);
    if (rule.bandwidth_permille < 1000)
      effects_.cap = std::min(effects_.cap, std::max<std::uint64_t>(whole / 1000 * rule.bandwidth_permille, 1));
    if (standing.pipe != no_pipe) narrowed_.push_back(standing.pipe);
  }
  effects_.narrowed = effects_.cap != no_limit || narrowed_.size() != path_.size();
  effects_.any = effects_.hold || effects_.drop || effects_.api;
}

void Stream::rules_changed() {
  Fabric& fabric = link_.fabric_;
  refresh();
  if (transmission_.active()) fabric.sharing_.change(transmission_, narrowed_, effects_.cap);
  if (api_held_) {
    api_held_ = false;
    arm();
  }
}

void Stream::arm() {
  Kernel& kernel = link_.fabric_.kernel_;
  if (travelling_ > 0) kernel.at(std::max(ring_[arrived_].arrival_ns, kernel.now_ns()), arrival_);
}

void Stream::remove_first_travelling() {
  window_used_ -= ring_[arrived_].size;
  ring_[arrived_].bytes.clear();
  for (std::size_t i = arrived_; i > 0; --i) std::swap(ring_[i], ring_[i - 1]);
  ring_.pop_front();
  --travelling_;
  --link_.fabric_.frames_in_flight_;
}

void Stream::arrive() {
  Fabric& fabric = link_.fabric_;
  const unsigned to = 1 - side_;
  while (travelling_ > 0) {
    Frame& frame = ring_[arrived_];
    if (frame.arrival_ns > fabric.kernel_.now_ns()) break;
    // An open side is on a host that is up: the usual case needs no judgement.
    const bool usual = !broken_ && effects_.generation == fabric.rules_generation_ && !effects_.any && link_.sides_[to] == Link::Side::open;
    const Verdict verdict = usual ? Verdict::pass : judge(frame);
    if (verdict == Verdict::hold) return hold_back();
    if (verdict == Verdict::api_hold) {
      api_held_ = true;
      return;
    }
    if (verdict == Verdict::stop) return;
    held_since_ns_ = -1;
    if (verdict == Verdict::swallow) {
      remove_first_travelling();
      continue;
    }
    if (frame.kind == Frame::Kind::fin || frame.kind == Frame::Kind::rst) {
      const bool reset = frame.kind == Frame::Kind::rst;
      remove_first_travelling();
      if (reset) link_.fail(to, Code::connection_reset);
      else link_.peer_closed(to);
      continue;
    }
    ++arrived_;
    --travelling_;
    --fabric.frames_in_flight_;
    ++fabric.frames_delivered_;
    fabric.bytes_delivered_ += frame.size;
    FrameNote note{frame.sent_ns, frame.api, side_ == 0, &frame.bytes};
    fabric.kernel_.emit(TraceEvent{TraceKind::frame_received, link_.hosts_[to], 0, fabric.kernel_.now_ns(), link_.hosts_[side_],
                                   static_cast<std::int64_t>(frame.size)},
                        &note);
    link_.wake_reader(to);
  }
  arm();
}

Stream::Verdict Stream::judge(Frame& frame) {
  Fabric& fabric = link_.fabric_;
  const unsigned to = 1 - side_;
  if (effects_.generation != fabric.rules_generation_) [[unlikely]] refresh();
  if (effects_.hold || !fabric.ports_[link_.hosts_[to]]->host_up_) [[unlikely]] return Verdict::hold;
  if (effects_.drop || broken_) [[unlikely]] {  // nothing passes a hole in the stream
    broken_ = link_.broken_ = true;
    return Verdict::swallow;
  }
  if (link_.sides_[to] != Link::Side::open) [[unlikely]] {
    if (frame.kind == Frame::Kind::data || frame.kind == Frame::Kind::malformed) link_.send_reset(to);
    if (frame.kind == Frame::Kind::rst) link_.stream(to).drop_travelling();  // its kernel was still sending
    return Verdict::swallow;
  }
  if (effects_.api) [[unlikely]] return judge_by_api(frame);
  return Verdict::pass;
}

Stream::Verdict Stream::judge_by_api(Frame& frame) {
  Fabric& fabric = link_.fabric_;
  const MessageSide side = side_ == 0 ? MessageSide::request : MessageSide::response;
  for (auto& [id, standing] : fabric.rules_) {
    const Rule& rule = standing.rule;
    if (!rule.api || frame.kind != Frame::Kind::data || *rule.api != frame.api) continue;
    if (rule.side != MessageSide::both && rule.side != side) continue;
    if (!rule.covers(link_.hosts_[side_], link_.hosts_[1 - side_])) continue;
    if (!frame.judged && rule.count != 0) {
      if (standing.taken >= rule.count) continue;
      ++standing.taken;
      frame.judged = true;
    }
    switch (rule.mode) {
      case RuleMode::none: break;
      case RuleMode::hold: return Verdict::api_hold;
      case RuleMode::drop: broken_ = link_.broken_ = true; return Verdict::swallow;
      case RuleMode::reset: link_.fail_both(); return Verdict::stop;
    }
  }
  return Verdict::pass;
}

void Stream::hold_back() {
  Fabric& fabric = link_.fabric_;
  const std::int64_t now = fabric.kernel_.now_ns();
  if (link_.sides_[side_] == Link::Side::crashed) return drop_travelling();  // nobody will send it again
  if (held_since_ns_ < 0) {
    held_since_ns_ = now;
    rto_ns_ = fabric.profile_.rto_min_ns;
  }
  const std::int64_t gives_up_ns = held_since_ns_ + fabric.profile_.user_timeout_ns;
  if (now >= gives_up_ns) return link_.fail(side_, Code::connection_reset);
  fabric.kernel_.at(std::min(now + rto_ns_, gives_up_ns), arrival_);
  rto_ns_ = std::min(rto_ns_ * 2, fabric.profile_.rto_max_ns);
}

bool Stream::take(std::uint32_t limit_bytes, Completion<Result<Bytes>>& done) {
  Frame& frame = ring_[0];
  if (frame.kind == Frame::Kind::malformed || frame.size - 4 > limit_bytes) [[unlikely]] {
    done.complete(error(Code::too_large, "frame too large"));
    return false;
  }
  frame.bytes.drop_front(4);
  window_used_ -= frame.size;
  --arrived_;
  done.complete_with(std::move(frame.bytes));
  ring_.pop_front();
  if (stalled() > 0) [[unlikely]] open_window();
  return true;
}

}  // namespace harrow::sim
