package registry

import (
	"fmt"
	"slices"

	"github.com/twmb/avro"
)

// Level is a compatibility level, in the Confluent registry's words.
type Level string

// The levels. Backward: the new schema reads data of the old one. Forward: the old one reads data of the new one. Full: both. Each
// looks at the latest version, its transitive form at all versions.
const (
	None               Level = "NONE"
	Backward           Level = "BACKWARD"
	BackwardTransitive Level = "BACKWARD_TRANSITIVE"
	Forward            Level = "FORWARD"
	ForwardTransitive  Level = "FORWARD_TRANSITIVE"
	Full               Level = "FULL"
	FullTransitive     Level = "FULL_TRANSITIVE"
)

func (l Level) valid() bool {
	return slices.Contains([]Level{None, Backward, BackwardTransitive, Forward, ForwardTransitive, Full, FullTransitive}, l)
}

func (l Level) transitive() bool {
	return l == BackwardTransitive || l == ForwardTransitive || l == FullTransitive
}

func (l Level) backward() bool {
	return l == Backward || l == BackwardTransitive || l == Full || l == FullTransitive
}

func (l Level) forward() bool {
	return l == Forward || l == ForwardTransitive || l == Full || l == FullTransitive
}

// version is a version of a subject.
type version struct {
	number int
	schema *avro.Schema
}

// check says what keeps next from following olds at this level, in plain words; nothing if it may follow.
func (l Level) check(next *avro.Schema, olds []version) []string {
	var problems []string
	for _, old := range olds {
		if l.backward() {
			if err := avro.CheckCompatibility(old.schema, next); err != nil {
				problems = append(problems, fmt.Sprintf("data of version %d cannot be read with the new schema: %v", old.number, err))
			}
		}
		if l.forward() {
			if err := avro.CheckCompatibility(next, old.schema); err != nil {
				problems = append(problems, fmt.Sprintf("data of the new schema cannot be read with version %d: %v", old.number, err))
			}
		}
	}
	return problems
}
