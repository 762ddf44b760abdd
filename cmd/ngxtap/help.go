package main

import (
	"fmt"
	"strings"
)

// exitCode is an exit code and what it means.
type exitCode struct {
	code    int
	meaning string
}

// exitCodes are all there are, for the help and the man pages.
var exitCodes = []exitCode{
	{exitOK, "done"},
	{exitFailed, "failed"},
	{exitUsage, "wrong usage"},
	{exitRejected, "finished, but some lines were rejected"},
	{exitConfig, "the configuration is wrong, or another owner has the site: a restart can't cure it"},
}

const rootLong = `ngxtap tails Nginx access logs, parses them by the log_format in nginx.conf itself, turns each line into a typed Avro event and
produces it to Kafka. Events and file position commit in one Kafka transaction, so every line arrives exactly once.`

const rootExample = `  ngxtap check
  ngxtap run
  ngxtap parse --nginx-conf /etc/nginx/nginx.conf --format main /var/log/nginx/access.log | head -3
  ngxtap cat nginx.shop.access -f`

func exitHelp() string {
	var b strings.Builder
	b.WriteString("Exit codes:")
	for _, e := range exitCodes {
		fmt.Fprintf(&b, "\n  %-3d %s", e.code, e.meaning)
	}
	return b.String()
}
