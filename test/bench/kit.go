package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"ngxtap/pkg/avro"
	"ngxtap/pkg/logformat"
	"ngxtap/pkg/pipeline"
	"ngxtap/pkg/schema"
)

// kitWay is one way to log headers, in one escape mode.
type kitWay struct {
	name   string
	escape logformat.Escape
	nginx  string // what nginx.conf has after the columns that all ways share
	ours   string // the same for ngxtap, if its names for the variables are others
}

// The 30 headers: 20 of the request (Host and Connection are wrk's and Nginx's business) and 10 of the response.
var (
	kitRequest = [][2]string{
		{"Connection", "keep-alive"}, {"Cache-Control", "max-age=0"}, {"Sec-Ch-Ua", `"Chromium";v="140", "Not=A?Brand";v="24"`},
		{"Sec-Ch-Ua-Mobile", "?0"}, {"Sec-Ch-Ua-Platform", `"Linux"`}, {"Upgrade-Insecure-Requests", "1"},
		{"User-Agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"},
		{"Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"}, {"Sec-Fetch-Site", "same-origin"},
		{"Sec-Fetch-Mode", "navigate"}, {"Sec-Fetch-User", "?1"}, {"Sec-Fetch-Dest", "document"},
		{"Referer", "https://shop.example/catalogue?page=2&sort=price"}, {"Accept-Encoding", "gzip, deflate, br, zstd"},
		{"Accept-Language", "en-GB,en;q=0.9,de;q=0.8"}, {"Cookie", "session=4f1c9d2ab7; theme=dark; ab=17"},
		{"X-Forwarded-For", "203.0.113.9, 198.51.100.7"}, {"X-Request-Id", "0f9a7d0e-5d0b-4b37-9a53-8d5f5c3e2b11"}, {"If-None-Match", `W/"5f3-18c2d"`},
	}
	kitResponse = [][2]string{
		{"Cache-Control", "private, max-age=0"}, {"Vary", "Accept-Encoding, Cookie"}, {"ETag", `W/"5f3-18c2d"`}, {"X-Frame-Options", "DENY"},
		{"X-Content-Type-Options", "nosniff"}, {"Strict-Transport-Security", "max-age=31536000; includeSubDomains"},
		{"Content-Security-Policy", "default-src 'self'; img-src 'self' data:"},
		{"Set-Cookie", "session=4f1c9d2ab7; Path=/; HttpOnly; Secure; SameSite=Lax"},
	}
)

// kitColumns are those that all ways share.
const kitColumns = `$msec $remote_addr "$remote_user" "$request" $status $body_bytes_sent $request_time "$host" $request_id`

// kitWays returns what is compared.
func kitWays() []kitWay {
	named := ` "$http_host"`
	for _, h := range kitRequest {
		named += ` "$http_` + strings.ReplaceAll(strings.ToLower(h[0]), "-", "_") + `"`
	}
	for _, h := range append(slices.Clone(kitResponse), [2]string{"Content-Type"}, [2]string{"Content-Length"}) {
		named += ` "$sent_http_` + strings.ReplaceAll(strings.ToLower(h[0]), "-", "_") + `"`
	}
	const kit = ` "$ngxtap_request_headers" "$ngxtap_response_headers"`
	var ways []kitWay
	for _, e := range []logformat.Escape{logformat.EscapeDefault, logformat.EscapeJSON} {
		ways = append(ways, kitWay{"no headers", e, "", ""}, kitWay{"30 named", e, named, named}, kitWay{"the kit's form", e, kit, kit},
			kitWay{"JSON of pairs", e, ` "$request_pairs" "$response_pairs"`, kit})
	}
	return ways
}

// kitResult is what a way took, by round.
type kitResult struct {
	nginx, speed []float64 // microseconds of CPU per request, requests per second
	ours         []float64 // microseconds of CPU per line
	bytes        float64   // per line
}

