"""The differences between Apache Kafka and Harrow that are meant to be, or known to be missing: each with its reason. Any other
fails the test, and so does a row here that no longer occurs.
"""
import re


class Known:
    def __init__(self, steps, path, reason, kafka=None, harrow=None, brokers=None, may_go=False):
        """Patterns for the step, the field, and if given what each says; `brokers`: only on so many nodes; `may_go`: work
        that is under way removes it."""
        self.steps, self.path, self.kafka, self.harrow = (None if text is None else re.compile(text, re.S) for text in (steps, path, kafka, harrow))
        self.reason, self.brokers, self.may_go, self.count, self.example = reason, brokers, may_go, 0, None

    def explains(self, step, path, kafka, harrow):
        if not self.steps.search(step) or not self.path.search(path):
            return False
        if self.kafka and not self.kafka.fullmatch(str(kafka)) or self.harrow and not self.harrow.fullmatch(str(harrow)):
            return False
        self.count += 1
        self.example = self.example or (step, path, kafka, harrow)
        return True


ABSENT = r"\(absent\)"


def table():
    return [
        # What is said to people
        Known("", r"error_message$", "error messages are for people: each has its own, and not for the same errors"),
        Known(", Produce ", r"record_errors", "Harrow says which batch is wrong, not which record of it"),
        Known(", Produce ", r"log_start_offset$", "with some refusals of a batch Kafka tells the log's start", "0", "-1"),
        Known(", CreateTopics 7$", r"configs$", "a topic that was not made has no configurations: an empty list or none", r"\[\]", "None"),
        # What Harrow does not offer
        Known("^the APIs, ApiVersions", r"^api_keys\[(17|24|25|26|27|28|29|30|31|34|36|38|39|40|41|45|46|48|49|50|51|57|64|65|66|68|69|76|77|78|79|80|81|83|84|85|86|87|88|89|90|91|92)\]",
              "transactions, SASL, ACLs, quotas, delegation tokens, reassignment, the newer group protocols and other APIs are not offered yet", harrow=ABSENT),
        Known("^the APIs, ApiVersions", r"^api_keys\[74\]", "ListConfigResources is not offered yet", harrow=ABSENT, may_go=True),
        Known("^the APIs, ApiVersions", r"^api_keys\[35\].max_version", "DescribeLogDirs 5 is newer than the release whose protocol Harrow speaks", "5", "4"),
        Known("^the APIs, ApiVersions", r"^supported_features|^finalized_features\[", "features of what is not offered, and of the newer release"),
        Known("transactional batch without a transaction, Produce", "", "there is no transaction coordinator to ask: Kafka refuses what none knows of, Harrow stores it"),
        Known("^of a share partition|^of an unknown kind", r"error_code$", "no share groups, and one error for kinds that nobody serves", may_go=True),
        Known(", CreateTopics 7$", r"configs\[(local\.|remote\.|leader\.replication|follower\.replication|compression\.(gzip|lz4|zstd)|file\.delete|internal\.|errors\.)", "settings that only one of the two has"),
        Known("DescribeConfigs", r"configs\[[^]]*\]\.", "settings that Harrow does not have: tiered storage, throttles, levels of codecs, TLS, SASL and more", harrow=ABSENT),
        Known("DescribeConfigs", r"configs\[[^]]*\]\.", "settings that Kafka does not have, or does not show", kafka=ABSENT),
        Known("DescribeConfigs", r"synonyms|documentation|config_type|config_source|read_only|is_sensitive", "synonyms, texts and kinds of settings are not Kafka's word for word", may_go=True),
        Known("^(all|some) of a broker, DescribeConfigs", r"\.value$", "default values of broker settings that mean something else here", may_go=True),
        Known("^(an unknown broker|a broker that is no number|the default broker|an invalid name|an empty name|no key|a logger|a group|an unknown kind), DescribeConfigs", r"error_code$|configs$",
              "every broker's settings are answered by the one that is asked; loggers and groups have none", may_go=True),
        Known(", CreateTopics 7$", r"configs\[retention\.ms\]", "the answer about a new topic shows defaults, not what server.properties says; DescribeConfigs does", may_go=True),
        Known("IncrementalAlterConfigs", r"error_code$", "operations and resources that are refused with another error, or taken", may_go=True),
        Known("DescribeLogDirs", r"(total|usable)_bytes$", "the disk's size is not known behind the seam of the disk", "positive", "-1", may_go=True),
        # What one takes and the other refuses
        Known("^offsets backwards, Produce", "", "Kafka stores uncompressed records whose offsets run backwards; no reader could find them"),
        Known("^already marked as stamped, Produce", "", "Kafka clears a client's mark of log-append time, Harrow refuses the batch"),
        Known("^(an unknown codec|gzip of nothing), Produce", r"error_code$", "Kafka's answer is UNKNOWN_SERVER_ERROR, Harrow's says what is wrong", "-1"),
        Known("^no records, Produce", "", "Kafka never answers a partition without records: its handler fails"),
        Known("^one partition twice, Produce", "", "Kafka keeps one of the two without a word about the other, Harrow stores and answers both"),
        Known("^what recoded holds, Fetch", r"records\[", "the broker's own gzip: the same records, but another compressor's bytes"),
        Known("^as a follower that is none, Fetch", "", "an unknown replica gets UNKNOWN_LEADER_EPOCH, which sends a follower for new metadata"),
        Known("^a name that collides, CreateTopics", "", "two names of one request that collide: Kafka makes both, Harrow the first"),
        Known("^all topics, Metadata|^of everything, ElectLeaders", r"\[(plain_v\d|default-v\d)", "follows from the names that Kafka let collide, and from the topic that it did not delete"),
        Known("^twice, DeleteTopics", "", "a topic that is named twice: Kafka refuses, Harrow deletes it once"),
        Known("^by neither, (Metadata|DeleteTopics)", "", "a topic named neither by name nor by id: Kafka fails or says INVALID_REQUEST, Harrow says that there is none"),
        Known("^(an empty group|.*: an empty group|.*with a generation and no group), OffsetCommit 10", r"error_code$", "a group that is not there: GROUP_ID_NOT_FOUND from version 9 on, Harrow keeps to ILLEGAL_GENERATION", "69", "22", may_go=True),
        Known("^(preparing|completing) \\d: described, DescribeGroups", r"member_assignment$", "between two generations Kafka still shows the old assignment", may_go=True),
        Known("^of everything, ElectLeaders", r"partition_result$|\.topic$|replica_election_results$", "partitions that need no election: Kafka names their topics, Harrow leaves them out", may_go=True),
        Known("^an unknown election, ElectLeaders", "", "an unknown kind of election: refused for each partition, or as a whole", may_go=True),
        Known("^bytes: ApiVersions with a wild version", "", "Kafka wants the header of a version that it does not know to be well-formed, Harrow answers anyway"),
    ]


def known(brokers):
    return [one for one in table() if one.brokers in (None, brokers)]
