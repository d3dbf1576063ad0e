// librdkafka as the measured client. Compiled by vs_kafka.py: cc -O2 rdk_client.c -lrdkafka
//
//   rdk_client produce BOOTSTRAP TOPIC RECORDS SIZE [PROPERTY=VALUE...]   as fast as it goes
//   rdk_client trip    BOOTSTRAP TOPIC RECORDS SIZE [PROPERTY=VALUE...]   one record under way: until its acknowledgement
//   rdk_client e2e     BOOTSTRAP TOPIC RECORDS SIZE [PROPERTY=VALUE...]   one record under way: until a consumer has it
//   rdk_client read    BOOTSTRAP TOPIC RECORDS      [PROPERTY=VALUE...]   all partitions from their beginning
//   rdk_client gap     BOOTSTRAP TOPIC SECONDS SIZE [PROPERTY=VALUE...]   1000 records/s; the longest time without an
//                                                                         acknowledgement, and when it ended
// Prints one line of JSON. Latencies are microseconds. Exit 1 when a record was not delivered.
#include <librdkafka/rdkafka.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { pool_bytes = 8 << 20, most_partitions = 16 };

static const char *bootstrap, *topic_name;
static char **properties;
static int property_count;
static long acknowledged, failed;
static double last_ack, longest_gap, gap_end;

static void die(const char *form, ...) {
    va_list rest;
    va_start(rest, form);
    fputs("rdk_client: ", stderr);
    vfprintf(stderr, form, rest);
    fputc('\n', stderr);
    va_end(rest);
    exit(2);
}

static double seconds_of(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}
static double now_s(void) { return seconds_of(CLOCK_MONOTONIC); }

static void delivered(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque) {
    (void)rk, (void)opaque;
    if (message->err) {
        failed++;
        return;
    }
    acknowledged++;
    const double now = seconds_of(CLOCK_REALTIME);
    if (last_ack > 0 && now - last_ack > longest_gap) longest_gap = now - last_ack, gap_end = now;
    last_ack = now;
}

static rd_kafka_t *client(rd_kafka_type_t type, const char *const *own, int apply_properties) {
    char why[512];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", bootstrap, why, sizeof why);
    for (; own[0] != NULL; own += 2)
        if (rd_kafka_conf_set(conf, own[0], own[1], why, sizeof why) != RD_KAFKA_CONF_OK) die("%s", why);
    for (int i = 0; apply_properties && i < property_count; i++) {
        char *name = strdup(properties[i]), *value = strchr(name, '=');
        if (value == NULL) die("%s: PROPERTY=VALUE is expected", name);
        *value++ = 0;
        if (rd_kafka_conf_set(conf, name, value, why, sizeof why) != RD_KAFKA_CONF_OK) die("%s", why);
        free(name);
    }
    if (type == RD_KAFKA_PRODUCER) rd_kafka_conf_set_dr_msg_cb(conf, delivered);
    rd_kafka_t *rk = rd_kafka_new(type, conf, why, sizeof why);
    if (rk == NULL) die("%s", why);
    return rk;
}

static const char *const producer_settings[] = {"queue.buffering.max.messages", "1000000", "queue.buffering.max.kbytes", "1048576", NULL};
static const char *const at_once[] = {"linger.ms", "0", NULL};
static const char *const reader_settings[] = {"group.id", "bench", "enable.auto.commit", "false", "auto.offset.reset", "earliest", NULL};

static int partitions_of(rd_kafka_t *rk, rd_kafka_topic_t *topic) {
    const struct rd_kafka_metadata *metadata;
    if (rd_kafka_metadata(rk, 0, topic, &metadata, 30000)) die("no metadata");
    const int count = metadata->topic_cnt == 1 ? metadata->topics[0].partition_cnt : 0;
    rd_kafka_metadata_destroy(metadata);
    if (count < 1) die("%s has no partitions", topic_name);
    return count;
}

/// Letters that hardly compress, as a payload is taken from anywhere in them.
static char *letters(void) {
    char *pool = malloc(pool_bytes);
    uint64_t state = 88172645463325252ull;
    for (long i = 0; i < pool_bytes; i++) {
        state ^= state << 13, state ^= state >> 7, state ^= state << 17;
        pool[i] = (char)('A' + state % 26);
    }
    return pool;
}

