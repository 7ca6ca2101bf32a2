package observe

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/trace"
)

// Load reads the input of Merge back from the files of a run:
//
//	schedule.json
//	seen.jsonl              the run, its steps, its requests and its stalls, as trace lines
//	origin                  the wall clock at 0 s, in nanoseconds
//	client-0/access.log
//	client-0/upstream.log   if the proxy wrote one
//	client-0/outlier.log
//	client-0/polls.jsonl    a Poll a line
//	client-0/built.json     a list of Built
//
// The trace is what seen.jsonl holds.
func Load(files fs.FS) (Input, *trace.Trace, error) {
	var in Input
	var t *trace.Trace
	err := errors.Join(
		part(files, "schedule.json", func(b []byte) (err error) {
			in.Schedule, err = schedule.Read(bytes.NewReader(b))
			return err
		}),
		part(files, "seen.jsonl", func(b []byte) (err error) {
			t, err = trace.Read(bytes.NewReader(b))
			return err
		}),
		part(files, "origin", func(b []byte) error {
			ns, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
			in.Origin = time.Unix(0, ns)
			return err
		}),
	)
	if err != nil {
		return in, nil, err
	}
	in.Steps, in.Requests = t.Steps, t.Requests
	for i := range in.Schedule.Clients {
		c, err := loadClient(files, fmt.Sprintf("client-%d/", i))
		if err != nil {
			return in, nil, err
		}
		in.Clients = append(in.Clients, c)
	}
	return in, t, nil
}

// part reads one file.
func part(files fs.FS, name string, take func([]byte) error) error {
	b, err := fs.ReadFile(files, name)
	if err != nil {
		return err
	}
	if err := take(b); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func loadClient(files fs.FS, folder string) (Client, error) {
	var c Client
	err := errors.Join(
		part(files, folder+"access.log", func(b []byte) (err error) {
			c.Access, err = Access(b)
			return err
		}),
		part(files, folder+"outlier.log", func(b []byte) (err error) {
			c.Outlier, err = Outlier(b)
			return err
		}),
		part(files, folder+"polls.jsonl", func(b []byte) (err error) {
			c.Polls, err = lines(b, func(text []byte) (p Poll, err error) {
				err = json.Unmarshal(text, &p)
				return p, err
			})
			return err
		}),
		part(files, folder+"built.json", func(b []byte) error { return json.Unmarshal(b, &c.Built) }),
	)
	if err != nil {
		return c, err
	}
	err = part(files, folder+"upstream.log", func(b []byte) (err error) {
		c.Upstream, err = Upstream(b)
		return err
	})
	c.UpstreamLog = err == nil
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return c, err
}
