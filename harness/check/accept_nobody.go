package check

import (
	"slices"

	"github.com/faildrill/faildrill/harness/engine"
	"github.com/faildrill/faildrill/harness/trace"
)

// asking is a request for which nobody was found. When that was is not observed:
// between its last attempt, or when it was sent, and its answer.
type asking struct {
	request *trace.Request
	nobody  bool // there was an instant at which there was nobody
}

// ask looks whether there is nobody now.
func (a *acceptor) ask(st *state) {
	if len(st.asking) == 0 || !st.nobody() {
		return
	}
	for i := range st.asking {
		st.asking[i].nobody = true
	}
}

func (st *state) nobody() bool {
	ch := st.ch
	return st.c.Pick(nil, nil, &ch) == engine.NoHost
}

// nobody ends the wait of a request, and reports whether there was nobody.
func (a *acceptor) nobody(st *state, r *trace.Request) bool {
	for i, x := range st.asking {
		if x.request == r {
			st.asking = slices.Delete(st.asking, i, i+1)
			return x.nobody
		}
	}
	return st.nobody()
}
