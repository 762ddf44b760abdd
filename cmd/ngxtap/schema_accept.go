package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"ngxtap/pkg/config"
)

func (a *app) schemaAcceptCmd() *cobra.Command {
	var site string
	cmd := &cobra.Command{
		Use:   "accept --site NAME [FINGERPRINT…]",
		Short: "Let a changed format through that on_change holds or quarantines",
		Long: `accept notes in state_dir that the schemas with these fingerprints may be registered and written; without any, those of the formats
that nginx.conf has now. A daemon that runs goes on within a second, from where it is held. Lines that went to quarantine
meanwhile are sent by ` + "`ngxtap quarantine replay`" + `. What the registry refuses stays refused: change its compatibility level.`,
		Example: `  ngxtap schema accept --site shop`,
		RunE:    func(_ *cobra.Command, args []string) error { return failed(a.schemaAccept(site, args)) },
	}
	cmd.Flags().StringVar(&site, "site", "", "the site")
	_ = cmd.MarkFlagRequired("site") // fails only for a flag that does not exist
	return cmd
}

func (a *app) schemaAccept(name string, args []string) error {
	cfg, err := config.Load(a.configFile)
	if err != nil {
		return configError(err)
	}
	at := slices.IndexFunc(cfg.Sites, func(s config.Site) bool { return s.Site == name })
	if at < 0 {
		return configError(fmt.Errorf("%s has no site %q", cfg.Files[0], name))
	}
	acc := newAcceptance(cfg.StateDir, name)
	var said []string
	var fps []uint64
	for _, arg := range args {
		fp, err := strconv.ParseUint(arg, 16, 64)
		if err != nil || len(arg) != 16 {
			return fmt.Errorf("%q is no fingerprint of a schema: give the 16 hexadecimal digits that the log, /healthz or `ngxtap schema history` shows", arg)
		}
		fps, said = append(fps, fp), append(said, "schema "+arg)
	}
	if len(args) == 0 {
		formats, _, err := formatsOf(&cfg.Sites[at])
		if err != nil {
			return configError(err)
		}
		for _, f := range formats {
			fps = append(fps, f.Fingerprint())
			said = append(said, fmt.Sprintf("log_format %s (%s), schema %016x", f.Name(), place(f.LogFormat().Definition()), f.Fingerprint()))
		}
	}
	if err := acc.add(fps); err != nil {
		return stateError(err)
	}
	for _, s := range said {
		fmt.Fprintf(a.out, "accepted for site %s: %s\n", name, oneLine(s))
	}
	return nil
}

// acceptance is the file in which an operator's decisions wait for the daemon, which keeps them in the committed position once it has
// seen them. It holds a fingerprint on each line.
type acceptance struct{ file string }

func newAcceptance(stateDir, site string) acceptance {
	return acceptance{filepath.Join(stateDir, "accepted-"+site)}
}

// has reports whether a schema was accepted.
func (a acceptance) has(fp uint64) bool {
	all, err := a.read()
	return err == nil && slices.Contains(all, fmt.Sprintf("%016x", fp))
}

func (a acceptance) read() ([]string, error) {
	text, err := os.ReadFile(a.file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return strings.Fields(string(text)), err
}

// keepAccepted is how many decisions are kept; the oldest go first.
const keepAccepted = 100

// add notes that schemas are accepted. The file is replaced as a whole.
func (a acceptance) add(fps []uint64) error {
	all, err := a.read()
	if err != nil {
		return fmt.Errorf("read what was accepted: %w", err)
	}
	for _, fp := range fps {
		if s := fmt.Sprintf("%016x", fp); !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	all = all[max(0, len(all)-keepAccepted):]
	tmp := fmt.Sprintf("%s.%d", a.file, os.Getpid())
	if err := os.WriteFile(tmp, []byte(strings.Join(all, "\n")+"\n"), 0o644); err != nil {
		return fmt.Errorf("note what is accepted: %w", err)
	}
	if err := os.Rename(tmp, a.file); err != nil {
		return errors.Join(fmt.Errorf("note what is accepted: %w", err), os.Remove(tmp))
	}
	return nil
}
