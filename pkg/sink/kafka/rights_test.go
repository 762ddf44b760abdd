// rights_test.go shows what happens when rights or a login are taken away while a site works: nothing is committed, every session says what to
// do, and when it is allowed again the site goes on with nothing lost and nothing twice.
package kafka

import (
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/plain"

	"ngxtap/pkg/sink"
)

// permit adds or removes a denial of everything on a resource for the user of the test.
func permit(t *testing.T, c *kfake.Cluster, kind kmsg.ACLResourceType, name string, allowed bool) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.SASL(plain.Auth{User: "admin", Pass: "admin"}.AsMechanism()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	if !allowed {
		acl := kmsg.NewCreateACLsRequestCreation()
		acl.ResourceType, acl.ResourceName, acl.ResourcePatternType = kind, name, kmsg.ACLResourcePatternTypeLiteral
		acl.Principal, acl.Host, acl.Operation, acl.PermissionType = "User:ngxtap", "*", kmsg.ACLOperationWrite, kmsg.ACLPermissionTypeDeny
		req := kmsg.NewPtrCreateACLsRequest()
		req.Creations = append(req.Creations, acl)
		resp, err := req.RequestWith(t.Context(), cl)
		if err != nil || resp.Results[0].ErrorCode != 0 {
			t.Fatalf("forbid: %v %+v", err, resp)
		}
		return
	}
	f := kmsg.NewDeleteACLsRequestFilter()
	f.ResourceType, f.ResourceName, f.ResourcePatternType = kind, &name, kmsg.ACLResourcePatternTypeLiteral
	f.Operation, f.PermissionType = kmsg.ACLOperationWrite, kmsg.ACLPermissionTypeDeny
	req := kmsg.NewPtrDeleteACLsRequest()
	req.Filters = append(req.Filters, f)
	resp, err := req.RequestWith(t.Context(), cl)
	if err != nil || resp.Results[0].ErrorCode != 0 || len(resp.Results[0].MatchingACLs) != 1 {
		t.Fatalf("allow again: %v %+v", err, resp)
	}
}

func TestRightsTakenAway(t *testing.T) {
	everything := func(kind kmsg.ACLResourceType, name string) kfake.ACL {
		return kfake.ACL{Resource: kind, Name: name, Pattern: kmsg.ACLResourcePatternTypeLiteral, Operation: kmsg.ACLOperationAll, Allow: true}
	}
	for _, tt := range []struct {
		what  string
		kind  kmsg.ACLResourceType
		name  string
		words string
	}{
		{"events", kmsg.ACLResourceTypeTopic, "nginx.shop", "grant Describe, Read and Write on the topic"},
		{"state", kmsg.ACLResourceTypeTopic, DefaultStateTopic, "grant Describe, Read and Write on the topic"},
		{"transactional id", kmsg.ACLResourceTypeTransactionalId, "ngxtap.web-01/shop", "grant Write and Describe on the transactional ids"},
	} {
		t.Run(tt.what, func(t *testing.T) {
			c := broker(t, kfake.EnableSASL(), kfake.EnableACLs(), kfake.Superuser("PLAIN", "admin", "admin"), kfake.User("PLAIN", "ngxtap", "right",
				everything(kmsg.ACLResourceTypeTopic, "*"), everything(kmsg.ACLResourceTypeTransactionalId, "*"), everything(kmsg.ACLResourceTypeCluster, "kafka-cluster")))
			cfg := config(t, c)
			cfg.SASL = SASL{Mechanism: "PLAIN", Username: "ngxtap", Password: "right"}
			s, _ := recovered(t, cfg)
			mustShip(t, s, "a")
			permit(t, c, tt.kind, tt.name, false)
			for range 3 {
				err := shipped(t, s, "b")
				if !errors.Is(err, sink.ErrConfig) || !strings.Contains(err.Error(), tt.words) {
					t.Fatalf("want sink.ErrConfig with %q, got %v", tt.words, err)
				}
				s.Close()
				s = newSink(t, cfg)
				if _, err := s.Recover(within(t, 30*time.Second)); err != nil {
					if !errors.Is(err, sink.ErrConfig) || !strings.Contains(err.Error(), tt.words) {
						t.Fatalf("recover: want sink.ErrConfig with %q, got %v", tt.words, err)
					}
					break // no more to be tried until it is allowed
				}
			}
			s.Close()
			permit(t, c, tt.kind, tt.name, true)
			s, pos := recovered(t, cfg)
			if pos != "a" {
				t.Fatalf("want position a, got %q", pos)
			}
			mustShip(t, s, "b")
			if got := values(t, cfg, cfg.Topic); !slices.Equal(got, []string{"a", "b"}) {
				t.Errorf("got %q", got)
			}
		})
	}
}

// TestLoginTakenAway: the password is changed while the site works. Connections that are open go on; the next session is refused, until it
// comes with the new password.
func TestLoginTakenAway(t *testing.T) {
	c := broker(t, kfake.EnableSASL(), kfake.Superuser("PLAIN", "ngxtap", "old"), kfake.Superuser("PLAIN", "ngxtap2", "new"))
	var changed atomic.Bool
	c.ControlKey(int16(kmsg.SASLAuthenticate), func(r kmsg.Request) (kmsg.Response, error, bool) { // as Kafka answers; this broker only hangs up
		c.KeepControl()
		req := r.(*kmsg.SASLAuthenticateRequest)
		if !changed.Load() || !strings.Contains(string(req.SASLAuthBytes), "old") {
			return nil, nil, false
		}
		resp := r.ResponseKind().(*kmsg.SASLAuthenticateResponse)
		resp.ErrorCode = kerr.SaslAuthenticationFailed.Code
		return resp, nil, true
	})
	cfg := config(t, c)
	cfg.SASL = SASL{Mechanism: "PLAIN", Username: "ngxtap", Password: "old"}
	s, _ := recovered(t, cfg)
	mustShip(t, s, "a")
	changed.Store(true)
	mustShip(t, s, "b")
	s.c.dialer.mu.Lock()
	for conn := range s.c.dialer.conns {
		conn.Conn.Close() // as the broker does when it restarts
	}
	s.c.dialer.mu.Unlock()
	if err := shipped(t, s, "c"); err == nil {
		t.Fatal("want an error")
	}
	s.Close()
	for range 2 {
		if err := refused(t, cfg, sink.ErrConfig); !strings.Contains(err.Error(), "login is refused") {
			t.Errorf("got %v", err)
		}
	}
	cfg.SASL = SASL{Mechanism: "PLAIN", Username: "ngxtap2", Password: "new"}
	s, pos := recovered(t, cfg)
	if pos != "b" {
		t.Fatalf("want position b, got %q", pos)
	}
	mustShip(t, s, "c")
	if got := values(t, cfg, cfg.Topic); !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("got %q", got)
	}
}
