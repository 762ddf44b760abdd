package logformat

import (
	"bytes"
	"math/rand/v2"
)

// Confusable says whether lines that Nginx wrote by the format old can be taken for lines of the format new: they are cut, and every
// value fits its column, but it is another variable's. Then no line of the file tells which of the two wrote it; two columns of whole
// numbers that changed places are the plainest case. Formats with the same variables in the same order are never confusable, for a
// line means the same in both.
//
// It tries lines that old would write, made of typical values of every kind and of missing ones. So true is certain, and false says
// that no ordinary line is taken for another; what a client sends on purpose may still fit. It takes some milliseconds.
func Confusable(old, new *Format) bool {
	if sameVariables(old, new) {
		return false
	}
	values := make([][]string, len(old.columns))
	most := 0
	for i, c := range old.columns {
		values[i] = typicalValues(c.Variable, old.def.Escape)
		most = max(most, len(values[i]))
	}
	pick := make([]int, len(values))
	random := rand.New(rand.NewPCG(1, 2)) // the same lines each time
	for n := range most + sampleLines {
		for i := range pick {
			pick[i] = n % len(values[i])
			if n >= most {
				pick[i] = random.IntN(len(values[i]))
			}
		}
		if new.takes(old.sampleLine(values, pick)) {
			return true
		}
	}
	return false
}

// sampleLines is how many lines of chosen values Confusable tries: enough for the few columns that changed to meet by chance.
const sampleLines = 2000

// sameVariables says whether two formats have the same columns in the same order.
func sameVariables(a, b *Format) bool {
	if len(a.columns) != len(b.columns) {
		return false
	}
	for i := range a.columns {
		if a.columns[i].Name != b.columns[i].Name {
			return false
		}
	}
	return true
}

// sampleLine puts a line together from the picked values.
func (f *Format) sampleLine(values [][]string, pick []int) []byte {
	line := []byte(f.literals[0])
	for i, v := range values {
		line = append(append(line, v[pick[i]]...), f.literals[i+1]...)
	}
	return line
}

// takes says whether a line is cut by the format, and all its values can become fields.
func (f *Format) takes(line []byte) bool {
	spans, err := f.Split(nil, line)
	if err != nil {
		return false
	}
	for i, c := range f.columns {
		// All headers in one value have a form of their own, which the encoder checks.
		if v := spans[i].Of(line); c.Kind == Headers && !f.Missing(v) && bytes.IndexByte(v, '=') < 0 {
			return false
		}
	}
	return true
}

// typicalValues returns what Nginx ordinarily writes for a variable, the most typical value first.
func typicalValues(v Variable, e Escape) []string {
	values := typicalOfKind(v)
	switch v.Kind {
	case Msec, TimeLocal, TimeISO:
		return values
	}
	if v.Module == moduleLog {
		return values // never missing
	}
	if e == EscapeDefault {
		return append(values, "-")
	}
	return append(values, "")
}

// typicalOfKind returns typical values that are not missing. None needs an escape in any mode.
func typicalOfKind(v Variable) []string {
	switch v.Kind {
	case Token:
		return []string{"203.0.113.7", "HIT", "17"}
	case Int:
		return []string{"200", "80", "0"}
	case Long:
		return []string{"612", "0", "5368709120"}
	case Double:
		return []string{"0.005", "0.000", "12.250"}
	case Msec:
		return []string{"1700000000.123"}
	case TimeLocal:
		return []string{"14/Nov/2023:22:13:20 +0000"}
	case TimeISO:
		return []string{"2023-11-14T22:13:20+00:00"}
	case Request:
		return []string{"GET /index.html?a=1 HTTP/1.1", "POST /login HTTP/2.0"}
	case IntList:
		return []string{"200", "502, 200", "502, 200 : 200"}
	case LongList:
		return []string{"612", "0, 612", "0, 612 : 5368709120"}
	case DoubleList:
		return []string{"0.005", "0.001, 0.005", "0.001, 0.005 : 1.250"}
	case TextList:
		return []string{"10.0.0.1:8080", "10.0.0.1:8080, 10.0.0.2:8080", "unix:/run/app.sock : 10.0.0.1:8080"}
	case Headers:
		return []string{"Host=shop.example&Accept=*/*&User-Agent=curl/8.5.0"}
	}
	if isProse(v) {
		return []string{"Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101", "curl/8.5.0", "https://shop.example/", "17"}
	}
	return []string{"shop.example", "/index.html", "17", "0.005"}
}
