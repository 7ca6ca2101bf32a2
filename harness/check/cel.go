package check

import (
	"fmt"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"github.com/faildrill/faildrill/harness/result"
	"github.com/faildrill/faildrill/harness/trace"
)

// celCost bounds how much an expression may compute.
const celCost = 1_000_000

// celEnv declares what expressions can use:
//
//	window('10s', '60s')          requests, errors, errorRate, share, statuses, flags, attempts,
//	                              slowest and fastest: seconds from when a request was due to its end
//	endpoint('east', '20s')       status, outlierCheck, priority, ejections
//	times('east', 'ejected')      the instants of such events, in seconds
//	failoverAfter, returnAfter    seconds; -1: never
func celEnv(t *trace.Trace) (*cel.Env, error) {
	m := cel.MapType(cel.StringType, cel.DynType)
	return cel.NewEnv(
		cel.Variable("failoverAfter", cel.DoubleType),
		cel.Variable("returnAfter", cel.DoubleType),
		cel.Function("window", cel.Overload("window_string_string", []*cel.Type{cel.StringType, cel.StringType}, m,
			cel.BinaryBinding(func(a, b ref.Val) ref.Val { return celWindow(t, a, b) }))),
		cel.Function("endpoint", cel.Overload("endpoint_string_string", []*cel.Type{cel.StringType, cel.StringType}, m,
			cel.BinaryBinding(func(a, b ref.Val) ref.Val { return celEndpoint(t, a, b) }))),
		cel.Function("times", cel.Overload("times_string_string", []*cel.Type{cel.StringType, cel.StringType}, cel.ListType(cel.DoubleType),
			cel.BinaryBinding(func(a, b ref.Val) ref.Val { return celTimes(t, a, b) }))),
	)
}

// CompileCEL reports what is wrong with an expression, nil if nothing is.
func CompileCEL(expression string) error {
	_, err := compileCEL(expression, &trace.Trace{})
	return err
}

func compileCEL(expression string, t *trace.Trace) (cel.Program, error) {
	env, err := celEnv(t)
	if err != nil {
		return nil, err
	}
	ast, iss := env.Compile(expression)
	if iss.Err() != nil {
		return nil, iss.Err()
	}
	if ast.OutputType() != cel.BoolType && ast.OutputType() != cel.DynType {
		return nil, fmt.Errorf("expected a condition, found an expression of type %s", ast.OutputType())
	}
	return env.Program(ast, cel.CostLimit(celCost))
}

func evaluate(expression string, t *trace.Trace) (result.Verdict, string, string) {
	p, err := compileCEL(expression, t)
	if err != nil {
		return result.Inconclusive, "the expression cannot be read", err.Error()
	}
	im := Outcome(t)
	or := func(f *float64) float64 {
		if f == nil {
			return -1
		}
		return *f * scaleOf(t)
	}
	v, _, err := p.Eval(map[string]any{"failoverAfter": or(im.FailoverAfter), "returnAfter": or(im.ReturnAfter)})
	if err != nil {
		return result.Inconclusive, "the expression has no value", err.Error()
	}
	ok, isBool := v.Value().(bool)
	if !isBool {
		return result.Inconclusive, fmt.Sprintf("the expression gives %v; expected true or false", v.Value()), ""
	}
	return verdictOf(ok), fmt.Sprint(ok), ""
}

// celTime reads an offset and divides it by the run's scale.
func celTime(t *trace.Trace, v ref.Val) (trace.Sec, ref.Val) {
	s, _ := v.Value().(string)
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, types.NewErr("%q is not a time; expected one such as 10s", s)
	}
	return trace.Sec(float64(d) / scaleOf(t)), nil
}

// scaleOf is how many times as fast the run was. Expressions speak of the drill
// as it is written: what they give is divided by it, and what they get is
// multiplied.
func scaleOf(t *trace.Trace) float64 {
	if t.Run.Scale > 0 {
		return t.Run.Scale
	}
	return 1
}

func celWindow(t *trace.Trace, a, b ref.Val) ref.Val {
	from, bad := celTime(t, a)
	if bad != nil {
		return bad
	}
	to, bad := celTime(t, b)
	if bad != nil {
		return bad
	}
	w := In(t, -1, from, to)
	share := map[string]float64{}
	for _, u := range t.Run.Upstreams {
		share[u] = 0
		if w.Total() > 0 {
			share[u] = float64(w.Answered[u]) / float64(w.Total())
		}
	}
	rate := 0.0
	if w.Requests > 0 {
		rate = float64(w.Errors) / float64(w.Requests)
	}
	slowest, fastest := latencies(t, from, to)
	return types.DefaultTypeAdapter.NativeToValue(map[string]any{
		"requests": w.Requests, "errors": w.Errors, "errorRate": rate, "share": share,
		"statuses": w.Statuses, "flags": w.Flags, "attempts": w.Attempts, "slowest": slowest, "fastest": fastest,
	})
}

// latencies are those of the slowest and the fastest request of a window, in seconds of
// the drill as it was written; 0 where there is none.
func latencies(t *trace.Trace, from, to trace.Sec) (slowest, fastest float64) {
	first := true
	for r := range t.AllRequests() {
		if r.At < from || r.At >= to {
			continue
		}
		took := (r.Done - r.At).Seconds() * scaleOf(t)
		if slowest = max(slowest, took); first || took < fastest {
			fastest, first = took, false
		}
	}
	return slowest, fastest
}

func celEndpoint(t *trace.Trace, name, at ref.Val) ref.Val {
	when, bad := celTime(t, at)
	if bad != nil {
		return bad
	}
	j := judge{t: t}
	if table := j.tableAt(when); table != nil {
		for _, r := range table.Rows {
			if t.UpstreamName(r.Upstream) == name.Value() {
				return types.DefaultTypeAdapter.NativeToValue(map[string]any{
					"status": r.Status, "outlierCheck": r.OutlierCheck, "priority": int(r.Priority), "ejections": int(r.Ejections),
				})
			}
		}
	}
	return types.NewErr("no endpoint of %v was recorded at %v", name.Value(), at.Value())
}

func celTimes(t *trace.Trace, name, event ref.Val) ref.Val {
	out := []float64{}
	for _, c := range t.Changes {
		if t.UpstreamName(t.UpstreamOf(c.Host)) == name.Value() && c.Event == event.Value() {
			out = append(out, c.At.Seconds()*scaleOf(t))
		}
	}
	return types.DefaultTypeAdapter.NativeToValue(out)
}
