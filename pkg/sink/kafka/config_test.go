// config_test.go shows that a wrong configuration is refused in words before anything connects, that secrets do not print, and
// that keys go to the partitions that Kafka's Java client would choose.
package kafka

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"ngxtap/pkg/sink"
)

func TestNewRefusesInWords(t *testing.T) {
	good := Config{Brokers: []string{"127.0.0.1:9092"}, Instance: "i", Site: "s", Topic: "t"}
	if _, err := New(good); err != nil {
		t.Fatalf("a good configuration: %v", err)
	}
	tests := []struct {
		name   string
		change func(*Config)
		words  string
	}{
		{"no brokers", func(c *Config) { c.Brokers = nil }, "no brokers"},
		{"no instance", func(c *Config) { c.Instance = "" }, `instance ""`},
		{"slash in the site", func(c *Config) { c.Site = "a/b" }, `site "a/b"`},
		{"no topic", func(c *Config) { c.Topic = "" }, `topic ""`},
		{"bad topic", func(c *Config) { c.Topic = "a b" }, `topic "a b" for events`},
		{"one topic twice", func(c *Config) { c.Topic = DefaultStateTopic }, "for events and for state"},
		{"delivery", func(c *Config) { c.Delivery = "maybe" }, `delivery "maybe"`},
		{"compression", func(c *Config) { c.Compression = "rar" }, `compression "rar"`},
		{"mechanism", func(c *Config) { c.SASL.Mechanism = "X" }, `sasl mechanism "X"`},
		{"no user", func(c *Config) { c.SASL.Mechanism = "PLAIN" }, "User must not be empty"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := good
			tt.change(&cfg)
			_, err := New(cfg)
			if !errors.Is(err, sink.ErrConfig) || !strings.Contains(err.Error(), tt.words) {
				t.Errorf("want sink.ErrConfig with %q, got %v", tt.words, err)
			}
		})
	}
}

func TestPasswordDoesNotPrint(t *testing.T) {
	cfg := Config{SASL: SASL{Mechanism: "PLAIN", Username: "me", Password: "hunter2"}}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if s := fmt.Sprintf(verb, cfg); strings.Contains(s, "hunter2") {
			t.Errorf("%s shows the password: %s", verb, s)
		}
	}
}

// TestMurmur2 has the values of org.apache.kafka.common.utils.UtilsTest.
func TestMurmur2(t *testing.T) {
	for key, want := range map[string]int32{
		"21": -973932308, "foobar": -790332482, "a-little-bit-long-string": -985981536, "a-little-bit-longer-string": -1486304829,
		"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971, "abc": 479470107,
	} {
		if got := int32(murmur2([]byte(key))); got != want {
			t.Errorf("%s: want %d, got %d", key, want, got)
		}
	}
	for n := int32(1); n < 60; n++ {
		if p := PartitionOf([]byte("foobar"), n); p < 0 || p >= n {
			t.Errorf("of %d partitions: %d", n, p)
		}
	}
}
