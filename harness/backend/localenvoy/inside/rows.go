package inside

import (
	"github.com/faildrill/faildrill/harness/trace"
)

// rows are the lines of the endpoint table that belong to clusters of the schedule.
func (p *player) rows(x *proxy, answer []byte) ([]trace.Row, error) {
	var rows []trace.Row
	for client, own := range p.proxies {
		if own != x {
			continue
		}
		more, err := p.book.Rows(x.Proxy, client, answer, trace.Sec(p.since()))
		if err != nil {
			return nil, err
		}
		rows = append(rows, more...)
	}
	return rows, nil
}
