package kafka

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/IBM/sarama"
)

// features compares what the brokers can do, and what they allow, with what the configuration asks for.
func (k *check) features() {
	b, err := k.c.anyBroker()
	if err != nil {
		return // the next to ask says so
	}
	resp, err := b.ApiVersions(&sarama.ApiVersionsRequest{})
	if err != nil {
		k.say(Fail, CheckBroker, "", "ask broker %s what it can do: %v", b.Addr(), because(k.ctx, err))
		return
	}
	// Keys of Produce, AddPartitionsToTxn and EndTxn in the Kafka protocol; Produce has zstd from version 7 on, which came with Kafka 2.1.
	const produce, zstdProduce, addPartitions, endTxn = 0, 7, 24, 26
	version := func(key int16) int16 {
		i := slices.IndexFunc(resp.ApiKeys, func(a sarama.ApiVersionsResponseKey) bool { return a.ApiKey == key })
		if i < 0 {
			return -1
		}
		return resp.ApiKeys[i].MaxVersion
	}
	cfg := k.c.cfg
	if cfg.Compression == "zstd" && version(produce) < zstdProduce {
		k.say(Fail, CheckCodec, "use lz4, or Kafka 2.1 or later", "broker %s does not know the compression zstd", b.Addr())
	}
	if cfg.Delivery != ExactlyOnce {
		k.say(Warn, CheckTxn, "use delivery: exactly_once, if the brokers have transactions",
			"delivery is %s: lines may arrive twice after a failure", cfg.Delivery)
		k.idempotent(b)
		return
	}
	if version(addPartitions) < 0 || version(endTxn) < 0 {
		k.say(Fail, CheckTxn, "use delivery: at_least_once", "broker %s has no transactions", b.Addr())
		return
	}
	k.timeout(b)
}

// idempotent asks for the id of a producer without transactions, which ends nobody else's.
func (k *check) idempotent(b *sarama.Broker) {
	resp, err := b.InitProducerID(&sarama.InitProducerIDRequest{ProducerID: -1, ProducerEpoch: -1})
	if err == nil && errors.Is(resp.Err, sarama.ErrClusterAuthorizationFailed) {
		k.say(Fail, CheckWriteRight, "kafka-acls.sh --add --allow-principal "+k.principal()+" --operation IdempotentWrite --cluster",
			"%s may not write idempotently", k.principal())
	}
}

// timeout compares the time-out of transactions with the broker's limit, if the broker tells it.
func (k *check) timeout(b *sarama.Broker) {
	const name = "transaction.max.timeout.ms"
	if b.ID() < 0 {
		for _, known := range k.c.client.Brokers() {
			if known.Addr() == b.Addr() {
				b = known
			}
		}
		if err := b.Open(k.c.conf); err != nil && !errors.Is(err, sarama.ErrAlreadyConnected) || b.ID() < 0 {
			return
		}
	}
	resp, err := b.DescribeConfigs(&sarama.DescribeConfigsRequest{Version: 1,
		Resources: []*sarama.ConfigResource{{Type: sarama.BrokerResource, Name: strconv.Itoa(int(b.ID())), ConfigNames: []string{name}}}})
	if err != nil || len(resp.Resources) != 1 || resp.Resources[0].ErrorCode != 0 {
		return // that needs a right which is not needed otherwise
	}
	for _, e := range resp.Resources[0].Configs {
		if most, err := strconv.Atoi(e.Value); e.Name == name && err == nil && time.Duration(most)*time.Millisecond < k.c.cfg.TxnTimeout {
			k.say(Fail, CheckTxnTimeout, fmt.Sprintf("set kafka.transaction_timeout: %dms, or raise the broker's limit", most),
				"kafka.transaction_timeout is %v, and broker %s allows %s=%d", k.c.cfg.TxnTimeout, b.Addr(), name, most)
		}
	}
}

// principal names the user for people, and for kafka-acls.sh.
func (k *check) principal() string {
	if u := k.c.cfg.SASL.Username; u != "" {
		return "User:" + u
	}
	return "this user"
}

