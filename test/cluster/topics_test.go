package cluster

// Shows: a data topic that is deleted while lines come stops its site with a word and loses nothing that was not committed; when the
// topic is there again the site goes on. Partitions added while it runs are used from the next session on, and each partition keeps
// the order.

import (
	"context"
	"testing"

	"ngxtap/test/oracle"
	"ngxtap/test/proxy"
)

// read returns what is there of a site.
func (r *runner) read(s *site) *oracle.Shipment {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	got, err := oracle.Read(ctx, r.h.Source(s.name))
	if err != nil {
		r.t.Fatal(err)
	}
	return got
}

func TestTopicDeletedAndMadeAgain(t *testing.T) {
	c := start(t)
	r := newRun(t, c, plan{name: "deleted"})
	r.start()
	s := r.one()
	s.stop()
	r.catchUp(s)
	before := r.read(s) // what a reader has seen by now, which nobody can bring back
	c.admin.deleteTopic(t, s.topic)
	r.write(s)
	r.said("was deleted")
	c.CreateTopic(t, s.topic, 2)
	r.commits(s, 10)
	s.stop()
	r.catchUp(s)
	r.terminate()
	all := r.read(s)
	all.Records = append(before.Records, all.Records...)
	v := oracle.Judge(s.j, all, oracle.Rules{Instance: r.h.Instance})
	for _, p := range v.Problems {
		t.Error(p)
	}
	t.Log(v)
}

func TestPartitionsAdded(t *testing.T) {
	for _, by := range []string{"none", "body_bytes_sent"} {
		t.Run(by, func(t *testing.T) {
			c := start(t)
			r := newRun(t, c, plan{name: "grows-" + by, extra: "partition_by: " + by, partitions: 2, fronted: true})
			r.start()
			s := r.one()
			c.admin.addPartitions(t, s.topic, 7)
			r.commits(s, 5)
			wire.each((*proxy.Proxy).Cut) // the next session sees them
			r.said("session ended")
			r.commits(s, 20)
			r.finish()
			used := map[int32]bool{}
			for _, rec := range r.read(s).Records {
				if !rec.Quarantine {
					used[rec.Partition] = true
				}
			}
			t.Logf("%d partitions hold events", len(used))
			if by != "none" && len(used) < 7 {
				t.Errorf("events in %d partitions, want all 7", len(used))
			}
		})
	}
}
