package components

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// registryReady is how long the registry may take to answer. It takes about 10 s on two idle cores.
const registryReady = 3 * time.Minute

// Registry is a running schema registry (Apicurio) that speaks the API of Confluent's. It keeps its schemas in memory.
type Registry struct {
	URL string // with the path prefix /apis/ccompat/v7 that clients must keep, without a slash at the end
	Dir string // holds output.log

	proc *process // owned
}

// startRegistry starts a registry with its files below dir. The caller calls stop.
func startRegistry(dir, compatibility string) (*Registry, error) {
	var r *Registry
	err := retryPorts(func() error {
		var err error
		r, err = tryStartRegistry(dir)
		return err
	})
	if err != nil || compatibility == "" {
		return r, err
	}
	if err := r.SetCompatibility(compatibility); err != nil {
		r.stop()
		return nil, err
	}
	return r, nil
}

// tryStartRegistry is one attempt of startRegistry with one choice of port.
func tryStartRegistry(parent string) (*Registry, error) {
	dir, err := os.MkdirTemp(parent, "registry-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for the registry: %w", err)
	}
	addrs, err := freeAddrs(1)
	if err != nil {
		return nil, err
	}
	_, port, _ := strings.Cut(addrs[0], ":")
	p, err := startProcess(dir, filepath.Join(dir, "output.log"), syscall.SIGKILL, "java", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
		"-Dquarkus.http.host=127.0.0.1", "-Dquarkus.http.port="+port, "-jar", registryJar())
	if err != nil {
		return nil, err
	}
	r := &Registry{URL: "http://" + addrs[0] + "/apis/ccompat/v7", Dir: dir, proc: p}
	if err := p.waitReady(registryReady, func() error { return r.request(http.MethodGet, "/subjects", "") }); err != nil {
		taken := p.portTaken()
		r.stop()
		if taken {
			return nil, fmt.Errorf("start the registry: %w", errPortTaken)
		}
		return nil, err
	}
	return r, nil
}

// SetCompatibility sets the global compatibility level, for example BACKWARD, FULL or NONE.
func (r *Registry) SetCompatibility(level string) error {
	return r.request(http.MethodPut, "/config", `{"compatibility":"`+level+`"}`)
}

// request sends a request and returns an error unless the answer is 200.
func (r *Registry) request(method, path, body string) error {
	req, err := http.NewRequest(method, r.URL+path, strings.NewReader(body))
	if err != nil {
		return fmt.Errorf("ask the registry: %w", err)
	}
	req.Header.Set("Content-Type", "application/vnd.schemaregistry.v1+json")
	client := http.Client{Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("ask the registry: %w", err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 4096))
	if err != nil {
		return fmt.Errorf("read the registry's answer to %s %s: %w", method, path, err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the registry answered %s %s with %s: %s", method, path, resp.Status, answer)
	}
	return nil
}

// stop ends the registry at once; there is nothing in it to save.
func (r *Registry) stop() { r.proc.stop(syscall.SIGKILL, 5*time.Second) }
