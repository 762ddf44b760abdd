// ngxtap kit for njs 0.7.9 and newer: two variables that hold ALL headers of a request and of its response, in one line of text.
//
// Form: Name=value&Name2=value2 in order of arrival, duplicates kept, names as they were written. In names and values the bytes
// below 0x20, 0x7f and above, and the five characters % & = " \ are written as %XX (upper-case hex, one per byte); everything
// else, the space too, stands for itself. So the text passes every escape mode of log_format unchanged.
//
// Name the two variables in log_format only. njs keeps the value that a variable has when it is first used, and before the log
// phase the response headers are not there yet.

// What is written here runs anew for every request, so it must be little.

// Any character that must be escaped: all but space..~ without % & = " \
const UNSAFE = /[^ !#$'-<>-\[\]-~]/;

// Any byte that is no printable ASCII, but for the two that join puts between names, values and headers.
const AWKWARD = /[^\x01\x02 -~]/;

// Before njs 0.8.5 a header is a string of bytes: charCodeAt gives one byte. Since then it is text, which must be encoded again: what was
// not UTF-8 has become U+FFFD in it. r.rawVariables still has the bytes.
const BYTE_STRINGS = njs.version_number < 0x000805;

// End-to-end response headers that Nginx keeps outside its list of headers, or takes out of it (a Location that it makes absolute).
// Server, Date, Connection, Keep-Alive and Transfer-Encoding are written after the log has its variables; they are never here.
const OUTSIDE = ['Content-Type', 'Content-Length', 'Last-Modified', 'Location'];

// written returns what a byte is written as.
function written(b) {
    const c = String.fromCharCode(b);
    return b < 0x7f && !UNSAFE.test(c) ? c : (b < 16 ? '%0' : '%') + b.toString(16).toUpperCase();
}

function escapeBytes(buf) {
    let out = '';
    for (let i = 0; i < buf.length; i++) {
        out += written(buf[i]);
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
        out += written(s.charCodeAt(i));
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

// join returns headers in the form of the kit. Nearly always all are printable, and then the five characters are replaced in all of them at
// once, by native functions: a step of JavaScript, or a regular expression for each value, costs as much as many bytes of those.
function join(r, prefix, headers) {
    const n = headers.length;
    let text = '';
    for (let i = 0; i < n; i++) {
        text += '\x02' + headers[i][0] + '\x01' + headers[i][1];
    }
    if (!AWKWARD.test(text)) {
        text = text.split('%').join('%25').split('&').join('%26').split('\\').join('%5C').split('"').join('%22').split('=').join('%3D');
        const names = text.split('\x01');
        const parts = names.join('=').split('\x02');
        if (names.length === n + 1 && parts.length === n + 1) { // no header holds one of the two
            return parts.join('&').slice(1);
        }
    }
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
    let names = '\x02';
    for (let i = 0; i < raw.length; i++) {
        names += raw[i][0] + '\x02';
    }
    names = names.toLowerCase();
    let awkward = '';
    for (let i = 0; i < OUTSIDE.length; i++) {
        const name = OUTSIDE[i];
        const variable = 'sent_http_' + key(name);
        const value = names.indexOf('\x02' + name.toLowerCase() + '\x02') < 0 ? r.variables[variable] : undefined;
        if (value === undefined) {
            continue;
        }
        if (awkward !== '' || AWKWARD.test(value)) {
            awkward += '&' + name + '=' + escapeBytes(r.rawVariables[variable]);
        } else {
            raw.push([name, value]);
        }
    }
    const text = join(r, 'sent_http_', raw);
    return text === '' ? awkward.slice(1) : text + awkward;
}

export default { request_headers, response_headers };
