"""Compares what is in Kafka with what a client sent to Nginx and with the log files that Nginx wrote.

    python verify.py --bootstrap … --framing … --registry … --topic T --site S --sent sent.jsonl --files files.jsonl --secret TEXT...

sent.jsonl: one object for each request that has an X-E2e-Id header; byte strings are base64:
    {"id", "method", "target", "status", "body", "user", "request": [[name, value]...], "response": [[name, value]...]}
files.jsonl: one object for each log file: {"name", "lines": [[offset, length, crc32c]...]}

Prints a summary as JSON. Each difference is a line on standard error, and the exit code is then 1.
"""

import argparse
import base64
import collections
import json
import sys

import reader

# Nginx writes these after the log has its variables.
LATE = {"server", "date", "connection", "keep-alive", "transfer-encoding"}
# Values of these never leave the host in clear text.
HASHED = {"authorization", "cookie", "set-cookie", "x-api-key", "x-e2e-token"}
HASH = "hmac-sha256:"

problems = []


def problem(text, *args):
    problems.append(text % args)


def text(encoded):
    return base64.b64decode(encoded).decode("utf-8", "replace")


def is_utf8(encoded):
    try:
        base64.b64decode(encoded).decode("utf-8")
        return True
    except UnicodeDecodeError:
        return False


def header_map(pairs, leave_out=()):
    """The headers as an event should have them: lower-case names, all values of a name in order."""
    out = collections.defaultdict(list)
    for name, value in pairs:
        name = text(name).lower()
        if name not in leave_out:
            out[name].append(text(value))
    return dict(out)


def hidden(name, got, want):
    """Whether got stands for the secret want; of cookies the names and the attributes stay."""
    if name not in ("cookie", "set-cookie") or "=" not in want:
        return got.startswith(HASH)
    g, w = got.split(";"), want.split(";")
    cookies = len(w) if name == "cookie" else 1
    return len(g) == len(w) and g[cookies:] == w[cookies:] and all(
        a.split("=", 1)[0] == b.split("=", 1)[0] and (a == b or a.split("=", 1)[1].startswith(HASH)) and (a != b or b.endswith("="))
        for a, b in zip(g[:cookies], w[:cookies]))


def check_headers(where, what, got, want):
    for name in sorted(set(got) | set(want)):
        g, w = got.get(name), want.get(name)
        if name in HASHED and g is not None and w is not None:
            if len(g) != len(w) or not all(hidden(name, v, o) for v, o in zip(g, w)):
                problem("%s: %s: %s is %r, want %d hashed values", where, what, name, g, len(w))
            elif len(set(g)) != len(set(w)):
                problem("%s: %s: the hashes of %s are not equal for equal values", where, what, name)
        elif g != w:
            problem("%s: %s: %s is %r, want %r", where, what, name, g, w)


def check_event(where, event, sent):
    """One event against the request that it is about."""
    check_headers(where, "request headers", event["request_headers"], header_map(sent["request"]))
    check_headers(where, "response headers", event["response_headers"], header_map(sent["response"], LATE))
    path, _, query = text(sent["target"]).partition("?")
    want = {"method": sent["method"], "path": path, "query": query or None, "protocol": "HTTP/1.1", "status": sent["status"],
            "body_bytes_sent": sent["body"], "remote_user": sent["user"] or None, "remote_addr": "127.0.0.1"}
    for name, value in want.items():
        if event[name] != value:
            problem("%s: %s is %r, want %r", where, name, event[name], value)
    invalid = [n for n, v in sent["request"] + sent["response"] if not is_utf8(v)] + ([] if is_utf8(sent["target"]) else ["target"])
    if bool(invalid) != bool(event["invalid_utf8"]):
        problem("%s: invalid_utf8 is %r, though %d values were not UTF-8", where, event["invalid_utf8"], len(invalid))


def check_requests(events, sent):
    """Every request has its event, once."""
    seen = collections.Counter()
    for where, event in events:
        for request_id in (event["request_headers"] or {}).get("x-e2e-id", []):
            seen[request_id] += 1
            if request_id not in sent:
                problem("%s: nobody sent request %s", where, request_id)
            elif seen[request_id] == 1:
                check_event(where, event, sent[request_id])
            else:
                problem("%s: request %s again: %d times by now", where, request_id, seen[request_id])
    for request_id in sent:
        if not seen[request_id]:
            problem("request %s has no event", request_id)


def check_origins(events, rejected, files):
    """Every line of every file is there once, with its place and checksum; events of a file come in its order."""
    places = collections.defaultdict(list)
    last = {}
    for where, event in events:
        origin = event["origin"]
        if origin["offset"] <= last.get(origin["file"], -1):
            problem("%s: offset %d of file %s after %d: out of order", where, origin["offset"], origin["file"], last[origin["file"]])
        last[origin["file"]] = origin["offset"]
    for where, event in events + rejected:
        origin = event["origin"]
        places[origin["file"]].append((origin["offset"], origin["length"], origin["crc32c"] & 0xFFFFFFFF))
    by_first = {tuple(f["lines"][0]): f for f in files if f["lines"]}  # the first lines of the files must differ
    if len(places) != len(by_first):
        problem("%d file generations in Kafka, but %d log files that are not empty", len(places), len(by_first))
    for generation, got in sorted(places.items()):
        got.sort()
        f = by_first.get(got[0])
        if f is None:
            problem("generation %s: its first place %r is the start of no log file", generation, got[0])
            continue
        want = [tuple(line) for line in f["lines"]]
        for place, n in (collections.Counter(got) - collections.Counter(want)).items():
            problem("%s (%s): offset %d length %d crc %08x is there %d times too often", f["name"], generation, *place, n)
        for place in (collections.Counter(want) - collections.Counter(got)):
            problem("%s (%s): the line at offset %d, length %d, crc %08x is missing", f["name"], generation, *place)


def check_secrets(all_messages, secrets):
    for where, value in all_messages:
        for secret in secrets:
            if secret.encode() in value:
                problem("%s: holds the secret %r in clear text", where, secret)


def main():
    parser = argparse.ArgumentParser()
    reader.add_arguments(parser)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--site", required=True)
    parser.add_argument("--sent", required=True)
    parser.add_argument("--files", required=True)
    parser.add_argument("--secret", action="append", default=[])
    args = parser.parse_args()

    with open(args.sent) as f:
        sent = {s["id"]: s for s in map(json.loads, f)}
    with open(args.files) as f:
        files = [json.loads(line) for line in f]
    framing = reader.framing_of(args)
    events, rejected, raw, schemas = [], [], [], set()
    for topic, into in ((args.topic, events), (args.topic + ".quarantine", rejected)):
        for m in reader.messages(args.bootstrap, topic, framing):
            where = "%s[%d]@%d" % (topic, m.partition, m.offset)
            into.append((where, m.event))
            raw.append((where, m.value))
            schemas.add(m.schema["name"])
            if m.event["site"] != args.site:
                problem("%s: site is %r, want %r", where, m.event["site"], args.site)
    check_origins(events, rejected, files)
    check_requests(events, sent)
    check_secrets(raw, args.secret)

    json.dump({"events": len(events), "rejected": len(rejected), "files": len(files), "sent": len(sent), "schemas": sorted(schemas),
               "problems": len(problems)}, sys.stdout)
    for p in problems[:20]:
        print(p, file=sys.stderr)
    if len(problems) > 20:
        print("… and %d more" % (len(problems) - 20), file=sys.stderr)
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
