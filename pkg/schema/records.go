package schema

// QuarantinedLine is the Avro schema of a record of the topic <topic>.quarantine: one line that fits no format of its site. It is
// the same for every site, and may only change in ways that the FULL compatibility level allows. The encoder of it is in pkg/avro.
const QuarantinedLine = quarantinedLine + `,` +
	`{"name":"raw_key","type":["null","string"],"doc":"Id of the key that raw is encrypted with, null where raw is the line itself.","default":null}]}`

// QuarantinedLine1 is what such records were before raw could be encrypted; topics still hold some.
const QuarantinedLine1 = quarantinedLine + `]}`

const quarantinedLine = `{"type":"record","name":"QuarantinedLine","namespace":"ngxtap",` +
	`"doc":"A line of an access log that fits no format of its site.","fields":[` +
	`{"name":"event_time","type":{"type":"long","logicalType":"timestamp-micros"},"doc":"When the line was rejected."},` +
	`{"name":"site","type":"string","doc":"The site whose log holds the line."},` +
	`{"name":"origin","type":` + originType + `,"doc":"Where the line is."},` +
	`{"name":"reason","type":"string","doc":"Why it was rejected, for people; never holds bytes of the line."},` +
	`{"name":"column","type":"int","doc":"Byte offset in the line where it stopped fitting, -1 where that is not known."},` +
	`{"name":"variable","type":["null","string"],"doc":"The Nginx variable whose value did not fit, null at a literal.","default":null},` +
	`{"name":"format","type":"string","doc":"Name of the log_format that was tried last."},` +
	`{"name":"schema_fingerprint","type":"string","doc":"CRC-64-AVRO of the event schema of that format, 16 hexadecimal digits."},` +
	`{"name":"raw","type":"bytes","doc":"The line without its newline, or its head if it is truncated."},` +
	`{"name":"line_length","type":"long","doc":"Length of the whole line in bytes, without its newline, also where it exceeds origin.length."},` +
	`{"name":"raw_sha256","type":["null","bytes"],"doc":"SHA-256 of the whole line where raw is not the whole line.","default":null},` +
	`{"name":"truncated","type":"boolean","doc":"Whether raw holds only the head of the line.","default":false}`

// originType is the record that says which bytes of which file an event came from. (file, offset) identifies an event.
const originType = `{"type":"record","name":"Origin","doc":"Which bytes of which file this came from; (file, offset) is unique.","fields":[` +
	`{"name":"host","type":"string","doc":"The host that read the file."},` +
	`{"name":"file","type":"string","doc":"Generation id of the file, stable across renames and restarts."},` +
	`{"name":"offset","type":"long","doc":"Byte offset of the line in the file."},` +
	`{"name":"length","type":"int","doc":"Length of the raw line in bytes, without its newline."},` +
	`{"name":"crc32c","type":"int","doc":"CRC-32C (Castagnoli) of those bytes; the bits of an unsigned number."}]}`

// QuarantineReplayed is the Avro schema of the other kind of record in <topic>.quarantine: it says which lines of that topic one
// transaction has sent as events after all, and is part of that transaction. The encoder of it is in pkg/avro.
const QuarantineReplayed = `{"type":"record","name":"QuarantineReplayed","namespace":"ngxtap",` +
	`"doc":"Which lines of this quarantine topic were sent as events after all, in the transaction that this record is part of.","fields":[` +
	`{"name":"event_time","type":{"type":"long","logicalType":"timestamp-micros"},"doc":"When they were sent."},` +
	`{"name":"site","type":"string","doc":"The site of these lines."},` +
	`{"name":"host","type":"string","doc":"The host that sent them."},` +
	`{"name":"seq","type":"long","doc":"Number of this record among those of the site, from 1."},` +
	`{"name":"lines","type":"long","doc":"How many lines it is about."},` +
	`{"name":"partitions","type":{"type":"array","items":{"type":"record","name":"ReplayedPartition",` +
	`"doc":"Lines in one partition of this topic.","fields":[` +
	`{"name":"partition","type":"int"},` +
	`{"name":"before","type":"long","doc":"No record of this site before this one names an offset above; -1 for none at all."},` +
	`{"name":"ranges","type":{"type":"array","items":{"type":"record","name":"OffsetRange","fields":[` +
	`{"name":"first","type":"long"},{"name":"count","type":"long"}]}}}]}}}]}`
