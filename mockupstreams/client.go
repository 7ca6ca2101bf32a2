package mockupstreams

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// Client talks to the control API of an upstream that is elsewhere.
type Client struct {
	URL  string       // http://host:port
	HTTP *http.Client // nil: one with a timeout
}

var controlClient = &http.Client{Timeout: controlTimeout}

// Apply begins a fault.
func (c Client) Apply(ctx context.Context, f Fault) error {
	body, err := json.Marshal(f)
	if err != nil {
		return err
	}
	return c.call(ctx, http.MethodPost, "/faults", body, http.StatusCreated, nil)
}

// Heal ends a fault.
func (c Client) Heal(ctx context.Context, name string) error {
	return c.call(ctx, http.MethodDelete, "/faults/"+url.PathEscape(name), nil, http.StatusNoContent, nil)
}

// Faults are those at work.
func (c Client) Faults(ctx context.Context) ([]Fault, error) {
	var doc struct{ Faults []Fault }
	err := c.call(ctx, http.MethodGet, "/faults", nil, http.StatusOK, &doc)
	return doc.Faults, err
}

// Counts are the upstream's.
func (c Client) Counts(ctx context.Context) (Counts, error) {
	var n Counts
	err := c.call(ctx, http.MethodGet, "/counts", nil, http.StatusOK, &n)
	return n, err
}

// Await waits until the API answers.
func (c Client) Await(ctx context.Context) error {
	for {
		err := c.call(ctx, http.MethodGet, "/healthz", nil, http.StatusOK, nil)
		if err == nil {
			return nil
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		}
	}
}

func (c Client) call(ctx context.Context, method, path string, body []byte, want int, into any) error {
	q, err := http.NewRequestWithContext(ctx, method, c.URL+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	client := c.HTTP
	if client == nil {
		client = controlClient
	}
	r, err := client.Do(q)
	if err != nil {
		return err
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	if r.StatusCode != want {
		var doc struct{ Error string }
		if json.Unmarshal(b, &doc) != nil || doc.Error == "" {
			doc.Error = r.Status
		}
		return fmt.Errorf("the control API at %s: %s", c.URL, doc.Error)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(b, into)
}
