// Unmodified franz-go against a served cluster; started by served.py, whose protocol it speaks (kill-leader, restart).
// franz --bootstrap LIST --brokers N
package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime/debug"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

var (
	seeds    []string
	nodes    int
	replicas int16
	answers  = bufio.NewScanner(os.Stdin)
	base     = (time.Now().Unix() - 3600) * 1000 // recent: old records would fall to retention while the suite runs
	ctx      = context.Background()
)

type failure string

func expect(condition bool, format string, arguments ...any) {
	if !condition {
		panic(failure(fmt.Sprintf(format, arguments...) + "\n" + string(debug.Stack())))
	}
}

func must(err error, what string) { expect(err == nil, "%s: %v", what, err) }

func refused(err error, wanted *kerr.Error, what string) {
	expect(errors.Is(err, wanted), "%s: expected %s, got %v", what, wanted.Message, err)
}

func until(what string, seconds int, wanted func() bool) {
	for end := time.Now().Add(time.Duration(seconds) * time.Second); !wanted(); time.Sleep(30 * time.Millisecond) {
		expect(time.Now().Before(end), "%s: not within %d s", what, seconds)
	}
}

func ask(line string) string {
	fmt.Println(line)
	expect(answers.Scan(), "nobody answers '%s'", line)
	return answers.Text()
}

func client(options ...kgo.Opt) *kgo.Client {
	made, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(seeds...), kgo.RetryBackoffFn(func(int) time.Duration { return 50 * time.Millisecond }), kgo.FetchMaxWait(200 * time.Millisecond), kgo.MetadataMinAge(100 * time.Millisecond)}, options...)...)
	must(err, "client")
	return made
}

func create(admin *kadm.Client, topic string, partitions int32, configs map[string]*string) {
	made, err := admin.CreateTopic(ctx, partitions, replicas, configs, topic)
	must(err, topic)
	must(made.Err, topic)
}

// Keys repeat; some keys and values are null; headers repeat and may be empty.
func records(topic, tag string, count int) []*kgo.Record {
	var made []*kgo.Record
	for i := 0; i < count; i++ {
		r := &kgo.Record{Topic: topic, Timestamp: time.UnixMilli(base + int64(i))}
		if i%11 != 0 {
			r.Key = []byte(fmt.Sprintf("%s-%d", tag, i%7))
		}
		if i%13 != 5 || r.Key == nil {
			r.Value = []byte(fmt.Sprintf("%s %d %s", tag, i, strings.Repeat("x", i%50)))
		}
		if i%3 == 0 {
			r.Headers = []kgo.RecordHeader{{Key: "n", Value: []byte(fmt.Sprint(i))}, {Key: "n", Value: []byte("again")}, {Key: "empty", Value: []byte{}}, {Key: "null"}}
		}
		made = append(made, r)
	}
	return made
}

func content(r *kgo.Record) string {
	text := func(b []byte) string {
		if b == nil {
			return "null"
		}
		return fmt.Sprintf("%q", b)
	}
	said := text(r.Key) + " " + text(r.Value) + " " + fmt.Sprint(r.Timestamp.UnixMilli())
	for _, h := range r.Headers {
		said += " " + h.Key + "=" + text(h.Value)
	}
	return said
}

func same(got, sent []*kgo.Record, what string) {
	expect(len(got) == len(sent), "%s: %d of %d records came back", what, len(got), len(sent))
	byKey := func(list []*kgo.Record) map[string][]string {
		found := map[string][]string{}
		for _, r := range list {
			found[string(r.Key)] = append(found[string(r.Key)], content(r))
		}
		sort.Strings(found[""]) // records without a key may be spread over partitions
		return found
	}
	found, wanted := byKey(got), byKey(sent)
	for key, list := range wanted {
		expect(strings.Join(found[key], "\n") == strings.Join(list, "\n"), "%s: key '%s' differs in content or order", what, key)
	}
	next := map[int32]int64{}
	for _, r := range got {
		expect(r.Offset >= next[r.Partition], "%s: offsets go back", what)
		next[r.Partition] = r.Offset + 1
	}
}

func produce(c *kgo.Client, rows []*kgo.Record) {
	must(c.ProduceSync(ctx, rows...).FirstErr(), "produce")
}

func poll(c *kgo.Client, wait time.Duration) []*kgo.Record {
	limited, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	fetches := c.PollFetches(limited)
	for _, e := range fetches.Errors() {
		var joining *kgo.ErrGroupSession // told for information: it tries again
		expect(errors.Is(e.Err, context.DeadlineExceeded) || errors.As(e.Err, &joining), "fetch of %s-%d: %v", e.Topic, e.Partition, e.Err)
	}
	return fetches.Records()
}

