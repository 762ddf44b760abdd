package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
	"path"
	"slices"
	"strconv"
	"strings"
)

// checkGo checks one Go file.
func checkGo(name string, src []byte) []violation {
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, name, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		if list, ok := err.(scanner.ErrorList); ok && len(list) > 0 {
			return []violation{{name, list[0].Pos.Line, list[0].Msg}}
		}
		return []violation{{name, 1, err.Error()}}
	}
	c := &goFile{name: name, fset: fset, f: f}
	c.checkImports()
	c.checkLength(src)
	if !c.isTest() {
		c.checkDocs()
	}
	return c.found
}

// goFile is a Go file being checked.
type goFile struct {
	name  string
	fset  *token.FileSet
	f     *ast.File
	found []violation
}

func (c *goFile) isTest() bool { return strings.HasSuffix(c.name, "_test.go") }

func (c *goFile) report(pos token.Pos, format string, args ...any) {
	c.found = append(c.found, violation{c.name, c.fset.Position(pos).Line, fmt.Sprintf(format, args...)})
}

// checkImports checks the direction of imports. Test files, and all of test/, may import what they like.
func (c *goFile) checkImports() {
	from := room(path.Dir(c.name))
	if c.isTest() || from == "test" {
		return
	}
	for _, spec := range c.f.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue // the parser has refused it
		}
		if ours, ok := strings.CutPrefix(imported, module+"/"); ok {
			c.checkOurs(spec.Pos(), from, ours)
			continue
		}
		for _, r := range onlyIn {
			if within(imported, r.module) && !slices.Contains(r.rooms, from) {
				c.report(spec.Pos(), "%s must not import %s: %s", from, imported, r.why)
			}
		}
	}
}

// checkOurs checks the import of one of our packages.
func (c *goFile) checkOurs(pos token.Pos, from, imported string) {
	to := room(imported)
	if slices.Contains(testsOnly, to) && !within(path.Dir(c.name), to) {
		c.report(pos, "%s must not import %s: it is for test files and test/", from, imported)
		return
	}
	allowed, known := mayImport[from]
	switch {
	case !known:
		c.report(pos, "%s is not in the table of imports: see rules.go of test/lint and the folders in pkg/DESIGN.md", from)
	case to == "cmd" || to == "test":
		c.report(pos, "%s must not import %s: nothing imports it", from, imported)
	case within(imported, from) || slices.Contains(allowed, everything) || slices.Contains(allowed, to):
	default:
		c.report(pos, "%s must not import %s: imports go one way, see pkg/DESIGN.md", from, imported)
	}
}

// within says whether a path is dir or below it.
func within(p, dir string) bool { return p == dir || strings.HasPrefix(p, dir+"/") }

// checkLength checks the number of lines.
func (c *goFile) checkLength(src []byte) {
	lines := strings.Count(string(src), "\n")
	if lines <= maxLines {
		return
	}
	for _, group := range c.f.Comments {
		for _, comment := range group.List {
			if strings.HasPrefix(comment.Text, longNotice) {
				return
			}
		}
	}
	c.report(c.f.Package, "%d lines, at most %d: split the file, or say why not in a comment that starts with %q", lines, maxLines, longNotice)
}

// checkDocs checks that exported names have comments.
func (c *goFile) checkDocs() {
	for _, decl := range c.f.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			if d.Name.IsExported() && exportedReceiver(d) && d.Doc == nil {
				c.report(d.Pos(), "func %s has no comment", d.Name.Name)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				c.checkSpec(d, spec)
			}
		}
	}
}

// checkSpec checks a type, or the constants or variables of one line. A comment on a group speaks for its constants and variables.
func (c *goFile) checkSpec(d *ast.GenDecl, spec ast.Spec) {
	switch s := spec.(type) {
	case *ast.TypeSpec:
		if s.Name.IsExported() && s.Doc == nil && (d.Doc == nil || d.Lparen.IsValid()) {
			c.report(s.Pos(), "type %s has no comment", s.Name.Name)
		}
	case *ast.ValueSpec:
		for _, n := range s.Names {
			if n.IsExported() && s.Doc == nil && s.Comment == nil && d.Doc == nil {
				c.report(n.Pos(), "%s %s has no comment", d.Tok, n.Name)
			}
		}
	}
}

// exportedReceiver says whether the function is none of a type that nobody outside can name.
func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	t := d.Recv.List[0].Type
	if star, ok := t.(*ast.StarExpr); ok {
		t = star.X
	}
	if index, ok := t.(*ast.IndexExpr); ok {
		t = index.X
	}
	id, ok := t.(*ast.Ident)
	return !ok || id.IsExported()
}
