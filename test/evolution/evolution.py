"""Judges a run in which the log_format changed: reads Kafka and the registry on its own and compares with the raw log files.

    python evolution.py --bootstrap … --framing confluent --registry … --topic T --site S --changes TOPIC --told told.json [--announced-first]

told.json: {"formats": [{"tag", "log_format", "fields": {name: type}, "class", "diffs": [[path, kind]...]}...] in the order of the edits,
            "answered": [id...], "files": [path...]}

A line's first word is the tag of the format that wrote it. Every line must be an event, once, in the order of its file, under the
schema of its own format, with the values of the raw line; every event must be readable with the newest registered schema; every edit must
be announced once, and with --announced-first before the first line of the new format was written.

Prints a summary as JSON. Each difference is a line on standard error, and the exit code is then 1.
"""

import argparse
import collections
import io
import json
import os
import re
import sys
import urllib.request

import fastavro
import fastavro.schema

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
import reader  # noqa: E402
import verify  # noqa: E402
from verify import problem  # noqa: E402


def crc32c(data, table=[]):
    """CRC-32C (Castagnoli), bit by bit once and then by table."""
    if not table:
        for n in range(256):
            for _ in range(8):
                n = n >> 1 ^ (0x82F63B78 if n & 1 else 0)
            table.append(n)
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


class Format:
    """One log_format, and a pattern of its lines that is made here."""

    def __init__(self, told):
        self.tag, self.text, self.fields = told["tag"], told["log_format"], told["fields"]
        self.change_class, self.diffs = told["class"], told["diffs"] or []
        pattern = ""
        for part in re.split(r"(\$\w+)", self.text):
            pattern += "(?P<%s>.*?)" % part[1:] if part.startswith("$") else re.escape(part)
        self.pattern = re.compile(pattern)

    def values(self, line):
        return self.pattern.fullmatch(line).groupdict()


class Line:
    def __init__(self, raw, offset, formats):
        self.offset, self.raw = offset, raw
        text = raw.decode("ascii")
        self.format = formats[text.split(" ", 1)[0]]
        self.values = self.format.values(text)


def read_files(paths, formats):
    """The lines of the files, and the description of the files as verify.py wants it."""
    files, described = {}, []
    for path in paths:
        with open(path, "rb") as f:
            data = f.read()
        offset, lines = 0, {}
        for raw in data.split(b"\n")[:-1]:
            lines[offset] = Line(raw, offset, formats)
            offset += len(raw) + 1
        files[path] = lines
        described.append({"name": os.path.basename(path), "lines": [[o, len(l.raw), crc32c(l.raw)] for o, l in lines.items()]})
    return files, described


def branch(schema, field):
    """The type beside null of a field, None if there is no such field."""
    for f in schema["fields"]:
        if f["name"] == field:
            others = [b for b in f["type"] if b != "null"]
            return others[0] if len(others) == 1 else others
    return None


def ask(registry, path):
    with urllib.request.urlopen(registry.rstrip("/") + path, timeout=30) as answer:
        return json.load(answer)


class Registered:
    """All versions of a subject."""

    def __init__(self, registry, subject):
        versions = [ask(registry, "/subjects/%s/versions/%d" % (subject, v)) for v in sorted(ask(registry, "/subjects/%s/versions" % subject))]
        self.ids = [v["id"] for v in versions]
        self.latest = fastavro.parse_schema(json.loads(versions[-1]["schema"]))
        self.compatibility = ask(registry, "/config/" + subject)["compatibilityLevel"]


def fingerprint(schema_text):
    """CRC-64-AVRO as a number in hexadecimal; fastavro prints its bytes from the lowest."""
    canonical = fastavro.schema.to_parsing_canonical_form(json.loads(schema_text))
    return bytes.fromhex(fastavro.schema.fingerprint(canonical, "CRC-64-AVRO"))[::-1].hex()


