package packages

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"ngxtap/test/components"
)

func sum(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x (%d bytes)", sha256.Sum256(data), len(data))
}

// TestSameCommitSameBytes builds two copies of the tree, in other folders, with other times of their files, at another moment. (They share Go's
// cache, whose keys hold everything that goes into a package; a folder's name is none of it with -trimpath.)
func TestSameCommitSameBytes(t *testing.T) {
	a, b := built(t, present), built(t, again)
	for _, f := range [][2]string{{a.binary, b.binary}, {a.deb(t), b.deb(t)}, {a.rpm(t), b.rpm(t)}, {a.sbom(t), b.sbom(t)}} {
		if x, y := sum(t, f[0]), sum(t, f[1]); x != y {
			t.Errorf("%s: %s and %s", filepath.Base(f[0]), x, y)
		}
	}
	data, err := os.ReadFile(a.binary)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(data), a.tree) {
		t.Errorf("the folder %s is in the binary", a.tree)
	}
	if other := sum(t, built(t, later).binary); other == sum(t, a.binary) {
		t.Error("another version has the same bytes: this test shows nothing")
	}
}

// TestBinaryIsStatic: no loader, no library, so it runs on any Linux and in an empty container.
func TestBinaryIsStatic(t *testing.T) {
	r := built(t, present)
	if out, err := exec.Command("ldd", r.binary).CombinedOutput(); err == nil || !strings.Contains(string(out), "not a dynamic executable") {
		t.Errorf("ldd: %v\n%s", err, out)
	}
	contains(t, "ngxtap version", output(t, r.binary, "version"), "ngxtap v0.9.0 (commit 0123456789ab, go1.", ", linux/")
}

// TestSBOM: the list of parts names this binary and every module that go.mod needs for it, with version and checksum.
func TestSBOM(t *testing.T) {
	r := built(t, present)
	data, err := os.ReadFile(r.sbom(t))
	if err != nil {
		t.Fatal(err)
	}
	type component struct {
		Name, Version, PURL string
		Hashes              []struct{ Alg, Content string }
	}
	var bom struct {
		BomFormat   string
		SpecVersion string
		Metadata    struct {
			Component  component
			Properties []struct{ Name, Value string }
		}
		Components   []component
		Dependencies []json.RawMessage
	}
	if err := json.Unmarshal(data, &bom); err != nil {
		t.Fatal(err)
	}
	if bom.BomFormat != "CycloneDX" || bom.SpecVersion == "" || bom.Metadata.Component.Name != "ngxtap" || bom.Metadata.Component.Version != "v0.9.0" || len(bom.Dependencies) == 0 {
		t.Errorf("it begins %.400s", data)
	}
	digest := ""
	for _, p := range bom.Metadata.Properties {
		if p.Name == "cdx:gomod:binary:hash:SHA-256" {
			digest = p.Value
		}
	}
	if want, _, _ := strings.Cut(sum(t, r.binary), " "); digest != want {
		t.Errorf("it is about a binary with SHA-256 %s, this one has %s", digest, want)
	}
	listed := map[string]component{}
	for _, c := range bom.Components {
		listed[c.Name] = c
	}
	in := output(t, "go", "version", "-m", r.binary)
	n := 0
	for line := range strings.Lines(in) {
		f := strings.Fields(line)
		if len(f) < 3 || f[0] != "dep" {
			continue
		}
		n++
		c, ok := listed[f[1]]
		if !ok || c.Version != f[2] || len(c.Hashes) == 0 || !strings.HasPrefix(c.PURL, "pkg:golang/") {
			t.Errorf("module %s %s is listed as %+v", f[1], f[2], c)
		}
	}
	if _, ok := listed["github.com/IBM/sarama"]; !ok || n < 20 {
		t.Errorf("sarama is not listed, or only %d modules are in the binary", n)
	}
	if _, ok := listed["std"]; !ok {
		t.Error("Go's standard library is not listed")
	}
}

