package pool

// queue is what every pool has: streams that wait, and connections on their way.
type queue struct {
	connecting []int32
	pending    []int32
}

func (q *queue) clone() queue {
	return queue{append([]int32(nil), q.connecting...), append([]int32(nil), q.pending...)}
}

// Pending is the number of streams that wait for a connection.
func (q *queue) Pending() int { return len(q.pending) }

// Open records a connection that is on its way.
func (q *queue) Open(conn int32, use *Use) {
	q.connecting = append(q.connecting, conn)
	use.Connections++
}

// Failed ends a connect attempt: everything that waits fails with it, in the
// order in which Envoy fails it (newest first before 1.40). Other connections on
// their way go on, with nobody waiting; who comes meanwhile waits for them. It
// returns the streams and whether conn was still on its way.
//
// Rule: RuleFailTogether, RuleFailOldestFirst, RuleOthersConnect.
func (q *queue) Failed(conn int32, oldestFirst bool, use *Use) ([]int32, bool) {
	if !q.drop(conn) {
		return nil, false
	}
	use.Connections--
	ids := q.pending
	q.pending = nil
	use.Pending -= uint32(len(ids))
	if !oldestFirst {
		for i, j := 0, len(ids)-1; i < j; i, j = i+1, j-1 {
			ids[i], ids[j] = ids[j], ids[i]
		}
	}
	return ids, true
}

func (q *queue) drop(conn int32) bool {
	for i, c := range q.connecting {
		if c == conn {
			q.connecting = append(q.connecting[:i], q.connecting[i+1:]...)
			return true
		}
	}
	return false
}

// Cancel takes a stream off the queue, because its request was given up. The
// connection that was on its way for it goes on.
//
// Rule: RuleConnectGoesOn.
func (q *queue) Cancel(id int32, use *Use) bool {
	for i, s := range q.pending {
		if s == id {
			q.pending = append(q.pending[:i], q.pending[i+1:]...)
			use.Pending--
			return true
		}
	}
	return false
}

// giveUp closes the connections that are on their way if nobody waits.
func (q *queue) giveUp(use *Use) {
	if len(q.pending) == 0 {
		use.Connections -= uint32(len(q.connecting))
		q.connecting = nil
	}
}
