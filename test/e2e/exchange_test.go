package e2e

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// exchange is one request as the client sent it and its answer as the client received it. Byte slices become base64 in JSON.
type exchange struct {
	ID       string `json:"id"` // value of the header X-E2e-Id
	Method   string `json:"method"`
	Target   []byte `json:"target"`
	Status   int    `json:"status"`
	Body     int64  `json:"body"` // bytes of the answer's body
	User     string `json:"user"` // of basic authentication, "" without
	Request  []pair `json:"request"`
	Response []pair `json:"response"`
}

// pair is the name and value of a header, byte for byte.
type pair [2][]byte

// p makes a pair.
func p(name, value string) pair { return pair{[]byte(name), []byte(value)} }

// appendRequest appends the request as it goes over the wire.
func (e *exchange) appendRequest(dst, body []byte) []byte {
	dst = fmt.Appendf(dst, "%s %s HTTP/1.1\r\n", e.Method, e.Target)
	for _, h := range e.Request {
		dst = fmt.Appendf(dst, "%s: %s\r\n", h[0], h[1])
	}
	return append(append(dst, "\r\n"...), body...)
}

// readResponse reads an answer into e. It understands what Nginx sends: Content-Length, chunks, and answers without a body.
func (e *exchange) readResponse(r *bufio.Reader) error {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return fmt.Errorf("read the status line: %w", err)
	}
	fields := strings.SplitN(string(line), " ", 3)
	if len(fields) < 3 {
		return fmt.Errorf("read the status line: %q", line)
	}
	if e.Status, err = strconv.Atoi(fields[1]); err != nil {
		return fmt.Errorf("read the status line: %w", err)
	}
	e.Response = nil
	length, chunked := int64(0), false
	for {
		line, err := r.ReadBytes('\n')
		if err != nil {
			return fmt.Errorf("read the headers: %w", err)
		}
		line = bytes.TrimSuffix(line, []byte("\r\n"))
		if len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(": "))
		e.Response = append(e.Response, pair{name, value})
		switch strings.ToLower(string(name)) {
		case "content-length":
			if length, err = strconv.ParseInt(string(value), 10, 64); err != nil {
				return fmt.Errorf("read Content-Length: %w", err)
			}
		case "transfer-encoding":
			chunked = true
		}
	}
	switch {
	case e.Method == "HEAD" || e.Status == 204 || e.Status == 304:
		e.Body = 0
		return nil
	case chunked:
		e.Body, err = skipChunks(r)
		return err
	}
	e.Body, err = io.CopyN(io.Discard, r, length)
	if err != nil {
		return fmt.Errorf("read the body: %w", err)
	}
	return nil
}

// skipChunks reads a chunked body to its end and returns how many bytes it was on the wire, which is what Nginx counts.
func skipChunks(r *bufio.Reader) (int64, error) {
	var total int64
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return total, fmt.Errorf("read a chunk: %w", err)
		}
		size, err := strconv.ParseInt(strings.TrimSpace(line), 16, 64)
		if err != nil {
			return total, fmt.Errorf("read a chunk: %w", err)
		}
		n, err := io.CopyN(io.Discard, r, size+int64(len("\r\n")))
		total += int64(len(line)) + n
		if err != nil || size == 0 {
			return total, err
		}
	}
}
