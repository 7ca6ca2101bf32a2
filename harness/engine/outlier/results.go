package outlier

// Result is what the router reports about an upstream attempt.
type Result uint8

// The results that Envoy knows.
const (
	ConnectSuccess      Result = iota // attached to a connection
	ConnectSuccessFinal               // the same where nothing else will be reported: TCP
	RequestSuccess                    // response headers with a status below 500
	RequestDegraded                   // the same, with the header x-envoy-degraded
	RequestFailed                     // response headers with a status of 500 or more
	ConnectFailed                     // no connection, or the stream was reset
	Timeout                           // the route or per-try timeout fired on a connection
)

// codes are what a result counts as when it comes without a status of its own,
// with errors of the local side kept apart from answers or not.
var codes = [...]struct{ together, split int }{
	ConnectSuccessFinal: {200, 0},
	RequestSuccess:      {200, 200},
	RequestDegraded:     {200, 200},
	RequestFailed:       {500, 503},
	ConnectFailed:       {503, 0},
	Timeout:             {504, 0},
}

// Detections are the detectors that one result set off; at most two, or one and
// a degradation.
type Detections struct {
	list [3]Type
	n    int
}

// List returns them in the order in which they are posted to the main thread.
func (ds *Detections) List() []Type { return ds.list[:ds.n] }

// None reports whether no detector was set off.
func (ds *Detections) None() bool { return ds.n == 0 }

func (ds *Detections) add(t Type) { ds.list[ds.n] = t; ds.n++ }

// Report counts the result of one attempt on host h. The code is the response
// status, 0 where there is none. Each attempt counts, those that will be retried
// too, and those of a host that is out.
//
// Rule: RuleEveryAttemptCharged, RuleLocalErrorsAsCodes.
func (d *Detector) Report(h int32, r Result, code int) (ds Detections) {
	if r == RequestDegraded && d.detectsDegraded() {
		ds.add(Degradation)
	}
	if d.cfg.SplitExternalLocalOriginErrors {
		d.reportSplit(h, r, code, &ds)
		return ds
	}
	// Without the split, an error of the local side looks like an answer.
	if r == ConnectSuccess {
		return ds
	}
	if code == 0 {
		code = codes[r].together
	}
	d.httpCode(h, code, &ds)
	return ds
}

// reportSplit keeps errors of the local side apart from answers; a code that
// comes with one is not looked at.
//
// Rule: RuleSplitLocalOrigin.
func (d *Detector) reportSplit(h int32, r Result, code int, ds *Detections) {
	switch r {
	case ConnectSuccess, ConnectSuccessFinal:
		d.localOrigin(h, true, ds)
	case ConnectFailed, Timeout:
		d.localOrigin(h, false, ds)
	case RequestSuccess, RequestDegraded, RequestFailed:
		if code == 0 {
			code = codes[r].split
		}
		d.httpCode(h, code, ds)
	}
}
