// stats_test.go shows that what the brokers do is counted: how transactions end, what goes wrong by its kind, bytes before and after compression.
package kafka

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ngxtap/pkg/sink"
)

func TestErrorClasses(t *testing.T) {
	all := ErrorClasses()
	for err, want := range map[error]ErrorClass{
		sink.ErrPositionLost:            ClassLost,
		sink.ErrNotOwner:                ClassNotOwner,
		sarama.ErrInvalidProducerEpoch:  ClassFenced,
		sarama.ErrNotEnoughReplicas:     ClassReplicas,
		sarama.ErrMessageSizeTooLarge:   ClassTooLarge,
		sarama.ErrNotLeaderForPartition: ClassMoving,
		sarama.ErrRequestTimedOut:       ClassTimeout,
		os.ErrDeadlineExceeded:          ClassTimeout,
		context.DeadlineExceeded:        ClassTimeout,
		io.EOF:                          ClassConnection,
		sarama.ErrOutOfBrokers:          ClassConnection,
		errors.New("no idea"):           ClassOther,
		sink.ErrConfig:                  ClassConfig,
		sarama.ErrUnsupportedVersion:    ClassOther,
		&net.OpError{Op: "dial", Err: errors.New("connection refused")}:  ClassConnection,
		&tls.CertificateVerificationError{Err: errors.New("unknown")}:    ClassTLS,
		x509.HostnameError{Certificate: &x509.Certificate{}, Host: "x"}:  ClassTLS,
		&net.DNSError{Err: "no such host", Name: "x"}:                    ClassConnection,
		&net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}:            ClassTimeout,
		fmt.Errorf("%w: %w", sarama.ErrSASLAuthenticationFailed, io.EOF): ClassLogin,
		fmt.Errorf("%w: %w", sarama.ErrTopicAuthorizationFailed, io.EOF): ClassRight,
		fmt.Errorf("%w: %w", sarama.ErrUnknownTopicOrPartition, io.EOF):  ClassTopic,
		fmt.Errorf("%w: %w", sink.ErrConfig, sarama.ErrProducerFenced):   ClassFenced,
		fmt.Errorf("%w: %w", sink.ErrConfig, sarama.ErrPolicyViolation):  ClassConfig,
	} {
		got := classOf(fmt.Errorf("kafka: %w", err))
		if got != want || !slices.Contains(all, got) {
			t.Errorf("%v is %s, want %s", err, got, want)
		}
	}
	if n := len(slices.Compact(slices.Sorted(slices.Values(all)))); n != len(all) {
		t.Errorf("a class is there twice: %v", all)
	}
}

func TestStatsCountWhatBrokersDo(t *testing.T) {
	c := broker(t)
	cfg := config(t, c)
	cfg.Stats = &Stats{}
	cfg.StateFile = filepath.Join(t.TempDir(), "position-shop")
	st := cfg.Stats
	counts := func(what string, connected bool, committed, aborted, inDoubt int64) {
		t.Helper()
		if st.Connected() != connected || st.Committed.Load() != committed || st.Aborted.Load() != aborted || st.InDoubt.Load() != inDoubt {
			t.Errorf("%s: connected %v, %d committed, %d aborted, %d in doubt; want %v, %d, %d, %d", what, st.Connected(), st.Committed.Load(),
				st.Aborted.Load(), st.InDoubt.Load(), connected, committed, aborted, inDoubt)
		}
	}
	if SeenPosition(cfg.StateFile, cfg.Instance, cfg.Site) != nil {
		t.Error("a position is known before the first commit")
	}
	s, _ := recovered(t, cfg)
	counts("after the marker", true, 1, 0, 0)
	if st.Brokers.Load() != 3 {
		t.Errorf("%d brokers, want 3", st.Brokers.Load())
	}
	ctx := within(t, 30*time.Second)
	if err := s.Write(ctx, batchOf(strings.Repeat("x", 10_000))); err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(ctx, sink.Position("1")); err != nil {
		t.Fatal(err)
	}
	counts("after a commit", true, 2, 0, 0)
	if r, p := st.Records.Load(), st.Packed.Load(); r < 10_000 || p == 0 || p > r/5 {
		t.Errorf("%d bytes became %d", r, p)
	}
	// Written, and given up.
	if err := s.Write(ctx, batchOf("y")); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	counts("after the end", false, 3, 1, 0)
	if got := SeenPosition(cfg.StateFile, cfg.Instance, cfg.Site); string(got) != "1" {
		t.Errorf("the last commit seen is %q", got)
	}
	if got := SeenPosition(cfg.StateFile, "web-02", cfg.Site); got != nil {
		t.Errorf("it is another host's: %q", got)
	}

	// The reply to the end of a transaction is lost.
	s, _ = recovered(t, cfg)
	c.ControlKey(int16(kmsg.EndTxn), func(kmsg.Request) (kmsg.Response, error, bool) { return nil, errors.New("lost"), true })
	if err := s.Write(ctx, batchOf("z")); err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(ctx, sink.Position("2")); err == nil {
		t.Fatal("a commit without a reply")
	}
	s.Close()
	counts("after a lost reply", false, 4, 1, 1)
	n, last, at := st.Errors()
	if n[ClassConnection] != 1 || last != ClassConnection || at.IsZero() || len(n) != len(ErrorClasses()) {
		t.Errorf("errors: %v, last %s at %v", n, last, at)
	}
}

func TestStatsOfBrokersThatAreAway(t *testing.T) {
	c, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	cfg := config(t, c)
	cfg.Stats = &Stats{}
	c.Close()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	s := newSink(t, cfg)
	go func() {
		_, err := s.Recover(ctx)
		done <- err
	}()
	for deadline := time.Now().Add(time.Minute); ; <-time.After(time.Millisecond) {
		if n, _, _ := cfg.Stats.Errors(); n[ClassConnection] >= 2 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("a minute passed without two errors")
		}
	}
	before, _, _ := cfg.Stats.Errors()
	cancel()
	if err := <-done; err == nil {
		t.Error("recovered from nowhere")
	}
	after, last, _ := cfg.Stats.Errors()
	if last != ClassConnection || after[ClassOther] != 0 || after[ClassConnection] < before[ClassConnection] || cfg.Stats.Connected() {
		t.Errorf("that it was told to stop is no error: %v, %v", before, after)
	}
}
