package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ngxtap/pkg/config"
	"ngxtap/pkg/config/render"
)

func (a *app) manCmd() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "man --dir DIR",
		Short: "Write the man pages into a folder, for who makes packages",
		Long: `Write a man page for each command (ngxtap.1, ngxtap-run.1 …) and one for the configuration's keys (ngxtap.yaml.5) into a folder. Their date is
that of SOURCE_DATE_EPOCH if it is set, or else of the commit this program was built from if it knows that, or else today.`,
		Example: `  ngxtap man --dir dist/man`,
		Hidden:  true,
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return failed(writeMan(c.Root(), dir)) },
	}
	cmd.Flags().StringVar(&dir, "dir", "", "the folder; it is made if it is not there")
	_ = cmd.MarkFlagRequired("dir") // fails only for a flag that does not exist
	return cmd
}

func writeMan(root *cobra.Command, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	pages := map[string]string{"ngxtap.yaml.5": manConfig()}
	eachCommand(root, func(c *cobra.Command) {
		if !c.Hidden && c.Name() != "help" {
			pages[manName(c)+".1"] = manCommand(c)
		}
	})
	for name, text := range pages {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func manName(c *cobra.Command) string { return strings.ReplaceAll(c.CommandPath(), " ", "-") }

// manPage is a man page being written, in the macros of man(7).
type manPage struct{ strings.Builder }

// newManPage begins a page with its title and its one line.
func newManPage(name string, section int, short string) *manPage {
	p := &manPage{}
	fmt.Fprintf(p, ".TH %s %d \"%s\" \"ngxtap %s\" \"ngxtap\"\n", strings.ToUpper(roff(name)), section, manDate(), roff(version))
	p.section("Name")
	fmt.Fprintf(p, "%s \\- %s\n", roff(name), roff(lowerFirst(short)))
	return p
}

// manDate is the same for each build of a commit; without one it is today's.
func manDate() string {
	if n, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64); err == nil {
		return time.Unix(n, 0).UTC().Format(time.DateOnly)
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.time" && len(s.Value) >= len(time.DateOnly) {
				return s.Value[:len(time.DateOnly)]
			}
		}
	}
	return time.Now().UTC().Format(time.DateOnly)
}

