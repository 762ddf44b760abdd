package admin

import (
	"strings"
	"testing"
)

// The page says how late a site is in time, too; of one that is not late it says only how much there is.
func TestPageSaysHowLate(t *testing.T) {
	st := sample()
	late := 0
	for i := range st.Sites {
		if st.Sites[i].LagSeconds > 0 {
			late++
		}
	}
	_, page := get(t, start(t, func() *Status { return st }), "/")
	if n := strings.Count(page, "77 B / 1.5 s</span>"); late != 1 || n != 1 {
		t.Errorf("%d sites are late, %d are said to be: %s", late, n, page)
	}
}
