package harness

import (
	"fmt"
	"os/exec"
	"sync"
)

// Namespaces says whether this machine lets us give a process a host name and mounts of its own: root in a sandbox may not.
var Namespaces = sync.OnceValue(func() error {
	return try(`mount -t tmpfs -o size=64k tmpfs /mnt && echo other >/proc/sys/kernel/hostname`, "--uts", "--mount")
})

// UserNamespaces says whether this machine lets us give a process limits of its own in a user namespace.
var UserNamespaces = sync.OnceValue(func() error {
	return try(`echo 0 >/proc/sys/user/max_inotify_instances`, "--user", "--map-root-user")
})

func try(script string, namespaces ...string) error {
	out, err := exec.Command("unshare", append(namespaces, "sh", "-c", script)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("this machine forbids unshare %v: %w: %s", namespaces, err, out)
	}
	return nil
}
