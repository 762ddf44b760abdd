package main

// what is the fixed word for what a finding is about. Scripts know them: they never change their meaning, and docs/check.md says of each what it
// means and what to do. Those that begin with "kafka." and stand not here are in pkg/sink/kafka (check.go).
type what string

const (
	whatUser   what = "user"   // as whom the checks are made
	whatResult what = "result" // nothing is in the way

	whatConfig      what = "config"       // the files of ngxtap
	whatConfigFile  what = "config.file"  // a file in sites.d that is not read
	whatConfigTwice what = "config.twice" // two sites read one file
	whatConfigTypes what = "config.types" // access_log.types for a variable that no format has

	whatState     what = "state"          // state_dir can be written
	whatStateFile what = "state.file"     // a file in state_dir that the user can't use
	whatStateDisk what = "state.disk"     // what state_dir lies on
	whatRunning   what = "state.running"  // a daemon runs with this state_dir
	whatAdmin     what = "admin.listen"   // the admin port
	whatFiles     what = "limits.files"   // open files that are allowed
	whatInotify   what = "limits.inotify" // watches that are allowed
	whatSecret    what = "secrets.file"   // a file that holds a secret and that others may read

	whatFormat    what = "nginx.format"          // nginx.conf and the log_format
	whatNginx     what = "nginx.conf"            // a warning of nginx.conf
	whatKit       what = "nginx.kit"             // the variables that hold all headers
	whatJSON      what = "nginx.json"            // a format that at times is no JSON
	whatSetCookie what = "nginx.set_cookie"      // several Set-Cookie headers
	whatBuffer    what = "nginx.buffer"          // buffer= without flush=
	whatGzip      what = "nginx.gzip"            // Nginx compresses the log
	whatPartial   what = "nginx.partial"         // requests that are not logged
	whatVariables what = "nginx.variables"       // variables in the path of the log
	whatFileCache what = "nginx.open_file_cache" // open_log_file_cache and rotation

	whatLog       what = "log"         // a log file: there, readable, its lines fit
	whatLogName   what = "log.skipped" // something has the name of a log and is not read
	whatLogOwner  what = "log.owner"   // who can write a log
	whatLogFolder what = "log.folder"  // who can write the folder of a log

	whatRotate         what = "logrotate"               // the stanza for a log
	whatRotateRead     what = "logrotate.conf"          // logrotate's configuration can't be read
	whatRotateTwice    what = "logrotate.twice"         // two stanzas for one log
	whatRotateTruncate what = "logrotate.copytruncate"  // lines are lost by nature
	whatRotateCopy     what = "logrotate.copy"          // the log is copied, not renamed
	whatRotateSignal   what = "logrotate.postrotate"    // nobody tells Nginx
	whatRotateCompress what = "logrotate.delaycompress" // compressed too early, or so that it can't be read
	whatRotateOlddir   what = "logrotate.olddir"        // moved to where ngxtap does not look
	whatRotateKeep     what = "logrotate.rotate"        // how long an outage may last
	whatRotateShred    what = "logrotate.shred"         // overwritten before it is deleted
	whatRotateCreate   what = "logrotate.create"        // the next log can't be read
	whatRotateFolder   what = "logrotate.su"            // logrotate refuses the folder

	whatKafka       what = "kafka"               // kafka.* of the configuration
	whatKafkaTLS    what = "kafka.tls"           // the brokers' certificates
	whatKafkaClient what = "kafka.tls.client"    // our certificate for them
	whatKafkaCA     what = "kafka.tls.ca"        // the certificates that we trust
	whatRegistry    what = "registry"            // the registry answers, and takes the schemas
	whatRegTLS      what = "registry.tls"        // its certificate
	whatRegClient   what = "registry.tls.client" // our certificate for it
	whatRegCA       what = "registry.tls.ca"     // the certificates that we trust
	whatRegLevel    what = "registry.level"      // its compatibility level and on_change
	whatRegMode     what = "registry.mode"       // it takes no new schemas
	whatRegRefused  what = "registry.refused"    // a schema that it would not take
)
