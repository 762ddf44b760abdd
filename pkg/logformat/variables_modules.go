package logformat

// The $upstream_* lists have one item per server that was tried; see NextListItem.
var upstreamVariables = []Variable{
	{Name: "upstream_addr", Kind: TextList, Doc: "Addresses of the upstream servers that were tried."},
	{Name: "upstream_bytes_received", Kind: LongList, Unit: "bytes", Doc: "Bytes received from each upstream server."},
	{Name: "upstream_bytes_sent", Kind: LongList, Unit: "bytes", Doc: "Bytes sent to each upstream server."},
	{Name: "upstream_cache_etag", Doc: "Header ETag of the response in the cache."},
	{Name: "upstream_cache_last_modified", Doc: "Header Last-Modified of the response in the cache."},
	{Name: "upstream_cache_status", Kind: Token, Doc: "What the cache did: MISS, BYPASS, EXPIRED, STALE, UPDATING, REVALIDATED or HIT."},
	{Name: "upstream_connect_time", Kind: DoubleList, Unit: "seconds", Doc: "Time to connect to each upstream server, TLS handshake included."},
	{Name: "upstream_header_time", Kind: DoubleList, Unit: "seconds", Doc: "Time to the response header of each upstream server."},
	{Name: "upstream_last_server_name", Doc: "Name of the upstream server that was tried last."},
	{Name: "upstream_queue_time", Kind: DoubleList, Unit: "seconds", Doc: "Time that the request waited for each upstream server."},
	{Name: "upstream_response_length", Kind: LongList, Unit: "bytes", Doc: "Length of the response body of each upstream server."},
	{Name: "upstream_response_time", Kind: DoubleList, Unit: "seconds", Doc: "Time to the last byte of each upstream server's response."},
	{Name: "upstream_status", Kind: IntList, Doc: "Status code of each upstream server's response."},
}

// sslVariables are missing on connections without TLS.
var sslVariables = []Variable{
	{Name: "ssl_alpn_protocol", Kind: Token, Doc: "Protocol that ALPN chose."},
	{Name: "ssl_cipher", Kind: Token, Doc: "Cipher of the TLS connection."},
	{Name: "ssl_ciphers", Kind: Token, Doc: "Ciphers that the client supports, with colons between them."},
	{Name: "ssl_client_cert", Doc: "Client certificate in PEM, each line but the first with a tab before it."},
	{Name: "ssl_client_escaped_cert", Kind: Token, Doc: "Client certificate in PEM, URL-encoded."},
	{Name: "ssl_client_fingerprint", Kind: Token, Doc: "SHA-1 fingerprint of the client certificate in hexadecimal."},
	{Name: "ssl_client_i_dn", Doc: "Issuer of the client certificate by RFC 2253."},
	{Name: "ssl_client_i_dn_legacy", Doc: "Issuer of the client certificate in the old format."},
	{Name: "ssl_client_raw_cert", Doc: "Client certificate in PEM."},
	{Name: "ssl_client_s_dn", Doc: "Subject of the client certificate by RFC 2253."},
	{Name: "ssl_client_s_dn_legacy", Doc: "Subject of the client certificate in the old format."},
	{Name: "ssl_client_serial", Kind: Token, Doc: "Serial number of the client certificate in hexadecimal."},
	{Name: "ssl_client_sigalg", Kind: Token, Doc: "Signature algorithm of the client certificate."},
	{Name: "ssl_client_v_end", Doc: "Date on which the client certificate expires."},
	{Name: "ssl_client_v_remain", Kind: Long, Unit: "days", Doc: "Time until the client certificate expires."},
	{Name: "ssl_client_v_start", Doc: "Date from which the client certificate is valid."},
	{Name: "ssl_client_verify", Doc: "Result of the check of the client certificate: SUCCESS, NONE, or FAILED: with the reason."},
	{Name: "ssl_curve", Kind: Token, Doc: "Curve of the key exchange."},
	{Name: "ssl_curves", Kind: Token, Doc: "Curves that the client supports, with colons between them."},
	{Name: "ssl_early_data", Kind: Token, Doc: "1 if the request came as TLS 1.3 early data and the handshake was not complete, otherwise empty."},
	{Name: "ssl_ech_outer_server_name", Doc: "Public server name of a connection with Encrypted Client Hello."},
	{Name: "ssl_ech_status", Kind: Token, Doc: "Outcome of Encrypted Client Hello."},
	{Name: "ssl_protocol", Kind: Token, Doc: "Version of TLS, such as TLSv1.3."},
	{Name: "ssl_server_name", Doc: "Server name that the client asked for (SNI)."},
	{Name: "ssl_session_id", Kind: Token, Doc: "Identifier of the TLS session in hexadecimal."},
	{Name: "ssl_session_reused", Kind: Token, Doc: "The letter r if the TLS session was resumed, a dot otherwise."},
	{Name: "ssl_sigalg", Kind: Token, Doc: "Signature algorithm of the server in the TLS handshake."},
}

