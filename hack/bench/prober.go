package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"fortio.org/fortio/fhttp"
	"fortio.org/fortio/periodic"
	"fortio.org/log"

	"github.com/faildrill/faildrill/harness/probe"
)

const (
	connections = 16
	// sendFor is how long each run sends.
	sendFor = time.Second
)

// prober compares how late requests are sent, and how many are, by the probe
// and by fortio with -uniform. What counts is each tool's own schedule.
func prober(ss servers) figure {
	log.SetLogLevelQuiet(log.Error)
	f := figure{name: "prober", title: "Sending over 16 connections on loopback, each server in its own process"}
	for _, rate := range []float64{500, 2000, 5000, 10000} {
		at := func(what string) string { return fmt.Sprintf("%s, %.0f/s", what, rate) }
		peer := at("fortio -uniform, late p50")
		f.trials = append(f.trials,
			trial{rows: []row{
				{what: peer, unit: "us"},
				{what: at("fortio -uniform, rate achieved"), unit: "%"},
			}, run: func() ([]float64, error) { return fortio(ss[0].url, rate) }},
			trial{rows: []row{
				{what: at("probe, late p50"), unit: "us", most: 50, peer: peer, ratio: 0.125},
				{what: at("probe, late p99"), unit: "us"},
				{what: at("probe, late max"), unit: "us"},
				{what: at("probe, rate achieved"), unit: "%", least: 99.9, most: 100.1},
			}, run: func() ([]float64, error) { return send(ss[1].url, rate) }})
	}
	return f
}

func send(url string, rate float64) ([]float64, error) {
	do, closeIdle, err := probe.HTTP(probe.HTTPOptions{URL: url, KeepAlive: true, Timeout: 10 * time.Second})
	if err != nil {
		return nil, err
	}
	defer closeIdle()
	load := probe.Load{Rate: rate, Duration: sendFor, Start: 20 * time.Millisecond, Concurrency: connections}
	if err := connectAll(do); err != nil {
		return nil, err
	}
	s, err := probe.Run(context.Background(), probe.Clock{}, load, do, nil)
	if err != nil || s.Errors > 0 {
		return nil, fmt.Errorf("%d of %d requests failed: %w", s.Errors, s.Count, err)
	}
	return []float64{micros(s.Lateness.P50), micros(s.Lateness.P99), micros(s.Lateness.Max), 100 * s.Rate / rate}, nil
}

// connectAll opens the connections before the first request is due, as fortio does.
func connectAll(do probe.Do) error {
	var all sync.WaitGroup
	failed := make([]error, connections)
	for i := range connections {
		all.Go(func() {
			answered := make(chan error)
			do(context.Background(), i, func(o probe.Outcome) { answered <- o.Err })
			failed[i] = <-answered
		})
	}
	all.Wait()
	for _, err := range failed {
		if err != nil {
			return err
		}
	}
	return nil
}

func fortio(url string, rate float64) ([]float64, error) {
	starts := &starts{of: map[int][]time.Time{}}
	o := &fhttp.HTTPRunnerOptions{HTTPOptions: fhttp.HTTPOptions{URL: url}}
	o.RunnerOptions = periodic.RunnerOptions{
		QPS: rate, Duration: sendFor, NumThreads: connections, Uniform: true, AccessLogger: starts, Out: io.Discard,
	}
	if _, err := fhttp.RunHTTPTest(o); err != nil {
		return nil, err
	}
	return []float64{starts.latenessP50(rate), starts.achieved(rate)}, nil
}

// starts collects when fortio started each request of each of its threads.
type starts struct {
	mu sync.Mutex
	of map[int][]time.Time
}

// Start is called just before a request is sent.
func (s *starts) Start(ctx context.Context, thread periodic.ThreadID, _ int64, at time.Time) context.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.of[int(thread)] = append(s.of[int(thread)], at)
	return ctx
}

// Report is called when it was answered.
func (s *starts) Report(context.Context, periodic.ThreadID, int64, time.Time, float64, bool, string) {
}

// Info names this logger.
func (s *starts) Info() string { return "" }

// latenessP50 is in microseconds. A thread with n calls makes call i at
// i*(1+1/(n-1)) periods after it began, and the threads begin a share of a
// period after another; the first calls tell when all that began.
func (s *starts) latenessP50(rate float64) float64 {
	period := float64(connections) / rate
	seconds := func(x float64) time.Duration { return time.Duration(x * float64(time.Second)) }
	offset := func(thread int) time.Duration { return seconds(period * float64(thread) / connections) }
	var origin time.Time
	for thread, calls := range s.of {
		if at := calls[0].Add(-offset(thread)); origin.IsZero() || at.Before(origin) {
			origin = at
		}
	}
	var late []float64
	for thread, calls := range s.of {
		for i, at := range calls {
			due := origin.Add(offset(thread))
			if i > 0 {
				due = due.Add(seconds(period * (float64(i) + float64(i)/float64(len(calls)-1))))
			}
			late = append(late, float64(at.Sub(due).Nanoseconds())/1000)
		}
	}
	return median(late)
}

// achieved is the rate from the first request to the last, in percent of what was asked.
func (s *starts) achieved(rate float64) float64 {
	var all []time.Time
	for _, calls := range s.of {
		all = append(all, calls...)
	}
	slices.SortFunc(all, time.Time.Compare)
	return 100 * float64(len(all)-1) / all[len(all)-1].Sub(all[0]).Seconds() / rate
}
