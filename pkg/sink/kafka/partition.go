package kafka

import "encoding/binary"

// PartitionOf returns the partition of a key among n, as the default partitioner of Kafka's Java client chooses it.
func PartitionOf(key []byte, n int32) int32 {
	return int32(murmur2(key)&0x7fffffff) % n
}

// StickyPartition returns the one partition that takes all records without a key of a site: file order holds within it.
func StickyPartition(instance, site string, n int32) int32 {
	return PartitionOf([]byte(instance+"/"+site), n)
}

// statePartition returns the partition of the state topic that holds an instance's positions.
func statePartition(instance string, n int32) int32 {
	return PartitionOf([]byte(instance), n)
}

// murmur2 is MurmurHash2 with the seed of org.apache.kafka.common.utils.Utils.
func murmur2(data []byte) uint32 {
	const m, r = 0x5bd1e995, 24
	h := uint32(0x9747b28c) ^ uint32(len(data))
	for ; len(data) >= 4; data = data[4:] {
		k := binary.LittleEndian.Uint32(data) * m
		k = (k ^ k>>r) * m
		h = h*m ^ k
	}
	switch len(data) {
	case 3:
		h ^= uint32(data[2]) << 16
		fallthrough
	case 2:
		h ^= uint32(data[1]) << 8
		fallthrough
	case 1:
		h = (h ^ uint32(data[0])) * m
	}
	h = (h ^ h>>13) * m
	return h ^ h>>15
}