// TestRPM: what rpm itself reads in the package.
func TestRPM(t *testing.T) {
	components.Require(t, components.PartPackaging)
	r := built(t, present).rpm(t)
	contains(t, "rpm --info", output(t, "rpm", "-qp", "--info", r), "Name        : ngxtap", "Version     : 0.9.0", "License     : Apache-2.0", "Build Host  : ngxtap")
	files := output(t, "rpm", "-qp", "--queryformat", `[%{FILEMODES:perms} %{FILEUSERNAME}:%{FILEGROUPNAME} %{FILEFLAGS:fflags} %{FILENAMES}\n]`, r)
	for _, want := range []string{"-rwxr-xr-x root:root  /usr/bin/ngxtap\n", "-rw-r----- root:ngxtap cn /etc/ngxtap/ngxtap.yaml\n", "-rw-r--r-- root:root cn /etc/ngxtap/sites.d/shop.yaml.example\n",
		"-rw-r--r-- root:root  /usr/lib/systemd/system/ngxtap.service\n", "-rw-r--r-- root:root  /usr/lib/sysusers.d/ngxtap.conf\n",
		"-rw-r--r-- root:root  /usr/share/ngxtap/nginx/ngxtap.js\n", "-rw-r--r-- root:root  /usr/share/ngxtap/schema/site.schema.json\n",
		"-rw-r--r-- root:root  /usr/share/ngxtap/prometheus/ngxtap.rules.yaml\n", "-rw-r--r-- root:root  /usr/share/ngxtap/grafana/ngxtap.json\n",
		"-rw-r--r-- root:root  /usr/share/man/man1/ngxtap.1.gz\n", "-rw-r--r-- root:root  /usr/share/man/man1/ngxtap-quarantine-replay.1.gz\n",
		"-rw-r--r-- root:root  /usr/share/man/man5/ngxtap.yaml.5.gz\n", "-rw-r--r-- root:root  /usr/share/bash-completion/completions/ngxtap\n",
		"-rw-r--r-- root:root  /usr/share/zsh/site-functions/_ngxtap\n", "-rw-r--r-- root:root  /usr/share/fish/vendor_completions.d/ngxtap.fish\n"} {
		contains(t, "the list of files", files, want)
	}
	scripts := output(t, "rpm", "-qp", "--scripts", r)
	contains(t, "the scripts", scripts, "preinstall scriptlet", "useradd --system", "postinstall scriptlet", "systemctl preset ngxtap.service",
		"preuninstall scriptlet", "disable --now ngxtap.service", "postuninstall scriptlet", "try-restart ngxtap.service")
	if out := output(t, "rpm", "-K", "--nosignature", r); !strings.Contains(out, "OK") {
		t.Errorf("rpm -K says %s", out)
	}
}

// TestScriptsAreShell: every maintainer script is read by a shell that knows nothing of bash.
// The pages that a package brings link to what it brings, too, where that is then.
func TestPagesOfThePackageLinkToWhatIsThere(t *testing.T) {
	components.Require(t, components.PartPackaging)
	root := t.TempDir()
	output(t, "dpkg-deb", "-x", built(t, present).deb(t), root)
	link := regexp.MustCompile(`\]\(([^)#\s]+)[^)\s]*\)`)
	n := 0
	for _, glob := range []string{"usr/share/doc/ngxtap/*.md", "usr/share/doc/ngxtap/*/*.md", "usr/share/ngxtap/nginx/*.md"} {
		pages, err := filepath.Glob(filepath.Join(root, glob))
		if err != nil || len(pages) == 0 {
			t.Fatalf("no pages %s, %v", glob, err)
		}
		for _, page := range pages {
			text, err := os.ReadFile(page)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range link.FindAllStringSubmatch(string(text), -1) {
				target := filepath.Join(root, m[1])
				switch {
				case strings.Contains(m[1], "://"):
					continue
				case !filepath.IsAbs(m[1]):
					target = filepath.Join(filepath.Dir(page), m[1])
				}
				n++
				if _, err := os.Stat(target); err != nil {
					t.Errorf("%s: there is no %s in the package", strings.TrimPrefix(page, root), m[1])
				}
			}
		}
	}
	if n < 50 {
		t.Errorf("only %d links were found", n)
	}
}

func TestScriptsAreShell(t *testing.T) {
	found, err := filepath.Glob(filepath.Join(components.Root(t), "configs/packages/*/*"))
	if err != nil || len(found) < 7 {
		t.Fatalf("%d scripts, %v", len(found), err)
	}
	for _, f := range append(found, filepath.Join(components.Root(t), "configs/packages/build.sh")) {
		if !strings.Contains(f, "lintian") {
			output(t, "sh", "-n", f)
		}
	}
}
