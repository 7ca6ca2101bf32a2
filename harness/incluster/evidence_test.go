package incluster

import (
	"bytes"
	"testing"
)

// The end of a long log is kept, in whole lines.
func TestTail(t *testing.T) {
	line := []byte("0123456789\n")
	short := bytes.Repeat(line, 10)
	if got := tail(short); !bytes.Equal(got, short) {
		t.Errorf("got %d bytes of %d", len(got), len(short))
	}
	long := append(bytes.Repeat(line, mostOfLog/len(line)+100), "last\n"...)
	got := tail(long)
	if len(got) > mostOfLog || len(got) < mostOfLog-len(line) || !bytes.HasSuffix(got, []byte("\nlast\n")) || !bytes.HasPrefix(got, line) {
		t.Errorf("got %d bytes, %q to %q", len(got), got[:11], got[len(got)-11:])
	}
}
