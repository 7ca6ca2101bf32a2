package mockupstreams

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestClient(t *testing.T) {
	s := startTest(t, func(cfg *Config) { cfg.Control = "127.0.0.1:0" })
	own := &http.Client{Transport: &http.Transport{}}
	defer own.CloseIdleConnections()
	c := Client{URL: "http://" + s.ControlAddr(), HTTP: own}
	ctx := t.Context()
	if err := c.Await(ctx); err != nil {
		t.Fatal(err)
	}
	if err := c.Apply(ctx, Fault{Name: "broken", Status: 503}); err != nil {
		t.Fatal(err)
	}
	if fs, err := c.Faults(ctx); err != nil || len(fs) != 1 || fs[0].Status != 503 {
		t.Errorf("got %+v, %v", fs, err)
	}
	wantStatus(t, newClient(t, "HTTP/1.1"), s, "/", 503)
	if n, err := c.Counts(ctx); err != nil || n.ByFault["broken"] != 1 {
		t.Errorf("got %+v, %v", n, err)
	}
	if err := c.Apply(ctx, Fault{Name: "broken", Status: 503}); err == nil || !strings.Contains(err.Error(), "broken") {
		t.Errorf("a name that is taken: got %v", err)
	}
	if err := c.Heal(ctx, "broken"); err != nil {
		t.Fatal(err)
	}
	if err := c.Heal(ctx, "broken"); err == nil {
		t.Error("it was healed twice")
	}
}

func TestClientAwaits(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := (Client{URL: "http://127.0.0.1:1"}).Await(ctx); err == nil {
		t.Error("nobody is there, and it answered")
	}
}