// compareKit measures ways to log all headers: bytes per line, what they cost in Nginx, and what they cost in ngxtap. Decision 7 rests on it.
func compareKit(ctx context.Context, b *bench) error {
	wrk, err := exec.LookPath("wrk")
	if err != nil {
		return fmt.Errorf("the load comes from wrk: apt-get install wrk: %w", err)
	}
	ways := kitWays()
	n, err := b.startKitNginx(ctx, ways)
	if err != nil {
		return err
	}
	b.describeMachine()
	results := make([]kitResult, len(ways))
	for round := range b.runs {
		for i := range ways {
			if err := n.round(ctx, wrk, i, &ways[i], &results[i]); err != nil {
				return fmt.Errorf("round %d, %s: %w", round+1, ways[i].name, err)
			}
		}
	}
	printKit(b, ways, results)
	return nil
}

// printKit prints the least CPU and the most requests of all rounds, and ratios within each escape mode.
func printKit(b *bench, ways []kitWay, results []kitResult) {
	fmt.Fprintf(b.out, "headers  20 of the request, 10 of the response; %d rounds, the ways in turn; the best of each is shown: the machine is not quiet\n\n", b.runs)
	w := tabwriter.NewWriter(b.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "escape\t\tbytes/line\tNginx CPU us/request\tx no headers\trequests/s\tngxtap CPU us/line\tx named\t")
	var none, named float64
	for i, way := range ways {
		r := &results[i]
		nginx, ours := slices.Min(r.nginx), slices.Min(r.ours)
		switch way.name {
		case "no headers":
			none = nginx
		case "30 named":
			named = ours
		}
		x := "-"
		if way.name != "no headers" {
			x = fmt.Sprintf("%.2f", ours/named)
		}
		fmt.Fprintf(w, "%v\t%s\t%.0f\t%.1f\t%.2f\t%.0f\t%.2f\t%s\t\n", way.escape, way.name, r.bytes, nginx, nginx/none, slices.Max(r.speed), ours, x)
	}
	w.Flush()
}

// kitNginx is a running Nginx with a location and a log for each way.
type kitNginx struct {
	dir, addr string
	worker    int // process id
}

// startKitNginx starts Nginx with one worker; it ends with b.
func (b *bench) startKitNginx(ctx context.Context, ways []kitWay) (*kitNginx, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	n := &kitNginx{dir: b.dir, addr: l.Addr().String()}
	l.Close()
	const script = "export default { request: (r) => JSON.stringify(r.rawHeadersIn), response: (r) => JSON.stringify(r.rawHeadersOut) };\n"
	if err := os.WriteFile(filepath.Join(b.dir, "pairs.js"), []byte(script), 0o644); err != nil {
		return nil, err
	}
	var conf bytes.Buffer
	fmt.Fprintf(&conf, "load_module /usr/lib/nginx/modules/ngx_http_js_module.so;\ndaemon off; worker_processes 1; pid nginx.pid; error_log error.log warn;\n")
	if os.Getuid() == 0 {
		conf.WriteString("user root;\n") // the worker must reach a temporary folder, which is closed to others
	}
	fmt.Fprintf(&conf, "events { }\nhttp {\n\tjs_import ngxtap from %s;\n\tjs_import pairs from %s;\n", filepath.Join(b.root, "nginx", "ngxtap.js"), filepath.Join(b.dir, "pairs.js"))
	for _, side := range []string{"request", "response"} {
		fmt.Fprintf(&conf, "\tjs_set $ngxtap_%s_headers ngxtap.%s_headers;\n\tjs_set $%s_pairs pairs.%s;\n", side, side, side, side)
	}
	for _, name := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		fmt.Fprintf(&conf, "\t%s_temp_path tmp_%s;\n", name, name)
	}
	conf.WriteString("\tkeepalive_requests 1000000;\n")
	for _, h := range kitResponse {
		fmt.Fprintf(&conf, "\tadd_header %s %s;\n", h[0], nginxQuoted(h[1]))
	}
	for i, w := range ways {
		fmt.Fprintf(&conf, "\tlog_format f%d escape=%v '%s%s';\n", i, w.escape, kitColumns, w.nginx)
	}
	fmt.Fprintf(&conf, "\tserver {\n\t\tlisten %s;\n", n.addr)
	for i := range ways {
		fmt.Fprintf(&conf, "\t\tlocation /%d { access_log %d.log f%d; return 200 \"hello\"; }\n", i, i, i)
	}
	conf.WriteString("\t}\n}\n")
	if err := os.WriteFile(filepath.Join(b.dir, "nginx.conf"), conf.Bytes(), 0o644); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, "nginx", "-p", b.dir, "-c", "nginx.conf")
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start Nginx: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	b.atEnd(func() { cmd.Process.Signal(syscall.SIGTERM); <-ended })
	if err := n.ready(ctx, cmd.Process.Pid); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, said.Bytes())
	}
	return n, nil
}

