// Unmodified kafkajs against a served cluster; started by served.py, whose protocol it speaks (kill-leader, restart).
// kafkajs.js --bootstrap LIST --brokers N
'use strict'
const assert = require('assert')
const readline = require('readline')
const { Kafka, CompressionTypes, CompressionCodecs, ConfigResourceTypes, logLevel } = require('kafkajs')
const SnappyCodec = require('kafkajs-snappy')
const lz4 = require('lz4js')
const { ZstdCodec } = require('zstd-codec')

const option = (name) => process.argv[process.argv.indexOf(name) + 1]
const bootstrap = option('--bootstrap').split(',')
const nodes = Number(option('--brokers'))
const replicas = Math.min(nodes, 3)
const base = (Math.floor(Date.now() / 1000) - 3600) * 1000 // recent: old records would fall to retention while the suite runs
const kafka = new Kafka({ clientId: 'kafkajs', brokers: bootstrap, logLevel: logLevel[process.env.HARROW_KAFKAJS_LOG || 'NOTHING'], retry: { initialRetryTime: 50, maxRetryTime: 500, retries: 40 } })

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
async function until(wanted, what, seconds = 60) {
  const end = Date.now() + seconds * 1000
  for (;;) {
    const answer = await wanted()
    if (answer) return answer
    assert(Date.now() < end, `${what}: not within ${seconds} s`)
    await sleep(50)
  }
}
async function refused(attempt, type) {
  try {
    await attempt()
  } catch (e) {
    const inside = (one) => [one, one.cause, ...(one.errors || []), ...[...(one.groups || []), ...(one.partitions || [])].map((part) => part.error)].filter(Boolean)
    const found = inside(e).flatMap(inside).map((one) => one.type || one.name)
    assert(found.includes(type), `expected ${type}, got ${found}: ${e.message}`)
    return
  }
  assert.fail(`expected ${type}, but it was done`)
}

const answers = []
const waiting = []
readline.createInterface({ input: process.stdin }).on('line', (line) => (waiting.length ? waiting.shift()(line) : answers.push(line)))
async function ask(line) {
  console.log(line)
  return answers.length ? answers.shift() : new Promise((resolve) => waiting.push(resolve))
}

const admin = kafka.admin()
const topic = async (name, partitions, configEntries = []) =>
  assert(await admin.createTopics({ waitForLeaders: true, topics: [{ topic: name, numPartitions: partitions, replicationFactor: replicas, configEntries }] }), name)

// Keys repeat; some keys and values are null; headers repeat and may be empty.
const records = (tag, count = 200) =>
  Array.from({ length: count }, (_, i) => ({
    key: i % 11 === 0 ? null : `${tag}-${i % 7}`,
    value: i % 13 === 5 && i % 11 !== 0 ? null : `${tag} ${i} ` + 'x'.repeat(i % 50),
    headers: i % 3 === 0 ? { n: [String(i), 'again'], empty: '' } : {},
    timestamp: String(base + i),
  }))
const text = (bytes) => (bytes === null || bytes === undefined ? null : bytes.toString())
const plain = (headers) => Object.fromEntries(Object.entries(headers || {}).map(([name, value]) => [name, [].concat(value).map(text)]))
const content = (m) => JSON.stringify([text(m.value), plain(m.headers), String(m.timestamp)])
function same(got, sent, what) {
  assert.strictEqual(got.length, sent.length, `${what}: ${got.length} of ${sent.length} records came back`)
  const byKey = (list) => {
    const found = new Map()
    for (const m of list) found.set(text(m.key), [...(found.get(text(m.key)) || []), content(m)])
    return found
  }
  const [found, wanted] = [byKey(got), byKey(sent)]
  for (const [key, list] of wanted) {
    // Records without a key may be spread over partitions.
    if (key === null) assert.deepStrictEqual(found.get(key).sort(), list.sort(), `${what}: without a key`)
    else assert.deepStrictEqual(found.get(key), list, `${what}: key ${key}`)
  }
  const next = new Map()
  for (const m of got) {
    const offset = BigInt(m.offset)
    assert(!next.has(m.partition) || offset >= next.get(m.partition), `${what}: offsets go back in partition ${m.partition}`)
    next.set(m.partition, offset + 1n)
  }
}

