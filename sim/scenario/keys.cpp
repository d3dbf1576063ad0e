#include "sim/scenario/keys.h"

#include "core/base/check.h"

namespace harrow::sim {

namespace {

constexpr std::int64_t s = 1'000'000'000;
constexpr std::int64_t year = 366 * 86'400 * s;
using T = KeyType;

// clang-format off
constexpr Key top_keys[] = {
    {"harrow", T::integer, "1", "Version of this format.", "", 1, 1, true},
    {"name", T::name, "", "Name of the scenario in results; by default the file's name."},
    {"description", T::text, nullptr, "What it shows, in a sentence."},
    {"extends", T::text, nullptr, "Another scenario file, relative to this one, that this one is laid over: maps by key, lists of named items by name, everything else replaced."},
    {"start", T::wall_time, "2026-01-05T08:00:00Z", "Wall clock of every node at virtual time 0."},
    {"cluster", T::section, nullptr, "Machines, racks, network, clocks and configuration.", "cluster"},
    {"topics", T::sections, nullptr, "Topics made before the workload starts; by default one, named records.", "topic"},
    {"workload", T::section, nullptr, "Producers and consumers.", "workload"},
    {"faults", T::faults, nullptr, "What goes wrong, and when."},
    {"checks", T::checks, nullptr, "Expectations beyond the invariants, which always run."},
    {"expect", T::section, nullptr, "Marks a counter-example.", "expect"},
    {"stop", T::section, nullptr, "When faults end and when the run ends.", "stop"},
};
constexpr Key cluster_keys[] = {
    {"controllers", T::section, nullptr, "The quorum.", "controllers"},
    {"brokers", T::section, nullptr, "The brokers.", "brokers"},
    {"combined", T::flag, "false", "Every broker is a controller too; `controllers` must then be left out."},
    {"config", T::config, nullptr, "Kafka configuration of every node, by Kafka's own names."},
    {"config-file", T::text, nullptr, "A server.properties file, relative to this file; `config` is laid over it."},
    {"zones", T::groups_of_names, "", "Which racks form a zone; by default each rack is a zone of its own."},
    {"regions", T::groups_of_names, "", "Which zones form a region; by default all zones are in one."},
    {"network", T::section, nullptr, "Latency, loss and bandwidth.", "network"},
    {"clocks", T::section, nullptr, "Wall clocks of the nodes.", "clocks"},
};
constexpr Key controllers_keys[] = {
    {"count", T::integer, "3", "How many.", "", 1, 15},
    {"racks", T::names, "a, b, c", "Racks, dealt out in turn."},
    {"hardware", T::hardware, "default", "A profile (default, nvme, gp3, hdd) or a section.", "hardware"},
    {"config", T::config, nullptr, "Configuration of these nodes only, laid over the cluster's."},
};
constexpr Key brokers_keys[] = {
    {"count", T::integer, "3", "How many.", "", 1, 1000},
    {"racks", T::names, "a, b, c", "Racks, dealt out in turn."},
    {"hardware", T::hardware, "default", "A profile (default, nvme, gp3, hdd) or a section.", "hardware"},
    {"config", T::config, nullptr, "Configuration of these nodes only, laid over the cluster's."},
};
constexpr Key hardware_keys[] = {
    {"like", T::choice, "default", "Profile whose values count where none is given.", "default|nvme|gp3|hdd"},
    {"cores", T::integer, "", "Processor cores.", "", 1, 1024},
    {"lanes", T::integer, "", "How many pieces of work of one node run at once.", "", 1, 1024},
    {"memory", T::bytes, "", "Main memory; what the node does not use is page cache.", "", 1 << 20, INT64_MAX},
    {"nic", T::bandwidth, "", "Network bandwidth in each direction.", "", 1000, INT64_MAX},
    {"disk-bandwidth", T::bandwidth, "", "Sequential throughput of the disk.", "", 1000, INT64_MAX},
    {"disk-iops", T::integer, "", "Operations a second of the disk.", "", 1, 10'000'000},
    {"disk-capacity", T::bytes, "", "Space for data.", "", 1 << 20, INT64_MAX},
    {"disk-read", T::times, "", "Latency of a read that misses the page cache."},
    {"disk-sync", T::times, "", "Latency of an fsync beyond moving the bytes."},
    {"filesystem", T::choice, "", "Which un-synced writes a power loss may keep, and in which order.", "ext4|xfs|strict|adversarial"},
};
constexpr Key network_keys[] = {
    {"rtt", T::section, nullptr, "Round-trip times.", "rtt"},
    {"jitter", T::times, "exp(50us)", "Added to each one-way delay."},
    {"loss", T::probability, "0", "Share of packets lost; on a stream a lost packet is a retransmission delay."},
    {"bandwidth", T::bandwidth, "10Gbps", "Of every host's link, unless its hardware has less.", "", 1000, INT64_MAX},
};
constexpr Key rtt_keys[] = {
    {"rack", T::duration, "100us", "Between hosts of one zone.", "", 0, 100 * s},
    {"zone", T::duration, "500us", "Between zones of one region.", "", 0, 100 * s},
    {"region", T::duration, "30ms", "Between regions.", "", 0, 100 * s},
};
constexpr Key clocks_keys[] = {
    {"offset", T::signed_times, "0", "Of each wall clock at the start: a fixed time, or normal(0, 2ms)."},
    {"drift", T::drift, "0", "Each node draws a rate within plus or minus this.", "", 0, 100'000'000},
};
constexpr Key topic_keys[] = {
    {"name", T::name, nullptr, "Name of the topic.", "", 0, 0, true},
    {"partitions", T::integer, "3", "How many.", "", 1, 100'000},
    {"replication", T::integer, "", "Copies of each; by default 3, or the number of brokers if that is less.", "", 1, 15},
    {"assignment", T::assignment, nullptr, "Broker ids of each partition's replicas, the preferred leader first; by default the controller places them."},
    {"config", T::topic_config, nullptr, "Kafka configuration of the topic."},
    {"ordered", T::flag, "false", "Its readers rely on the order of records: `harrow check` says where that does not hold."},
};
constexpr Key workload_keys[] = {
    {"producers", T::sections, nullptr, "Who writes; by default one producer with acks=all. An empty list means nobody.", "producer"},
    {"consumers", T::sections, nullptr, "Who reads; by default one group of one member on every topic. An empty list means nobody.", "consumer"},
};
constexpr Key producer_keys[] = {
    {"name", T::name, nullptr, "Name; instance i is called name/i.", "", 0, 0, true},
    {"preset", T::name, nullptr, "Rate, sizes and keys of a published workload (`harrow list presets`); what this line gives counts more."},
    {"count", T::integer, "1", "Instances.", "", 1, 10'000},
    {"rack", T::names, "spread", "A rack for all, a list dealt out in turn, or spread."},
    {"topic", T::name, "", "Where to; by default the first topic."},
    {"rate", T::rate, "100/s", "Records a second of all instances together."},
    {"arrival", T::choice, "poisson", "Gaps between records: independent, or all the same.", "poisson|even"},
    {"burst", T::section, nullptr, "Regular bursts.", "burst"},
    {"size", T::sizes, "512B", "Bytes of a record's value."},
    {"keys", T::keys, "uniform(10k)", "Which key a record has: none, uniform(10k) or zipf(10k, 0.99)."},
    {"key-size", T::sizes, "12B", "Bytes of a key."},
    {"tombstones", T::probability, "0", "Share of keyed records without a value: they delete their key."},
    {"from", T::duration, "0s", "First record not before.", "", 0, year},
    {"until", T::duration, "", "Last record not after; by default early enough that consumers can catch up.", "", 0, year},
    {"records", T::integer, nullptr, "How many at most, of all instances together.", "", 1, 1'000'000'000},
    {"replay", T::section, nullptr, "Recorded events in place of rate, keys and sizes.", "replay"},
    {"client", T::client_config, nullptr, "Producer configuration by the Java client's names."},
};
constexpr Key burst_keys[] = {
    {"every", T::duration, nullptr, "From the start of one burst to the start of the next.", "", s / 1000, year, true},
    {"for", T::duration, nullptr, "Length of a burst.", "", s / 1000, year, true},
    {"factor", T::factor, "10", "By how much the rate is multiplied.", "", 0, 1'000'000'000'000},
};
constexpr Key replay_keys[] = {
    {"file", T::text, nullptr, "CSV or JSON lines (.csv, .jsonl, also .gz), relative to this file, in order of time.", "", 0, 0, true},
    {"time", T::text, nullptr, "Column with the time of an event.", "", 0, 0, true},
    {"time-unit", T::choice, "", "Of a number in that column; by default what the column's name ends in (_s, _ms, _us, _ns), else ms.", "s|ms|us|ns"},
    {"key", T::text, nullptr, "Column with the key; none: records without a key."},
    {"size", T::text, nullptr, "Column with the bytes of the value; none: `size` of the producer."},
    {"speed", T::factor, "1", "How many times as fast as recorded.", "", 1, 1'000'000'000'000},
    {"loop", T::flag, "false", "Start again at the end of the file."},
    {"missing", T::choice, "error", "What to do when the file is not there: refuse, or run without this producer and say so.", "error|skip"},
};
constexpr Key consumer_keys[] = {
    {"name", T::name, nullptr, "Name; instance i is called name/i.", "", 0, 0, true},
    {"count", T::integer, "1", "Members.", "", 1, 10'000},
    {"rack", T::names, "spread", "A rack for all, a list dealt out in turn, or spread."},
    {"group", T::name, "", "Group id; by default the name."},
    {"topics", T::names, "", "What to read; by default every topic."},
    {"work", T::times, "0", "Time that the application takes for a record."},
    {"commit", T::choice, "automatic", "When positions are committed: by the client's timer, after each poll, or never.", "automatic|each-poll|none"},
    {"from", T::duration, "0s", "When the members start.", "", 0, year},
    {"until", T::duration, nullptr, "When they leave and the group falls silent.", "", 0, year},
    {"client", T::client_config, nullptr, "Consumer configuration by the Java client's names."},
};
constexpr Key fault_keys[] = {
    {"at", T::duration, nullptr, "When it begins. With `when`: not before.", "", 0, year},
    {"when", T::condition, nullptr, "Begins when this becomes true: isr(orders/0) < 3, leader(orders/0) == 2, under-replicated > 0, lag(billing) > 1000, time > 20s, joined by `and`."},
    {"once", T::flag, "true", "With `when`: only the first time."},
    {"for", T::duration, nullptr, "How long; by default until faults are healed.", "", 0, year},
    {"restart", T::restart, "after 5s", "When a stopped process comes back: after 5s, or never (that is, at heal)."},
    {"gap", T::duration, "5s", "From one node being back in every ISR to the stop of the next.", "", 0, year},
    {"profile", T::choice, "", "Which un-synced writes may survive; by default the hardware's file system.", "ext4|xfs|strict|adversarial"},
    {"factor", T::factor, "10", "How many times slower.", "", 1, 1'000'000'000'000},
    {"mode", T::choice, "hold", "What becomes of messages: held until the fault ends, dropped, or their connections reset.", "hold|drop|reset"},
    {"op", T::choice, "any", "Which operation fails.", "read|write|any"},
    {"file", T::choice, "any", "Which files are hit.", "any|log|index|checkpoint|quorum-state|metadata"},
    {"count", T::integer, "1", "How often it strikes; 0: as long as it lasts.", "", 0, 1'000'000},
    {"by", T::signed_duration, nullptr, "How far the clock jumps; clock-step may be negative.", "", -year, year},
    {"ppm", T::drift, nullptr, "How much faster the clock runs; may be negative.", "", -1'000'000'000, 1'000'000'000},
    {"to", T::text, nullptr, "move-leader: a broker, broker(2), by default any other member of the ISR. add-partitions: the new total."},
    {"partitions", T::integer, "3", "Of the new topic.", "", 1, 100'000},
    {"replication", T::integer, "", "Of the new topic; by default 3, or the number of brokers if that is less.", "", 1, 15},
    {"set", T::text, nullptr, "alter-config: KEY=VALUE; KEY= removes the key."},
    {"before", T::integer, nullptr, "Records below this offset are deleted; by default all below the high watermark.", "", 0, INT64_MAX},
    {"api", T::api, nullptr, "Kafka's name of the request, e.g. Produce; by default any."},
    {"calls", T::text, nullptr, "Which of the matching requests: 3 means the first three, 2..4 the second to the fourth. By default the first; with `for` or `probability` every one."},
    {"probability", T::probability, nullptr, "Of each matching request."},
    {"target", T::selectors, nullptr, "Which brokers answer so; by default all of them."},
    {"after", T::choice, "commit", "When the connection is closed: once the request has taken effect, or before it is looked at.", "commit|request"},
    {"random", T::section, nullptr, "A phase of faults drawn from the seed.", "random"},
};
constexpr Key one_way_keys[] = {
    {"from", T::selectors, nullptr, "Whose messages are held; by default everybody's."},
    {"to", T::selectors, nullptr, "Messages to whom; by default to everybody."},
};
constexpr Key hold_api_keys[] = {
    {"api", T::api, nullptr, "Kafka's name of the request, e.g. Fetch.", "", 0, 0, true},
    {"side", T::choice, "request", "Whether requests or answers are held.", "request|response"},
    {"by", T::times, nullptr, "How long each is held; by default until the fault ends."},
    {"from", T::selectors, nullptr, "Of whose requests; by default everybody's."},
    {"to", T::selectors, nullptr, "To whom; by default everybody."},
};
constexpr Key drop_api_keys[] = {
    {"api", T::api, nullptr, "Kafka's name of the request, e.g. Produce.", "", 0, 0, true},
    {"side", T::choice, "request", "Whether the request or the answer is swallowed.", "request|response"},
    {"from", T::selectors, nullptr, "Whose requests; by default everybody's."},
    {"to", T::selectors, nullptr, "To whom; by default everybody."},
};
constexpr Key delay_keys[] = {
    {"from", T::selectors, nullptr, "One end; by default everybody."},
    {"to", T::selectors, nullptr, "The other end; by default everybody."},
    {"by", T::times, nullptr, "Added to each one-way delay.", "", 0, 0, true},
};
constexpr Key loss_keys[] = {
    {"from", T::selectors, nullptr, "One end; by default everybody."},
    {"to", T::selectors, nullptr, "The other end; by default everybody."},
    {"share", T::probability, nullptr, "Share of packets lost.", "", 0, 0, true},
};
constexpr Key bandwidth_keys[] = {
    {"from", T::selectors, nullptr, "One end; by default everybody."},
    {"to", T::selectors, nullptr, "The other end; by default everybody."},
    {"limit", T::bandwidth, nullptr, "What is left of the bandwidth.", "", 1000, INT64_MAX, true},
};
constexpr Key random_keys[] = {
    {"from", T::duration, nullptr, "Beginning of the phase.", "", 0, year, true},
    {"until", T::duration, nullptr, "End of the phase.", "", 0, year, true},
    {"mean-gap", T::duration, "4s", "Mean of the (exponential) time between two faults.", "", s / 1000, year},
    {"max-concurrent", T::integer, "1", "How many may be on at once; a fault counts until its node is back in every ISR (and in the quorum).", "", 1, 1000},
    {"duration", T::times, "exp(3s)", "How long a fault lasts, or how soon a stopped process is started again."},
    {"pick", T::weights, "kill: 3, pause: 2, one-way: 1", "Which faults, with weights."},
    {"budget", T::choice, "keep", "none: more may break than the settings tolerate; then only silent loss is a failure.", "keep|none"},
};
constexpr Key no_acked_loss_keys[] = {
    {"producers", T::names, "", "Whose records count; by default everybody's."},
    {"count", T::choice, "promised", "promised: what the settings promise to keep. acked: every acknowledged record.", "promised|acked"},
};
constexpr Key slo_keys[] = {
    {"produce-p50", T::limit_time, nullptr, "Median produce latency."},
    {"produce-p99", T::limit_time, nullptr, "99th percentile of the produce latency."},
    {"produce-p999", T::limit_time, nullptr, "99.9th percentile of the produce latency."},
    {"end-to-end-p50", T::limit_time, nullptr, "Median time from send to delivery."},
    {"end-to-end-p99", T::limit_time, nullptr, "99th percentile from send to delivery."},
    {"end-to-end-p999", T::limit_time, nullptr, "99.9th percentile from send to delivery."},
    {"unavailable", T::limit_time, nullptr, "Longest time without an answer: \"< 12s per fault\", or \"< 60s in total\"."},
    {"consumer-lag", T::limit_number, nullptr, "Records behind: \"< 1000 at end\", or \"< 50000\" at any time."},
    {"under-replicated", T::limit_time, nullptr, "Time with any under-replicated partition."},
};
constexpr Key eventually_keys[] = {
    {"under-replicated-partitions", T::integer, nullptr, "At most so many.", "", 0, INT64_MAX},
    {"offline-partitions", T::integer, nullptr, "At most so many.", "", 0, INT64_MAX},
    {"consumer-lag", T::integer, nullptr, "At most so many records in all groups.", "", 0, INT64_MAX},
    {"within", T::duration, "30s", "How long it may take.", "", 0, year},
    {"after", T::when, "heal", "From when: heal, or a time."},
};
constexpr Key expect_keys[] = {
    {"fails", T::name, nullptr, "The check that this counter-example breaks. The run still exits 1; a test counts it as expected.", "", 0, 0, true},
};
constexpr Key stop_keys[] = {
    {"heal", T::duration, "", "All faults end; by default when producing ends.", "", 0, year},
    {"after", T::duration, "60s", "The run ends.", "", s / 1000, year},
};

constexpr Section section_rows[] = {
    {"scenario", "scenario", top_keys, "The file as a whole. Every part has a default: `harrow: 1` alone is a scenario."},
    {"cluster", "cluster", cluster_keys, "Brokers have the ids 1, 2, ...; controllers 3001, 3002, ... (combined nodes 1, 2, ...)."},
    {"controllers", "controllers", controllers_keys, "The nodes of the metadata quorum."},
    {"brokers", "brokers", brokers_keys, "The nodes that hold data."},
    {"hardware", "hardware", hardware_keys, "What a machine can do. Values left out are the profile's."},
    {"network", "network", network_keys, "Applies to every pair of hosts; clients are hosts too."},
    {"rtt", "rtt", rtt_keys, "Round-trip times, without jitter."},
    {"clocks", "clocks", clocks_keys, "Wall clocks differ; monotonic clocks only drift."},
    {"topic", "topic", topic_keys, "One topic."},
    {"workload", "workload", workload_keys, "Clients are hosts with a rack, a processor and a clock of their own."},
    {"producer", "producer", producer_keys, "Payloads are made from producer and sequence number, so every record is unique and can be checked."},
    {"burst", "burst", burst_keys, "A rate that jumps regularly."},
    {"replay", "replay", replay_keys, "Gaps, order, keys and sizes come from recorded events; records carry virtual time."},
    {"consumer", "consumer", consumer_keys, "Members of one group."},
    {"fault", "fault", fault_keys, "A line names one fault and its target, and when: `- { at: 10s, kill: leader(orders/0), restart: after 5s }`."},
    {"one-way", "one-way target", one_way_keys, "The target of one-way."},
    {"hold-api", "hold-api target", hold_api_keys, "The target of hold-api."},
    {"drop-api", "drop-api target", drop_api_keys, "The target of drop-api."},
    {"delay", "delay target", delay_keys, "The target of delay."},
    {"loss", "loss target", loss_keys, "The target of loss."},
    {"bandwidth", "bandwidth target", bandwidth_keys, "The target of bandwidth."},
    {"random", "random phase", random_keys, "Faults drawn from the seed; `check --expand --seed N` shows the phase, faults.jsonl what it drew."},
    {"no-acked-loss", "no-acked-loss", no_acked_loss_keys, "No acknowledged record may be missing at the end."},
    {"slo", "slo", slo_keys, "Limits, judged at the end of the run."},
    {"eventually", "eventually", eventually_keys, "What must hold some time after the faults."},
    {"expect", "expect", expect_keys, "For counter-examples."},
    {"stop", "stop", stop_keys, "Times of the end."},
};

constexpr FaultRow fault_table[] = {
    {FaultKind::kill, TargetForm::selectors, "", "restart", "", "The process ends as by kill -9; its page cache survives.", "{ at: 10s, kill: leader(orders/0), restart: after 5s }"},
    {FaultKind::power_loss, TargetForm::selectors, "", "restart profile", "", "The host loses power; dice decide which un-synced writes survive, within what the file system allows.", "{ at: 10s, power-loss: broker(2), profile: ext4, restart: after 10s }"},
    {FaultKind::stop, TargetForm::selectors, "", "restart", "", "A clean, controlled shutdown.", "{ at: 10s, stop: broker(1), restart: after 5s }"},
    {FaultKind::rolling_restart, TargetForm::selectors, "", "restart gap", "", "Clean restarts of the targets, one after another.", "{ at: 10s, rolling-restart: all, gap: 5s }"},
    {FaultKind::pause, TargetForm::selectors, "", "for", "", "The whole process is frozen and wakes as it was.", "{ at: 10s, for: 12s, pause: leader(orders/0) }"},
    {FaultKind::slow_cpu, TargetForm::selectors, "", "for factor", "", "All work of the process takes `factor` times as long.", "{ at: 10s, for: 20s, slow-cpu: broker(1), factor: 8 }"},
    {FaultKind::partition, TargetForm::sides, "", "for mode", "", "Messages between the sides are held (or dropped), connections stall. Hosts on no side reach everybody.", "{ at: 30s, for: 8s, partition: [[rack:a], [rack:b, rack:c]] }"},
    {FaultKind::one_way, TargetForm::map, "one-way", "for mode", "", "Messages in one direction are held.", "{ at: 30s, for: 8s, one-way: { from: rack:a, to: rack:b } }"},
    {FaultKind::isolate, TargetForm::selectors, "", "for mode", "", "The target is cut off from everybody.", "{ at: 30s, for: 8s, isolate: broker(2) }"},
    {FaultKind::hold_api, TargetForm::map, "hold-api", "for", "", "Messages of one request type are held, everything else flows.", "{ at: 30s, for: 5s, hold-api: { api: AlterPartition, side: response } }"},
    {FaultKind::drop_api, TargetForm::map, "drop-api", "for count", "", "One message is swallowed, then its connection is reset.", "{ at: 30s, drop-api: { api: Produce, side: response }, count: 1 }"},
    {FaultKind::delay, TargetForm::map, "delay", "for", "", "Links become slower.", "{ at: 30s, for: 20s, delay: { from: rack:a, to: rack:b, by: exp(20ms) } }"},
    {FaultKind::loss, TargetForm::map, "loss", "for", "", "Links lose packets.", "{ at: 30s, for: 20s, loss: { from: rack:a, share: 2% } }"},
    {FaultKind::bandwidth, TargetForm::map, "bandwidth", "for", "", "Links carry less.", "{ at: 30s, for: 20s, bandwidth: { to: broker(1), limit: 1Mbps } }"},
    {FaultKind::reset, TargetForm::selectors, "", "", "", "Every connection of the target is reset.", "{ at: 30s, reset: broker(1) }"},
    {FaultKind::slow_disk, TargetForm::selectors, "", "for factor", "", "Every disk operation takes `factor` times as long.", "{ at: 45s, for: 60s, slow-disk: follower(orders/0), factor: 50 }"},
    {FaultKind::stall_disk, TargetForm::selectors, "", "for", "", "No disk operation ends.", "{ at: 45s, for: 5s, stall-disk: broker(2) }"},
    {FaultKind::full_disk, TargetForm::selectors, "", "for", "", "Writes fail with ENOSPC.", "{ at: 45s, for: 10s, full-disk: broker(2) }"},
    {FaultKind::disk_error, TargetForm::selectors, "", "op file count", "", "Reads or writes fail with EIO.", "{ at: 45s, disk-error: broker(2), op: write, file: log }"},
    {FaultKind::sync_error, TargetForm::selectors, "", "file count", "", "An fsync fails; its pages then count as clean.", "{ at: 45s, sync-error: broker(2), file: log }"},
    {FaultKind::bit_rot, TargetForm::selectors, "", "file count", "", "Bits of stored data flip.", "{ at: 45s, bit-rot: broker(2), file: log }"},
    {FaultKind::misdirect, TargetForm::selectors, "", "file count", "", "A write lands somewhere else.", "{ at: 45s, misdirect: broker(2), file: log }"},
    {FaultKind::wipe_disk, TargetForm::selectors, "", "restart", "", "The node dies and finds an empty disk at its next start.", "{ at: 45s, wipe-disk: broker(2), restart: after 5s }"},
    {FaultKind::clock_step, TargetForm::selectors, "", "by", "by", "The wall clock jumps.", "{ at: 20s, clock-step: broker(1), by: -90s }"},
    {FaultKind::clock_drift, TargetForm::selectors, "", "for ppm", "ppm", "The clocks run at another rate.", "{ at: 20s, for: 60s, clock-drift: broker(1), ppm: 500ppm }"},
    {FaultKind::move_leader, TargetForm::partition, "", "to", "", "The controller makes another replica leader.", "{ at: 20s, move-leader: orders/0, to: broker(2) }"},
    {FaultKind::delete_topic, TargetForm::topic, "", "", "", "A client deletes the topic.", "{ at: 20s, delete-topic: scratch }"},
    {FaultKind::create_topic, TargetForm::topic, "", "partitions replication", "", "A client creates a topic.", "{ at: 20s, create-topic: scratch, partitions: 6 }"},
    {FaultKind::add_partitions, TargetForm::topic, "", "to", "to", "A client raises the number of partitions.", "{ at: 20s, add-partitions: orders, to: 24 }"},
    {FaultKind::alter_config, TargetForm::topic, "", "set", "set", "A client changes the configuration of a topic, of broker(N), or of all brokers.", "{ at: 20s, alter-config: orders, set: retention.ms=30s }"},
    {FaultKind::delete_records, TargetForm::partition, "", "before", "", "A client deletes the oldest records of a partition.", "{ at: 20s, delete-records: orders/0 }"},
    {FaultKind::inject, TargetForm::code, "", "for api calls probability target", "", "Clients' requests are answered with this error and take no effect.", "{ at: 20s, inject: NOT_LEADER_OR_FOLLOWER, api: Produce, calls: 1..3 }"},
    {FaultKind::disconnect, TargetForm::selectors, "", "for api calls probability after", "", "A client's connection is closed instead of an answer, when the request has taken effect or before.", "{ at: 20s, disconnect: any-broker, api: Produce, after: commit }"},
    {FaultKind::advance_clock, TargetForm::selectors, "", "by", "by", "All clocks of the process jump forwards: sessions, time-outs and retention are due.", "{ at: 20s, advance-clock: broker(1), by: 60s }"},
};

constexpr CheckRow check_table[] = {
    {"no-acked-loss", "no-acked-loss", "Parameters of the check that always runs: no promised record is lost.", "- no-acked-loss: { producers: [checkout] }"},
    {"slo", "slo", "Limits for latency, unavailability and lag.", "- slo: { produce-p99: \"< 250ms\", unavailable: \"< 12s per fault\" }"},
    {"eventually", "eventually", "What must hold some time after the faults end.", "- eventually: { under-replicated-partitions: 0, within: 30s, after: heal }"},
    {"sometimes", "", "Marks to count; one never reached over a whole swarm fails the swarm.", "- sometimes: [leader-changed, isr-shrunk, truncated]"},
    {"reached", "", "Marks that each single run must reach.", "- reached: [leader-changed]"},
    {"off", "", "Invariants that are not checked, by id.", "- off: [I59]"},
    {"expect", "expect", "Marks a counter-example by the check that it breaks.", "- expect: { fails: no-acked-loss }"},
};

// the names are those of the rooms that judge
constexpr MarkRow mark_table[] = {
#define HARROW_MARK(id, name, meaning) {name, meaning},
#include "sim/check/marks.def"
#undef HARROW_MARK
};

constexpr InvariantRow invariant_table[] = {
#define HARROW_CHECK(id, file, name, kind, statement) {#id, name, statement},
#include "sim/check/checks.def"
#undef HARROW_CHECK
};

constexpr ApiRow api_table[] = {
    {"Produce", 0}, {"Fetch", 1}, {"ListOffsets", 2}, {"Metadata", 3}, {"OffsetCommit", 8}, {"OffsetFetch", 9}, {"FindCoordinator", 10}, {"JoinGroup", 11},
    {"Heartbeat", 12}, {"LeaveGroup", 13}, {"SyncGroup", 14}, {"DescribeGroups", 15}, {"ListGroups", 16}, {"ApiVersions", 18}, {"CreateTopics", 19},
    {"DeleteTopics", 20}, {"DeleteRecords", 21}, {"InitProducerId", 22}, {"OffsetForLeaderEpoch", 23}, {"DescribeConfigs", 32}, {"CreatePartitions", 37},
    {"DeleteGroups", 42}, {"ElectLeaders", 43}, {"IncrementalAlterConfigs", 44}, {"OffsetDelete", 47}, {"Vote", 52}, {"BeginQuorumEpoch", 53},
    {"EndQuorumEpoch", 54}, {"DescribeQuorum", 55}, {"AlterPartition", 56}, {"Envelope", 58}, {"FetchSnapshot", 59}, {"DescribeCluster", 60},
    {"BrokerRegistration", 62}, {"BrokerHeartbeat", 63}, {"UnregisterBroker", 64}, {"AllocateProducerIds", 67}, {"ControllerRegistration", 70}, {"ListConfigResources", 74},
    {"DescribeTopicPartitions", 75},
};

constexpr ClientKey client_table[] = {
    {"acks", ClientType::choice, "all", "all|-1|0|1", true, false, "How many copies must have a record before it is acknowledged."},
    {"enable.idempotence", ClientType::flag, "true", "", true, false, "Whether retries are recognised as duplicates; off by itself unless acks is all."},
    {"batch.size", ClientType::bytes, "16384", "", true, false, "Largest batch."},
    {"linger.ms", ClientType::milliseconds, "5", "", true, false, "How long a batch waits for more."},
    {"buffer.memory", ClientType::bytes, "33554432", "", true, false, "What may wait to be sent."},
    {"max.in.flight.requests.per.connection", ClientType::integer, "5", "", true, false, "Requests sent before the first is answered."},
    {"delivery.timeout.ms", ClientType::milliseconds, "120000", "", true, false, "After this a record fails."},
    {"retries", ClientType::integer, "2147483647", "", true, false, "How often a request is sent again."},
    {"max.request.size", ClientType::bytes, "1048576", "", true, false, "Largest request."},
    {"max.block.ms", ClientType::milliseconds, "60000", "", true, false, "How long a send waits for metadata or memory."},
    {"compression.type", ClientType::choice, "none", "none|gzip|snappy|lz4|zstd", true, false, "Codec of batches."},
    {"partition.assignment.strategy", ClientType::choice, "range,cooperative-sticky", "range|roundrobin|sticky|cooperative-sticky", false, true, "How a group's leader deals out partitions; incremental if all of the list are cooperative."},
    {"auto.offset.reset", ClientType::choice, "earliest", "earliest|latest|none", false, true, "Where a group without a position begins (Java's default is latest; here nothing may be missed)."},
    {"enable.auto.commit", ClientType::flag, "true", "", false, true, "Whether positions are committed by a timer."},
    {"auto.commit.interval.ms", ClientType::milliseconds, "5000", "", false, true, "That timer."},
    {"session.timeout.ms", ClientType::milliseconds, "45000", "", false, true, "A member silent for so long is removed."},
    {"heartbeat.interval.ms", ClientType::milliseconds, "3000", "", false, true, "Between heartbeats."},
    {"max.poll.interval.ms", ClientType::milliseconds, "300000", "", false, true, "A member that does not poll for so long leaves."},
    {"max.poll.records", ClientType::integer, "500", "", false, true, "Most records of one poll."},
    {"fetch.min.bytes", ClientType::bytes, "1", "", false, true, "A fetch waits for so much."},
    {"fetch.max.wait.ms", ClientType::milliseconds, "500", "", false, true, "But no longer than this."},
    {"fetch.max.bytes", ClientType::bytes, "52428800", "", false, true, "Most of one fetch."},
    {"max.partition.fetch.bytes", ClientType::bytes, "1048576", "", false, true, "Most of one partition."},
    {"isolation.level", ClientType::choice, "read_uncommitted", "read_uncommitted|read_committed", false, true, "Whether aborted records are shown."},
    {"check.crcs", ClientType::flag, "true", "", false, true, "Whether checksums are verified."},
    {"group.instance.id", ClientType::text, "", "", false, true, "Static membership: instance i is called so with /i behind."},
    {"client.rack", ClientType::text, "", "", false, true, "Rack that the broker is told; by default the client's."},
    {"request.timeout.ms", ClientType::milliseconds, "30000", "", true, true, "How long an answer may take."},
    {"default.api.timeout.ms", ClientType::milliseconds, "60000", "", false, true, "How long a call may take."},
    {"retry.backoff.ms", ClientType::milliseconds, "100", "", true, true, "First pause before a retry."},
    {"retry.backoff.max.ms", ClientType::milliseconds, "1000", "", true, true, "Longest pause before a retry."},
    {"reconnect.backoff.ms", ClientType::milliseconds, "50", "", true, true, "First pause before connecting again."},
    {"reconnect.backoff.max.ms", ClientType::milliseconds, "1000", "", true, true, "Longest pause before connecting again."},
    {"socket.connection.setup.timeout.ms", ClientType::milliseconds, "10000", "", true, true, "How long connecting may take."},
    {"metadata.max.age.ms", ClientType::milliseconds, "300000", "", true, true, "After this metadata is fetched again."},
};
// clang-format on

}  // namespace

std::span<const Section> sections() { return section_rows; }
const Section& section_named(std::string_view name) {
  for (const Section& section : section_rows)
    if (name == section.name) return section;
  CHECK_SAYING(false, "no such section in the key table");
}
std::span<const FaultRow> fault_rows() { return fault_table; }
const FaultRow& row_of(FaultKind kind) { return fault_table[static_cast<std::size_t>(kind)]; }
const FaultRow* find_fault(std::string_view name) {
  for (const FaultRow& row : fault_table)
    if (name_of(row.kind) == name) return &row;
  return nullptr;
}
std::span<const CheckRow> check_rows() { return check_table; }
std::span<const MarkRow> mark_rows() { return mark_table; }
std::span<const InvariantRow> invariant_rows() { return invariant_table; }
std::span<const ApiRow> api_rows() { return api_table; }
std::span<const ClientKey> client_keys() { return client_table; }

}  // namespace harrow::sim
