package logformat

import (
	"fmt"
	"strings"
)

// checkText refuses what no plan can help.
func (f *Format) checkText(refs []variableRef, o Options) error {
	d := f.def
	if d.Escape == EscapeNone {
		if !o.TrustUnescaped {
			return fmt.Errorf("%sescape=none lets any client forge lines and columns of this log; use escape=default or escape=json, "+
				"or say trust_unescaped: true (--trust-unescaped) if no client can reach it", place(d))
		}
		f.warn("escape=none: a client can forge lines and columns; only lines that can be read in exactly one way are taken")
	}
	for i, l := range f.literals {
		if strings.Contains(l, "\n") {
			return at(d, f.literalOffset(refs, i), "a line feed in the format splits each entry into two lines; take it out")
		}
		if l == "" && i > 0 && i < len(refs) {
			return at(d, refs[i].at, "nothing between $%s and $%s, so nothing shows where the first ends; put a separator between them",
				refs[i-1].name, refs[i].name)
		}
	}
	return f.checkProse(refs)
}

// literalOffset returns the offset of literal i in the text.
func (f *Format) literalOffset(refs []variableRef, i int) int {
	if i == len(refs) {
		return len(f.def.Text) - len(f.literals[i])
	}
	return refs[i].at - len(f.literals[i])
}

// checkProse refuses two texts that usually hold spaces and have only weak separators between them, for then most lines can be read
// in several ways. Words and other texts between the two do not help; a number or a time does, in most lines.
func (f *Format) checkProse(refs []variableRef) error {
	first := -1 // the text that is not yet separated from what follows
	for i, c := range f.columns {
		set := valueBytes(Text, f.def.Escape)
		if _, closed := f.firstOutside(f.literals[i], &set); closed || isDistinct(f.literals[i]) {
			first = -1
		}
		switch {
		case c.Kind != Token && !isText(c.Kind):
			first = -1
		case isProse(c.Variable) && first >= 0:
			return at(f.def, refs[i].at, "$%s and $%s may both hold what stands between them (%q), so nothing shows where the first ends; "+
				"put both in quotes: \"$%s\" \"$%s\"",
				refs[first].name, refs[i].name, f.literals[i], refs[first].name, refs[i].name)
		case isProse(c.Variable):
			first = i
		}
	}
	return nil
}

// isDistinct says whether a separator is rarely found within a text: it has a byte that URLs must encode and prose hardly needs,
// or it is at least three bytes long and not all spaces, as in " ua=".
func isDistinct(literal string) bool {
	return strings.ContainsAny(literal, "|^<>{}[]`") || (len(literal) >= 3 && strings.Trim(literal, " ") != "")
}

// checkPlan refuses what the plan can't carry out, and warns of lines that may be refused.
func (f *Format) checkPlan(refs []variableRef) error {
	for _, o := range f.ops {
		if o.code != opSegment {
			continue
		}
		for i := o.col + 1; i <= o.last; i++ {
			if f.def.Escape != EscapeNone && strings.Contains(f.literals[i], `\`) {
				return at(f.def, refs[i].at, "a backslash in the format before $%s can't be told from an escape in the text before it; "+
					"put the texts in quotes", refs[i].name)
			}
		}
		if o.open > o.col {
			f.warnOpen(&o)
		}
	}
	return nil
}

// warnOpen warns of a run in which some lines can be read in several ways.
func (f *Format) warnOpen(o *op) {
	var names []string
	for _, c := range f.columns[o.col : o.open+1] {
		if isText(c.Kind) && c.Kind != TextList {
			names = append(names, "$"+c.Name)
		}
	}
	if len(names) == 0 {
		return // lists show their own ends, unless a separator looks like theirs
	}
	f.warn(fmt.Sprintf("nothing shows for certain where %s ends; a line that can be read in more than one way is refused: "+
		"put double quotes around it in the format", strings.Join(names, " or ")))
}

// warn adds a warning.
func (f *Format) warn(s string) { f.warnings = append(f.warnings, place(f.def)+s) }
