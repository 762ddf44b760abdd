// replay_test.go shows that lines of a quarantine are sent once as events, and those only that may be: killed at any step, run twice,
// run by two at once, with transactions in doubt, and with records of what was replayed gone.
package pipeline

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"ngxtap/pkg/avro"
	"ngxtap/pkg/sink"
	"ngxtap/pkg/sink/sinktest"
)

// world is a quarantine topic with lines in it, and the far side of replays, which append to the same topic.
type world struct {
	t     *testing.T
	mu    sync.Mutex
	lines [][]byte // values; owned by nobody, never changed
	far   *sinktest.Memory
}

// parts is how many partitions the topic has. Record i of the lines, and of what replays wrote, is in partition i%parts.
const parts = 4

func newWorld(t *testing.T) *world { return &world{t: t, far: sinktest.NewMemory()} }

// add quarantines a line of the site.
func (w *world) add(raw string, change func(q *avro.Quarantined)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	q := avro.Quarantined{Time: 1_700_000_000_000_000, Reason: "a number should stand here", Column: -1,
		Origin: avro.Origin{Site: "shop", Host: "web-01", File: "g1", Offset: int64(len(w.lines))}}
	if change != nil {
		change(&q)
	}
	w.lines = append(w.lines, avro.AppendQuarantined([]byte("Q"), []byte(raw), &q))
}

// addMany quarantines n lines, of which each third fits textFormat, and returns how many do.
func (w *world) addMany(n int) (fit int) {
	for i := range n {
		if i%3 != 1 {
			w.add(fmt.Sprintf("x %d", i), nil)
			continue
		}
		fit++
		w.add(fmt.Sprintf(`200 "%d"`, i), nil)
	}
	return fit
}

// read is ReplayConfig.Read. Lines and records of replays are in partitions of their own.
func (w *world) read(ctx context.Context, _ bool, f func(*QuarantineRecord) error) error {
	w.mu.Lock()
	values := slices.Clone(w.lines)
	w.mu.Unlock()
	for i, v := range values {
		r := QuarantineRecord{Partition: int32(i % parts), Offset: int64(i / parts), Line: &avro.Quarantined{}}
		var err error
		if r.Raw, err = avro.ReadQuarantined(r.Line, v[1:]); err != nil {
			return err
		}
		if err := f(&r); err != nil {
			return err
		}
	}
	n := int64(0)
	for _, rec := range w.far.Records() {
		if rec.Stream != sink.Quarantine {
			continue
		}
		done, err := avro.ReadReplayed(bytes.TrimPrefix(rec.Value, []byte("R")))
		if err != nil {
			return err
		}
		if err := f(&QuarantineRecord{Partition: parts, Offset: n, Done: done}); err != nil {
			return err
		}
		n++
	}
	return ctx.Err()
}

// config returns a replay by a process of its own, on a host of its own if the name differs.
func (w *world) config(run, host string) ReplayConfig {
	return ReplayConfig{
		Site: "shop", Instance: host, Formats: []*Format{newFormat(w.t, textFormat)}, Frames: []*Frame{{Prefix: []byte("E")}},
		Frame: &Frame{Prefix: []byte("R")}, RetryAfter: time.Millisecond, Logger: slog.New(slog.DiscardHandler), Read: w.read, most: 4,
		Open: func() (sink.Sink, error) {
			return w.far.Open(sinktest.Process{Run: run, Host: host, Takeover: true}), nil
		},
	}
}

// check fails the test unless just the n lines that fit have arrived, each once.
func (w *world) check(n int) {
	w.t.Helper()
	seen := map[int64]int{}
	f := newFormat(w.t, textFormat)
	var dec avro.Decoder
	for _, r := range w.far.Records() {
		if r.Stream != sink.Events {
			continue
		}
		js, err := dec.AppendJSON(nil, f.Schema(), bytes.TrimPrefix(r.Value, []byte("E")))
		if err != nil {
			w.t.Fatal(err)
		}
		var ev struct{ Origin struct{ Offset int64 } }
		if err := json.Unmarshal(js, &ev); err != nil {
			w.t.Fatal(err)
		}
		seen[ev.Origin.Offset]++
	}
	for off, count := range seen {
		if count != 1 || !bytes.Contains(w.lines[off], []byte("200 ")) {
			w.t.Errorf("line %d arrived %d times: %q", off, count, w.lines[off])
		}
	}
	if len(seen) != n {
		w.t.Errorf("%d lines arrived, want %d", len(seen), n)
	}
}