var proxyVariables = []Variable{
	{Name: "proxy_add_x_forwarded_for", Doc: "Request header X-Forwarded-For with the client address added at its end."},
	{Name: "proxy_host", Doc: "Name and port of the server in proxy_pass."},
	{Name: "proxy_port", Kind: Int, Doc: "Port of the server in proxy_pass, or the default port of its scheme."},
}

var fastcgiVariables = []Variable{
	{Name: "fastcgi_path_info", Doc: "Second capture of fastcgi_split_path_info."},
	{Name: "fastcgi_script_name", Doc: "Path of the request, with the index file added to a directory."},
}

var memcachedVariables = []Variable{
	{Name: "memcached_key", Doc: "Key under which memcached was asked."},
}

var gzipVariables = []Variable{
	{Name: "gzip_ratio", Kind: Double, Doc: "Size of the response before compression divided by the size after it."},
}

var realipVariables = []Variable{
	{Name: "realip_remote_addr", Kind: Token, Doc: "Address of the peer before it was replaced by the client's."},
	{Name: "realip_remote_port", Kind: Int, Doc: "Port of the peer before it was replaced by the client's."},
}

var geoipVariables = []Variable{
	{Name: "geoip_area_code", Kind: Int, Doc: "Telephone area code of the client (USA)."},
	{Name: "geoip_city", Doc: "City of the client."},
	{Name: "geoip_city_continent_code", Kind: Token, Doc: "Continent of the client in two letters, from the city database."},
	{Name: "geoip_city_country_code", Kind: Token, Doc: "Country of the client in two letters, from the city database."},
	{Name: "geoip_city_country_code3", Kind: Token, Doc: "Country of the client in three letters, from the city database."},
	{Name: "geoip_city_country_name", Doc: "Country of the client by name, from the city database."},
	{Name: "geoip_country_code", Kind: Token, Doc: "Country of the client in two letters."},
	{Name: "geoip_country_code3", Kind: Token, Doc: "Country of the client in three letters."},
	{Name: "geoip_country_name", Doc: "Country of the client by name."},
	{Name: "geoip_dma_code", Kind: Int, Doc: "Designated market area of the client (USA)."},
	{Name: "geoip_latitude", Kind: Double, Unit: "degrees", Doc: "Latitude of the client."},
	{Name: "geoip_longitude", Kind: Double, Unit: "degrees", Doc: "Longitude of the client."},
	{Name: "geoip_org", Doc: "Organization of the client's network."},
	{Name: "geoip_postal_code", Doc: "Postal code of the client."},
	{Name: "geoip_region", Kind: Token, Doc: "Region of the client as a two-character code."},
	{Name: "geoip_region_name", Doc: "Region of the client by name."},
}

var v2Variables = []Variable{
	{Name: "http2", Kind: Token, Doc: "The word h2 for HTTP/2 over TLS, h2c for HTTP/2 in clear text, otherwise empty."},
}

var v3Variables = []Variable{
	{Name: "http3", Kind: Token, Doc: "The word h3 for HTTP/3, hq for its interoperability test protocol, otherwise empty."},
}

