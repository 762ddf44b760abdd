package oracle

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
)

// Usage is what a process holds.
type Usage struct {
	RSS        int64 // resident bytes now
	Peak       int64 // resident bytes at most so far
	FDs        int   // open descriptors
	Goroutines int   // 0 if no admin address was given
}

// UsageOf looks at a process, and at its /metrics if it has an admin address (host:port).
func UsageOf(ctx context.Context, pid int, admin string) (Usage, error) {
	var u Usage
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return u, fmt.Errorf("look at process %d: %w", pid, err)
	}
	for line := range strings.Lines(string(data)) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		kib, _ := strconv.ParseInt(f[1], 10, 64)
		switch f[0] {
		case "VmRSS:":
			u.RSS = kib << 10
		case "VmHWM:":
			u.Peak = kib << 10
		}
	}
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		return u, fmt.Errorf("look at process %d: %w", pid, err)
	}
	u.FDs = len(fds)
	if admin == "" {
		return u, nil
	}
	n, err := Metric(ctx, admin, "go_goroutines")
	u.Goroutines = int(n)
	return u, err
}

// Metric returns the sum of all samples of a metric at http://admin/metrics whose labels hold every one of the given texts, such as
// `site="shop"`. A metric without samples is 0.
func Metric(ctx context.Context, admin, name string, labels ...string) (float64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+admin+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, fmt.Errorf("ask for the metrics: %w", err)
	}
	defer resp.Body.Close()
	var sum float64
	lines := bufio.NewScanner(resp.Body)
next:
	for lines.Scan() {
		rest, ok := strings.CutPrefix(lines.Text(), name)
		if !ok || rest == "" || rest[0] != ' ' && rest[0] != '{' {
			continue
		}
		i := strings.LastIndexByte(rest, ' ')
		for _, l := range labels {
			if !strings.Contains(rest[:i], l) {
				continue next
			}
		}
		v, err := strconv.ParseFloat(rest[i+1:], 64)
		if err != nil {
			return 0, fmt.Errorf("metric %s: %w", lines.Text(), err)
		}
		sum += v
	}
	return sum, lines.Err()
}