// A member of a group that keeps what it reads.
async function member(groupId, topics, { fromBeginning = true, ...more } = {}) {
  const consumer = kafka.consumer({ groupId, sessionTimeout: 10000, rebalanceTimeout: 10000, heartbeatInterval: 200, maxWaitTimeInMs: 100, retry: { initialRetryTime: 50, maxRetryTime: 500, retries: 40 }, ...more })
  const self = { consumer, got: [], share: [], joins: 0 }
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
    self.joins += 1
    self.share = Object.entries(payload.memberAssignment).flatMap(([name, list]) => list.map((p) => `${name}-${p}`))
  })
  consumer.on(consumer.events.CRASH, ({ payload }) => console.log(`${groupId} crashed: ${payload.error}; restarts: ${payload.restart}`))
  await consumer.connect()
  await consumer.subscribe({ topics, fromBeginning })
  await consumer.run({
    eachMessage: async ({ topic: from, partition, message }) => {
      self.got.push({ topic: from, partition, ...message })
    },
  })
  return self
}
async function read(groupId, name, count) {
  const one = await member(groupId, [name])
  await until(() => one.got.length >= count, `${groupId} reads ${count} of ${name}`)
  await one.consumer.disconnect()
  return one.got
}

async function produce(name, messages, options = {}, send = {}) {
  const producer = kafka.producer(options)
  await producer.connect()
  const sent = []
  for (let i = 0; i < messages.length; i += 50) sent.push(...(await producer.send({ topic: name, messages: messages.slice(i, i + 50), ...send })))
  await producer.disconnect()
  return sent
}

// The program that introductions teach; the topic comes into being by it.
async function userEvents() {
  const producer = kafka.producer()
  await producer.connect()
  const sendUserEvent = (userId, event) => producer.send({ topic: 'user-events', messages: [{ key: userId, value: JSON.stringify(event), timestamp: Date.now().toString() }] })
  for (let i = 0; i < 6; ++i) await sendUserEvent(`user-${i % 3}`, { type: 'earlier', sequence: i })

  const consumer = kafka.consumer({ groupId: 'analytics-group', maxWaitTimeInMs: 200 })
  const seen = []
  let fetches = 0
  consumer.on(consumer.events.FETCH, () => (fetches += 1))
  await consumer.connect()
  await consumer.subscribe({ topic: 'user-events', fromBeginning: false })
  await consumer.run({
    eachMessage: async ({ partition, message }) => {
      seen.push({ user: message.key.toString(), partition, offset: message.offset, ...JSON.parse(message.value.toString()) })
    },
  })
  await until(() => fetches > 1, 'the consumer fetches')
  for (let i = 0; i < 60; ++i) await sendUserEvent(`user-${i % 5}`, { type: i % 2 ? 'click' : 'view', sequence: i })
  await until(() => seen.length >= 60, 'analytics-group reads the events')
  await sleep(300)
  assert.strictEqual(seen.length, 60, 'only what came after it')
  assert(seen.every((e) => e.type !== 'earlier'), 'nothing from before')
  for (let user = 0; user < 5; ++user)
    assert.deepStrictEqual(seen.filter((e) => e.user === `user-${user}`).map((e) => e.sequence), Array.from({ length: 12 }, (_, i) => 5 * i + user), `order of user-${user}`)
  for (let i = 1; i < seen.length; ++i) if (seen[i].partition === seen[i - 1].partition) assert(BigInt(seen[i].offset) > BigInt(seen[i - 1].offset), 'offsets ascend')
  await consumer.disconnect()
  await producer.disconnect()
}

async function codecs() {
  CompressionCodecs[CompressionTypes.Snappy] = SnappyCodec
  CompressionCodecs[CompressionTypes.LZ4] = () => ({
    compress: async (encoder) => Buffer.from(lz4.compress(encoder.buffer)),
    decompress: async (buffer) => Buffer.from(lz4.decompress(buffer)),
  })
  const zstd = await new Promise((resolve) => ZstdCodec.run((library) => resolve(new library.Streaming())))
  CompressionCodecs[CompressionTypes.ZSTD] = () => ({
    compress: async (encoder) => Buffer.from(zstd.compress(encoder.buffer)),
    decompress: async (buffer) => Buffer.from(zstd.decompress(buffer)),
  })
  for (const [name, compression] of Object.entries({ none: CompressionTypes.None, gzip: CompressionTypes.GZIP, snappy: CompressionTypes.Snappy, lz4: CompressionTypes.LZ4, zstd: CompressionTypes.ZSTD })) {
    await topic(`js-${name}`, 3)
    const rows = records(name)
    await produce(`js-${name}`, rows, {}, { acks: -1, compression })
    same(await read(`g-${name}`, `js-${name}`, rows.length), rows, name)
  }
}

