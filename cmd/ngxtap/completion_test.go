package main

// Shows that each shell loads its script and completes with it what can be completed.

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// completionFolder is a folder with a configuration of two sites, one of which is broken, and an nginx.conf.
func completionFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"ngxtap.yaml":        "kafka: {sasl: {password: 'file:nothere'}}\n",
		"sites.d/shop.yaml":  "site: shop\ntopic: web.shop\n",
		"sites.d/blog.yaml":  "site: blog\nwrong: key\n",
		"sites.d/evil.yaml":  "site: \"$(touch evil)\"\n",
		"nginx.conf":         "http { log_format main '$status'; log_format mini '$request'; log_format \"$(touch evil)\" '$status'; }\n",
		"logs/access.log":    "x\n",
		"other/schema.avsc":  "{}",
		"other/notes.txt":    "x",
		"ngxtap-lookalike.c": "x",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// completions are command lines, the last word of which is being typed, and what must be among that which is offered, and what must not.
var completions = []struct {
	line      string
	want, not []string
}{
	{"ngxtap ", []string{"run", "check", "config", "completion", "schema", "quarantine"}, []string{"man", "ngxtap.yaml"}},
	{"ngxtap sch", []string{"schema"}, []string{"run"}},
	{"ngxtap schema ", []string{"show", "diff", "check", "history", "accept"}, nil},
	{"ngxtap completion ", []string{"bash", "zsh", "fish"}, []string{"powershell"}},
	{"ngxtap config schema ", []string{"daemon", "site"}, nil},
	{"ngxtap config kafka.s", []string{"kafka.sasl", "kafka.sasl.mechanism", "kafka.state_topic"}, []string{"kafka.brokers"}},
	{"ngxtap config explain on_ch", []string{"on_change", "on_change.breaking"}, []string{"topic"}},
	{"ngxtap -c ngxtap.yaml cat ", []string{"web.shop", "web.shop.quarantine", "nginx.blog.access", "ngxtap.schema-changes"}, []string{"logs"}},
	{"ngxtap cat -c ngxtap.yaml web.shop --from ", []string{"beginning", "end"}, []string{"logs"}},
	{"ngxtap quarantine list -c ngxtap.yaml --site ", []string{"shop", "blog"}, []string{"logs", "$(touch"}},
	{"ngxtap config -c ngxtap.yaml --site s", []string{"shop"}, []string{"blog"}},
	{"ngxtap parse --nginx-conf nginx.conf --format m", []string{"main", "mini"}, []string{"combined"}},
	{"ngxtap parse --nginx-conf nginx.conf --type app_ms=l", []string{"app_ms=long|long"}, []string{"app_ms=int"}},
	{"ngxtap parse --ngin", []string{"--nginx-conf"}, nil},
	{"ngxtap try --escape ", []string{"default", "json", "none"}, []string{"logs"}},
	{"ngxtap run --on", []string{"--once"}, nil},
}

// dialect makes a script from the command lines; it prints for each of them a line ">" and then what is offered.
type dialect func(lines []string) string

func TestCompletion(t *testing.T) {
	shells := map[string]struct {
		args []string
		dialect
	}{
		"bash": {[]string{"--norc", "-c"}, bashCompletion},
		"zsh":  {[]string{"-f", "-c"}, zshCompletion},
		"fish": {[]string{"--no-config", "-c"}, fishCompletion},
	}
	for shell, s := range shells {
		t.Run(shell, func(t *testing.T) {
			require(t, shell)
			if shell == "bash" {
				if _, err := os.Stat(bashLibrary); err != nil {
					require(t, "bash-completion: "+bashLibrary)
				}
			}
			var lines []string
			for _, c := range completions {
				lines = append(lines, c.line)
			}
			dir := completionFolder(t)
			cmd := exec.Command(shell, append(s.args, s.dialect(lines))...)
			cmd.Dir, cmd.Env = dir, append(os.Environ(), "HOME="+dir, "XDG_CONFIG_HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CACHE_HOME="+dir)
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			parts := strings.Split("\n"+string(out), "\n>\n")[1:]
			if len(parts) != len(completions) {
				t.Fatalf("%d answers, want %d:\n%s", len(parts), len(completions), out)
			}
			for i, c := range completions {
				checkOffered(t, c.line, parts[i], c.want, c.not)
			}
			if _, err := os.Stat(filepath.Join(dir, "evil")); err == nil {
				t.Error("a name in a file was run as a command")
			}
		})
	}
}

func checkOffered(t *testing.T, line, answer string, want, not []string) {
	t.Helper()
	var offered []string
	for l := range strings.SplitSeq(answer, "\n") {
		word, _, _ := strings.Cut(strings.TrimSpace(l), "\t")
		word, _, _ = strings.Cut(word, " ")
		offered = append(offered, strings.ReplaceAll(word, `\`, ""))
	}
	for _, w := range want {
		whole, part, _ := strings.Cut(w, "|") // bash is given what comes behind "="
		if !slices.Contains(offered, whole) && (part == "" || !slices.Contains(offered, part)) {
			t.Errorf("%q offers %q, want %s", line, offered, w)
		}
	}
	for _, w := range not {
		if slices.Contains(offered, w) {
			t.Errorf("%q offers %s", line, w)
		}
	}
}

const bashLibrary = "/usr/share/bash-completion/bash_completion"

func bashCompletion(lines []string) string {
	var b strings.Builder
	b.WriteString("source " + bashLibrary + ` || exit 1
source <(ngxtap completion bash) || exit 1
complete -p ngxtap >/dev/null || exit 1
offer() {
	COMP_LINE=$1 COMP_POINT=${#1} COMP_TYPE=9 COMP_KEY=9
	read -ra COMP_WORDS <<<"$1"
	[ "${1% }" = "$1" ] || COMP_WORDS+=("")
	COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMPREPLY=()
	__start_ngxtap 2>/dev/null # compopt minds that nobody pressed a key
	echo ">"
	printf '%s\n' "${COMPREPLY[@]}"
}
`)
	for _, l := range lines {
		b.WriteString("offer '" + l + "'\n")
	}
	return b.String()
}

func zshCompletion(lines []string) string {
	var b strings.Builder
	b.WriteString(`autoload -U compinit && compinit -u -D || exit 1
source <(ngxtap completion zsh) || exit 1
[[ ${_comps[ngxtap]} == _ngxtap ]] || exit 1
_describe() { print -l -- ${(M)${completions%%:*}:#${words[CURRENT]}*} }
_arguments() { print -l -- files }
`)
	for _, l := range lines {
		words := strings.Split(l, " ")
		b.WriteString("echo '>'; words=(")
		for _, w := range words {
			b.WriteString(" '" + w + "'")
		}
		b.WriteString("); CURRENT=${#words}; _ngxtap; true\n")
	}
	return b.String()
}

func fishCompletion(lines []string) string {
	var b strings.Builder
	b.WriteString("ngxtap completion fish | source; or exit 1\n")
	for _, l := range lines {
		b.WriteString("echo '>'; complete -C '" + l + "'\n")
	}
	return b.String()
}
