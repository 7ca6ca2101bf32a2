package observe_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/faildrill/faildrill/harness/observe"
	"github.com/faildrill/faildrill/harness/trace"
)

var update = flag.Bool("update", false, "write testdata anew")

// What real proxies left behind, merged. Each file of testdata is a drill played
// on the Envoy release that it is named after.
func TestMerge(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no testdata: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			ar, in := load(t, file)
			out := observe.Merge(in)
			var got []byte
			for _, e := range out.Events() {
				if got, err = trace.AppendLine(got, e); err != nil {
					t.Fatal(err)
				}
			}
			causality(t, &out)
			want := section(ar, "want.jsonl")
			if bytes.Equal(got, want.Data) {
				return
			}
			if !*update {
				t.Fatalf("got\n%s\nwant\n%s", got, want.Data)
			}
			want.Data = got
			if err := os.WriteFile(file, txtar.Format(ar), 0o644); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func load(t *testing.T, file string) (*txtar.Archive, observe.Input) {
	t.Helper()
	ar, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	files := fstest.MapFS{}
	for _, f := range ar.Files {
		files[f.Name] = &fstest.MapFile{Data: f.Data}
	}
	in, _, err := observe.Load(files)
	if err != nil {
		t.Fatal(err)
	}
	return ar, in
}

func section(ar *txtar.Archive, name string) *txtar.File {
	for i := range ar.Files {
		if ar.Files[i].Name == name {
			return &ar.Files[i]
		}
	}
	ar.Files = append(ar.Files, txtar.File{Name: name})
	return &ar.Files[len(ar.Files)-1]
}

// causality is what holds of every merge: an attempt ends after it began and
// before the next one, and an ejection comes after a failure of its host.
func causality(t *testing.T, out *observe.Output) {
	t.Helper()
	type key struct{ client, request int32 }
	last := map[key]trace.Attempt{}
	for _, a := range out.Attempts {
		k := key{a.Client, a.Request}
		if a.Done < a.At || last[k].N+1 != a.N || last[k].Done > a.At {
			t.Errorf("%+v after %+v", a, last[k])
		}
		last[k] = a
	}
	for _, c := range out.Changes {
		if c.Event != trace.Ejected {
			continue
		}
		caused := false
		for _, a := range out.Attempts {
			if a.Host == c.Host && a.Charged && a.Done < c.At && c.At-a.Done < trace.Sec(20e6) {
				caused = true
			}
		}
		if !caused {
			t.Errorf("%+v has no attempt just before it", c)
		}
	}
}

// Without an upstream log, as with a control plane that cannot set one, there are
// as many attempts with as many hosts, or it is said that the host is not known.
func TestMergeWithoutUpstreamLog(t *testing.T) {
	files, _ := filepath.Glob("testdata/*.txtar")
	all, known := 0, 0
	for _, file := range files {
		_, in := load(t, file)
		full := observe.Merge(in)
		for i := range in.Clients {
			in.Clients[i].Upstream, in.Clients[i].UpstreamLog = nil, false
		}
		out := observe.Merge(in)
		want := map[[3]int32]trace.Attempt{}
		for _, a := range full.Attempts {
			want[[3]int32{a.Client, a.Request, a.N}] = a
		}
		if len(out.Attempts) != len(full.Attempts) {
			t.Errorf("%s: %d attempts; want %d", file, len(out.Attempts), len(full.Attempts))
		}
		notes := strings.Builder{}
		for _, n := range out.Notes {
			notes.WriteString(n.Text + "\n")
		}
		for _, a := range out.Attempts {
			w := want[[3]int32{a.Client, a.Request, a.N}]
			all++
			switch {
			case a.Host < 0:
				if !strings.Contains(notes.String(), "that no log tells of") {
					t.Errorf("%s: %+v has no host, and nothing is said of it", file, a)
				}
			case a.Host != w.Host || a.Result != w.Result || a.Charged != w.Charged:
				t.Errorf("%s:\ngot  %+v\nwant %+v", file, a, w)
			default:
				known++
			}
		}
	}
	t.Logf("%d of %d attempts are known", known, all)
	if known*10 < all*8 {
		t.Errorf("%d of %d attempts are known", known, all)
	}
}

// With errors of the local side apart, each connection ends a run of them: when it was
// made is told to the microsecond, not only where it took a millisecond. 102-434 of
// e2e/differential.md had a connection after a timeout that the model had before it.
func TestMergeTellsEveryConnectionThatEndsARun(t *testing.T) {
	files, _ := filepath.Glob("testdata/*.txtar")
	quick := 0
	for _, file := range files {
		_, in := load(t, file)
		for i := range in.Schedule.Configs {
			for _, c := range in.Schedule.Configs[i] {
				for k := range c.Clusters {
					if od := c.Clusters[k].OutlierDetection; od != nil {
						od.SplitExternalLocalOriginErrors = true
					}
				}
			}
		}
		want := map[[3]int32]trace.Sec{}
		for i := range in.Clients {
			for _, l := range in.Clients[i].Upstream {
				if l.SendBegin >= 0 {
					want[[3]int32{int32(i), l.Request, int32(l.Start.Sub(in.Origin) / 1000)}] = trace.Sec(l.SendBegin)
				}
			}
		}
		for _, a := range observe.Merge(in).Attempts {
			w, ok := want[[3]int32{a.Client, a.Request, int32(a.At / 1000)}]
			if !ok {
				continue
			}
			if a.Connected != a.At+w {
				t.Errorf("%s: request %d, attempt %d had its connection at %v; want %v", file, a.Request, a.N, a.Connected, a.At+w)
			}
			if w < trace.Sec(1e6) {
				quick++
			}
		}
	}
	if quick == 0 {
		t.Error("no connection took less than a millisecond")
	}
}

// When the main thread of a proxy had something else to do is noted, once, if it was
// for long and in the drill.
func TestMergeNotesABusyProxy(t *testing.T) {
	_, in := load(t, "testdata/1.40-blackhole.txtar")
	at := func(s float64) time.Time { return in.Origin.Add(time.Duration(s * 1e9)) }
	in.Clients[0].Busy = []observe.Busy{
		{End: at(-1), For: time.Second}, {End: at(1), For: 19 * time.Millisecond}, {End: at(2), For: 30 * time.Millisecond},
		{End: at(2), For: 30 * time.Millisecond}, {End: in.Origin.Add(in.Schedule.Duration.D() + time.Second), For: 40 * time.Millisecond},
	}
	in.Clients[0].Waits = []observe.Wait{{End: at(1), For: 19 * time.Millisecond, Of: time.Second}, {End: at(3), For: 30 * time.Millisecond, Of: 200 * time.Millisecond}}
	// Two that follow each other at once are one; two with a while between them are not.
	in.Clients[0].Busy = append(in.Clients[0].Busy,
		observe.Busy{End: at(3.0155), For: 15 * time.Millisecond}, observe.Busy{End: at(3), For: 15 * time.Millisecond},
		observe.Busy{End: at(3.5), For: 15 * time.Millisecond}, observe.Busy{End: at(3.53), For: 15 * time.Millisecond})
	out := trace.Trace{Notes: observe.Merge(in).Notes}
	want := []trace.Standstill{
		{Begin: trace.Sec(2e9 - 30e6), End: trace.Sec(2e9), For: 30 * time.Millisecond},
		{Begin: trace.Sec(3e9 - 15e6), End: trace.Sec(3e9 + 15.5e6), For: 30500 * time.Microsecond},
		{Begin: trace.Sec(2.8e9), End: trace.Sec(3e9), For: 30 * time.Millisecond}, // it waited
	}
	if got := out.BusyTimes(); !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	if got := out.Stalls(); len(got) != 0 {
		t.Errorf("a proxy that is busy is no stall of the machine: %v", got)
	}
}
