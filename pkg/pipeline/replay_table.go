package pipeline

import (
	"cmp"
	"regexp"
	"slices"
)

// Table counts by a text, such as a reason. It stays short, whatever it is given: numbers in the text count as one, and texts that come
// when it is full count as TableRest. The zero value is ready.
type Table struct{ rows map[string]int64 }

// Row is a row of a Table.
type Row struct {
	Text  string
	Count int64
}

// TableRest stands for all texts that had no room in a Table.
const TableRest = "all others"

// tableRows is how many texts a Table holds.
const tableRows = 30

// Add counts one more of text, with "N" for each number in it.
func (t *Table) Add(text string) { t.AddName(withoutNumbers(text)) }

// AddName counts one more of a text whose numbers matter.
func (t *Table) AddName(text string) {
	if t.rows == nil {
		t.rows = map[string]int64{}
	}
	if _, ok := t.rows[text]; !ok && len(t.rows) >= tableRows {
		text = TableRest
	}
	t.rows[text]++
}

// Sum returns how many were added.
func (t *Table) Sum() (n int64) {
	for _, c := range t.rows {
		n += c
	}
	return n
}

// Rows returns the rows, the highest count first and TableRest last.
func (t *Table) Rows() []Row {
	rows := make([]Row, 0, len(t.rows))
	for text, n := range t.rows {
		rows = append(rows, Row{text, n})
	}
	slices.SortFunc(rows, func(a, b Row) int {
		switch TableRest {
		case a.Text:
			return 1
		case b.Text:
			return -1
		}
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Text, b.Text))
	})
	return rows
}

// number is a number that stands alone, or what is in backquotes: a command, which people copy.
var number = regexp.MustCompile("`[^`]*`|\\b0x[0-9A-Fa-f]+\\b|\\b[0-9]+\\b")

func withoutNumbers(s string) string {
	return number.ReplaceAllStringFunc(s, func(n string) string {
		if n[0] == '`' {
			return n
		}
		return "N"
	})
}
