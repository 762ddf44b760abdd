package main

// Shows: the status tells what a site did and of what it is made, holds no byte of a refused line, and the admin port is where it is wanted.

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"ngxtap/pkg/admin"
	"ngxtap/pkg/config"
	"ngxtap/pkg/pipeline"
	"ngxtap/pkg/schema"
	"ngxtap/pkg/sink"
	"ngxtap/pkg/sink/sinktest"
	"ngxtap/pkg/tail"
)

// shippedSite runs a site over a log and returns a daemon that has it.
func shippedSite(t *testing.T, log string) (*daemon, []*pipeline.Site) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.log")
	if err := os.WriteFile(path, []byte(log), 0o644); err != nil {
		t.Fatal(err)
	}
	s := config.SiteDefaults("shop")
	s.AccessLog.LogFormat = "$status"
	s.AccessLog.Paths = []string{path}
	formats, _, err := formatsOf(&s)
	if err != nil {
		t.Fatal(err)
	}
	far := sinktest.NewMemory()
	site, err := pipeline.New(pipeline.Config{
		Site: "shop", Instance: "web-01", Formats: formats, Once: true, Logger: slog.New(slog.DiscardHandler), Tail: tail.Config{Paths: []string{path}},
		Frame: func(context.Context, sink.Stream, string, string) (*pipeline.Frame, error) {
			return frameOf(schema.Confluent, schema.ID{Number: 42}, 0), nil
		},
		Open: func() (sink.Sink, error) { return far.Open(sinktest.Process{Run: "r", Host: "h"}), nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := site.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	d := &daemon{log: slog.New(slog.DiscardHandler), seen: newObserved(), framing: schema.Confluent, cfg: &config.Config{
		Daemon: config.Daemon{Instance: "web-01", StateDir: t.TempDir(), Kafka: config.Kafka{Brokers: []string{"k:9092"}},
			Registry: config.Registry{URLs: []string{"http://r:8081"}, Framing: "confluent", Subject: "topic", Password: "hunter2", Token: "hunter2"}},
		Sites: []config.Site{s},
	}}
	return d, []*pipeline.Site{site}
}

func TestStatus(t *testing.T) {
	d, sites := shippedSite(t, "200\n\ns3cret\n404\n")
	status := newStatus(d, newPast(sites, nil))
	st := status(admin.SpanMinutes)
	s := st.Sites[0]
	if s.Name != "shop" || s.State != admin.StateStopped || s.Topic != "nginx.shop.access" || s.Counters.Events != 2 || s.Counters.Quarantined != 1 || s.Counters.Blank != 1 ||
		s.Counters.ReadBytes != 16 || s.Counters.EventBytes+s.Counters.QuarBytes+s.Counters.BlankBytes != 16 || s.Commit.Over == 0 || s.Commit.P99 <= 0 || s.Commit.P50 > s.Commit.P99 || s.Commit.Last == nil {
		t.Errorf("site: %+v", s)
	}
	if len(s.Formats) != 1 || s.Formats[0].ID != "42" || s.Formats[0].Subject != "nginx.shop.access-value" || s.Formats[0].Use != "events" || len(s.Formats[0].Fingerprint) != 16 {
		t.Errorf("formats: %+v", s.Formats)
	}
	path := d.cfg.Sites[0].AccessLog.Paths[0]
	if len(s.Files) != 1 || s.Files[0].Path != path || s.Files[0].Size != 16 || s.Files[0].Offset != 16 || s.Files[0].LagBytes != 0 {
		t.Errorf("files: %+v", s.Files)
	}
	if len(s.Rejects) != 1 || s.Rejects[0].Offset != 5 || s.Rejects[0].Path != path || s.Rejects[0].Reason != "misfit" || s.Rejects[0].Variable != "status" || s.Rejects[0].Generation != s.Files[0].Generation {
		t.Errorf("rejects: %+v", s.Rejects)
	}
	if s.History == nil || len(s.History.Lines) == 0 {
		t.Error("no history")
	}
	b, err := json.Marshal(st)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"s3cret", "hunter2"} {
		if bytes.Contains(b, []byte(secret)) {
			t.Errorf("%q is in the status", secret)
		}
	}
	d.cfg.StateDir = "/nowhere/at/all"
	if st = status(admin.SpanNone); len(st.Attention) != 1 || st.Sites[0].History != nil {
		t.Errorf("attention: %q", st.Attention)
	}
}

func TestStateWords(t *testing.T) {
	for text, want := range map[string][2]string{
		"running": {"running", ""}, "starting": {"starting", ""}, "getting schema ids": {"starting", "getting schema ids"}, "recovering the position": {"starting", "recovering the position"},
		"recovering: dial: refused": {"recovering", "dial: refused"}, "held: x": {"held", "x"}, "failed: y: z": {"failed", "y: z"}, "stopped": {"stopped", ""},
	} {
		if word, reason := stateWord(text); word != want[0] || reason != want[1] {
			t.Errorf("%q is %q, %q", text, word, reason)
		}
	}
}

func TestSchemaIDs(t *testing.T) {
	guid := schema.ID{GUID: [16]byte{0x5f, 0xe8, 0x5b, 0x5e, 0x31, 0x55, 0x4e, 0x6b, 0x8d, 0x1c, 0x42, 0x12, 0x6a, 0x7c, 0x0c, 0x12}, HasGUID: true}
	for _, c := range []struct {
		frame *pipeline.Frame
		want  string
	}{
		{frameOf(schema.Confluent, schema.ID{Number: 7}, 1), "7"}, {frameOf(schema.Header, schema.ID{Number: 7}, 1), "7"},
		{frameOf(schema.Header, guid, 1), guid.String()}, {frameOf(schema.SingleObject, schema.ID{}, 1), ""},
	} {
		if got := schemaID(c.frame); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

func TestFilesWithMostToDoComeFirst(t *testing.T) {
	var all []tail.FileStatus
	for i := range 3 * admin.MaxFiles {
		all = append(all, tail.FileStatus{Path: "f", State: tail.Finished, Size: int64(i), Offset: int64(i)})
	}
	all[100].Size += 5
	all[120].Size += 1 << 40
	all[130].State = tail.Failing
	files, omitted := fileStatus(all)
	if len(files) != admin.MaxFiles || omitted != 2*admin.MaxFiles || files[0].State != "failing" || files[1].LagBytes != 1<<40 || files[2].LagBytes != 5 {
		t.Errorf("%d files, %d omitted: %+v", len(files), omitted, files[:3])
	}
}

// The default port may be taken; one that somebody chose must be free.
func TestWhereTheAdminPortIs(t *testing.T) {
	d, sites := shippedSite(t, "200\n")
	var said bytes.Buffer
	d.log = slog.New(slog.NewTextHandler(&said, nil))
	past := newPast(sites, nil)
	status := newStatus(d, past)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	d.cfg.Admin = config.Admin{Listen: taken.Addr().String()}
	d.cfg.AdminByDefault = true
	if port, err := d.startAdmin(sites, false, status); port != nil || err != nil || !strings.Contains(said.String(), "level=WARN") || !strings.Contains(said.String(), "set admin.listen") {
		t.Errorf("the default is taken: %v %v %s", port, err, said.String())
	}
	d.cfg.AdminByDefault = false
	if _, err := d.startAdmin(sites, false, status); err == nil || !strings.Contains(err.Error(), "choose another address") {
		t.Errorf("a chosen one is taken: %v", err)
	}
	d.cfg.AdminByDefault, d.cfg.Admin = true, config.Admin{Listen: "127.0.0.1:0"}
	if port, err := d.startAdmin(sites, true, status); port != nil || err != nil {
		t.Errorf("run --once has a port by default: %v", err)
	}
	d.cfg.AdminByDefault, d.cfg.Admin = false, config.Admin{Listen: config.AdminOff}
	if port, err := d.startAdmin(sites, false, status); port != nil || err != nil {
		t.Errorf("off is %v %v", port, err)
	}
	d.cfg.Admin = config.Admin{Listen: "0.0.0.0:0"}
	if _, err := d.startAdmin(sites, false, status); err == nil || !strings.Contains(err.Error(), "allow_remote") {
		t.Errorf("all addresses: %v", err)
	}
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	d.cfg.Admin = config.Admin{Listen: "unix:" + filepath.Join(t.TempDir(), "s")}
	port, err := d.startAdmin(sites, true, status)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { past.rec.Run(ctx); close(done) }()
	c, err := newStatusClient(d.cfg.Admin.Listen)
	if err != nil {
		t.Fatal(err)
	}
	if st, err := c.get(ctx); err != nil || st.Instance != "web-01" || st.Sites[0].History != nil {
		t.Errorf("over the socket: %+v %v", st, err)
	}
	c.http.CloseIdleConnections()
	cancel()
	<-done
	if err := port.Close(); err != nil {
		t.Error(err)
	}
}

// A site that goes on over a reload keeps its past, and one that is new has none.
func TestPastOverAReload(t *testing.T) {
	_, first := shippedSite(t, "200\n")
	_, second := shippedSite(t, "200\n")
	p := newPast(first, nil)
	next := newPast(append(second, first...), p)
	if !next.since[1].Equal(p.since[0]) || !next.since[0].After(p.since[0]) {
		t.Errorf("since %v, before %v", next.since, p.since)
	}
}
