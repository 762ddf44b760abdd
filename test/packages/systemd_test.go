package packages

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"ngxtap/test/components"
)

// inContainer is the unit that runs the test's script in the container and ends it.
const inContainer = `[Unit]
Description=the test
SuccessAction=poweroff-force
FailureAction=poweroff-force
[Service]
Type=oneshot
ExecStart=/bin/bash /deliver/in_systemd.sh
StandardOutput=file:/out/log
StandardError=inherit
`

// TestUnderSystemd boots a systemd in a container whose root is this machine's, with a layer over it that takes all changes, and goes through the
// life of the service there: testdata/in_systemd.sh. It is what shows that the unit works, and not only that it is well formed.
func TestUnderSystemd(t *testing.T) {
	needDebian(t)
	first, second := built(t, present).deb(t), built(t, later).deb(t)
	dir := t.TempDir()
	deliver, out, root := filepath.Join(dir, "deliver"), filepath.Join(dir, "out"), layered(t, dir)
	for _, d := range []string{deliver, out} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	output(t, "cp", first, filepath.Join(deliver, "first.deb"))
	output(t, "cp", second, filepath.Join(deliver, "second.deb"))
	output(t, "cp", filepath.Join(components.Root(t), "test/packages/testdata/in_systemd.sh"), deliver)
	if err := os.WriteFile(filepath.Join(root, "etc/systemd/system/ngxtap-test.service"), []byte(inContainer), 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute) // a minute on a machine with nothing else to do
	defer cancel()
	cmd := exec.CommandContext(ctx, "systemd-nspawn", "--quiet", "-D", root, "--register=no", "--keep-unit", "--private-network", "--console=pipe",
		"--bind-ro="+deliver+":/deliver", "--bind="+out+":/out", "--boot", "systemd.unit=ngxtap-test.service")
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) } // it ends the container
	cmd.WaitDelay = 20 * time.Second
	console, err := cmd.CombinedOutput()
	log, readErr := os.ReadFile(filepath.Join(out, "log"))
	if readErr != nil {
		t.Skipf("no systemd can be booted here: %v\n%.2000s", err, console)
	}
	if text := string(log); strings.Contains(text, "FAIL") || !strings.Contains(text, "== done") {
		t.Errorf("%v; the script says:\n%s", err, text)
	} else {
		t.Logf("%s", text)
	}
}

// layered returns a view of this machine's root under which changes are the test's own, and gone after it.
func layered(t *testing.T, dir string) string {
	t.Helper()
	layer, root := filepath.Join(dir, "layer"), filepath.Join(dir, "root")
	for _, d := range []string{layer, root} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	mount := func(source, target, kind, data string) {
		if err := syscall.Mount(source, target, kind, 0, data); err != nil {
			t.Skipf("mount %s: %v: a container can't be made here", kind, err)
		}
		t.Cleanup(func() {
			if err := syscall.Unmount(target, syscall.MNT_DETACH); err != nil {
				t.Errorf("unmount %s: %v", target, err)
			}
		})
	}
	mount("tmpfs", layer, "tmpfs", "size=1g")
	for _, d := range []string{"upper", "work"} {
		if err := os.Mkdir(filepath.Join(layer, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	mount("overlay", root, "overlay", "lowerdir=/,upperdir="+layer+"/upper,workdir="+layer+"/work")
	return root
}
