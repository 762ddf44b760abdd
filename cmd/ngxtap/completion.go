package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ngxtap/pkg/config"
	"ngxtap/pkg/logformat"
	"ngxtap/pkg/sink/kafka"
)

func (a *app) completionCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "completion bash|zsh|fish",
		Short: "Print a script with which your shell completes ngxtap's command lines",
		Long: `Print the script that completes commands, flags, files, the names of sites, topics and log formats, and the configuration's keys. Names are read
from the configuration and from nginx.conf; nothing is asked over the network. Packages install it already. By hand:

  bash  ngxtap completion bash > /etc/bash_completion.d/ngxtap   (needs the package bash-completion)
  zsh   ngxtap completion zsh > "${fpath[1]}/_ngxtap"            (needs compinit)
  fish  ngxtap completion fish > ~/.config/fish/completions/ngxtap.fish`,
		Example: `  source <(ngxtap completion bash)
  source <(ngxtap completion zsh)
  ngxtap completion fish | source`,
		ValidArgs: []string{"bash", "zsh", "fish"},
		Args:      oneOfValid,
		RunE: func(c *cobra.Command, args []string) error {
			var b bytes.Buffer
			var err error
			switch args[0] {
			case "bash":
				err = c.Root().GenBashCompletionV2(&b, true)
			case "zsh":
				err = c.Root().GenZshCompletion(&b)
			default:
				err = c.Root().GenFishCompletion(&b, true)
			}
			if err == nil {
				_, err = a.out.Write(b.Bytes())
			}
			return failed(err)
		},
	}
}

// oneOfValid takes one argument, of those that the command lists.
func oneOfValid(c *cobra.Command, args []string) error {
	if len(args) != 1 || !slices.Contains(c.ValidArgs, args[0]) {
		return fmt.Errorf("%s: %q: name one of %s", c.CommandPath(), args, strings.Join(c.ValidArgs, ", "))
	}
	return nil
}

// complete says what completes the arguments and the flags of every command. What it does not know it completes with nothing rather than
// with files that make no sense there.
func (a *app) complete(root *cobra.Command) {
	eachCommand(root, func(c *cobra.Command) {
		if c.ValidArgsFunction == nil && c.ValidArgs == nil {
			c.ValidArgsFunction = a.arguments(c)
		}
		c.LocalFlags().VisitAll(func(f *pflag.Flag) { a.completeFlag(c, f) })
	})
}

// eachCommand calls f for a command and all below it.
func eachCommand(c *cobra.Command, f func(*cobra.Command)) {
	f(c)
	for _, sub := range c.Commands() {
		eachCommand(sub, f)
	}
}

// arguments returns what completes the arguments of a command.
func (a *app) arguments(c *cobra.Command) cobra.CompletionFunc {
	switch strings.TrimPrefix(c.CommandPath(), "ngxtap ") {
	case "cat":
		return onlyFirst(a.topics)
	case "config", "config explain":
		return onlyFirst(configKeys)
	case "schema diff":
		return extensions("avsc", "json")
	}
	if c.Args != nil && c.Args(c, []string{"x"}) != nil {
		return cobra.NoFileCompletions
	}
	if strings.Contains(c.Use, "LOG") || strings.Contains(c.Use, "FILE") {
		return nil // files
	}
	return cobra.NoFileCompletions
}

// completeFlag says what completes the value of a flag; flags of one name mean one thing in every command.
func (a *app) completeFlag(c *cobra.Command, f *pflag.Flag) {
	how := cobra.NoFileCompletions
	switch f.Name {
	case "config":
		how = extensions("yaml", "yml")
	case "nginx-conf", "against-conf":
		how = extensions("conf")
	case "against":
		how = extensions("avsc", "json")
	case "dir", "out":
		how = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		}
	case "cpuprofile":
		return
	case "site":
		how = a.siteNames
	case "format":
		how = formatsThere
	case "escape":
		how = valuesOf("access_log.escape")
	case "type":
		how = variableTypes
	case "from":
		how = cobra.FixedCompletions([]string{"beginning\tall there is", "end\tonly what arrives from now on"}, cobra.ShellCompDirectiveNoFileComp)
	}
	if _, there := c.GetFlagCompletionFunc(f.Name); there || f.Value.Type() == "bool" {
		return
	}
	_ = c.RegisterFlagCompletionFunc(f.Name, how) // fails only for a flag that has one
}

// extensions completes names of files that end so, and folders.
func extensions(all ...string) cobra.CompletionFunc {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return all, cobra.ShellCompDirectiveFilterFileExt
	}
}

// onlyFirst completes the first argument, of a command that takes no second.
func onlyFirst(f cobra.CompletionFunc) cobra.CompletionFunc {
	return func(c *cobra.Command, args []string, part string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return f(c, args, part)
	}
}

func (a *app) siteNames(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	var names []string
	for _, s := range config.Glance(a.configFile) {
		names = append(names, s.Site+"\tto topic "+s.Topic)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func (a *app) topics(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	var names []string
	for _, s := range config.Glance(a.configFile) {
		names = append(names, s.Topic+"\tevents of site "+s.Site, s.Topic+kafka.QuarantineSuffix+"\trejected lines of site "+s.Site)
	}
	names = append(names, kafka.DefaultChangesTopic+"\tchanges of formats and of data")
	slices.Sort(names)
	return slices.Compact(names), cobra.ShellCompDirectiveNoFileComp
}

func configKeys(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	var keys []string
	for _, file := range []config.File{config.DaemonFile, config.SiteFile} {
		config.Root(file).Walk(func(k *config.Key) { keys = append(keys, k.Path+"\t"+k.Brief) })
	}
	return keys, cobra.ShellCompDirectiveNoFileComp
}

// formatsThere completes the names of the formats in the nginx.conf of the command line.
func formatsThere(c *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	file := defaultNginxConf
	if f := c.Flag("nginx-conf"); f != nil && f.Value.String() != "" {
		file = f.Value.String()
	}
	if rest, ok := strings.CutPrefix(file, "~/"); ok { // a shell that completes has not expanded it yet
		if home, err := os.UserHomeDir(); err == nil {
			file = filepath.Join(home, rest)
		}
	}
	conf, err := logformat.ReadConf(file, logformat.ConfOptions{})
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, d := range conf.Formats {
		if oneLine(d.Name) == d.Name && !strings.ContainsAny(d.Name, " \t") {
			names = append(names, fmt.Sprintf("%s\t%s", d.Name, oneLine(place(d))))
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// valuesOf completes the values that a key of the configuration may have.
func valuesOf(path string) cobra.CompletionFunc {
	k, err := config.Find(path)
	if err != nil {
		return cobra.NoFileCompletions
	}
	return cobra.FixedCompletions(k.OneOf, cobra.ShellCompDirectiveNoFileComp)
}

// variableTypes completes the type behind NAME=.
func variableTypes(_ *cobra.Command, _ []string, part string) ([]string, cobra.ShellCompDirective) {
	name, _, ok := strings.Cut(part, "=")
	k, err := config.Find("access_log.types[].type")
	if !ok || err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	}
	var all []string
	for _, t := range k.OneOf {
		all = append(all, name+"="+t)
	}
	return all, cobra.ShellCompDirectiveNoFileComp
}
