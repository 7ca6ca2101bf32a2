package harness

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"

	"github.com/faildrill/faildrill/harness/backend"
	"github.com/faildrill/faildrill/harness/istioctl"
	"github.com/faildrill/faildrill/harness/kept"
	"github.com/faildrill/faildrill/harness/result"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/trace"
)

// KeptEndpoints asks a kept run for its endpoints, and istioctl for the same. Without a
// path of istioctl nobody else is asked.
func KeptEndpoints(ctx context.Context, r kept.Registry, e kept.Entry, istioctlPath string) (result.Table, error) {
	now, err := r.Endpoints(ctx, e)
	if err != nil {
		return result.Table{}, err
	}
	t := newTable(e.ID, e.Scenario, now.At)
	t.Kept = true
	for _, c := range now.Clients {
		text := ""
		if istioctlPath != "" {
			if text, err = istioctl.Endpoints(ctx, istioctlPath, c.Answer, ""); err != nil {
				return result.Table{}, err
			}
		}
		if err := merge(&t, c.Name, now.Upstreams, c.Rows, text, nil); err != nil {
			return result.Table{}, err
		}
	}
	return t, nil
}

func newTable(run, scenario string, at float64) result.Table {
	return result.Table{Run: run, Scenario: scenario, At: at, Rows: []result.TableRow{}, Differences: []string{}}
}

// merge adds the rows of a client beside what istioctl printed; "" if it was not asked. It
// printed places that at knows as addresses of the drill.
func merge(t *result.Table, client string, upstreams []string, rows []kept.Row, text string, at map[string]string) error {
	var theirs []istioctl.Row
	var own []trace.Row
	for _, r := range rows {
		own = append(own, r.Row)
	}
	if text != "" {
		var err error
		if theirs, err = istioctl.Parse(text); err != nil {
			return err
		}
		for i := range theirs {
			if a, ok := at[theirs[i].Endpoint]; ok {
				theirs[i].Endpoint = a
			}
		}
		t.Differences = append(t.Differences, istioctl.Differences(own, theirs)...)
	}
	for _, r := range rows {
		row := result.TableRow{Share: r.Share, Row: result.Row{
			Client: client, Address: r.Address, Name: r.Name, Locality: r.Locality, Priority: r.Priority, Weight: r.Weight,
			Status: r.Status, OutlierCheck: r.OutlierCheck, Ejections: r.Ejections, Cluster: r.Cluster,
		}}
		if r.Upstream >= 0 && int(r.Upstream) < len(upstreams) {
			row.Upstream = upstreams[r.Upstream]
		}
		if i := slices.IndexFunc(theirs, func(x istioctl.Row) bool { return x.Of(&r.Row) }); i >= 0 {
			row.Istioctl = &result.Istioctl{Status: theirs[i].Status, OutlierCheck: theirs[i].OutlierCheck}
		}
		t.Rows = append(t.Rows, row)
	}
	return nil
}

// places are the addresses of the drill by where they were, if that was elsewhere: on the
// loopback interface, or in containers.
func places(dir string) (map[string]string, error) {
	at := map[string]string{}
	for _, file := range []string{backend.LoopbackFile, backend.PlacesFile} {
		name := filepath.Join(dirEvidence, file)
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			continue // it was not there
		}
		var by map[string]string
		if err := json.Unmarshal(b, &by); err != nil {
			return nil, damaged(dir, name, err)
		}
		for address, place := range by {
			at[place] = address
		}
	}
	return at, nil
}

// StoredEndpoints is the last endpoint table of a stored run.
func StoredEndpoints(dir string) (result.Table, error) {
	s, err := readFile(dir, fileSchedule, schedule.Read)
	if err != nil {
		return result.Table{}, damaged(dir, fileSchedule, err)
	}
	tr, err := readFile(dir, fileTrace, trace.Read)
	if err != nil {
		return result.Table{}, damaged(dir, fileTrace, err)
	}
	if len(tr.Endpoints) == 0 {
		return result.Table{}, damaged(dir, fileTrace, errors.New("it ended before it looked at the endpoints"))
	}
	backend.InOrder(tr)
	last := tr.Endpoints[len(tr.Endpoints)-1]
	at, err := places(dir)
	if err != nil {
		return result.Table{}, err
	}
	t := newTable(dir, s.Name, last.At.Seconds())
	for client, name := range tr.Run.Clients {
		shares := kept.LastShares(tr.Requests, int32(client))
		var rows []kept.Row
		for _, r := range last.Rows {
			if int(r.Client) == client {
				rows = append(rows, kept.Row{Row: r, Share: shares[r.Host]})
			}
		}
		text, _ := os.ReadFile(filepath.Join(dir, dirEvidence, backend.IstioctlFile(name, last.At))) // it is not always there
		if err := merge(&t, name, tr.Run.Upstreams, rows, string(text), at); err != nil {
			return result.Table{}, damaged(dir, dirEvidence, err)
		}
	}
	return t, nil
}
