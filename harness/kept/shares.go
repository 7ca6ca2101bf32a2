package kept

import "github.com/faildrill/faildrill/harness/trace"

// lastRequests is how many requests of a client its shares are taken from.
const lastRequests = 20

// LastShares are the shares of the hosts, 0..1, in the last requests of a client that a
// host answered. The requests are in order of time.
func LastShares(rs []trace.Request, client int32) map[int32]float64 {
	shares := map[int32]float64{}
	n := 0
	for i := len(rs) - 1; i >= 0 && n < lastRequests; i-- {
		if r := &rs[i]; r.Client == client && r.Host >= 0 {
			shares[r.Host]++
			n++
		}
	}
	for h := range shares {
		shares[h] /= float64(n)
	}
	return shares
}