async function acknowledgements() {
  for (const acks of [0, 1]) {
    await topic(`js-acks-${acks}`, 1)
    const sent = await produce(`js-acks-${acks}`, records('acks'), {}, { acks })
    if (acks === 1) assert.deepStrictEqual(sent.map((one) => one.baseOffset), ['0', '50', '100', '150'], 'base offsets of acks=1')
    same(await read(`g-acks-${acks}`, `js-acks-${acks}`, 200), records('acks'), `acks=${acks}`)
  }
  await topic('js-batches', 2)
  const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 })
  await producer.connect()
  await producer.sendBatch({ topicMessages: [{ topic: 'js-batches', messages: records('one') }, { topic: 'js-acks-1', messages: [{ key: 'k', value: 'more' }] }] })
  await producer.disconnect()
  same(await read('g-batches', 'js-batches', 200), records('one'), 'sendBatch, idempotent')
}

async function groups() {
  // Committed offsets resume.
  const first = await member('g-resume', ['js-none'])
  await until(() => first.got.length >= 200, 'g-resume reads all')
  await first.consumer.disconnect() // commits what it has handled
  await produce('js-none', [{ key: 'more', value: 'more', timestamp: String(base + 1000) }])
  const again = await member('g-resume', ['js-none'])
  await until(() => again.got.length >= 1, 'g-resume goes on')
  await sleep(300)
  assert.deepStrictEqual(again.got.map((m) => text(m.value)), ['more'], 'resumes behind what was committed')
  await again.consumer.disconnect()
  // Commits by hand.
  const manual = kafka.consumer({ groupId: 'g-manual', maxWaitTimeInMs: 100 })
  await manual.connect()
  await manual.subscribe({ topic: 'js-none', fromBeginning: true })
  const joined = new Promise((resolve) => manual.on(manual.events.GROUP_JOIN, resolve))
  await manual.run({ autoCommit: false, eachMessage: async () => {} })
  await joined
  await manual.commitOffsets([{ topic: 'js-none', partition: 1, offset: '3', metadata: 'by hand' }])
  await manual.disconnect()
  const committed = (await admin.fetchOffsets({ groupId: 'g-manual', topics: ['js-none'] }))[0].partitions
  assert.deepStrictEqual(committed.find((p) => p.partition === 1), { partition: 1, offset: '3', metadata: 'by hand' })
  assert(committed.filter((p) => p.partition !== 1).every((p) => p.offset === '-1'), 'nothing else was committed')
  // Two members share, one leaves, the other takes over.
  const one = await member('g-two', ['js-none'])
  await until(() => one.share.length === 3, 'the first member has all')
  const two = await member('g-two', ['js-none'])
  await until(() => one.share.length && two.share.length && new Set([...one.share, ...two.share]).size === 3 && one.share.length + two.share.length === 3, 'two members share')
  const described = (await admin.describeGroups(['g-two'])).groups[0]
  assert.deepStrictEqual([described.state, described.members.length, described.protocolType], ['Stable', 2, 'consumer'])
  await refused(() => admin.deleteGroups(['g-two']), 'NON_EMPTY_GROUP')
  await two.consumer.disconnect()
  await until(() => one.share.length === 3, 'the other takes over')
  assert(one.joins >= 3, `one joined ${one.joins} times`)
  await one.consumer.disconnect()
  // Pause, resume, seek to an offset.
  const alone = await member('g-alone', ['js-none'])
  await until(() => alone.got.length >= 201, 'everything')
  for (const partition of [0, 1, 2]) alone.consumer.seek({ topic: 'js-none', partition, offset: '0' })
  await until(() => alone.got.length >= 402, 'everything once more')
  alone.consumer.pause([{ topic: 'js-none' }])
  await sleep(300)
  const before = alone.got.length
  await produce('js-none', [{ key: 'late', value: 'late', timestamp: String(base + 2000) }])
  await sleep(400)
  assert.strictEqual(alone.got.length, before, 'a paused consumer reads nothing')
  alone.consumer.resume([{ topic: 'js-none' }])
  await until(() => alone.got.length === before + 1, 'resumed')
  await alone.consumer.disconnect()
}

