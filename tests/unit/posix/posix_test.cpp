#include <gtest/gtest.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <thread>

#include "core/async/wait.h"
#include "core/base/buffer.h"
#include "core/posix/http_listener.h"
#include "core/posix/posix_host.h"

namespace harrow::posix {
namespace {

namespace fs = std::filesystem;

/// A process in a folder of its own, with a limit on its time.
class PosixTest : public testing::Test {
 protected:
  PosixTest() {
    std::string pattern = (fs::temp_directory_path() / "harrow-posix-XXXXXX").string();
    root_ = ::mkdtemp(pattern.data());
    process_ = std::make_unique<PosixHost>(std::move(*PosixDisk::open_root(root_ + "/data")));
  }
  ~PosixTest() override {
    process_.reset();
    std::error_code ignored;
    fs::remove_all(root_, ignored);
  }
  Host& host() { return process_->host(); }
  Disk& disk() { return host().disk; }
  MonoNs in_ms(std::int64_t ms) { return after_ms(host().clock.mono(), ms); }

  static Root limit(Scope&, Label, PosixHost& process, bool& late) {
    co_await Sleep(process.host().timers, after_ms(process.host().clock.mono(), 20'000), "limit");
    late = true;
    process.finish();
  }
  /// Runs turns until somebody calls finish().
  void run(const std::function<void()>& start) {
    bool late = false;
    process_->enter([&] {
      limit(host().scope, Label("limit"), *process_, late);
      start();
    });
    process_->run();
    process_->end_scope();
    EXPECT_FALSE(late) << "nobody finished";
  }

  std::string root_;
  std::unique_ptr<PosixHost> process_;
};

Bytes pattern_of(std::uint64_t size, std::uint8_t salt) {
  std::vector<std::uint8_t> bytes(size);
  for (std::uint64_t i = 0; i < size; ++i) bytes[i] = static_cast<std::uint8_t>(i * 31 + (i >> 8) + salt);
  return Bytes::copy_of(bytes);
}
Bytes framed(const Bytes& body) {
  Writer w(16);
  w.i32(static_cast<std::int32_t>(body.size()));
  Bytes frame = w.finish();
  frame.append(body);
  return frame;
}
constexpr std::uint32_t large_limit = 100u << 20;

Root sleep_until(Scope&, Label, Timers& timers, MonoNs at, int number, std::vector<int>& order) {
  co_await Sleep(timers, at);
  order.push_back(number);
}
Root finish_at(Scope&, Label, PosixHost& process, MonoNs at) {
  co_await Sleep(process.host().timers, at);
  process.finish();
}

TEST_F(PosixTest, TimersFireByTimeAndThenByTheOrderOfArming) {
  std::vector<int> order;
  run([&] {
    const MonoNs base = in_ms(5);
    for (int i = 0; i < 40; ++i) sleep_until(host().scope, Label("sleeper"), host().timers, base + (i * 7 % 10) * ns_per_ms, i, order);
    finish_at(host().scope, Label("end"), *process_, base + 30 * ns_per_ms);
  });
  std::vector<int> expected;
  for (int time = 0; time < 10; ++time)
    for (int i = 0; i < 40; ++i)
      if (i * 7 % 10 == time) expected.push_back(i);
  EXPECT_EQ(order, expected);
}

TEST_F(PosixTest, ADisarmedTimerIsForgotten) {
  struct Counted : Timer {
    int* fired = nullptr;
    void fire() override { ++*fired; }
  };
  int fired = 0;
  run([&] {
    Ready unused;
    std::vector<std::unique_ptr<Counted>> timers;
    for (int i = 0; i < 50; ++i) {
      timers.push_back(std::make_unique<Counted>());
      timers.back()->fired = &fired;
      host().timers.arm(*timers.back(), in_ms(i * 13 % 17), unused);
    }
    for (int i = 0; i < 50; i += 3) timers[static_cast<std::size_t>(i)]->disarm();
    timers.clear();
    finish_at(host().scope, Label("end"), *process_, in_ms(30));
  });
  EXPECT_EQ(fired, 0);
}

Root echo(Scope&, Label, ConnectionPtr connection) {
  for (;;) {
    const Result<Bytes> frame = co_await connection->read_frame(large_limit);
    if (!frame) co_return;
    connection->send(framed(*frame));
    const Result<bool> flushed = co_await connection->flushed();
    if (!flushed) co_return;
  }
}
Root send_and_compare(Scope&, Label, PosixHost& process, std::uint16_t port, std::vector<std::uint64_t> sizes, std::uint64_t& same) {
  const Endpoint to{"127.0.0.1", port};
  Result<ConnectionPtr> connection = co_await process.host().net.connect(to);
  EXPECT_TRUE(connection.has_value());
  if (!connection) co_return;
  for (std::size_t i = 0; i < sizes.size(); ++i) (*connection)->send(framed(pattern_of(sizes[i], static_cast<std::uint8_t>(i))));
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    const Result<Bytes> frame = co_await (*connection)->read_frame(large_limit);
    if (frame && *frame == pattern_of(sizes[i], static_cast<std::uint8_t>(i))) ++same;
  }
  process.finish();
}

TEST_F(PosixTest, FramesOfAllSizesComeBackWholeAndInOrder) {
  const std::uint16_t port = PosixNetwork::free_port();
  std::vector<std::uint64_t> sizes = {0, 1, 3, 4, 2047, 2048, 2049, 65531, 65532, 65533, 65536, 200'000, 5'000'000, 7};
  for (std::uint64_t i = 0; i < 300; ++i) sizes.push_back(i * 37 % 5000);
  std::uint64_t same = 0;
  run([&] {
    ASSERT_TRUE(host().net.listen(port, [this](ConnectionPtr accepted) { echo(host().scope, Label("echo"), std::move(accepted)); }));
    send_and_compare(host().scope, Label("sender"), *process_, port, sizes, same);
  });
  EXPECT_EQ(same, sizes.size());
}

std::size_t descriptors() {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator("/proc/self/fd"), fs::directory_iterator()));
}

struct Pair {
  ConnectionPtr client, server;
};
Root connect_pair(Scope&, Label, PosixHost& process, std::uint16_t port, Pair& pair, std::function<void()> then) {
  const Endpoint to{"localhost", port};
  Result<ConnectionPtr> connection = co_await process.host().net.connect(to);
  EXPECT_TRUE(connection.has_value());
  if (!connection) co_return;
  pair.client = std::move(*connection);
  while (pair.server == nullptr) co_await Sleep(process.host().timers, after_ms(process.host().clock.mono(), 1));
  then();
}
Root note_read(Scope&, Label, Connection& connection, std::uint32_t limit_bytes, Result<Bytes>& got, std::function<void()> then) {
  got = co_await connection.read_frame(limit_bytes);
  then();
}
Root note_flush(Scope&, Label, Connection& connection, bool& flushed) {
  const Result<bool> result = co_await connection.flushed();
  flushed = result.has_value();
}

Root note_open(Scope&, Label, PosixHost& process, Connection& connection, bool& open) {
  co_await Sleep(process.host().timers, after_ms(process.host().clock.mono(), 1'500));
  open = !connection.closed();
  process.finish();
}

Root admit_at(Scope&, Label, PosixHost& process, std::uint16_t port, MonoNs at, bool& admitted) {
  co_await Sleep(process.host().timers, at);
  admitted = true;
  process.network().admit(port);
}

class ConnectionTest : public PosixTest {
 protected:
  /// Runs `body` with both ends of a connection.
  void with_pair(const std::function<void(Pair&)>& body) {
    const std::uint16_t port = PosixNetwork::free_port();
    Pair pair;
    run([&] {
      ASSERT_TRUE(host().net.listen(port, [&pair](ConnectionPtr accepted) { pair.server = std::move(accepted); }));
      connect_pair(host().scope, Label("pair"), *process_, port, pair, [&] { body(pair); });
    });
  }
  Result<Bytes> got_ = error(Code::none);
};

TEST_F(ConnectionTest, ASlowReaderStallsTheSenderUntilItReads) {
  bool flushed_before = true, flushed = false;
  std::uint64_t unsent = 0;
  with_pair([&](Pair& pair) {
    pair.client->send(framed(pattern_of(64u << 20, 1)));
    unsent = pair.client->unsent_bytes();
    note_flush(host().scope, Label("flush"), *pair.client, flushed);
    flushed_before = flushed;
    note_read(host().scope, Label("read"), *pair.server, large_limit, got_, [this] { process_->finish(); });
  });
  EXPECT_GT(unsent, 0u);
  EXPECT_FALSE(flushed_before);
  EXPECT_TRUE(flushed);
  ASSERT_TRUE(got_);
  EXPECT_EQ(*got_, pattern_of(64u << 20, 1));
}

TEST_F(ConnectionTest, ClosingEndsTheReadOfEitherSide) {
  Result<Bytes> own = error(Code::none);
  bool closed = false;
  with_pair([&](Pair& pair) {
    note_read(host().scope, Label("own"), *pair.client, large_limit, own, [] {});
    note_read(host().scope, Label("peer"), *pair.server, large_limit, got_, [this] { process_->finish(); });
    pair.client->close();
    closed = pair.client->closed();
  });
  EXPECT_TRUE(closed);
  ASSERT_FALSE(own);
  EXPECT_EQ(own.error().code, Code::closed);
  ASSERT_FALSE(got_);
  EXPECT_EQ(got_.error().code, Code::closed);
}

TEST_F(ConnectionTest, WhatArrivedBeforeTheEndIsReadFirst) {
  Result<Bytes> second = error(Code::none);
  with_pair([&](Pair& pair) {
    pair.client->send(framed(pattern_of(10, 1)));
    pair.client->send(framed(pattern_of(100'000, 2)));
    pair.client->close();
    note_read(host().scope, Label("first"), *pair.server, large_limit, got_, [&] {
      note_read(host().scope, Label("second"), *pair.server, large_limit, second, [this] { process_->finish(); });
    });
  });
  ASSERT_TRUE(got_);
  EXPECT_EQ(*got_, pattern_of(10, 1));
  ASSERT_TRUE(second);
  EXPECT_EQ(*second, pattern_of(100'000, 2));
}

TEST_F(ConnectionTest, ASilentPeerIsClosed) {
  process_->network().close_idle_after(300);
  with_pair([&](Pair& pair) { note_read(host().scope, Label("read"), *pair.server, large_limit, got_, [this] { process_->finish(); }); });
  ASSERT_FALSE(got_);
  EXPECT_EQ(got_.error().code, Code::connection_reset);
}

Root note_closed_descriptor(Scope&, Label, PosixHost& process, std::size_t before, bool& gone) {
  for (int i = 0; i < 100 && !gone; ++i) {
    co_await Sleep(process.host().timers, after_ms(process.host().clock.mono(), 50));
    gone = descriptors() < before;
  }
  process.finish();
}

TEST_F(ConnectionTest, ThePeersEndAndThenSilenceFreesTheDescriptorWhileARequestIsUnderWay) {
  process_->network().close_idle_after(100);
  bool gone = false;
  with_pair([&](Pair& pair) {
    pair.client->send(framed(pattern_of(10, 1)));
    pair.client->close();  // nobody reads on the other side
    note_closed_descriptor(host().scope, Label("later"), *process_, descriptors(), gone);
  });
  EXPECT_TRUE(gone);
}

TEST_F(ConnectionTest, WhoeverWaitsForAnAnswerIsNotSilent) {
  process_->network().close_idle_after(50);
  bool open = false;
  with_pair([&](Pair& pair) {
    pair.client->send(framed(pattern_of(10, 1)));  // and nobody reads the next frame: a request is under way
    note_open(host().scope, Label("later"), *process_, *pair.server, open);
  });
  EXPECT_TRUE(open);
}

TEST_F(ConnectionTest, AFrameAboveTheLimitEndsTheConnection) {
  bool closed = false;
  with_pair([&](Pair& pair) {
    pair.client->send(framed(pattern_of(101, 1)));
    note_read(host().scope, Label("read"), *pair.server, 100, got_, [&] {
      closed = pair.server->closed();
      process_->finish();
    });
  });
  ASSERT_FALSE(got_);
  EXPECT_EQ(got_.error().code, Code::too_large);
  EXPECT_TRUE(closed);
}

TEST_F(ConnectionTest, ADroppedReaderLosesNoFrame) {
  Result<Bytes> never_got = error(Code::none);
  with_pair([&](Pair& pair) {
    {
      Scope short_lived(host().scope.queue());
      note_read(short_lived, Label("dropped"), *pair.server, large_limit, never_got, [] {});
    }
    pair.client->send(framed(pattern_of(10, 1)));
    note_read(host().scope, Label("read"), *pair.server, large_limit, got_, [this] { process_->finish(); });
  });
  EXPECT_FALSE(never_got);
  ASSERT_TRUE(got_);
  EXPECT_EQ(*got_, pattern_of(10, 1));
}

Root note_connect(Scope&, Label, PosixHost& process, Endpoint to, Code& code) {
  const Result<ConnectionPtr> connection = co_await process.host().net.connect(to);
  code = connection ? Code::none : connection.error().code;
  process.finish();
}

TEST_F(PosixTest, APortWithoutAListenerRefuses) {
  Code code = Code::none;
  run([&] { note_connect(host().scope, Label("connect"), *process_, Endpoint{"127.0.0.1", PosixNetwork::free_port()}, code); });
  EXPECT_EQ(code, Code::connection_refused);
}

TEST_F(PosixTest, AnUnknownHostIsNotFound) {
  Code code = Code::none;
  run([&] { note_connect(host().scope, Label("connect"), *process_, Endpoint{"nowhere", 1}, code); });
  EXPECT_EQ(code, Code::not_found);
}

TEST_F(PosixTest, APortIsListenedOnOnce) {
  const std::uint16_t port = PosixNetwork::free_port();
  ASSERT_TRUE(host().net.listen(port, [](ConnectionPtr) {}));
  const Result<bool> second = host().net.listen(port, [](ConnectionPtr) {});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::already_exists);
}

TEST_F(PosixTest, AHaltEndsTheRunAfterTheTurn) {
  process_->enter([&] { host().halt(Code::io_error); });
  process_->run();
  EXPECT_EQ(process_->halted(), Code::io_error);
}

TEST_F(PosixTest, AFileIsWrittenCutAndReadBack) {
  const Result<FilePtr> opened = disk().open("a/b/log", OpenMode::create);
  ASSERT_TRUE(opened);
  File& file = **opened;
  Bytes rope;
  for (int i = 0; i < 200; ++i) rope.append(pattern_of(100, static_cast<std::uint8_t>(i)));  // more parts than one call takes
  ASSERT_TRUE(file.write(10, rope));
  EXPECT_EQ(file.size(), 20'010u);
  Bytes bytes;
  ASSERT_TRUE(file.cached(0, 10, bytes));
  EXPECT_EQ(bytes, Bytes::zeros(10));
  ASSERT_TRUE(file.cached(10, 1u << 30, bytes));
  EXPECT_EQ(bytes, rope);
  ASSERT_TRUE(file.cached(30'000, 5, bytes));
  EXPECT_TRUE(bytes.empty());
  ASSERT_TRUE(file.truncate(15));
  ASSERT_TRUE(file.truncate(20));
  ASSERT_TRUE(file.cached(10, 10, bytes));
  Bytes expected = pattern_of(5, 0);
  expected.append(Bytes::zeros(5));
  EXPECT_EQ(bytes, expected);

  // Another handle of the same file sees the same bytes.
  const Result<FilePtr> again = disk().open("a/b/log", OpenMode::existing);
  ASSERT_TRUE(again);
  ASSERT_TRUE(file.write(20, pattern_of(1, 1)));
  EXPECT_EQ((*again)->size(), 21u);
}

TEST_F(PosixTest, OpenModesMeanWhatTheySay) {
  const auto code_of = [&](OpenMode mode) {
    const Result<FilePtr> opened = disk().open("file", mode);
    return opened ? Code::none : opened.error().code;
  };
  EXPECT_EQ(code_of(OpenMode::existing), Code::not_found);
  EXPECT_EQ(code_of(OpenMode::create_new), Code::none);
  EXPECT_EQ(code_of(OpenMode::create_new), Code::already_exists);
  EXPECT_EQ(code_of(OpenMode::create), Code::none);
  EXPECT_EQ(code_of(OpenMode::existing), Code::none);
}

TEST_F(PosixTest, FoldersAreListedRenamedAndRemoved) {
  ASSERT_TRUE(disk().open("data/t-0/log", OpenMode::create));
  ASSERT_TRUE(disk().open("data/b", OpenMode::create));
  ASSERT_TRUE(disk().make_folder("data/a"));
  EXPECT_EQ(*disk().list("data"), (std::vector<std::string>{"a/", "b", "t-0/"}));
  EXPECT_TRUE(disk().list("missing")->empty());
  ASSERT_TRUE(disk().rename("data/t-0", "data/t-0-delete"));
  EXPECT_TRUE(disk().exists("data/t-0-delete/log"));
  EXPECT_FALSE(disk().exists("data/t-0"));
  ASSERT_TRUE(disk().remove("data/t-0-delete"));
  ASSERT_TRUE(disk().remove("data/t-0-delete"));
  EXPECT_FALSE(disk().exists("data/t-0-delete"));
}

TEST_F(PosixTest, ManyFilesShareFewDescriptors) {
  auto few = std::move(*PosixDisk::open_root(root_ + "/few"));
  few->set_most_descriptors(3);
  const std::size_t before = descriptors();
  std::vector<FilePtr> files;
  for (int i = 0; i < 40; ++i) {
    files.push_back(*few->open("topic-" + std::to_string(i) + "/00.log", OpenMode::create));
    ASSERT_TRUE(files.back()->write(0, Bytes::copy_of("first of " + std::to_string(i))));
  }
  EXPECT_LE(descriptors(), before + 3);
  for (int i = 0; i < 40; ++i) {
    const auto size = files[static_cast<std::size_t>(i)]->size();
    ASSERT_TRUE(files[static_cast<std::size_t>(i)]->write(size, Bytes::copy_of(", more")));
  }
  for (int i = 0; i < 40; ++i) {
    Bytes got;
    ASSERT_TRUE(files[static_cast<std::size_t>(i)]->cached(0, 100, got));
    EXPECT_EQ(got.to_string(), "first of " + std::to_string(i) + ", more");
  }
  EXPECT_LE(descriptors(), before + 3);
  files.clear();
  EXPECT_EQ(descriptors(), before);
}

TEST_F(PosixTest, AFileWithoutADescriptorIsFoundUnderItsNewNameAndReadToItsEnd) {
  auto few = std::move(*PosixDisk::open_root(root_ + "/few"));
  few->set_most_descriptors(1);
  const auto make = [&](const std::string& path, const std::string& text) {
    FilePtr file = *few->open(path, OpenMode::create);
    EXPECT_TRUE(file->write(0, Bytes::copy_of(text)));
    return file;
  };
  const auto text_of = [](const FilePtr& file) {
    Bytes got;
    return file->cached(0, 100, got) ? got.to_string() : std::string("unreadable");
  };
  const FilePtr moved = make("a/one", "moved"), neighbour = make("a-b/one", "neighbour"), replaced = make("c/old", "replaced"),
                source = make("c/new", "source"), removed = make("d/one", "removed");
  const FilePtr last = make("e", "last");  // the one descriptor is its
  ASSERT_TRUE(few->rename("a", "z"));
  ASSERT_TRUE(few->rename("c/new", "c/old"));
  ASSERT_TRUE(few->remove("d"));
  const FilePtr again = make("d/one", "another file");
  EXPECT_EQ(text_of(last), "last");
  EXPECT_EQ(text_of(moved), "moved");
  EXPECT_EQ(text_of(neighbour), "neighbour");
  EXPECT_EQ(text_of(replaced), "replaced");
  EXPECT_EQ(text_of(source), "source");
  EXPECT_EQ(text_of(removed), "removed");
  EXPECT_EQ(text_of(again), "another file");
  ASSERT_TRUE(few->remove("e"));
  EXPECT_FALSE(few->exists("e"));
}

TEST_F(PosixTest, NoPathLeavesTheNodesFolder) {
  for (const char* path : {"../x", "a/../../x", "a/./x", "/etc/x", "a//x"}) {
    EXPECT_FALSE(disk().open(path, OpenMode::create)) << path;
    EXPECT_FALSE(disk().remove(path)) << path;
    EXPECT_FALSE(disk().exists(path)) << path;
  }
  EXPECT_FALSE(disk().remove(""));
  EXPECT_FALSE(fs::exists(root_ + "/x"));
}

TEST_F(PosixTest, AFolderBelongsToOneProcess) {
  const auto second = PosixDisk::open_root(root_ + "/data");
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::already_exists);
}

Root sync_all(Scope&, Label, PosixHost& process, std::vector<Code>& codes) {
  Disk& disk = process.host().disk;
  const Result<FilePtr> file = disk.open("data/log", OpenMode::create);
  const Result<bool> synced = co_await (*file)->sync();
  codes.push_back(synced ? Code::none : synced.error().code);
  const Result<bool> folder = co_await disk.sync_dir("data");
  codes.push_back(folder ? Code::none : folder.error().code);
  const Result<bool> missing = co_await disk.sync_dir("missing");
  codes.push_back(missing ? Code::none : missing.error().code);
  process.finish();
}

TEST_F(PosixTest, FilesAndFoldersAreSynced) {
  std::vector<Code> codes;
  run([&] { sync_all(host().scope, Label("sync"), *process_, codes); });
  EXPECT_EQ(codes, (std::vector<Code>{Code::none, Code::none, Code::not_found}));
}

TEST_F(PosixTest, AnotherThreadsPostsRunHereInOrder) {
  const std::thread::id here = std::this_thread::get_id();
  std::vector<int> order;
  std::thread other;
  run([&] {
    other = std::thread([&] {
      for (int i = 0; i < 100; ++i)
        process_->post([&, i] {
          EXPECT_EQ(std::this_thread::get_id(), here);
          order.push_back(i);
          if (i == 99) process_->finish();
        });
    });
  });
  other.join();
  ASSERT_EQ(order.size(), 100u);
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

TEST_F(PosixTest, AReservedPortIsTakenAndIsTheOneListenedTo) {
  PosixNetwork& net = process_->network();
  const Result<std::uint16_t> port = net.reserve("127.0.0.1", 0, 7);
  ASSERT_TRUE(port.has_value());
  EXPECT_NE(*port, 0);
  ASSERT_TRUE(net.listen(7, [](ConnectionPtr) {}).has_value());  // 7 is only its name
  PosixHost other(nullptr);
  EXPECT_FALSE(other.network().listen(*port, [](ConnectionPtr) {}).has_value());
  EXPECT_EQ(net.reserve("no-address", 0).error().code, Code::not_found);
}

TEST_F(PosixTest, WhoConnectsToAHeldPortIsHeardWhenItIsAdmitted) {
  const std::uint16_t port = PosixNetwork::free_port();
  process_->network().hold(port);
  bool admitted = false, early = false, late = false;
  Pair pair;
  run([&] {
    ASSERT_TRUE(host().net.listen(port, [&](ConnectionPtr accepted) {
      (admitted ? late : early) = true;
      pair.server = std::move(accepted);
    }));
    connect_pair(host().scope, Label("pair"), *process_, port, pair, [&] { process_->finish(); });
    admit_at(host().scope, Label("admission"), *process_, port, in_ms(100), admitted);
  });
  EXPECT_FALSE(early);
  EXPECT_TRUE(late);
}

TEST_F(PosixTest, AFolderCanStandForTheNodesOwn) {
  auto mounted = PosixDisk::open_as("data", root_ + "/elsewhere");
  ASSERT_TRUE(mounted.has_value());
  ASSERT_TRUE((*mounted)->open("data/orders-0/0.log", OpenMode::create).has_value());
  EXPECT_TRUE(fs::exists(root_ + "/elsewhere/orders-0/0.log"));
  EXPECT_TRUE((*mounted)->exists("data/orders-0"));
  EXPECT_FALSE((*mounted)->exists("database/orders-0"));
  EXPECT_FALSE((*mounted)->open("other/x", OpenMode::create).has_value());
}

TEST_F(PosixTest, AHostWithoutADiskKeepsNoFiles) {
  PosixHost client(nullptr);
  EXPECT_FALSE(client.host().disk.open("x", OpenMode::create).has_value());
  EXPECT_FALSE(client.host().disk.exists("x"));
}

TEST_F(PosixTest, TheHttpListenerAnswersWholeRequestsAndDropsTheRest) {
  HttpListener http(process_->poller(), [](const HttpRequest& request, const HttpListener::Reply& reply) {
    reply({request.path == "/lost" ? 404 : 200, request.method + " " + request.path + " [" + request.body + "]"});
  });
  const Result<std::uint16_t> port = http.listen(0);
  ASSERT_TRUE(port.has_value());
  std::vector<std::string> answers;
  std::thread asking([&] {
    for (const std::string text : {"GET /ready HTTP/1.1\r\n\r\n", "PUT /x HTTP/1.1\r\nContent-LENGTH: 5\r\n\r\nhello", "GET /lost HTTP/1.0\r\n\r\n", "nonsense\r\n\r\n"}) {
      const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
      sockaddr_in to{};
      to.sin_family = AF_INET;
      to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      to.sin_port = htons(*port);
      std::string answer;
      if (::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof(to)) == 0) {
        // In two pieces: a request need not come at once.
        ::send(fd, text.data(), 5, MSG_NOSIGNAL);
        ::usleep(2000);
        ::send(fd, text.data() + 5, text.size() - 5, MSG_NOSIGNAL);
        char piece[512];
        for (ssize_t got; (got = ::recv(fd, piece, sizeof(piece), 0)) > 0;) answer.append(piece, static_cast<std::size_t>(got));
      }
      ::close(fd);
      answers.push_back(answer);
    }
    process_->post([&] { process_->finish(); });
  });
  run([] {});
  asking.join();
  ASSERT_EQ(answers.size(), 4u);
  EXPECT_NE(answers[0].find("HTTP/1.1 200 OK\r\n"), std::string::npos) << answers[0];
  EXPECT_NE(answers[0].find("GET /ready []"), std::string::npos) << answers[0];
  EXPECT_NE(answers[1].find("PUT /x [hello]"), std::string::npos) << answers[1];
  EXPECT_NE(answers[2].find("404"), std::string::npos) << answers[2];
  EXPECT_NE(answers[3].find("400"), std::string::npos) << answers[3];
}

}  // namespace
}  // namespace harrow::posix
