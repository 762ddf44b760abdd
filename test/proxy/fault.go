package proxy

import (
	"bytes"
	"sync"
	"time"
)

// Keys of Kafka's requests.
const (
	Produce            int16 = 0
	Fetch              int16 = 1
	Metadata           int16 = 3
	FindCoordinator    int16 = 10
	InitProducerID     int16 = 22
	AddPartitionsToTxn int16 = 24
	EndTxn             int16 = 26
)

// Action is what becomes of a request and its reply.
type Action int

// The actions. Where the broker gets the request, it has applied it by the time that its reply comes.
const (
	CutBefore    Action = iota + 1 // the connection is cut, the broker never sees the request
	CutAfter                       // the broker applies the request, the connection is cut in place of the reply
	LoseRequest                    // the broker never sees the request, the connection stays
	LoseReply                      // the broker applies the request, nobody hears of it, the connection stays
	DelayRequest                   // the request waits, and reaches the broker even if the client has gone by then
	DelayReply                     // the reply waits, and all that come after it on its connection
	DoubleReply                    // the reply comes twice
)

// Fault strikes requests of one kind.
type Fault struct {
	Key   int16           // of the requests
	With  string          // bytes that a request must hold, such as a transactional id; empty: any
	Skip  int             // so many of them pass first
	Times int             // how many it strikes then; 0: all
	Do    Action          // what happens to them
	Wait  time.Duration   // how long the delays last
	Until <-chan struct{} // where it is set, a delay lasts until it is closed, at most for Wait
}

// Faults are the faults that some proxies share. The zero value has none. It is safe for concurrent use.
type Faults struct {
	mu   sync.Mutex
	list []*Injected // guarded by mu
}

// Injected is a fault at work.
type Injected struct {
	f      Fault
	faults *Faults
	seen   int           // guarded by faults.mu
	hits   int           // guarded by faults.mu
	struck chan struct{} // closed at the first hit
}

// Add puts a fault to work. Of several that fit a request the first one that was added strikes.
func (fs *Faults) Add(f Fault) *Injected {
	in := &Injected{f: f, faults: fs, struck: make(chan struct{})}
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.list = append(fs.list, in)
	return in
}

// Hits returns how many requests were struck.
func (in *Injected) Hits() int {
	in.faults.mu.Lock()
	defer in.faults.mu.Unlock()
	return in.hits
}

// Struck is closed when the first request is struck.
func (in *Injected) Struck() <-chan struct{} { return in.struck }

// Remove ends the fault. What it delays goes on waiting.
func (in *Injected) Remove() {
	in.faults.mu.Lock()
	defer in.faults.mu.Unlock()
	for i, other := range in.faults.list {
		if other == in {
			in.faults.list = append(in.faults.list[:i:i], in.faults.list[i+1:]...)
			return
		}
	}
}

// strike returns what is to happen to a request, nil if nothing is.
func (fs *Faults) strike(key int16, frame []byte) *Fault {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for _, in := range fs.list {
		f := &in.f
		if f.Key != key || !bytes.Contains(frame, []byte(f.With)) {
			continue
		}
		in.seen++
		if in.seen <= f.Skip || f.Times > 0 && in.hits >= f.Times {
			continue
		}
		if in.hits++; in.hits == 1 {
			close(in.struck)
		}
		return f
	}
	return nil
}
