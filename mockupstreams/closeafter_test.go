package mockupstreams

import (
	"io"
	"strings"
	"testing"
)

func TestCloseAfter(t *testing.T) {
	s := startTest(t)
	apply(t, s, `{"name": "impatient", "closeAfter": 2}`)
	for range 2 { // every connection has its own count
		c, r := dial(t, s.Addrs()[0])
		for range 2 {
			if res, err := rawGet(t, c, r, "/"); err != nil || res.Close {
				t.Fatalf("got %v, %v, want an answer that keeps the connection", res, err)
			}
		}
		// FIN, not RST, and no byte before it.
		if _, err := rawGet(t, c, r, "/"); err != io.ErrUnexpectedEOF && err != io.EOF {
			t.Fatalf("the third: got %v, want EOF", err)
		}
	}
	eventually(t, "six attempts", func() bool { a, _ := s.Attempts(); return len(a) == 6 })
	if got := s.Counts(); got.ByFault["impatient"] != 2 || got.ByStatus[0] != 2 {
		t.Errorf("counts: got %+v", got)
	}
}

// Requests that were not too late are not counted by the selector.
func TestCloseAfterFirst(t *testing.T) {
	s := startTest(t)
	apply(t, s, `{"name": "once", "closeAfter": 1, "first": 1}`)
	c, r := dial(t, s.Addrs()[0])
	if _, err := rawGet(t, c, r, "/"); err != nil {
		t.Fatal(err)
	}
	if _, err := rawGet(t, c, r, "/"); err == nil {
		t.Fatal("the second request was answered")
	}
	c, r = dial(t, s.Addrs()[0])
	for range 3 {
		if _, err := rawGet(t, c, r, "/"); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCloseAfterHTTP2(t *testing.T) {
	s, client := startTest(t), newClient(t, "HTTP/2.0")
	apply(t, s, `{"name": "impatient", "closeAfter": 1}`)
	wantStatus(t, client, s, "/", 200)
	if _, err := client.Post("http://"+s.Addrs()[0], "text/plain", strings.NewReader("order")); err == nil {
		t.Error("the second request was answered")
	}
	wantStatus(t, client, s, "/", 200)
}
