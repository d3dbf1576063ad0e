#include "sim/net/sharing.h"

#include <algorithm>

namespace harrow::sim {
namespace {

constexpr std::uint64_t scale = 1'000'000'000;

}  // namespace

Flow::~Flow() {
  if (sharing_ != nullptr) sharing_->stop(*this);
}

void Flow::fire() { sharing_->finished(*this); }

PipeIndex Sharing::add_pipe(std::uint64_t bytes_per_s) {
  Pipe pipe;
  pipe.capacity = std::clamp<std::uint64_t>(bytes_per_s, 1, no_limit);
  pipe.ns_per_byte_q24 = pipe.capacity < 1'000'000 ? 0 : std::max<std::uint64_t>((scale << 24) / pipe.capacity, 1);
  pipes_.push_back(std::move(pipe));
  return static_cast<PipeIndex>(pipes_.size() - 1);
}

std::int64_t Sharing::try_pass_busy(const Pipes& path, std::uint64_t bytes, PipeIndex charged_before) {
  const std::int64_t now = kernel_.now_ns();
  const auto time_on = [bytes](const Pipe& pipe) { return static_cast<std::int64_t>(bytes * pipe.ns_per_byte_q24 >> 24); };
  for (const PipeIndex index : path) {  // take back what the quick look has charged
    if (index == charged_before) break;
    pipes_[index].busy_until_ns -= time_on(pipes_[index]);
  }
  std::int64_t longest = 0;
  for (const PipeIndex index : path) {
    const Pipe& pipe = pipes_[index];
    if (pipe.ns_per_byte_q24 == 0) return -1;
    const std::int64_t backlog = std::max<std::int64_t>(pipe.busy_until_ns - now, 0);
    const std::int64_t shared = time_on(pipe) * (pipe.flow_count + std::int64_t{1});
    if (backlog > backlog_ns || shared > pass_ns) return -1;
    longest = std::max(longest, backlog + shared);
  }
  for (const PipeIndex index : path) pipes_[index].busy_until_ns = std::max(pipes_[index].busy_until_ns, now) + time_on(pipes_[index]);
  return longest;
}

void Sharing::enlist(Flow& flow, const Pipes& path) {
  flow.pipes_ = path;
  for (const PipeIndex pipe : path) {
    pipes_[pipe].flows.push_back(&flow);
    ++pipes_[pipe].flow_count;
  }
}

void Sharing::unlist(Flow& flow) {
  for (const PipeIndex pipe : flow.pipes_) {
    std::vector<Flow*>& flows = pipes_[pipe].flows;
    flows.erase(std::find(flows.begin(), flows.end(), &flow));
    --pipes_[pipe].flow_count;
  }
}

void Sharing::start(Flow& flow, const Pipes& path, std::uint64_t cap_bytes_per_s, std::uint64_t bytes) {
  CHECK(!flow.active());
  ++flows_;
  flow.sharing_ = this;
  flow.cap_ = std::max<std::uint64_t>(cap_bytes_per_s, 1);
  flow.left_ = bytes * scale;
  flow.rate_ = 0;
  flow.since_ns_ = kernel_.now_ns();
  enlist(flow, path);
  share_anew(path, &flow);
}

void Sharing::change(Flow& flow, const Pipes& path, std::uint64_t cap_bytes_per_s) {
  Pipes touched = flow.pipes_;
  unlist(flow);
  flow.cap_ = std::max<std::uint64_t>(cap_bytes_per_s, 1);
  enlist(flow, path);
  for (const PipeIndex pipe : path) touched.push_back(pipe);
  share_anew(touched, &flow);
}

void Sharing::stop(Flow& flow) {
  if (!flow.active()) return;
  unlist(flow);
  flow.sharing_ = nullptr;
  flow.disarm();
  --flows_;
  const Pipes touched = std::move(flow.pipes_);
  share_anew(touched, nullptr);
}

void Sharing::finished(Flow& flow) {
  const std::uint64_t next = flow.drained();
  if (next != 0 && flow.active()) {
    // More of the same: the shares stay as they are.
    flow.left_ = next * scale;
    flow.since_ns_ = kernel_.now_ns();
    schedule(flow);
    return;
  }
  stop(flow);
}

void Sharing::settle(Flow& flow) {
  const std::int64_t now = kernel_.now_ns();
  const std::uint64_t done = static_cast<std::uint64_t>(now - flow.since_ns_) * flow.rate_;
  flow.left_ -= std::min(flow.left_, done);
  flow.since_ns_ = now;
}

void Sharing::schedule(Flow& flow) {
  kernel_.at(kernel_.now_ns() + static_cast<std::int64_t>((flow.left_ + flow.rate_ - 1) / flow.rate_), flow);
}

void Sharing::share_anew(const Pipes& touched, Flow* alone) {
  // The component: pipes and flows that hang together with what changed.
  ++visit_;
  boost::container::small_vector<PipeIndex, 32> component;
  boost::container::small_vector<Flow*, 32> flows;
  const auto reach = [&](PipeIndex index) {
    if (pipes_[index].visit == visit_) return;
    pipes_[index].visit = visit_;
    component.push_back(index);
  };
  for (const PipeIndex pipe : touched) reach(pipe);
  if (alone != nullptr) {
    alone->visit_ = visit_;
    flows.push_back(alone);
  }
  for (std::size_t i = 0; i < component.size(); ++i)
    for (Flow* const flow : pipes_[component[i]].flows) {
      if (flow->visit_ != visit_) {
        flow->visit_ = visit_;
        flows.push_back(flow);
      }
      for (const PipeIndex pipe : flow->pipes_) reach(pipe);
    }
  for (const PipeIndex index : component) {
    pipes_[index].free = pipes_[index].capacity;
    pipes_[index].open = static_cast<std::uint32_t>(pipes_[index].flows.size());
  }
  for (Flow* const flow : flows) flow->fixed_ = false;

  // Fill up all flows together; whoever meets a full pipe or its own cap stays there.
  std::size_t left = flows.size();
  const auto fix = [&](Flow& flow, std::uint64_t rate) {
    flow.fixed_ = true;
    --left;
    for (const PipeIndex pipe : flow.pipes_) {
      pipes_[pipe].free -= std::min(pipes_[pipe].free, rate);
      --pipes_[pipe].open;
    }
    rate = std::max<std::uint64_t>(rate, 1);
    if (rate == flow.rate_) return;
    settle(flow);
    flow.rate_ = rate;
    schedule(flow);
  };
  while (left > 0) {
    std::uint64_t share = no_limit;
    PipeIndex narrowest = no_pipe;
    for (const PipeIndex index : component) {
      const Pipe& pipe = pipes_[index];
      if (pipe.open == 0) continue;
      if (const std::uint64_t each = pipe.free / pipe.open; each < share) {
        share = each;
        narrowest = index;
      }
    }
    std::uint64_t lowest_cap = no_limit;
    for (Flow* const flow : flows)
      if (!flow->fixed_) lowest_cap = std::min(lowest_cap, flow->cap_);
    if (lowest_cap <= share || narrowest == no_pipe) {
      for (Flow* const flow : flows)
        if (!flow->fixed_ && flow->cap_ <= lowest_cap) fix(*flow, lowest_cap);
      continue;
    }
    for (Flow* const flow : pipes_[narrowest].flows)
      if (!flow->fixed_) fix(*flow, share);
  }
}

}  // namespace harrow::sim
