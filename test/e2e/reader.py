"""Reads what is committed in Kafka topics and decodes it with the writer's schema. Shares no code with ngxtap: confluent-kafka (librdkafka)
reads, fastavro decodes, and the schema comes from the registry or from the topic of schemas.

    python reader.py --bootstrap HOST:PORT --framing confluent --registry URL TOPIC...     one JSON object a line

Strings must be valid UTF-8, every byte of a value must belong to its datum, and in single-object framing the fingerprint must be that of the
schema by fastavro's own reckoning; whatever is not so is an error.
"""

import argparse
import base64
import datetime
import io
import json
import sys
import urllib.request
import uuid

import confluent_kafka
import fastavro
import fastavro.schema


class Message:
    """A record of a topic; event is the decoded datum."""

    def __init__(self, raw, event, schema):
        self.topic, self.partition, self.offset = raw.topic(), raw.partition(), raw.offset()
        self.key, self.value, self.event, self.schema = raw.key(), raw.value(), event, schema


def committed(bootstrap, topic):
    """Yields the committed raw records of a topic, partition by partition in order, up to its end; nothing if there is no such topic."""
    consumer = confluent_kafka.Consumer({
        "bootstrap.servers": bootstrap, "group.id": "reader-" + uuid.uuid4().hex, "isolation.level": "read_committed",
        "enable.partition.eof": True, "enable.auto.commit": False, "auto.offset.reset": "earliest"})
    try:
        known = consumer.list_topics(timeout=30).topics
        if topic not in known:
            return
        parts = [confluent_kafka.TopicPartition(topic, p, confluent_kafka.OFFSET_BEGINNING) for p in known[topic].partitions]
        consumer.assign(parts)
        open_parts = len(parts)
        while open_parts:
            raw = consumer.poll(60)
            if raw is None:
                raise SystemExit("reader: nothing from topic %s for 60 s" % topic)
            if raw.error() is None:
                yield raw
            elif raw.error().code() == confluent_kafka.KafkaError._PARTITION_EOF:
                open_parts -= 1
            else:
                raise SystemExit("reader: topic %s: %s" % (topic, raw.error()))
    finally:
        consumer.close()


class Confluent:
    """0x00, schema id as 4 bytes big-endian, datum; schemas by id from the registry."""

    def __init__(self, registry):
        self.registry, self.schemas = registry.rstrip("/"), {}

    def split(self, value):
        if value[:1] != b"\0" or len(value) < 5:
            raise ValueError("no Confluent framing: %r" % value[:8])
        schema_id = int.from_bytes(value[1:5], "big")
        if schema_id not in self.schemas:
            with urllib.request.urlopen("%s/schemas/ids/%d" % (self.registry, schema_id), timeout=30) as answer:
                self.schemas[schema_id] = fastavro.parse_schema(json.loads(json.load(answer)["schema"]))
        return self.schemas[schema_id], value[5:]


class SingleObject:
    """0xC3 0x01, CRC-64-AVRO as 8 bytes little-endian, datum; schemas by that fingerprint from a topic."""

    def __init__(self, bootstrap, topic):
        self.schemas = {}
        for raw in committed(bootstrap, topic):
            text = raw.value().decode("utf-8")
            canonical = fastavro.schema.to_parsing_canonical_form(json.loads(text))
            fingerprint = fastavro.schema.fingerprint(canonical, "CRC-64-AVRO")  # hexadecimal, in the order of the bytes
            if raw.key() != bytes.fromhex(fingerprint):
                raise ValueError("topic %s: key %s, but the schema's fingerprint is %s" % (topic, raw.key().hex(), fingerprint))
            self.schemas[raw.key()] = fastavro.parse_schema(json.loads(text))

    def split(self, value):
        if value[:2] != b"\xc3\x01" or len(value) < 10:
            raise ValueError("no single-object framing: %r" % value[:12])
        if value[2:10] not in self.schemas:
            raise ValueError("fingerprint %s is not in the topic of schemas" % value[2:10].hex())
        return self.schemas[value[2:10]], value[10:]


def messages(bootstrap, topic, framing):
    """Yields the decoded Messages of a topic."""
    for raw in committed(bootstrap, topic):
        where = "%s[%d]@%d" % (topic, raw.partition(), raw.offset())
        try:
            schema, datum = framing.split(raw.value())
            stream = io.BytesIO(datum)
            event = fastavro.schemaless_reader(stream, schema)
            if stream.tell() != len(datum):
                raise ValueError("%d bytes after the datum" % (len(datum) - stream.tell()))
        except Exception as e:
            raise SystemExit("reader: %s: %s: %s" % (where, type(e).__name__, e))
        yield Message(raw, event, schema)


def plain(value):
    """What JSON has no type for."""
    if isinstance(value, datetime.datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    raise TypeError(type(value))


def add_arguments(parser):
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--framing", choices=("confluent", "single-object"), required=True)
    parser.add_argument("--registry", help="URL of the Confluent API, path prefix included")
    parser.add_argument("--schemas-topic", default="ngxtap.schemas")


def framing_of(args):
    return Confluent(args.registry) if args.framing == "confluent" else SingleObject(args.bootstrap, args.schemas_topic)


def main():
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    parser.add_argument("topics", nargs="+")
    args = parser.parse_args()
    framing = framing_of(args)
    for topic in args.topics:
        for m in messages(args.bootstrap, topic, framing):
            json.dump({"topic": m.topic, "partition": m.partition, "offset": m.offset, "schema": m.schema["name"], "event": m.event},
                      sys.stdout, default=plain, ensure_ascii=False)
            print()


if __name__ == "__main__":
    main()