func lowerFirst(s string) string {
	if s == "" || strings.HasPrefix(s, "JSON") {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}

// roff escapes what the formatter would take for its own, within a line.
func roff(s string) string {
	return strings.NewReplacer(`\`, `\e`, "-", `\-`, "…", "...", "—", `\(em`, "’", "'", "`", `\(ga`, "^", `\(ha`, "~", `\(ti`, `"`, `\(dq`, "'", `\(aq`).Replace(s)
}

func (p *manPage) section(name string) { fmt.Fprintf(p, ".SH %s\n", strings.ToUpper(name)) }

// item writes a term and what it means.
func (p *manPage) item(term, text string) {
	fmt.Fprintf(p, ".TP\n.B %s\n", roff(term))
	p.text(text)
}

// line writes one line of running text; no line of it may look like a request.
func (p *manPage) line(s string) {
	s = roff(strings.TrimSpace(s))
	if strings.HasPrefix(s, ".") {
		s = `\&` + s
	}
	p.WriteString(s + "\n")
}

// text writes paragraphs; lines that are indented stay as they are.
func (p *manPage) text(s string) {
	verbatim := false
	for i, l := range strings.Split(strings.Trim(s, "\n"), "\n") {
		switch indented := strings.HasPrefix(l, "  "); {
		case indented && !verbatim:
			p.WriteString(".PP\n.nf\n")
			verbatim = true
		case !indented && verbatim:
			p.WriteString(".fi\n.PP\n")
			verbatim = false
			if l == "" {
				continue
			}
		case l == "" && i > 0:
			p.WriteString(".PP\n")
			continue
		}
		if verbatim {
			fmt.Fprintf(p, "\\&%s\n", roff(l))
		} else {
			p.line(l)
		}
	}
	if verbatim {
		p.WriteString(".fi\n")
	}
}

// finish returns the page, without paragraphs that would be empty.
func (p *manPage) finish() string {
	s := p.String()
	for _, before := range []string{".SH", ".PP", ".TP"} {
		s = strings.ReplaceAll(s, ".PP\n"+before, before)
	}
	for _, title := range []string{"EXAMPLES", "DESCRIPTION"} { // a title makes room itself
		s = strings.ReplaceAll(s, ".SH "+title+"\n.PP\n", ".SH "+title+"\n")
	}
	return s
}

func manCommand(c *cobra.Command) string {
	p := newManPage(manName(c), 1, c.Short)
	p.section("Synopsis")
	fmt.Fprintf(p, ".B %s\n", roff(c.CommandPath()))
	_, args, _ := strings.Cut(c.UseLine(), c.CommandPath())
	if c.HasAvailableSubCommands() && !c.HasParent() {
		args = " COMMAND [flags]"
	}
	p.line(args)
	p.section("Description")
	long, _, _ := strings.Cut(c.Long, "\n\n"+exitHelp())
	p.text(long)
	if c.HasAvailableSubCommands() {
		p.section("Commands")
		for _, sub := range c.Commands() {
			if sub.IsAvailableCommand() && sub.Name() != "help" {
				fmt.Fprintf(p, ".TP\n.BR %s (1)\n", roff(manName(sub)))
				p.line(sub.Short)
			}
		}
	}
	p.flags("Options", c.NonInheritedFlags())
	p.flags("Options of every command", c.InheritedFlags())
	if c.HasExample() {
		p.section("Examples")
		p.text(c.Example)
	}
	p.section("Exit status")
	for _, e := range exitCodes {
		p.item(strconv.Itoa(e.code), e.meaning)
	}
	if !c.HasParent() {
		p.surroundings()
	}
	p.section("See also")
	if c.HasParent() {
		fmt.Fprintf(p, ".BR %s (1),\n", roff(manName(c.Parent())))
	}
	p.WriteString(".BR ngxtap.yaml (5)\n")
	return p.finish()
}

func (p *manPage) flags(title string, flags *pflag.FlagSet) {
	if !flags.HasAvailableFlags() {
		return
	}
	p.section(title)
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		name, usage := pflag.UnquoteUsage(f)
		term := "--" + f.Name
		if f.Shorthand != "" {
			term = "-" + f.Shorthand + ", " + term
		}
		if name != "" {
			term += " " + name
		}
		if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "[]" && f.DefValue != "0" {
			usage += " (default: " + f.DefValue + ")"
		}
		p.item(term, usage)
	})
}

// surroundings tells of files and variables.
func (p *manPage) surroundings() {
	p.section("Environment")
	p.item(config.EnvPrefix+"_…", "overrides a key of ngxtap.yaml: NGXTAP_KAFKA_COMMIT_INTERVAL for kafka.commit_interval. Lists have commas.")
	p.item("NO_COLOR", "if it is set to anything, no colours on a terminal")
	p.item("TERM", "if it is dumb, neither colours nor a line that shows progress")
	p.section("Files")
	p.item(config.DefaultFile, "the daemon's configuration")
	p.item(filepath.Join(filepath.Dir(config.DefaultFile), "sites.d/*.yaml"), "one file for each site")
	p.item("/var/lib/ngxtap", "state_dir: a cache, a lock, and the key for hashed secrets")
}

// manConfig is the page of the configuration's keys.
func manConfig() string {
	p := newManPage("ngxtap.yaml", 5, "configuration of ngxtap")
	p.section("Description")
	p.text("The daemon reads " + config.DefaultFile + ` and, beside it, one file for each site, sites.d/*.yaml. Both are YAML. An unknown key is an error. Relative paths start
from the folder of the file that they stand in.

A key of ngxtap.yaml is overridden by the environment variable of its name in capitals, with "_" for the dot, behind NGXTAP_: NGXTAP_KAFKA_BROKERS=a:9092,b:9092. An empty
one counts as none.

Durations have a unit: 200ms, 10s, 5m, 1h30m. Sizes are bytes or have one: 65536, 64KiB, 1MiB. Secrets are the secret itself, ${VAR} for an environment variable, or
file:PATH.`)
	for _, file := range []config.File{config.DaemonFile, config.SiteFile} {
		p.section("Keys of " + render.FileNames[file])
		config.Root(file).Walk(func(k *config.Key) {
			text := k.Doc
			if k.Kind != config.Section {
				text += "\n\nValue: " + render.Value(k) + ". Default: " + render.Default(k) + "."
			}
			p.item(k.Path, strings.ReplaceAll(text, "\n\n", "\n"))
		})
	}
	p.section("Examples")
	p.text("  # /etc/ngxtap/ngxtap.yaml\n  kafka:\n    brokers: [kafka-1:9092, kafka-2:9092]\n  admin:\n    listen: 127.0.0.1:9464\n\n" +
		"  # /etc/ngxtap/sites.d/shop.yaml\n  site: shop\n  access_log:\n    paths: [/var/log/nginx/shop.access.log]")
	p.section("See also")
	p.WriteString(".BR ngxtap (1),\n.BR ngxtap\\-config (1)\n")
	return p.finish()
}
