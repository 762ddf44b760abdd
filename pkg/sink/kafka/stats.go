package kafka

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"

	"ngxtap/pkg/sink"
)

// ErrorClass is the kind of a thing that went wrong with the brokers: a fixed word, fit to be a label of metrics.
type ErrorClass string

// The classes of errors.
const (
	ClassConnection ErrorClass = "connection"     // no connection, or it was lost
	ClassTimeout    ErrorClass = "timeout"        // no answer in time
	ClassTLS        ErrorClass = "tls"            // a certificate that is not accepted
	ClassLogin      ErrorClass = "authentication" // the login is refused
	ClassRight      ErrorClass = "authorization"  // a right is missing
	ClassMoving     ErrorClass = "moving"         // leaders and coordinators are changing, or busy
	ClassReplicas   ErrorClass = "replicas"       // fewer replicas in step than min.insync.replicas
	ClassTopic      ErrorClass = "topic"          // a topic or partition is not there
	ClassTooLarge   ErrorClass = "too_large"      // a batch or record is too large
	ClassFenced     ErrorClass = "fenced"         // a newer session, or the transaction was open for too long
	ClassNotOwner   ErrorClass = "not_owner"      // the site belongs to another process
	ClassLost       ErrorClass = "position_lost"  // the state topic knows less than this host
	ClassConfig     ErrorClass = "configuration"  // what else trying again can't cure
	ClassOther      ErrorClass = "other"
)

// ErrorClasses returns all values of ErrorClass.
func ErrorClasses() []ErrorClass {
	all := make([]ErrorClass, 0, len(classes)+4)
	all = append(all, ClassLost, ClassNotOwner)
	for _, c := range classes {
		all = append(all, c.class)
	}
	return append(all, ClassTLS, ClassTimeout, ClassConnection, ClassConfig, ClassOther)
}

// classes are those that follow from an answer of a broker.
var classes = []struct {
	class ErrorClass
	errs  []error
}{
	{ClassFenced, []error{sarama.ErrProducerFenced, sarama.ErrInvalidProducerEpoch, sarama.ErrInvalidTxnState}},
	{ClassLogin, []error{sarama.ErrSASLAuthenticationFailed, sarama.ErrUnsupportedSASLMechanism, sarama.ErrIllegalSASLState}},
	{ClassRight, []error{sarama.ErrTopicAuthorizationFailed, sarama.ErrClusterAuthorizationFailed, sarama.ErrTransactionalIDAuthorizationFailed}},
	{ClassReplicas, []error{sarama.ErrNotEnoughReplicas, sarama.ErrNotEnoughReplicasAfterAppend}},
	{ClassTooLarge, []error{sarama.ErrMessageSizeTooLarge, sarama.ErrMessageSetSizeTooLarge}},
	{ClassTopic, []error{sarama.ErrUnknownTopicOrPartition, sarama.ErrInvalidTopic}},
	{ClassMoving, []error{sarama.ErrLeaderNotAvailable, sarama.ErrNotLeaderForPartition, sarama.ErrReplicaNotAvailable, sarama.ErrConsumerCoordinatorNotAvailable,
		sarama.ErrNotCoordinatorForConsumer, sarama.ErrOffsetsLoadInProgress, sarama.ErrConcurrentTransactions, sarama.ErrNotController,
		sarama.ErrFencedLeaderEpoch, sarama.ErrUnknownLeaderEpoch, sarama.ErrKafkaStorageError}},
}

// classOf returns the class of what ended a session, or an attempt to begin one.
func classOf(err error) ErrorClass {
	switch {
	case errors.Is(err, sink.ErrPositionLost):
		return ClassLost
	case errors.Is(err, sink.ErrNotOwner):
		return ClassNotOwner
	}
	var token *tokenError // it may wrap errors of TLS and of connections, to others than brokers
	if errors.As(err, &token) || errors.Is(err, errImpostor) {
		return ClassLogin
	}
	for _, c := range classes {
		for _, e := range c.errs {
			if errors.Is(err, e) {
				return c.class
			}
		}
	}
	var cert *tls.CertificateVerificationError
	var host x509.HostnameError
	var header tls.RecordHeaderError
	var wire net.Error
	switch {
	case errors.As(err, &cert), errors.As(err, &host), errors.As(err, &header), alert(err) != "":
		return ClassTLS
	case errors.Is(err, sarama.ErrRequestTimedOut), errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded),
		errors.As(err, &wire) && wire.Timeout():
		return ClassTimeout
	case errors.Is(err, sarama.ErrOutOfBrokers), errors.Is(err, sarama.ErrBrokerNotAvailable), errors.Is(err, sarama.ErrNotConnected),
		errors.Is(err, net.ErrClosed), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), wire != nil:
		return ClassConnection
	case errors.Is(err, sink.ErrConfig):
		return ClassConfig
	}
	return ClassOther
}

// Stats is what the sessions of one site have done with the brokers since the process started, for metrics and for people. Sinks add to it
// through Config.Stats. The zero value is ready for use; safe for concurrent use.
type Stats struct {
	Committed atomic.Int64 // transactions committed, markers of ownership among them
	Aborted   atomic.Int64 // transactions aborted, or left to the brokers to abort
	InDoubt   atomic.Int64 // transactions whose end was asked for and not confirmed; the next session looks what became of them
	Records   atomic.Int64 // bytes of records sent, before compression, also of what was not committed then
	Packed    atomic.Int64 // the same, as sent
	Brokers   atomic.Int64 // how many the cluster told of when the last session began

	open   atomic.Bool // a session has its position, and nothing has gone wrong since
	failed atomic.Pointer[failures]
}

// failures is what went wrong so far. It is not changed once it can be seen.
type failures struct {
	n    map[ErrorClass]int64
	last ErrorClass
	at   time.Time
}

// Connected reports whether a session is open.
func (s *Stats) Connected() bool { return s.open.Load() }

// Errors returns how often something went wrong, for each class, the last of them and when that was; "" if there was none.
func (s *Stats) Errors() (n map[ErrorClass]int64, last ErrorClass, at time.Time) {
	n = make(map[ErrorClass]int64, len(classes)+6)
	for _, c := range ErrorClasses() {
		n[c] = 0
	}
	if f := s.failed.Load(); f != nil {
		for c, k := range f.n {
			n[c] = k
		}
		last, at = f.last, f.at
	}
	return n, last, at
}

// fail counts what ended a session, or an attempt to begin one.
func (s *Stats) fail(err error) {
	s.open.Store(false)
	for {
		old := s.failed.Load()
		f := &failures{n: map[ErrorClass]int64{}, last: classOf(err), at: time.Now()}
		if old != nil {
			for c, k := range old.n {
				f.n[c] = k
			}
		}
		f.n[f.last]++
		if s.failed.CompareAndSwap(old, f) {
			return
		}
	}
}

// SeenPosition returns the last commit of a site that this host remembers in a file (Config.StateFile), nil if it does not. It may be up to
// ten seconds old after a kill, so it is fit to be shown, and for nothing else.
func SeenPosition(file, instance, site string) sink.Position {
	if h, ok := readHint(file); ok && h.Key == stateKey(instance, site) {
		return h.Position
	}
	return nil
}

// leftOpen counts a transaction that a session leaves behind.
func (p *producer) leftOpen() {
	switch {
	case !p.open || p.txnID == nil:
	case p.ending:
		p.cfg.Stats.InDoubt.Add(1)
	default:
		p.cfg.Stats.Aborted.Add(1)
	}
	p.open = false
}
