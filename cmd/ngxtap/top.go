package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"ngxtap/pkg/admin"
	"ngxtap/pkg/config"
)

// topInterval is how often top asks.
const topInterval = 2 * time.Second

// topCmd is ngxtap top.
func (a *app) topCmd() *cobra.Command {
	var addr string
	var once, asJSON bool
	order := topOrder{}
	cmd := &cobra.Command{
		Use:   "top",
		Short: "Watch the daemon at work",
		Long: `Show what each site of the running daemon does, anew every two seconds, as the daemon's admin port tells it. Its address is read from the
configuration; --addr names another. Where the output is no terminal, or with --once, the table is printed once.

Keys: q quits; the arrows, PgUp and PgDn move; t trouble first, n by name, l lines, b bytes, g lag, c commit latency, r refused lines.`,
		Example: `  ngxtap top
  ngxtap top --addr unix:/run/ngxtap/admin.sock
  ngxtap top --json | jq '.sites[] | select(.state != "running")'`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			client, err := a.topClient(addr, c.Flags().Changed("config"))
			if err != nil {
				return err
			}
			defer client.http.CloseIdleConnections()
			switch out, isTerm := a.terminal(); {
			case asJSON:
				return failed(a.topJSON(c.Context(), client))
			case once || !isTerm:
				return failed(a.topOnce(c.Context(), client, order.key))
			default:
				return failed(a.topLive(c.Context(), client, out, order.key))
			}
		},
	}
	f := cmd.Flags()
	f.StringVar(&addr, "addr", "", "the admin port: host:port or unix:PATH (default: admin.listen of the configuration)")
	f.BoolVar(&once, "once", false, "print the table once and exit")
	f.BoolVar(&asJSON, "json", false, "print the status as one JSON object, without histories, and exit")
	f.Var(&order, "sort", "trouble, name, lines, bytes, lag, commit or rejects")
	return cmd
}

// terminal returns the standard output if that and the input are terminals.
func (a *app) terminal() (*os.File, bool) {
	out, ok := a.out.(*os.File)
	in, ok2 := a.in.(*os.File)
	return out, ok && ok2 && isTerminal(out) && isTerminal(in)
}

// topClient finds the daemon's admin port.
func (a *app) topClient(addr string, chosen bool) (*statusClient, error) {
	if addr == "" {
		c, err := config.LoadAdmin(a.configFile)
		switch {
		case err != nil && !chosen && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission)):
			c.Listen = config.AdminDefault // the daemon may still be there, with a configuration that this user can't see
		case err != nil:
			return nil, configError(err)
		case c.Listen == config.AdminOff:
			return nil, configError(fmt.Errorf("%s: admin.listen is off, so the daemon can't be asked: set it to %s and restart the daemon", a.configFile, config.AdminDefault))
		}
		addr = c.Listen
	}
	return newStatusClient(addr)
}

// statusClient asks a daemon for its status.
type statusClient struct {
	http *http.Client
	addr string // as somebody wrote it
	url  string
}

// newStatusClient does not connect yet.
func newStatusClient(addr string) (*statusClient, error) {
	network, dial, host := "tcp", addr, addr
	if path, ok := strings.CutPrefix(addr, admin.UnixPrefix); ok {
		network, dial, host = "unix", path, "localhost"
	} else {
		h, port, err := net.SplitHostPort(addr)
		if err != nil || port == "" {
			return nil, &exitError{exitUsage, fmt.Errorf("%q is neither host:port, such as %s, nor unix:PATH", addr, config.AdminDefault)}
		}
		switch h { // where a server listens on all addresses
		case "", "0.0.0.0":
			h = "127.0.0.1"
		case "::":
			h = "::1"
		}
		dial = net.JoinHostPort(h, port)
		host = dial
	}
	d := net.Dialer{Timeout: 5 * time.Second}
	return &statusClient{
		addr: addr, url: (&url.URL{Scheme: "http", Host: host, Path: "/api/v1/status", RawQuery: "history=none"}).String(),
		http: &http.Client{
			Timeout:       10 * time.Second,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			Transport:     &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return d.DialContext(ctx, network, dial) }},
		},
	}, nil
}

// maxStatus is the longest answer that is read.
const maxStatus = 64 << 20

// raw returns the answer as it comes.
func (c *statusClient) raw(ctx context.Context) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url, nil)
	if err != nil {
		return nil, fmt.Errorf("ask the daemon at %s: %w", c.addr, err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err // the URL says nothing new
		}
		return nil, fmt.Errorf("no daemon answers at %s: %w%s", c.addr, err, adviceFor(err))
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxStatus))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the status from %s: %w", c.addr, err)
	case resp.StatusCode == http.StatusNotFound:
		return nil, fmt.Errorf("what answers at %s has no status: it is another program, or an ngxtap too old for this one", c.addr)
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("%s answers %s: %s", c.addr, resp.Status, firstLine(body))
	}
	return body, nil
}

// adviceFor says what to do about a daemon that can't be reached.
func adviceFor(err error) string {
	switch {
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return "; only the daemon's user and group may connect to its socket: use sudo, or join the group"
	case errors.Is(err, unix.ECONNREFUSED), errors.Is(err, fs.ErrNotExist):
		return "; start it (ngxtap run), or see in its log where its admin port is; admin.listen says where it should be, and --addr asks elsewhere"
	}
	return ""
}

func firstLine(b []byte) string {
	line, _, _ := strings.Cut(string(b), "\n")
	return oneLine(line[:min(len(line), 200)])
}

// get returns the status.
func (c *statusClient) get(ctx context.Context) (*admin.Status, error) {
	body, err := c.raw(ctx)
	if err != nil {
		return nil, err
	}
	st := &admin.Status{}
	if err := json.Unmarshal(body, st); err != nil || st.API != 1 {
		return nil, fmt.Errorf("what answers at %s is not the status of an ngxtap that this one knows (api %d): %w", c.addr, st.API, errors.Join(err, errUnknownAPI))
	}
	return st, nil
}

var errUnknownAPI = errors.New("api 1 is known")

func (a *app) topJSON(ctx context.Context, c *statusClient) error {
	body, err := c.raw(ctx)
	if err != nil {
		return err
	}
	if !json.Valid(body) {
		return fmt.Errorf("what answers at %s is no JSON: %s", c.addr, firstLine(body))
	}
	if body[len(body)-1] != '\n' {
		body = append(body, '\n')
	}
	_, err = a.out.Write(body)
	return err
}

// topOnce prints the table once, as wide as it needs to be.
func (a *app) topOnce(ctx context.Context, c *statusClient, sort string) error {
	st, err := c.get(ctx)
	if err != nil {
		return err
	}
	v := topView{sort: sort}
	v.update(st, nil)
	for _, line := range v.lines(0, 0) {
		if _, err := fmt.Fprintln(a.out, line); err != nil {
			return err
		}
	}
	return nil
}
