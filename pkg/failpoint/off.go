//go:build !failpoint

package failpoint

// On says whether the program was built with failpoints.
const On = false

// Hit tells that the program has come to a point. It does nothing in this build.
func Hit(Point) {}
