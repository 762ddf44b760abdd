// Command gen makes what is made of the comments and tags of the structs in pkg/config. `make generate` runs it twice: `gen docs` puts
// the comments into the Go file keydocs.go, so that the program knows them; `gen files ROOT`, built with that, writes the commented examples,
// the JSON Schemas and the reference below ROOT.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"ngxtap/pkg/config"
	"ngxtap/pkg/config/render"
)

// docsFile is the file that `gen docs` writes into the folder it runs in.
const docsFile = "keydocs.go"

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 1 && args[0] == "docs":
		docs, err := keyDocs(".")
		if err != nil {
			return err
		}
		src, err := docsSource(docs)
		if err != nil {
			return err
		}
		return os.WriteFile(docsFile, src, 0o644)
	case len(args) == 2 && args[0] == "files":
		for name, text := range files() {
			path := filepath.Join(args[1], name)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				return err
			}
			if err := os.WriteFile(path, text, 0o644); err != nil {
				return err
			}
		}
		return nil
	}
	return fmt.Errorf("want `gen docs` or `gen files ROOT`, not %q", args)
}

// files are the generated files by their names below the root of the project.
func files() map[string][]byte {
	return map[string][]byte{
		"configs/ngxtap.yaml":               render.Example(config.DaemonFile),
		"configs/sites.d/shop.yaml.example": render.Example(config.SiteFile),
		"configs/schema/ngxtap.schema.json": render.JSONSchema(config.DaemonFile),
		"configs/schema/site.schema.json":   render.JSONSchema(config.SiteFile),
		"docs/configuration.md":             render.Reference(),
	}
}
