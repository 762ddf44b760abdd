package schema

import "fmt"

// SubjectStrategy says under which subject a registry keeps a schema (Confluent's subject name strategies).
type SubjectStrategy uint8

// The strategies.
const (
	TopicName       SubjectStrategy = iota // <topic>-value, the default
	RecordName                             // <namespace>.<record>
	TopicRecordName                        // <topic>-<namespace>.<record>
)

// ParseSubjectStrategy reads a strategy as the configuration spells it; the empty string is TopicName.
func ParseSubjectStrategy(s string) (SubjectStrategy, error) {
	switch s {
	case "", "topic":
		return TopicName, nil
	case "record":
		return RecordName, nil
	case "topic-record":
		return TopicRecordName, nil
	}
	return 0, fmt.Errorf("unknown subject strategy %q: use topic, record or topic-record", s)
}

// String returns the strategy as the configuration spells it.
func (s SubjectStrategy) String() string {
	switch s {
	case RecordName:
		return "record"
	case TopicRecordName:
		return "topic-record"
	}
	return "topic"
}

// Subject returns the subject for values of a topic; record is the full name of the record, which Event.FullName returns.
func (s SubjectStrategy) Subject(topic, record string) string {
	switch s {
	case RecordName:
		return record
	case TopicRecordName:
		return topic + "-" + record
	}
	return topic + "-value"
}
