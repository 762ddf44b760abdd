//go:build failpoint

package failpoint

import "testing"

func TestParse(t *testing.T) {
	if p, err := parse("K3:5:kill,K0:1:stop"); err != nil || len(p) != 2 || p[BatchSent].left != 5 {
		t.Errorf("parse: %v, %v", p, err)
	}
	for _, bad := range []string{"K3", "K99:1:kill", "K3:0:kill", "K3:x:kill", "K3:1:explode", "K3:1:kill:2"} {
		if _, err := parse(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}
