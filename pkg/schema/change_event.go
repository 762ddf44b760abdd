package schema

// ChangeSource says where a change was noticed.
type ChangeSource string

// The sources of changes.
const (
	FromConfiguration ChangeSource = "configuration" // nginx.conf, a file it includes, or the site's own file
	FromRegistry      ChangeSource = "registry"      // the registry refuses a schema
	FromData          ChangeSource = "data"          // what the lines hold
)

// Action is what a site does about a change.
type Action string

// The actions: the policies of on_change, and Notice where there is nothing to do.
const (
	Evolve         Action = "evolve"     // register the schema and go on
	QuarantineThem Action = "quarantine" // go on; the lines that the change is about are kept in quarantine
	Hold           Action = "hold"       // stop the site at the first such line; the log file is the queue
	Notice         Action = "notice"     // nothing but telling
)

// ChangeEvent is one detected change of a site: a record of SchemaChange. The encoder of it is in pkg/avro.
type ChangeEvent struct {
	Time   int64 // when it was noticed, microseconds since the Unix epoch
	Site   string
	Host   string // the instance that noticed it
	ID     string // of this change; two records with one ID are one change
	Source ChangeSource
	Class  Class
	Action Action
	Format string  // name of the log_format; empty if it is about no single one
	Where  string  // file:line of the new definition; empty where there is none
	Text   string  // the change in one sentence
	Old    *Writer // before; nil: there was none
	New    *Writer // after; nil: there is none any more
	Diffs  []Diff
	File   string // generation id of the file whose line showed it, empty if no line did
	Offset int64  // of that line, -1 if no line did
}

// Writer is a log_format and the schema derived from it.
type Writer struct {
	LogFormat   string // the text of the directive
	Escape      string
	Schema      string // JSON
	Fingerprint uint64 // CRC-64-AVRO of Schema
}

// SchemaChange is the Avro schema of a record of the topic ngxtap.schema-changes. It is the same for every site, and may only change
// in ways that the FULL compatibility level allows.
const SchemaChange = `{"type":"record","name":"SchemaChange","namespace":"ngxtap",` +
	`"doc":"A change of the format or of the data of an access log, noticed once by each host that reads it.","fields":[` +
	`{"name":"event_time","type":{"type":"long","logicalType":"timestamp-micros"},"doc":"When it was noticed."},` +
	`{"name":"site","type":"string","doc":"The site whose events change."},` +
	`{"name":"host","type":"string","doc":"The instance that noticed it."},` +
	`{"name":"id","type":"string","doc":"Two records with one id are one change."},` +
	`{"name":"source","type":"string","doc":"Where it was noticed: configuration, registry or data."},` +
	`{"name":"class","type":"string","doc":"none, full, backward, forward or breaking, as the registries use the words."},` +
	`{"name":"action","type":"string","doc":"What the site does: evolve, quarantine, hold, or notice where there is nothing to do."},` +
	`{"name":"format","type":"string","doc":"Name of the log_format, empty if it is about no single one."},` +
	`{"name":"defined_at","type":["null","string"],"doc":"File and line of the new log_format.","default":null},` +
	`{"name":"text","type":"string","doc":"The change in one sentence."},` +
	`{"name":"old","type":["null",{"type":"record","name":"Writer","doc":"A log_format and the schema derived from it.","fields":[` +
	`{"name":"log_format","type":"string","doc":"The text of the directive."},` +
	`{"name":"escape","type":"string","doc":"Its escape mode."},` +
	`{"name":"schema","type":"string","doc":"The Avro schema of its events, JSON."},` +
	`{"name":"fingerprint","type":"string","doc":"CRC-64-AVRO of the schema, 16 hexadecimal digits."}]}],` +
	`"doc":"Before; null if there was none.","default":null},` +
	`{"name":"new","type":["null","Writer"],"doc":"After; null if there is none any more.","default":null},` +
	`{"name":"diffs","type":{"type":"array","items":{"type":"record","name":"Diff","doc":"One difference.","fields":[` +
	`{"name":"path","type":"string","doc":"The field, or what of it."},` +
	`{"name":"kind","type":"string","doc":"added, removed, type, default, renamed, doc, or what data does: misfit, rejects."},` +
	`{"name":"class","type":"string","doc":"The class of this difference alone."},` +
	`{"name":"old","type":"string","doc":"Before, empty if there was nothing."},` +
	`{"name":"new","type":"string","doc":"After, empty if there is nothing."},` +
	`{"name":"meaning_changes","type":"boolean","doc":"The same bytes mean something else; no registry notices."},` +
	`{"name":"text","type":"string","doc":"The difference in one sentence."}]}},"doc":"The differences.","default":[]},` +
	`{"name":"file","type":["null","string"],"doc":"Generation id of the file whose line showed it.","default":null},` +
	`{"name":"offset","type":["null","long"],"doc":"Byte offset of that line.","default":null}]}`
