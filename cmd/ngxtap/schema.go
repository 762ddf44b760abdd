package main

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"ngxtap/pkg/config"
)

func (a *app) schemaCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "schema",
		Short: "Look at the Avro schema of a log_format",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	s := config.SiteDefaults("site")
	show := &cobra.Command{
		Use:     "show --nginx-conf FILE [--format NAME]",
		Short:   "Print the Avro schema derived from a log_format",
		Example: `  ngxtap schema show --nginx-conf /etc/nginx/nginx.conf --format main --site shop`,
		Args:    cobra.NoArgs,
		RunE:    func(*cobra.Command, []string) error { return failed(a.schemaShow(&s)) },
	}
	formatFlags(show, &s)
	cmd.AddCommand(show)
	return cmd
}

func (a *app) schemaShow(s *config.Site) error {
	formats, _, err := formatsOf(s)
	if err != nil {
		return configError(err)
	}
	var out bytes.Buffer
	if err := json.Indent(&out, []byte(formats[0].Schema()), "", "  "); err != nil {
		return fmt.Errorf("print the schema: %w", err)
	}
	out.WriteByte('\n')
	_, err = a.out.Write(out.Bytes())
	return err
}
