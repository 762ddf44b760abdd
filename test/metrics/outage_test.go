package metrics

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"

	"ngxtap/test/components"
	"ngxtap/test/harness"
	"ngxtap/test/oracle"
)

// watched is a daemon whose metrics a test reads.
type watched struct {
	t *testing.T
	h *harness.Host
	d *components.Program
}

// is waits until a metric has a value that fits.
func (w watched) is(name, what string, fits func(float64) bool, labels ...string) {
	w.t.Helper()
	components.Eventually(w.t, long, func() error {
		if err := w.d.Alive(); err != nil {
			return err
		}
		v, err := oracle.Metric(w.t.Context(), w.h.Admin, "ngxtap_"+name, labels...)
		if err == nil && !fits(v) {
			err = fmt.Errorf("%s%v is %v, want %s", name, labels, v, what)
		}
		return err
	})
}

func (w watched) equals(name string, want float64, labels ...string) {
	w.t.Helper()
	w.is(name, fmt.Sprint(want), func(v float64) bool { return v == want }, labels...)
}

func appendLines(t *testing.T, path string, n int) (bytes float64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	text := strings.Repeat("200\n", n)
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
	return float64(len(text))
}

// TestBrokersAway follows a daemon that starts without brokers, ships when they come, is configured anew, and loses them again.
func TestBrokersAway(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	log := filepath.Join(t.TempDir(), "access.log")
	written := appendLines(t, log, 100)
	site := harness.Site{Name: "shop", Paths: []string{log}, AccessLog: []string{"log_format: $status"}}
	h := harness.NewHost(t, harness.HostConfig{Brokers: []string{addr}, Sites: []harness.Site{site}})
	d := h.Start(t)
	w := watched{t, h, d}

	awaitPage(t, h, d, "/readyz", 503, "not ready: 1 of 1 sites\nsite shop: recovering")
	awaitPage(t, h, d, "/livez", 200, "alive")
	awaitPage(t, h, d, "/healthz", 503, "site shop: recovering")
	w.equals("lag_bytes", written)
	written += appendLines(t, log, 50)
	w.equals("lag_bytes", written)
	var before float64
	w.is("lag_seconds", "more than 0", func(v float64) bool { before = v; return v > 0 })
	w.is("lag_seconds", "more and more", func(v float64) bool { return v > before })
	w.is("kafka_errors_total", "errors", func(v float64) bool { return v > 0 }, `class="connection"`)
	w.equals("kafka_errors_total", 0, `class="other"`)
	w.equals("kafka_connected", 0)
	w.equals("site_state", 1, `state="recovering"`)
	w.equals("commits_total", 0)

	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	p, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	kafka, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(p))
	if err != nil {
		t.Fatal(err)
	}
	defer kafka.Close()
	awaitPage(t, h, d, "/readyz", 200, "ready")
	w.equals("lag_bytes", 0)
	w.equals("lag_seconds", 0)
	w.equals("kafka_connected", 1)
	w.equals("site_state", 1, `state="running"`)
	w.equals("lines_total", 150, `outcome="event"`)

	// What was counted stays counted over a reload, and one that fails is told.
	reloadedAt := func() (at float64) {
		w.is("config_last_reload_success_timestamp_seconds", "a time", func(v float64) bool { at = v; return v > 0 })
		return at
	}
	first := reloadedAt()
	var sessions float64
	w.is("sessions_total", "some", func(v float64) bool { sessions = v; return v > 0 })
	site.AccessLog = append(site.AccessLog, "rotate_grace: 2s") // or the site would go on as it is
	h.WriteSite(t, site)
	d.Signal(t, syscall.SIGHUP)
	w.is("config_last_reload_success_timestamp_seconds", "a later time", func(v float64) bool { return v > first })
	w.is("sessions_total", "one more", func(v float64) bool { return v > sessions })
	w.equals("lines_total", 150, `outcome="event"`)
	w.equals("bytes_total", written)
	good, err := os.ReadFile(h.Config)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(h.Config, append(good, "nonsense: 1\n"...), 0o644); err != nil {
		t.Fatal(err)
	}
	d.Signal(t, syscall.SIGHUP)
	w.equals("config_last_reload_successful", 0)
	w.is("log_messages_total", "an error", func(v float64) bool { return v >= 1 }, `level="error"`)

	kafka.Close()
	late := appendLines(t, log, 10)
	w.equals("lag_bytes", late)
	awaitPage(t, h, d, "/readyz", 503, "site shop: recovering")
	late += appendLines(t, log, 10)
	w.equals("lag_bytes", late)
	w.is("lag_seconds", "more than 0", func(v float64) bool { before = v; return v > 0 })
	w.is("lag_seconds", "more and more", func(v float64) bool { return v > before })
	w.equals("lines_total", 150, `outcome="event"`)

	// Another process knows from the last one where the site was, before any broker answers.
	d.Signal(t, syscall.SIGTERM)
	d.Wait(t, long)
	if err := os.WriteFile(h.Config, good, 0o644); err != nil {
		t.Fatal(err)
	}
	w.d = h.Start(t)
	w.equals("lag_bytes", late)
}