// ready waits until Nginx listens, and finds its worker.
func (n *kitNginx) ready(ctx context.Context, master int) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for {
		conn, err := net.Dial("tcp", n.addr)
		if err == nil {
			conn.Close()
			data, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", master, master))
			if err == nil {
				if n.worker, err = strconv.Atoi(strings.TrimSpace(string(data))); err == nil {
					return nil
				}
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("start Nginx: it does not listen: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// nginxQuoted returns s as a word of nginx.conf.
func nginxQuoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// cpu returns the processor time that the worker took so far, in microseconds.
func (n *kitNginx) cpu() (float64, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/schedstat", n.worker)) // nanoseconds on the processor
	if err != nil {
		return 0, err
	}
	took, err := strconv.ParseFloat(strings.Fields(string(data))[0], 64)
	return took / 1e3, err
}

var (
	wrkRequests = regexp.MustCompile(`(\d+) requests in`)
	wrkSpeed    = regexp.MustCompile(`Requests/sec:\s+([\d.]+)`)
)

// round loads Nginx with the requests of one way for two seconds, and then lets ngxtap read the lines that it wrote.
func (n *kitNginx) round(ctx context.Context, wrk string, i int, way *kitWay, r *kitResult) error {
	log := filepath.Join(n.dir, fmt.Sprintf("%d.log", i))
	if err := os.Truncate(log, 0); err != nil {
		return err
	}
	args := []string{"-t1", "-c8", "-d2s"}
	for _, h := range kitRequest {
		args = append(args, "-H", h[0]+": "+h[1])
	}
	before, err := n.cpu()
	if err != nil {
		return err
	}
	out, err := exec.CommandContext(ctx, wrk, append(args, fmt.Sprintf("http://%s/%d", n.addr, i))...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("wrk: %w\n%s", err, out)
	}
	after, err := n.cpu()
	if err != nil {
		return err
	}
	requests, speed := wrkRequests.FindSubmatch(out), wrkSpeed.FindSubmatch(out)
	if requests == nil || speed == nil || bytes.Contains(out, []byte("Non-2xx")) {
		return fmt.Errorf("wrk says:\n%s", out)
	}
	perSecond, _ := strconv.ParseFloat(string(speed[1]), 64) // digits and a point
	data, err := os.ReadFile(log)
	if err != nil {
		return err
	}
	lines := bytes.Split(bytes.TrimSuffix(data, []byte("\n")), []byte("\n"))
	r.nginx = append(r.nginx, (after-before)/float64(len(lines)))
	r.speed = append(r.speed, perSecond)
	r.bytes = float64(len(data)) / float64(len(lines))
	ours, err := readKit(way, lines)
	if err != nil {
		return err
	}
	r.ours = append(r.ours, ours)
	return nil
}

// readKit splits and encodes lines and returns the microseconds of CPU for one: the least of several turns.
func readKit(way *kitWay, lines [][]byte) (float64, error) {
	lf, err := logformat.Compile(logformat.Inline(kitColumns+way.ours, way.escape), logformat.Options{})
	if err != nil {
		return 0, err
	}
	f, err := pipeline.NewFormat(lf, schema.Options{Site: "bench"})
	if err != nil {
		return 0, err
	}
	encoder, err := avro.NewEncoder(lf, f.Event(), avro.Options{})
	if err != nil {
		return 0, err
	}
	lines = lines[:min(len(lines), 2000)]
	var spans []logformat.Span
	var event []byte
	least := time.Hour
	for range 10 {
		start := ownCPU()
		for _, line := range lines {
			if spans, err = lf.Split(spans[:0], line); err != nil {
				return 0, fmt.Errorf("%w in %q", err, line)
			}
			if event, _, err = encoder.AppendEvent(event[:0], line, spans, &avro.Origin{Site: "bench", File: "f"}); err != nil {
				return 0, fmt.Errorf("%w in %q", err, line)
			}
		}
		least = min(least, ownCPU()-start)
	}
	return float64(least.Nanoseconds()) / 1e3 / float64(len(lines)), nil
}