def check_event(where, line, m, schema_id, watched, registered):
    """One event against its raw line, under its own schema and under the newest."""
    event, f = m.event, line.format
    for name in watched:
        want_type = f.fields.get(name)
        got_type = branch(m.schema, name)
        if got_type != want_type:
            problem("%s: a line of %s under schema %d, in which %s is %r, want %r", where, f.tag, schema_id, name, got_type, want_type)
        want = int(line.values[name]) if want_type else None
        if event.get(name) != want:
            problem("%s: a line of %s: %s is %r, the line says %r", where, f.tag, name, event.get(name), want)
    want = {"path": line.values["request"].split(" ")[1].split("?")[0], "remote_addr": line.values["remote_addr"]}
    for name, value in want.items():
        if event[name] != value:
            problem("%s: a line of %s: %s is %r, want %r", where, f.tag, name, event[name], value)
    if event["request_headers"] != {"x-id": [line.values["http_x_id"]]}:
        problem("%s: a line of %s: request headers are %r", where, f.tag, event["request_headers"])
    if schema_id not in registered.ids:
        problem("%s: schema %d is no version of the subject, which has %r", where, schema_id, registered.ids)
    try:
        resolved = fastavro.schemaless_reader(io.BytesIO(m.value[5:]), m.schema, registered.latest)
    except Exception as e:
        problem("%s: a line of %s can't be read with the newest schema: %s: %s", where, f.tag, type(e).__name__, e)
        return
    for field in registered.latest["fields"]:
        if resolved[field["name"]] != event.get(field["name"]):
            problem("%s: a line of %s: %s is %r, read with the newest schema %r", where, f.tag, field["name"], event.get(field["name"]), resolved[field["name"]])


def check_ids(ids):
    """Each format has one schema id, and no two formats have the same."""
    owner = {}
    for tag, seen in sorted(ids.items()):
        if len(seen) != 1:
            problem("lines of %s are under several schemas: %r", tag, dict(seen))
        for schema_id in seen:
            if schema_id in owner:
                problem("schema %d is used for %s and for %s", schema_id, owner[schema_id], tag)
            owner[schema_id] = tag
    return {tag: sorted(seen) for tag, seen in ids.items()}


def merged(events):
    """An edit of nginx.conf and one of the site's file are one change to us, but the daemon may see the first before the second: then the
    first leaves the events as they are."""
    out, pending = [], None
    for e in events:
        if e["class"] == "none" and e["old"] and e["new"] and e["old"]["schema"] == e["new"]["schema"] and pending is None:
            pending = e
            continue
        if pending is not None:
            if e["old"] != pending["new"]:
                out.append(pending)
            else:
                e = dict(e, old=pending["old"])
            pending = None
        out.append(e)
    return out + ([pending] if pending else [])


def check_changes(events, told, ids, schemas, first_line, announced_first):
    """One announcement for each edit, in their order."""
    if len({e["id"] for e in events}) != len(events):
        problem("changes share an id: %r", [e["id"] for e in events])
    events = merged(events)
    if len(events) != len(told) - 1:
        problem("%d changes are announced, want %d: %r", len(events), len(told) - 1, [(e["class"], e["text"]) for e in events])
    for old, new, e in zip(told, told[1:], events):
        where = "the change to %s" % new.tag
        if (e["class"], e["source"], e["action"]) != (new.change_class, "configuration", "evolve"):
            problem("%s: %s, %s, %s; want %s, configuration, evolve", where, e["class"], e["source"], e["action"], new.change_class)
        diffs = [[d["path"], d["kind"]] for d in e["diffs"] if d["kind"] != "doc"]
        if diffs != new.diffs:
            problem("%s: its differences are %r, want %r", where, diffs, new.diffs)
        for side, f in (("old", old), ("new", new)):
            w = e[side]
            if w is None:
                problem("%s: it has no %s side", where, side)
                continue
            if w["log_format"] != f.text:
                problem("%s: %s log_format is %r, want %r", where, side, w["log_format"], f.text)
            if w["fingerprint"] != fingerprint(w["schema"]):
                problem("%s: %s fingerprint is %s, its schema's is %s", where, side, w["fingerprint"], fingerprint(w["schema"]))
            for schema_id in ids.get(f.tag, ()):
                canonical = fastavro.schema.to_parsing_canonical_form(schemas[schema_id])
                if fastavro.schema.to_parsing_canonical_form(json.loads(w["schema"])) != canonical:
                    problem("%s: its %s schema is not that of the events of %s (id %d)", where, side, f.tag, schema_id)
        if announced_first and new.tag in first_line and e["event_time"].timestamp() > first_line[new.tag]:
            problem("%s: announced at %f, but its first line was written at %f", where, e["event_time"].timestamp(), first_line[new.tag])