async function seekToTime() {
  const at = await admin.fetchTopicOffsetsByTimestamp('js-gzip', base + 150)
  const ends = await admin.fetchTopicOffsets('js-gzip')
  assert.strictEqual(ends.reduce((sum, p) => sum + Number(p.high) - Number(at.find((a) => a.partition === p.partition).offset), 0), 50, 'records from a time on')
  await admin.setOffsets({ groupId: 'g-time', topic: 'js-gzip', partitions: at })
  const one = await member('g-time', ['js-gzip'])
  await until(() => one.got.length >= 50, 'g-time reads from a time on')
  await sleep(200)
  assert.strictEqual(one.got.length, 50)
  assert(one.got.every((m) => Number(m.timestamp) >= base + 150), 'nothing from before')
  await one.consumer.disconnect()
}

async function administration() {
  const cluster = await admin.describeCluster()
  assert.strictEqual(cluster.brokers.length, nodes)
  assert(cluster.clusterId.length === 22 && cluster.controller >= 1, JSON.stringify(cluster))
  assert((await admin.listTopics()).includes('js-zstd'))
  const meta = (await admin.fetchTopicMetadata({ topics: ['js-zstd'] })).topics[0]
  assert(meta.partitions.length === 3 && meta.partitions.every((p) => p.replicas.length === replicas && p.isr.length === replicas), JSON.stringify(meta))
  await admin.createPartitions({ topicPartitions: [{ topic: 'js-gzip', count: 5 }] })
  await until(async () => (await admin.fetchTopicMetadata({ topics: ['js-gzip'] })).topics[0].partitions.length === 5, 'five partitions')
  const configs = async () => {
    const found = await admin.describeConfigs({ includeSynonyms: true, resources: [{ type: ConfigResourceTypes.TOPIC, name: 'js-none', configNames: ['retention.ms', 'cleanup.policy'] }] })
    return Object.fromEntries(found.resources[0].configEntries.map((e) => [e.configName, e.configValue]))
  }
  assert.deepStrictEqual(await configs(), { 'retention.ms': '604800000', 'cleanup.policy': 'delete' })
  await admin.alterConfigs({ validateOnly: false, resources: [{ type: ConfigResourceTypes.TOPIC, name: 'js-none', configEntries: [{ name: 'retention.ms', value: '123456' }] }] })
  await until(async () => (await configs())['retention.ms'] === '123456', 'altered')
  assert((await admin.describeConfigs({ includeSynonyms: false, resources: [{ type: ConfigResourceTypes.BROKER, name: '1' }] })).resources[0].configEntries.length > 20)
  const groupsListed = (await admin.listGroups()).groups
  assert(groupsListed.some((g) => g.groupId === 'g-resume' && g.protocolType === 'consumer'), JSON.stringify(groupsListed))
  const empty = (await admin.describeGroups(['g-resume', 'nobody'])).groups
  assert.deepStrictEqual(Object.fromEntries(empty.map((g) => [g.groupId, g.state])), { 'g-resume': 'Empty', nobody: 'Dead' })
  await admin.resetOffsets({ groupId: 'g-resume', topic: 'js-none', earliest: true })
  assert((await admin.fetchOffsets({ groupId: 'g-resume', topics: ['js-none'], resolveOffsets: true }))[0].partitions.every((p) => p.offset === '0'))
  await admin.fetchTopicOffsets('js-acks-0') // kafkajs looks for the leader in what it has asked for before
  await admin.deleteTopicRecords({ topic: 'js-acks-0', partitions: [{ partition: 0, offset: '100' }] })
  assert.strictEqual((await admin.fetchTopicOffsets('js-acks-0'))[0].low, '100')
  await admin.deleteGroups(['g-resume'])
  assert(!(await admin.listGroups()).groups.some((g) => g.groupId === 'g-resume'))
  await admin.deleteTopics({ topics: ['js-zstd'] })
  await until(async () => !(await admin.listTopics()).includes('js-zstd'), 'a deleted topic goes')
}