func read(c *kgo.Client, count int, what string) []*kgo.Record {
	var got []*kgo.Record
	until(what, 60, func() bool {
		got = append(got, poll(c, 300*time.Millisecond)...)
		return len(got) >= count
	})
	return got
}

func start() kgo.Opt { return kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()) }

func codecs(admin *kadm.Client) {
	for name, codec := range map[string]kgo.CompressionCodec{"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression()} {
		topic := "go-" + name
		create(admin, topic, 3, nil)
		c := client(kgo.ProducerBatchCompression(codec), kgo.ConsumeTopics(topic), kgo.ConsumerGroup("g-"+name), start())
		rows := records(topic, name, 200)
		produce(c, rows)
		ends, err := admin.ListEndOffsets(ctx, topic)
		must(err, "ends")
		total := int64(0)
		ends.Each(func(o kadm.ListedOffset) { total += o.Offset })
		expect(total == 200, "%s: the ends sum to %d", topic, total)
		same(read(c, 200, topic), rows, topic)
		// What the last poll gave is committed by itself only with the next poll.
		must(c.CommitUncommittedOffsets(ctx), "commit")
		c.Close()
	}
}

func acknowledgements(admin *kadm.Client) {
	for name, acks := range map[string]kgo.Acks{"0": kgo.NoAck(), "1": kgo.LeaderAck()} {
		topic := "go-acks-" + name
		create(admin, topic, 1, nil)
		c := client(kgo.RequiredAcks(acks), kgo.DisableIdempotentWrite(), kgo.ConsumeTopics(topic), start())
		rows := records(topic, "acks", 200)
		produce(c, rows)
		same(read(c, 200, topic), rows, topic)
		if name == "1" {
			for i, r := range rows {
				expect(r.Offset == int64(i), "record %d was acknowledged at %d", i, r.Offset)
			}
		}
		c.Close()
	}
}

// A member of a group, polled in a goroutine of its own.
type member struct {
	*kgo.Client
	mutex  sync.Mutex
	got    []*kgo.Record
	mine   map[int32]bool
	cancel context.CancelFunc
	done   chan struct{}
}

func join(group, topic string, options ...kgo.Opt) *member {
	m := &member{mine: map[int32]bool{}, done: make(chan struct{})}
	change := func(have bool) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, parts map[string][]int32) {
			m.mutex.Lock()
			defer m.mutex.Unlock()
			for _, p := range parts[topic] {
				if have {
					m.mine[p] = true
				} else {
					delete(m.mine, p)
				}
			}
		}
	}
	m.Client = client(append([]kgo.Opt{kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), start(), kgo.SessionTimeout(6 * time.Second), kgo.HeartbeatInterval(200 * time.Millisecond),
		kgo.AutoCommitInterval(200 * time.Millisecond), kgo.OnPartitionsAssigned(change(true)), kgo.OnPartitionsRevoked(change(false)), kgo.OnPartitionsLost(change(false))}, options...)...)
	var polling context.Context
	polling, m.cancel = context.WithCancel(ctx)
	go func() {
		defer close(m.done)
		for polling.Err() == nil {
			records := m.PollFetches(polling).Records()
			m.mutex.Lock()
			m.got = append(m.got, records...)
			m.mutex.Unlock()
		}
	}()
	return m
}
func (m *member) share() int {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return len(m.mine)
}
func (m *member) records() []*kgo.Record {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return append([]*kgo.Record(nil), m.got...)
}
func (m *member) leave() {
	m.cancel()
	<-m.done
	m.Close()
}

