package main

import (
	"go/ast"
	goparser "go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// Whatever the daemon warns of is explained in docs/troubleshooting.md, by the words it uses.
func TestEveryWarningIsExplained(t *testing.T) {
	text, err := os.ReadFile("../../docs/troubleshooting.md")
	if err != nil {
		t.Fatal(err)
	}
	var explained []string
	for _, m := range regexp.MustCompile("`([^`\n]+)`").FindAllStringSubmatch(string(text), -1) {
		if s := strings.TrimSpace(strings.TrimSuffix(m[1], "…")); len(s) > 8 || strings.HasSuffix(s, ":") {
			explained = append(explained, s)
		}
	}
	found := 0
	for _, msg := range warnings(t) {
		found++
		ok := false
		for _, e := range explained {
			ok = ok || strings.HasPrefix(msg, e)
		}
		if !ok {
			t.Errorf("docs/troubleshooting.md does not explain %q", msg)
		}
	}
	if found < 30 {
		t.Errorf("only %d messages were found: does the daemon log in another way now?", found)
	}
}

// warnings returns the messages of all Warn and Error calls on loggers, as far as they are literal.
func warnings(t *testing.T) []string {
	var msgs []string
	for _, root := range []string{".", "../../pkg"} {
		err := filepath.WalkDir(root, func(name string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") || strings.Contains(name, "testkit") {
				return err
			}
			f, err := goparser.ParseFile(token.NewFileSet(), name, nil, 0)
			if err != nil {
				return err
			}
			ast.Inspect(f, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok || len(call.Args) == 0 {
					return true
				}
				sel, ok := call.Fun.(*ast.SelectorExpr)
				if !ok || sel.Sel.Name != "Warn" && sel.Sel.Name != "Error" {
					return true
				}
				if s := leading(call.Args[0]); s != "" {
					msgs = append(msgs, s)
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return msgs
}

// leading returns the literal text that an expression begins with.
func leading(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		s, _ := strconv.Unquote(e.Value)
		return s
	case *ast.BinaryExpr:
		return leading(e.X)
	}
	return ""
}
