// Package failpoint names the places at which tests kill the program, so that a crash there can be repeated.
//
// The promise: a build without the tag "failpoint" has nothing of it: Hit is empty and is compiled away. With the tag, the
// environment variable NGXTAP_FAILPOINT says where and how: POINT:N:ACTION does ACTION the Nth time that POINT is reached. ACTION is
// kill (as kill -9 does) or stop (as kill -STOP does). Several are separated by commas. A value that makes no sense ends the program
// at once, so that no test runs without the fault it asked for.
package failpoint

// Point is a place in the life of a site.
type Point string

// The points, in the order in which a session passes them.
const (
	SchemaReady   Point = "K13" // the schemas are registered, no record is written yet
	StateRead     Point = "K11" // while the state partition is read
	ProducerID    Point = "K10" // in the loop that asks for a producer id
	Opened        Point = "K0"  // the log files are open at the committed position
	BlockRead     Point = "K1"  // a block was read
	TxnBegun      Point = "K2"  // partitions were taken into the transaction
	BatchSent     Point = "K3"  // a produce request was written, others may follow
	AllSent       Point = "K4"  // the state record was sent after everything else, nothing of it is confirmed yet
	StateAcked    Point = "K5"  // everything is confirmed, EndTxn is not sent
	TxnEnded      Point = "K6"  // the coordinator has ended the transaction, nobody here knows yet
	Committed     Point = "K7"  // committed, the local hint is not written
	HintWriting   Point = "K8"  // the new hint is half written
	HintWritten   Point = "K9"  // the hint has its name, the folder is not synced
	FileFinished  Point = "K12" // a rotated file is read to its end, the next one is not looked at yet
	ShuttingDown  Point = "K14" // a stop was asked for, the last commit is not made
	ReleasingSite Point = "K15" // the last commit is made, the site is not released
)

// Points lists all of them.
var Points = []Point{SchemaReady, StateRead, ProducerID, Opened, BlockRead, TxnBegun, BatchSent, AllSent, StateAcked, TxnEnded, Committed,
	HintWriting, HintWritten, FileFinished, ShuttingDown, ReleasingSite}
