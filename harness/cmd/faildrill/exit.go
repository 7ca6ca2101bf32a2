package main

import (
	"context"
	"errors"
	"io/fs"
	"syscall"

	"github.com/faildrill/faildrill/harness"
	"github.com/faildrill/faildrill/harness/result"
	"github.com/faildrill/faildrill/harness/scenario"
)

// code is an exit code.
type code int

// The exit codes.
const (
	codePassed       code = 0
	codeFailed       code = 1 // an expectation failed, or lint found an error
	codeInput        code = 2 // bad input or usage, a rejected configuration
	codeEnvironment  code = 3 // something broke underneath
	codeInconclusive code = 4
	codeDivergence   code = 5
	codeInterrupted  code = 130
)

// urgency says which of several codes is reported: the first.
var urgency = []code{codeInterrupted, codeEnvironment, codeInput, codeDivergence, codeFailed, codeInconclusive, codePassed}

// codes collects what several drills ended with.
type codes struct{ seen []code }

func (c *codes) add(x code) { c.seen = append(c.seen, x) }

func (c *codes) exit() int {
	for _, u := range urgency {
		for _, s := range c.seen {
			if s == u {
				return int(u)
			}
		}
	}
	return int(codePassed)
}

// usageError is the user's mistake on the command line.
type usageError struct{ error }

// silentError has been reported already.
type silentError struct{ code code }

func (silentError) Error() string { return "" }

// environmentError is something that broke underneath.
type environmentError struct{ error }

func (e environmentError) Unwrap() error { return e.error }

func codeOf(err error) int {
	var ps scenario.Problems
	var us usageError
	var si silentError
	var en environmentError
	var pe *fs.PathError
	switch {
	case errors.As(err, &si):
		return int(si.code)
	case errors.Is(err, context.Canceled):
		return int(codeInterrupted)
	case errors.As(err, &en), errors.Is(err, syscall.ENOSPC):
		return int(codeEnvironment)
	case errors.As(err, &ps), errors.As(err, &us), errors.Is(err, harness.ErrFolder), errors.Is(err, harness.ErrDamaged):
		return int(codeInput)
	case errors.As(err, &pe):
		return int(codeEnvironment) // a result that could not be written
	}
	return int(codeInput)
}

// codeOfPlan is what a prediction means to a script.
func codeOfPlan(p *result.Plan) code {
	switch {
	case p.Outcome == result.Rejected && p.Verdict != result.Pass:
		return codeInput
	case p.Verdict == result.Fail:
		return codeFailed
	case p.Verdict == result.Inconclusive:
		return codeInconclusive
	}
	return codePassed
}

// codeOfRun is what a run means to a script. A skipped run has not failed.
func codeOfRun(p *harness.Played) code {
	switch {
	case errors.Is(p.Err, context.Canceled):
		return codeInterrupted
	case p.Err != nil:
		return codeEnvironment
	case p.Outcome == result.Rejected && p.Verdict != result.Pass:
		return codeInput
	case p.Divergence != nil, len(p.ConfigDifferences) > 0:
		return codeDivergence
	case p.Verdict == result.Fail:
		return codeFailed
	case p.Verdict == result.Inconclusive:
		return codeInconclusive
	case p.Verdict == result.Error:
		return codeEnvironment
	}
	return codePassed
}