static void send_one(rd_kafka_t *rk, rd_kafka_topic_t *topic, int32_t partition, char *payload, size_t size) {
    while (rd_kafka_produce(topic, partition, RD_KAFKA_MSG_F_COPY, payload, size, NULL, 0, NULL)) {
        if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL) die("produce: %s", rd_kafka_err2str(rd_kafka_last_error()));
        rd_kafka_poll(rk, 10);
    }
}

static int ascending(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double used_cpu(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) + (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static void print_latencies(double *took, long count) {
    qsort(took, (size_t)count, sizeof *took, ascending);
    printf("{\"records\": %ld, \"p50_us\": %.1f, \"p99_us\": %.1f, \"p999_us\": %.1f, \"largest_us\": %.1f, \"failed\": %ld, \"librdkafka\": \"%s\"}\n", count, took[count / 2] * 1e6,
           took[count * 99 / 100] * 1e6, took[count * 999 / 1000] * 1e6, took[count - 1] * 1e6, failed, rd_kafka_version_str());
}

static void produce(long records, long size) {
    rd_kafka_t *rk = client(RD_KAFKA_PRODUCER, producer_settings, 1);
    rd_kafka_topic_t *topic = rd_kafka_topic_new(rk, topic_name, NULL);
    partitions_of(rk, topic);
    char *pool = letters();
    const double start = now_s(), cpu = used_cpu();
    for (long i = 0, at = 0; i < records; i++, at += size) {
        if (at + size > pool_bytes) at = i % 97;
        send_one(rk, topic, RD_KAFKA_PARTITION_UA, pool + at, (size_t)size);
        if (i % 100 == 0) rd_kafka_poll(rk, 0);
    }
    rd_kafka_flush(rk, 120000);
    const double took = now_s() - start;
    printf("{\"records\": %ld, \"records_per_s\": %.0f, \"client_cores\": %.2f, \"failed\": %ld, \"librdkafka\": \"%s\"}\n", acknowledged, (double)acknowledged / took, (used_cpu() - cpu) / took, records - acknowledged,
           rd_kafka_version_str());
    failed = records - acknowledged;
}

static void trip(long records, long size) {
    rd_kafka_t *rk = client(RD_KAFKA_PRODUCER, at_once, 1);
    rd_kafka_topic_t *topic = rd_kafka_topic_new(rk, topic_name, NULL);
    partitions_of(rk, topic);
    char *pool = letters();
    double *took = malloc((size_t)records * sizeof *took);
    const long warm = records / 10;
    for (long i = -warm; i < records; i++) {
        const long before = acknowledged + failed;
        const double start = now_s();
        send_one(rk, topic, 0, pool + (i + warm) % 4096, (size_t)size);
        while (acknowledged + failed == before) rd_kafka_poll(rk, 100);
        if (i >= 0) took[i] = now_s() - start;
    }
    print_latencies(took, records);
}

static void e2e(long records, long size) {
    rd_kafka_t *rk = client(RD_KAFKA_PRODUCER, at_once, 1);
    rd_kafka_topic_t *topic = rd_kafka_topic_new(rk, topic_name, NULL);
    partitions_of(rk, topic);
    rd_kafka_t *reader = client(RD_KAFKA_CONSUMER, reader_settings, 0);
    rd_kafka_poll_set_consumer(reader);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic_name, 0)->offset = RD_KAFKA_OFFSET_END;
    int64_t low, high;
    if (rd_kafka_query_watermark_offsets(rk, topic_name, 0, &low, &high, 30000)) die("no watermarks");
    list->elems[0].offset = high;
    if (rd_kafka_assign(reader, list)) die("assign");
    char *pool = letters();
    double *took = malloc((size_t)records * sizeof *took);
    const long warm = records / 10;
    for (long i = -warm; i < records; i++) {
        const double start = now_s();
        send_one(rk, topic, 0, pool + (i + warm) % 4096, (size_t)size);
        rd_kafka_poll(rk, 0);
        for (int got = 0; !got;) {
            rd_kafka_message_t *message = rd_kafka_consumer_poll(reader, 20000);
            if (message == NULL) die("a record did not come back");
            if (message->err && message->err != RD_KAFKA_RESP_ERR__PARTITION_EOF) die("consume: %s", rd_kafka_message_errstr(message));
            got = !message->err;
            rd_kafka_message_destroy(message);
        }
        if (i >= 0) took[i] = now_s() - start;
    }
    rd_kafka_flush(rk, 30000);
    print_latencies(took, records);
    rd_kafka_topic_partition_list_destroy(list);
}

static void read_back(long records) {
    rd_kafka_t *rk = client(RD_KAFKA_CONSUMER, reader_settings, 1);
    rd_kafka_topic_t *topic = rd_kafka_topic_new(rk, topic_name, NULL);
    const int count = partitions_of(rk, topic);
    rd_kafka_poll_set_consumer(rk);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(count);
    for (int i = 0; i < count; i++) rd_kafka_topic_partition_list_add(list, topic_name, i)->offset = RD_KAFKA_OFFSET_BEGINNING;
    const double start = now_s(), cpu = used_cpu();
    if (rd_kafka_assign(rk, list)) die("assign");
    rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(rk);
    rd_kafka_message_t *messages[1000];
    long got = 0;
    while (got < records) {
        const ssize_t n = rd_kafka_consume_batch_queue(queue, 20000, messages, 1000);
        if (n <= 0) die("%ld of %ld records came back", got, records);
        for (ssize_t i = 0; i < n; i++) {
            if (!messages[i]->err) got++;
            else if (messages[i]->err != RD_KAFKA_RESP_ERR__PARTITION_EOF) die("consume: %s", rd_kafka_message_errstr(messages[i]));
            rd_kafka_message_destroy(messages[i]);
        }
    }
    const double took = now_s() - start;
    printf("{\"records\": %ld, \"records_per_s\": %.0f, \"client_cores\": %.2f, \"failed\": 0, \"librdkafka\": \"%s\"}\n", got, (double)got / took, (used_cpu() - cpu) / took, rd_kafka_version_str());
}

static void gap(long seconds, long size) {
    rd_kafka_t *rk = client(RD_KAFKA_PRODUCER, at_once, 1);
    rd_kafka_topic_t *topic = rd_kafka_topic_new(rk, topic_name, NULL);
    partitions_of(rk, topic);
    char *pool = letters();
    const long records = seconds * 1000;
    const double start = now_s();
    puts("writing");
    fflush(stdout);
    for (long i = 0; i < records; i++) {
        send_one(rk, topic, 0, pool + i % 4096, (size_t)size);
        for (;;) {
            const double left = start + (double)(i + 1) / 1000 - now_s();
            rd_kafka_poll(rk, 0);
            if (left <= 0) break;
            usleep((useconds_t)(left * 1e6 > 500 ? 500 : left * 1e6));
        }
    }
    rd_kafka_flush(rk, 120000);
    printf("{\"records\": %ld, \"failed\": %ld, \"gap_ms\": %.0f, \"gap_end_s\": %.4f, \"librdkafka\": \"%s\"}\n", acknowledged, records - acknowledged, longest_gap * 1e3, gap_end, rd_kafka_version_str());
    failed = records - acknowledged;
}

int main(int argc, char **argv) {
    if (argc < 5 || (strcmp(argv[1], "read") != 0 && argc < 6)) die("produce|trip|e2e|read|gap BOOTSTRAP TOPIC COUNT [SIZE] [PROPERTY=VALUE...]");
    bootstrap = argv[2], topic_name = argv[3];
    const long count = atol(argv[4]);
    const int reads = strcmp(argv[1], "read") == 0;
    const long size = reads ? 0 : atol(argv[5]);
    properties = argv + (reads ? 5 : 6), property_count = argc - (reads ? 5 : 6);
    if (strcmp(argv[1], "produce") == 0) produce(count, size);
    else if (strcmp(argv[1], "trip") == 0) trip(count, size);
    else if (strcmp(argv[1], "e2e") == 0) e2e(count, size);
    else if (reads) read_back(count);
    else if (strcmp(argv[1], "gap") == 0) gap(count, size);
    else die("what is %s?", argv[1]);
    fflush(stdout);
    _exit(failed != 0);
}
