package main

import (
	"fmt"
	"slices"
	"strings"

	"ngxtap/pkg/avro"
	"ngxtap/pkg/config"
	"ngxtap/pkg/logformat"
	"ngxtap/pkg/pipeline"
)

// kindsOf returns the types that a site gives to variables.
func kindsOf(types []config.VariableType) (map[string]logformat.Kind, error) {
	kinds := make(map[string]logformat.Kind, len(types))
	for _, t := range types {
		k, err := logformat.ParseType(t.Type)
		if err != nil {
			return nil, fmt.Errorf("the type of $%s: %w", t.Name, err)
		}
		kinds[strings.ToLower(t.Name)] = k
	}
	return kinds, nil
}

// typeFlag is --type NAME=TYPE, which may be given several times.
type typeFlag struct{ types *[]config.VariableType }

// Set implements pflag.Value.
func (f *typeFlag) Set(s string) error {
	name, typ, ok := strings.Cut(s, "=")
	name = strings.ToLower(strings.TrimPrefix(name, "$"))
	if !ok || name == "" {
		return fmt.Errorf("want NAME=TYPE, such as app_ms=long")
	}
	if _, err := logformat.ParseType(typ); err != nil {
		return err
	}
	*f.types = append(*f.types, config.VariableType{Name: name, Type: typ})
	return nil
}

// String implements pflag.Value.
func (f *typeFlag) String() string {
	if f.types == nil {
		return ""
	}
	var all []string
	for _, t := range *f.types {
		all = append(all, t.Name+"="+t.Type)
	}
	return strings.Join(all, ",")
}

// Type implements pflag.Value.
func (f *typeFlag) Type() string { return "NAME=TYPE" }

// encodes tells why no encoder can be made for a format, before a line of it comes: a type that would let a secret out.
func encodes(f *pipeline.Format, s *config.Site) error {
	secrets, err := avro.NewSecrets(avro.Rules{Mode: avro.SecretDrop, Keep: s.Headers.Keep, KeepCookies: s.Headers.Cookies.Keep}) // what is secret does not depend on what becomes of it
	if err == nil {
		_, err = avro.NewEncoder(f.LogFormat(), f.Event(), avro.Options{Secrets: secrets})
	}
	return err
}

// typesAreUsed is an error of usage if --type names a variable that the formats lack.
func typesAreUsed(s *config.Site, formats []*pipeline.Format) error {
	if idle := idleTypes(s.AccessLog.Types, formats); len(idle) > 0 {
		return &exitError{exitUsage, fmt.Errorf("--type: the log_format has no %s", strings.Join(idle, ", "))}
	}
	return nil
}

// idleTypes returns the variables that have a type but stand in none of the formats: most likely a slip of the pen.
func idleTypes(types []config.VariableType, formats []*pipeline.Format) []string {
	var idle []string
	for _, t := range types {
		if !slices.ContainsFunc(formats, func(f *pipeline.Format) bool {
			return slices.ContainsFunc(f.LogFormat().Columns(), func(c logformat.Column) bool { return c.Name == t.Name })
		}) {
			idle = append(idle, "$"+t.Name)
		}
	}
	return idle
}
