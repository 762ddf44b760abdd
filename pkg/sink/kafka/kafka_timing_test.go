// kafka_timing_test.go measures CPU time and memory per record of this process alone (the broker is another one), side by side with
// sarama's AsyncProducer, and guards that no record costs an allocation on its way into a batch.
package kafka

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kfake"

	"ngxtap/pkg/sink"
)

// brokerProcess is set in the environment of a process that is to be a broker.
const brokerProcess = "NGXTAP_TEST_BROKER"

// serveBroker runs a broker until standard input ends.
func serveBroker() {
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.DefaultNumPartitions(1))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	defer c.Close()
	fmt.Println(c.ListenAddrs()[0])
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// otherProcess starts a broker beside this process and returns its address.
func otherProcess(b *testing.B) string {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), brokerProcess+"=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { in.Close(); cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return strings.TrimSpace(line)
}

// record appends an event of about 400 bytes that compresses as access logs do.
func record(dst []byte, i int, r *rand.Rand) []byte {
	return fmt.Appendf(dst, "%d.%d.%d.%d GET /shop/category/%d/item/%d?ref=%x&session=%016x HTTP/1.1 200 %d 0.%03d "+
		"https://www.example.com/shop/category/%d Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/%d.0.0.0 Safari/537.36 "+
		"accept text/html,application/xhtml+xml accept-language en-GB,en;q=0.5 accept-encoding gzip, deflate, br x-request-id %032x host www.example.com cache-control max-age=0 etag %016x",
		r.IntN(256), r.IntN(256), r.IntN(256), r.IntN(256), r.IntN(40), r.IntN(9000), r.IntN(1<<16), r.Uint64(), r.IntN(90000), r.IntN(1000),
		r.IntN(40), 90+r.IntN(40), r.Uint64(), r.Uint64())
}

const (
	perBatch  = 2000
	perCommit = 20_000
)

// fillBatch puts perBatch records into b.
func fillBatch(b *sink.Batch, r *rand.Rand) {
	for i := range perBatch {
		b.Buf = record(b.Buf, i, r)
		b.Add(sink.Events, 1_700_000_000_000_000+int64(i))
	}
}

// cpu returns the CPU time of this process so far.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// measured runs f and reports CPU time for each of b.N records of that size.
func measured(b *testing.B, size int, f func()) {
	b.SetBytes(int64(size))
	b.ReportAllocs()
	b.ResetTimer()
	start := cpu()
	f()
	b.StopTimer()
	b.ReportMetric(float64(cpu()-start)/float64(b.N), "cpu-ns/op")
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	b.ReportMetric(float64(u.Maxrss)/1024, "peak-MiB")
}

func BenchmarkSink(b *testing.B) {
	for _, delivery := range []string{ExactlyOnce, AtLeastOnce} {
		for _, codec := range []string{"none", "lz4", "snappy", "zstd"} {
			if delivery == AtLeastOnce && codec != "lz4" {
				continue
			}
			b.Run(delivery+"/"+codec, func(b *testing.B) {
				addr := otherProcess(b)
				s := newSink(b, Config{Brokers: []string{addr}, Instance: "i", Site: "s", Topic: "t", CreateTopics: true,
					Compression: codec, Delivery: delivery, StatePartitions: 1})
				if _, err := s.Recover(b.Context()); err != nil {
					b.Fatal(err)
				}
				model := sink.NewBatch(1<<20, nil)
				fillBatch(model, rand.New(rand.NewPCG(1, 2)))
				measured(b, len(model.Buf)/perBatch, func() { ship(b, s, model) })
			})
		}
	}
}

// ship writes b.N records that look like model's.
func ship(b *testing.B, s *Sink, model *sink.Batch) {
	sinceCommit := 0
	for n := 0; n < b.N; n += perBatch {
		// A batch with the model's content that Release leaves alone.
		batch := &sink.Batch{Buf: model.Buf, Records: model.Records[:min(perBatch, b.N-n)]}
		if err := s.Write(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
		if sinceCommit += perBatch; sinceCommit >= perCommit {
			sinceCommit = 0
			if err := s.Commit(b.Context(), sink.Position(`{"p":1}`)); err != nil {
				b.Fatal(err)
			}
		}
	}
	if err := s.Commit(b.Context(), sink.Position(`{"p":1}`)); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkAsyncProducer(b *testing.B) {
	for name, codec := range map[string]sarama.CompressionCodec{"none": sarama.CompressionNone, "lz4": sarama.CompressionLZ4} {
		b.Run(name, func(b *testing.B) {
			conf := sarama.NewConfig()
			conf.Version = sarama.V2_8_0_0
			conf.Producer.RequiredAcks = sarama.WaitForAll
			conf.Producer.Compression = codec
			conf.Producer.Flush.Bytes = maxBatchBytes
			conf.Producer.Flush.Frequency = 10 * time.Millisecond
			conf.Producer.MaxMessageBytes = 1_000_000
			conf.Producer.Return.Errors, conf.Producer.Return.Successes = true, true
			addr := otherProcess(b)
			c, err := connect(&Config{Brokers: []string{addr}, CreateTopics: true, DialTimeout: time.Second, RequestTimeout: time.Second, Partitions: 1, ReplicationFactor: 1, Logger: Config{}.complete().Logger})
			if err != nil {
				b.Fatal(err)
			}
			if _, _, err := c.ensureTopic(b.Context(), topicUse{"t", "events"}, false); err != nil {
				b.Fatal(err)
			}
			c.close()
			p, err := sarama.NewAsyncProducer([]string{addr}, conf)
			if err != nil {
				b.Fatal(err)
			}
			model := sink.NewBatch(1<<20, nil)
			fillBatch(model, rand.New(rand.NewPCG(1, 2)))
			measured(b, len(model.Buf)/perBatch, func() {
				done := make(chan int)
				go func() {
					n := 0
					for range p.Successes() {
						n++
					}
					done <- n
				}()
				go func() {
					for err := range p.Errors() {
						b.Error(err)
					}
				}()
				for i := range b.N {
					r := &model.Records[i%perBatch]
					p.Input() <- &sarama.ProducerMessage{Topic: "t", Value: sarama.ByteEncoder(model.ValueOf(r)), Timestamp: time.UnixMicro(r.Time)}
				}
				p.AsyncClose()
				if n := <-done; n != b.N {
					b.Errorf("%d of %d arrived", n, b.N)
				}
			})
		})
	}
}

func TestNoAllocationPerRecord(t *testing.T) {
	c := broker(t)
	s, _ := recovered(t, config(t, c))
	b := sink.NewBatch(1<<20, nil)
	fillBatch(b, rand.New(rand.NewPCG(1, 2)))
	h := &sink.Header{Name: "__value_schema_id", Value: []byte{0, 0, 0, 0, 1}}
	for i := range b.Records {
		b.Records[i].Header = h
	}
	if err := s.w.prepare(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	s.w.maxBatch = 1 << 30 // nothing is sent
	run := func() {
		if err := s.w.prepare(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		if err := s.w.fill(b); err != nil {
			t.Fatal(err)
		}
		for _, p := range s.w.touched {
			p.raw, p.count, s.w.size = p.raw[:0], 0, 0
		}
		s.w.touched = s.w.touched[:0]
	}
	run()
	if n := testing.AllocsPerRun(20, run); n != 0 {
		t.Errorf("want none for %d records, got %v", perBatch, n)
	}
}
