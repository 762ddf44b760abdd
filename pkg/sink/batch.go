package sink

// Record is one message: offsets into its Batch's Buf. The key is Buf[Key:Value] and the value Buf[Value:End]; an empty key
// means none.
type Record struct {
	Stream          Stream
	Key, Value, End int32
	Time            int64   // microseconds since the Unix epoch
	Header          *Header // nil: none; shared by many records, never changed
}

// Header travels beside a record's value where the destination knows headers (Kafka does, container files don't). It is there
// for framings that put the schema id outside the value. Whoever makes one never changes it again: batches only point to it.
type Header struct {
	Name  string
	Value []byte
}

// Batch is the unit that travels from a site to its sink: records in the order in which their lines were read. The writer appends
// keys and values to Buf and closes each record with Add. All memory is reused after Release.
type Batch struct {
	Buf     []byte   // keys and values back to back; owned by the batch
	Records []Record // in order; owned by the batch
	Header  *Header  // given to every record that Add closes; nil: none; Release forgets it
	start   int32    // where the record being written starts
	value   int32    // where its value starts
	free    func(*Batch)
}

// NewBatch returns an empty batch with room for size bytes. free is called by Release, and may be nil.
func NewBatch(size int, free func(*Batch)) *Batch {
	return &Batch{Buf: make([]byte, 0, size), free: free}
}

// EndKey says that what was appended to Buf since the last Add (or Undo) is the key of the record being written. Without it the
// record has no key.
func (b *Batch) EndKey() { b.value = int32(len(b.Buf)) }

// Add closes the record being written: what was appended to Buf since EndKey (or since the last Add) is its value. time is in
// microseconds since the Unix epoch.
func (b *Batch) Add(s Stream, time int64) {
	end := int32(len(b.Buf))
	b.Records = append(b.Records, Record{Stream: s, Key: b.start, Value: b.value, End: end, Time: time, Header: b.Header})
	b.start, b.value = end, end
}

// Undo forgets what was appended to Buf since the last Add.
func (b *Batch) Undo() {
	b.Buf = b.Buf[:b.start]
	b.value = b.start
}

// KeyOf returns the key of r, nil if it has none. The bytes belong to the batch.
func (b *Batch) KeyOf(r *Record) []byte {
	if r.Value == r.Key {
		return nil
	}
	return b.Buf[r.Key:r.Value:r.Value]
}

// ValueOf returns the value of r. The bytes belong to the batch.
func (b *Batch) ValueOf(r *Record) []byte { return b.Buf[r.Value:r.End:r.End] }

// Release empties the batch and gives it back to whoever made it. The caller may not touch it afterwards.
func (b *Batch) Release() {
	b.Buf, b.Records, b.Header, b.start, b.value = b.Buf[:0], b.Records[:0], nil, 0, 0
	if b.free != nil {
		b.free(b)
	}
}
