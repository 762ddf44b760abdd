package packages

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"ngxtap/pkg/config"
	"ngxtap/pkg/logformat"
	"ngxtap/test/components"
)

// The parts of Kubernetes' objects that our examples use, by their names in its API (v1, apps/v1). Decoding is strict, as the API server's is with
// fieldValidation=Strict: a name that is not here is a slip, or has to be added after a look at the API's reference.
type (
	object struct {
		APIVersion string            `yaml:"apiVersion"`
		Kind       string            `yaml:"kind"`
		Metadata   meta              `yaml:"metadata"`
		Automount  *bool             `yaml:"automountServiceAccountToken"` // of a ServiceAccount
		Data       map[string]string `yaml:"data"`                         // of a ConfigMap
		StringData map[string]string `yaml:"stringData"`                   // of a Secret
		Spec       workload          `yaml:"spec"`                         // of a DaemonSet or a Deployment
	}
	meta struct {
		Name, Namespace string
		Labels          map[string]string
	}
	workload struct {
		Replicas int
		Selector struct {
			MatchLabels map[string]string `yaml:"matchLabels"`
		}
		UpdateStrategy struct {
			Type          string
			RollingUpdate struct {
				MaxUnavailable int `yaml:"maxUnavailable"`
			} `yaml:"rollingUpdate"`
		} `yaml:"updateStrategy"`
		Template struct {
			Metadata meta
			Spec     pod
		}
	}
	pod struct {
		ServiceAccountName string            `yaml:"serviceAccountName"`
		Automount          *bool             `yaml:"automountServiceAccountToken"`
		Grace              int               `yaml:"terminationGracePeriodSeconds"`
		NodeSelector       map[string]string `yaml:"nodeSelector"`
		SecurityContext    struct {
			RunAsNonRoot       bool                  `yaml:"runAsNonRoot"`
			RunAsUser          int                   `yaml:"runAsUser"`
			RunAsGroup         int                   `yaml:"runAsGroup"`
			FSGroup            int                   `yaml:"fsGroup"`
			SupplementalGroups []int                 `yaml:"supplementalGroups"`
			SeccompProfile     struct{ Type string } `yaml:"seccompProfile"`
		} `yaml:"securityContext"`
		InitContainers []container `yaml:"initContainers"`
		Containers     []container
		Volumes        []volume
	}
	container struct {
		Name, Image   string
		RestartPolicy string `yaml:"restartPolicy"`
		Command, Args []string
		Env           []struct {
			Name, Value string
			ValueFrom   struct {
				FieldRef struct {
					FieldPath string `yaml:"fieldPath"`
				} `yaml:"fieldRef"`
			} `yaml:"valueFrom"`
		}
		Ports []struct {
			Name          string
			ContainerPort int `yaml:"containerPort"`
			Protocol      string
		}
		LivenessProbe  *probe `yaml:"livenessProbe"`
		ReadinessProbe *probe `yaml:"readinessProbe"`
		Resources      struct{ Requests, Limits map[string]string }
		Security       struct {
			AllowPrivilegeEscalation *bool `yaml:"allowPrivilegeEscalation"`
			ReadOnlyRootFilesystem   bool  `yaml:"readOnlyRootFilesystem"`
			Capabilities             struct{ Drop []string }
		} `yaml:"securityContext"`
		VolumeMounts []struct {
			Name      string
			MountPath string `yaml:"mountPath"`
			ReadOnly  bool   `yaml:"readOnly"`
		} `yaml:"volumeMounts"`
	}
	probe struct {
		HTTPGet          struct{ Path, Port string } `yaml:"httpGet"`
		PeriodSeconds    int                         `yaml:"periodSeconds"`
		TimeoutSeconds   int                         `yaml:"timeoutSeconds"`
		FailureThreshold int                         `yaml:"failureThreshold"`
	}
	volume struct {
		Name      string
		ConfigMap *struct {
			Name  string
			Items []struct{ Key, Path string }
		} `yaml:"configMap"`
		Secret *struct {
			SecretName  string `yaml:"secretName"`
			DefaultMode int    `yaml:"defaultMode"`
		}
		HostPath *struct{ Path, Type string } `yaml:"hostPath"`
		EmptyDir *struct {
			SizeLimit string `yaml:"sizeLimit"`
		} `yaml:"emptyDir"`
	}
)

