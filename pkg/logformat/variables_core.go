package logformat

// Modules that define several variables or families.
const (
	moduleCore     = "ngx_http_core_module"
	moduleLog      = "ngx_http_log_module"
	moduleUpstream = "ngx_http_upstream_module"
	moduleSSL      = "ngx_http_ssl_module"
	moduleJWT      = "ngx_http_auth_jwt_module"
)

// moduleVariables is the variables of one module.
type moduleVariables struct {
	module    string
	variables []Variable // Module is left empty here; LookupVariable sets it
}

// variableTable is every variable of the modules of Nginx, from their sources and the index of variables in its documentation.
//
// A kind other than Text is a promise about bytes: a value that breaks it makes its line a misfit. So a variable is Text wherever
// a client can put other bytes into it, even where it should be a number ($content_length) or one word ($request_method: over
// HTTP/2 a bad one is refused, but logged).
var variableTable = []moduleVariables{
	{moduleLog, logVariables},
	{moduleCore, coreVariables},
	{moduleUpstream, upstreamVariables},
	{moduleSSL, sslVariables},
	{"ngxtap", kitVariables},
	{"ngx_http_proxy_module", proxyVariables},
	{"ngx_http_fastcgi_module", fastcgiVariables},
	{"ngx_http_memcached_module", memcachedVariables},
	{"ngx_http_gzip_module", gzipVariables},
	{"ngx_http_realip_module", realipVariables},
	{"ngx_http_geoip_module", geoipVariables},
	{"ngx_http_v2_module", v2Variables},
	{"ngx_http_v3_module", v3Variables},
	{"ngx_http_spdy_module", spdyVariables},
	{"ngx_http_limit_conn_module", limitConnVariables},
	{"ngx_http_limit_req_module", limitReqVariables},
	{"ngx_http_stub_status_module", stubStatusVariables},
	{"ngx_http_userid_module", useridVariables},
	{"ngx_http_referer_module", refererVariables},
	{"ngx_http_secure_link_module", secureLinkVariables},
	{"ngx_http_slice_module", sliceVariables},
	{"ngx_http_browser_module", browserVariables},
	{"ngx_http_ssi_module", ssiVariables},
	{"ngx_http_session_log_module", sessionLogVariables},
	{"ngx_http_hls_module", hlsVariables},
	{"ngx_http_oidc_module", oidcVariables},
	{"ngx_http_acme_module", acmeVariables},
	{"ngx_otel_module", otelVariables},
}

// logVariables are printed by the log module itself: never missing, never escaped.
var logVariables = []Variable{
	{Name: "body_bytes_sent", Kind: Long, Unit: "bytes", Doc: "Size of the response sent to the client, without its header."},
	{Name: "bytes_sent", Kind: Long, Unit: "bytes", Doc: "Size of the response sent to the client, header included."},
	{Name: "msec", Kind: Msec, Unit: "seconds", Doc: "Time at which the line was written, with milliseconds."},
	{Name: "pipe", Kind: Token, Doc: "The letter p if the request was pipelined, a dot otherwise."},
	{Name: "request_length", Kind: Long, Unit: "bytes", Doc: "Size of the request: its line, header and body."},
	{Name: "request_time", Kind: Double, Unit: "seconds", Doc: "Time from the first byte read from the client to the writing of the line."},
	{Name: "status", Kind: Int, Doc: "Status code of the response."},
	{Name: "time_iso8601", Kind: TimeISO, Doc: "Local time at which the line was written, in the format of ISO 8601."},
	{Name: "time_local", Kind: TimeLocal, Doc: "Local time at which the line was written, in the Common Log Format."},
}