func TestReplay(t *testing.T) {
	w := newWorld(t)
	for range 5 {
		w.add(`200 "fits"`, nil)
	}
	w.add("misfit", nil)
	w.add("misfit too", nil)
	w.add(`200 "head"`, func(q *avro.Quarantined) { q.MaxRaw = 3 })
	w.add(`200 "changed"`, func(q *avro.Quarantined) { q.Whole = &avro.Whole{Length: 13} })
	w.add(`200 "torn"`, func(q *avro.Quarantined) { q.Reason = "the file ended without a newline after this" })
	w.add(`200 "other site"`, func(q *avro.Quarantined) { q.Origin.Site = "blog" })
	w.add(`200 "other host"`, func(q *avro.Quarantined) { q.Origin.Host = "web-02" })
	w.add("200 \"crlf\"\r", nil)

	dry := w.config("dry", "web-01")
	dry.DryRun, dry.Open = true, nil
	res, err := Replay(t.Context(), dry)
	if err != nil || res.Sent != 7 || res.Misfits.Sum() != 2 || len(w.far.Records()) != 0 {
		t.Fatalf("dry run: %+v, %v, and %d records written", res, err, len(w.far.Records()))
	}
	cfg := w.config("one", "web-01")
	cfg.OwnKey = true
	var last ReplayProgress
	cfg.Progress = func(p ReplayProgress) { last = p }
	res, err = Replay(t.Context(), cfg)
	want := ReplayResult{Sent: 6}
	for _, why := range []string{replayHead, replayChanged, replayTorn, replayForeignKey} {
		want.Cannot.AddName(why)
	}
	if err != nil || res.Sent != 6 || fmt.Sprint(res.Cannot.Rows()) != fmt.Sprint(want.Cannot.Rows()) || res.Misfits.Sum() != 2 || res.Already != 0 {
		t.Fatalf("got %+v, %v", res, err)
	}
	if want := (ReplayProgress{Read: 12, Total: 12, Sent: 6}); last != want {
		t.Errorf("the last progress was %+v, want %+v", last, want)
	}
	w.check(6)
	res, err = Replay(t.Context(), w.config("two", "web-01")) // all hosts now
	if err != nil || res.Sent != 1 || res.Already != 6 || res.Misfits.Sum() != 2 || res.Cannot.Sum() != 3 {
		t.Fatalf("got %+v, %v", res, err)
	}
	w.check(7)
}

// TestReplayKeysAndSchemas: a record has the key that the line's own host would have given it, and schemas that no registry keeps come first.
func TestReplayKeysAndSchemas(t *testing.T) {
	for by, want := range map[string]string{"host": "web-77", "status": "200", "none": ""} {
		w := newWorld(t)
		w.add(`200 "fits"`, func(q *avro.Quarantined) { q.Origin.Host = "web-77" })
		cfg := w.config("one", "web-01")
		header := &sink.Header{Name: "id", Value: []byte("7")}
		cfg.PartitionBy, cfg.Frames[0].Announce, cfg.Frame.Announce, cfg.Frames[0].Header = by, true, true, header
		if _, err := Replay(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
		var streams []sink.Stream
		for _, r := range w.far.Records() {
			streams = append(streams, r.Stream)
			if r.Stream == sink.Events && (string(r.Key) != want || r.Header != header) || r.Stream != sink.Events && r.Header != nil {
				t.Errorf("%s: a record of %v has key %q and header %v", by, r.Stream, r.Key, r.Header)
			}
		}
		if want := []sink.Stream{sink.Schemas, sink.Events, sink.Schemas, sink.Quarantine}; !slices.Equal(streams, want) {
			t.Errorf("%s: records for %v, want %v", by, streams, want)
		}
	}
	w := newWorld(t)
	cfg := w.config("one", "web-01")
	cfg.PartitionBy = "nothing"
	if _, err := Replay(t.Context(), cfg); err == nil {
		t.Error("a field that no format has is accepted as key")
	}
}

// TestReplayKilledAnywhere fails each step of the sink in turn, done and not done, as a kill would, and runs again until all is done.
func TestReplayKilledAnywhere(t *testing.T) {
	for _, kill := range []bool{true, false} { // or a fault that the run survives by itself
		for _, op := range []sinktest.Op{sinktest.OpRecover, sinktest.OpWrite, sinktest.OpCommit} {
			for _, persist := range []bool{false, true} {
				for after := 0; ; after++ {
					w := newWorld(t)
					fit := w.addMany(100)
					var cause error
					if kill {
						cause = sink.ErrConfig // a run never goes on after it
					}
					w.far.Fail(op, after, persist, cause)
					res, err := Replay(t.Context(), w.config("first", "web-01"))
					hit := err != nil
					if !kill && err != nil || kill && err != nil && !errors.Is(err, sinktest.ErrInjected) {
						t.Fatal(err)
					}
					sent := res.Sent
					if res.Already != 0 {
						t.Fatalf("step %d.%d: a first run found %d lines replayed", op, after, res.Already)
					}
					res, err = Replay(t.Context(), w.config("second", "web-02"))
					if !hit && err != nil { // what the first did not come to
						res, err = Replay(t.Context(), w.config("third", "web-02"))
					}
					if err != nil {
						t.Fatal(err)
					}
					if all := res.Sent + res.Already; int(all) != fit || !hit && (res.Sent != 0 || int(sent) != fit) {
						t.Fatalf("step %d.%d: the first run sent %d, the second %+v; %d fit", op, after, sent, res, fit)
					}
					w.check(fit)
					if t.Failed() {
						t.Fatalf("step %d.%d, persist %v, kill %v", op, after, persist, kill)
					}
					if (kill && !hit) || after > 20 {
						break
					}
				}
			}
		}
	}
}

// TestTwoReplays: the second to start ends the first, which says so; together they send each line once.
func TestTwoReplays(t *testing.T) {
	w := newWorld(t)
	fit := w.addMany(100)
	cfg := w.config("first", "web-01")
	started := false
	cfg.Progress = func(p ReplayProgress) {
		if p.Sent > 4 && !started {
			started = true
			if _, err := Replay(t.Context(), w.config("second", "web-02")); err != nil {
				t.Error(err)
			}
		}
	}
	res, err := Replay(t.Context(), cfg)
	if !started || !errors.Is(err, sink.ErrNotOwner) || int(res.Sent) >= fit || res.Sent == 0 {
		t.Errorf("the first: %+v, %v", res, err)
	}
	w.check(fit)
}

func TestManyReplaysAtOnce(t *testing.T) {
	w := newWorld(t)
	fit := w.addMany(300)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			_, err := Replay(t.Context(), w.config(fmt.Sprint("run", i), fmt.Sprint("host", i%3)))
			if err != nil && !errors.Is(err, sink.ErrNotOwner) {
				t.Log(err) // fenced once too often
			}
		})
	}
	wg.Wait()
	if _, err := Replay(t.Context(), w.config("last", "web-01")); err != nil {
		t.Fatal(err)
	}
	w.check(fit)
}

