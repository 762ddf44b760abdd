package main

import (
	"fmt"
	"hash/crc32"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/linkedin/goavro/v2"
)

// textbookPattern is the log_format of testdata/bench/nginx.conf.
var textbookPattern = regexp.MustCompile(`^(?P<remote_addr>\S+) - (?P<remote_user>\S+) \[(?P<time_local>[^\]]+)\] "(?P<request>[^"]*)" ` +
	`(?P<status>\d+) (?P<body_bytes_sent>\d+) (?P<msec>[\d.]+) (?P<request_time>[\d.]+) ` +
	`"(?P<upstream_addr>[^"]*)" "(?P<upstream_status>[^"]*)" "(?P<upstream_response_time>[^"]*)" "(?P<host>[^"]*)" ` +
	`"(?P<http_x_request_id>[^"]*)" "(?P<http_user_agent>[^"]*)" "(?P<http_referer>[^"]*)" "(?P<http_accept>[^"]*)" ` +
	`"(?P<http_accept_language>[^"]*)" "(?P<http_accept_encoding>[^"]*)" "(?P<http_x_forwarded_for>[^"]*)" "(?P<http_content_type>[^"]*)" ` +
	`"(?P<sent_http_content_type>[^"]*)" "(?P<sent_http_cache_control>[^"]*)" "(?P<sent_http_etag>[^"]*)" "(?P<sent_http_location>[^"]*)"$`)

// textbookGroups are the names of its groups.
var textbookGroups = textbookPattern.SubexpNames()

// textbookEvent parses a line into what goavro encodes.
func textbookEvent(line string, offset int64) (map[string]any, error) {
	match := textbookPattern.FindStringSubmatch(line)
	if match == nil {
		return nil, fmt.Errorf("the line does not fit the format")
	}
	requestHeaders, responseHeaders := map[string]any{}, map[string]any{}
	invalid := []string{}
	event := map[string]any{
		"site": "bench",
		"origin": map[string]any{"host": "bench", "file": "access.log", "offset": offset, "length": len(line),
			"crc32c": int32(crc32.Checksum([]byte(line), castagnoli))},
		"request_headers": requestHeaders, "response_headers": responseHeaders,
	}
	for i, name := range textbookGroups {
		raw := match[i]
		if name == "" {
			continue
		}
		var err error
		switch name {
		case "time_local": // $msec is more exact
		case "msec":
			event["event_time"], err = parseMsec(raw)
		case "request":
			setRequest(event, unescape(raw))
		case "status":
			event[name], err = optional(raw, "int", parseInt)
		case "body_bytes_sent":
			event[name], err = optional(raw, "long", parseLong)
		case "request_time":
			event[name], err = optional(raw, "double", parseDouble)
		case "upstream_addr":
			event[name], err = list(raw, "string", func(s string) (any, error) { return unescape(s), nil })
		case "upstream_status":
			event[name], err = list(raw, "int", parseInt)
		case "upstream_response_time":
			event[name], err = list(raw, "double", parseDouble)
		default:
			text, ok := text(raw)
			if !ok {
				invalid = append(invalid, name)
			}
			if header, is := strings.CutPrefix(name, "sent_http_"); is {
				setHeader(responseHeaders, header, text)
			} else if header, is := strings.CutPrefix(name, "http_"); is {
				setHeader(requestHeaders, header, text)
			} else {
				event[name] = optionalText(text)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	event["invalid_utf8"], event["cut"] = invalid, []string{}
	return event, nil
}

// text unescapes a value and repairs what is not UTF-8; ok says that it was.
func text(raw string) (s string, ok bool) {
	s = unescape(raw)
	if utf8.ValidString(s) {
		return s, true
	}
	return strings.ToValidUTF8(s, "\uFFFD"), false
}

// unescape undoes Nginx's \xHH.
func unescape(s string) string {
	if !strings.Contains(s, `\x`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) && s[i+1] == 'x' {
			if n, err := strconv.ParseUint(s[i+2:i+4], 16, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// setHeader adds a header under the name that its variable stands for.
func setHeader(headers map[string]any, variable, value string) {
	if value != "-" {
		headers[strings.ReplaceAll(variable, "_", "-")] = []string{value}
	}
}

// setRequest adds the parts of a request line.
func setRequest(event map[string]any, request string) {
	event["method"], event["path"], event["query"], event["protocol"], event["request"] = nil, nil, nil, nil, nil
	words := strings.Split(request, " ")
	if len(words) != 3 {
		event["request"] = optionalText(request)
		return
	}
	path, query, has := strings.Cut(words[1], "?")
	event["method"], event["path"], event["protocol"] = goavro.Union("string", words[0]), goavro.Union("string", path), goavro.Union("string", words[2])
	if has {
		event["query"] = goavro.Union("string", query)
	}
}

// optionalText returns a value of the union of null and string.
func optionalText(s string) any {
	if s == "-" {
		return nil
	}
	return goavro.Union("string", s)
}

// optional returns a value of the union of null and an Avro type.
func optional(raw, avroType string, parse func(string) (any, error)) (any, error) {
	if raw == "-" {
		return nil, nil
	}
	v, err := parse(raw)
	return goavro.Union(avroType, v), err
}

// list returns the values of an $upstream_* variable.
func list(raw, avroType string, parse func(string) (any, error)) (any, error) {
	if raw == "-" {
		return nil, nil
	}
	var items []any
	for _, server := range strings.Split(raw, " : ") {
		for _, item := range strings.Split(server, ", ") {
			v, err := optional(item, avroType, parse)
			if err != nil {
				return nil, err
			}
			items = append(items, v)
		}
	}
	return goavro.Union("array", items), nil
}

func parseInt(s string) (any, error) {
	n, err := strconv.ParseInt(s, 10, 32)
	return int32(n), err
}

func parseLong(s string) (any, error) { return strconv.ParseInt(s, 10, 64) }

func parseDouble(s string) (any, error) { return strconv.ParseFloat(s, 64) }

// parseMsec parses $msec: seconds with three decimals.
func parseMsec(s string) (any, error) {
	seconds, thousandths, _ := strings.Cut(s, ".")
	sec, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return nil, err
	}
	milli, err := strconv.ParseInt(thousandths, 10, 64)
	return time.UnixMilli(sec*1000 + milli).UTC(), err
}
