package main

// module is the path of our module.
const module = "ngxtap"

// everything in a list means that a room may import all of ours.
const everything = "*"

// mayImport says which of our rooms a room may import, itself and what is below it apart. Imports go one way: cmd wires all of them
// together, nothing imports cmd.
var mayImport = map[string][]string{
	"cmd":           {everything},
	"test":          {everything},
	"pkg/pipeline":  {"pkg/tail", "pkg/logformat", "pkg/schema", "pkg/avro", "pkg/sink", "pkg/failpoint"},
	"pkg/avro":      {"pkg/schema", "pkg/logformat"},
	"pkg/schema":    {"pkg/logformat"},
	"pkg/logformat": {},
	"pkg/tail":      {"pkg/failpoint"},
	"pkg/sink":      {},
	"pkg/config":    {},
	"pkg/login":     {},
	"pkg/logrotate": {},
	"pkg/importer":  {},
	"pkg/admin":     {},
	"pkg/embedded":  {},
	"pkg/testkit":   {everything},
	"pkg/failpoint": {},
	// The sinks, and the suite that they pass.
	"pkg/sink/kafka":    {"pkg/sink", "pkg/failpoint", "pkg/login"},
	"pkg/sink/files":    {"pkg/sink"},
	"pkg/sink/sinktest": {"pkg/sink"},
}

// testsOnly are rooms that only test files and test/ may import, whatever mayImport says.
var testsOnly = []string{"pkg/testkit", "pkg/sink/sinktest"}

// onlyIn says in which rooms a module of others may be imported, test files and test/ apart.
var onlyIn = []struct {
	module string // the import path, or its beginning up to a slash
	rooms  []string
	why    string
}{
	{"github.com/IBM/sarama", []string{"pkg/sink/kafka"}, "only pkg/sink/kafka speaks to brokers, so that one package knows how sarama fails"},
	{"github.com/spf13/viper", []string{"pkg/config"}, "only pkg/config reads configuration"},
	{"github.com/hpcloud/tail", nil, "it loses lines at a rotation; it is here to be compared with"},
}

// topFolders are the folders of the root; those that start with a dot are free.
var topFolders = []string{"cmd", "configs", "docs", "examples", "nginx", "pkg", "test", "testdata"}

// House numbers.
const (
	maxLines   = 500 // of a Go file, unless a comment that starts with longNotice says why
	longNotice = "// long:"
)