func groups(admin *kadm.Client) {
	// Committed offsets resume.
	first := client(kgo.ConsumerGroup("g-resume"), kgo.ConsumeTopics("go-none"), start(), kgo.DisableAutoCommit())
	limited, cancel := context.WithTimeout(ctx, 30*time.Second)
	var begun []*kgo.Record
	for len(begun) == 0 && limited.Err() == nil {
		begun = first.PollRecords(limited, 50).Records()
	}
	cancel()
	must(first.CommitRecords(ctx, begun...), "commit")
	first.Close()
	second := client(kgo.ConsumerGroup("g-resume"), kgo.ConsumeTopics("go-none"), start(), kgo.DisableAutoCommit())
	rest := read(second, 200-len(begun), "g-resume goes on")
	same(append(begun, rest...), records("go-none", "none", 200), "g-resume")
	second.Close()
	// Two members share, one leaves, the other takes over: cooperative and eager.
	for name, balancer := range map[string]kgo.GroupBalancer{"cooperative-sticky": kgo.CooperativeStickyBalancer(), "range": kgo.RangeBalancer()} {
		group := "g-two-" + name
		one := join(group, "go-none", kgo.Balancers(balancer))
		until(group+": one has all", 30, func() bool { return one.share() == 3 })
		two := join(group, "go-none", kgo.Balancers(balancer))
		until(group+": two share", 30, func() bool { return one.share() > 0 && two.share() > 0 && one.share()+two.share() == 3 })
		described, err := admin.DescribeGroups(ctx, group)
		must(err, "describe")
		expect(described[group].State == "Stable" && len(described[group].Members) == 2 && described[group].Protocol == name, "%s: %+v", group, described[group])
		gone, err := admin.DeleteGroups(ctx, group)
		must(err, "delete")
		refused(gone[group].Err, kerr.NonEmptyGroup, "deleting a group with members")
		two.leave()
		until(group+": the other takes over", 30, func() bool { return one.share() == 3 })
		until(group+": all was read", 30, func() bool { return len(one.records())+len(two.records()) >= 200 })
		one.leave()
	}
	// A static member comes back.
	for i := 0; i < 2; i++ {
		one := join("g-static", "go-none", kgo.InstanceID("one"))
		until("a static member has all", 30, func() bool { return one.share() == 3 })
		one.leave()
	}
	left, err := admin.LeaveGroup(ctx, kadm.LeaveGroup("g-static").InstanceIDs("one"))
	must(err, "leave")
	must(left.Error(), "a static member is removed")
}

func seekToTime(admin *kadm.Client) {
	after, err := admin.ListOffsetsAfterMilli(ctx, base+150, "go-gzip")
	must(err, "offsets for a time")
	ends, err := admin.ListEndOffsets(ctx, "go-gzip")
	must(err, "ends")
	left := int64(0)
	ends.Each(func(end kadm.ListedOffset) {
		from, _ := after.Lookup(end.Topic, end.Partition)
		left += end.Offset - from.Offset
	})
	expect(left == 50, "%d records from a time on", left)
	c := client(kgo.ConsumeTopics("go-gzip"), kgo.ConsumeResetOffset(kgo.NewOffset().AfterMilli(base+150)))
	got := read(c, 50, "from a time on")
	expect(len(got) == 50 && len(poll(c, 500*time.Millisecond)) == 0, "%d records from a time on", len(got))
	for _, r := range got {
		expect(r.Timestamp.UnixMilli() >= base+150, "a record from before")
	}
	c.Close()
}

func value(text string) *string { return &text }

