package schema

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// Class says which programs survive a change of schema, in the words of the Avro specification and the registries.
type Class int

// The classes. A program reads events with the schema that it was built for (its reader schema); an event was written with the
// schema of its time (its writer schema).
const (
	ClassNone     Class = iota // nothing that a reader or a person could tell apart has changed
	ClassFull                  // each schema reads the events of the other
	ClassBackward              // the new schema reads old events, the old one fails on new events: update programs first
	ClassForward               // the old schema reads new events, the new one fails on old events: update programs last
	ClassBreaking              // neither reads the events of the other
)

var classNames = []string{"none", "full", "backward", "forward", "breaking"}

// String returns the name of the class in lower case.
func (c Class) String() string {
	if c < 0 || int(c) >= len(classNames) {
		return fmt.Sprintf("Class(%d)", int(c))
	}
	return classNames[c]
}

// ParseClass returns the class of a name such as "backward".
func ParseClass(name string) (Class, error) {
	if i := slices.Index(classNames, name); i >= 0 {
		return Class(i), nil
	}
	return 0, fmt.Errorf("class %q: must be none, full, backward, forward or breaking", name)
}

// MarshalText writes the name of the class.
func (c Class) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText is ParseClass.
func (c *Class) UnmarshalText(text []byte) error {
	parsed, err := ParseClass(string(text))
	if err == nil {
		*c = parsed
	}
	return err
}

// classOf returns the class of a change by who reads what: backward if the new schema reads old events, forward if the old one
// reads new events.
func classOf(backward, forward bool) Class {
	switch {
	case backward && forward:
		return ClassFull
	case backward:
		return ClassBackward
	case forward:
		return ClassForward
	}
	return ClassBreaking
}

// and returns the class of two changes together.
func (c Class) and(other Class) Class {
	if c == ClassNone || other == ClassNone {
		return max(c, other)
	}
	return classOf(c.backward() && other.backward(), c.forward() && other.forward())
}

// backward tells whether the new schema reads old events, forward whether the old schema reads new ones.
func (c Class) backward() bool { return c != ClassForward && c != ClassBreaking }
func (c Class) forward() bool  { return c != ClassBackward && c != ClassBreaking }

// Kind says what a Diff is about.
type Kind string

// The kinds of differences.
const (
	KindAdded   Kind = "added"   // a field, an alternative of a union, a value of an enum
	KindRemoved Kind = "removed" // likewise
	KindType    Kind = "type"    // another type, logical type or size, or another order of fields, alternatives or values
	KindDefault Kind = "default" // of a field or an enum; Old or New is empty where there is none
	KindRenamed Kind = "renamed" // a field or a type has another name or other aliases
	KindDoc     Kind = "doc"     // words for people only
)

// Diff is one difference between two schemas.
type Diff struct {
	// Path is where: fields joined by dots, [] for the items of an array, {} for the values of a map, |NAME for a branch of a union
	// of several types; "." is the whole schema. It is that of the new schema, and of the old one for what was removed. A type that
	// is used in several places is compared at the first.
	Path string `json:"path"`
	Kind Kind   `json:"kind"`
	Old  string `json:"old,omitempty"`
	New  string `json:"new,omitempty"`
	// Class is what this difference makes of the change: at best full.
	Class Class `json:"class"`
	// Meaning says that the bytes are read as before and yet mean something else, such as microseconds instead of milliseconds. The
	// specification and the registries call that compatible; a program that goes by the numbers is wrong by a factor.
	Meaning bool `json:"meaning_changes,omitempty"`
	// Text says it all in a sentence for an operator.
	Text string `json:"text"`
}

// Change is what Compare found.
type Change struct {
	Class Class  `json:"class"`
	Diffs []Diff `json:"diffs"` // by path, then kind; never nil
}

// MeaningChanges tells whether the meaning of any value changed; see Diff.Meaning.
func (c *Change) MeaningChanges() bool {
	return slices.ContainsFunc(c.Diffs, func(d Diff) bool { return d.Meaning })
}

// Compare says what changed from the Avro schema old to the Avro schema new, both JSON, and who can read what, by the resolution
// rules of the Avro specification 1.12. An error names the schema and the place that is not valid; schemas that are made to
// exhaust a comparison are an error too. docs/schema-changes.md tells what the specification leaves open and how it is decided here.
//
// The class is that of all diffs together, and None exactly if there are none.
func Compare(old, new string) (*Change, error) {
	o, err := parseSchema(old)
	if err != nil {
		return nil, fmt.Errorf("compare schemas: the old schema: %w", err)
	}
	n, err := parseSchema(new)
	if err != nil {
		return nil, fmt.Errorf("compare schemas: the new schema: %w", err)
	}
	c := &comparison{steps: maxSteps, seen: map[pair]direction{}}
	backward, forward := c.read(n, o), c.read(o, n)
	c.walk(o, n, "", toNew|toOld, 0)
	c.unexplained(backward, forward)
	if c.steps < 0 {
		return nil, errors.New("compare schemas: the schemas are too large or too entangled to compare")
	}
	change := &Change{Diffs: c.diffs}
	if len(c.diffs) == 0 {
		change.Diffs = []Diff{}
		return change, nil
	}
	change.Class = classOf(backward == nil, forward == nil)
	slices.SortStableFunc(c.diffs, func(a, b Diff) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Old, b.Old), cmp.Compare(a.New, b.New))
	})
	return change, nil
}

// maxSteps bounds the work of a comparison: far more than any real schema needs, and about a second.
const maxSteps = 2_000_000

// comparison is the work of one Compare.
type comparison struct {
	steps int // left; below zero nothing that was found counts
	diffs []Diff
	seen  map[pair]direction // pairs of records that walk went through, and for which readers
}

// pair is two records: the reader's and the writer's, or the old and the new one.
type pair struct{ a, b *node }

// unexplained adds a diff for a failure to read that no diff owns up to. Aliases that cross each other can do that: what the
// diffs pair by name is not what a reader pairs.
func (c *comparison) unexplained(backward, forward *failure) {
	owned := ClassNone
	for _, d := range c.diffs {
		owned = owned.and(d.Class)
	}
	if backward != nil && owned.backward() {
		c.diffs = append(c.diffs, Diff{Path: backward.path, Kind: KindType, Class: ClassForward,
			Text: backward.why + consequence(KindType, ClassForward, false)})
	}
	if forward != nil && owned.forward() {
		c.diffs = append(c.diffs, Diff{Path: forward.path, Kind: KindType, Class: ClassBackward,
			Text: forward.why + consequence(KindType, ClassBackward, false)})
	}
}