// example reads an example, strictly.
func example(t *testing.T, name string) map[string][]object {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(components.Root(t), "configs/kubernetes", name))
	if err != nil {
		t.Fatal(err)
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	objects := map[string][]object{}
	for {
		var o object
		err := dec.Decode(&o)
		if errors.Is(err, io.EOF) {
			return objects
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		want := map[string]string{"DaemonSet": "apps/v1", "Deployment": "apps/v1"}[o.Kind]
		if want == "" {
			want = "v1"
		}
		if o.APIVersion != want || !regexp.MustCompile(`^[a-z0-9-]{1,63}$`).MatchString(o.Metadata.Name) {
			t.Errorf("%s: %s %s of %s", name, o.Kind, o.Metadata.Name, o.APIVersion)
		}
		objects[o.Kind] = append(objects[o.Kind], o)
	}
}

// mounts returns where the volumes of a container are, as a folder on this machine that holds what the pod would see of ConfigMaps and Secrets.
func mounts(t *testing.T, objects map[string][]object, p *pod, c *container) (root string, writable map[string]bool) {
	t.Helper()
	root, writable = t.TempDir(), map[string]bool{}
	named := func(kind, name string) map[string]string {
		for _, o := range objects[kind] {
			if o.Metadata.Name == name {
				if kind == "Secret" {
					return o.StringData
				}
				return o.Data
			}
		}
		t.Fatalf("there is no %s %s", kind, name)
		return nil
	}
	for _, m := range c.VolumeMounts {
		found := false
		for _, v := range p.Volumes {
			if v.Name != m.Name {
				continue
			}
			found = true
			files := map[string]string{}
			switch {
			case v.ConfigMap != nil && v.ConfigMap.Items != nil:
				data := named("ConfigMap", v.ConfigMap.Name)
				for _, item := range v.ConfigMap.Items {
					text, ok := data[item.Key]
					if !ok {
						t.Errorf("ConfigMap %s has no key %s", v.ConfigMap.Name, item.Key)
					}
					files[item.Path] = text
				}
			case v.ConfigMap != nil:
				files = named("ConfigMap", v.ConfigMap.Name)
			case v.Secret != nil:
				files = named("Secret", v.Secret.SecretName)
			}
			for name, text := range files {
				path := filepath.Join(root, m.MountPath, name)
				if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
					t.Fatal(err)
				}
			}
		}
		if !found {
			t.Errorf("container %s mounts %s, which is no volume", c.Name, m.Name)
		}
		writable[m.MountPath] = !m.ReadOnly
	}
	return root, writable
}

// TestKubernetesExamples: names agree with each other, and with what the program reads and listens on.
func TestKubernetesExamples(t *testing.T) {
	for _, c := range []struct{ file, kind string }{{"daemonset.yaml", "DaemonSet"}, {"sidecar.yaml", "Deployment"}} {
		t.Run(c.file, func(t *testing.T) {
			objects := example(t, c.file)
			if len(objects[c.kind]) != 1 {
				t.Fatalf("there are %d %s", len(objects[c.kind]), c.kind)
			}
			w := &objects[c.kind][0].Spec
			if l := w.Template.Metadata.Labels["app.kubernetes.io/name"]; l == "" || l != w.Selector.MatchLabels["app.kubernetes.io/name"] {
				t.Errorf("it selects %v and makes %v", w.Selector.MatchLabels, w.Template.Metadata.Labels)
			}
			p := &w.Template.Spec
			if s := p.SecurityContext; !s.RunAsNonRoot || s.RunAsUser != 65532 || s.SeccompProfile.Type != "RuntimeDefault" || p.Grace < 30 || p.Automount == nil || *p.Automount {
				t.Errorf("the pod's security: %+v", s)
			}
			all := append(append([]container{}, p.InitContainers...), p.Containers...)
			for i := range all {
				k := &all[i]
				if s := k.Security; s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation || !s.ReadOnlyRootFilesystem || len(s.Capabilities.Drop) != 1 || s.Capabilities.Drop[0] != "ALL" {
					t.Errorf("container %s may more than it needs: %+v", k.Name, s)
				}
				if k.Resources.Limits["memory"] == "" || strings.HasSuffix(k.Image, ":latest") || !strings.Contains(k.Image, ":") {
					t.Errorf("container %s has no limit of memory, or no version: %s", k.Name, k.Image)
				}
			}
			checkNgxtap(t, objects, p, &all[0])
		})
	}
}