def main():
    parser = argparse.ArgumentParser()
    reader.add_arguments(parser)
    for name in ("topic", "site", "changes", "told"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("--announced-first", action="store_true")
    args = parser.parse_args()
    with open(args.told) as f:
        told = json.load(f)
    formats = [Format(t) for t in told["formats"]]
    files, described = read_files(told["files"], {f.tag: f for f in formats})
    framing = reader.framing_of(args)
    registered = Registered(args.registry, args.topic + "-value")
    watched = sorted({name for f in formats for name in f.fields})

    by_first, first_line, switches = {}, {}, 0
    for path, lines in files.items():
        in_order = [lines[o] for o in sorted(lines)]
        by_first[(len(in_order[0].raw), crc32c(in_order[0].raw))] = path
        for line in in_order:
            first_line.setdefault(line.format.tag, float(line.values["msec"]))
            first_line[line.format.tag] = min(first_line[line.format.tag], float(line.values["msec"]))
        switches += sum(a.format is not b.format for a, b in zip(in_order, in_order[1:]))
    if set(first_line) != {f.tag for f in formats}:
        problem("Nginx wrote lines of %r only: this run shows nothing", sorted(first_line))
    if switches < 2 * len(formats):
        problem("the formats met %d times only: this run shows nothing", switches)

    read = list(reader.messages(args.bootstrap, args.topic, framing))
    generation = {}
    for m in read:
        o = m.event["origin"]
        if o["offset"] == 0:
            generation[o["file"]] = by_first.get((o["length"], o["crc32c"] & 0xFFFFFFFF))
    events, seen, ids, schemas = [], collections.Counter(), collections.defaultdict(collections.Counter), {}
    for m in read:
        where = "%s[%d]@%d" % (m.topic, m.partition, m.offset)
        events.append((where, m.event))
        o = m.event["origin"]
        line = files.get(generation.get(o["file"]), {}).get(o["offset"])
        if line is None:
            problem("%s: no line is at offset %d of generation %s (%s)", where, o["offset"], o["file"], generation.get(o["file"]))
            continue
        schema_id = int.from_bytes(m.value[1:5], "big")
        schemas[schema_id] = m.schema
        ids[line.format.tag][schema_id] += 1
        seen[line.values["http_x_id"]] += 1
        check_event(where, line, m, schema_id, watched, registered)

    rejected = [("%s[%d]@%d" % (m.topic, m.partition, m.offset), m.event) for m in reader.messages(args.bootstrap, args.topic + ".quarantine", framing)]
    for where, event in rejected:
        problem("%s: in quarantine: %s: %r", where, event["reason"], event["raw"])
    verify.check_origins(events, rejected, described)
    for request_id in told["answered"]:
        if seen[request_id] != 1:
            problem("request %s was answered once and has %d events", request_id, seen[request_id])
    announced = [m.event for m in reader.messages(args.bootstrap, args.changes, framing) if m.event["site"] == args.site]
    check_changes(announced, formats, check_ids(ids), schemas, first_line, args.announced_first)
    if registered.compatibility != "BACKWARD":
        problem("the subject's level is %s, want BACKWARD", registered.compatibility)

    problems = verify.problems
    json.dump({"events": len(events), "rejected": len(rejected), "schemas": {tag: dict(n) for tag, n in ids.items()}, "switches": switches,
               "changes": [e["class"] for e in announced], "versions": registered.ids, "problems": len(problems)}, sys.stdout)
    for p in problems[:20]:
        print(p, file=sys.stderr)
    if len(problems) > 20:
        print("… and %d more" % (len(problems) - 20), file=sys.stderr)
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