// TestReplayStopped: a stop commits what is under way, and the next run goes on there.
func TestReplayStopped(t *testing.T) {
	w := newWorld(t)
	fit := w.addMany(100)
	ctx, cancel := context.WithCancel(t.Context())
	cfg := w.config("first", "web-01")
	cfg.most = 1000 // nothing but the stop would commit
	cfg.Progress = func(p ReplayProgress) {
		if !p.Looking && p.Read == 50 {
			cancel()
		}
	}
	res, err := Replay(ctx, cfg)
	if !errors.Is(err, context.Canceled) || res.Sent == 0 || int(res.Sent) == fit {
		t.Fatalf("got %+v, %v", res, err)
	}
	w.check(int(res.Sent))
	if again, err := Replay(t.Context(), w.config("second", "web-01")); err != nil || again.Sent+res.Sent != int64(fit) || again.Already != res.Sent {
		t.Fatalf("got %+v, %v", again, err)
	}
	w.check(fit)
}

func TestReplayLimit(t *testing.T) {
	w := newWorld(t)
	fit := int64(w.addMany(100))
	cfg := w.config("first", "web-01")
	cfg.Limit = 10
	for sent := int64(10); sent < fit; sent += 10 {
		if res, err := Replay(t.Context(), cfg); err != nil || res.Sent != 10 || !res.Limited {
			t.Fatalf("got %+v, %v", res, err)
		}
		w.check(int(sent))
	}
	if res, err := Replay(t.Context(), cfg); err != nil || res.Sent != fit%10 || res.Limited {
		t.Fatalf("got %+v, %v", res, err)
	}
	w.check(int(fit))
}

// TestReplayTooLarge: the far side takes only short records; then fewer lines go into a transaction, and long events stay.
func TestReplayTooLarge(t *testing.T) {
	w := newWorld(t)
	fit := w.addMany(3000)
	w.add(fmt.Sprintf(`200 "%04000d"`, 7), nil)
	w.far.Limit(sink.Quarantine, 200)
	w.far.Limit(sink.Events, 1000)
	cfg := w.config("first", "web-01")
	cfg.most = 500
	res, err := Replay(t.Context(), cfg)
	if err != nil || int(res.Sent) != fit || res.Misfits.Sum() != 2001 {
		t.Fatalf("got %+v, %v", res, err)
	}
	if w.far.Commits() < 20 {
		t.Errorf("%d commits for %d lines of which a record of 200 bytes can't name many", w.far.Commits(), fit)
	}
	w.check(fit)
}

// TestReplayOfTornLine: what a site says of a line whose file ended within it is what replay knows such a line by.
func TestReplayOfTornLine(t *testing.T) {
	far := sinktest.NewMemory()
	path := logFile(t, linesOf(0, 1)+`200 "torn"`)
	once(t, config(t, far, path))
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(linesOf(1, 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	once(t, config(t, far, path))
	for _, r := range far.Records() {
		if r.Stream != sink.Quarantine {
			continue
		}
		var q avro.Quarantined
		raw, err := avro.ReadQuarantined(&q, r.Value)
		if err != nil || string(raw) != `200 "torn"` || unfit(&q, raw) != replayTorn {
			t.Fatalf("%q, quarantined for %q, is %q, %v", raw, q.Reason, unfit(&q, raw), err)
		}
		return
	}
	t.Fatal("the line is not in quarantine")
}