func administration(admin *kadm.Client) {
	meta, err := admin.Metadata(ctx, "go-zstd")
	must(err, "metadata")
	expect(len(meta.Brokers) == nodes && len(meta.Cluster) == 22, "metadata: %d brokers, cluster %s", len(meta.Brokers), meta.Cluster)
	for _, p := range meta.Topics["go-zstd"].Partitions {
		expect(len(p.Replicas) == int(replicas) && p.Leader > 0, "%+v", p)
	}
	topics, err := admin.ListTopics(ctx)
	must(err, "list")
	expect(topics.Has("go-zstd"), "go-zstd is not listed")
	grown, err := admin.UpdatePartitions(ctx, 5, "go-gzip")
	must(err, "partitions")
	must(grown["go-gzip"].Err, "partitions")
	setting := func() string {
		found, err := admin.DescribeTopicConfigs(ctx, "go-none")
		must(err, "configs")
		for _, entry := range found[0].Configs {
			if entry.Key == "retention.ms" {
				return *entry.Value
			}
		}
		return ""
	}
	expect(setting() == "604800000", "retention.ms is %s", setting())
	altered, err := admin.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "retention.ms", Value: value("123456")}}, "go-none")
	must(err, "alter")
	must(altered[0].Err, "alter")
	until("retention.ms is altered", 10, func() bool { return setting() == "123456" })
	altered, err = admin.AlterTopicConfigsState(ctx, []kadm.AlterConfig{{Name: "retention.ms", Value: value("234567")}}, "go-none")
	must(err, "alter the state")
	must(altered[0].Err, "alter the state")
	until("the state is altered", 10, func() bool { return setting() == "234567" })
	brokers, err := admin.DescribeBrokerConfigs(ctx, 1)
	must(err, "broker configs")
	expect(len(brokers[0].Configs) > 20, "broker configs")
	listed, err := admin.ListGroups(ctx)
	must(err, "groups")
	expect(listed["g-resume"].State == "Empty", "%+v", listed["g-resume"])
	lags, err := admin.Lag(ctx, "g-zstd", "g-resume")
	must(err, "lag")
	expect(lags["g-zstd"].Lag.Total() == 0 && lags["g-resume"].Lag.Total() > 0, "lag %d, %d", lags["g-zstd"].Lag.Total(), lags["g-resume"].Lag.Total())
	offsets := kadm.Offsets{}
	offsets.AddOffset("go-none", 1, 7, -1)
	committed, err := admin.CommitOffsets(ctx, "g-resume", offsets)
	must(err, "commit")
	must(committed.Error(), "commit")
	fetched, err := admin.FetchOffsets(ctx, "g-resume")
	must(err, "fetch offsets")
	at, _ := fetched.Lookup("go-none", 1)
	expect(at.At == 7, "committed 7, fetched %d", at.At)
	deleted, err := admin.DeleteOffsets(ctx, "g-resume", offsets.TopicsSet())
	must(err, "delete offsets")
	must(deleted.Error(), "delete offsets")
	gone, err := admin.DeleteGroups(ctx, "g-resume")
	must(err, "delete a group")
	must(gone["g-resume"].Err, "delete a group")
	below := kadm.Offsets{}
	below.AddOffset("go-acks-1", 0, 100, -1)
	cut, err := admin.DeleteRecords(ctx, below)
	must(err, "delete records")
	low, _ := cut.Lookup("go-acks-1", 0)
	must(low.Err, "delete records")
	expect(low.LowWatermark == 100, "low watermark %d", low.LowWatermark)
	dirs, err := admin.DescribeAllLogDirs(ctx, nil)
	must(err, "log dirs")
	expect(len(dirs) == nodes, "%d nodes describe their log dirs", len(dirs))
	elected, err := admin.ElectLeaders(ctx, kadm.ElectPreferredReplica, meta.Topics.TopicsSet())
	must(err, "elect")
	for _, parts := range elected {
		for _, p := range parts {
			expect(p.Err == nil || errors.Is(p.Err, kerr.ElectionNotNeeded), "elect: %v", p.Err)
		}
	}
	removed, err := admin.DeleteTopics(ctx, "go-zstd")
	must(err, "delete")
	must(removed["go-zstd"].Err, "delete")
	until("a deleted topic goes", 10, func() bool {
		topics, err := admin.ListTopics(ctx)
		must(err, "list")
		return !topics.Has("go-zstd")
	})
}

func mistakes(admin *kadm.Client) {
	try := func(topic string, partitions int32, factor int16, configs map[string]*string) error {
		made, err := admin.CreateTopic(ctx, partitions, factor, configs, topic)
		if made.Err != nil {
			return made.Err
		}
		return err
	}
	refused(try("go-none", 1, replicas, nil), kerr.TopicAlreadyExists, "creating twice")
	refused(try("no such/name", 1, 1, nil), kerr.InvalidTopicException, "a wrong name")
	refused(try("go-wrong", 1, int16(nodes+1), nil), kerr.InvalidReplicationFactor, "too many replicas")
	refused(try("go-wrong", 0, 1, nil), kerr.InvalidPartitions, "no partitions")
	refused(try("go-wrong", 1, 1, map[string]*string{"retention.ms": value("soon")}), kerr.InvalidConfig, "a wrong setting")
	fewer, err := admin.UpdatePartitions(ctx, 2, "go-none")
	must(err, "fewer partitions")
	refused(fewer["go-none"].Err, kerr.InvalidPartitions, "fewer partitions")
	gone, err := admin.DeleteTopics(ctx, "go-nowhere")
	must(err, "delete")
	refused(gone["go-nowhere"].Err, kerr.UnknownTopicOrPartition, "deleting an unknown topic")
	groups, err := admin.DeleteGroups(ctx, "nobody")
	must(err, "delete")
	refused(groups["nobody"].Err, kerr.GroupIDNotFound, "deleting an unknown group")
	beyond := kadm.Offsets{}
	beyond.AddOffset("go-none", 0, 100000, -1)
	cut, err := admin.DeleteRecords(ctx, beyond)
	must(err, "delete records")
	refused(cut["go-none"][0].Err, kerr.OffsetOutOfRange, "deleting beyond the end")
	create(admin, "go-small", 1, map[string]*string{"max.message.bytes": value("1000")})
	create(admin, "go-compacted", 1, map[string]*string{"cleanup.policy": value("compact")})
	c := client(kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.UnknownTopicRetries(1))
	refused(c.ProduceSync(ctx, &kgo.Record{Topic: "go-small", Value: bytes.Repeat([]byte("x"), 2000)}).FirstErr(), kerr.MessageTooLarge, "a large record")
	refused(c.ProduceSync(ctx, &kgo.Record{Topic: "go-nowhere", Value: []byte("x")}).FirstErr(), kerr.UnknownTopicOrPartition, "an unknown topic")
	refused(c.ProduceSync(ctx, &kgo.Record{Topic: "go-compacted", Value: []byte("x")}).FirstErr(), kerr.InvalidRecord, "no key for a compacted topic")
	c.Close()
}