// coreVariables are those of the core module, but for the ones that the log module prints itself.
var coreVariables = []Variable{
	{Name: "args", Doc: "Query string of the request, or what a rewrite made of it."},
	{Name: "binary_remote_addr", Doc: "Client address in binary form: 4 bytes for IPv4, 16 for IPv6."},
	{Name: "connection", Kind: Long, Doc: "Serial number of the connection."},
	{Name: "connection_requests", Kind: Long, Doc: "Number of requests made through the connection so far."},
	{Name: "connection_time", Kind: Double, Unit: "seconds", Doc: "Age of the connection."},
	{Name: "content_length", Doc: "Request header Content-Length, as the client wrote it."},
	{Name: "content_type", Doc: "Request header Content-Type."},
	{Name: "document_root", Doc: "Root or alias directory for the request."},
	{Name: "document_uri", Doc: "Normalized path of the request; the same as $uri."},
	{Name: "host", Doc: "Host name from the request line, else from the Host header, else of the server block; lower case, without a port."},
	{Name: "hostname", Kind: Token, Doc: "Name of the machine that Nginx runs on."},
	{Name: "https", Kind: Token, Doc: "The word on if the connection uses TLS, otherwise empty."},
	{Name: "is_args", Kind: Token, Doc: "A question mark if the request has a query string, otherwise empty."},
	{Name: "is_request_port", Kind: Token, Doc: "A colon if $request_port is not empty, otherwise empty."},
	{Name: "limit_rate", Kind: Long, Unit: "bytes per second", Doc: "Limit on the rate of the response; 0 means none."},
	{Name: "nginx_version", Kind: Token, Doc: "Version of Nginx."},
	{Name: "pid", Kind: Int, Doc: "Process number of the worker."},
	{Name: "proxy_protocol_addr", Kind: Token, Doc: "Client address from the PROXY protocol header."},
	{Name: "proxy_protocol_port", Kind: Int, Doc: "Client port from the PROXY protocol header."},
	{Name: "proxy_protocol_server_addr", Kind: Token, Doc: "Server address from the PROXY protocol header."},
	{Name: "proxy_protocol_server_port", Kind: Int, Doc: "Server port from the PROXY protocol header."},
	{Name: "query_string", Doc: "Query string of the request; the same as $args."},
	{Name: "realpath_root", Doc: "Root or alias directory for the request with symbolic links resolved."},
	{Name: "remote_addr", Kind: Token, Doc: "Client address: IPv4, IPv6, or unix: for a UNIX-domain socket."},
	{Name: "remote_port", Kind: Int, Doc: "Client port."},
	{Name: "remote_user", Doc: "User name from basic authentication, as the client sent it."},
	{Name: "request", Kind: Request, Doc: "Request line, as the client sent it."},
	{Name: "request_body", Doc: "Body of the request, if it was read into memory."},
	{Name: "request_body_file", Doc: "Temporary file that holds the body of the request."},
	{Name: "request_completion", Kind: Token, Doc: "The word OK if the request completed, otherwise empty."},
	{Name: "request_filename", Doc: "Path of the file for the request."},
	{Name: "request_id", Kind: Token, Doc: "Unique identifier of the request: 16 random bytes in hexadecimal."},
	{Name: "request_method", Doc: "Method of the request, usually GET or POST."},
	{Name: "request_port", Kind: Int, Doc: "Port from the request line or the Host header."},
	{Name: "request_uri", Doc: "Target of the request with its query string, as the client sent it."},
	{Name: "scheme", Kind: Token, Doc: "Scheme of the request: http or https."},
	{Name: "server_addr", Kind: Token, Doc: "Address of the server that accepted the request."},
	{Name: "server_name", Doc: "Name of the server block that took the request."},
	{Name: "server_port", Kind: Int, Doc: "Port that accepted the request."},
	{Name: "server_protocol", Kind: Token, Doc: "Protocol of the request, such as HTTP/1.1."},
	{Name: "tcpinfo_rcv_space", Kind: Long, Unit: "bytes", Doc: "Receive buffer space of the connection, from the kernel."},
	{Name: "tcpinfo_rtt", Kind: Long, Unit: "microseconds", Doc: "Round-trip time of the connection, from the kernel."},
	{Name: "tcpinfo_rttvar", Kind: Long, Unit: "microseconds", Doc: "Variation of the round-trip time of the connection, from the kernel."},
	{Name: "tcpinfo_snd_cwnd", Kind: Long, Unit: "segments", Doc: "Congestion window of the connection, from the kernel."},
	{Name: "uri", Doc: "Normalized path of the request, decoded; internal redirects may change it."},
}

// kitVariables are set by the njs kit that comes with ngxtap.
var kitVariables = []Variable{
	{Name: "ngxtap_request_headers", Kind: Headers, Doc: "All headers of the request."},
	{Name: "ngxtap_response_headers", Kind: Headers, Doc: "All headers of the response."},
}
