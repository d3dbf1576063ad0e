#include "core/posix/posix_host.h"

#include <signal.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <mutex>
#include <vector>

namespace harrow::posix {
namespace {

constexpr int turns_between_polls = 256;
constexpr std::int64_t longest_wait_ms = 60'000;

Random fresh_random() {
  std::uint64_t seed = 0;
  CHECK_SAYING(::getrandom(&seed, sizeof(seed), 0) == static_cast<ssize_t>(sizeof(seed)), "the system gives random bytes");
  return Random(seed);
}

}  // namespace

class PosixHost::Signals final : public Watched {
 public:
  Signals(PosixHost& owner, std::function<void()> stop) : owner_(owner), stop_(std::move(stop)) {
    sigset_t set;
    ::sigemptyset(&set);
    ::sigaddset(&set, SIGINT);
    ::sigaddset(&set, SIGTERM);
    CHECK(::sigprocmask(SIG_BLOCK, &set, nullptr) == 0);
    signals_ = Descriptor(::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
    CHECK_SAYING(signals_.valid(), "signals can be read");
    owner_.poller_.watch(signals_.get(), *this, true, false);
  }
  ~Signals() override { owner_.poller_.forget(signals_.get()); }
  void on_io(bool, bool, bool) override {
    signalfd_siginfo signal{};
    if (::read(signals_.get(), &signal, sizeof(signal)) != static_cast<ssize_t>(sizeof(signal))) return;
    if (asked_) ::_exit(128 + static_cast<int>(signal.ssi_signo));
    asked_ = true;
    owner_.enter(stop_);
  }

 private:
  PosixHost& owner_;
  std::function<void()> stop_;
  Descriptor signals_;
  bool asked_ = false;
};

/// What other threads ask for, and the descriptor that wakes this one.
class PosixHost::Mailbox final : public Watched {
 public:
  explicit Mailbox(PosixHost& owner) : owner_(owner), bell_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
    CHECK_SAYING(bell_.valid(), "an eventfd is available");
    owner_.poller_.watch(bell_.get(), *this, true, false);
  }
  ~Mailbox() override { owner_.poller_.forget(bell_.get()); }
  void put(std::function<void()> turn) {
    const std::lock_guard<std::mutex> lock(mutex_);
    turns_.push_back(std::move(turn));
    const std::uint64_t one = 1;
    CHECK(::write(bell_.get(), &one, sizeof(one)) == static_cast<ssize_t>(sizeof(one)));
  }
  void on_io(bool, bool, bool) override {
    std::vector<std::function<void()>> turns;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      std::uint64_t rung = 0;
      if (::read(bell_.get(), &rung, sizeof(rung)) != static_cast<ssize_t>(sizeof(rung))) return;
      turns.swap(turns_);
    }
    for (const std::function<void()>& turn : turns) owner_.enter(turn);
  }

 private:
  PosixHost& owner_;
  Descriptor bell_;
  std::mutex mutex_;
  std::vector<std::function<void()>> turns_;
};

/// A client keeps no files.
class PosixHost::AbsentDisk final : public Disk {
 public:
  Result<FilePtr> open(std::string_view, OpenMode) override { return none(); }
  Result<std::vector<std::string>> list(std::string_view) override { return none(); }
  bool exists(std::string_view) override { return false; }
  Result<bool> rename(std::string_view, std::string_view) override { return none(); }
  Result<bool> remove(std::string_view) override { return none(); }
  Result<bool> make_folder(std::string_view) override { return none(); }

 protected:
  void start_sync_dir(const std::string&, Completion<Result<bool>>& done) override { done.complete(none()); }
  void start_room(std::uint64_t, Completion<Result<bool>>& done) override { done.complete(none()); }

 private:
  static tl::unexpected<Error> none() { return error(Code::io_error, "this process keeps no files"); }
};

PosixHost::PosixHost(std::unique_ptr<PosixDisk> disk, TraceSink* trace)
    : queue_(run_list_), timers_(clock_), net_(poller_, queue_), disk_faults_(disk == nullptr ? nullptr : &disk->faults()), file_rounds_(disk == nullptr ? nullptr : &disk->rounds()), disk_(std::move(disk)), scope_(queue_), mailbox_(std::make_unique<Mailbox>(*this)) {
  if (disk_ == nullptr) disk_ = std::make_unique<AbsentDisk>();
  now_ns_ = clock_.mono().value();
  TraceSink& sink = trace != nullptr ? *trace : dropped_;
  host_ = std::make_unique<Host>(Host{clock_, timers_, net_, *disk_, cpu_, fresh_random(), scope_, Tracer(sink, 0, now_ns_),
                                      [this](Code why) { halted_ = why; }});
}

void PosixHost::post(std::function<void()> turn) { mailbox_->put(std::move(turn)); }

PosixHost::~PosixHost() { scope_.destroy_all(); }

void PosixHost::enter(const std::function<void()>& start) {
  const Running before = running();
  running() = Running{&queue_, "start"};
  start();
  running() = before;
}

void PosixHost::on_stop_signal(std::function<void()> stop) { signals_ = std::make_unique<Signals>(*this, std::move(stop)); }

void PosixHost::run() {
  while (!finished_ && !halted_) {
    bool idle = false;
    for (int i = 0; i < turns_between_polls && !idle && !finished_ && !halted_; ++i) idle = !run_one(run_list_);
    if (finished_ || halted_) break;
    const MonoNs now = clock_.mono();
    now_ns_ = now.value();
    net_.tick(now);
    // Rounded up: a timer that is due within the millisecond must not make the loop spin.
    const bool work_waits = file_rounds_ != nullptr && !file_rounds_->later().empty();
    const std::int64_t wait_ms = idle && !work_waits ? (timers_.next_at() - now + ns_per_ms - 1) / ns_per_ms : 0;
    poller_.poll(static_cast<int>(std::clamp<std::int64_t>(wait_ms, 0, std::min(longest_wait_ms, net_.longest_wait_ms()))));
    timers_.fire_due();
    if (file_rounds_ == nullptr) continue;
    file_rounds_->begin(clock_);
    file_rounds_->catch_up();
  }
}

}  // namespace harrow::posix