// A leader is killed with -9 while a producer and a group of two are at work.
func failOver(admin *kadm.Client) {
	create(admin, "go-live", 3, nil)
	leader := func() int32 {
		meta, err := admin.Metadata(ctx, "go-live")
		if err != nil {
			return -1
		}
		return meta.Topics["go-live"].Partitions[0].Leader
	}
	var before int32
	until("go-live has a leader", 10, func() bool { before = leader(); return before > 0 })
	readers := []*member{join("g-live", "go-live"), join("g-live", "go-live")}
	until("two members share", 30, func() bool { return readers[0].share() > 0 && readers[1].share() > 0 })
	producer := client(kgo.ProducerLinger(2 * time.Millisecond))
	var sent []*kgo.Record
	killed := make(chan string, 1)
	answer, after := "", 0
	for after < 60 {
		r := &kgo.Record{Topic: "go-live", Key: []byte(fmt.Sprintf("k%d", len(sent)%5)), Value: []byte(fmt.Sprint(len(sent)))}
		sent = append(sent, r)
		producer.Produce(ctx, r, func(r *kgo.Record, err error) {
			if err != nil {
				fmt.Printf("record %s: %v\n", r.Value, err)
			}
		})
		if len(sent) == 150 {
			go func() { killed <- ask("kill-leader go-live 0") }()
		}
		select {
		case answer = <-killed:
		default:
		}
		if answer != "" {
			after++
		}
		time.Sleep(3 * time.Millisecond)
	}
	must(producer.Flush(ctx), "flush")
	expect(strings.HasPrefix(answer, "killed "), "%s", answer)
	until("the client sees another leader", 30, func() bool { now := leader(); return now > 0 && now != before })
	until("the group reads everything", 60, func() bool {
		seen := map[string]bool{}
		for _, m := range readers {
			for _, r := range m.records() {
				seen[string(r.Value)] = true
			}
		}
		return len(seen) == len(sent)
	})
	expect(ask("restart") == "restarted", "restart")
	for _, m := range readers {
		m.leave()
	}
	producer.Close()
	c := client(kgo.ConsumeTopics("go-live"), start())
	got := read(c, len(sent), "everything once more")
	expect(len(got) == len(sent), "%d of %d", len(got), len(sent))
	byKey := func(list []*kgo.Record) map[string]string {
		found := map[string]string{}
		for _, r := range list {
			found[string(r.Key)] += fmt.Sprintf("%d-%d:%s ", r.Partition, r.Offset, r.Value)
		}
		return found
	}
	acknowledged := byKey(sent)
	for key, list := range byKey(got) {
		expect(list == acknowledged[key], "%s through the kill: sent %s, got %s", key, acknowledged[key], list)
	}
	c.Close()
	fmt.Printf("%d records through the kill, each once, in order and where it was acknowledged\n", len(sent))
}

func main() {
	bootstrap := flag.String("bootstrap", "", "host:port,...")
	brokers := flag.Int("brokers", 1, "how many there are")
	flag.Parse()
	seeds, nodes, replicas = strings.Split(*bootstrap, ","), *brokers, int16(*brokers)
	if replicas > 3 {
		replicas = 3
	}
	defer func() {
		if reason := recover(); reason != nil {
			fmt.Println("failed:", reason)
			os.Exit(1)
		}
	}()
	own := client()
	admin := kadm.NewClient(own)
	parts := []struct {
		name string
		run  func(*kadm.Client)
	}{{"codecs", codecs}, {"acknowledgements", acknowledgements}, {"groups", groups}, {"seekToTime", seekToTime}, {"administration", administration}, {"mistakes", mistakes}, {"failOver", failOver}}
	for _, part := range parts {
		if part.name == "failOver" && nodes == 1 {
			continue
		}
		begin := time.Now()
		part.run(admin)
		fmt.Printf("%s: %d ms\n", part.name, time.Since(begin).Milliseconds())
	}
	own.Close()
}