async function errors() {
  assert.strictEqual(await admin.createTopics({ topics: [{ topic: 'js-none', replicationFactor: 1 }] }), false, 'creating twice')
  const make = (extra) => () => admin.createTopics({ topics: [{ topic: 'js-wrong', numPartitions: 1, replicationFactor: 1, ...extra }] })
  await refused(make({ topic: 'no such/name' }), 'INVALID_TOPIC_EXCEPTION')
  await refused(make({ replicationFactor: nodes + 1 }), 'INVALID_REPLICATION_FACTOR')
  await refused(make({ numPartitions: 0 }), 'INVALID_PARTITIONS')
  await refused(make({ configEntries: [{ name: 'retention.ms', value: 'soon' }] }), 'INVALID_CONFIG')
  await refused(make({ numPartitions: undefined, replicationFactor: undefined, replicaAssignment: [{ partition: 0, replicas: [99] }] }), 'INVALID_REPLICA_ASSIGNMENT')
  await refused(() => admin.createPartitions({ topicPartitions: [{ topic: 'js-none', count: 2 }] }), 'INVALID_PARTITIONS')
  const hasty = new Kafka({ clientId: 'kafkajs', brokers: bootstrap, logLevel: logLevel.NOTHING, retry: { retries: 1, initialRetryTime: 20 } })
  const producer = hasty.producer({ allowAutoTopicCreation: false })
  await producer.connect()
  await refused(() => producer.send({ topic: 'js-none', messages: [{ value: 'x'.repeat(2000000) }] }), 'MESSAGE_TOO_LARGE')
  await refused(() => producer.send({ topic: 'js-nowhere', messages: [{ value: 'x' }] }), 'UNKNOWN_TOPIC_OR_PARTITION')
  await topic('js-compacted', 1, [{ name: 'cleanup.policy', value: 'compact' }])
  await refused(() => producer.send({ topic: 'js-compacted', messages: [{ value: 'without a key' }] }), 'INVALID_RECORD')
  await producer.disconnect()
  const other = hasty.admin()
  await other.connect()
  await refused(() => other.deleteTopics({ topics: ['js-nowhere'] }), 'UNKNOWN_TOPIC_OR_PARTITION')
  await refused(() => other.deleteGroups(['nobody']), 'GROUP_ID_NOT_FOUND')
  await other.fetchTopicOffsets('js-none')
  await refused(() => other.deleteTopicRecords({ topic: 'js-none', partitions: [{ partition: 0, offset: '100000' }] }), 'OFFSET_OUT_OF_RANGE')
  await refused(() => other.describeConfigs({ resources: [{ type: ConfigResourceTypes.TOPIC, name: 'js-nowhere' }] }), 'UNKNOWN_TOPIC_OR_PARTITION')
  await other.disconnect()
}

// A leader is killed with -9 while a producer and a group of two are at work.
async function failOver() {
  await topic('js-live', 3)
  const leaders = async () => Object.fromEntries((await admin.fetchTopicMetadata({ topics: ['js-live'] })).topics[0].partitions.map((p) => [p.partitionId, p.leader]))
  const before = await leaders()
  const readers = [await member('g-live', ['js-live']), await member('g-live', ['js-live'])]
  const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 })
  await producer.connect()
  let killed = null
  const kill = async () => (killed = await ask('kill-leader js-live 0'))
  let killing = null
  let sequence = 0
  const sent = []
  let after = 0
  while (after < 40) {
    // One partition a call: of a call for several, kafkajs forgets those that move to a broker which has answered for others.
    const messages = [{ key: `k${sequence % 5}`, value: String(sequence++) }]
    await producer.send({ topic: 'js-live', acks: -1, messages })
    sent.push(...messages)
    if (killing === null && sequence > 150) killing = kill()
    if (killed) ++after
    await sleep(10)
  }
  await killing
  assert(/^killed \d+ \d+$/.test(killed), killed)
  await until(async () => (await leaders())[0] !== before[0], 'the client sees another leader')
  const all = () => readers.flatMap((r) => r.got)
  await until(() => new Set(all().map((m) => text(m.value))).size === sent.length, 'the group reads everything', 60)
  assert.strictEqual(await ask('restart'), 'restarted')
  for (const one of readers) await one.consumer.disconnect()
  await producer.disconnect()
  const got = await read('g-live-again', 'js-live', sent.length)
  for (let key = 0; key < 5; ++key) {
    const of = (list) => list.filter((m) => text(m.key) === `k${key}`).map((m) => text(m.value))
    assert.deepStrictEqual(of(got), of(sent), `k${key} through the kill`)
  }
  console.log(`${sent.length} records through the kill, each once and in order`)
}

async function main() {
  await admin.connect()
  const parts = { userEvents, codecs, acknowledgements, groups, seekToTime, administration, errors, ...(nodes > 1 ? { failOver } : {}) }
  for (const [name, part] of Object.entries(parts)) {
    const begin = Date.now()
    await part()
    console.log(`${name}: ${Date.now() - begin} ms`)
  }
  await admin.disconnect()
}
main().then(
  () => process.exit(0),
  (e) => {
    console.log(`failed: ${e.stack} ${JSON.stringify(e)}`)
    process.exit(1)
  },
)
