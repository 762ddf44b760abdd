"""Reads what is committed in a Kafka topic and decodes it with Confluent's own deserializer, which looks for the schema's id in the record
header first and then in the value.

    python reader.py --bootstrap HOST:PORT --registry URL TOPIC     one JSON object a line: {"headers": {name: hex}, "event": …}
"""

import argparse
import json
import uuid

import confluent_kafka
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--bootstrap", required=True)
    p.add_argument("--registry", required=True)
    p.add_argument("topic")
    args = p.parse_args()
    decode = AvroDeserializer(SchemaRegistryClient({"url": args.registry}))
    consumer = confluent_kafka.Consumer({
        "bootstrap.servers": args.bootstrap, "group.id": "reader-" + uuid.uuid4().hex, "isolation.level": "read_committed",
        "enable.partition.eof": True, "enable.auto.commit": False, "auto.offset.reset": "earliest"})
    consumer.assign([confluent_kafka.TopicPartition(args.topic, 0, confluent_kafka.OFFSET_BEGINNING)])
    while True:
        m = consumer.poll(60)
        if m is None:
            raise SystemExit("nothing from topic %s for 60 s" % args.topic)
        if m.error() is not None:
            if m.error().code() == confluent_kafka.KafkaError._PARTITION_EOF:
                break
            raise SystemExit(str(m.error()))
        headers = m.headers() or []
        event = decode(m.value(), SerializationContext(args.topic, MessageField.VALUE, headers))
        print(json.dumps({"headers": {k: v.hex() for k, v in headers}, "event": event}, default=repr))
    consumer.close()


main()
