package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"ngxtap/pkg/config"
	"ngxtap/pkg/schema"
)

func (a *app) schemaCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "schema",
		Short: "Look at the Avro schema of a log_format, and at what a change of it means",
		Long: `Print the Avro schema that a log_format gives (show), compare two schemas (diff), say what an edit of nginx.conf would break (check), list the
changes that were noticed (history), and let one through that was held back (accept).`,
		Example: `  ngxtap schema show --nginx-conf /etc/nginx/nginx.conf --format main --site shop
  ngxtap schema check --nginx-conf new/nginx.conf --against-conf old/nginx.conf
  ngxtap schema history --site shop`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	s := config.SiteDefaults("site")
	show := &cobra.Command{
		Use:   "show --nginx-conf FILE [--format NAME]",
		Short: "Print the Avro schema derived from a log_format",
		Long: `Print the Avro schema of the events that lines of a log_format become: a record with the envelope, a field for each variable, and maps for
the headers, each with a sentence on what it means.`,
		Example: `  ngxtap schema show --nginx-conf /etc/nginx/nginx.conf --format main --site shop`,
		Args:    cobra.NoArgs,
		RunE:    func(*cobra.Command, []string) error { return failed(a.schemaShow(&s)) },
	}
	formatFlags(show, &s)
	cmd.AddCommand(show, a.schemaDiffCmd(), a.schemaCheckCmd(), a.schemaHistoryCmd(), a.schemaAcceptCmd())
	return cmd
}

func (a *app) schemaDiffCmd() *cobra.Command {
	var asJSON bool
	diff := &cobra.Command{
		Use:   "diff OLD NEW",
		Short: "Say what changed between two Avro schemas, and which programs it breaks",
		Long: `diff compares two files with Avro schemas (- is stdin) by the resolution rules of the Avro specification, and prints the class of
the change and a sentence on each difference. The classes:

` + classHelp() + `
Exit code: 0 unless the change is breaking, 1 if it is, 2 if a file can't be read or holds no valid schema.`,
		Example: `  ngxtap schema show --nginx-conf nginx.conf --format main --site shop | ngxtap schema diff registered.avsc -`,
		Args:    cobra.ExactArgs(2),
		RunE:    func(_ *cobra.Command, args []string) error { return a.schemaDiff(args[0], args[1], asJSON) },
	}
	diff.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return diff
}

// classes says what each class of a change means for those who run programs.
var classes = map[schema.Class]string{
	schema.ClassNone:     "the schemas say the same",
	schema.ClassFull:     "programs with either schema read old and new events",
	schema.ClassBackward: "programs with the new schema read old events, but the old schema fails on new ones: update the programs first",
	schema.ClassForward:  "programs with the old schema read new events, but the new schema fails on old ones: update the programs last",
	schema.ClassBreaking: "neither schema reads the events of the other",
}

func classHelp() string {
	var b strings.Builder
	for c := schema.ClassNone; c <= schema.ClassBreaking; c++ {
		fmt.Fprintf(&b, "  %-9s %s\n", c, classes[c])
	}
	return b.String()
}

func (a *app) schemaDiff(oldName, newName string, asJSON bool) error {
	if oldName == "-" && newName == "-" {
		return errors.New("OLD and NEW can't both be stdin")
	}
	old, err := a.readSchema(oldName)
	if err != nil {
		return err
	}
	new, err := a.readSchema(newName)
	if err != nil {
		return err
	}
	change, err := schema.Compare(old, new)
	if err != nil {
		return fmt.Errorf("%s and %s: %w", oldName, newName, err)
	}
	if asJSON {
		e := json.NewEncoder(a.out)
		e.SetEscapeHTML(false)
		err = e.Encode(change)
	} else {
		err = printChange(a.out, change)
	}
	if err != nil {
		return failed(err)
	}
	if change.Class == schema.ClassBreaking {
		return &exitError{code: exitFailed} // all has been said
	}
	return nil
}

// readSchema returns what a file holds, or stdin for -.
func (a *app) readSchema(name string) (string, error) {
	if name == "-" {
		b, err := io.ReadAll(a.in)
		return string(b), err
	}
	b, err := os.ReadFile(name)
	return string(b), err
}

func printChange(w io.Writer, c *schema.Change) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s: %s\n", c.Class, classes[c.Class])
	if c.MeaningChanges() {
		b.WriteString("beware: some values mean something else than before, which no registry notices\n")
	}
	for _, d := range c.Diffs {
		fmt.Fprintf(&b, "  %-8s %-8s %s\n", d.Kind, d.Class, oneLine(d.Text))
	}
	_, err := w.Write(b.Bytes())
	return err
}

func (a *app) schemaShow(s *config.Site) error {
	formats, _, err := formatsOf(s)
	if err != nil {
		return configError(err)
	}
	if err := typesAreUsed(s, formats); err != nil {
		return err
	}
	var out bytes.Buffer
	if err := json.Indent(&out, []byte(formats[0].Schema()), "", "  "); err != nil {
		return fmt.Errorf("print the schema: %w", err)
	}
	out.WriteByte('\n')
	_, err = a.out.Write(out.Bytes())
	return err
}
