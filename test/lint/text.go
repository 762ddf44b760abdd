package main

import (
	"bytes"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// machinePath is a path that exists on one machine only. It is one only at the start of a path, so that a URL's path is none.
var machinePath = regexp.MustCompile(`(?:^|[^A-Za-z0-9_.$~}/-])(/(?:work|root|home)/[A-Za-z0-9_.-]+)`)

// registryHost is a host that packages are fetched from: which one, is the business of whoever builds.
var registryHost = regexp.MustCompile(`(?i)\b(proxy\.golang\.org|sum\.golang\.org|goproxy\.(?:io|cn)|registry\.npmjs\.org|pypi\.org|` +
	`files\.pythonhosted\.org|(?:index\.|static\.)?crates\.io|repo1?\.maven(?:\.apache)?\.org|rubygems\.org|[a-z0-9.-]*artifactory[a-z0-9.-]*\.[a-z]+)\b`)

// checkText checks a text file for what belongs to one machine. Files under testdata may name any path: a log has what clients sent.
func checkText(name string, b []byte) []violation {
	if bytes.IndexByte(b, 0) >= 0 || !utf8.Valid(b) {
		return nil // not text
	}
	inTestdata := slices.Contains(strings.Split(path.Dir(name), "/"), "testdata")
	var vs []violation
	n := 0
	for line := range bytes.SplitSeq(b, []byte("\n")) {
		n++
		if m := machinePath.FindSubmatch(line); m != nil && !inTestdata {
			vs = append(vs, violation{name, n, fmt.Sprintf("the path %s exists on one machine only", m[1])})
		}
		if m := registryHost.FindSubmatch(line); m != nil {
			vs = append(vs, violation{name, n, fmt.Sprintf("names the package registry %s: leave that to whoever builds", m[1])})
		}
	}
	return vs
}

// packageFolder is the name of a Go package's folder.
var packageFolder = regexp.MustCompile(`^[a-z][a-z0-9]*$`)

// checkFolders checks the names of folders, once for each, at its first file.
func checkFolders(files []string) []violation {
	var vs []violation
	seen := map[string]bool{}
	for _, name := range files {
		top, rest, nested := strings.Cut(name, "/")
		if !nested || strings.HasPrefix(top, ".") || skipped(name) {
			continue
		}
		if !slices.Contains(topFolders, top) && !seen[top] {
			seen[top] = true
			vs = append(vs, violation{name, 1, fmt.Sprintf("the root has no folder %s: its folders are %s", top, strings.Join(topFolders, ", "))})
		}
		dir := path.Dir(name)
		if seen[dir] || !strings.HasSuffix(name, ".go") || strings.Contains(rest, "testdata/") {
			continue
		}
		seen[dir] = true
		if base := path.Base(dir); !packageFolder.MatchString(base) {
			vs = append(vs, violation{name, 1, fmt.Sprintf("folder %s: a package's folder is lower-case letters and digits", base)})
		}
		if top == "pkg" && mayImport[room(dir)] == nil {
			vs = append(vs, violation{name, 1, fmt.Sprintf("%s is none of the rooms in pkg/DESIGN.md: add it there and to rules.go of test/lint", dir)})
		}
	}
	return vs
}