// checkNgxtap loads the example's configuration with the program's own reader.
func checkNgxtap(t *testing.T, objects map[string][]object, p *pod, k *container) {
	t.Helper()
	root, writable := mounts(t, objects, p, k)
	for _, e := range k.Env {
		if e.Value == "" {
			e.Value = "pod-1"
			if f := e.ValueFrom.FieldRef.FieldPath; f != "spec.nodeName" && f != "metadata.name" {
				t.Errorf("%s comes from %q", e.Name, f)
			}
		}
		t.Setenv(e.Name, e.Value)
	}
	site := filepath.Join(root, "etc/ngxtap/sites.d/shop.yaml")
	text, err := os.ReadFile(site)
	if err != nil {
		t.Fatal(err)
	}
	key := "file:/run/secrets/ngxtap/hash_key"
	if !strings.Contains(string(text), key) {
		t.Errorf("the key is not read from the mounted Secret:\n%s", text)
	}
	local := strings.Replace(string(text), key, "file:"+filepath.Join(root, "run/secrets/ngxtap/hash_key"), 1)
	if err := os.WriteFile(site, []byte(local), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := config.Load(filepath.Join(root, config.DefaultFile)); err == nil || !strings.Contains(err.Error(), "is empty") {
		t.Errorf("the key of the example, which everybody has, is not refused: %v", err)
	}
	if err := os.WriteFile(filepath.Join(root, "run/secrets/ngxtap/hash_key"), []byte("0123456789abcdef0123456789abcdef"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(filepath.Join(root, config.DefaultFile))
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Instance != "pod-1" {
		t.Errorf("the instance is %q, not what the environment says", cfg.Instance)
	}
	if !writable[cfg.StateDir] || writable["/etc/ngxtap"] || writable["/var/log/nginx"] {
		t.Errorf("it may write to %v, its state is in %s", writable, cfg.StateDir)
	}
	_, port, err := net.SplitHostPort(cfg.Admin.Listen)
	if err != nil || len(k.Ports) != 1 || strconv.Itoa(k.Ports[0].ContainerPort) != port || k.Ports[0].Name != k.LivenessProbe.HTTPGet.Port {
		t.Errorf("it listens on %s; the ports are %v, and the probe asks %v", cfg.Admin.Listen, k.Ports, k.LivenessProbe.HTTPGet)
	}
	for _, path := range cfg.Sites[0].AccessLog.Paths {
		if _, ok := writable[filepath.Dir(path)]; !ok {
			t.Errorf("the log %s is in no mounted folder", path)
		}
		conf := filepath.Join(root, cfg.Sites[0].AccessLog.NginxConf)
		if _, err := os.Stat(conf); err != nil {
			continue // of the node
		}
		read, err := logformat.NewWatch(conf, logformat.ConfOptions{}).Read()
		if err != nil || len(read.FormatsFor(path)) != 1 {
			t.Errorf("the example's nginx.conf: %v", err)
		}
	}
}

// TestContainerfile can't build the image, for no image can be had here. It does what the first stage does, with the files that are copied there and
// nothing else, and holds the second to what the program needs.
func TestContainerfile(t *testing.T) {
	root := components.Root(t)
	data, err := os.ReadFile(filepath.Join(root, "configs/container/Containerfile"))
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	tree := t.TempDir()
	for _, m := range regexp.MustCompile(`(?m)^COPY ([^-].*) \./?(\S*)$`).FindAllStringSubmatch(text, -1) {
		for _, src := range strings.Fields(m[1]) {
			output(t, "cp", "-r", filepath.Join(root, src), filepath.Join(tree, m[2]))
		}
	}
	m := regexp.MustCompile(`(?m)^RUN (make build .*)$`).FindStringSubmatch(text)
	if m == nil {
		t.Fatal("it does not make the program")
	}
	cmd := exec.Command("sh", "-euc", m[1]+" PROFILE=off")
	cmd.Dir, cmd.Env = tree, append(os.Environ(), "VERSION=v0.9.0", "COMMIT=0123456789ab", "MAKEFLAGS=", "MAKELEVEL=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("the first stage: %v\n%s", err, out)
	}
	contains(t, "ngxtap version", output(t, filepath.Join(tree, "bin/ngxtap"), "version"), "ngxtap v0.9.0 (commit 0123456789ab")
	contains(t, "the image", text, "FROM scratch", "USER 65532:65532", "/src/bin/ngxtap /usr/bin/ngxtap", "--chown=65532:65532 /state /var/lib/ngxtap",
		`ENTRYPOINT ["/usr/bin/ngxtap"]`, "/etc/ssl/certs/ca-certificates.crt")
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	needs := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(string(mod))
	if needs == nil || !strings.Contains(text, "FROM golang:"+needs[1]+" AS build") {
		t.Errorf("go.mod says %v, and the image is built by another Go", needs)
	}
}
