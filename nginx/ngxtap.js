// ngxtap kit for njs 0.7.9 and newer: two variables that hold ALL headers of a request and of its response, in one line of text.
//
// Form: Name=value&Name2=value2 in order of arrival, duplicates kept, names as they were written. In names and values the bytes
// below 0x20, 0x7f and above, and the five characters % & = " \ are written as %XX (upper-case hex, one per byte); everything
// else, the space too, stands for itself. So the text passes every escape mode of log_format unchanged.
//
// Name the two variables in log_format only. njs keeps the value that a variable has when it is first used, and before the log
// phase the response headers are not there yet.

// Any character that must be escaped: all but space..~ without % & = " \
const UNSAFE = /[^ !#$'-<>-\[\]-~]/;

// Before njs 0.8.5 a header is a string of bytes: charCodeAt gives one byte. Since then it is text, which must be encoded again: what was
// not UTF-8 has become U+FFFD in it. r.rawVariables still has the bytes.
const BYTE_STRINGS = njs.version_number < 0x000805;

// What each byte is written as.
const WRITTEN = (() => {
    const table = [];
    for (let b = 0; b < 256; b++) {
        const c = String.fromCharCode(b);
        const hex = b.toString(16).toUpperCase();
        table.push(b < 0x7f && !UNSAFE.test(c) ? c : '%' + (b < 16 ? '0' : '') + hex);
    }
    return table;
})();

// End-to-end response headers that Nginx keeps outside its list of headers, or takes out of it (a Location that it makes absolute).
// Server, Date, Connection, Keep-Alive and Transfer-Encoding are written after the log has its variables; they are never here.
const OUTSIDE = [
    ['Content-Type', 'sent_http_content_type'],
    ['Content-Length', 'sent_http_content_length'],
    ['Last-Modified', 'sent_http_last_modified'],
    ['Location', 'sent_http_location'],
];

function escapeBytes(buf) {
    let out = '';
    for (let i = 0; i < buf.length; i++) {
        out += WRITTEN[buf[i]];
    }
    return out;
}

function escape(s) {
    if (!UNSAFE.test(s)) {
        return s;
    }
    if (!BYTE_STRINGS) {
        return escapeBytes(Buffer.from(s));
    }
    let out = '';
    for (let i = 0; i < s.length; i++) {
        out += WRITTEN[s.charCodeAt(i)];
    }
    return out;
}

// key returns the name of a header as the names of Nginx's variables have it.
function key(name) {
    return name.toLowerCase().replace(/-/g, '_');
}

// exact returns the escaped value of a header in which U+FFFD may stand for bytes: those that its variable holds. Of a name that comes
// more than once the variable holds the first value, or all joined, so U+FFFD stays. count is filled at the first call.
function exact(r, prefix, headers, header, count) {
    if (!count.filled) {
        headers.forEach((h) => { const k = '.' + key(h[0]); count[k] = (count[k] || 0) + 1; });
        count.filled = true;
    }
    const name = key(header[0]);
    const value = count['.' + name] === 1 ? r.rawVariables[prefix + name] : undefined;
    return value === undefined ? escape(header[1]) : escapeBytes(value);
}

function join(r, prefix, headers) {
    const count = {};
    return headers.map((h) => escape(h[0]) + '=' +
        (BYTE_STRINGS || h[1].indexOf('\uFFFD') < 0 ? escape(h[1]) : exact(r, prefix, headers, h, count))).join('&');
}

// request_headers returns the headers that the client sent.
function request_headers(r) {
    return join(r, 'http_', r.rawHeadersIn);
}

// response_headers returns the headers that the client was sent.
function response_headers(r) {
    const raw = r.rawHeadersOut;
    const seen = {};
    raw.forEach((h) => { seen['.' + h[0].toLowerCase()] = true; });
    const parts = raw.length ? [join(r, 'sent_http_', raw)] : [];
    OUTSIDE.forEach((o) => {
        if (seen['.' + o[0].toLowerCase()]) {
            return;
        }
        const value = r.rawVariables[o[1]];
        if (value !== undefined) {
            parts.push(o[0] + '=' + escapeBytes(value));
        }
    });
    return parts.join('&');
}

export default { request_headers, response_headers };
