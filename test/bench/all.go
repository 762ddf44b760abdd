package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// What the whole path is meant to reach.
const (
	reachFloor    = 1.6 // times the floor's processor time
	reachTextbook = 0.2 // of the textbook build's processor time
	reachResident = 64  // MiB at full speed
	reachAllocs   = 0.01
)

// compareAll measures the whole path into Kafka, then the delay, and keeps what it prints in bench/<commit>.txt.
func compareAll(ctx context.Context, b *bench) error {
	var kept bytes.Buffer
	b.out = io.MultiWriter(b.out, &kept)
	if err := b.needKafka(); err != nil {
		return err
	}
	b.describeMachine()
	if err := comparePaths(ctx, b); err != nil {
		return err
	}
	if err := measureAllocations(ctx, b); err != nil {
		return err
	}
	if err := measureDelay(ctx, b); err != nil {
		return err
	}
	return b.keep(kept.Bytes())
}

// comparePaths runs the three programs and prints how they compare.
func comparePaths(ctx context.Context, b *bench) error {
	binary, err := b.binary()
	if err != nil {
		return err
	}
	file, err := b.generate(ctx, "access.log", b.lines)
	if err != nil {
		return err
	}
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	fmt.Fprintf(b.out, "log      %d lines of test/gen, %.0f bytes each; %d rounds; lz4, acks=all, one partition\n\n",
		b.lines, float64(info.Size())/float64(b.lines), b.runs)
	raw := b.part("floor")
	raw.records = func(size int64, _ int) int { return floorRecords(size) }
	tap := contender{name: "ngxtap", records: eachLine, command: func(file, topic string) ([]string, error) {
		conf, err := b.configure(file, topic)
		return []string{binary, "run", "--once", "-c", conf}, err
	}}
	all := []contender{raw, b.part("textbook"), tap}
	if b.quick {
		all = []contender{raw, tap}
	}
	results, err := b.interleave(ctx, file, all)
	if err != nil {
		return err
	}
	b.table(results)
	ours := find(results, "ngxtap")
	b.compare("processor time, ngxtap / floor", ratios(ours, find(results, "floor")), reachFloor)
	if !b.quick {
		b.compare("processor time, ngxtap / textbook", ratios(ours, find(results, "textbook")), reachTextbook)
	}
	fmt.Fprintf(b.out, "%s  resident at full speed: %.1f MiB (reach: under %d)\n", verdict(mib(ours.resident()) < reachResident), mib(ours.resident()), reachResident)
	return nil
}

// floorRecords returns how many records the floor makes of a log of so many bytes: it cuts each block anew.
func floorRecords(size int64) int {
	cut := func(n int) int { return (n + floorRecord - 1) / floorRecord }
	return int(size/batchBytes)*cut(batchBytes) + cut(int(size%batchBytes))
}

// compare prints the median of ratios and whether it is within reach.
func (b *bench) compare(what string, r []float64, reach float64) {
	fmt.Fprintf(b.out, "%s  %s: %.3f, rounds %.3f..%.3f (reach: at most %.1f)\n", verdict(median(r) <= reach), what, median(r), slices.Min(r), slices.Max(r), reach)
}

// keep writes what a run printed to bench/<commit>.txt.
func (b *bench) keep(text []byte) error {
	dir := filepath.Join(b.root, "bench")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("keep the figures: %w", err)
	}
	name := filepath.Join(dir, b.ref+".txt")
	if err := os.WriteFile(name, text, 0o644); err != nil {
		return fmt.Errorf("keep the figures: %w", err)
	}
	fmt.Fprintln(b.out, "kept in", filepath.Join("bench", filepath.Base(name)))
	return nil
}

// configure writes a configuration of ngxtap for one run, with an instance and a state folder of its own, and returns its path. What it does not
// name has its default.
func (b *bench) configure(file, topic string) (string, error) {
	dir := filepath.Join(b.dir, "ngxtap-"+topic)
	if err := os.MkdirAll(filepath.Join(dir, "sites.d"), 0o755); err != nil {
		return "", err
	}
	daemon := fmt.Sprintf("instance: %s\nstate_dir: %s\nkafka:\n  brokers: [%s]\n", topic, filepath.Join(dir, "state"), strings.Join(b.kafka.brokers, ", "))
	site := fmt.Sprintf("site: bench\ntopic: %s\naccess_log:\n  paths: [%s]\n  nginx_conf: %s\n  format: bench\n",
		topic, file, filepath.Join(b.corpus(), "nginx.conf"))
	conf := filepath.Join(dir, "ngxtap.yaml")
	if err := os.WriteFile(conf, []byte(daemon), 0o644); err != nil {
		return "", err
	}
	return conf, os.WriteFile(filepath.Join(dir, "sites.d", "bench.yaml"), []byte(site), 0o644)
}
