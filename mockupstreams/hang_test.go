package mockupstreams

import (
	"context"
	"io"
	"net/http"
	"testing"
	"time"
)

func TestHangHeaders(t *testing.T) {
	for _, proto := range protocols {
		t.Run(proto, func(t *testing.T) {
			s, client := startTest(t), newClient(t, proto)
			apply(t, s, `{"name": "stuck", "hang": "headers", "path": "/orders"}`)
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() {
				req, _ := http.NewRequestWithContext(ctx, "GET", "http://"+s.Addrs()[0]+"/orders", nil)
				_, err := client.Do(req)
				ended <- err
			}()
			// The witness comes while the request still hangs.
			eventually(t, "the hit", func() bool { return s.Counts().ByFault["stuck"] == 1 })
			wantStatus(t, client, s, "/", 200)
			if err := s.Heal("stuck"); err != nil {
				t.Fatal(err)
			}
			select {
			case err := <-ended:
				t.Errorf("healing ended a request that hung: %v", err)
			default:
			}
			cancel()
			<-ended
			eventually(t, "its attempt", func() bool { return s.Counts().ByStatus[0] == 1 })
			wantStatus(t, client, s, "/orders", 200)
		})
	}
}

func TestHangBody(t *testing.T) {
	for _, proto := range protocols {
		t.Run(proto, func(t *testing.T) {
			s, client := startTest(t, func(cfg *Config) { cfg.Body = "0123456789" }), newClient(t, proto)
			apply(t, s, `{"name": "stuck", "hang": "body"}`)
			ctx, cancel := context.WithCancel(t.Context())
			req, _ := http.NewRequestWithContext(ctx, "GET", "http://"+s.Addrs()[0], nil)
			res, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			half := make([]byte, 5)
			if _, err := io.ReadFull(res.Body, half); err != nil || string(half) != "01234" || res.ContentLength != 10 {
				t.Errorf("got %q of %d, %v, want half of 10", half, res.ContentLength, err)
			}
			cancel()
			if rest, err := io.ReadAll(res.Body); err == nil || len(rest) > 0 {
				t.Errorf("the rest: got %q, %v, want an error", rest, err)
			}
			eventually(t, "its attempt", func() bool { return s.Counts().ByStatus[200] == 1 })
		})
	}
}

func TestCloseFreesHangingRequests(t *testing.T) {
	for _, proto := range protocols {
		t.Run(proto, func(t *testing.T) {
			s, client := startTest(t), newClient(t, proto)
			apply(t, s, `{"name": "stuck", "hang": "headers"}`)
			ended := make(chan error, 1)
			go func() {
				_, _, err := get(client, s, "/")
				ended <- err
			}()
			eventually(t, "the hit", func() bool { return s.Counts().ByFault["stuck"] == 1 })
			s.Close()
			if err := <-ended; err == nil || isTimeout(err) {
				t.Errorf("got %v, want a closed connection", err)
			}
			if attempts, _ := s.Attempts(); time.Since(attempts[0].At) < 0 || attempts[0].Status != 0 {
				t.Errorf("got %+v", attempts)
			}
		})
	}
}