var spdyVariables = []Variable{
	{Name: "spdy", Kind: Token, Doc: "Version of SPDY, otherwise empty."},
	{Name: "spdy_request_priority", Kind: Int, Doc: "Priority of the request under SPDY."},
}

var limitConnVariables = []Variable{
	{Name: "limit_conn_status", Kind: Token, Doc: "Outcome of the limit on connections: PASSED, REJECTED or REJECTED_DRY_RUN."},
}

var limitReqVariables = []Variable{
	{Name: "limit_req_status", Kind: Token,
		Doc: "Outcome of the limit on the rate of requests: PASSED, DELAYED, REJECTED, DELAYED_DRY_RUN or REJECTED_DRY_RUN."},
}

var stubStatusVariables = []Variable{
	{Name: "connections_active", Kind: Long, Doc: "Number of client connections, waiting ones included."},
	{Name: "connections_reading", Kind: Long, Doc: "Number of connections whose request header is being read."},
	{Name: "connections_waiting", Kind: Long, Doc: "Number of idle client connections."},
	{Name: "connections_writing", Kind: Long, Doc: "Number of connections whose response is being written."},
}

var useridVariables = []Variable{
	{Name: "uid_got", Doc: "Name and identifier of the cookie that the client sent."},
	{Name: "uid_reset", Doc: "Whether the configuration asks for a new cookie."},
	{Name: "uid_set", Doc: "Name and identifier of the cookie that the client was given."},
}

var refererVariables = []Variable{
	{Name: "invalid_referer", Kind: Token, Doc: "1 if the header Referer is not among the valid ones, otherwise empty."},
}

var secureLinkVariables = []Variable{
	{Name: "secure_link", Doc: "Outcome of the check of a secure link: empty, 0 when it expired, 1 or the link itself when it is right."},
	{Name: "secure_link_expires", Doc: "Expiry of a secure link, as the client sent it."},
}

var sliceVariables = []Variable{
	{Name: "slice_range", Kind: Token, Doc: "Range of bytes of the slice that was asked for."},
}

var browserVariables = []Variable{
	{Name: "ancient_browser", Doc: "Value of ancient_browser_value if the browser is an old one, otherwise empty."},
	{Name: "modern_browser", Doc: "Value of modern_browser_value if the browser is a modern one, otherwise empty."},
	{Name: "msie", Kind: Token, Doc: "1 if the browser is Internet Explorer, otherwise empty."},
}

var ssiVariables = []Variable{
	{Name: "date_gmt", Doc: "Time in UTC, in the format that server-side includes set."},
	{Name: "date_local", Doc: "Local time, in the format that server-side includes set."},
}

var sessionLogVariables = []Variable{
	{Name: "session_log_binary_id", Doc: "Identifier of the session in binary form."},
	{Name: "session_log_id", Doc: "Identifier of the session."},
}

var hlsVariables = []Variable{
	{Name: "hls_uri", Doc: "Path of the request for a stream by HTTP Live Streaming."},
}

var oidcVariables = []Variable{
	{Name: "oidc_access_token", Doc: "Access token of the OpenID Connect session."},
	{Name: "oidc_id_token", Doc: "Identity token of the OpenID Connect session."},
}

var acmeVariables = []Variable{
	{Name: "acme_certificate", Doc: "Certificate that an ACME server issued."},
	{Name: "acme_certificate_key", Doc: "Private key of the certificate that an ACME server issued."},
}

var otelVariables = []Variable{
	{Name: "otel_parent_id", Kind: Token, Doc: "Identifier of the parent span in hexadecimal."},
	{Name: "otel_parent_sampled", Kind: Token, Doc: "1 if the parent span is sampled, otherwise 0."},
	{Name: "otel_span_id", Kind: Token, Doc: "Identifier of the span in hexadecimal."},
	{Name: "otel_trace_id", Kind: Token, Doc: "Identifier of the trace in hexadecimal."},
}
