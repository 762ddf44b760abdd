package schema

import (
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// ID is what a registry calls a schema. The zero value is no id.
type ID struct {
	Number  int32    // from 1; 0 where only the GUID is known
	GUID    [16]byte // in the order in which it is written; registries before Confluent 8 give none
	HasGUID bool
}

// String returns the number if there is one, else the GUID.
func (id ID) String() string {
	if id.Number == 0 && id.HasGUID {
		return id.guid()
	}
	return strconv.Itoa(int(id.Number))
}

// guid returns the GUID as RFC 9562 writes it: 8-4-4-4-12 hexadecimal digits.
func (id ID) guid() string {
	g := hex.EncodeToString(id.GUID[:])
	return g[:8] + "-" + g[8:12] + "-" + g[12:16] + "-" + g[16:20] + "-" + g[20:]
}

// answeredID is the id in a registry's answer. A GUID that is none is left out: the number will do.
func answeredID(number int, guid string) (ID, error) {
	if number <= 0 || number > math.MaxInt32 {
		return ID{}, fmt.Errorf("the registry answered with id %d, want one from 1 to %d", number, math.MaxInt32)
	}
	id := ID{Number: int32(number)}
	id.GUID, id.HasGUID = parseGUID(guid)
	return id, nil
}

// parseGUID reads what guid writes.
func parseGUID(s string) (guid [16]byte, ok bool) {
	raw, err := hex.DecodeString(strings.ReplaceAll(s, "-", ""))
	if err != nil || len(raw) != len(guid) {
		return guid, false
	}
	return [16]byte(raw), true
}
