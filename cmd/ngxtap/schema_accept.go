package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"ngxtap/pkg/config"
	"ngxtap/pkg/pipeline"
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
	s, err := siteNamed(cfg, name)
	if err != nil {
		return err
	}
	acc := newAcceptance(cfg.StateDir, name, a.logger())
	formats, _, err := formatsOf(s)
	if err != nil && len(args) == 0 {
		return configError(err)
	}
	var said []string
	var fps []uint64
	for _, arg := range args {
		fp, err := strconv.ParseUint(arg, 16, 64)
		if err != nil || len(arg) != 16 {
			return &exitError{exitUsage, fmt.Errorf("%q is no fingerprint of a schema: give the 16 hexadecimal digits that the log, /healthz or "+
				"`ngxtap schema history` shows", arg)}
		}
		text := "schema " + arg
		if !slices.ContainsFunc(formats, func(f *pipeline.Format) bool { return f.Fingerprint() == fp }) {
			text += ", which is of no format that nginx.conf has now: of an earlier one, or of one to come"
		}
		fps, said = append(fps, fp), append(said, text)
	}
	if len(args) == 0 {
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
type acceptance struct {
	file string
	log  *slog.Logger
	said string // why it can't be read, which has been said
}

func newAcceptance(stateDir, site string, log *slog.Logger) *acceptance {
	return &acceptance{file: filepath.Join(stateDir, "accepted-"+site), log: log}
}

// has reports whether a schema was accepted. It is called by one goroutine at a time.
func (a *acceptance) has(fp uint64) bool {
	all, err := a.read()
	if err != nil && a.said != err.Error() {
		a.said = err.Error()
		a.log.Error("what was accepted can't be read; make it readable for this user, or accept it again", "error", err)
	}
	return slices.Contains(all, fmt.Sprintf("%016x", fp))
}

func (a *acceptance) read() ([]string, error) {
	text, err := os.ReadFile(a.file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return strings.Fields(string(text)), err
}

// keepAccepted is how many decisions are kept; the oldest go first.
const keepAccepted = 100

// add notes that schemas are accepted. The file is replaced as a whole.
func (a *acceptance) add(fps []uint64) error {
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
	err = os.Chmod(tmp, 0o644) // whatever the umask is: the daemon may be another user
	if err == nil {
		err = os.Rename(tmp, a.file)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("note what is accepted: %w", err), os.Remove(tmp))
	}
	return nil
}
