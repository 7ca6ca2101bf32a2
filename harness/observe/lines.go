package observe

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Line is a line of the access log (a request), or of the upstream log (an attempt).
type Line struct {
	Start, End time.Time
	Request    int32 // its number
	Status     int32 // 0: no response headers came, or the proxy sent none
	Flags      string
	Details    string // access log only
	Host       string // ip:port; "": none was picked
	HostName   string // the host's DNS name, else its address
	Cluster    string
	Attempts   int32 // access log only
	Failure    string
	Connection uint64

	// From Start; negative when it did not happen.
	ConnectBegin, SendBegin, ResponseBegin time.Duration
}

// never stands for a point in time that was not reached.
const never = time.Duration(-1)

// Access reads an access log. A last line without its end, as a process that was
// killed leaves it, is not read; any other line that is not one is an error.
func Access(log []byte) ([]Line, error) { return lines(log, parseLine) }

// Upstream reads an upstream log.
func Upstream(log []byte) ([]Line, error) { return lines(log, parseLine) }

func lines[T any](log []byte, parse func([]byte) (T, error)) ([]T, error) {
	var out []T
	for n := 1; ; n++ {
		end := bytes.IndexByte(log, '\n')
		if end < 0 {
			return out, nil
		}
		if text := bytes.TrimSpace(log[:end]); len(text) > 0 {
			l, err := parse(text)
			if err != nil {
				return out, fmt.Errorf("line %d: %w", n, err)
			}
			out = append(out, l)
		}
		log = log[end+1:]
	}
}

func parseLine(text []byte) (Line, error) {
	var j struct {
		Start, End, Request, Flags, Details, Host, HostName, Cluster, Failure string

		Status, Attempts                       int32
		Connection                             uint64
		ConnectBegin, SendBegin, ResponseBegin *float64 // Envoy 1.36 writes 800000 as 8e+05
	}
	if err := json.Unmarshal(text, &j); err != nil {
		return Line{}, err
	}
	l := Line{
		Status: j.Status, Flags: j.Flags, Details: j.Details, Host: j.Host, HostName: j.HostName, Cluster: j.Cluster,
		Attempts: j.Attempts, Failure: j.Failure, Connection: j.Connection,
		ConnectBegin: point(j.ConnectBegin), SendBegin: point(j.SendBegin), ResponseBegin: point(j.ResponseBegin),
	}
	n, err := strconv.ParseInt(j.Request, 10, 32)
	if err != nil {
		return Line{}, fmt.Errorf("request number: %w", err)
	}
	l.Request = int32(n)
	if l.Start, err = unix(j.Start); err != nil {
		return Line{}, fmt.Errorf("start: %w", err)
	}
	if l.End, err = unix(j.End); err != nil {
		return Line{}, fmt.Errorf("end: %w", err)
	}
	return l, nil
}

func point(ns *float64) time.Duration {
	if ns == nil {
		return never
	}
	return time.Duration(*ns)
}

// unix reads seconds with nine decimals.
func unix(text string) (time.Time, error) {
	s, frac, _ := strings.Cut(text, ".")
	sec, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return time.Time{}, err
	}
	ns, err := strconv.ParseInt(frac, 10, 64)
	if err != nil || len(frac) != 9 {
		return time.Time{}, fmt.Errorf("%q; expected seconds with nine decimals", text)
	}
	return time.Unix(sec, ns), nil
}