// transactions looks for the coordinator of a site's transactional id, and whether it may be used. To that end it asks for the end of a transaction
// of a producer that does not exist: the right is looked at first, and then nothing is found to end. Asking for a producer id would tell too, and end
// a daemon that runs.
func (k *check) transactions(cfg Config) {
	if cfg.Delivery != ExactlyOnce || k.ended {
		return
	}
	id := *newProducer(&cfg, k.c).txnID
	fix := fmt.Sprintf("kafka-acls.sh --add --allow-principal %s --operation Write --operation Describe --transactional-id ngxtap. "+
		"--resource-pattern-type prefixed", k.principal())
	coord, err := k.findCoordinator(id)
	switch {
	case errors.Is(err, sarama.ErrConsumerCoordinatorNotAvailable):
		k.ended = true
		k.about("").say(Warn, CheckTxn, "if it stays so, look at transaction.state.log.replication.factor: so many brokers must be up",
			"transactional id %s has no coordinator yet: normal before the first transaction of a cluster", id)
		return
	case errors.Is(err, sarama.ErrTransactionalIDAuthorizationFailed):
		k.say(Fail, CheckTxnRight, fix, "%s may not use the transactional id %s", k.principal(), id)
		return
	case err != nil:
		k.ended = true
		k.about("").say(Fail, CheckTxn, "", "%v", because(k.ctx, k.c.classify(err)))
		return
	}
	const nobody = -1
	resp, err := coord.EndTxn(&sarama.EndTxnRequest{TransactionalID: id, ProducerID: nobody, ProducerEpoch: nobody})
	switch {
	case err != nil:
		k.ended = true
		k.about("").say(Fail, CheckTxn, "", "ask broker %s for its rights on transactional ids: %v", coord.Addr(), because(k.ctx, err))
	case errors.Is(resp.Err, sarama.ErrTransactionalIDAuthorizationFailed):
		k.say(Fail, CheckTxnRight, fix, "%s may not write with the transactional id %s", k.principal(), id)
	default:
		k.say(OK, CheckTxn, "", "transactional id %s: coordinator is broker %s", id, coord.Addr())
	}
}

// findCoordinator asks for the coordinator until there is one, but not for long: the first to ask makes the broker set up what it keeps transactions in.
func (k *check) findCoordinator(id string) (coord *sarama.Broker, err error) {
	const pause = 200 * time.Millisecond
	for waited := time.Duration(0); waited < checkTimeout; waited += pause {
		if coord, err = k.c.coordinator(id); !errors.Is(err, sarama.ErrConsumerCoordinatorNotAvailable) || sleep(k.ctx, pause) != nil {
			break
		}
	}
	return coord, err
}

// Bits of the operations that a broker allows (org.apache.kafka.common.acl.AclOperation).
const (
	mayRead         = 1 << 3
	mayWrite        = 1 << 4
	rightsNotToldOf = -1 << 31
)

// rights returns what this user may do with topics; those that it may not even see are not in it.
func (k *check) rights(names []string) map[string]int32 {
	all := map[string]int32{}
	b, err := k.c.anyBroker()
	if err != nil {
		return all
	}
	req := sarama.NewMetadataRequest(k.c.conf.Version, names)
	req.IncludeTopicAuthorizedOperations = true
	resp, err := b.GetMetadata(req)
	if err != nil {
		return all
	}
	for _, t := range resp.Topics {
		if t.Err == sarama.ErrNoError && t.TopicAuthorizedOperations != rightsNotToldOf {
			all[t.Name] = t.TopicAuthorizedOperations
		}
	}
	return all
}

// allowed looks whether this user has the rights that ngxtap needs for a topic.
func (k *check) allowed(t topicUse, rights map[string]int32) {
	have, told := rights[t.name]
	if !told || have == 0 {
		return // an old broker does not tell; one without rules allows all, or says nothing
	}
	var missing []string
	if have&mayWrite == 0 {
		missing = append(missing, "Write")
	}
	if have&mayRead == 0 && t.name == k.c.cfg.State {
		missing = append(missing, "Read")
	}
	if len(missing) > 0 {
		k.say(Fail, CheckTopicRight, fmt.Sprintf("kafka-acls.sh --add --allow-principal %s --operation %s --topic %s", k.principal(),
			strings.Join(missing, " --operation "), t.name),
			"%s lacks %s on topic %s (%s)", k.principal(), strings.Join(missing, " and "), t.name, t.what)
	}
}
